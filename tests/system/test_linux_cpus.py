# SPDX-License-Identifier: MIT
"""Debian's Linux with several vCPUs on a machine of several CPUs: they all come up and run, go away
and come back, from inside and from outside, are moved, get NMIs, and what its processes do together
is right all the while (tests/linux/parallel.c).

Four vCPUs on four CPUs; DOMUS_LOAD_SECONDS=600 (`make soak`) has other numbers of both, too, and
for so long a load beside two others.
"""
import os
import pathlib
import re
import time

import pytest

import explained
import linux_box
import machine
from dom0 import udp_echo
from linux_box import config, well

SECONDS = int(os.environ.get("DOMUS_LOAD_SECONDS", "0"))
SHAPES = [(4, 4)]                                               # vCPUs, CPUs
if SECONDS:
    SHAPES += [(2, 4), (8, 4), (4, 2)]
CPU = "/sys/devices/system/cpu"


# --- one guest, that lives through all of it ------------------------------------------------------
@pytest.fixture(scope="module", params=SHAPES, ids=lambda shape: "{}-on-{}".format(*shape))
def box(request):
    vcpus, cpus = request.param
    with linux_box.LinuxBox(f"linux-cpus-{vcpus}-on-{cpus}", smp=cpus, net=None,
                            configs={"many.cfg": config("many", linux_box.QUICK,
                                                        vcpus=vcpus)}) as system:
        system.vcpus, system.cpus = vcpus, cpus
        system.boot("many.cfg", 240)
        yield system
        system.ask("xl destroy many")
        system.audit()
        assert system.power_off() == 0


def until_so_many(box, what, count):
    """What: online, or present, which is what the kernel could bring up."""
    box.until(lambda: box.shell("many", f"cat {CPU}/{what}") ==
              ("0" if count == 1 else f"0-{count - 1}"), 60, 1)


def bring_up(box, first):
    for cpu in range(first, box.vcpus):
        box.shell("many", f"echo 1 > {CPU}/cpu{cpu}/online")
    until_so_many(box, "online", box.vcpus)
    until_list_says(box, box.vcpus)
    works_on_each(box, box.vcpus)


def until_list_says(box, count):
    """That so many are up."""
    def up():
        rows = re.findall(r"^many +\d+ +\d+ +\S+ +\S\S(\S) ", box.ask("xl vcpu-list many"), re.M)
        assert len(rows) == box.vcpus
        return [row != "p" for row in rows] == [cpu < count for cpu in range(box.vcpus)]
    box.until(up, 60)


def works_on_each(box, count):
    """A program can be had to run on each, and on none that is not there."""
    for cpu in range(box.vcpus):
        ran = box.shell("many", f"taskset -c {cpu} cut -d' ' -f39 /proc/self/stat || echo not here")
        assert ran.splitlines()[-1] == (str(cpu) if cpu < count else "not here")


def start_work(box, seconds, jobs=""):
    box.shell("many", f"cd /tmp; parallel {seconds} {jobs} > result 2>&1 & true")


def work_was_right(box, name="many", timeout=120):
    """Waits for its end."""
    said = box.until(lambda: re.search(r"^PARALLEL .*", box.shell(name, "cat /tmp/result"), re.M),
                     timeout, 2)
    assert said.group(0).startswith("PARALLEL PASSED"), box.shell(name, "cat /tmp/result")
    print(f"{box.name}: {said.group(0)}")
    return said.group(0)


def test_all_come_up(box):
    assert f" {box.vcpus} CPU, " in box.said()
    until_list_says(box, box.vcpus)
    until_so_many(box, "online", box.vcpus)
    works_on_each(box, box.vcpus)
    well(box, "many")


def test_they_go_and_come_back_from_inside(box):
    """One after the other, while others work: until there is one."""
    start_work(box, 5, "threads mappings")
    for cpu in reversed(range(1, box.vcpus)):
        box.shell("many", f"echo 0 > {CPU}/cpu{cpu}/online")
        until_so_many(box, "online", cpu)
    until_list_says(box, 1)
    works_on_each(box, 1)
    bring_up(box, 1)
    work_was_right(box)
    well(box, "many")


def test_they_go_and_come_back_from_outside(box):
    """Those that go are taken from the kernel, those that come are given to it: elsewhere it is
    udev that then brings them up."""
    start_work(box, 5, "threads mappings")
    for count in (box.vcpus - 1, 1):
        box.ask(f"xl vcpu-set many {count}")
        until_so_many(box, "present", count)
        until_so_many(box, "online", count)
        until_list_says(box, count)
    box.ask(f"xl vcpu-set many {box.vcpus}")
    until_so_many(box, "present", box.vcpus)
    bring_up(box, 1)
    work_was_right(box)
    well(box, "many")


def test_nmis(box):
    """Each reaches the vCPU that it is for, which says that it knows no reason; nothing else."""
    def counts():
        row = re.search(r"NMI: +([\d ]+)", box.shell("many", "grep NMI: /proc/interrupts"))
        return [int(count) for count in row.group(1).split()]

    for cpu in (0, box.vcpus - 1):
        before = counts()
        box.ask(f"xl trigger many nmi {cpu}")
        box.until(lambda: counts()[cpu] == before[cpu] + 1)         # noqa: B023 (called here)
        assert [b - a for a, b in zip(before, counts(), strict=True)] == \
            [int(each == cpu) for each in range(box.vcpus)]
    said = linux_box.complaints(linux_box.messages(box, "many", "-rc"))
    told = re.findall(r"NMI received for unknown reason \w+ on CPU (\d)", "\n".join(said))
    assert told == ["0", str(box.vcpus - 1)]
    others = [line for line in said if not re.search("NMI received|power saving mode|Dazed and "
                                                     "confused", line)]
    assert not others, others
    well(box, "many")


def test_clocks_and_work_while_they_are_moved(box):
    """Which CPU a vCPU runs on is nothing that its programs can notice, nor by any clock."""
    start_work(box, 10)
    for turn in range(4):
        for cpu in range(box.vcpus):
            box.ask(f"xl vcpu-pin many {cpu} {(cpu + turn) % box.cpus}")
        box.ask("sleep 1")
        rows = re.findall(r"^many +\d+ +(\d) .* (\d) / all$", box.ask("xl vcpu-list many"), re.M)
        assert rows == [(str(cpu), str((cpu + turn) % box.cpus)) for cpu in range(box.vcpus)]
    box.ask(f"xl vcpu-pin many all {box.cpus - 1}")                 # all on one
    box.ask("sleep 1")
    box.ask("xl vcpu-pin many all all")
    work_was_right(box)
    well(box, "many")


# --- load -----------------------------------------------------------------------------------------
@pytest.mark.skipif(not SECONDS, reason="a long test (make soak)")
def test_parallel_load_beside_two_others():
    """Four vCPUs on two CPUs have all kinds of work to do together, beside a Linux of two vCPUs
    that calls its kernel, and a teaching kernel that answers."""
    name, port = "linux-parallel", machine.free_port()
    configs = {"many.cfg": config("many", linux_box.QUICK, vcpus=4),
               "other.cfg": config("other", linux_box.QUICK, vcpus=2)}
    with linux_box.LinuxBox(name, configs, smp=2, disk=machine.fresh_disk(name),
                            usual=[machine.BUILD / "archive/insula.elf",
                                   pathlib.Path("patches/insula1.cfg")],
                            net=f"user,id=n0,hostfwd=udp:127.0.0.1:{port}-10.0.2.31:7") as box:
        box.create("insula1.cfg")
        box.shell("insula1", "udpecho 7 &")
        for guest in ("many", "other"):
            box.boot(f"{guest}.cfg", 240)
        since = len(box.said())
        start_work(box, SECONDS)
        box.shell("other", f"cd /tmp; work check {SECONDS} > result 2>&1 & true")
        end, rounds = time.monotonic() + SECONDS, 0
        while time.monotonic() < end:
            assert udp_echo(port, f"round {rounds}") is not None
            assert box.shell("insula1", f"echo {rounds} > /round; sync; cat /round") == str(rounds)
            rounds += 1
            time.sleep(1)
        work_was_right(box, timeout=300)
        box.until(lambda: "CHECK PASSED" in box.shell("other", "cat /tmp/result"), 120, 2)
        print(f"{name}: the teaching kernel: {rounds} rounds")
        for guest in ("many", "other"):
            well(box, guest)
        said = explained.unexplained(box.said()[since:], [], set())
        assert not said, said
        for guest in ("many", "other", "insula1"):
            box.ask(f"xl destroy {guest}")
        box.audit()
        assert box.power_off() == 0
