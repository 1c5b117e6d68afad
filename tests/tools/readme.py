#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Puts measured tables into the README, between its two markers, so that no figure there is typed by hand.

    readme.py README.md TABLES.md...     (`make figures`; tables that could not be measured here are left out)
"""
import pathlib
import sys

BEGIN, END = "<!-- figures: begin (make figures) -->\n", "<!-- figures: end -->\n"

readme = pathlib.Path(sys.argv[1])
text = readme.read_text()
head, rest = text.split(BEGIN)
tail = rest.split(END)[1]
tables = [pathlib.Path(name) for name in sys.argv[2:]]
readme.write_text(head + BEGIN + "".join("\n" + table.read_text() for table in tables if table.exists()) + "\n" + END + tail)
