# SPDX-License-Identifier: MIT
"""Machines of several CPUs: each is found and used, guests' vCPUs run at the same time, and what
goes wrong on one of them is said of that one."""
import re

import pytest

import dom0
import machine
import test_ring0_fault as fault

pytestmark = pytest.mark.skipif(dom0.ON_XEN, reason="what is tested is Domus")

SHAPES = {
    "4": 4,
    "8,sockets=2,cores=2,threads=2": 8,
    "6,sockets=2,cores=3": 6,                   # APIC ids with holes
}


@pytest.mark.parametrize("shape", SHAPES)
def test_all_cpus_are_used(shape):
    """A guest works in the meantime, and the books are right in the end."""
    disk = machine.fresh_disk(f"cpus-{shape.split(',')[0]}")
    with dom0.Dom0(f"cpus-{shape.split(',')[0]}", disk=disk, smp=shape) as system:
        assert f"{SHAPES[shape]} CPUs" in system.said()
        assert "left out" not in system.said()
        system.create("insula1.cfg")
        system.see(r"\(insula1\) Insula: disk xen", timeout=60)
        assert "2 answered" in system.shell("insula1", "ping 10.0.2.2 2 fast")
        said = system.ask("xl debug-keys l")
        assert len(re.findall(r"cpu \d+: waited for it \d+ times", said)) == SHAPES[shape], said
        idle = re.findall(r"cpu (\d+): idle (\d+) ms", system.ask("xl debug-keys r"))
        assert [int(number) for number, _ in idle] == list(range(SHAPES[shape]))
        registers = system.ask("xl debug-keys d")
        assert "d1 vcpu 0" in registers and "rip" in registers
        assert system.ask("audit").count("0 violations")
        assert system.power_off() == 0


def heard(system):
    return int(re.search(r"^dom0_events *: (\d+)$", system.ask("info"), re.M).group(1))


def turns_of(system, name):
    return sum(system.served()[name][kind] for kind in dom0.TURNS)


def test_a_guest_that_rings_without_pause():
    """Eight vCPUs, on CPUs of their own, send dom0 events as fast as they can: it hears each
    channel once a turn, and is not kept from its work by listening."""
    disk = machine.fresh_disk("cpus-events")
    with dom0.Dom0("cpus-events", disk=disk, smp=3) as system:
        system.create('attack-flood.cfg extra="flood=events" vcpus=8')
        system.see("attack-flood: events", timeout=60)
        before = heard(system), turns_of(system, "attack")
        system.ask("sleep 2")
        events = heard(system) - before[0]
        turns = turns_of(system, "attack") - before[1]
        print(events, turns)
        assert turns > 100 and events < 2 * turns
        assert system.power_off() == 0


def test_maxcpus():
    hypervisor = machine.Hypervisor("domus", machine.DOMUS.path, ["maxcpus=2"], "max")
    with dom0.Dom0("cpus-max", net=None, smp=4, domus=hypervisor) as system:
        assert "2 CPUs" in system.said()
        assert system.power_off() == 0


# --- what goes wrong --------------------------------------------------------------------------

def test_a_panic_stops_all_cpus_and_each_says_where_it_was(tmp_path):
    with fault.stopped_at("guest_trap", tmp_path, fault.BAD_ARGUMENT, smp=3) as box:
        who = int(box.expect(r"in the hypervisor, on CPU (\d)").group(1))
        box.expect("HYPERVISOR PANIC")
        for other in sorted({0, 1, 2} - {who}):
            box.expect(rf"CPU {other} was in (a guest|the hypervisor)")
            box.expect(r"rip [0-9a-f]{4}:[0-9a-f]{16}")
        box.expect("the machine has stopped")


def test_a_panic_stops_a_cpu_on_which_a_guests_processor_runs(tmp_path):
    """An audit begins while another vCPU's processor counts (DOMUS_run): the NMI ends its run."""
    with fault.stopped_at("memory_audit", tmp_path, fault.BAD_ARGUMENT, smp=2,
                          guest="svm-races") as box:
        who = int(box.expect(r"in the hypervisor, on CPU (\d)").group(1))
        box.expect("HYPERVISOR PANIC")
        box.expect(rf"CPU {1 - who} was in (a guest|the hypervisor)")
        box.expect(r"rip [0-9a-f]{4}:[0-9a-f]{16}")
        box.expect("the machine has stopped")


def test_a_cpu_that_does_not_answer_is_named(tmp_path):
    """The debugger sends its interrupt elsewhere, and makes us so impatient that it does not come
    into ring 0 by itself before."""
    with fault.stopped_at("cpus_flush", tmp_path, "set var tsc_hz = 20000",
                          "set var cpus[1]->apic_id = 99", "set var cpus[0]->apic_id = 99",
                          smp=2, guest="stale-tlb") as box:
        box.expect("HYPERVISOR PANIC")
        box.expect(r"CPU \d \(APIC 99\) does not answer")
        box.expect("the machine has stopped")
