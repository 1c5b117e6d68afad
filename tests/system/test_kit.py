# SPDX-License-Identifier: MIT
"""The kit without the tests: who has no folder tests/ makes an ISO, runs it with a guest of their
own in it, and is told in a sentence what is wrong when something is."""
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import sys
import tarfile
import time

import pexpect
import pytest

import archive
import debugger
import disk
import files
import host
import iso
import machine
import qemu

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOLS = ROOT / "pvguest-sdk/tools"
# What a build of all but the tests has made, so that making it again is a matter of seconds.
BUILT = ("domus.elf", "domus-debug.elf",
         "dom0.elf", "libpvguest.a", "libpvdrivers.a", "gen", "guest-obj", "hv-obj",
         "hv-debug", "native", "port", "guests")


def make(place, *words):
    quiet = {name: value for name, value in os.environ.items()
             if not name.startswith(("MAKE", "MFLAGS", "DOMUS_"))}
    return subprocess.run(["make", "--no-print-directory", "DEPS=present", *words],
                          cwd=place, env=quiet,
                          capture_output=True, text=True)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A tree without tests/, built as far as this one is."""
    place = tmp_path_factory.mktemp("kit")
    for entry in ROOT.iterdir():
        if entry.name in ("Makefile", "hypervisor", "builder", "pvguest-sdk", "drivers", "patches",
                          "dom0"):
            (place / entry.name).symlink_to(entry)
    (place / "build").mkdir()
    for name in BUILT:
        subprocess.run(["cp", "-a", ROOT / machine.BUILD / name, place / "build"], check=True)
    made = make(place)
    assert made.returncode == 0, made.stdout + made.stderr
    yield place
    shutil.rmtree(place)


def test_make_keeps_what_it_has_looked_for(place):
    """A header, and says nothing of it."""
    made = make(place, "build/scan/lines.o")
    assert made.stdout == "  CC      pvguest-sdk/tools/scan/lines.c\n", made.stdout + made.stderr
    assert (place / "build/headers/elfutils/libdw.h").exists()


def test_an_image_is_made_and_run(place):
    with tarfile.open(place / "build/archive.tar") as tar:
        names = tar.getnames()
    assert {"hello.elf", "hello.cfg", "insula.elf", "insula1.cfg"} <= set(names)
    assert not [name for name in names if name.startswith(("test-", "attack-"))]
    (place / "mine.cfg").write_text('name = "mine"\nkernel = "mine.elf"\nmemory = 8\nextra = '
                                    '"greetings=all"\n')
    shutil.copy(place / "build/guests/hello.elf", place / "mine.elf")
    (machine.BUILD / "logs").mkdir(exist_ok=True)
    log = (machine.BUILD / "logs/kit-run.log").open("w")
    box = pexpect.spawn("make", ["DEPS=present", "run", "ADD=mine.elf mine.cfg"],
                        cwd=place, encoding="utf-8",
                        codec_errors="replace", echo=False, timeout=240 * machine.PATIENCE,
                        logfile=log,
                        preexec_fn=machine.die_with_parent)
    with log:
        box.expect("`xl create -c mine.cfg` boots that guest")
        box.expect("dom0: ready")
        box.send("xl create -c mine.cfg\r")
        box.expect("Hello from domain")
        box.expect(r"The guest is gone.*dom0> ")
        box.send("poweroff\r")
        box.expect(pexpect.EOF)
        box.close()
        assert box.exitstatus == 0


def test_what_needs_the_tests_is_not_there(place):
    found = make(place, "test")
    assert found.returncode == 2 \
        and "there is no target or file 'test': `make help` lists" in found.stderr
    said = make(place, "help").stdout
    assert "make run " in said and "make iso " in said and "make test" not in said


def test_each_tool_says_what_it_does():
    for name in ("archive.py", "disk.py", "iso.py", "domus-run", "domus-image", "domus-new"):
        said = subprocess.run([sys.executable, TOOLS / name, "--help"],
                              capture_output=True, text=True, env=os.environ | {"COLUMNS": "200"})
        assert said.returncode == 0 and said.stdout.startswith(f"usage: {name}")
        assert max(map(len, said.stdout.split("\n"))) <= 100, name
    others = ("compdb.py", "manual.py", "hypercalls.py", "reference.py", "deps.sh")
    for name in others:
        tool = TOOLS / name
        start = ["sh"] if tool.suffix == ".sh" else [sys.executable]
        said = subprocess.run([*start, tool, "--help"], capture_output=True, text=True)
        assert said.returncode == 0 and name in said.stdout, said.stdout + said.stderr
        assert max(map(len, said.stdout.split("\n"))) <= 100, name


@pytest.mark.parametrize("words, status, error", (
    ("archive.py OUT nowhere.cfg", 1, "archive.py: there is no file nowhere.cfg"),
    ("archive.py OUT README.md tests/README.md", 1, "archive.py: two files would be README.md"),
    ("archive.py", 2, "usage: archive.py"),
    ("disk.py OUT a=1 b", 2, "'b' is not NAME=SIZE or NAME=SIZE:FILE, SIZE in MiB"),
    ("disk.py OUT a=0", 2, "'a=0' is not NAME=SIZE"),
    ("disk.py OUT a=1:nowhere", 1, "disk.py: there is no file nowhere"),
    ("disk.py OUT a=1:BUILD/disk.img", 1, "does not fit a (1 MiB)"),
    ("disk.py OUT a=1:/dev/zero", 1, "/dev/zero does not fit a (1 MiB)"),
    ("disk.py OUT a=1 b=1 a=2", 1, "disk.py: two partitions would be a"),
    (f"disk.py OUT {'n' * 36}=1 {'n' * 37}=1", 2, "a partition's name has at most 36 characters"),
    ("disk.py OUT n\u00e4=1", 2, "a partition's name has at most 36 characters, of ASCII"),
    ("disk.py OUT a=1 b=1099511627776", 1, "disk.py: a disk of more than 1099511627776 MiB"),
    ("disk.py OUT a=1099511627776", 1, "disk.py: File too large"),
    ("iso.py OUT --hypervisor nowhere.elf", 1, "iso.py: there is no file nowhere.elf"),
    ("iso.py OUT", 2, "--hypervisor"),
    ("domus-run --build nowhere", 1, "domus-run: there is no folder nowhere: `make` builds into"),
    ("domus-run --forward tcp:1:2", 2, "'tcp:1:2' is not tcp:PORT:ADDRESS:PORT"),
    ("domus-run --forward tcp:99999:10.0.2.31:80", 2, "is not tcp:PORT:ADDRESS:PORT"),
    ("domus-run --gdb --attach", 2, "not allowed with argument"),
    ("domus-run --memory lots", 2, "'lots' is no size: 1024, 1024M or 1G"),
    ("domus-run --memory 16", 2, "'16' is less than the 24 MiB that a machine needs"),
    ("domus-run --cpus 0", 2, "'0' is no number of CPUs"),
    ("domus-run --build BUILD nowhere.elf", 1, "domus-run: there is no file nowhere.elf"),
    ("domus-run --build BUILD --bare tests", 1, "domus-run: tests is a folder; a file is wanted"),
    ("domus-run --build BUILD --bare README.md", 1, "README.md is no ELF file and no bzImage"),
    ("domus-run --build BUILD --create 'a", 1, "it needs a name without blanks and quotes"),
    ("domus-image OUT", 2, "an image (.iso), an archive (.tar), a disk (.img) or a kernel (.elf)?"),
    ("domus-image OUT.img", 2, "a disk is made of partitions: NAME=SIZE or NAME=SIZE:FILE"),
    ("domus-image OUT.img a", 2, "'a' is not NAME=SIZE"),
    ("domus-image OUT.tar --bare x", 2, "are for an .iso"),
    ("domus-image OUT.elf x", 2, "a kernel is made of one that is packed: --bare vmlinuz"),
    ("domus-image OUT.elf --bare nowhere", 1, "there is no file nowhere"),
    ("domus-image OUT.iso nowhere --build BUILD", 1, "domus-image: there is no file nowhere"),
    ("domus-image OUT.tar --create pvguest-sdk/examples/hello.cfg", 1,
     "hello.cfg names hello.elf, which is not among the files: add it"),
    ("domus-new", 2, "the following arguments are required: NAME"),
    ("domus-new a+b", 2, "'a+b': a guest's name has letters, digits, - and _"),
    ("domus-new fresh", 1, "domus-new: this is the tree's own; install the kit first"),
), ids=str)
def test_what_is_wrong_is_said(tmp_path, words, status, error):
    out = tmp_path / "out"
    command = words.replace("OUT", str(out)).replace("BUILD", str(ROOT / machine.BUILD)).split()
    found = subprocess.run([sys.executable, TOOLS / command[0], *command[1:]],
                           cwd=ROOT, capture_output=True,
                           text=True)
    assert (found.returncode, found.stdout) == (status, "")
    assert error in found.stderr and "Traceback" not in found.stderr
    assert not out.exists()


@pytest.mark.parametrize("program, package", host.PACKAGES.items())
def test_a_missing_program_is_named_with_its_package(tmp_path, monkeypatch, program, package):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(host.Refused,
                       match=f"{program} is not installed; on Debian: apt-get install {package} "):
        host.program(program)


def test_images_are_the_same_again(tmp_path):
    """And a file that is added takes the place of one that was there."""
    (tmp_path / "a").write_text("first")
    (tmp_path / "b").write_text("second")
    base, over, again = (tmp_path / f"{name}.tar" for name in ("base", "over", "again"))
    archive.make_archive(base, [tmp_path / "a", tmp_path / "b"])
    archive.make_archive(over, [f"{tmp_path}/b=a"], base)
    archive.make_archive(again, [f"{tmp_path}/b=a", tmp_path / "b"])
    assert archive.members(over) == {"a": b"second", "b": b"second"}
    assert over.read_bytes() == again.read_bytes()
    for name in ("one", "two"):
        disk.make_disk(tmp_path / name, [("x", 1, tmp_path / "a"), ("y", 1, None)])
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    with pytest.raises(host.Refused, match="a disk has room for 128"):
        disk.make_disk(tmp_path / "many", [(f"p{number}", 1, None) for number in range(129)])


def test_names_that_an_archive_does_not_have(tmp_path):
    """From a folder as by themselves."""
    folder = tmp_path / "folder"
    for name, why in (("n" * 100, "at most 99 bytes"), ("\x1b[2J", "no such characters")):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        (folder / name).write_text("x")
        for item in (folder, folder / name, f"{ROOT / 'README.md'}={name}"):
            with pytest.raises(host.Refused, match=why):
                archive.make_archive(tmp_path / "out.tar", [item])
    assert not list(tmp_path.glob("out*"))


def test_what_is_being_written_is_nobody_elses(tmp_path):
    """No link that somebody has laid is written through; the file is everybody's to read at last,
    as others are."""
    victim = tmp_path / "victim"
    victim.write_text("as it was")
    for out in (tmp_path / "out.tar", tmp_path / "out.img"):
        out.with_name(out.name + ".new").symlink_to(victim)
    archive.make_archive(tmp_path / "out.tar", [ROOT / "README.md"])
    disk.make_disk(tmp_path / "out.img", [("x", 1, None)])
    (tmp_path / "plain").write_text("")
    for name in ("out.tar", "out.img"):
        assert (tmp_path / name).stat().st_mode == (tmp_path / "plain").stat().st_mode
    with pytest.raises(host.Refused, match="does not fit"):
        disk.make_disk(tmp_path / "little.img", [("x", 1, ROOT / machine.BUILD / "disk.img")])
    assert victim.read_text() == "as it was" and not list(tmp_path.glob("little*"))


def test_awkward_names_and_words_on_an_image(tmp_path):
    """A kernel that is called as the hypervisor is, in a folder of blanks, quotes and commas; words
    with what GRUB would read."""
    folder = tmp_path / "it's a, \"folder\" $x"
    folder.mkdir()
    kernel, image = folder / "domus.elf", folder / "out.iso"
    shutil.copy(ROOT / machine.BUILD / "guests/hello.elf", kernel)
    subprocess.run([sys.executable, TOOLS / "domus-image", image, "--build", ROOT / machine.BUILD,
                    "--bare", kernel, "--append-dom0", "greetings=all it's \"$HOME\""], check=True)
    box = subprocess.run(qemu.command(qemu.from_iso(image), line=qemu.PIPE), text=True,
                         stdin=subprocess.DEVNULL, capture_output=True, errors="replace",
                         timeout=100 * machine.PATIENCE, preexec_fn=machine.die_with_parent)
    assert "Hello from domain 0" in box.stdout


def test_quotes_of_a_command_line():
    """They keep a word together, as dom0's run="..." does, and come in pairs."""
    assert iso.grub_commands(["x", "loglevel=3"], [["y", 'ip=10.0.2.10 run="xl list"']]) == \
        "multiboot2 /boot/0-x loglevel=3\nmodule2 /boot/1-y ip=10.0.2.10 'run=xl list'\nboot\n"
    with pytest.raises(host.Refused, match="a quote without its end"):
        iso.grub_commands(["x", 'run="xl list'], [])


def test_awkward_names_under_gdb(tmp_path):
    folder = tmp_path / "it's a, \"folder\" \\ $x"
    folder.mkdir()
    kernel = folder / "hello.elf"
    shutil.copy(ROOT / machine.BUILD / "guests/hello.elf", kernel)
    words = debugger.first_words(ROOT / machine.BUILD / "domus.elf", kernel, "boot_main")
    done = subprocess.run(["gdb", "-q", "-batch", *words[:-2], "-ex",
                           f"domus symbols {debugger.for_gdb(kernel)}"],
                          capture_output=True, text=True)
    assert done.stdout.count(f'symbol table from file "{kernel}"') == 2 and not done.stderr


STUBS = {
    "qemu-system-x86_64": "#!/usr/bin/env python3\nimport socket, sys, time\n"
                          "port = sys.argv[sys.argv.index('-gdb') + 1].split(':')[2]\n"
                          "listener = socket.create_server(('127.0.0.1', int(port)))\n"
                          "time.sleep(1000)\n",
    "gdb": "#!/bin/sh\nprintf '%s\\n' \"$@\"\n"}


@pytest.mark.parametrize("xen", ([], ["--xen"]), ids=("domus", "xen"))
def test_gdb_has_the_kernel_that_is_in_a_bzimage(tmp_path, xen):
    """Its entry, and not what a packed one has in that place."""
    elf = (ROOT / machine.BUILD / "guests/hello.elf").read_bytes()
    packed = tmp_path / "vmlinuz"
    packed.write_bytes(bytes(0x1f1) + b"\3" + bytes(16) + b"HdrS\x0f\2" + bytes(64) +
                       struct.pack("<II", 0, len(elf)) +
                       bytes(4 * 512 - 0x250) + elf)
    build = tmp_path / "build"
    build.mkdir()
    for path in (ROOT / machine.BUILD).glob("*.elf"):
        (build / path.name).symlink_to(path)
    (build / "disk.img").write_bytes(bytes(1 << 20))
    (build / "peer").mkdir()
    shutil.copy(build / "domus.elf", build / "peer/xen.elf")
    for name, text in STUBS.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    said = subprocess.run([sys.executable, TOOLS / "domus-run", "--build", build, "--gdb", *xen,
                           "--bare", packed], capture_output=True, text=True, timeout=300,
                          stdin=subprocess.DEVNULL,
                          env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert f"hbreak *{struct.unpack_from('<Q', elf, 24)[0]:#x}\n" in said.stdout, said.stderr
    assert "unpacked.elf" in said.stdout


def test_what_cannot_be_read_anew_is_said(tmp_path):
    """Whoever waits for the archive hears why there is none, whatever it was."""
    def fail():
        raise failure
    found = files.Disk(tmp_path / "files", fail)
    for failure, words in ((host.Refused("no\nfile"), "no file"), (ValueError("x"), "x"),
                           (FileNotFoundError(2, "gone", "a"), "a: gone"), (OSError("odd"), "odd")):
        assert found.bytes_at(0, 512) == b"domus-files 1 error " + words.encode() + b"\n" + \
            bytes(512 - 21 - len(words))


def test_real_xen_is_whole_or_not_there(tmp_path):
    """What a disk that was full has left is not taken for it the next time."""
    for name, does in (("apt-get", "exit 0"), ("dpkg", "exit 0"), ("sudo", "exit 0"),
                       ("gzip", "echo a part; exit 1")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / name).chmod(0o755)
    for _ in range(2):
        done = subprocess.run(["sh", TOOLS / "deps.sh", "peer", tmp_path / "peer"],
                              env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"})
        assert done.returncode == 1 and not (tmp_path / "peer/xen.elf").exists()


def test_grub_without_its_modules(tmp_path, monkeypatch):
    tool = tmp_path / "grub-mkimage"
    tool.write_text("#!/bin/sh\necho \"error: cannot open /usr/lib/grub/i386-pc/moddep.lst\"\n"
                    "exit 1\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(host.Refused, match="grub-pc-bin"):
        iso.make_iso(tmp_path / "out.iso", [str(ROOT / "README.md")], [])


@pytest.mark.parametrize("does, seconds, accelerator",
                         (("echo '(domus) dom0: 251 MiB'; exec sleep 60", 60, "kvm"),
                          ("echo 'KVM: entry failed'", 60, "tcg"), ("exec sleep 60", 0.2, "tcg")))
def test_kvm_is_used_where_it_works(tmp_path, monkeypatch, does, seconds, accelerator):
    machine_here = tmp_path / "qemu-system-x86_64"
    machine_here.write_text(f"#!/bin/sh\n{does}\n")
    machine_here.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(qemu.os, "access", lambda *_: True)
    monkeypatch.setattr(qemu, "PROBE_SECONDS", seconds)
    (tmp_path / "accel").write_text("")         # as who was interrupted leaves it
    assert qemu.accelerator([], tmp_path / "accel") == accelerator
    machine_here.unlink()
    # which is remembered
    assert qemu.accelerator([], tmp_path / "accel") == accelerator


def test_a_port_is_given_out_once(monkeypatch):
    """Nobody else gets it, by TCP or UDP, before QEMU listens there."""
    first = qemu.free_port()
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", first))
    monkeypatch.setattr(qemu, "PORTS", [first])
    with pytest.raises(host.Refused, match="no port of 127.0.0.1 is free"):
        qemu.free_port()
    qemu.KEPT.pop().close()
    with socket.socket(type=socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", first))
        with pytest.raises(host.Refused):
            qemu.free_port()
    assert qemu.free_port() == first
    forwarded = ",".join(f"hostfwd={kind}:127.0.0.1:{first}-:7" for kind in ("tcp", "udp"))
    box = subprocess.Popen([host.program("qemu-system-x86_64"), "-M", "none", "-display", "none",
                            "-netdev", f"user,id=n0,{forwarded}"],
                           preexec_fn=machine.die_with_parent)
    try:
        until = time.monotonic() + 60 * machine.PATIENCE
        while not debugger.listens(first):
            assert box.poll() is None and time.monotonic() < until
            time.sleep(0.05)
    finally:
        box.kill()
        box.wait()
