# SPDX-License-Identifier: MIT
"""Debian's Linux is saved by Domus and restored."""
import pathlib

import pytest

import disk
import linux_box
import machine

FOLDER = machine.BUILD / "linux-save"
CONFIGS = {"one.cfg": linux_box.config("one", linux_box.QUICK, memory=128,
                                       disk=["phy:data,xvda,w"], vif=["bridge=br0"])}


def real_disk(name):
    FOLDER.mkdir(parents=True, exist_ok=True)
    image = FOLDER / f"{name}.img"
    disk.make_disk(image, [("saved", 200, None), ("data", 16, None)])
    return image


@pytest.fixture(scope="module")
def box():
    linux_box.available()
    with linux_box.LinuxBox("save-linux", CONFIGS, disk=real_disk("save-linux"), smp=1,
                            memory=1024) as system:
        yield system


def test_linux_goes_on(box):
    box.boot("one.cfg", timeout=240)
    box.shell("one", "echo remembered > /tmp/word; (while :; do date +%s.%N >> /tmp/ticks; sleep 1; done) &")
    print(box.ask("xl save one saved", timeout=200))
    print(box.ask("xl restore saved", timeout=200))
    print(box.shell("one", "cat /tmp/word; tail -3 /tmp/ticks; dmesg | tail -20; ls -l /dev/xvda; cat /proc/uptime", timeout=60))
    print(box.shell("one", "dd if=/dev/zero of=/dev/xvda bs=64k count=16 conv=fsync; ip addr", timeout=60))
    print(box.audit())
