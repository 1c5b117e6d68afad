# SPDX-License-Identifier: MIT
"""How two CPUs are shared: by weight and cap of the domain, whatever number of vCPUs it has; and
how soon who waited for something runs, beside many who never wait.

Shares are the CPU time that Domus says each domain had, of the machine's own time: a host that is
busy makes both go on alike. What is measured in microseconds is so on a machine that counts
instructions. (On one CPU, by the work that was done: test_share.py. 128 CPUs, played on the host:
tests/unit/test_cpus.c.)

DOMUS_FAIR_SECONDS=30 (`make soak`) measures for so long, and more than the one case that has all in
it.
"""
import os
import re

import pytest

import dom0
import machine

pytestmark = pytest.mark.skipif(dom0.ON_XEN, reason="Xen's scheduler is Xen's")
SECONDS = int(os.environ.get("DOMUS_FAIR_SECONDS", "10"))       # of the machine, for each measure
long = pytest.mark.skipif("DOMUS_FAIR_SECONDS" not in os.environ, reason="a long test (make soak)")
ROW = re.compile(r"^ *(\S+) [a-z-]{6} +\d+ +(\d+\.\d) ", re.M)
ALL = 200                       # percent of a CPU
SLOW = 300                      # seconds for a second of a machine that counts


@pytest.fixture(scope="module")
def box():
    with dom0.Dom0(f"fair-{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}",
                   smp=2, net=None) as system:
        yield system


@pytest.fixture
def system(box):
    yield box
    box.end_all()
    box.audit()


def spin(system, name, timeout=60, **options):
    """A domain that wants all the CPU that its vCPUs can get."""
    words = " ".join(f"{key}={value}" for key, value in options.items())
    system.create(f'share.cfg name="{name}" extra="test name={name} how=spin every=1000000" '
                  f"{words}", timeout=timeout)
    system.see(rf"attack-share: {name} \d+ at", timeout=timeout)


def shares(system, seconds=SECONDS):
    """{name: percent of a CPU} in these seconds; together they have all there is, less what nobody
    is charged for."""
    system.ask("sleep 1", timeout=SLOW)         # what they began with is forgotten
    rows = ROW.findall(system.ask(f"xl top -b -i 2 -d {seconds}", timeout=SLOW * (1 + seconds)))
    found = {name: float(percent) for name, percent in rows[len(rows) // 2:]}
    print(found)
    return found


def test_weights_and_many_vcpus(system):
    """Each of the many has little; together they have what a domain of that weight has. Whom the
    host keeps from a CPU is charged for it: now this domain, now that one, so that one of three
    measures is right, and none where the shares are not."""
    parts = {"many": 0.25, "few": 0.25, "heavy": 0.5}
    spin(system, "many", vcpus=8)
    spin(system, "few", vcpus=2)
    spin(system, "heavy", vcpus=2, cpu_weight=512)

    def is_fair(found):
        all_of_them = sum(found[name] for name in parts)
        return all_of_them > 0.97 * ALL and all(
            found[name] == pytest.approx(part * all_of_them, rel=0.05)
            for name, part in parts.items())
    assert any(is_fair(shares(system)) for _ in range(3)), system.tail(60)


@long
def test_equal_weights(system):
    names = ["first", "second", "third"]
    for name in names:
        spin(system, name, vcpus=2)
    found = shares(system)
    mean = sum(found[name] for name in names) / len(names)
    for name in names:
        assert found[name] == pytest.approx(mean, rel=0.03), found
    assert sum(found.values()) > 0.97 * ALL, found


@long
def test_weights(system):
    weights = {"one": 128, "two": 256, "four": 512}
    for name, weight in weights.items():
        spin(system, name, vcpus=2, cpu_weight=weight)
    found = shares(system)
    all_of_them = sum(found[name] for name in weights)
    for name, weight in weights.items():
        part = all_of_them * weight / sum(weights.values())
        assert found[name] == pytest.approx(part, rel=0.05), found


@long
def test_caps(system):
    """Beside one who takes what they leave; and where nobody else wants it. A host that comes late
    with a CPU may keep a domain from what its cap allows, but not give it more."""
    def holds(name, percent):
        assert 0.8 * percent <= found[name] <= 1.03 * percent, found

    spin(system, "less", cap=30)
    spin(system, "more", vcpus=2, cap=50)
    spin(system, "rest", vcpus=2)
    found = shares(system)
    holds("less", 30)
    holds("more", 50)
    assert sum(found.values()) > 0.97 * ALL, found
    system.ask("xl destroy rest")
    system.ask("xl sched-credit -d more -c 130")
    found = shares(system)
    holds("less", 30)
    holds("more", 130)


@long
def test_many_vcpus_are_no_more_than_one(system):
    """A CPU for each of two; and as much for the many as for each of three others."""
    spin(system, "many", vcpus=8)
    spin(system, "one")
    found = shares(system)
    assert found["one"] == pytest.approx(found["many"], rel=0.03), found
    for name in ("second", "third"):
        spin(system, name)
    found = shares(system)
    mean = (ALL - found["Domain-0"]) / 4
    for name in ("many", "one", "second", "third"):
        assert found[name] == pytest.approx(mean, rel=0.03), found


# --- where nothing is late ------------------------------------------------------------------------
@pytest.fixture(scope="module")
def counting():
    """One CPU, whose clock is its instructions."""
    name = f"fair-counting-{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"
    with dom0.Dom0(name, disk=machine.fresh_disk(name), icount=True, smp=1) as system:
        yield system
        assert system.power_off(timeout=SLOW) == 0


@long
def test_caps_exactly(counting):
    caps = {"less": 10, "more": 30}
    for name, cap in caps.items():
        spin(counting, name, timeout=SLOW, cap=cap, vcpus=2)
    spin(counting, "rest", timeout=SLOW)
    found = shares(counting, 3)
    for name in (*caps, "rest"):
        counting.ask(f"xl destroy {name}", timeout=SLOW)
    for name, cap in caps.items():
        assert found[name] == pytest.approx(cap, rel=0.03), found
    assert found["rest"] == pytest.approx(60, rel=0.03), found


@long
def test_who_waits_runs_soon(counting):
    """Each answer of store and network takes a guest's waking of dom0, and dom0's of the guest, all
    on the one CPU that seven others never leave by themselves: 99 of 100 within a millisecond."""
    for number in range(7):
        spin(counting, f"spinner{number}", timeout=SLOW)
    counting.create('neighbour.cfg extra="flood=neighbour beat=1000"', timeout=SLOW)
    beats = [counting.see(r"\(neighbour\) beat \d+ store \d+ (\d+) (\d+) \d+ disk \d+ \d+ \d+ \d+ "
                          r"ping \d+ (\d+) (\d+) \d+", timeout=2 * SLOW) for _ in range(2)]
    _, store, _, ping = (int(us) for us in beats[1].groups())
    print(f"store {store} us, ping {ping} us at the 99th percentile")
    for name in ("neighbour", *(f"spinner{number}" for number in range(7))):
        counting.ask(f"xl destroy {name}", timeout=SLOW)
    assert store <= 1000 and ping <= 1000
