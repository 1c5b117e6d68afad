# SPDX-License-Identifier: MIT
"""`make run` and `make gdb`, typed at as the README says: Linux on this terminal, its page in this
host's hands, and the way out; Linux as dom0 with its xl; the debugger, the prompt beside it, and
Ctrl-c."""
import fcntl
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import urllib.request

import pexpect
import pytest

import archive
import linux_box
import machine
import rig_box

ROOT = pathlib.Path(__file__).resolve().parents[2]
RUN = ROOT / "pvguest-sdk/tools/domus-run"
pytestmark = pytest.mark.xdist_group("run")         # one machine at a time has the build's disk


def on_a_terminal(log, command, *options):
    # another make than the one that runs the tests
    surroundings = {name: value for name, value in os.environ.items()
                    if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    return pexpect.spawn(command, [*options], cwd=ROOT,
                         encoding="utf-8", codec_errors="replace", echo=False,
                         timeout=240 * machine.PATIENCE, logfile=log,
                         preexec_fn=machine.die_with_parent,
                         env={**surroundings, "TERM": "dumb"})


def typed(log, *options):
    return on_a_terminal(log, sys.executable, str(RUN), "--build", str(machine.BUILD), *options)


def log_of(name):
    (machine.BUILD / "logs").mkdir(exist_ok=True)
    return (machine.BUILD / "logs" / f"{name}.log").open("w")


def test_the_debugger_stops_the_machine_and_not_itself(request):
    with log_of("run-gdb") as log, log_of("run-attach") as attached:
        assert "no machine is under the debugger" in typed(log, "--attach").read()
        gdb = typed(log, "--gdb")
        request.addfinalizer(gdb.terminate)
        gdb.expect(r"\(gdb\) ")
        prompt = typed(attached, "--attach")
        prompt.expect("Ctrl-]")
        assert "another terminal is at that prompt already: process" \
            in typed(log, "--attach").read()
        gdb.sendline("continue")
        gdb.expect("Breakpoint 1, boot_main")
        gdb.expect(r"\(gdb\) ")
        assert "warning" not in gdb.before          # of our own symbols
        gdb.sendline("continue")
        prompt.expect("dom0: ready")
        prompt.send("xl list\r")
        prompt.expect("Domain-0 ")
        gdb.sendintr()
        gdb.expect(r"SIGINT.*\(gdb\) ")
        gdb.sendline("print/x $cs")
        gdb.expect(r"= 0x[0-9a-f]+.*\(gdb\) ")
        for line, answer in (("domus domains", r"d0\*  DOMAIN_ALIVE  \d+ pages"),
                             ("domus current", r"CPU 0: d0v0, "),
                             ("domus walk 0xffffffff80000000 0",
                              r"L1\[0\] .* present .*d0's, type writable, .* pfn 0x0"),
                             ("domus walk 0 9", "there is no domain 9"),
                             ("domus mfn 0 1", r"mfn 0x[0-9a-f]+: d0's, .* pfn 0x1\r"),
                             ("domus frame", "usage: domus frame MFN"),
                             ("domus symbols nowhere", "there is no file"),
                             (f"domus symbols {machine.BUILD}/guests/hello.elf", "add symbol"),
                             (f"domus symbols {machine.BUILD}/dom0.elf", "add symbol"),
                             ("info symbol turns_join", r"turns_join in section \.text")):
            gdb.sendline(line)
            gdb.expect(rf"{answer}.*\(gdb\) ")
        gdb.sendline("continue")
        prompt.send("echo  and on\r")
        prompt.expect("\nand on")
        second = typed(log)                         # which the disk is not free for
        second.expect(r"disk\.img is in use: the machine of process \d+ has it")
        second.expect("SNAPSHOT=1.*B=build2")
        second.expect(pexpect.EOF)
        second.close()
        assert second.exitstatus == 1
        prompt.send("\x1d")
        prompt.expect(pexpect.EOF)
        gdb.sendintr()
        gdb.expect(r"SIGINT.*\(gdb\) ")
        gdb.sendline("quit")
        gdb.expect(pexpect.EOF)
        assert "qemu" not in gdb.before                 # it has ended because we wanted it to
        assert re.search("-nonsense: invalid option.*domus-run: QEMU has not started the machine",
                         typed(log, "--gdb", "--qemu=-nonsense").read(), re.S)


def answer(child, line, *patterns):
    """Types a line at dom0's prompt, and waits for what it says, in that order."""
    child.send(f"{line}\r")
    for pattern in (*patterns, "dom0> $"):
        child.expect(pattern, timeout=120 * machine.PATIENCE)


def test_files_are_replaced_while_it_runs(tmp_path):
    """A kernel that is built anew, a new configuration, one that is gone; a file that is missing
    leaves the old ones."""
    kernel, config = tmp_path / "my kernel.elf", tmp_path / "my.cfg"
    shutil.copy(machine.BUILD / "archive/hello.elf", kernel)
    config.write_text("name = 'my'\nkernel = 'my kernel.elf'\nmemory = 8\n")
    with log_of("run-refresh") as log:
        child = typed(log, "--snapshot", str(tmp_path))
        child.expect("dom0> $")
        answer(child, "consoles on")
        answer(child, "create my.cfg; wait my", r"\(my\) Hello from ", "Domain 'my' has ended")
        answer(child, "refresh", r"refresh\s+\d+ files, for guests that are made from now on")
        shutil.copy(machine.BUILD / "archive/measure.elf", kernel)
        config.rename(tmp_path / "mine.cfg")
        answer(child, "create my.cfg; wait my", r"\(my\) Hello from ", "Domain 'my' has ended")
        answer(child, "refresh", "mine.cfg is new", "my kernel.elf has changed", "my.cfg is gone")
        answer(child, "create my.cfg", "no file 'my.cfg' in the boot archive")
        answer(child, "create mine.cfg; wait my", r"\(my\) measure: null-call", "'my' has ended")
        shutil.rmtree(tmp_path)
        answer(child, "refresh", f"Error: there is no file {tmp_path}",
               "The files are those of before")
        answer(child, "create mine.cfg; wait my", r"\(my\) measure: null-call", "'my' has ended")
        child.send("poweroff\r")
        child.expect(pexpect.EOF)


def test_two_machines_have_a_cable(tmp_path, request):
    """As dom0's README says it: a guest goes from here to there; the cable has two ends, and each
    is free again when its machine is gone."""
    words = ("--snapshot", "--memory", "256", "--cable", str(tmp_path / "net"))
    with log_of("run-here") as one, log_of("run-there") as other:
        here = typed(one, *words)
        request.addfinalizer(here.terminate)
        here.expect("dom0 is 10.0.2.10 here, and 10.0.2.11 at the other end")
        here.expect("dom0> $")
        there = typed(other, *words)
        request.addfinalizer(there.terminate)
        there.expect("dom0 is 10.0.2.11 here, and 10.0.2.10 at the other end")
        there.expect("dom0> $")
        assert "net has a machine at both ends" in typed(one, *words).read()
        answer(there, "migrate-receive 10.0.2.10", "Guests are taken from 10.0.2.10")
        answer(here, "create saved.cfg", "'saved' is created")
        answer(here, "migrate saved 10.0.2.11", "'saved' has moved to 10.0.2.11")
        there.expect("'saved' has come from 10.0.2.10")
        answer(there, "domid saved", r"domid saved\s+\d+\s")
        for child in there, here:
            child.send("poweroff\r")
            child.expect(pexpect.EOF)


@pytest.fixture
def empty(tmp_path):
    """A build folder in which all files are empty, and a QEMU before the real one that says its
    options, a line each."""
    for name in ("domus.elf", "dom0.elf", "loader.elf", "archive.tar", "disk.img"):
        (tmp_path / name).touch()
    (tmp_path / "accel").write_text("tcg\n")
    fake = tmp_path / "qemu-system-x86_64"
    fake.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    fake.chmod(0o755)
    return tmp_path


def options_of(build, *options, **surroundings):
    """What domus-run makes of its words: exit status, QEMU's options, what is wrong."""
    done = subprocess.run([sys.executable, str(RUN), "--build", str(build), *options],
                          capture_output=True, text=True,
                          env={**os.environ, "PATH": f"{build}:{os.environ['PATH']}",
                               **surroundings},
                          timeout=120 * machine.PATIENCE)
    return done.returncode, done.stdout, done.stderr


def test_disks_and_more_of_qemu(empty):
    raw, cow = empty / "a,b.raw", empty / "mine.qcow2"
    raw.touch()
    cow.write_bytes(b"QFI\xfb and more")
    assert f"file={empty}/disk.img,format=raw\n" in options_of(empty)[1]
    assert f"file={empty}/a,,b.raw,format=raw\n" in options_of(empty, "--disk", str(raw))[1]
    said = options_of(empty, "--disk", str(cow), "--snapshot", "--qemu", "-smp 2 -name 'a b'",
                      "--qemu=-S")[1]
    assert f"file={cow},format=qcow2,snapshot=on,file.locking=off\n" in said
    assert said.endswith("\n-smp\n2\n-name\na b\n-S\n")
    said = options_of(empty, "--gdb=4711")[1]
    assert "target remote :4711" in said and "-S\n-gdb\ntcp:127.0.0.1:4711\n" in said
    raw.write_bytes(b"QFI\xfb")                          # a guest's doing, perhaps
    assert options_of(empty, "--disk", str(raw))[::2] == \
        (1, f"domus-run: {raw} is raw by its name, and qcow2 by what it begins with\n")
    assert options_of(empty, "--disk", "none")[::2] == \
        (1, "domus-run: there is no file none: domus-image FILE.img NAME=SIZE makes one\n")
    status, _, wrong = options_of(empty, "--qemu", "a 'b")
    assert status == 2 and "No closing quotation" in wrong


def test_the_ends_of_a_cable(empty):
    cable = empty / "a,b"
    said = options_of(empty, "--cable", str(cable), "--append-dom0=more")[1]
    assert "ip=10.0.2.10 more" in said and "mac=52:54:00:12:34:56\n" in said
    assert f"local.path={empty}/a,,b/0,remote.type=unix,remote.path={empty}/a,,b/1\n" in said
    assert cable.stat().st_mode & 0o777 == 0o700
    with (cable / "0.lock").open() as ours:
        fcntl.flock(ours, fcntl.LOCK_EX)
        said = options_of(empty, "--cable", str(cable))[1]
        assert "ip=10.0.2.11" in said and "mac=52:54:00:12:34:57\n" in said
        assert "a,,b/1,remote.type=unix,remote.path=" in said
    for words, wrong in ((["--cable", "x" * 107], "is too long a name"),
                         (["--cable", str(empty / "accel")], "File exists"),
                         (["--cable", str(cable), "--forward", "tcp:0:10.0.2.31:80"],
                          "--forward is from this host's net"),
                         (["--cable", str(cable), "--record", str(empty / "new")],
                          "--record is for a machine by itself"),
                         (["--cable", str(cable), "--replay", str(empty / "new")],
                          "a replay has in it what was recorded")):
        status, _, said = options_of(empty, *words)
        assert status == 1 and wrong in said


def test_a_disk_is_written_by_one(empty):
    """Others are told who that is, or have a copy; readers share it."""
    image = empty / "disk.img"
    with image.open("rb") as ours:
        fcntl.flock(ours, fcntl.LOCK_EX)
        status, _, wrong = options_of(empty)
        assert status == 1 and f"{image} is in use: the machine of process {os.getpid()} has it" \
            in wrong
        said = options_of(empty, "--snapshot")[1]
        assert f"is being written by process {os.getpid()}: this machine has a copy" in said
        assert re.search(r"file=\S+/disk\.img,format=raw,snapshot=on", said)
        assert f"file={image}" not in said
        fcntl.flock(ours, fcntl.LOCK_SH)
        assert f"file={image},format=raw,snapshot=on" in options_of(empty, "--snapshot")[1]
        assert options_of(empty)[0] == 1
    assert options_of(empty)[0] == 0


def test_kernels_command_lines_and_cpus(empty):
    kernel = empty / "my kernel.elf"
    kernel.write_bytes(b"\x7fELF")
    said = options_of(empty, "--bare", str(kernel), "--append-dom0", "a b", "--append-dom0=c",
                      "--append-hypervisor", "loglevel=3", "--cpus", "3", "--memory", "2G")[1]
    assert "my kernel.elf as the only guest" in said
    assert re.search(r"^-initrd\n\S+/hypervisor\.elf loglevel=3,\S+/dom0\.elf a b c$", said, re.M)
    assert "-m\n2048\n-smp\n3\n" in said
    (empty / "disk of it").touch()
    said = options_of(empty, "--bare", str(kernel), "--archive", str(empty / "disk of it"))[1]
    assert "my kernel.elf as dom0 of Domus" in said
    assert re.search(r"\S+/dom0\.elf,\S+/ramdisk$", said, re.M)
    assert options_of(empty, "--archive", str(kernel))[0] == 2
    (empty / "a.cfg").touch()
    archive.make_archive(empty / "archive.tar", [])
    said = options_of(empty, str(kernel), "--create", str(empty / "a.cfg"), str(kernel) + "=b")[1]
    assert re.search(r"dom0\.elf ip=10\.0\.2\.10,\S+/archive\.tar$", said, re.M)


def test_the_prompt_has_a_pane_where_there_is_tmux(empty):
    for name, text in (("gdb", "exit 0"), ("tmux", f'printf "%s\\n" "$@" > {empty}/asked')):
        (empty / name).write_text(f"#!/bin/sh\n{text}\n")
        (empty / name).chmod(0o755)
    assert "is `make attach` in another terminal" in options_of(empty, "--gdb", TMUX="")[1]
    assert not (empty / "asked").exists()
    assert "is in the pane beside" in options_of(empty, "--gdb", TMUX="/tmp/tmux,1,0")[1]
    asked = (empty / "asked").read_text()
    assert f"-S {empty}/gdb-serial " in asked and f"--attach --build {empty}" in asked


def test_real_xen_is_there_or_said_to_be_missing(empty):
    status, _, wrong = options_of(empty, "--xen")
    assert status == 1
    assert wrong.startswith(f"domus-run: there is no file {empty}/peer/xen.elf: ")
    assert "`make peer` fetches it" in wrong
    (empty / "peer").mkdir()
    (empty / "peer" / "xen.elf").touch()
    said = options_of(empty, "--xen")[1]
    assert re.search(r"^-kernel\n\S+/hypervisor\.elf\n-append\nconsole=com1 ", said, re.M)
    assert re.search(r"^-initrd\n\S+/dom0\.elf ip=10\.0\.2\.10,\S+/archive\.tar$", said, re.M)
    assert "-cpu\nmax,-smap" in said


def test_make_passes_on_what_is_wished():
    said = made("DISK=a b.raw", "QEMU=-smp 2 -S", "SNAPSHOT=1", "XEN=1", "do-run")
    assert said[-5:] == ["--disk", "a b.raw", "--snapshot", "--qemu=-smp 2 -S", "--xen"]
    said = made("DISK=c.raw", "do-gdb")
    assert said[-3:] == ["--gdb", "--disk", "c.raw"]
    help_text = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True).stdout
    assert "DISK=FILE" in help_text and "XEN=1" in help_text


def test_another_disk_on_real_xen(tmp_path):
    if not machine.XEN.path.exists():
        pytest.skip("no real Xen here")
    image = tmp_path / "mine.raw"
    subprocess.run([sys.executable, str(RUN.with_name("disk.py")), str(image), "elsewhere=4"],
                   check=True)
    with log_of("run-xen") as log:
        child = typed(log, "--xen", "--snapshot", "--disk", str(image))
        child.expect("Booting Debian's real Xen")
        child.expect("dom0> ")
        child.send("disks\r")
        child.expect("elsewhere")
        child.send("xl info\r")
        child.expect(r"xen_version *: 4\.17")
        child.send("\x01x")
        child.expect(pexpect.EOF)


def made(*words):
    """What make says to domus-run, without doing it."""
    command = ["make", "-n", "DEPS=present", f"B={machine.BUILD}", *words]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return shlex.split(said.replace("\\\n", " ").splitlines()[-1])


def linux_options():
    """What `make run LINUX=1` says to domus-run behind the build folder."""
    return made("LINUX=1", "do-run")[3:]


def test_linux_on_the_terminal():
    linux_box.available()
    with log_of("run-linux") as log:
        child = typed(log, *linux_options())
        child.expect(r"(http://127\.0\.0\.1:\d+) here")
        address = child.match.group(1)
        child.expect("dom0: ready")
        child.send("xl create -c linux.cfg\r")
        child.expect("LINUX UP: ")
        # the first is dom0 itself
        child.send("ping -c 2 10.0.2.10; echo from the guest > /www/index.html; httpd -h /www; "
                   "echo  served\r")
        child.expect("2 packets received")
        child.expect(r"\nserved")
        with urllib.request.urlopen(f"{address}/index.html",
                                    timeout=120 * machine.PATIENCE) as page:
            assert page.read() == b"from the guest\n"
        child.send("\x1d")
        child.expect("Detached")
        child.send("poweroff\r")
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == 0


def test_linux_as_dom0_on_the_terminal():
    """Its kernel is a bzImage, as Debian packages it. The lines are those of the README."""
    linux_box.available()
    rig_box.available(machine.DOMUS)
    create, look, end = re.findall(r"^/guests # (.*?)(?:  .*)?$", (ROOT / "README.md").read_text(),
                                   re.M)
    with log_of("run-dom0-linux") as log:
        child = on_a_terminal(log, "make", "DEPS=present", f"B={machine.BUILD}", "SNAPSHOT=1",
                              "run", "DOM0=linux")
        child.expect("Booting vmlinuz as dom0 of Domus")
        child.expect("/guests # ")
        child.send(f"{create}\r")
        child.expect("LINUX UP: .* 1 CPU, ")
        child.expect("/ # ")
        child.send("ping -c 2 10.0.2.2\r")
        child.expect("2 packets received")
        for _ in range(30):                 # xenconsole hears it when it has the terminal raw
            child.send("\x1d")
            if child.expect(["/guests # ", pexpect.TIMEOUT], timeout=2) == 0:
                break
        child.send(f"{look}\r")
        for said in (r"\nlinux +1 +256 +1 ", r"xen_version +: 4\.17\.0-domus", r"\nlinux +1 +0 +0 ",
                     "tslice=10ms", r"\(domus\) 1 CPU, ", "/guests # "):
            child.expect(said)
        child.send(f"{end}\r")
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == 0
