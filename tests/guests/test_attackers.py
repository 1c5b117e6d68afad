# SPDX-License-Identifier: MIT
"""The attack guests as domUs: each is refused or ended, while dom0 and a neighbour go on working
and nothing leaks.

One system for all of them, with a teaching kernel as the neighbour: it must write, read and answer
the network while the attacker runs and afterwards. After each attack the hypervisor recounts all
frames, and as many are free as before.
"""
import os

import pytest

import dom0
import machine

pytestmark = pytest.mark.skipif(dom0.ON_XEN, reason="these attacks are for Domus")

# What the attacker says, or how it ends.
SURVIVES = r"\(attack\) RESULT SUCCESS"
CRASHES = r"'attack' has ended: crash"
ATTACKS = {"attack-memory": SURVIVES, "attack-tables": SURVIVES,
           "attack-registers": SURVIVES, "attack-ldt": SURVIVES, "attack-hypercalls": SURVIVES,
           "attack-events": SURVIVES, "attack-backends": SURVIVES, "attack-svm": SURVIVES,
           "crash-stack": CRASHES, "crash-callback": CRASHES, "crash-iret": CRASHES,
           "crash-fault": CRASHES, "crash-user": CRASHES, "crash-crash": CRASHES}


@pytest.fixture(scope="module")
def system():
    name = "attackers-" + os.environ.get("PYTEST_XDIST_WORKER", "alone")
    with dom0.Dom0(name, disk=machine.fresh_disk(name), domus=machine.WATCHED) as box:
        box.create("insula1.cfg")
        with box.console("insula1"):
            box.see(r"\$ ", timeout=60)         # the shell is up
        works(box, "first")
        box.create("crash-crash.cfg")           # the first of its kind fills caches that stay
        box.ended("attack")
        yield box
        assert box.power_off() == 0


def works(box, word):
    """The neighbour's disk, processes and network."""
    said = box.shell("insula1", f"echo {word} > /proof; sync; cat < /proof | cat; ping 10.0.2.2 1",
                     timeout=90)
    assert word in said.splitlines() and "ping: reply" in said, said


def nothing_is_lost(box, before):
    box.audit()
    # the last frames of a domain go when no CPU can look at them any more
    box.until(lambda: box.free_pages()[0] >= before)


@pytest.mark.parametrize("attack", ATTACKS)
def test_attack(system, attack):
    before = system.free_pages()[0]
    system.send(f"xl create {attack}.cfg")
    system.see(ATTACKS[attack], timeout=120)
    system.ended("attack")
    works(system, attack)
    nothing_is_lost(system, before)


# What the operator may do to one that does everything at once; some of it is refused, none hangs.
TO_A_STORM = ["block-list attack", "network-list attack", "vcpu-set attack 1", "vcpu-set attack 2",
              "mem-set attack 12m", "rename attack other", "rename other attack",
              "pause attack", "unpause attack", "sysrq attack h", "trigger attack nmi",
              "block-detach -f attack xvda", "block-attach attack phy:scratch,xvda,w",
              "network-detach -f attack 0", "network-attach attack", "shutdown attack",
              "reboot attack", "save -f attack scratch", "resume attack", "list -l"]


@pytest.mark.parametrize("storm", ["disk", "card", "states", "store", "console", "grants",
                                   "suspend"])
def test_a_storm(system, storm):
    """What dom0 looks at changes under its eyes, and meanwhile the operator wants something."""
    before = system.free_pages()
    system.create(f'attack-storm.cfg extra="storm={storm}"')
    if storm in ("disk", "card", "grants"):
        system.see(r"\(attack\) round 1")
    works(system, storm)
    said = system.run("; ".join(TO_A_STORM), timeout=120)
    assert '"domid"' in said            # the last of them has said something
    system.ask("xl destroy attack")
    nothing_is_lost(system, before[0])
    system.until(lambda: system.free_pages()[1] >= before[1] - 16)


def test_spinning_with_events_masked(system):
    before = system.free_pages()[0]
    system.create("attack-spin.cfg")
    works(system, "spinning")                   # beside it, not after it
    assert "attack" in system.domains()
    system.ask("xl destroy attack")
    works(system, "spun")
    nothing_is_lost(system, before)


def test_spinning_with_assistance(system):
    before = system.free_pages()[0]
    system.create('attack-svm.cfg extra="test spin"')
    system.see(r"\(attack\) attack-svm: spins", timeout=60)
    works(system, "assisted")
    for cap in 5, 50, 0:
        system.ask("xl pause attack")
        system.audit()
        system.ask(f"xl sched-credit -d attack -c {cap}")
        system.ask("xl unpause attack")
        system.audit()                          # while it is inside, if there is a second CPU
        system.ask("xl vcpu-pin attack 0 0 all")
        system.ask("xl vcpu-pin attack 0 all all")
    works(system, "again")
    system.ask("xl destroy attack")
    works(system, "ended")
    nothing_is_lost(system, before)


def test_corrupt_rings(system):
    before = system.free_pages()[0]
    system.create("attack-rings.cfg")
    for _ in range(3):
        works(system, "rings")
        system.ask("sleep 1")
    system.ask("xl destroy attack")
    works(system, "after-rings")
    # the partition whose ring was corrupted is free for the next guest
    system.create("disk.cfg")
    system.ended("disk")
    nothing_is_lost(system, before)


def test_grants_of_the_dead(system):
    """The survivor of two keeps pages of the other in memory, by mappings that are in no page
    table, too; they go with it."""
    for names in ("attack", "twin"), ("twin", "attack"), ("attack", "twin"):
        # the first round fills caches that stay, and is not compared
        before = system.free_pages()[0]
        system.create("attack-cross.cfg")
        system.create('attack-cross.cfg name="twin"')
        for name in names:
            system.see(rf"\({name}\) attack-cross: mapped a thousand", timeout=60)
        for name in names:
            system.ask(f"xl destroy {name}")
            system.audit()
    nothing_is_lost(system, before)


def test_flood_beside_a_working_neighbour(system):
    system.create("attack-events.cfg")
    works(system, "flooded")
    system.ended("attack", 500)
