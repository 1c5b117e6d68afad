# SPDX-License-Identifier: MIT
"""Saving a guest to a partition of dom0's disk and restoring it, by Domus's own dom0: the example
that counts (pvguest-sdk/examples/saved.c), one with disk and card, one of five vCPUs; and the
teaching kernel, which runs its own tests meanwhile. Linux: test_save_linux.py.

DOMUS_CYCLES=n (`make lives`): the teaching kernel has 20 lives.
"""
import os
import re
import time

import pytest

import disk
import dom0
import machine

pytestmark = pytest.mark.skipif(dom0.ON_XEN, reason="there, saving is Xen's tools' business")
FOREIGN = b"somebody's file system"
LIVES = 20 if "DOMUS_CYCLES" in os.environ else 1


def real_disk(name):
    """Partitions to save to, one that holds something else, one that is too small; and data."""
    image = machine.BUILD / "disks" / f"{name}.img"
    image.parent.mkdir(parents=True, exist_ok=True)
    (image.parent / f"{name}.foreign").write_bytes(FOREIGN)
    disk.make_disk(image, [("one", 12, None), ("two", 24, None), ("little", 2, None),
                           ("foreign", 12, image.parent / f"{name}.foreign"),
                           ("scratch", 16, None), ("large", 40, None),
                           ("insula1", 16, machine.BUILD / "native/insula-fs.img")])
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
    return int(system.see(r"\(saved\) saved: counted to (\d+)[\r\n]", timeout=30).group(1))


def create(system):
    """It has said that it can be suspended, and counts; to what."""
    system.create("saved.cfg")
    while count(system) < 3:
        pass
    return count(system)


def times(system, words):
    return len(re.findall(words, system.said()))


def wait_for(system, words, number):
    """Until that has been said so often in all."""
    for _ in range(60):
        if times(system, words) >= number:
            return
        system.ask("sleep 1")
    raise machine.Failed(f"`{words}` is not said {number} times:\n{system.tail()}")


def save(system, words, timeout=120):
    assert "is saved" in system.ask(f"xl save {words}", timeout)


def restore(system, words, timeout=120):
    """Its number."""
    answer = system.ask(f"xl restore {words}", timeout)
    return int(re.search(r"is restored: (\d+)", answer).group(1))


def test_it_goes_on_elsewhere(system):
    """Twenty lives, and nothing leaks; it counts on from where it was."""
    before, free = create(system), None
    for life in range(20):
        save(system, ("" if life == 0 else "-f ") + "saved one")
        assert "saved" not in system.domains()
        number = restore(system, "one")
        assert system.domains()["saved"][0] == number
        wait_for(system, f"saved: restored, as domain {number}", 1)
        after = count(system)
        assert before < after <= before + 20, (before, after)
        before = after
        free = free or system.free_pages()
    system.until(lambda: all(now >= then for now, then in zip(system.free_pages(), free)), 5)


def test_a_checkpoint(system):
    """The guest goes on, and can be taken back to what it was."""
    first, went_on = create(system), times(system, "saved: going on")
    save(system, "-cf saved two")
    wait_for(system, "saved: going on", went_on + 1)
    number = system.domains()["saved"][0]
    while count(system) < first + 12:
        pass
    assert "a domain named 'saved' runs already" in system.refused("xl restore two")
    assert system.domains()["saved"][0] == number
    system.ask("xl destroy saved")
    number = restore(system, "-p two")
    assert "p" in system.domains()["saved"][1]
    system.ask("xl unpause saved")
    wait_for(system, f"saved: restored, as domain {number}", 1)
    assert count(system) < first + 12
    assert re.search(r"^saved +\d+ +8 ", system.ask("xl list"), re.M)


def test_one_that_does_not_suspend_is_given_up(system):
    """By Ctrl-C, and goes on."""
    before = create(system)
    system.ask("xl pause saved")
    system.send("echo  begun; xl save -f saved one")
    system.see(r"\nbegun")
    time.sleep(1)
    system.child.send("\x03")
    system.see("Error: 'saved' is waited for no longer: it has not listened", 30)
    system.ask("xl unpause saved")
    assert count(system) > before
    save(system, "-f saved one")


def test_what_is_refused(system):
    assert "no domain 'saved'" in system.refused("xl save saved one")
    system.ask("xl create -p saved.cfg")
    assert "does not say that it can be suspended" in system.refused("xl save -f saved one")
    system.ask("xl destroy saved")
    before = create(system)
    assert "the control domain" in system.refused("xl save Domain-0 one")
    assert "no partition of that name" in system.refused("xl save saved nowhere")
    for option in "", "-f ":
        assert "holds something that is no saved guest" in \
            system.refused(f"xl save {option}saved foreign")
    assert "there is no saved guest" in system.refused("xl restore foreign")
    assert "no partition of that name" in system.refused("xl restore nowhere")
    went_on = times(system, "saved: going on")
    save(system, "-cf saved one")
    assert "holds a saved guest already: save -f" in system.refused("xl save saved one")
    assert "HOST is an address" in system.refused("xl migrate saved elsewhere")
    # where there is too little room it goes on, and what is there is nothing
    error = system.refused("xl save saved little")
    room, needed = re.search(r"too little room .*: 'little' has (\d+\.\d) MiB, and it needs about "
                             r"(\d+)", error).groups()
    assert float(room) < int(needed)
    wait_for(system, "saved: going on", went_on + 2)
    assert count(system) > before
    assert "there is no saved guest" in system.refused("xl restore little")


@pytest.mark.parametrize("name", ["split-saved", "smp-saved"])
def test_all_of_it_is_at_work(system, name):
    """Disk and card, or five vCPUs: nothing of what they do is lost."""
    system.create(f"{name}.cfg")
    wait_for(system, rf"{name}: round 3 of life 0", 1)
    for life in range(1, 4):
        save(system, f"-f {name} two")
        restore(system, "two")
        wait_for(system, rf"{name}: round \d+ of life {life}\b", 2)
    had = times(system, rf"{name}: round \d+ of life 3\b")
    save(system, f"-cf {name} two")
    wait_for(system, rf"{name}: going on", 1)
    wait_for(system, rf"{name}: round \d+ of life 3\b", had + 3)
    assert "not true" not in system.said() and "RESULT" not in system.said()


def test_one_that_suspends_too_late_is_kept(system):
    """It has heard, and does it when nobody waits any more: it stands still, and goes on when it
    is told to."""
    kept = times(system, "nobody waits for that")
    rounds = r"split-saved: round \d+ of life 0\b"
    had = times(system, rounds)
    system.create("split-saved.cfg extra='late=1500'")
    wait_for(system, rounds, had + 2)
    system.send("xl save -f split-saved two")
    system.see("split-saved: has heard", 30)
    system.child.send("\x03")
    system.see("is waited for no longer: it has heard, and may yet", 10)
    wait_for(system, "nobody waits for that", kept + 1)
    assert "s" in system.domains()["split-saved"][1]
    had = times(system, rounds)
    system.ask("xl resume split-saved")
    wait_for(system, rounds, had + 2)
    assert "not true" not in system.said()


def test_the_teaching_kernel(system):
    """Its processes fork, run programs, and write files while it is saved."""
    system.create("insula1.cfg")
    system.shell("insula1", "echo remembered > /word; udpecho 7 > /log &")
    for life in range(LIVES):
        system.shell("insula1", "tests &")
        save(system, f"{'-f ' if life else ''}insula1 large")
        restore(system, "large")
        wait_for(system, r"\(insula1\) ALL TESTS PASSED", life + 1)
        assert system.shell("insula1", "cat /word") == "remembered"
        assert "3 sent, 3 answered" in system.shell("insula1", "ping 10.0.2.10 3 fast")
    system.shell("insula1", "tests &")
    save(system, "-cf insula1 large")
    wait_for(system, r"\(insula1\) ALL TESTS PASSED", LIVES + 1)
    assert "FAILED" not in system.said() and "PANIC" not in system.said()
