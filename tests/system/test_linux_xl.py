# SPDX-License-Identifier: MIT
"""Debian's Linux as dom0 on Domus with Xen's own toolstack, as Debian packages it (rig_box.py has
the same on real Xen): what an operator types, and what comes of it. Guests are Debian's Linux,
too; their disks and cards are served by that dom0's kernel.

One machine for all tests. After each, no guest is left, and the hypervisor's books are right.
DOMUS_CYCLES=n: how often a guest is made and destroyed (`make soak`: 100); then it is saved 40
times, too.
"""
import hashlib
import os
import re
import time

import pytest

import foreign
import linux_box
import machine
import rig
import rig_box
from linux_box import QUICK, config
from test_save_linux import WORK

# one boot serves all
pytestmark = pytest.mark.xdist_group("linux-xl")
CYCLES = int(os.environ.get("DOMUS_CYCLES", "3"))
LIVES = 20 if "DOMUS_CYCLES" in os.environ else 1
ADDRESS, GATEWAY = "10.0.2.30", "10.0.2.2"
CPU = "/sys/devices/system/cpu"
# what xl makes again, when a guest reboots, it makes in another folder
FILES = {"kernel": "/guests/vmlinux", "ramdisk": "/guests/initramfs.cpio"}
CONFIGS = {
    "plain.cfg": config("plain", QUICK, memory=128, **FILES),
    "whole.cfg": config("whole", f"{QUICK} ip4={ADDRESS}/24 gw4={GATEWAY}", vcpus=4, memory=160,
                        disk=["phy:/dev/disk/scratch,xvda,w"],
                        vif=["bridge=br0,mac=00:16:3e:11:22:33"], **FILES),
    # as the distribution has it: a bzImage, which xl unpacks
    "less.cfg": config("less", QUICK, vcpus=2, memory=128, cpuid="host,sse4_2=0,aesni=0",
                       **FILES | {"kernel": "/guests/vmlinuz"}),
}
PROGRAMS = ["xl", "libxl-save-helper", "xenstored", "xenconsoled", "xen-init-dom0"]


class Box(rig_box.Rig):
    def __init__(self):
        hypervisor = machine.Hypervisor("domus", machine.DOMUS.path, ["dom0_mem=768M"],
                                        machine.DOMUS.cpu)
        super().__init__("linux-xl", CONFIGS, disk=machine.fresh_disk("linux-xl"),
                         files=[rig_box.FOLDER / "vmlinuz"], domus=hypervisor)

    def listed(self, name):
        """(number, MiB, vCPUs, state) of a domain; None: there is none of that name."""
        found = re.search(rf"^{name} +(\d+) +(\d+) +(\d+) +(\S+) ", self.ask("xl list"), re.M)
        return found and (*(int(word) for word in found.groups()[:3]), found[4])

    def violations(self):
        """What the hypervisor's auditor finds."""
        self.ask("xl debug-keys A")
        return int(re.findall(r"audit: (\d+) violations", self.ask("xl dmesg"))[-1])

    def free_pages(self):
        """With those that are cut up for small objects, as dom0.py has it."""
        self.ask("xl debug-keys m")
        return sum(map(int, re.findall(r"heap: (\d+) of \d+ pages free, (\d+) cut up",
                                       self.ask("xl dmesg"))[-1]))

    def destroy_all(self):
        self.ask("for n in $(xl list | awk 'NR > 2 { print $2 }'); do xl destroy $n; done", 120)
        return len(self.ask("xl list").splitlines()) == 2


@pytest.fixture(scope="module")
def machine_of_all():
    with Box() as it:
        yield it


@pytest.fixture
def box(machine_of_all):
    yield machine_of_all
    assert machine_of_all.until(machine_of_all.destroy_all)
    assert machine_of_all.violations() == 0


def test_the_tools_are_debians(box):
    packages = rig_box.FOLDER / "packages"
    for name in rig.PACKAGES:
        print(foreign.checksum(packages / name))
    folder = "usr/lib/xen-4.17/bin"
    said = box.ask(f"cd /{folder} && sha256sum {' '.join(PROGRAMS)}; cd /guests")
    for name in PROGRAMS:
        theirs = (packages / "xen-utils-4.17" / folder / name).read_bytes()
        assert f"{hashlib.sha256(theirs).hexdigest()}  {name}" in said


def test_what_xl_says_of_the_machine(box):
    said = dict(re.findall(r"^(\w+) +: (.*)$", box.done("xl info -n"), re.M))
    assert said["nr_cpus"] == str(machine.SMP) and said["nr_nodes"] == "1"
    assert said["xen_version"].startswith("4.17.0-domus") and said["xen_scheduler"] == "credit"
    assert len(said["build_id"]) == 40
    assert bytes.fromhex(said["build_id"]) in machine.DOMUS.path.read_bytes()
    assert 1900 < int(said["total_memory"]) <= 2048
    assert 0 < int(said["free_memory"]) <= int(said["total_memory"]) - 768
    devices = re.findall(r"^0000:00:[\da-f.]+ +(\d+)$", box.done("xl info -n"), re.M)
    assert len(devices) == int(box.ask("ls /sys/bus/pci/devices | wc -l")) > 3
    assert set(devices) == {"0"}
    assert re.search(rf"^Pool-0 +{machine.SMP} +credit +y +1$", box.done("xl cpupool-list"), re.M)
    assert "tslice=10ms" in box.done("xl sched-credit")
    number, size, vcpus, state = box.listed("Domain-0")
    assert (number, size, vcpus, state) == (0, 768, machine.SMP, "r-----")


def test_its_kernel_complains_of_nothing(box):
    """(A machine with more CPUs, and newer kernels: test_linux_dom0.py.)"""
    said = box.ask("dmesg -r")
    assert "Hypervisor detected: Xen PV" in said and "ACPI: Interpreter enabled" in said
    assert not re.search(linux_box.BROKEN, said)


def rounds(box):
    return int(box.shell("whole", "cat /tmp/rounds"))


def it_is_well(box, before, clock):
    """It knows what it knew, works where it was, the network is there, and its clock is right."""
    *word, vcpus, date = box.shell("whole", "cat /tmp/word; ls /tmp/broken 2>/dev/null; nproc; "
                                            "date +%s").split()
    assert (word, vcpus) == (["remembered"], "4") and 0 <= int(date) - clock < 600
    assert "3 packets received" in box.shell("whole", f"ping -c 3 -i 0.2 {GATEWAY}")
    assert box.until(lambda: rounds(box) > before)


def it_has_vcpus(box, count, meanwhile=":"):
    """It is told how many to use, and uses them: so many are up, and programs run on each."""
    box.done(f"xl vcpu-set --ignore-host whole {count}")
    there = "0" if count == 1 else f"0-{count - 1}"
    said = box.shell("whole", f"cd {CPU}; for i in $(seq 200); do {meanwhile}; [ "
                              f"\"$(echo $(cat online present))\" = '{there} {there}' ] && break; "
                              "sleep 0.2; done; cat online present; for n in 0 1 2 3; do "
                              "taskset -c $n cut -d' ' -f39 /proc/self/stat; done 2>/dev/null")
    assert said.split() == [there, there, *(str(cpu) for cpu in range(count))]
    rows = re.findall(r"^whole +\d+ +\d+ +\S+ +\S\S(\S) ", box.done("xl vcpu-list whole"), re.M)
    assert [row != "p" for row in rows] == [cpu < count for cpu in range(4)]
    assert box.listed("whole")[2] == count


def its_vcpus_go_and_come(box):
    """Those that come are given to its kernel, on real Xen, too; udev, where there is one, brings
    them up. (More than the machine has CPUs: --ignore-host.)"""
    it_has_vcpus(box, 1)
    it_has_vcpus(box, 4, "for n in cpu[123]/online; do echo 1 > $n; done 2>/dev/null")


def it_is_saved_and_goes_on(box):
    """As a checkpoint, after which it is the same domain; then in another one."""
    number, clock = box.listed("whole")[0], int(box.shell("whole", "date +%s"))
    before = rounds(box)
    box.done("xl save -c whole /tmp/saved", 240)
    assert box.listed("whole")[0] == number
    it_is_well(box, before, clock)
    before = rounds(box)
    box.done("xl save whole /tmp/saved", 240)
    assert box.listed("whole") is None
    box.done("xl restore /tmp/saved && rm /tmp/saved", 240)
    assert box.listed("whole")[0] > number
    it_is_well(box, before, clock)


def test_a_guest_with_disk_and_card(box):
    box.boot("whole.cfg")
    number, size, vcpus, _ = box.listed("whole")
    assert (size, vcpus) == (160, 4)
    assert "3 packets received" in box.shell("whole", f"ping -c 3 -i 0.2 {GATEWAY}")
    box.shell("whole", "echo written by the guest | dd of=/dev/xvda conv=sync oflag=direct "
                       "bs=4096 2>/dev/null")
    assert box.ask("dd if=/dev/disk/scratch iflag=direct bs=4096 count=1 2>/dev/null | head -n 1") \
        == "written by the guest"
    before, guests = int(box.ask("date +%s")), int(box.shell("whole", "date +%s"))
    assert before - 30 < guests < int(box.ask("date +%s")) + 30
    box.shell("whole", "echo remembered > /tmp/word; echo 0 > /tmp/rounds")
    its_vcpus_go_and_come(box)
    box.shell("whole", f"{{ {WORK} }}")
    for _ in range(LIVES):
        it_is_saved_and_goes_on(box)
    assert not linux_box.complaints(linux_box.messages(box, "whole"))
    box.done("xl block-attach whole phy:/dev/disk/insula1,xvdb,r", 120,
             undo="xl block-detach whole xvdb")
    box.done("xl network-attach whole bridge=br0 mac=00:16:3e:00:00:99", 120,
             undo="xl network-detach whole 1")
    assert box.until(lambda: "xvdb" in box.shell("whole", "cat /proc/partitions"))
    assert "eth1" in box.shell("whole", "ls /sys/class/net")
    assert len(box.done("xl block-list whole").splitlines()) == 3
    assert len(box.done("xl network-list whole").splitlines()) == 3
    assert "Domain" in box.done("xl shutdown -w whole", 120)
    assert box.until(lambda: box.listed("whole") is None)


def test_what_is_done_to_a_guest_that_runs(box):
    box.boot("plain.cfg")
    number = box.listed("plain")[0]
    box.done("xl pause plain")
    assert "p" in box.listed("plain")[3]
    # its time stands still; an event may make it one that would run
    stands = box.ask("xl list plain").split()[-1]
    time.sleep(1)
    assert box.ask("xl list plain").split()[-1] == stands
    box.done("xl unpause plain")
    assert "p" not in box.listed("plain")[3]
    box.done("xl mem-set plain 100")
    assert box.until(lambda: box.listed("plain")[1] == 100)
    assert int(re.search(r"Mem: +(\d+)", box.shell("plain", "free -k"))[1]) < 100 << 10
    box.done("xl sched-credit -d plain -w 512 -c 90")
    assert re.search(rf"^plain +{number} +512 +90$", box.done("xl sched-credit"), re.M)
    box.done("xl vcpu-pin plain 0 0")
    assert re.search(r"^plain .* 0 / all$|^plain .* all / all$", box.done("xl vcpu-list plain"),
                     re.M)
    box.done("xl rename plain other")
    assert re.search(rf"^other +{number} ", box.done("xl uptime"), re.M)
    assert f'"domid": {number}' in box.done("xl list -l other")
    box.done("xl trigger other nmi")
    box.done("xl debug-keys q")
    assert f"d{number}: " in box.done("xl dmesg")
    assert box.shell("other", "echo $((6 * 7))") == "42"
    box.done("xl reboot -w other", 120)
    # xl -w waits for its end; the other xl, which made it, makes it again a little later
    box.until(lambda: (box.listed("other") or [0])[0] > number, 120)


@pytest.mark.skipif("DOMUS_CYCLES" not in os.environ, reason="minutes: it maps page by page (soak)")
def test_a_guest_is_dumped(box):
    box.boot("plain.cfg")
    box.done("xl dump-core plain /tmp/core", 600)
    assert box.ask("head -c 4 /tmp/core | tail -c 3") == "ELF"
    assert int(box.ask("stat -c %s /tmp/core")) > box.listed("plain")[1] << 20
    box.ask("rm /tmp/core")
    assert box.shell("plain", "echo $((6 * 7))") == "42"


def test_a_guest_is_told_of_the_cpu_what_its_configuration_says(box):
    box.boot("less.cfg")
    said = box.shell("less", "nproc; grep -m 1 ^flags /proc/cpuinfo").split()
    less, ours = set(said), set(box.ask("grep -m 1 ^flags /proc/cpuinfo").split())
    assert said[0] == "2"
    assert {"sse4_2", "aes"} <= ours and not less & {"sse4_2", "aes"}
    assert {"sse4_1", "ssse3", "hypervisor"} <= less


def test_guests_are_made_and_destroyed_and_leave_nothing(box):
    box.done("xl create plain.cfg", 120)            # the first one makes tables of dom0 grow
    box.done("xl destroy plain")
    before = box.free_pages()
    for _ in range(CYCLES):
        box.done("xl create plain.cfg", 120)
        box.done("xl destroy plain")
        assert box.listed("plain") is None
    assert box.until(lambda: box.free_pages() >= before)
