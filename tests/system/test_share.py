# SPDX-License-Identifier: MIT
"""One CPU is shared by domain: how many vCPUs a domain has, and what it does with them, takes
nothing from its neighbours. (Two CPUs: test_fair.py.)

Guests say how much work they have done by when (tests/guests/attack-share). QEMU's clock counts
instructions here, so the parts are what the hypervisor makes them, however busy this machine is.
"""
import os
import re

import pytest

import dom0
import machine

pytestmark = pytest.mark.skipif(dom0.ON_XEN, reason="Xen's scheduler is Xen's")
REPORT = re.compile(r"attack-share: (\w+) (\d+) at (\d+) us")
FAIR = 0.10                     # as much less or more than its part
SLOW = 300                      # seconds for a second of a machine that counts


@pytest.fixture(scope="module")
def box():
    with dom0.Dom0(f"share-{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}",
                   icount=True, smp=1) as system:
        system.solo = None
        yield system


@pytest.fixture
def system(box):
    yield box
    box.end_all()
    box.audit()


def share(system, name, how="spin", **options):
    words = " ".join(f"{key}={value}" for key, value in options.items())
    system.create(f'share.cfg name="{name}" extra="test name={name} how={how}" {words}',
                  timeout=SLOW)
    system.see(rf"attack-share: {name} \d+ at", timeout=SLOW)


def rates(system, seconds):
    """{name: work per microsecond} of those who said so twice in these seconds of the machine."""
    before = len(system.said())
    system.ask(f"sleep {seconds}", timeout=seconds * SLOW)
    first, last = {}, {}
    for name, work, when in REPORT.findall(system.said()[before:]):
        last[name] = (int(work), int(when))
        first.setdefault(name, last[name])
    return {name: (last[name][0] - first[name][0]) / (last[name][1] - first[name][1])
            for name in last if last[name] != first[name]}


def solo(system):
    """What one vCPU does when nobody else wants the CPU; once measured."""
    if not system.solo:
        share(system, "one")
        system.solo = rates(system, 1)["one"]
        system.ask("xl destroy one")
    return system.solo


def cpu_times(system):
    """{name: (least, most) seconds}"""
    return {name: machine.bounds(time)
            for name, time in re.findall(r"^(\S+) +\d+ +\d+ +\d+ +\S+ +([\d.]+)$",
                                         system.ask("xl list"), re.M)}


def part(name, before, after):
    """(least, most) of all that was used meanwhile: how much one domain has."""
    least = {who: max(after[who][0] - before[who][1], 0) for who in after}
    most = {who: after[who][1] - before[who][0] for who in after}
    others = [who for who in after if who != name]
    return (least[name] / (least[name] + sum(most[who] for who in others)),
            most[name] / (most[name] + sum(least[who] for who in others)))


def test_many_vcpus_beside_one(system):
    whole = solo(system)
    share(system, "many", vcpus=32)
    share(system, "one")
    rate = rates(system, 2)
    assert rate["one"] / sum(rate.values()) == pytest.approx(1 / 2, rel=FAIR), rate
    assert sum(rate.values()) > 0.95 * whole            # and switching costs next to nothing


def test_weights(system):
    share(system, "heavy", cpu_weight=512)
    share(system, "light")
    rate = rates(system, 1)
    assert rate["heavy"] / rate["light"] == pytest.approx(2, rel=FAIR), rate
    assert re.search(r"^Name +ID +Weight +Cap\nheavy +\d+ +512 +0$",
                     system.ask("xl sched-credit -d heavy"), re.M)
    assert re.search(r"^light +\d+ +256 +0$", system.ask("xl sched-credit"), re.M)
    assert re.search(r"^Domain-0 +0 +512 +0$", system.ask("xl sched-credit"), re.M)
    system.ask("xl sched-credit -d heavy -w 128")
    rate = rates(system, 1)
    assert rate["light"] / rate["heavy"] == pytest.approx(2, rel=FAIR), rate


def test_weights_refused(system):
    for words in ("-d Domain-0 -w 0", "-d Domain-0 -w 65536",
                  "-d Domain-0 -w x", "-d Domain-0 -w -5"):
        assert "out of range, valid values are within range from 1 to 65535" \
            in system.refused(f"xl sched-credit {words}")
    assert "Must specify a domain" in system.refused("xl sched-credit -w 256")
    assert "no domain 'other'" in system.refused("xl sched-credit -d other")
    assert "Must specify a domain" in system.refused("xl sched-credit -c 50")
    assert "usage" in system.refused("xl sched-credit -b 50")
    assert "usage" in system.refused("xl sched-credit -d")
    assert "1 to 65535" in system.refused("xl create share.cfg cpu_weight=0")
    system.ask("xl sched-credit --domain=0 --weight=700")
    assert re.search(r"^Domain-0 +0 +700 +0$", system.ask("xl sched-credit -d 0"), re.M)
    system.ask("xl sched-credit -d0 -w512")


@pytest.mark.parametrize("how", ["yield", "sleep"])
def test_nothing_is_gained(system, how):
    whole = solo(system)
    share(system, "sly", how, vcpus=8)
    share(system, "one")
    assert rates(system, 1)["one"] / whole > 1 / 2 * (1 - FAIR)


def test_timers_of_vcpus_that_never_run(system):
    whole = solo(system)
    for i in range(12):
        # not ask(): the guest may speak before the prompt does
        system.send(f'xl create timers.cfg name="t{i}"')
        system.see("attack-timers: 31 vCPUs are down", timeout=SLOW)
    share(system, "one")
    assert rates(system, 1)["one"] / whole > 1 - FAIR


def test_timers_that_wake(system):
    """Thirty thousand ticks a second: they take no more than their domain's part, and all of it is
    seen."""
    whole = solo(system)
    system.send('xl create timers.cfg extra="wake"')
    system.see("attack-timers: 31 vCPUs sleep and wake", timeout=SLOW)
    share(system, "one")
    before = cpu_times(system)
    rate = rates(system, 2)["one"] / whole
    least, most = part("timers", before, cpu_times(system))
    assert rate > 1 / 2 * (1 - FAIR)
    assert rate + least < 1 + FAIR and rate + most > 1 - FAIR, (rate, least, most)


def test_timers_as_a_guest_sees_them(system):
    system.create('timers.cfg extra="test" vcpus=4', timeout=SLOW)
    assert system.see(r"\(timers\) RESULT (\w+)[^\n]*\n", timeout=SLOW).group(1) == "SUCCESS", \
        system.tail()
    system.ended("timers")
