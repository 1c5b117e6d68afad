# SPDX-License-Identifier: MIT
"""Odd machines: what dom0 and the hypervisor make of disks, cards, processors and firmware other
than the usual."""
import datetime
import re

import pytest

import dom0
import machine

pytestmark = pytest.mark.skipif(dom0.ON_XEN, reason="what is tested is Domus")


def odd(name, *extra, **options):
    """A machine without disk and card, but for what extra has."""
    return dom0.Dom0(f"machines-{name}", domus=machine.BY_GRUB, net=None, extra=extra, **options)


def drive(name, path, *more):
    return "-drive", ",".join([f"if=none,id={name},file={path},format=raw", *more])


# --- disks and cards ---------------------------------------------------------------------------

def test_virtio_devices_as_qemu_makes_them():
    """Transitional ones: with the ids of before version 1."""
    disk = machine.fresh_disk("machines-transitional")
    with odd("transitional", *drive("d0", disk), "-device", "virtio-blk-pci,drive=d0",
             "-netdev", "user,id=n0", "-device", "virtio-net-pci,netdev=n0") as system:
        assert "dom0: disk disk0, " in system.said()
        system.send("xl create insula1.cfg")
        system.see(r"\(insula1\) Insula: disk xen", timeout=60)
        system.ask("echo there")
        assert "2 answered" in system.shell("insula1", "ping 10.0.2.2 2 fast")
        assert system.power_off() == 0


def test_devices_without_a_driver_are_named():
    disk = machine.fresh_disk("machines-undriven")
    with odd("undriven", *drive("d0", disk), "-device", "nvme,drive=d0,serial=1,addr=5",
             *drive("d1", disk, "snapshot=on", "file.locking=off"),
             "-device", "virtio-blk-pci,drive=d1,disable-modern=on,addr=6",
             "-netdev", "user,id=n0", "-device", "e1000,netdev=n0,addr=7") as system:
        said = system.said()
        assert re.search(r"pci 00:05\.0: no driver for this NVMe controller \(1b36:0010\)", said)
        assert re.search(r"pci 00:06\.0: .*before version 1", said)
        assert re.search(r"pci 00:07\.0: no driver for this Ethernet card \(8086:100e\)", said)
        assert "dom0: no disk" in said


def test_a_disk_that_may_not_be_written():
    disk = machine.fresh_disk("machines-read-only")
    with odd("read-only", *drive("d0", disk, "readonly=on"),
             "-device", "virtio-blk-pci,drive=d0") as system:
        assert "the disk is read-only" in system.refused("xl create insula1.cfg")
        system.create('insula1.cfg disk=["phy:insula1,xvda,r"]')
        system.see(r"\(insula1\) Insula: disk xen", timeout=60)


@pytest.mark.parametrize("kind", ("blank", "unreadable", "short"))
def test_a_disk_without_partitions(kind):
    disk = machine.fresh_disk(f"machines-{kind}")
    errors = disk.with_suffix(".blkdebug")
    errors.write_text('[inject-error]\nevent = "read_aio"\nerrno = "5"\niotype = "read"\n')
    if kind == "blank":
        disk.write_bytes(bytes(1 << 20))
    if kind == "short":
        disk.write_bytes(bytes(512))
    path = f"blkdebug:{errors}:{disk}" if kind == "unreadable" else disk
    with odd(kind, "-drive",
             f"if=none,id=d0,file={path}" + (",format=raw" if kind != "unreadable" else ""),
             "-device", "virtio-blk-pci,drive=d0") as system:
        said = system.said()
        answer = system.refused("xl create insula1.cfg")
        if kind == "unreadable":
            assert re.search(r"dom0: disk disk0, \d+ MiB: the disk cannot be read", said) \
                and "the disk cannot be read" in answer
        else:
            assert re.search(r"dom0: disk disk0, \d MiB: the disk has no GPT", said) \
                and "the disk has no GPT" in answer


# --- firmware and processors -------------------------------------------------------------------

def test_without_acpi_the_prompt_hears():
    """No table says where COM1 interrupts, nor the disk but by messages."""
    disk = machine.fresh_disk("machines-no-acpi")
    with dom0.Dom0("machines-no-acpi",
                   domus=machine.Hypervisor("domus", machine.DOMUS.path, ["acpi=off"], "max",
                                            grub=True),
                   disk=disk) as system:
        assert "no ACPI tables (acpi=off)" in system.said() \
            and "no interrupt for COM1" in system.said()
        assert "by the PIT" in system.said()
        system.create("insula1.cfg")
        system.see(r"\(insula1\) Insula: disk xen", timeout=60)
        assert "2 answered" in system.shell("insula1", "ping 10.0.2.2 2 fast")
        assert "dom0_free_pages" in system.ask("info")


@pytest.mark.parametrize("cpu, missing",
                         (("qemu32", "long mode"), ("max,xlevel=0x80000000", "long mode"),
                          ("max,-nx", "NX"), ("max,-syscall", "SYSCALL")))
def test_a_processor_that_will_not_do(cpu, missing):
    domus = machine.Hypervisor("domus", machine.DOMUS.path, [], cpu, grub=True)
    with machine.Machine("machines-" + cpu.replace(",", ""), hypervisor=domus, modules=[]) as box:
        box.expect(rf"Domus cannot run on this processor: it has no {missing}")


def test_by_grub_as_by_the_loader_of_the_tests():
    """The same memory, tables and words, whoever has put them there."""
    def says(grub):
        words = ["dom0_mem=64M", "loglvl=all", "one=two"]
        domus = machine.Hypervisor("domus", machine.DOMUS.path, words, "max", grub)
        guest = [machine.BUILD / "guests/test-version.elf", "test", "with=words"]
        with machine.Machine(f"machines-by-{'grub' if grub else 'loader'}", hypervisor=domus,
                             modules=[guest], smp=2, memory=256) as box:
            assert box.wait_off(60) == 0
            said = box.tail(100).split("\n", 1)[1]                  # all but QEMU's options
        # how fast its clocks are found to be, and what they show, is of the moment
        return [line for line in said.splitlines() if not re.search("TSC|wall clock", line)]
    assert says(grub=True) == says(grub=False)


def test_all_memory_of_a_large_machine_is_counted():
    domus = machine.Hypervisor("domus", machine.DOMUS.path, ["dom0_mem=1G"], "max", grub=True)
    with dom0.Dom0("machines-large", domus=domus, net=None, memory=16384) as system:
        assert int(re.search(r"in (\d+) frames", system.audit()).group(1)) > 4000000


def test_the_century_of_the_clock():
    """The wall clock at boot is the RTC's."""
    with odd("century", "-rtc", "base=1999-03-01T12:34:00") as system:
        said = int(re.search(r"wall clock (\d+) s since 1970", system.said()).group(1))
        assert 0 <= said - datetime.datetime(1999,
                                             3, 1, 12, 34, tzinfo=datetime.UTC).timestamp() < 120


# --- the prompt --------------------------------------------------------------------------------

def test_what_is_typed_during_boot_is_done_at_the_prompt():
    with machine.Machine("machines-early",
                         modules=[[machine.BUILD / "dom0.elf"],
                                  [machine.BUILD / "archive.tar"]]) as box:
        box.expect(r"\(domus\) Domus \d")
        box.send("echo  typed  early; xl list")
        box.expect("dom0: ready")
        box.expect(r"\ntyped early")
        box.expect("Domain-0 ")


def test_xl_dmesg_is_the_hypervisors_log():
    """It still has the boot when dom0 has said much; what that was is on its terminal."""
    with odd("dmesg") as system:
        for _ in range(12):
            system.ask("help")
        log = system.ask("xl dmesg")
        assert ", a paravirtual hypervisor" in log and "lists the commands" not in log
