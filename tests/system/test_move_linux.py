# SPDX-License-Identifier: MIT
"""Debian's Linux moves between two machines that have one disk, with a program that works on it
meanwhile (test_save_linux.py's). DOMUS_MOVES=n (`make soak`: 10): so often."""
import os

import pytest

import dom0
import linux_box
import test_save_linux
import two_machines
from two_machines import ADDRESSES

MOVES = int(os.environ.get("DOMUS_MOVES", "0"))
pytestmark = pytest.mark.skipif(dom0.ON_XEN or not MOVES, reason="a long test (make soak)")


@pytest.fixture(scope="module")
def pair():
    linux_box.available()
    with two_machines.Pair("move-linux", disk=test_save_linux.real_disk("move-linux"), memory=640,
                           kind=linux_box.LinuxBox, configs=test_save_linux.CONFIGS) as both:
        yield both


def test_linux_goes_on_elsewhere(pair):
    number, rounds = test_save_linux.number, test_save_linux.rounds
    for one in pair.machines:
        one.ask("migrate-receive any")
    pair.machines[0].boot("one.cfg", timeout=240)
    pair.machines[0].shell("one", "echo remembered > /tmp/word; echo 0 > /tmp/rounds")
    pair.machines[0].shell("one", test_save_linux.WORK)
    for life in range(MOVES):
        here, there = pair.machines[life % 2], pair.machines[1 - life % 2]
        before, clock = rounds(here), number(here, "date +%s")
        answer = here.ask(f"xl migrate one {ADDRESSES[1 - life % 2]}", timeout=300)
        print(answer)
        assert "has moved to" in answer and "one" not in here.domains()
        assert "remembered" in there.shell("one", "cat /tmp/word", timeout=90)
        assert 0 <= number(there, "date +%s") - clock < 600
        there.shell("one", "sleep 5", timeout=90)
        assert "no-file" in there.shell("one", "ls /tmp/broken || echo no-file")
        assert rounds(there) > before
        for address in ADDRESSES:
            assert " 0% packet loss" in there.shell("one", f"ping -c 3 {address}", timeout=90)
    for one in pair.machines:
        one.end_all()
        one.audit()
