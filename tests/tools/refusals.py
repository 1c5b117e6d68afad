#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Which refusals a run of the suite has reached, and which it has not.

    refusals.py BUILD              the table, and an error for each place that no test reached and nothing explains
    refusals.py BUILD --partial    the table only: not the whole suite ran

Each place that says no has a record in its image (pvguest-sdk/include/abi/refusal.h). The build is asked for all of them: the
records in the hypervisor's objects and in those of dom0, drivers and SDK that count (<pvguest/refuse.h>). What was reached is read out of the memory of every
machine that ends (when DOMUS_REFUSALS names a folder) and written by every unit test when it ends
(tests/unit/refusals.c). A place that tests cannot reach stands in tests/refusals.txt with its reason.
"""
import collections
import json
import os
import pathlib
import struct
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = os.environ.get("DOMUS_REFUSALS")           # where what was reached is kept; None: nobody asks
RECORD = struct.Struct("<QQII40s")                  # struct refusal
MAGIC = struct.pack("<Q", 0x6c61737566655221)
REASONS = "tests/refusals.txt"
CHUNK = 16 << 20


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


# --- a machine's memory ------------------------------------------------------------------------------------------------------------
class Memory:
    """A machine's memory, in a file without a name that outlives QEMU. Nothing at all when nobody asks."""

    def __init__(self, mebibytes):
        self.file = os.memfd_create("machine") if FOLDER else None
        self.mebibytes = mebibytes

    def options(self):
        """What makes QEMU use it."""
        if self.file is None:
            return []
        path = f"/proc/{os.getpid()}/fd/{self.file}"
        return ["-object", f"memory-backend-file,id=memory,size={self.mebibytes}M,mem-path={path},share=on", "-machine", "memory-backend=memory"]

    def end(self, by):
        """The machine has ended: notes what it had reached, and lets its memory go."""
        if self.file is None:
            return
        note(by, self.reached())
        os.close(self.file)
        self.file = None

    def reached(self):
        reached, at = collections.Counter(), 0
        while True:
            try:
                at = os.lseek(self.file, at, os.SEEK_DATA)
            except OSError:                         # nothing but a hole behind it
                return +reached
            hole = os.lseek(self.file, at, os.SEEK_HOLE)
            while at < hole:
                data = os.pread(self.file, min(CHUNK, hole - at), at)
                for place, count in records(data):
                    reached[place] += count
                at += len(data)


def note(by, reached):
    if reached:
        os.makedirs(FOLDER, exist_ok=True)
        with (pathlib.Path(FOLDER) / f"reached-{os.getpid()}.json").open("a") as lines:
            lines.write(json.dumps({"by": by, "places": reached}) + "\n")


# --- all places there are --------------------------------------------------------------------------------------------------------
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


def all_places(build):
    objects = [o for folder in ("hv-obj/hypervisor", "counted")
               for o in sorted((build / folder).rglob("*.o"))]
    return sorted({place for o in objects for place, _ in records(section(o, "refusals"))},
                  key=lambda place: (place.split(":")[0], int(place.split(":")[1])))


def source_line(place):
    """The source of a place, to the end of its statement."""
    file, line = place.split(":")
    lines = (ROOT / file).read_text().splitlines()[int(line) - 1:]
    text = lines[0].strip()
    for more in lines[1:4]:
        if ";" in text or "{" in text or text.count("(") == text.count(")"):
            break
        text += " " + more.strip()
    return text


# --- what was reached, and why not ---------------------------------------------------------------------------------------------------
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


def read_reasons(file):
    """[(file, text in the line, reason)]"""
    rows = []
    for number, line in enumerate(file.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        parts = [part.strip() for part in line.split("|", 2)]
        if len(parts) != 3 or not all(parts):
            sys.exit(f"{file}:{number}: FILE | text in the line | reason")
        rows.append(parts)
    return rows


def explained(place, text, reasons):
    return next((reason for file, part, reason in reasons if place.startswith(file + ":") and part in text), None)


def row(place, text, by, reason):
    who = f"{sum(by.values())} by {', '.join(name for name, _ in by.most_common(3))}" if by else reason or "NOBODY"
    return f"{place:44} {text[:100]:100} {who}"


def main():
    arguments = [a for a in sys.argv[1:] if a != "--partial"]
    if len(arguments) != 1:
        sys.exit(__doc__)
    build = pathlib.Path(arguments[0])
    places = {place: source_line(place) for place in all_places(build)}
    reached, reasons = all_reached(build / "refusals"), read_reasons(ROOT / REASONS)
    rows, nobody = [], []
    for place, text in places.items():
        reason = explained(place, text, reasons)
        rows.append(row(place, text, reached.get(place), reason))
        if place not in reached and not reason:
            nobody.append(place)
    (build / "refusals" / "table.txt").write_text("\n".join(rows) + "\n")
    hit = sum(place in reached for place in places)
    print(f"refusals: {len(places)} places, {hit} reached, {len(places) - hit - len(nobody)} explained, {len(nobody)} reached by "
          f"nobody; {build}/refusals/table.txt")
    if "--partial" in sys.argv:
        return
    stale = [f"{file} | {part}" for file, part, _ in reasons
             if not any(place.startswith(file + ":") and part in text for place, text in places.items())]
    for place in nobody:
        print(f"  no test reaches {place}: {places[place]}")
    for line in stale:
        print(f"  {REASONS}: there is no such place any more: {line}")
    if nobody or stale:
        sys.exit(f"refusals: write a test for each, or say in {REASONS} why there can be none")


if __name__ == "__main__":
    main()
