# SPDX-License-Identifier: MIT
"""The same kernel and initramfs on Domus and on real Xen with Linux as dom0 and Xen's own xl: what
the guest is told about its machine is the same, line by line, but for the differences explained in
differences.py. Both have the same QEMU machine and processor.

What it compares, for one vCPU and for two: the kernel's messages, /proc/cpuinfo, interrupts, memory
and port maps, the guest's own part of XenStore with the permissions and its back ends',
/sys/hypervisor, Xen devices and drivers, vulnerabilities, clock sources, the disk's queue and the
card's features (tests/linux/survey).
"""
import base64
import gzip
import re

import pytest

import differences
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


def surveys(box):
    """{name: what that guest says about its machine}; each is alone on it."""
    found = {}
    for name in VCPUS:
        box.boot(f"{name}.cfg")
        text = gzip.decompress(base64.b64decode(box.shell(name, "survey"))).decode(errors="replace")
        (machine.BUILD / "logs" / f"{box.name}-{name}.survey").write_text(text)
        found[name] = text
        assert "3 packets received" in box.shell(name, "ping -c 3 -i 0.2 10.0.2.2")
        box.ask(f"xl destroy {name}")
    return found


@pytest.fixture(scope="module")
def both():
    """(surveys on Domus, surveys on real Xen)"""
    rig_box.available()
    disk = machine.fresh_disk("rig")
    same = machine.Hypervisor("domus", machine.DOMUS.path, machine.DOMUS.args, rig_box.CPU)
    with linux_box.LinuxBox("rig-domus", configs("scratch"),
                            disk=disk, snapshot=True, on_xen=False, domus=same) as box:
        domus = surveys(box)
    with rig_box.Rig("rig-xen", configs("/dev/disk/scratch"), disk=disk) as box:
        return domus, surveys(box)


@pytest.mark.parametrize("name", VCPUS)
def test_a_linux_guest_sees_what_it_sees_on_real_xen(both, name):
    domus, xen = (surveys_of[name] for surveys_of in both)
    for text in domus, xen:                                             # the survey is a whole one
        assert {line.split("|")[0] for line in text.splitlines()} >= \
            {"dmesg", "cpuinfo", "interrupts", "ports", "store", "devices", "hypervisor",
             "system", "disk", "card"}
        assert len(re.findall(r"^cpuinfo\|processor", text, re.M)) == VCPUS[name]
    assert differences.unexplained(domus, xen) == []


@pytest.mark.parametrize("name", VCPUS)
def test_the_complaints_we_accept_are_those_of_real_xen(both, name):
    """linux_box.ACCEPTED: what Linux complains of on Domus, it complains of on real Xen (but for
    what depends on timing)."""
    said = {who: {line for line in differences.normalised(text)
                  if re.match(r"dmesg\|<[0-4]>", line)} for who, text in
            zip(("domus", "xen"), (surveys_of[name] for surveys_of in both))}
    assert [line for line in said["domus"] - said["xen"]
            if not re.search("|".join(differences.TIMING), line)] == []
