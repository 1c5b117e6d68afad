# SPDX-License-Identifier: MIT
"""Debian's Linux as the control domain: the hypervisor starts it in our dom0's place, with an
initramfs for its archive. It sees the machine's PCI devices, and its own drivers work them: the
disk is read and written, the card has answers, by interrupts.

DOMUS_CYCLES=n (`make soak`): this Debian's kernel, that of its backports, and the newest that there
is, each on one, two and four CPUs; else the second on four. (The first on one is dom0 in
test_linux_xl.py and test_run.py.)
"""
import gzip
import os
import re

import pytest

import linux
import linux_box
import machine

# one machine at a time, and its end is the last test
pytestmark = pytest.mark.xdist_group("linux-dom0")
DRIVERS = ["virtio_pci", "virtio_blk", "virtio_net"]
INIT = """#!/bin/sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
while read -r module; do insmod "$module"; done < /lib/order
echo "LINUX UP: $(uname -r)"
exec setsid cttyhack sh
"""
EACH = [(folder, cpus) for folder in ("", "backports", "newest") for cpus in (1, 2, 4)]
BOXES = EACH if "DOMUS_CYCLES" in os.environ else [("backports", 4)]
PLACE, MARK = 34 << 20, b"read by Linux as dom0"


def kernel_package(vmlinux):
    """Where the package of that kernel is unpacked."""
    version = re.search(rb"Linux version (\S+)", vmlinux.read_bytes()).group(1).decode()
    return next(linux_box.FOLDER / "packages" / f"linux-{part}-{version}"
                for part in ("modules", "image")
                if (linux_box.FOLDER / "packages" / f"linux-{part}-{version}").exists())


def initramfs(path, vmlinux):
    """busybox and the drivers of the machine's devices, as far as they are modules, out of the
    packages of the Linux guests."""
    package = kernel_package(vmlinux)
    modules = next(path for path in (package / "usr/lib/modules", package / "lib/modules")
                   if path.exists())
    archive = linux.Cpio()
    for folder in ("bin", "dev", "proc", "sys", "lib"):
        archive.directory(folder)
    archive.add("dev/console", mode=0o020600, device=(5, 1))
    archive.add("bin/busybox",
                (linux_box.FOLDER / "packages/busybox-static/bin/busybox").read_bytes(), 0o100755)
    archive.add("bin/sh", b"busybox", 0o120777)
    linux.add_modules(archive, modules,
                      [name for name in DRIVERS if [*modules.rglob(f"{name}.ko*")]])
    archive.add("init", INIT.encode(), 0o100755)
    path.write_bytes(gzip.compress(archive.finished(), 6, mtime=0))
    return path


@pytest.fixture(scope="module", params=BOXES, ids=lambda box: f"{box[0] or 'linux'}-{box[1]}")
def box(request):
    kernel, cpus = request.param
    folder = linux_box.FOLDER / kernel
    linux_box.available(folder)
    name = f"linux-dom0-{kernel or 'stable'}-{cpus}"
    disk = machine.fresh_disk(name)
    with disk.open("r+b") as image:
        image.seek(PLACE)
        image.write(MARK.ljust(512))
    domus = machine.Hypervisor("domus", machine.DOMUS.path, ["dom0_mem=512M"], machine.DOMUS.cpu)
    vmlinux = folder / "vmlinux"
    modules = [[vmlinux, "console=hvc0"], [initramfs(machine.BUILD / f"{name}.cpio.gz", vmlinux)]]
    with machine.Machine(name, hypervisor=domus,
                         modules=modules, disk=disk, net="user,id=n0",
                         smp=cpus) as linux_machine:
        linux_machine.disk, linux_machine.cpus = disk, cpus
        linux_machine.expect(r"LINUX UP: \d+\.\d+", 240)
        linux_machine.expect(r"# ", 30)
        yield linux_machine


def ask(box, line, timeout=60):
    # the echo of this line has two blanks
    box.send(f"echo  begin  7; {line}; echo  done  7")
    box.expect(r"begin 7[\r\n]+", timeout)
    box.expect("done 7", timeout)
    said = machine.ESCAPES.sub("", box.child.before)
    return re.sub(linux_box.MESSAGE, "", said).strip("\n")


def interrupts(box, name):
    """How many a device's queues have had on all CPUs; each comes by an MSI-X vector that the
    hypervisor made a physical interrupt of dom0's."""
    counts = re.findall(rf"^ *\d+:((?: +\d+)+) +xen-pirq +-msi-x +{name}",
                        ask(box, "cat /proc/interrupts"), re.M)
    return sum(int(count) for row in counts for count in row.split())


def test_it_is_the_control_domain(box):
    said = ask(box, "dmesg -r")
    assert "Xen version: 4.17.0-domus" in said and "Hypervisor detected: Xen PV" in said
    assert re.search(r"ACPI: RSDP 0x", said) and "ACPI: Interpreter enabled" in said
    # the machine's own serial line
    assert "-virq      hvc_console" in ask(box, "cat /proc/interrupts")
    assert not re.search(linux_box.BROKEN, said)
    assert ask(box, "grep -c ^processor /proc/cpuinfo") == str(box.cpus)


def test_its_drivers_have_the_disk_and_the_card(box):
    devices = ask(box, "for d in /sys/bus/pci/devices/*; do echo $(cat $d/vendor) $(cat $d/device) "
                       "$(readlink $d/driver); done")
    assert re.search(r"^0x1af4 0x1042 \S*/virtio-pci$", devices, re.M) \
        and re.search(r"^0x1af4 0x1041 \S*/virtio-pci$", devices, re.M)
    assert ask(box, "ls /sys/block").split() == ["vda"]
    assert ask(box, "cat /sys/block/vda/size") == str(box.disk.stat().st_size // 512)
    assert {"eth0", "lo"} <= set(ask(box, "ls /sys/class/net").split())


def test_the_disk_is_read_and_written(box):
    before = interrupts(box, r"virtio0-req\.\d")
    block = "bs=512 count=1 2>/dev/null"
    assert ask(box, f"dd if=/dev/vda skip={PLACE // 512} iflag=direct {block}").strip() == \
        MARK.decode()
    ask(box, f"printf 'written by Linux%496s' '' | dd of=/dev/vda seek={PLACE // 512} oflag=direct "
             f"conv=notrunc {block}; sync")
    assert interrupts(box, r"virtio0-req\.\d") >= before + 2
    with box.disk.open("rb") as image:
        image.seek(PLACE)
        assert image.read(16) == b"written by Linux"


def test_the_card_is_heard(box):
    ask(box, "ifconfig eth0 10.0.2.15 netmask 255.255.255.0 up")
    assert "3 packets received" in ask(box, "ping -c 3 -i 0.2 10.0.2.2")
    assert interrupts(box, r"virtio1-input\.\d") >= 3


def test_it_switches_the_machine_off(box):
    """The last test of a kernel: nothing is left to be asked."""
    box.send("sync; poweroff -f")
    assert box.wait_off(60) == 0
