# SPDX-License-Identifier: MIT
"""`make compare`: its figures are the same on two runs, each has its reason where there is none,
and its page is whole. In `make soak` (DOMUS_COMPARE_ALL) that is tried with all rows and modes."""
import csv
import os
import pathlib
import re
import sys
import xml.etree.ElementTree as xml

import archive
import machine
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests/bench"))
import compare  # noqa: E402
import curve  # noqa: E402
import devices  # noqa: E402
import papers  # noqa: E402

ALL = "DOMUS_COMPARE_ALL" in os.environ
# hypercalls batched or not need kernels of their own (make port STEP=7); the slow modes take longer
MODES = list(compare.MODES) if ALL else ["native", "trap", "translate", "svm"]
NANO = [row for row in compare.ROWS if row.startswith(compare.MINIMAL)]
ROWS = [[row] for row in compare.ROWS
        if row not in devices.ROWS and row not in NANO] if ALL else [["null_call"]]


@pytest.mark.parametrize("rows", ROWS + [NANO], ids=lambda rows: rows[0])
@pytest.mark.parametrize("mode", MODES)
def test_the_same_on_two_runs(mode, rows):
    if compare.absent(mode, rows[0]):
        pytest.skip(compare.absent(mode, rows[0]))
    first, second = (compare.run(machine, archive, mode, rows, 3) for _ in range(2))
    assert first == second
    ticks, counters = first
    assert list(ticks) == rows and all(ticks.values())
    if rows == NANO:
        return
    if mode in ("trap", "translate", "emulate"):
        assert set(counters) == set(compare.COUNTERS)
        assert counters["system calls"] >= 3 and counters["interpreted"] > 0
    if mode == "svm":
        assert set(counters) == set(compare.COUNTERS)
        assert counters["privileged"] > 0 and counters["system calls"] == 0


def test_rows_are_those_that_are_measured():
    """Names, and how many of what a row is named after one round does."""
    text = (ROOT / "patches/insula/user/bench.c").read_text()
    number = dict(re.findall(r"\b([A-Z]+) = (\d+)\b", text))
    rows = {name: int(number.get(per, per)) for name, per in
            re.findall(r"\{ \"(\w+)\", \w+, \w+, \w+, (\w+), \d+, \d+ \}", text)}
    text = (ROOT / "tests/monitor/nano.c").read_text()
    rows |= dict.fromkeys(re.findall(r"\{ \"(\w+)\", \w+ \}", text), 1)
    assert rows == {row: compare.per(row) for row in compare.ROWS}


def test_the_readme_has_all_of_them():
    """Rows and modes of the table there are those of today, and each cell has a figure or a reason.
    """
    text = (ROOT / "README.md").read_text()
    table = text.split("### One kernel, all modes")[1].split("\n\n")[1].splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    assert cells[0][1:] == [title for title, _, _ in compare.MODES.values()]
    assert [line[0] for line in cells[2:]] == [title for title, _, _ in compare.ROWS.values()]
    assert all(re.fullmatch(r"[\d,]+|\([a-z]\)", cell) for line in cells[2:] for cell in line[1:])


@pytest.mark.parametrize("mode", MODES if ALL else ["native"])
def test_disk_and_network(mode):
    """By wall time, so each has some; where the front ends are missing that is said."""
    ticks = compare.clock(machine.BUILD, mode, list(devices.ROWS) + NANO[:1])
    missing = compare.absent(mode, devices.ROWS[0])
    assert all(ticks[row] == missing if missing else ticks[row] > 1000 for row in devices.ROWS)
    assert ticks[NANO[0]] == (compare.absent(mode, NANO[0]) or compare.TOO_SHORT)
    assert set(compare.count(machine.BUILD, mode, "disk_read").values()) == {
        missing or devices.NO_TWO_ALIKE}
    assert compare.absent("pv-one", "disk_read") == devices.NO_FRONT_ENDS


def made_up():
    """Figures of all modes, of which each is another."""
    figures = {}
    for i, row in enumerate(compare.ROWS):
        for j, mode in enumerate(compare.MODES):
            kind = compare.MODES[mode][1]
            reason = compare.absent(mode, row)
            figures[row, mode] = {"instructions": reason or 10 ** (i % 6) * (j + 7),
                                  "wall ticks": reason or 1000 * (j + 1)} | {
                name: i + j + k / 4 if kind == compare.MONITOR else compare.NO_MONITOR[kind]
                for k, name in enumerate(compare.COUNTERS)}
    return figures


def test_what_is_written(tmp_path):
    figures = made_up()
    compare.write(tmp_path, figures)
    text = (tmp_path / "compare.txt").read_text()
    tables = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    # instructions, wall time, and five modes' exits; beside what two papers have
    assert len(tables) == 7 * (2 + len(compare.ROWS)) + \
        2 + len(papers.BARHAM) + 2 + len(papers.ADAMS_AGESEN)
    assert "| 2.0 | 3.0 |" in re.sub(" +", " ", text)
    assert all(cell.strip() for line in tables for cell in line)
    with (tmp_path / "compare.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == len(figures) * (2 + len(compare.COUNTERS))
    assert all(bool(line["value"]) != bool(line["why there is none"]) for line in lines)


def test_the_page(tmp_path):
    """One file, well-formed, with nothing to fetch; a mark for each figure, further to the right
    the larger it is."""
    figures = made_up()
    compare.write(tmp_path, figures)
    text = (tmp_path / "compare.html").read_text()
    assert not re.search(r"(src|href)=|@import|url\(", text)
    page = xml.fromstring(text.removeprefix("<!DOCTYPE html>\n"))
    picture = xml.parse(tmp_path / "compare.svg").getroot()
    marks = picture.findall("{*}g")
    assert len(marks) == len(page.findall(".//{*}svg/{*}g"))
    assert len(marks) == sum(not isinstance(cells["instructions"], str) for (row, _), cells
                             in figures.items() if row not in devices.ROWS)
    places = sorted((int(mark.find("{*}title").text.rsplit(" ", 1)[1].replace(",", "")),
                     float(re.search(r"translate\(([\d.]+)", mark[1].get("transform")).group(1)))
                    for mark in marks)
    assert all(a[1] <= b[1] for a, b in zip(places, places[1:])) and places[0][1] < places[-1][1]


def test_the_curve(tmp_path):
    """A mark for each figure, lower the smaller it is; a reason for each that there is not."""
    names = ["privileged", "silent", *curve.SERVICES]
    figures = {patch: {name: curve.NOT_RUN if 0 < patch < 7 and name in curve.SERVICES
                       else 10 ** (number % 4) * (len(curve.PATCHES) - patch)
                       for number, name in enumerate(names)}
               for patch in curve.PATCHES}
    curve.write(tmp_path, figures)
    with (tmp_path / "curve.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == len(curve.PATCHES) * len(names)
    assert all(bool(line["value"]) != bool(line["why there is none"]) for line in lines)
    text = (tmp_path / "curve.html").read_text()
    assert not re.search(r"(src|href)=|@import|url\(", text)
    page = xml.fromstring(text.removeprefix("<!DOCTYPE html>\n"))
    for drawing, kinds in zip(page.findall(".//{*}svg"), (names[:2], names[2:])):
        marks = drawing.findall("{*}g")
        assert len(marks) == sum(not isinstance(row[name], str)
                                 for row in figures.values() for name in kinds)
        places = sorted((int(mark.find("{*}title").text.replace(",", "")),
                         -float(re.search(r" ([\d.]+)\)", mark[1].get("transform")).group(1)))
                        for mark in marks)
        assert all(a[1] <= b[1] for a, b in zip(places, places[1:])) and len(set(places)) > 5
