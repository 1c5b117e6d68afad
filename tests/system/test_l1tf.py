# SPDX-License-Identifier: MIT
"""A CPU with L1TF: an Intel one that does not say it is mended. A guest's not-present entries may
name no RAM there; Linux's do not."""
import pytest

import dom0
import linux_box
import machine
from linux_box import config, well

pytestmark = pytest.mark.skipif(dom0.ON_XEN,
                                reason="real Xen gives such a guest shadow page tables")
AFFECTED = machine.Hypervisor("domus", machine.DOMUS.path, [], "max,vendor=GenuineIntel")


def attack(system, words):
    system.send(f'xl create attack-l1tf.cfg extra="test {words}"')
    said = system.see(r"\(attack\) RESULT (\w+)[^\n]*\n", timeout=120)
    assert said.group(1) == "SUCCESS", said.group(0)
    system.ended("attack")
    system.audit()


def test_no_entry_names_ram():
    with dom0.Dom0("l1tf", domus=AFFECTED) as system:
        assert "this CPU has L1TF" in system.said()
        attack(system, "affected")
        assert system.power_off() == 0


def test_another_cpu_is_not_held_to_it():
    with dom0.Dom0("no-l1tf") as system:
        assert "this CPU has L1TF" not in system.said()
        attack(system, "")
        assert system.power_off() == 0


def test_linux_does_not_mind():
    """It boots, makes pages inaccessible and accessible again, and swaps."""
    with linux_box.LinuxBox("l1tf-linux",
                            {"linux.cfg": config("linux", disk=["phy:scratch,xvda,w"])},
                            domus=AFFECTED,
                            disk=machine.fresh_disk("l1tf-linux")) as system:
        system.boot("linux.cfg")
        assert "/dev/xvda" in system.shell("linux",
                                           "mkswap /dev/xvda; swapon /dev/xvda; cat /proc/swaps")
        assert "CHECK PASSED" in system.shell("linux", "work check 5", timeout=120)
        assert int(system.shell("linux", "sed -n 's/^pswpout //p' /proc/vmstat")) > 100
        well(system, "linux")
        system.audit()
        assert system.power_off() == 0
