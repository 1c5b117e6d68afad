# SPDX-License-Identifier: MIT
"""`make run LINUX=1`, typed at as the README says: Linux on this terminal, its page in this host's hands, and the way out."""
import pathlib
import sys
import urllib.request

import pexpect

import linux_box
import machine

RUN = pathlib.Path(__file__).parent.parent / "tools" / "run.py"


def test_linux_on_the_terminal():
    linux_box.available()
    (machine.BUILD / "logs").mkdir(exist_ok=True)
    with (machine.BUILD / "logs" / "run-linux.log").open("w") as log:
        child = pexpect.spawn(sys.executable, [str(RUN), str(machine.BUILD), "--linux"], encoding="utf-8", codec_errors="replace", echo=False,
                              timeout=90 * machine.PATIENCE, logfile=log, preexec_fn=machine.die_with_parent)
        child.expect(r"(http://127\.0\.0\.1:\d+) here")
        address = child.match.group(1)
        child.expect("dom0: ready")
        child.send("xl create -c linux.cfg\r")
        child.expect("LINUX UP: ")
        child.send("ping -c 2 10.0.2.10; echo from the guest > /www/index.html; httpd -h /www; echo  served\r")     # the first is dom0 itself
        child.expect("2 packets received")
        child.expect(r"\nserved")
        with urllib.request.urlopen(f"{address}/index.html", timeout=30 * machine.PATIENCE) as page:
            assert page.read() == b"from the guest\n"
        child.send("\x1d")
        child.expect("Detached")
        child.send("poweroff\r")
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == 0
