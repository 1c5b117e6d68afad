#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes a tool's manual page of its --help, so that the two cannot differ:

    manual.py TOOL > TOOL.1
"""
import os
import pathlib
import re
import subprocess
import sys

import host


def escaped(text):
    """A line as troff shows it letter by letter."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text.startswith((".", "'")) else text


def paragraphs(text):
    """troff of help's paragraphs; those that are indented stay as they are."""
    for block in re.split(r"\n\s*\n", text.strip("\n")):
        lines = [escaped(line) for line in block.split("\n")]
        yield ".PP"
        if block.startswith(" "):
            lines = [".nf", *lines, ".fi"]
        yield from lines


def page(name, said):
    """The manual page of a tool that says so of itself."""
    usage, rest = said.split("\n\n", 1)
    description, head, options = re.split(r"\n\n(positional arguments:|options:)\n", rest, 1)
    first = re.split(r"(?<=[a-z])[.,:](?:\s|$)", description, 1)[0].replace("\n", " ")
    lines = [f'.TH {name.upper()} 1 "" "{host.version()}" "Domus"', ".SH NAME",
             f"{name} \\- {escaped(first[0].lower() + first[1:])}",
             ".SH SYNOPSIS", ".nf", *map(escaped, usage.removeprefix("usage: ").split("\n")), ".fi",
             ".SH DESCRIPTION", *paragraphs(description), ".SH OPTIONS"]
    options = options.strip("\n")
    for block in re.split(r"\n\n", f"{head}\n{options}"):
        lines += [".PP", ".nf", *map(escaped, block.split("\n")), ".fi"]
    return "\n".join(lines) + "\n"


def main():
    tool = host.file(host.words(__doc__, 1)[0])
    said = subprocess.run([sys.executable, tool, "--help"], check=True, capture_output=True,
                          text=True, env={**os.environ, "COLUMNS": "80"}).stdout
    sys.stdout.write(page(tool.name, said))


if __name__ == "__main__":
    host.run(main)
