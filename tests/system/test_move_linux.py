# SPDX-License-Identifier: MIT
"""Debian's Linux moves between two machines that have one disk, with a program that works on it
meanwhile (test_save_linux.py's). DOMUS_MOVES=n (`make lives`: 10): so often; twice as often while
it runs and sends, with figures, and so often with the connection cut."""
import os
import random
import re
import statistics

import pytest

import dom0
import linux_box
import test_save_linux
import two_machines
from test_save_linux import is_well
from two_machines import ADDRESSES, not_come

# Its card loses the 256 pages of its receive ring each time that it gets another back end
# (xennet_disconnect_backend() in 6.1 leaves the pool of pages registered: nobody frees it).
LOST_KIB = 1024
CONFIGS = test_save_linux.configs(128)
MOVES = int(os.environ.get("DOMUS_MOVES", "0"))
pytestmark = pytest.mark.skipif(dom0.ON_XEN or not MOVES, reason="a long test (make lives)")


@pytest.fixture(scope="module")
def pair():
    linux_box.available()
    with two_machines.Pair("move-linux", disk=test_save_linux.real_disk("move-linux"), memory=640,
                           kind=linux_box.LinuxBox, configs=CONFIGS) as both:
        yield both


def begin(pair):
    for one in pair.machines:           # whatever a test before has left
        one.end_all()
        one.ask("migrate-receive any")
    pair.net.be_good()
    pair.machines[0].boot("one.cfg", timeout=240)
    test_save_linux.set_to_work(pair.machines[0])


def end(pair):
    for one in pair.machines:
        one.end_all()
        one.audit()


def test_linux_moves_while_it_runs(pair):
    """Under load of disk and network; the figures are shown."""
    begin(pair)
    figures, free = [], []
    for life in range(2 * MOVES):
        here, there = pair.machines[life % 2], pair.machines[1 - life % 2]
        before = test_save_linux.rounds(here)
        answer = here.ask(f"xl migrate --live one {ADDRESSES[1 - life % 2]}", timeout=300)
        print(answer)
        found = re.search(r"has moved to \S+, in (\d+) ms; it stood still for (\d+) ms\s+"
                          r"(\d+) pages? went in (\d+) rounds? before, and (\d+) then", answer)
        assert found and "one" not in here.domains(), answer
        figures.append(tuple(map(int, found.groups())))
        is_well(there, before)
        free.append(test_save_linux.number(there, "awk '/MemFree/ { print $2 }' /proc/meminfo"))
    print("KiB free:", *free)
    assert free[0] - free[-1] < (len(free) - 1) * LOST_KIB + 4096
    for name, column in zip(("ms in all", "ms still", "pages before", "rounds", "pages then"),
                            zip(*figures)):
        print(f"{name:13} {min(column):8} {statistics.median(column):10} {max(column):8}")
    end(pair)


def test_linux_is_cut_off(pair):
    """At a random byte of all that goes while it runs: it goes on here, and nothing is there."""
    begin(pair)
    pair.net.be_good()
    assert "has moved to" in pair.machines[0].ask(f"xl migrate --live one {ADDRESSES[1]}", 300)
    there, here = pair.machines
    whole = pair.net.passed
    for number in range(MOVES):
        before, lost = test_save_linux.rounds(here), not_come(there)
        at = random.SystemRandom().randrange(1, whole * 9 // 10)
        pair.net.be_good()
        pair.net.cut_at, pair.net.reset = at, number % 2
        answer = here.run(f"xl migrate --live one {ADDRESSES[0]}", timeout=300)
        print("cut at", at, "of", whole, answer)
        assert "Error: " in answer and pair.net.cut_at is None
        assert "one" in here.domains()
        is_well(here, before)
        # a peer that says nothing is waited for longer there than here
        there.until(lambda lost=lost: not_come(there) > lost, 150)
        assert "one" not in there.domains()
    before = test_save_linux.rounds(here)
    pair.net.be_good()
    assert "has moved to" in here.ask(f"xl migrate --live one {ADDRESSES[0]}", timeout=300)
    is_well(there, before)
    end(pair)


def test_linux_goes_on_elsewhere(pair):
    begin(pair)
    for life in range(MOVES):
        here, there = pair.machines[life % 2], pair.machines[1 - life % 2]
        before = test_save_linux.rounds(here)
        answer = here.ask(f"xl migrate one {ADDRESSES[1 - life % 2]}", timeout=300)
        print(answer)
        assert "has moved to" in answer and "one" not in here.domains()
        is_well(there, before)
        for address in ADDRESSES:
            assert " 0% packet loss" in there.shell("one", f"ping -c 3 {address}", timeout=90)
    end(pair)
