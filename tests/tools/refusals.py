#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Which refusals a run of the suite has reached, and which it has not.

    refusals.py BUILD              the table; fails for each place that no test reached and nothing
                                   explains, and for each explanation that explains nothing
    refusals.py BUILD --partial    the table only: not the whole suite ran

Each place that says no has a record in its image (pvguest-sdk/include/abi/refusal.h). The build is
asked for all of them: the records in the hypervisor's objects and in those of dom0, drivers and SDK
that count (<pvguest/refuse.h>). What was reached is read out of the memory of every machine that
ends (when DOMUS_REFUSALS names a folder) and written by every unit test when it ends
(tests/unit/refusals.c). A place that tests cannot reach stands in tests/refusals.txt with its
reason.
"""
import collections
import json
import os
import pathlib
import re
import struct
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "pvguest-sdk/tools"))
import hypercalls  # noqa: E402
# where what was reached is kept; None: nobody asks
FOLDER = os.environ.get("DOMUS_REFUSALS")
RECORD = struct.Struct("<QQII40s")                  # struct refusal
MAGIC = struct.pack("<Q", 0x6c61737566655221)
REASONS = "tests/refusals.txt"


def records(data):
    """Yields (place, count) of the records in a piece of memory; place is "FILE:LINE"."""
    at = data.find(MAGIC)
    while at >= 0:
        if at % RECORD.size == 0 and at + RECORD.size <= len(data):
            _, _, line, count, file = RECORD.unpack_from(data, at)
            name = file.split(b"\0")[0]
            if line and name.endswith((b".c", b".h")) and name.isascii():
                yield f"{name.decode()}:{line}", count
        at = data.find(MAGIC, at + 1)


# --- a machine's memory ---------------------------------------------------------------------------
def segments(elf):
    """(offset, address, size) of what an ELF file's bytes bring into a machine's memory."""
    start, = struct.unpack_from("<Q", elf, 32)
    count, = struct.unpack_from("<H", elf, 56)
    for kind, _, offset, _, address, size, _, _ in (
            struct.unpack_from("<IIQQQQQQ", elf, start + i * 56) for i in range(count)):
        if kind == 1:                               # PT_LOAD
            yield offset, address, size


def counting_memory(image):
    """[(address, size)] of the memory in which a hypervisor counts; none for another's."""
    elf = image.read_bytes()
    return [(address, size) for offset, address, size in segments(elf)
            if any(records(elf[offset:offset + size]))] if MAGIC in elf else []


class Memory:
    """The memory of a machine that boots an image, in a file without a name that outlives QEMU.
    Nothing at all when nobody asks, or the image counts nothing: QEMU's own is faster."""

    def __init__(self, mebibytes, image):
        self.where = counting_memory(image) if FOLDER else []
        self.file = os.memfd_create("machine") if self.where else None
        self.mebibytes = mebibytes

    def options(self):
        """What makes QEMU use it."""
        if self.file is None:
            return []
        path = f"/proc/{os.getpid()}/fd/{self.file}"
        return ["-object",
                f"memory-backend-file,id=memory,size={self.mebibytes}M,mem-path={path},share=on",
                "-machine", "memory-backend=memory"]

    def end(self, by):
        """The machine has ended: notes what it had reached, and lets its memory go."""
        if self.file is None:
            return
        note(by, self.reached())
        os.close(self.file)
        self.file = None

    def reached(self):
        reached = collections.Counter()
        for address, size in self.where:
            for place, count in records(os.pread(self.file, size, address)):
                reached[place] += count
        return +reached


def note(by, reached):
    if reached:
        os.makedirs(FOLDER, exist_ok=True)
        with (pathlib.Path(FOLDER) / f"reached-{os.getpid()}.json").open("a") as lines:
            lines.write(json.dumps({"by": by, "places": reached}) + "\n")


# --- all places there are -------------------------------------------------------------------------
def section(file, wanted):
    """The bytes of an ELF file's section."""
    data = file.read_bytes()
    offset, = struct.unpack_from("<Q", data, 40)
    size, count, names = struct.unpack_from("<HHH", data, 58)
    headers = [struct.unpack_from("<IIQQQQ", data, offset + i * size) for i in range(count)]
    strings = headers[names][4]
    for name, _, _, _, start, length in headers:
        if data[strings + name:data.index(b"\0", strings + name)].decode() == wanted:
            return data[start:start + length]
    return b""


def no_two_on_a_line(places):
    """A place is known by its line alone."""
    twice = sorted(place for place, n in collections.Counter(places).items() if n > 1)
    if twice:
        sys.exit(f"refusals: more than one on a line: {', '.join(twice)}. One would hide the "
                 "others: give each its own.")


FOLDERS = ("hv-obj/hypervisor", "counted")


def all_places(build):
    """Every place there is, in order. The same header may be in several objects."""
    places = set()
    for folder in FOLDERS:
        for file in (build / folder).rglob("*.o"):
            found = [place for place, _ in records(section(file, "refusals"))]
            no_two_on_a_line(found)
            places.update(found)
    return sorted(places, key=lambda place: (place.split(":")[0], int(place.split(":")[1])))


ENDS = re.compile(r"[;{}:/\\]\s*$|^\s*$")             # a statement ends with such a line
BEGINS = re.compile(r"\s*(case|default)\b")    # and one begins with such a one


def statement(lines, at):
    """The statement that a line (its index) is in, on one line, and the condition before it."""
    first = last = at
    while (first > max(at - 3, 0) and not BEGINS.match(lines[first])
           and not ENDS.search(lines[first - 1])):
        first -= 1
    while (last < min(at + 3, len(lines) - 1) and not re.search(r"[;{]", lines[last])
           and not BEGINS.match(lines[last + 1])):
        last += 1
    return " ".join(line.strip() for line in lines[first:last + 1])


def function_around(lines):
    """The name of the function that the last of these lines is in; "" outside of all."""
    for line in reversed(lines):
        begins = re.match(r"(?!__attribute__)(?:#define )?[A-Za-z_][\w *]*?(\w+)\(", line)
        if begins and not line.rstrip().endswith(";"):
            return begins[1]
    return ""


def look_at(place):
    """(function, source) of a place."""
    file, line = place.split(":")
    lines = (ROOT / file).read_text().splitlines()
    return function_around(lines[:int(line)]), statement(lines, int(line) - 1)


# --- what was reached, and why not ----------------------------------------------------------------
def all_reached(folder):
    """place -> Counter of who reached it."""
    reached = collections.defaultdict(collections.Counter)
    for file in folder.glob("reached-*.json"):
        for line in file.read_text().splitlines():
            run = json.loads(line)
            for place, count in run["places"].items():
                reached[place][run["by"]] += count
    for file in folder.glob("unit-*"):
        for line in file.read_text().splitlines():
            place, count = line.rsplit(" ", 1)
            reached[place][file.name.replace("-", "/", 1)] += int(count)
    return reached


Reason = collections.namedtuple("Reason", "where file function part words")


def read_reasons(text, name=REASONS):
    """[Reason] of the lines FILE | FUNCTION | text in the line | reason."""
    rows = []
    for number, line in hypercalls.whole_lines(text):
        if not line.strip() or line.startswith("#"):
            continue
        parts = [part.strip() for part in line.split("|", 3)]
        if len(parts) != 4 or not all(parts):
            sys.exit(f"{name}:{number}: FILE | FUNCTION | text in the line | reason")
        rows.append(Reason(f"{name}:{number}", *parts))
    return rows


def explains(reason, place, function, text):
    return (place.split(":")[0], function) == (reason.file, reason.function) and reason.part in text


def judge(places, reached, reasons):
    """places: {place: (function, source)}. Returns {place: why nobody reaches it}, [complaint]."""
    why, wrong = {}, []
    for reason in reasons:
        meant = [place for place, (function, text) in places.items()
                 if explains(reason, place, function, text)]
        what = f"{reason.file}, {reason.function}(), {reason.part}"
        if not meant:
            wrong.append(f"{reason.where}: there is no such place (any more): {what}. "
                         "Delete the line.")
        elif len(meant) > 1:
            wrong.append(f"{reason.where}: {what} is at {', '.join(meant)}. A reason is for one "
                         "place: have the line say more of its text, or make the texts differ.")
        elif meant[0] in reached:
            who = ", ".join(name for name, _ in reached[meant[0]].most_common(3))
            wrong.append(f"{reason.where}: {meant[0]} is reached, by {who}. Delete the line.")
        else:
            why[meant[0]] = reason.words
    for place, (function, text) in places.items():
        if place not in reached and place not in why:
            wrong.append(f"{place}: in {function}(): no test is refused by: {text}. Write a test "
                         "that is, and that checks the errno; or delete what cannot happen; or say "
                         f"in {REASONS} why no test can.")
    return why, wrong


def row(place, text, by, reason):
    who = f"{sum(by.values())} by {', '.join(name for name, _ in by.most_common(3))}" \
        if by else reason or "NOBODY"
    return f"{place:44} {text[:140]:140} {who}"


def main():
    arguments = [a for a in sys.argv[1:] if a != "--partial"]
    if len(arguments) != 1:
        sys.exit(__doc__)
    build = pathlib.Path(arguments[0])
    places = {place: look_at(place) for place in all_places(build)}
    reached = all_reached(build / "refusals")
    why, wrong = judge(places, reached, read_reasons((ROOT / REASONS).read_text()))
    (build / "refusals").mkdir(exist_ok=True)
    (build / "refusals" / "table.txt").write_text("".join(
        row(place, text, reached.get(place), why.get(place)) + "\n"
        for place, (_, text) in places.items()))
    hit = sum(place in reached for place in places)
    print(f"refusals: {len(places)} places, {hit} reached, {len(why)} explained, "
          f"{len(places) - hit - len(why)} reached by nobody; {build}/refusals/table.txt")
    if "--partial" in sys.argv:
        return
    if not places:
        sys.exit(f"refusals: {build} has no places at all: it is not built")
    for line in wrong:
        print(f"  {line}")
    if wrong:
        sys.exit("refusals: FAILURE")


if __name__ == "__main__":
    main()
