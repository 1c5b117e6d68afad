# SPDX-License-Identifier: MIT
"""A guest that talks without end, and everybody else's words beside it."""
import re
import time

import pytest

import machine

FLOOD = r"flood (\d+), and so that"


def flood(system):
    """It has said more than it may at once."""
    system.create("attack-console.cfg")
    system.see(r"\(attack\) flood 1200,", timeout=60)


def until_far_ahead(system, lines):
    """Until so many lines more are in its log than were shown. On a machine that has next to none
    of its host's CPUs the line takes all that a guest says."""
    for _ in range(60):
        logged = re.findall(rf"^{FLOOD}", system.ask("sleep 1; console-log attack"), re.M)
        shown = re.findall(rf"\(attack\) {FLOOD}", system.said())
        if int(logged[-1]) > int(shown[-1]) + lines:
            return
    if int(logged[-1]) <= int(shown[-1]) + 1:
        pytest.skip("nothing to be dropped: this machine says less than the line takes")
    raise AssertionError(f"after {shown[-1]} lines, {logged[-1]} were said")


def test_the_prompt_and_a_neighbour_are_heard(system):
    flood(system)
    start = time.monotonic()
    for _ in range(5):
        assert "dom0_free_pages" in system.ask("info")
    system.create("insula1.cfg")                                # its boot messages appear
    system.see(r"\(insula1\) Insula: disk xen", timeout=60)
    assert "2 answered" in system.shell("insula1", "ping 10.0.2.2 2 fast")
    seconds = time.monotonic() - start
    shown = [int(number) for number in re.findall(rf"\(attack\) {FLOOD}", system.said())]
    assert shown == sorted(shown)
    # Half of a serial line for two guests, beside what it may say at once; a line is of some 100
    # bytes.
    assert len(shown) < (2 * 131072 + 5760 * (seconds + 60 * machine.PATIENCE)) / 90
    until_far_ahead(system, 100)                                # however slow this machine is
    system.ask("destroy attack")
    dropped = sum(map(int,
                      re.findall(r"console: (\d+) lines? of attack dropped", system.said())))
    assert dropped > 100
    log = system.ask("console-log attack")                      # there the last words are complete
    last = [int(number) for number in re.findall(rf"^{FLOOD}", log, re.M)]
    assert len(last) > 50 and last == list(range(last[0], last[0] + len(last)))
    assert last[-1] >= len(shown) + dropped - 1


def test_one_that_falls_silent_is_said_to_be_incomplete(system):
    flood(system)
    until_far_ahead(system, 100)                                # until it says what is not shown
    # not ask(): it may be said before the prompt is there
    system.send("pause attack")
    system.see(r"console: \d+ lines? of attack dropped", timeout=30)
    system.ask("unpause attack")
    system.see(rf"\(attack\) {FLOOD}", timeout=30)              # and speaks again


def test_who_is_attached_sees_every_line(system):
    flood(system)
    with system.console("attack"):
        last, gaps = int(system.see(rf"\n{FLOOD}", timeout=60).group(1)), 0
        for _ in range(1500):
            number = int(system.see(rf"\n{FLOOD}", timeout=60).group(1))
            assert number > last
            gaps += number != last + 1
            last = number
    # while he is shown what it said before, it says more than the line takes
    assert gaps <= 3
    system.ask("info")


def test_how_long_an_echo_takes(system):
    system.create("insula1.cfg")
    system.see(r"\(insula1\) Insula: disk xen", timeout=60)
    system.shell("insula1", "true")
    system.send("keys insula1 5")
    times = system.see(r"keys: insula1 has echoed 5, 0 lost; least (\d+), median (\d+), 99% (\d+), "
                       r"longest (\d+) us", timeout=60).groups()
    assert list(map(int, times)) == sorted(map(int, times)) and int(times[0]) > 0
    for words in ("nobody 5", "insula1 0", "insula1 101", "insula1 x"):
        system.refused(f"keys {words}")
    # in one line, and so in the middle of it
    said = system.run("keys insula1 100; keys insula1 5; destroy insula1; sleep 1")
    assert "keys are being typed already" in said
    assert re.search(r"keys: insula1 has echoed (\d\d?, \d+ lost|none)", said), said
