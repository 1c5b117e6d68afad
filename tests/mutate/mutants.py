# SPDX-License-Identifier: MIT
"""Makes mutants: the shipped code with one small mistake in it.

A mutant is a place (start, end) in a file and what stands there instead, on as many lines as
before, so that neither line numbers in messages nor other mutants change. Its name is a hash of
file, kind, the text of its line, what is replaced by what, and the how-manieth of those it is. The
order of a campaign follows from the seed and the weights alone.
"""
import hashlib
import math
import pathlib
import re
import typing

import asmsource
import cmutants
import csource

SUFFIXES = {".c", ".h", ".asm", ".inc", ".tbl"}
# (prefix of the path, weight): the first that fits. What a guest can reach comes first.
PLACES = [
    ("hypervisor/entry/offsets.c", 0), ("hypervisor/control/debug_keys", 0.3),
    ("hypervisor/entry/", 3), ("hypervisor/memory/", 3),
    ("hypervisor/domain/", 2.5), ("hypervisor/emulate/", 2.5), ("hypervisor/control/", 2.5),
    ("hypervisor/calls/", 2.5),
    ("hypervisor/boot/", 0.3), ("hypervisor/", 0.7), ("drivers/pv/", 2.5),
    ("drivers/include/drivers/ring.h", 2.5), ("drivers/hw/", 0.6), ("drivers/", 1),
    ("dom0/xenstore/", 2.5), ("builder/", 2),
    ("dom0/xc/", 2), ("dom0/network/", 1.5), ("dom0/storage/", 1),
    ("dom0/", 0.6),
    ("pvguest-sdk/monitor/", 1), ("pvguest-sdk/tools/scan/", 0.7),
    ("pvguest-sdk/include/abi/", 3), ("pvguest-sdk/lib/", 1), ("pvguest-sdk/include/", 0.7)]
KINDS = {"privilege": 5, "refusal": 3, "call": 2.5, "insn": 2.5, "mask": 2, "logic": 2,
         "compare": 1.5, "jump": 1.5, "call-other": 1, "assign": 1, "invert": 0.7, "const": 0.4}
# Rows of the table; what is in other folders of ring 0 is its "rest".
RING0 = ("entry", "memory", "domain", "emulate", "calls", "control")
SHIPPED = ("hypervisor", "builder", "drivers", "dom0", "pvguest-sdk/lib", "pvguest-sdk/include",
           "pvguest-sdk/monitor", "pvguest-sdk/tools/scan")
# Parts of the SDK that are programs of their own have their own rows.
PROGRAMS = {"monitor": "monitor", "tools": "scanner"}


class Mutant(typing.NamedTuple):
    id: str
    file: str
    kind: str
    start: int
    end: int
    before: str             # what stands there, with single blanks
    after: str              # what the mutant has instead
    line: int
    lines: tuple            # first and last line of the statement
    function: tuple         # name, first and last line; None: a macro or a table
    refusal: tuple          # first and last line of a refusal that is gone; or None
    weight: float

    def apply(self, text):
        lost = text.count("\n", self.start, self.end) - self.after.count("\n")
        return text[:self.start] + self.after + "\n" * max(lost, 0) + text[self.end:]

    def __str__(self):
        change = f"`{short(self.before)}` -> `{short(self.after)}`"
        return f"{self.file}:{self.line}: {self.kind}: {change}"


def short(text):
    text = one_line(text)
    return text if len(text) <= 90 else text[:60] + " ... " + text[-25:]


def one_line(text):
    return " ".join(text.split())


def component(path):
    """The line of the table that a file belongs to."""
    parts = pathlib.PurePath(path).parts
    if parts[0] == "hypervisor":
        return f"hypervisor/{parts[1]}" if parts[1] in RING0 else "hypervisor/rest"
    if str(path).endswith(".tbl"):
        return "hypervisor/entry"
    return PROGRAMS.get(parts[1], parts[0])


def place_weight(path):
    return next((weight for prefix, weight in PLACES if path.startswith(prefix)), 0)


def edits_of(path, text):
    """Yields (kind, start, end, after, lines, function, refusal, factor) of a file."""
    if path.endswith((".asm", ".inc")):
        return asmsource.edits(text)
    if path.endswith(".tbl"):
        return table_edits(text)
    return cmutants.edits(csource.Source(path, text))


def table_edits(text):
    """hypercall.tbl: a hypercall that is no longer the control domain's own."""
    for match in re.finditer(r"^[ \d](?:[^#\n|]*\|){4}\s*([MPX]*)(D)([MPX]*)", text, re.M):
        line = text.count("\n", 0, match.start()) + 1
        instead = "" if match.group(1) or match.group(3) else "-"
        yield "privilege", match.start(2), match.end(2), instead, (line, line), None, None, 1


def mutants_of(path, text):
    """All mutants of a file, in its order."""
    starts = [0] + [match.end() for match in re.finditer("\n", text)]
    edits, per_line = list(edits_of(path, text)), {}
    for edit in edits:
        per_line[edit[4][0]] = per_line.get(edit[4][0], 0) + 1
    found, names = [], {}
    for kind, start, end, after, lines, function, refusal, factor in edits:
        line = text.count("\n", 0, start) + 1
        line_end = text.find("\n", max(end - 1, start))
        whole = one_line(text[starts[line - 1]:line_end if line_end >= 0 else len(text)])
        before = one_line(text[start:end])
        name = "|".join((path, kind, whole, before, one_line(after)))
        names[name] = names.get(name, 0) + 1
        identity = hashlib.sha1(f"{name}|{names[name]}".encode()).hexdigest()[:10]
        weight = factor * KINDS[kind] * place_weight(path) / math.sqrt(per_line[lines[0]])
        found.append(Mutant(identity, path, kind, start, end, before, after, line, lines, function,
                            refusal, weight))
    return found


def chosen(mutants, seed):
    """In the order of a campaign: at random, heavy ones early; a longer one begins alike."""
    def key(mutant):
        digest = hashlib.sha1(f"{seed}|{mutant.id}".encode()).digest()
        return -math.log((int.from_bytes(digest[:8], "big") + 1) / (2 ** 64 + 1)) / mutant.weight
    return sorted((mutant for mutant in mutants if mutant.weight > 0), key=key)


def shipped_files(root):
    """The files of the tree that mutants are made of."""
    folders = (pathlib.Path(root) / folder for folder in SHIPPED)
    return sorted(str(path.relative_to(root)) for folder in folders for path in folder.rglob("*")
                  if path.suffix in SUFFIXES)
