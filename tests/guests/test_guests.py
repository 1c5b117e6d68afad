# SPDX-License-Identifier: MIT
"""Runs every micro-guest as dom0, on Domus (also with its locks watched, and on two CPUs) and on
Debian's real Xen, and reads its outcome from the serial line.

A guest says one of SUCCESS, SKIP, ERROR (the test is broken) and FAILURE (what it tests is). The
fifth outcome, CRASH, only the runner knows: the guest was ended, the hypervisor stopped, or nothing
came before the time was up. A guest that says `TYPE word` is sent that word. A header line
`machine: disk net nvme vcpus vcpus4 intel large counted` asks for a virtio disk, a virtio card, a
device with 250 interrupts, two vCPUs or four (on Xen a CPU for each), a CPU that says it is
Intel's, 1 GiB of memory (it costs time), a clock that counts instructions. `also on: CPU; CPU`
names CPU models of QEMU's on which Domus must do as well. A header line `on xen: OUTCOME` or
`on domus: OUTCOME` in main.c names an outcome other than SUCCESS that is right there.
"""
import pathlib
import re

import pytest

import machine

HERE = pathlib.Path(__file__).parent
GUESTS = sorted(path.parent.name for path in HERE.glob("*/main.c"))
RESULT = r"RESULT (SUCCESS|SKIP|ERROR|FAILURE)([^\r\n]*)\r*\n"
TYPE = r"TYPE (\w+)\r*\n"              # a guest asks for input
CRASHES = [r"Domain 0 (?:crashed|halted)[^\r\n]*", r"Panic on CPU[^\r\n]*", r"domain_crash[^\r\n]*",
           r"Hardware Dom0 (?:crashed|halted)[^\r\n]*", r"HYPERVISOR PANIC[^\r\n]*",
           r"Could not construct domain 0", r"GUEST PANIC[^\r\n]*"]


def expected(name, hypervisor):
    text = (HERE / name / "main.c").read_text()
    line = re.search(rf"on {hypervisor}: (\w+)", text)
    return line.group(1) if line else "SUCCESS"


WORDS = {"disk", "net", "nvme", "vcpus", "vcpus4", "intel", "large", "counted"}


def wishes(name):
    text = (HERE / name / "main.c").read_text()
    line = re.search(r"machine:([ \w]*)", text)
    wanted = line.group(1).split() if line else []
    assert set(wanted) <= WORDS, f"{name}: a machine has no {set(wanted) - WORDS}"
    return wanted


def vcpus(wanted):
    """How many the guest wants to have; None: it does not care."""
    return 4 if "vcpus4" in wanted else 2 if "vcpus" in wanted else None


def on_cpu(hypervisor, wanted):
    """The hypervisor, on the CPU that the guest wants, with the vCPUs that it wants."""
    cpu = hypervisor.cpu + (",vendor=GenuineIntel" if "intel" in wanted else "")
    args = hypervisor.args + ([f"dom0_max_vcpus={vcpus(wanted)}"] if vcpus(wanted) else [])
    return machine.Hypervisor(hypervisor.name, hypervisor.path, args, cpu)


def devices(machine_name, wanted, smp=None):
    """The machine's extra devices, as Machine wants them: its own, since another may run beside
    it."""
    options = {"smp": smp, "memory": 1024 if "large" in wanted else 256}
    if "disk" in wanted:
        disk = machine.BUILD / "disks" / f"{machine_name}.img"
        disk.parent.mkdir(parents=True, exist_ok=True)
        with disk.open("wb") as image:
            image.truncate(16 << 20)
        options["disk"] = disk
    if "counted" in wanted:
        options |= {"icount": True, "smp": 1}
    if "nvme" in wanted:
        options["extra"] = ["-device", "nvme,serial=1,msix_qsize=250"]
    if "net" in wanted:
        options["net"] = "user,id=n0"
    return options


def other_cpus():
    for name in GUESTS:
        line = re.search(r"also on: ([^\n]*)", (HERE / name / "main.c").read_text())
        for cpu in line.group(1).split(";") if line else []:
            yield name, cpu.strip()


def run_guest(name, hypervisor, timeout=120, smp=None, words=()):
    """Boots the guest as dom0, with further words on its command line; returns (outcome, what it
    said)."""
    guest = machine.BUILD / "guests" / f"test-{name}.elf"
    wanted = wishes(name)
    where = hypervisor.path.stem if hypervisor.name == "domus" else hypervisor.name
    if hypervisor.name == "xen":
        smp = vcpus(wanted) or 1        # there dom0 has a vCPU for each
    machine_name = f"{where}{smp or ''}-{name}"
    with machine.Machine(machine_name, hypervisor=on_cpu(hypervisor, wanted),
                         modules=[[guest, "test", *words]],
                         **devices(machine_name, wanted, smp)) as box:
        try:
            match = box.expect([RESULT, TYPE] + CRASHES, timeout=timeout)
            while box.which == 1:
                box.send(match.group(1))
                match = box.expect([RESULT, TYPE] + CRASHES, timeout=timeout)
        except machine.TooLate:
            raise
        except machine.Failed as failure:
            return "CRASH", str(failure)
        if box.which:
            box.listen(1)
            return "CRASH", match.group(0) + "\n" + box.tail()
        outcome, words = match.group(1), match.group(2).strip()
        if hypervisor.name != "xen" and outcome in ("SUCCESS", "SKIP"):
            box.wait_off(timeout=20)
        if outcome in ("ERROR", "FAILURE"):
            words += "\n" + box.tail(40)
        return outcome, words


@pytest.mark.parametrize("name", GUESTS)
@pytest.mark.parametrize("where", ["domus", "debug", "two", "xen"])
def test_guest(name, where):
    hypervisor = {"debug": machine.WATCHED, "xen": machine.XEN}.get(where, machine.DOMUS)
    if where == "xen" and not machine.xen_available():
        pytest.skip("Debian's Xen could not be fetched: nothing to compare with")
    outcome, words = run_guest(name, hypervisor, smp=2 if where == "two" else None)
    wanted = expected(name, hypervisor.name)
    if outcome == "SKIP" and wanted in ("SKIP", "SUCCESS"):
        pytest.skip(words)
    assert outcome == wanted, words


# All of them on more CPUs than two: `make soak`.
@pytest.mark.parametrize("name,cpus", [("two-vcpus", 8), ("other-events", 4)])
def test_guest_on_many_cpus(name, cpus):
    outcome, words = run_guest(name, machine.WATCHED, smp=cpus)
    assert outcome == "SUCCESS", words


@pytest.mark.parametrize("name,cpu", other_cpus())
def test_guest_on_another_cpu(name, cpu):
    outcome, words = run_guest(name,
                               machine.Hypervisor(f"domus-{re.sub('[^a-z0-9]+', '-', cpu)}",
                                                  machine.DOMUS.path, machine.DOMUS.args, cpu))
    assert outcome == "SUCCESS", words
