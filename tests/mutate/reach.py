# SPDX-License-Identifier: MIT
"""Which lines of the shipped code a test comes to: instructions that QEMU saw (reach.c), taken to lines by the debugging
information. Guests share addresses, so a whole system may be said to come to a line of dom0's that only its guest has an
instruction for: that costs time, it hides nothing.
"""
import array
import bisect
import functools
import pathlib
import re
import subprocess

import mutants

HEADING = re.compile(r"^(?:CU: )?(\S+):$")
ROW = re.compile(r"^\S+\s+(\d+|-)\s+0x([0-9a-f]+)\b")


@functools.lru_cache(maxsize=4)
def line_table(elf):
    """([address, ...] rising, [[(file, line), ...], ...] of the same length)."""
    text = subprocess.run(["objdump", "--dwarf=decodedline", str(elf)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                          check=True).stdout
    rows, file = {}, None
    for line in text.splitlines():
        row = ROW.match(line)
        if row:
            places = rows.setdefault(int(row.group(2), 16), set())
            if file and row.group(1) != "-":
                places.add((file, int(row.group(1))))
        elif heading := HEADING.match(line):
            file = heading.group(1).removeprefix("./")
            file = file if file.startswith(mutants.SHIPPED) else None
    addresses = sorted(rows)
    return addresses, [rows[address] for address in addresses]


def addresses_in(folder):
    found = set()
    for path in pathlib.Path(folder).iterdir():
        words = array.array("Q")
        words.frombytes(path.read_bytes()[:path.stat().st_size // 8 * 8])
        found.update(words)
    return found


def lines_reached(folder, elves):
    """{file: [line, ...]}, from what QEMU wrote into a folder."""
    executed, reached = addresses_in(folder), {}
    for elf in elves:
        addresses, rows = line_table(elf)
        for address in executed:
            at = bisect.bisect_right(addresses, address) - 1
            if at >= 0:
                for file, line in rows[at]:
                    reached.setdefault(file, set()).add(line)
    return {file: sorted(lines) for file, lines in reached.items()}


def units_of(build):
    """{unit test: files of the project that it is made of}, by the compiler's word."""
    found = {}
    for made in pathlib.Path(build, "unit").rglob("*.d"):
        name = made.relative_to(build).parts[1]
        found.setdefault(name, set()).update(re.findall(r"[^\s:\\]+", made.read_text()))
    return found


class Reach:
    """What is known of all tests: {test: {"seconds": usual time, "cpu": of the CPU's, "lines": {file: [lines]}}}, units {name: files}."""

    def __init__(self, known, units):
        self.known, self.units = known, units
        self.lines = {test: {file: set(lines) for file, lines in about["lines"].items()} for test, about in known.items()}
        self.kills = {}

    def note_kill(self, file, test):
        self.kills[file, test] = self.kills.get((file, test), 0) + 1

    def tests_for(self, mutant):
        """([tests, the most promising first], how many of them come to its very line)."""
        units = sorted((test for test in self.known if test.startswith("unit:") and mutant.file in self.units.get(test[5:], ())),
                       key=self.cost)
        near, far = [], []
        for test in self.known:
            if test.startswith("unit:"):
                continue
            lines = self.lines[test].get(mutant.file, set())
            if mutant.function is None:                     # a macro, a table: whoever comes to the file at all
                if lines or mutant.file.endswith((".tbl", ".h", ".inc")):
                    near.append(test)
            elif any(line in lines for line in range(mutant.lines[0], mutant.lines[1] + 1)):
                near.append(test)
            elif any(line in lines for line in range(mutant.function[1], mutant.function[2] + 1)):
                far.append(test)

        def promise(test):                                  # seconds for a line of the file, less for who has killed here
            return self.cost(test) / (1 + len(self.lines[test].get(mutant.file, ()))) / (1 + self.kills.get((mutant.file, test), 0))
        return units + sorted(near or far, key=promise), len(units) + len(near)

    def cost(self, test):
        return self.known[test]["cpu"] + 0.1

    def within(self, tests, budget):
        """As many of them as take so many seconds of CPU; the first whole system in any case, its guests are no control domains."""
        chosen, spent = [], 0
        for test in tests:
            spent += self.cost(test)
            if spent <= budget or test.startswith("system:") and not any(other.startswith("system:") for other in chosen):
                chosen.append(test)
        return chosen
