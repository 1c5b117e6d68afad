# SPDX-License-Identifier: MIT
"""Packets: between guests through dom0's bridge, with dom0 itself, and with this host through the
real card."""
import re

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


def test_top_shows_what_goes_over_cards_and_disks(system):
    """As much comes back as is sent; and a disk is read, or written, by whom it belongs to."""
    two_guests(system)
    system.shell("insula1", f"ping {INSULA2} 9000000 fast > /pings &")
    system.shell("insula2", "crashwrite > /written &")
    table = system.ask("xl top -b -i 2 -d 3")
    rows = {name: [int(rate) for rate in rates.split()] for name, rates in re.findall(
        r"^ *(\S+) [a-z-]{6} +[\d.]+ +[\d.]+ +\d+ +[\d.]+ +\d+((?: +\d+){4})$", table, re.M)}
    assert rows["Domain-0"] == [0, 0, 0, 0], table
    (sent, got, _, _), (answered, asked, _, written) = rows["insula1"], rows["insula2"]
    assert sent > 0 and written > 0, table
    assert 0.5 * sent < got < 2 * sent and 0.5 * answered < asked < 2 * answered, table
