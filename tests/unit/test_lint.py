# SPDX-License-Identifier: MIT
"""make lint on the arrows between the rooms of hypervisor/: those that there are, and one of each
kind that there must not be; on what a README names; and on how wide what may be."""
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "tools"), str(ROOT / "pvguest-sdk" / "tools")]
import lint  # noqa: E402
import map as rooms_map  # noqa: E402


@pytest.fixture
def found(monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(lint, "problems", [])
    return rooms_map.includes()


def problems(found, picture=None):
    lint.check_rooms(found, rooms_map.picture(found) if picture is None else picture)
    return lint.problems


def test_what_there_is(found):
    assert len(found) > 200 and ("memory/heap.c", "machine/budget.h") in found
    assert ("entry/entry.asm", "machine/asm.inc") in found
    assert not problems(found, rooms_map.PICTURE.read_text())


@pytest.mark.parametrize("who, whom", [
    ("lib/list.h", "machine/cpu.h"), ("machine/acpi.c", "memory/paging.h"),
    ("memory/tlb.h", "domain/domain.h"),
    ("memory/frame.c", "calls/foreign.h"), ("domain/switch.c", "entry/trap.h"),
    ("entry/traps.c", "emulate/privileged.h"),
    ("domain/vcpu.c", "entry/guest_entry.h"),
    ("entry/guest_entry.h", "domain/events.h"), ("control/sysctl.c", "boot/boot.h"),
    ("elsewhere/a.c", "lib/list.h")])
def test_an_arrow_upwards(found, who, whom):
    assert any(line.startswith(f"hypervisor/{who}: includes {whom}")
               for line in problems(found + [(who, whom)]))


def test_an_excuse(found, monkeypatch):
    arrow = ("memory/tlb.c", "domain/domain.h")
    monkeypatch.setattr(rooms_map, "UPWARDS", {arrow: "a test's"})
    assert not problems(found + [arrow])
    assert problems(found) == ["tests/tools/map.py: memory/tlb.c includes domain/domain.h no more"]


def test_a_picture_of_something_else(found):
    missing = [arrow for arrow in found
               if not (arrow[0].startswith("boot/") and arrow[1].startswith("domain/"))]
    assert problems(found, rooms_map.picture(missing)) == [
        "hypervisor/rooms.svg: shows other arrows than there are: make map"]


def test_limits_are_said(found):
    text = pathlib.Path("CONTRIBUTING.md").read_text()
    lint.check_sizes(text)
    assert not lint.problems
    lint.check_sizes(text.replace("`memory/` ", "`memory/` 1").replace("a test 6", "a test 7"))
    assert [line.partition(" does not say ")[0] for line in lint.problems] == \
        ["CONTRIBUTING.md: rule 1"] * 2


@pytest.mark.parametrize("name, missing", [
    ("dom0/xc/build.c", ["dom0/README.md: does not name xc/build.c"]),
    ("dom0/xc/xs_one.c", []), ("dom0/README.md", []), ("dom0/xc/tree.h", []),
    ("dom0/own/build.c", []), ("drivers/build.c", [])])
def test_files_are_named(monkeypatch, name, missing):
    monkeypatch.setattr(lint, "problems", [])
    files = [pathlib.Path(path) for path in ("README.md", "dom0/own/README.md", name)]
    lint.check_named(pathlib.Path("dom0/README.md"), "`xc/tree.c` `xs_*.c`, in build.c", files)
    assert lint.problems == missing


def test_what_tests_can_be_told_is_said(monkeypatch):
    """Each variable that something asks for is in the README, and nothing else."""
    monkeypatch.chdir(ROOT)
    asked = re.compile(r'(?:environ|getenv)[^"\n]*"(DOMUS_[A-Z_]+)"'
                       r'|"(DOMUS_[A-Z_]+)" (?:not )?in os')
    used = {name for path in lint.tracked() if path.parts[0] in ("tests", "pvguest-sdk")
            and path.suffix in (".py", ".c", "") for match in
            asked.findall(path.read_text(errors="replace")) for name in match if name}
    assert used == set(re.findall(r"`(DOMUS_[A-Z_]+)=", (ROOT / "tests/README.md").read_text()))


def test_it_does_not_look_into_a_build(tmp_path, monkeypatch):
    """Whatever that is called."""
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    made = pathlib.Path("build-of-mine/made.c")
    (tmp_path / made).parent.mkdir()
    (tmp_path / made).touch()
    monkeypatch.chdir(tmp_path)
    for words, found in (["lint.py"], [made]), (["lint.py", "build-of-mine"], []):
        monkeypatch.setattr(sys, "argv", words)
        assert lint.tracked() == found


@pytest.mark.parametrize("name, text, wrong", [
    ("a.tbl", "x" * 101, True), ("a.txt", "x" * 101, True), ("a.txt", "x" * 100, False),
    ("run", "#!/bin/sh\n" + "x" * 101, True), ("run", "#!/bin/bash\n" + "\t" * 13, True),
    ("inittab", "x" * 101, True), ("data", "x" * 101, False), ("a.sh", "x" * 101, True),
    ("tests/unit/toolstack.txt", "dom0> " + "x" * 101, False),
    ("tests/unit/toolstack.txt", "; " + "x" * 101, True),
    ("tests/unit/xlcfg.txt", "# " + "x" * 101, True)])
def test_widths(monkeypatch, name, text, wrong):
    monkeypatch.setattr(lint, "problems", [])
    lint.check_style(pathlib.Path(name), text)
    assert bool(lint.problems) == wrong
