# SPDX-License-Identifier: MIT
"""100 times a domU with disk and network is made and destroyed: the free memory of the machine
stays as it was.

The guest is destroyed at whatever point of its life it has come to: at once, while it connects its
devices, and when it uses them, 20 times each. Most of the time is waiting for that point:
DOMUS_LIVES=n makes it n times instead (`make soak`: 500).
"""
import os
import re

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
