# SPDX-License-Identifier: MIT
"""Which CPUs there are, who runs on them and has how much of them, as the operator's words say it:
`xl info -n`, `vcpu-pin`, `vcpu-list`, `sched-credit`, `top`, and the keys cpus and cap of a
configuration. On one CPU and on two.

The guest waits for its first instruction, unless a test wants it to work.
"""
import re

import pytest

import dom0
import machine

GUEST = 'share.cfg name="spinner" extra="test name=spinner how=spin"'
# Of a vCPU that has never run; on real Xen it has a CPU all the same.
ROW = r"^spinner +\d+ +{} +(?:\d+|-) +[r-][b-][p-] +\d+\.\d +{}$"


@pytest.fixture(scope="module", params=[1, 2])
def box(request):
    with dom0.Dom0(f"cpus-{request.param}", smp=request.param, net=None) as system:
        system.cpus = request.param
        yield system


@pytest.fixture
def system(box):
    yield box
    box.end_all()
    box.audit()


def affinity(system, vcpu, hard, soft="all"):
    return re.search(ROW.format(vcpu, f"{hard} / {soft}"), system.ask("xl vcpu-list spinner"), re.M)


def test_where_cpus_sit(system):
    info = system.ask("xl info -n")
    assert re.search(rf"^nr_cpus +: {system.cpus}$", info, re.M)
    assert re.search(rf"^cores_per_socket +: {system.cpus}$", info, re.M)
    assert re.search(r"^threads_per_core +: 1$", info, re.M)
    rows = re.findall(r"^  (\d): +(\d+) +(\d+) +(\d+)$", info, re.M)
    assert rows == [(str(cpu), str(cpu), "0", "0") for cpu in range(system.cpus)]
    assert re.search(r"^node: +memsize +memfree +distances\n +0: +\d+ +\d+ +10$", info, re.M)


def test_where_vcpus_may_run(system):
    last, others = system.cpus - 1, f"{system.cpus}-7"
    one = "all" if system.cpus == 1 else str(last)
    system.create(f"-p {GUEST} vcpus=3 cpus=['all','{last}'] cpus_soft=['{last}']")
    assert affinity(system, 0, "all", one)
    system.ask("xl vcpu-pin spinner 0 - all")
    assert affinity(system, 0, "all") and affinity(system, 1, one) and affinity(system, 2, "all")
    system.ask(f"xl vcpu-pin spinner 0 0-7,^{7 if last == 0 else 0}")
    assert affinity(system, 0, one) and affinity(system, 2, "all")
    system.ask(f"xl vcpu-pin spinner all {last} all")
    assert all(affinity(system, vcpu, one) for vcpu in range(3))
    system.ask("xl vcpu-pin spinner 2 all -")
    assert affinity(system, 1, one) and affinity(system, 2, "all")
    assert "None of these CPUs is there" in system.refused(f"xl vcpu-pin spinner 1 {others}")
    assert affinity(system, 1, one)
    assert "'spinner' has no vCPU 3" in system.refused("xl vcpu-pin spinner 3 0")
    assert "no domain 'other'" in system.refused("xl vcpu-pin other 0 0")
    system.ask(f"xl vcpu-pin spinner 2 - {last}")
    assert affinity(system, 2, "all", one)
    system.ask("xl vcpu-pin spinner 2 - all")
    assert affinity(system, 2, "all")
    assert re.search(r"^Domain-0 +0 +0 +\d+ .* all / all$", system.ask("xl vcpu-list 0"), re.M)
    assert "word 4 behind share.cfg: vCPU 0: no CPU that cpus allows is there" \
        in system.refused(f"xl create {GUEST} vcpus=2 cpus='{others}' name='x'")


def test_where_they_run(system):
    """A vCPU that works is on the CPU that it is told, dom0's too, while they all do."""
    def on(name, cpu):
        return re.search(rf"^{name} +\d+ +0 +{cpu} ", system.ask(f"xl vcpu-list {name}"), re.M)

    system.create(f"{GUEST} vcpus=2 cpus='0'", timeout=120)
    for cpu in (system.cpus - 1, 0):
        system.ask(f"xl vcpu-pin spinner all {cpu}")
        system.ask(f"xl vcpu-pin Domain-0 0 {system.cpus - 1 - cpu}")
        system.ask("sleep 1")
        assert on("spinner", cpu) and on("Domain-0", system.cpus - 1 - cpu)
    system.ask("xl vcpu-pin 0 0 all")


def test_how_much_they_get_at_most(system):
    system.create(f"-p {GUEST} vcpus=3 cap=250")
    assert re.search(r"^spinner +\d+ +256 +250$", system.ask("xl sched-credit -d spinner"), re.M)
    system.ask("xl sched-credit -d spinner -c 50 -w 300")
    assert re.search(r"^spinner +\d+ +300 +50$", system.ask("xl sched-credit"), re.M)
    system.ask("xl sched-credit -d spinner --cap=0")
    assert re.search(r"^spinner +\d+ +300 +0$", system.ask("xl sched-credit"), re.M)
    assert "valid range is from 0 to 300" in system.refused("xl sched-credit -d spinner -c 301")
    assert "cap must be 0 to 200" in system.refused(f"xl create {GUEST} vcpus=2 cap=201")


def test_a_cap_holds(system):
    """Nobody else wants the CPU, and it gets no more. (How exactly: tests/unit/test_cpus.c.)"""
    system.create(f"{GUEST} cap=30", timeout=120)
    # a host that keeps it from its CPU charges it for that, or has it come late: not each time
    rows = [TOP.findall(system.ask("xl top -b -i 2 -d 4"))]
    while not 20 < float(rows[-1][3][3]) < 40 and len(rows) < 3:
        rows.append(TOP.findall(system.ask("xl top -b -i 2 -d 4")))
    assert 20 < float(rows[-1][3][3]) < 40, rows


TOP = re.compile(r"^ *(\S+) ([a-z-]{6}) +(\d+) +([\d.]+) +(\d+) +([\d.]+) +(\d+)(?: +(\d+)){4}$",
                 re.M)


def test_top(system):
    system.create(GUEST, timeout=120)
    table = system.ask("xl top -bf -i 2 -d 2")
    rows = TOP.findall(table)
    assert [row[0] for row in rows] == ["Domain-0", "spinner"] * 2, table
    assert rows[0][3] == rows[1][3] == "0.0"            # there was nothing to compare with
    assert float(rows[3][3]) > 50 and float(rows[2][3]) < 50, table
    assert 16 * 1024 <= int(rows[3][4]) < 17 * 1024 and rows[3][6] == "1", table
    system.send("xl top -d 1")
    for _ in range(2):
        system.see(r"2 domains: \d running.*spinner[^\n]*\n", timeout=60)
    system.child.send("q")
    assert "still here" in system.ask("echo still here")
    system.send("xl top -b; echo never")
    system.see(r"spinner[^\n]*\n", timeout=60)
    system.child.send("\x03")
    assert "never\n" not in system.ask("echo here again") + "\n"


@pytest.mark.skipif(dom0.ON_XEN, reason="Xen's own word does it there")
def test_dom0_has_cpus_of_its_own():
    domus = machine.Hypervisor("domus", machine.DOMUS.path, ["dom0_vcpus_pin"], machine.DOMUS.cpu)
    with dom0.Dom0("cpus-pinned", domus=domus, smp=2, net=None) as system:
        rows = re.findall(r"^Domain-0 +0 +(\d) .* (\S+) / all$", system.ask("xl vcpu-list"), re.M)
        assert rows == [("0", "0"), ("1", "1")]
        assert system.power_off() == 0
