# SPDX-License-Identifier: MIT
"""The table of privileges (pvguest-sdk/include/abi/privilege.tbl) against what happens:
tests/guests/privilege as dom0 and as a domU.

The guest prints a line a row, `row HYPERCALL OPERATION self=0 dom0=-1 ...`, and checks it by what
the build made of the table. Here the table itself is read, and every row must have been tried on
every target that it calls for. A domU must have changed nothing by it: the neighbour and dom0 work,
all domains are as before, no page is missing, nothing of it came over the machine's console.
"""
import errno
import os
import pathlib
import re
import sys

import pytest

import dom0
import machine
from test_attackers import nothing_is_lost, works
from test_guests import run_guest

SDK = pathlib.Path(__file__).parents[2] / "pvguest-sdk"
sys.path.insert(0, str(SDK / "tools"))
import hypercalls  # noqa: E402

pytestmark = pytest.mark.skipif(dom0.ON_XEN, reason="the table is that of Domus")
STATUS = {"GNTST_general_error": -1, "GNTST_permission_denied": -8}     # xen/grant_table.h
RESULTS = {"ok": 0, "number": 1, "ends": -4096}     # tests/guests/privilege: main.c, privilege.h


def table():
    calls = hypercalls.read_hypercalls(SDK / "include/abi/hypercall.tbl")
    return hypercalls.read_operations(SDK / "include/abi/privilege.tbl", calls)


def number(word):
    if word in STATUS:
        return STATUS[word]
    return RESULTS[word] if word in RESULTS else -getattr(errno, word)


def wanted_of_dom0(row):
    wanted = {"self": number(row.result)} if row.who != "control" else {}
    if row.who in ("others", "control"):
        wanted["victim"] = number(row.result)
    elif row.who == "own":
        wanted["victim"] = number(row.refused)
    return wanted


def wanted_of_domu(row):
    wanted = {"self": number(row.refused if row.who == "control" else row.result)}
    if row.who != "any":
        wanted["dom0"] = wanted["neighbour"] = number(row.refused)
    return wanted


def compare(said, wanted_of):
    """Every row of the table beside what the guest says of it."""
    lines = {}
    for hypercall, name, results in re.findall(r"row (\w+) (\w+)((?: \w+=-?\d+)+)", said):
        found = re.findall(r"(\w+)=(-?\d+)", results)
        lines[hypercall, name] = {target: int(value) for target, value in found}
    rows = table()
    wrong = []
    for row in rows:
        name = row.hypercall if row.name == "-" else row.name
        got = lines.pop((row.hypercall, name), {})
        if got != wanted_of(row):
            wrong.append(f"{row.where}: {name}: {got}, not {wanted_of(row)}")
    assert not wrong, "\n".join(wrong)
    assert not lines, f"not in the table: {lines}"
    assert len(rows) > 150


def test_as_dom0():
    domus = machine.DOMUS
    # A name of its own: test_guests runs the same guest, perhaps at the same time.
    named = machine.Hypervisor("table", domus.path, domus.args, domus.cpu)
    outcome, words = run_guest("privilege", named)
    assert outcome == "SUCCESS", words
    said = (machine.BUILD / "logs" / "table-privilege.log").read_text(errors="replace")
    compare(said, wanted_of_dom0)


def state(box):
    """What dom0 sees of all domains, but for the times that go on."""
    rows = re.findall(r"^(\S+) +(\d+) +(\d+) +(\d+) +\S+ +[\d.]+$", box.ask("xl list"), re.M)
    assert rows
    return set(rows)


def test_as_domu():
    name = "privilege-" + os.environ.get("PYTEST_XDIST_WORKER", "alone")
    with dom0.Dom0(name, disk=machine.fresh_disk(name)) as box:
        neighbour = box.create("insula1.cfg")
        with box.console("insula1"):
            box.see(r"\$ ", timeout=60)
        works(box, "first")
        box.create("crash-crash.cfg")           # the first of its kind fills caches that stay
        box.ended("attack")
        free, domains = box.free_pages()[0], state(box)
        before = len(box.said())
        box.send(f'xl create privilege.cfg extra="test neighbour={neighbour}"')
        # A call that goes through may end dom0 or the guest: then nobody says anything any more.
        result = box.see([r"\(privilege\) RESULT SUCCESS", r"\(privilege\) RESULT \w+[^\n]*\n",
                          r"\(privilege\) [\w./]+:\d+: [^\n]*", r"'privilege' has ended",
                          r"Domain 0 ended[^\n]*"], timeout=120)
        assert box.which == 0, result.group(0) + "\n" + box.tail(60)
        box.ended("privilege")
        works(box, "second")
        said = box.said()[before:]
        compare(said, wanted_of_domu)
        for words in "(written by console_io)", "(written to a port)", "(domus) heap:":
            assert words not in said
        assert state(box) == domains
        nothing_is_lost(box, free)
        assert box.power_off() == 0
