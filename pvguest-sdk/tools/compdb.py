#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes compile_commands.json, for editors, of what `make -n` says (`make compdb`):

    compdb.py FOLDER BUILD < COMMANDS

FOLDER is where nothing is built, so that make says all of it; BUILD, where it would be. A file that
is compiled more than once is in it the first time.
"""
import json
import os
import shlex
import sys

import host


def main():
    nothing, build = host.words(__doc__, 2)
    commands = {}
    for line in sys.stdin.read().replace("\\\n", " ").splitlines():
        if " -c " not in line or not line.rstrip().endswith((".c", ".S")):
            continue
        words = [word.replace(nothing, build) for word in shlex.split(line)]
        commands.setdefault(words[-1], words)
    json.dump([{"directory": os.getcwd(), "file": name, "arguments": words,
                "output": words[words.index("-o") + 1]} for name, words in commands.items()],
              sys.stdout, indent=1)


if __name__ == "__main__":
    host.run(main)
