# SPDX-License-Identifier: MIT
"""How long a Linux of 128 MiB under load stands still when it moves while it runs, by what does not
depend on the machine that emulates it: dom0's instructions, one a nanosecond. (What the test's own
net takes to carry the rest is no part of that.) DOMUS_MOVES=n (`make lives`)."""
import re

import pytest

import dom0
import linux_box
import test_move_linux
import two_machines
from test_save_linux import real_disk, set_to_work
from two_machines import ADDRESSES

pytestmark = pytest.mark.skipif(dom0.ON_XEN or not test_move_linux.MOVES,
                                reason="a long test (make lives)")
GOAL_MS = 200                   # of 300; the rest is for the guest's own suspending, and there


def test_it_stands_still_for_few_instructions(monkeypatch):
    linux_box.available()
    # who waits for the other machine waits in real time
    monkeypatch.setenv("DOMUS_QEMU", "-icount sleep=on")
    with two_machines.Pair("move-still", disk=real_disk("move-still"), memory=640, icount=True,
                           kind=linux_box.LinuxBox, configs=test_move_linux.CONFIGS) as pair:
        pair.machines[1].ask("migrate-receive any")
        pair.machines[0].boot("one.cfg", timeout=400)
        set_to_work(pair.machines[0])
        answer = pair.machines[0].ask(f"xl migrate --live one {ADDRESSES[1]}", timeout=600)
        print(answer)
        worked = int(re.search(r"and \d+ then, with (\d+) ms of dom0's work", answer).group(1))
        assert 20 < worked < GOAL_MS
