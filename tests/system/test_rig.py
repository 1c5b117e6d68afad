# SPDX-License-Identifier: MIT
"""The same kernel and initramfs on Domus and on real Xen with Linux as dom0 and Xen's own xl: what
the guest is told about its machine is the same, line by line, but for the differences explained in
differences.py. Both have the same QEMU machine and processor.

What it compares, for one vCPU and for two: the kernel's messages, /proc/cpuinfo, interrupts, memory
and port maps, the guest's own part of XenStore with the permissions and its back ends',
/sys/hypervisor, Xen devices and drivers, vulnerabilities, clock sources, the disk's queue and the
card's features (tests/linux/survey). DOMUS_CYCLES=n (`make soak`): the same with that dom0 and that
xl on Domus, too, where only the hypervisor is another.

And a guest of five vCPUs made with the SDK lives on both, one after the other, carried as a file on
a disk: saved by our dom0, restored and saved by Xen's xl on real Xen, restored by our dom0. Linux
does that, and on Domus with Xen's xl, in test_saved_across.py.
"""
import base64
import gzip
import os
import pathlib
import re

import pytest

import differences
import disk
import dom0
import linux_box
import machine
import rig_box
from linux_box import config

# one survey of each machine serves all
pytestmark = pytest.mark.xdist_group("rig")
ADDRESS = "earlyprintk=xen ip4=10.0.2.30/24 gw4=10.0.2.2"
VCPUS = {"one": 1, "two": 2}


def configs(disk):
    return {f"{name}.cfg": config(name, ADDRESS, vcpus=count, disk=[f"phy:{disk},xvda,w"],
                                  vif=["bridge=br0,mac=00:16:3e:11:22:33"])
            for name, count in VCPUS.items()}


def whole(text, vcpus):
    """A survey that has all its sections."""
    assert {line.split("|")[0] for line in text.splitlines()} >= \
        {"dmesg", "cpuinfo", "interrupts", "ports", "store", "devices", "hypervisor", "system",
         "disk", "card"}
    assert len(re.findall(r"^cpuinfo\|processor", text, re.M)) == vcpus
    return text


def surveys(box):
    """{name: what that guest says about its machine}; each is alone on it."""
    found = {}
    for name in VCPUS:
        box.boot(f"{name}.cfg")
        text = gzip.decompress(base64.b64decode(box.shell(name, "survey"))).decode(errors="replace")
        (machine.BUILD / "logs" / f"{box.name}-{name}.survey").write_text(text)
        found[name] = whole(text, VCPUS[name])
        assert "3 packets received" in box.shell(name, "ping -c 3 -i 0.2 10.0.2.2")
        box.ask(f"xl destroy {name}")
    return found


SAVED = pathlib.Path(__file__).parent / "configs/smp-saved.cfg"
SAME = machine.Hypervisor("domus", machine.DOMUS.path, machine.DOMUS.args, rig_box.CPU)
COUNTED = r"smp-saved: round (\d+) of life %d[\r\n]"


@pytest.fixture(scope="module")
def on_domus():
    """(surveys on Domus, the machine's disk: on it is a saved guest, what that had counted to)"""
    rig_box.available()
    image = machine.BUILD / "disks/rig.img"
    image.parent.mkdir(parents=True, exist_ok=True)
    disk.make_disk(image, [("scratch", 16, None), ("goes", 12, None), ("comes", 12, None)])
    # One CPU: Xen tells a guest of the machine's cores as if they were its own.
    with linux_box.LinuxBox("rig-domus", configs("scratch"), disk=image, on_xen=False, domus=SAME,
                            smp=1, usual=[machine.BUILD / "guests/test-smp-saved.elf",
                                          SAVED]) as box:
        found = surveys(box)
        box.create("smp-saved.cfg")
        count = 0
        while count < 3:                # and has said meanwhile that it can be suspended
            count = int(box.see(rf"\(smp-saved\) {COUNTED % 0}").group(1))
        box.ask("xl save smp-saved goes")
        return found, image, count


@pytest.fixture(scope="module")
def on_xen(on_domus):
    """(surveys on real Xen, the machine)"""
    with rig_box.Rig("rig-xen", configs("/dev/disk/scratch"), disk=on_domus[1],
                     smp=1, snapshot=False) as box:
        yield surveys(box), box


@pytest.fixture(scope="module")
def by_xl():
    """Surveys on Domus, of guests that Xen's xl made."""
    rig_box.available(SAME)
    image = machine.BUILD / "disks/rig-xl.img"
    image.parent.mkdir(parents=True, exist_ok=True)
    disk.make_disk(image, [("scratch", 16, None)])
    domus = machine.Hypervisor("domus", SAME.path, ["dom0_mem=1024M"], SAME.cpu)
    with rig_box.Rig("rig-xl", configs("/dev/disk/scratch"), disk=image, domus=domus,
                     smp=1) as box:
        return surveys(box)


@pytest.fixture(scope="module")
def both(on_domus, on_xen):
    return on_domus[0], on_xen[0]


@pytest.mark.parametrize("name", VCPUS)
def test_a_linux_guest_sees_what_it_sees_on_real_xen(both, name):
    domus, xen = (surveys_of[name] for surveys_of in both)
    assert differences.unexplained(domus, xen) == []


@pytest.mark.skipif("DOMUS_CYCLES" not in os.environ, reason="a machine more to boot (soak)")
@pytest.mark.parametrize("name", VCPUS)
def test_a_guest_of_xls_sees_what_it_sees_on_real_xen(by_xl, on_xen, name):
    assert differences.unexplained(by_xl[name], on_xen[0][name], same_dom0=True) == []


@pytest.mark.parametrize("name", VCPUS)
def test_the_complaints_we_accept_are_those_of_real_xen(both, name):
    """linux_box.ACCEPTED: what Linux complains of on Domus, it complains of on real Xen (but for
    what depends on timing)."""
    said = {who: {line for line in differences.normalised(text)
                  if re.match(r"dmesg\|<[0-4]>", line)} for who, text in
            zip(("domus", "xen"), (surveys_of[name] for surveys_of in both))}
    assert [line for line in said["domus"] - said["xen"]
            if not re.search("|".join(differences.TIMING), line)] == []


def test_a_guest_goes_from_one_to_the_other_and_comes_back(on_domus, on_xen):
    """The last test: it ends the machine, for the next one has its disk."""
    (_, image, before), (_, xen) = on_domus, on_xen
    assert "status 0" in xen.ask("xl restore /dev/disk/goes; echo status $?")
    xen.send("xl console smp-saved")
    assert before < int(xen.expect(COUNTED % 1).group(1)) < before + 20
    count = int(xen.expect(COUNTED % 1).group(1))
    xen.leave()
    assert "status 0" in xen.ask("xl save smp-saved /dev/disk/comes; echo status $?")
    assert "saved" not in xen.ask("sync; xl list")
    xen.kill()
    with dom0.Dom0("rig-back", disk=image, on_xen=False, domus=SAME) as domus:
        domus.ask("xl restore smp-saved.cfg comes")
        assert count < int(domus.see(rf"\(smp-saved\) {COUNTED % 2}").group(1)) < count + 200
        domus.end_all()
        domus.audit()
