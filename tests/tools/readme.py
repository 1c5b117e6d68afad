#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Puts what was measured, or said by the demo, into the README, between two markers: nothing there
is typed by hand.

    readme.py README.md TABLES.md...     (`make figures`; tables that could not be measured here are
                                         left out)
    readme.py README.md --demo OUTPUT    the demo's own words, less what STEPS leaves out

tests/system/test_demo.py compares the README's words with those of a demo of today.
"""
import pathlib
import re
import sys

MARKS = {"figures": ("<!-- figures: begin (make figures) -->\n", "<!-- figures: end -->\n"),
         "demo": ("<!-- demo: begin -->\n", "<!-- demo: end -->\n")}
STEPS = (1, 2, 5, 6, 7, 8, 9, 10, 14)       # what the README has room for


def between(text, kind):
    """What stands before, between and behind a pair of markers."""
    begin, end = MARKS[kind]
    head, rest = text.split(begin)
    middle, tail = rest.split(end)
    return head + begin, middle, end + tail


def steps(said):
    """{number: lines} of the demo's output, or of the README's part of it."""
    found = {}
    for line in said.splitlines():
        if title := re.match(r"== (\d+)\. ", line):
            found[int(title.group(1))] = lines = []
        if line.startswith(("== ", "   ")) and found:
            lines.append(line.rstrip())
    return found


def alike(line):
    """A line without what is another in each run: figures, how wide a table is, whether a guest
    sleeps just now."""
    return re.sub(r"\s+", " ", re.sub(r"[0-9a-f]*\d[0-9a-f]*",
                                      "#", re.sub(r" [rbpscd-]{6} ", " ~ ", line))).strip()


def demo_block(said):
    shown = ["\n".join(lines) for number, lines in sorted(steps(said).items()) if number in STEPS]
    missing = sorted(set(steps(said)) - set(STEPS))
    return "\n```\n" + "\n\n".join(shown) + \
        f"\n\n(steps {', '.join(map(str, missing))} are left out here)\n```\n\n"


def main():
    if sys.argv[1:2] in ([], ["--help"]):
        sys.exit(__doc__)
    readme = pathlib.Path(sys.argv[1])
    kind = "demo" if sys.argv[2:3] == ["--demo"] else "figures"
    head, _, tail = between(readme.read_text(), kind)
    if kind == "demo":
        middle = demo_block(pathlib.Path(sys.argv[3]).read_text())
    else:
        tables = [pathlib.Path(name) for name in sys.argv[2:]]
        middle = "".join("\n" + table.read_text() for table in tables if table.exists()) + "\n"
    readme.write_text(head + middle + tail)


if __name__ == "__main__":
    main()
