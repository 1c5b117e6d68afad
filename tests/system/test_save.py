# SPDX-License-Identifier: MIT
"""Saving a guest to a partition of dom0's disk and restoring it, by Domus's own dom0: the example
that counts (pvguest-sdk/examples/saved.c), and one with disk and card. Linux: test_save_linux.py.
"""
import os
import re

import pytest

import disk
import dom0
import machine

pytestmark = pytest.mark.skipif(dom0.ON_XEN, reason="there, saving is Xen's tools' business")
FOREIGN = b"somebody's file system"


def real_disk(name):
    """Partitions to save to, one that holds something else, one that is too small; and data."""
    image = machine.BUILD / "disks" / f"{name}.img"
    image.parent.mkdir(parents=True, exist_ok=True)
    (image.parent / f"{name}.foreign").write_bytes(FOREIGN)
    disk.make_disk(image, [("one", 12, None), ("two", 24, None), ("little", 2, None),
                           ("foreign", 12, image.parent / f"{name}.foreign"),
                           ("scratch", 16, None)])
    return image


@pytest.fixture(scope="module")
def box():
    name = f"save-{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"
    with dom0.Dom0(name, disk=real_disk(name), smp=1) as system:
        yield system


@pytest.fixture
def system(box):
    yield box
    box.end_all()
    box.audit()


def count(system):
    """What the guest has counted to, when it says so next."""
    return int(system.see(r"\(saved\) saved: counted to (\d+)\b", timeout=30).group(1))


def save(system, words, timeout=120):
    assert "is saved" in system.ask(f"xl save {words}", timeout)


def test_it_goes_on_elsewhere(system):
    """Twenty lives, and nothing leaks; it counts on from where it was."""
    system.create("saved.cfg")
    before, free = count(system), None
    for life in range(20):
        save(system, ("" if life == 0 else "-f ") + "saved one")
        assert "saved" not in system.domains()
        system.ask("xl restore one")
        number = int(system.see(r"saved: restored, as domain (\d+)", timeout=30).group(1))
        assert system.domains()["saved"][0] == number
        after = count(system)
        assert before <= after <= before + 20, (before, after)
        before = after
        if life == 1:
            free = system.free_pages()
    assert [now >= then for now, then in zip(system.free_pages(), free)] == [True, True]


def test_a_checkpoint(system):
    """The guest goes on, and can be taken back to what it was."""
    system.create("saved.cfg")
    first = count(system)
    save(system, "-cf saved two")
    system.see(r"saved: going on, as domain \d+", timeout=30)
    number = system.domains()["saved"][0]
    while count(system) < first + 6:
        pass
    assert "a domain named 'saved' runs already" in system.refused("xl restore two")
    assert system.domains()["saved"][0] == number
    system.ask("xl destroy saved")
    system.ask("xl restore -p two")
    assert "p" in system.domains()["saved"][1]
    system.ask("xl unpause saved")
    system.see(r"saved: restored, as domain \d+", timeout=30)
    assert count(system) < first + 4
    assert re.search(r"^saved +\d+ +8 ", system.ask("xl list"), re.M)


def test_what_is_refused(system):
    assert "no domain 'saved'" in system.refused("xl save saved one")
    system.create("saved.cfg")
    count(system)
    assert "the control domain" in system.refused("xl save Domain-0 one")
    assert "no partition of that name" in system.refused("xl save saved nowhere")
    assert "holds something that is no saved guest" in system.refused("xl save saved foreign")
    assert "holds something that is no saved guest" in system.refused("xl save -f saved foreign")
    assert "there is no saved guest" in system.refused("xl restore foreign")
    save(system, "-cf saved one")
    count(system)
    assert "holds a saved guest already: save -f" in system.refused("xl save saved one")
    assert "not there yet" in system.refused("xl migrate saved elsewhere")
    # where there is too little room it goes on, and what is there is nothing
    before = count(system)
    assert "too little room" in system.refused("xl save saved little")
    system.see(r"saved: going on, as domain \d+", timeout=30)
    assert count(system) >= before
    assert "there is no saved guest" in system.refused("xl restore little")


def test_who_cannot_be_suspended(system):
    system.create('hello.cfg name="deaf" extra="wait"')
    answer = system.refused("xl save deaf two")
    assert "does not say that it can be suspended" in answer or "has ended" in answer


def test_disk_and_card(system):
    """The front ends of drivers/pv open again, and what was asked meanwhile is done."""
    system.create("split-saved.cfg")
    system.see(r"split-saved: round 3\b", timeout=60)
    for life in range(3):
        save(system, "-f split-saved two")
        system.ask("xl restore two")
        system.see(r"split-saved: restored", timeout=60)
        system.see(rf"split-saved: round \d+ of life {life + 1}\b", timeout=60)
    save(system, "-cf split-saved two")
    system.see(r"split-saved: round \d+ of life 3\b", timeout=60)
