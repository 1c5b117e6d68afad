# SPDX-License-Identifier: MIT
"""Which lines of the shipped code a test comes to: instructions that QEMU saw (reach.c), taken to
lines by the debugging information. Guests share addresses, so a whole system may be said to come to
a line of dom0's where only its guest has an instruction: that costs time, it hides nothing.
"""
import array
import bisect
import collections
import functools
import pathlib
import re
import subprocess

import mutants

HEADING = re.compile(r"^(?:CU: )?(\S+):$")
ROW = re.compile(r"^\S+\s+(\d+|-)\s+0x([0-9a-f]+)\b")
# Whose code is in which product; a guest is whatever else.
PARTS = {"domus.elf": ("hypervisor/", "pvguest-sdk/include/abi/"),
         "dom0.elf": ("dom0/", "builder/", "drivers/", "pvguest-sdk/"),
         "monitor.elf": ("pvguest-sdk/monitor/",)}
GUEST = ("drivers/", "pvguest-sdk/")
# Tests that boot nothing: they read what was made of these files (paths, or beginnings of paths),
# or run it here.
READERS = {"unit/test_entry": ("hypervisor/entry/entry.asm", "hypervisor/machine/asm.inc",
                               "hypervisor/machine/cpu.c"),
           "unit/test_entry_steps": ("hypervisor/entry/entry.asm", "hypervisor/machine/asm.inc"),
           "unit/test_svm_enter": ("hypervisor/svm/enter.asm",),
           "unit/test_access": ("hypervisor/memory/access.asm", "hypervisor/machine/asm.inc"),
           "unit/test_speculation": ("hypervisor/entry/operation.c",
                                     "hypervisor/entry/hypercall.c",
                                     "hypervisor/calls/mmuext.c"),
           "unit/test_sdk_code": ("pvguest-sdk/lib/head.asm", "pvguest-sdk/lib/entry.asm"),
           "unit/test_sdk_steps": ("pvguest-sdk/lib/head.asm", "pvguest-sdk/lib/entry.asm"),
           "unit/test_scan": ("pvguest-sdk/tools/scan/",),
           "unit/test_scan_hostile": ("pvguest-sdk/tools/scan/",)}


def readers_of(files):
    """The names of those that look at one of these files."""
    return [name for name, read in READERS.items() if any(file.startswith(read) for file in files)]


@functools.lru_cache(maxsize=4)
def line_table(tree, elf):
    """([address, ...] rising, [{(file, line), ...}, ...] of the same length)."""
    parts = PARTS.get(pathlib.Path(elf).name, GUEST)
    files = [file for file in mutants.shipped_files(tree) if file.startswith(parts)]
    by_name = {pathlib.Path(file).name: file for file in files}    # objdump leaves out some folders
    done = subprocess.run(["objdump", "--dwarf=decodedline", str(tree / elf)], text=True,
                          check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    rows, file = {}, None
    for line in done.stdout.splitlines():
        if row := ROW.match(line):
            places = rows.setdefault(int(row.group(2), 16), set())
            if file and row.group(1) != "-":
                places.add((file, int(row.group(1))))
        elif heading := HEADING.match(line):
            name = heading.group(1).removeprefix("./")
            name = name if "/" in name else by_name.get(name, "")
            file = name if name.startswith(parts) else None
    addresses = sorted(rows)
    return addresses, [rows[address] for address in addresses]


def addresses_in(folder):
    found = set()
    for path in pathlib.Path(folder).iterdir():
        words = array.array("Q")
        words.frombytes(path.read_bytes()[:path.stat().st_size // 8 * 8])
        found.update(words)
    return found


def lines_reached(folder, tree, elves):
    """{file: [line, ...]}, from what QEMU wrote into a folder."""
    executed, reached = addresses_in(folder), {}
    for elf in elves:
        addresses, rows = line_table(tree, elf)
        for address in executed:
            at = bisect.bisect_right(addresses, address) - 1
            for file, line in rows[at] if at >= 0 else ():
                reached.setdefault(file, set()).add(line)
    return {file: sorted(lines) for file, lines in reached.items()}


def units_of(build):
    """{unit test: files of the project that it is made of}, by the compiler's word."""
    found = {}
    for parts in pathlib.Path(build, "unit").glob("*/test.parts"):
        made = (pathlib.Path(build).parent / name for name in parts.read_text().split())
        found[parts.parent.name] = {file for path in made for file in
                                    re.findall(r"[^\s:\\]+", path.with_suffix(".d").read_text())}
    return found


def by_file(places):
    """{file: [line, ...]} of places "FILE:LINE"."""
    found = {}
    for place in places:
        file, line = place.rsplit(":", 1)
        found.setdefault(file, []).append(int(line))
    return found


class Reach:
    """known: {test: {"seconds": usual time, "cpu": of the CPU's, "lines": {file: [lines]},
    "refusals": {file: [lines that said no]}}}; units: {unit test: files}; refusals: {file: [lines
    that count how often they say no]}."""

    def __init__(self, known, units, refusals):
        self.known, self.units, self.refusals, self.kills = known, units, refusals, {}
        self.lines = {test: {file: set(lines) for file, lines in about["lines"].items()}
                      for test, about in known.items()}
        self.comers = collections.Counter((file, line) for files in self.lines.values()
                                          for file, lines in files.items() for line in lines)

    def note_kill(self, file, test):
        self.kills[file, test] = self.kills.get((file, test), 0) + 1

    def tests_for(self, mutant):
        """([tests, the most promising first], how many of them come to its very line).

        Where some come to the line, nobody else can notice. Where none does, those that come to its
        function are asked, since the compiler may have moved what the line is about. That a refusal
        is gone, only who was refused can notice: the tests that took it, where it counts that."""
        units, near, far = [], [], []
        counted = [line for line in self.refusals.get(mutant.file, ())
                   if mutant.refusal and mutant.refusal[0] <= line <= mutant.refusal[1]]
        for test in self.known:
            lines = self.lines[test].get(mutant.file, ())
            kind, name = test.split(":", 1)
            if kind == "unit" or name in READERS:
                looks = mutant.file.startswith(READERS.get(name, ()))
                units += [test] * (looks or mutant.file in self.units.get(name, ()))
            elif counted:
                said = self.known[test]["refusals"].get(mutant.file, ())
                near += [test] * bool(set(said) & set(counted))
            elif mutant.function is None:           # a macro, a table: whoever comes to the file
                near += [test] * bool(lines or mutant.file.endswith((".tbl", ".h", ".inc")))
            elif any(mutant.lines[0] <= line <= mutant.lines[1] for line in lines):
                near.append(test)
            elif any(mutant.function[1] <= line <= mutant.function[2] for line in lines):
                far.append(test)

        def promise(test):                          # who comes where few do; who has killed here
            rare = sum(1 / self.comers[mutant.file, line]
                       for line in self.lines[test].get(mutant.file, ()))
            return self.cost(test) / (0.1 + rare) / (1 + self.kills.get((mutant.file, test), 0))
        return sorted(units, key=promise) + sorted(near or far, key=promise), len(units) + len(near)

    def cost(self, test):
        return self.known[test]["cpu"] + 0.1

    def usual(self, test):
        """Seconds that it takes. A guest's limit is in its machine's own time, whatever else
        ran."""
        seconds, cpu = self.known[test]["seconds"], self.known[test]["cpu"]
        return min(seconds, cpu + 2) if test.startswith("guest:") else seconds

    def within(self, tests, budget):
        """As many of them as take so many seconds of the CPU; in any case the first whole system,
        whose guests are not in control."""
        chosen, spent, system = [], 0, False
        for test in tests:
            spent += self.cost(test)
            first = test.startswith("system:") and not system
            system |= first
            if spent <= budget or first:
                chosen.append(test)
        return chosen
