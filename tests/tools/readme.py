#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Puts measured tables into the README, between its two markers, so that no figure there is typed by hand.

    readme.py README.md TABLES.md        (`make figures`)
"""
import pathlib
import sys

BEGIN, END = "<!-- figures: begin (make figures) -->\n", "<!-- figures: end -->\n"

readme = pathlib.Path(sys.argv[1])
text = readme.read_text()
head, rest = text.split(BEGIN)
tail = rest.split(END)[1]
readme.write_text(head + BEGIN + "\n" + pathlib.Path(sys.argv[2]).read_text() + "\n" + END + tail)
