# SPDX-License-Identifier: MIT
"""Debian's Linux is saved on one hypervisor and restored on the other, carried as a file on a disk,
with a program that works on its disk and its memory meanwhile: by our dom0, by Xen's xl in a Linux
dom0 on Domus, and by the same xl on real Xen 4.17; all have the same processor. Right after each
its files are what was written, its clock is right, and it has a TCP connection to the dom0 that it
has come to. A guest made with the SDK does it in test_rig.py.

DOMUS_CYCLES=n: it goes round (`make lives`), three times, which is six times from Domus to Xen and
six times from Xen to Domus; else there is no time for it.
"""
import os
import re

import pytest

import disk
import dom0
import linux_box
import machine
import rig_box
from linux_box import QUICK, config
from test_save_linux import WORK, clock_is_right, number

pytestmark = pytest.mark.skipif("DOMUS_CYCLES" not in os.environ,
                                reason="minutes: it boots thirteen machines (make lives)")
ROUNDS = 3
GATEWAY = "10.0.2.2"
SAME = machine.Hypervisor("domus", machine.DOMUS.path, ["dom0_mem=512M"], rig_box.CPU)
OURS = machine.Hypervisor("domus", machine.DOMUS.path, [], rig_box.CPU)


def configs(place, **files):
    """A guest whose disk is a partition that dom0 calls so."""
    return {"one.cfg": config("one", f"{QUICK} ip4=10.0.2.30/24 gw4={GATEWAY}", memory=128,
                              disk=[f"phy:{place}data,xvda,w"],
                              vif=["mac=00:16:3e:00:00:30,bridge=br0"], **files)}


@pytest.fixture(scope="module")
def image():
    linux_box.available()
    rig_box.available()
    path = machine.BUILD / "disks/across.img"
    path.parent.mkdir(parents=True, exist_ok=True)
    disk.make_disk(path, [("saved", 160, None), ("data", 16, None)])
    return path


class Ours(linux_box.LinuxBox):
    """Our dom0; it listens always."""
    ADDRESS = dom0.ADDRESS

    def __init__(self, image):
        super().__init__("across-ours", configs(""), disk=image, on_xen=False, domus=OURS, smp=1,
                         memory=1024)

    def come(self):
        self.ask("xl restore one.cfg saved", timeout=200)

    def listen(self):
        pass

    def go(self):
        self.ask("xl save -f one saved", timeout=200)
        self.audit()


class Theirs(rig_box.Rig):
    """Xen's xl in a Linux dom0, on Domus or on real Xen."""
    ADDRESS = "10.0.2.15"

    def __init__(self, image, domus=None):
        super().__init__(f"across-{'domus' if domus else 'xen'}", configs("/dev/disk/"), disk=image,
                         domus=domus, snapshot=False)

    def come(self):
        self.done("xl restore one.cfg /dev/disk/saved", 240)

    def listen(self):
        self.ask("(busybox nc -l -p 9 > /dev/null 2>&1 &); sleep 1")

    def go(self):
        self.done("xl save one /dev/disk/saved", 240)
        assert not re.search(r"^one ", self.ask("sync; xl list"), re.M)


def it_is_well(box, before):
    clock_is_right(box)
    assert "remembered" in box.shell("one", "cat /tmp/word")
    assert "no-file" in box.shell("one", "ls /tmp/broken || echo no-file")
    box.listen()
    assert "SENT 1048576 " in box.shell("one", f"work send {box.ADDRESS} 9 1")
    assert " 0% packet loss" in box.shell("one", f"ping -c 3 {GATEWAY}")
    box.until(lambda: number(box, "cat /tmp/rounds") > before, 60)
    assert not linux_box.complaints(linux_box.messages(box, "one"))


def test_linux_goes_round(image):
    """From our dom0 to real Xen, from there to xl on Domus, to real Xen again, and home."""
    with Ours(image) as box:
        box.boot("one.cfg", timeout=240)
        box.shell("one", "echo remembered > /tmp/word; echo 0 > /tmp/rounds")
        box.shell("one", WORK)
        before = 0
        box.go()
    for _ in range(ROUNDS):
        for place in (lambda: Theirs(image), lambda: Theirs(image, SAME), lambda: Theirs(image),
                      lambda: Ours(image)):
            with place() as box:
                box.come()
                it_is_well(box, before)
                before = number(box, "cat /tmp/rounds")
                box.go()
