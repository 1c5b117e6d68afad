# SPDX-License-Identifier: MIT
"""The same dom0, drivers, guests and disk on Debian's real Xen 4.17: nothing in them is made for
Domus only."""
import pytest

import dom0
import linux_box
import machine

pytestmark = pytest.mark.skipif(not machine.xen_available(),
                                reason="Debian's Xen could not be fetched: nothing to compare with")


def test_our_dom0_and_guests_on_real_xen():
    with dom0.Dom0("dom0-on-xen", disk=machine.fresh_disk("dom0-on-xen"), on_xen=True) as system:
        number = system.create("hello.cfg")
        system.ended("hello")
        assert f"Hello from domain {number}!" in system.said()
        for name in ("insula1", "insula2"):
            system.create(f"{name}.cfg")
            assert system.shell(name, f"echo {name} > /where; sync; cat /where") == name
        for target in ("10.0.2.32", "10.0.2.2"):
            assert "5 sent, 5 answered" in system.shell("insula1", f"ping {target} 5 fast")
        system.ask("xl pause insula2")
        assert "p" in system.domains()["insula2"][1]
        system.ask("xl unpause insula2")
        assert "it is in use by a guest" in system.refused("xl create bad-busy.cfg")
        free = system.free_pages()[0]
        system.ask("xl destroy insula2")
        assert system.free_pages()[0] > free
        system.create("insula2.cfg")
        assert system.shell("insula2", "cat /where") == "insula2"
        system.power_off()


def test_our_dom0_and_linux_on_real_xen():
    """(DOMUS_ON=xen runs all of test_linux.py so.)"""
    configs = {"linux.cfg": linux_box.config("linux", "ip4=10.0.2.30/24 gw4=10.0.2.2",
                                             disk=["phy:scratch,xvda,w"], vif=["bridge=br0"])}
    with linux_box.LinuxBox("linux-on-xen", configs,
                            disk=machine.fresh_disk("linux-on-xen"), on_xen=True) as system:
        system.boot("linux.cfg")
        linux_box.well(system, "linux")
        assert "3 packets received" in system.shell("linux", "ping -c 3 -i 0.2 10.0.2.2")
        assert "CHECK PASSED" in system.shell("linux", "work check 2", timeout=90)
        system.ask("xl shutdown linux")
        system.ended("linux", 90)
        system.power_off()
