# SPDX-License-Identifier: MIT
"""Packets: between guests through dom0's bridge, with dom0 itself, and with this host through the
real card."""
from dom0 import ADDRESS, udp_echo

INSULA2 = "10.0.2.32"


def two_guests(system):
    system.create("insula1.cfg")
    system.create("insula2.cfg")
    system.shell("insula2", "udpecho 7 > /log &")


def test_guests_reach_each_other_dom0_and_the_host(system):
    two_guests(system)
    for target in (INSULA2, ADDRESS, "10.0.2.2"):
        assert "40 sent, 40 answered" in system.shell("insula1", f"ping {target} 40 fast")
    assert "good-morning" in system.shell("insula1", f"udpsend {INSULA2} 7 good-morning")


def test_the_host_reaches_a_guest(system):
    system.create("insula1.cfg")
    system.shell("insula1", "udpecho 7 > /log &")
    for size in (1, 40, 63, 64, 500, 1024, 1400):
        text = f"{size}:".ljust(size, "x")
        assert udp_echo(system.port, text) == text


def test_a_neighbour_that_dies_is_not_missed(system):
    two_guests(system)
    assert "2 answered" in system.shell("insula1", f"ping {INSULA2} 2 fast")
    system.ask("destroy insula2")
    said = system.shell("insula1", f"ping {INSULA2} 2 fast")
    assert "2 sent, 0 answered" in said
    assert "2 answered" in system.shell("insula1", "ping 10.0.2.2 2 fast")
    system.create("insula2.cfg")
    assert "answered" in system.shell("insula2", "ping 10.0.2.31 2 fast")
    assert "2 sent, 2 answered" in system.shell("insula1", f"ping {INSULA2} 2 fast")
