# SPDX-License-Identifier: MIT
"""The porting guide shows what consoles say of the usual mistakes: they are made again, three on
Domus, and all on Domus and on real Xen in `make soak`; and it is the same that is said. (When a
sentence has changed: tests/mistakes/console.py.)"""
import os
import pathlib
import re
import sys

import pytest

import machine

MISTAKES = pathlib.Path(__file__).resolve().parents[1] / "mistakes"
sys.path.insert(0, str(MISTAKES))
import console  # noqa: E402

ALL = "DOMUS_MISTAKES" in os.environ
SOME = ("writable-table", "empty-root", "no-user-tables")
SHOWN = dict(console.PLACE.findall(console.GUIDE.read_text()))


def test_all_mistakes_are_in_the_guide():
    source = (MISTAKES / "main.c").read_text()
    assert set(SHOWN) == set(re.findall(r'^    \{ "([\w-]+)", \w+ \},$', source, re.M)) | \
        {"no-notes"}


@pytest.mark.parametrize("where", ["domus", "xen"] if ALL else ["domus"])
@pytest.mark.parametrize("name", SHOWN if ALL else SOME)
def test_the_console_says_what_the_guide_shows(name, where):
    if where == "xen" and not machine.xen_available():
        pytest.skip("Debian's Xen could not be fetched: nothing to compare with")
    shown = SHOWN[name].strip("\n").split("\n\n")[0 if where == "domus" else 1].split("\n")
    assert console.same(console.make(name, where, machine.BUILD)) == console.same(shown)
