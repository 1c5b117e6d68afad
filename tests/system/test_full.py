# SPDX-License-Identifier: MIT
"""dom0 with little memory, and guests until it has no more for another: that one is refused with
what to do, and so are further devices; whatever else the operator asks for goes on, and so do those
that are there.
"""
import pytest

import dom0
import machine

pytestmark = pytest.mark.skipif(dom0.ON_XEN, reason="what is tested is Domus")
REFUSED = "dom0 has little memory left, and keeps it for the guests that are there: end one, or " \
          "give dom0 more (dom0_mem=)"
KEPT = 512                              # pages: 2 MiB
# each disk costs dom0 some 50 KiB; many may read one partition
DISKS = "disk=[" + ",".join(f"'phy:scratch,xvd{letter},r'" for letter in "abcdefgh") + "]"


def fill(system):
    """Paused guests with eight disks, until one is refused; their number, and what was said."""
    for number in range(60):
        answer = system.run(f"xl create -pq share-take.cfg name='g{number}' \"{DISKS}\"")
        if "Error: " in answer:
            return number, answer
    raise machine.Failed(f"{system.name}: 60 guests, and dom0 has {system.free_pages()[1]} pages")


def test_little_memory_and_many_guests():
    small = machine.Hypervisor("domus", machine.DOMUS.path, ["dom0_mem=14M"], "max")
    with dom0.Dom0("full", domus=small, memory=512, disk=machine.fresh_disk("full")) as system:
        system.create("insula1.cfg")
        system.shell("insula1", "echo 1")
        system.ask("xl destroy insula1")
        before = system.free_pages(), system.books()
        system.create("insula1.cfg")
        count, answer = fill(system)
        assert count > 2 and REFUSED in answer
        assert KEPT <= system.free_pages()[1] < KEPT + 200
        assert set(system.domains()) == {"Domain-0", "insula1", *(f"g{n}" for n in range(count))}
        assert REFUSED in system.refused(f"xl create -p hello.cfg name='x' \"{DISKS}\"")
        assert system.shell("insula1", "echo there > /x; sync; cat /x") == "there"
        assert "2 answered" in system.shell("insula1", "ping 10.0.2.2 2 fast")
        for line in ("list -v", "list -l g0", "top -b -i 1", "served", "console-log insula1",
                     "block-list g0", "rename g0 other", "unpause other", "pause other"):
            system.ask(line)
        system.ask("block-detach -f other xvdh")
        system.end_all()
        # a page table of ring 0's, for the windows of so many vCPUs, stays
        system.all_free_again((before[0][0] - 1, before[0][1]))
        assert system.free_pages()[1] >= before[0][1] - 16
        assert system.books() == before[1]
        system.create("hello.cfg")
