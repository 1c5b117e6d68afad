# SPDX-License-Identifier: MIT
"""100 times a domU with disk and network is made and destroyed: the free memory of the machine
stays as it was. So it does after lives of other kinds, and dom0 has no more ports and nodes.

The guest is destroyed at whatever point of its life it has come to: at once, while it connects its
devices, and when it uses them, 20 times each. Most of the time is waiting for that point:
DOMUS_LIVES=n makes it n times instead (`make soak`: 500).
"""
import os
import re

import pytest

import dom0

CYCLES = int(os.environ.get("DOMUS_LIVES", "100"))
ALIVE_MS = [0, 40, 80, 150, 300]                # how long it may live, each a fifth of the times


def test_free_memory_stays_as_it_was(system):
    before = system.free_pages()
    system.ask("consoles off")
    for alive in ALIVE_MS:
        answer = system.ask(f"cycle cycle.cfg {max(CYCLES // len(ALIVE_MS), 2)} {alive}",
                            timeout=600)
        assert re.search(r"free pages of the machine \d+ -> \d+, of dom0 \d+ -> \d+", answer)
        system.all_free_again(before)
    system.ask("consoles on")
    dom0_pages = system.free_pages()[1]
    # what its own heap keeps
    assert dom0_pages >= before[1] - 16, f"dom0: {before[1]} -> {dom0_pages} free pages"
    assert system.create("insula1.cfg") and system.shell("insula1", "echo well") == "well"


def ends_by_itself(system):
    system.create("hello.cfg")
    system.ended("hello")


def crashes(system):
    system.create("crash-fault.cfg")
    system.ended("attack")


def is_refused(system):
    assert "no such file" in system.refused("xl create bad-kernel.cfg")


def is_refused_when_it_is_built(system):
    assert "no CPU that cpus allows" in system.refused("xl create share-take.cfg cpus=63")


def gets_and_loses_devices(system):
    system.create("-p insula2.cfg")
    system.ask("network-attach insula2 mac=00:16:3e:00:00:77")
    system.ask("network-detach -f insula2 00:16:3e:00:00:77")
    system.ask("block-attach insula2 phy:scratch,xvdb,w")
    system.ask("block-detach -f insula2 xvdb")
    system.ask("xl destroy insula2")


def is_destroyed_at_work(system):
    system.ask("cycle cycle.cfg 2 150")


@pytest.mark.skipif(dom0.ON_XEN, reason="its debug keys say it otherwise")
def test_a_life_of_each_kind_leaves_nothing(system):
    """That is: no event channel of dom0's, no node of XenStore; pages are counted after each test.
    """
    kinds = [ends_by_itself, crashes, is_refused, is_refused_when_it_is_built,
             gets_and_loses_devices, is_destroyed_at_work]
    before = system.books()
    assert before["ports"] > 2 and before["nodes"] > 5
    for kind in kinds:
        for _ in range(2):
            kind(system)
        assert system.books() == before, kind.__name__
