# SPDX-License-Identifier: MIT
"""`make run` and `make gdb`, typed at as the README says: Linux on this terminal, its page in this
host's hands, and the way out; the debugger, the prompt beside it, and Ctrl-c."""
import os
import pathlib
import shlex
import subprocess
import sys
import urllib.request

import pexpect
import pytest

import linux_box
import machine

ROOT = pathlib.Path(__file__).resolve().parents[2]
RUN = ROOT / "pvguest-sdk/tools/run.py"


def typed(log, *options):
    return pexpect.spawn(sys.executable, [str(RUN), str(machine.BUILD), *options],
                         encoding="utf-8", codec_errors="replace", echo=False,
                         timeout=240 * machine.PATIENCE, logfile=log,
                         preexec_fn=machine.die_with_parent,
                         env={**os.environ, "TERM": "dumb"})


def log_of(name):
    (machine.BUILD / "logs").mkdir(exist_ok=True)
    return (machine.BUILD / "logs" / f"{name}.log").open("w")


@pytest.mark.xdist_group("run")            # one machine at a time has the disk
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
        gdb.expect(r"= 0x[0-9a-f]+")
        gdb.sendline("continue")
        prompt.send("echo  and on\r")
        prompt.expect("\nand on")
        second = typed(log)                         # which the disk is not free for
        second.expect(r"disk.img is in use: .* process \d+, has it")
        second.expect("B=build2")
        second.expect(pexpect.EOF)
        second.close()
        assert second.exitstatus == 1
        prompt.send("\x1d")
        prompt.expect(pexpect.EOF)
        gdb.sendintr()
        gdb.expect(r"SIGINT.*\(gdb\) ")
        gdb.sendline("quit")
        gdb.expect(pexpect.EOF)


def linux_options():
    """What `make run LINUX=1` says to run.py behind the build folder."""
    command = ["make", "-n", "DEPS=present", f"B={machine.BUILD}", "LINUX=1", "do-run"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return shlex.split(said.replace("\\\n", " ").splitlines()[-1])[3:]


@pytest.mark.xdist_group("run")
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
