#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a neighbour notices of four guests that ask for too much of one thing, all at once.

    floods.py BUILD [--only FLOOD...]      (part of `make bench`; the table goes to BUILD/floods.md)

The guests are tests/guests/attack-flood and attack-share. QEMU counts instructions (-icount
shift=0,sleep=off), so a microsecond is a thousand of them, of guests, dom0 and hypervisor together,
and how busy this host is does not show. A cell that is worse than the goal is marked, and the exit
status is 1 then. "cycle" is the operator's flood.
"""
import argparse
import os
import pathlib
import re
import subprocess
import sys

sys.path[:0] = [str(pathlib.Path(__file__).parents[2] / name)
                for name in ("pvguest-sdk/tools", "tests/tools", "tests/system")]
parser = argparse.ArgumentParser(description=__doc__,
                                 formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("build", type=pathlib.Path)
parser.add_argument("--only", nargs="+", default=[], metavar="FLOOD")
args = parser.parse_args()
os.environ["DOMUS_BUILD"] = str(args.build)
import dom0  # noqa: E402  (the tools read DOMUS_BUILD)
import machine  # noqa: E402
from bench import align  # noqa: E402

TITLE = "### A neighbour beside four guests that flood: microseconds (least / median / 99 %), " \
        "and how many times quiet the median is"
HEAD = ["| flood, by four guests at once | XenStore request | console: key to echo | disk, 4 KiB | "
        "ping to dom0 | CPU: has, of what is its own |",
        "|---|---:|---:|---:|---:|---:|"]
CONDITIONS = """One CPU, one instruction a nanosecond (`-icount shift=0,sleep=off`), of guests,
dom0 and hypervisor together; the disk and the card take no time (`tests/tools/still.c`), so what
is left is waiting for each other; only a transfer for which the host needs more than 0.4 ms
shows in the 99 %. The neighbour writes to and reads from XenStore and its disk, pings dom0, and
sleeps for two milliseconds, for a second; 50 keys are typed at its console meanwhile (`keys`).
The last column is another guest's, which computes: what part of the CPU it has, of what is its
own by weight when those who want less leave the rest to the others, and dom0's work for a guest
is the guest's. A star marks a median that is worse than 3 times quiet, or 10 % less CPU than its
own. `make bench` measures again."""

# title, flood= of the guests, what else is said when they are created
FLOODS = [("XenStore: writes", "store", ""),
          ("XenStore: transactions", "transactions", ""), ("console", "console", ""),
          ("disk: 44 KiB reads", "disk", ""), ("network: frames of 60 bytes", "net-small", ""),
          ("network: frames of 1514 bytes", "net-large", ""),
          ("network: broadcasts", "net-broadcast", ""),
          ("events with nothing to say", "events", ""),
          ("memory given back and taken", "balloon", ""),
          ("timers of 32 vCPUs", "timers", "vcpus=32"),
          ("32 vCPUs that compute", "vcpus", "vcpus=32"),
          ("page tables filled and pinned", "tables", "")]
CYCLES = 60                             # more than two seconds of them
FLOODERS = 4
WEIGHT, DOM0_WEIGHT = 256, 512
THINGS = ("store", "keys", "disk", "ping")
KEYS = 50
WORSE = 3                               # times quiet, at most
FAIR = 0.9                              # of the part that is a domain's, at least
SLOW = 300                              # seconds for one of the machine
BEAT = r"\(neighbour\) beat \d+ store (\d+) (\d+) (\d+) \d+ disk (\d+) (\d+) (\d+) \d+ " \
       r"ping (\d+) (\d+) (\d+) \d+"
ECHOES = r"keys: neighbour has echoed \d+, 0 lost; least (\d+), median (\d+), 99% (\d+)"


def stillness():
    """QEMU's options for a disk that takes no time of the machine's (tests/tools/still.c)."""
    symbols = subprocess.run(["nm", "-S", str(machine.BUILD / "dom0.elf")],
                             stdout=subprocess.PIPE, text=True, check=True).stdout
    start, size = (int(word, 16)
                   for word in re.search(r"^(\S+) (\S+) T virtqueue_kick$", symbols, re.M).groups())
    return ["-plugin", f"{machine.BUILD / 'still.so'},from={start},to={start + size}"]


def latencies(box):
    """{thing: (least, median, 99th percentile)} in microseconds. Keys are being typed."""
    box.see(BEAT, SLOW)                 # has begun before; the next one counts
    figures = [int(word) for word in box.see(BEAT, SLOW).groups()]
    found = {thing: tuple(figures[i * 3:i * 3 + 3])
             for i, thing in enumerate(("store", "disk", "ping"))}
    found["keys"] = tuple(int(word) for word in re.findall(ECHOES, box.said())[-1])
    return found


def used(box):
    """{domain: seconds of CPU}, dom0's work for a domain among that domain's."""
    rows = box.served()
    mine = {name: row["Time(s)"] + row["Served(s)"] for name, row in rows.items()
            if name != "Domain-0"}
    all_of_it = sum(row["Time(s)"] for row in rows.values())
    return mine | {"Domain-0": all_of_it - sum(mine.values())}


def due(parts, name):
    """What part of the CPU is a domain's that wants all of it: who wants less than his leaves the
    rest to the others."""
    weight = {other: DOM0_WEIGHT if other == "Domain-0" else WEIGHT for other in parts}
    modest, before = set(), None
    while modest != before:
        before = set(modest)
        level = (1 - sum(parts[other] for other in modest)) / sum(weight[other] for other in parts
                                                                  if other not in modest)
        modest |= {other for other in parts if other != name
                   and parts[other] < level * weight[other]}
    return level * weight[name]


def share(box, meanwhile="sleep 2"):
    """(the part of the CPU that one has who wants all of it, the part that is his) during a command
    of the operator's."""
    box.create('share.cfg extra="test name=one how=spin" name="one"', SLOW)
    box.see(r"attack-share: one \d+ at", SLOW)
    before = used(box)
    box.ask(meanwhile, SLOW)
    spent = {name: seconds - before[name] for name, seconds in used(box).items()}
    box.ask("xl destroy one", SLOW)
    total = sum(spent.values())
    parts = {name: seconds / total for name, seconds in spent.items()}
    print("# ", ", ".join(f"{name} {part:.1%}" for name, part in parts.items()),
          file=sys.stderr, flush=True)
    return parts["one"], due(parts, "one")


def beside(box, mode, words):
    names = [f"flood{i}" for i in range(FLOODERS)]
    for name in names:
        box.send(f'xl create attack-flood.cfg name="{name}" extra="flood={mode}" {words}')
        box.see(rf"\({name}\) attack-flood: {mode}", SLOW)
    box.ask(f"keys neighbour {KEYS}", SLOW)
    found = latencies(box), share(box)
    for name in names:
        box.ask(f"xl destroy {name}", SLOW)
    return found


def beside_the_operator(box):
    """Everything else is asked for in threads of dom0's own: the prompt is busy."""
    again = f"cycle hello.cfg {CYCLES}"
    box.ask(f"keys neighbour {KEYS}")
    box.send(again)
    found = latencies(box)
    box.ask("echo", SLOW)
    return found, share(box, again)


def row(title, found, quiet):
    """The table's row, and how many cells miss the goal."""
    cells, missed, (times, (part, fair)) = [], 0, found
    for thing in THINGS:
        worse = times[thing][1] / quiet[0][thing][1]
        cells.append(" / ".join(str(us) for us in times[thing]) +
                     (f" ({worse:.1f})" if found is not quiet else "") +
                     ("*" if worse > WORSE else ""))
        missed += worse > WORSE
    missed += part < FAIR * fair
    cells.append(f"{part:.1%} of {fair:.1%}" + ("*" if part < FAIR * fair else ""))
    line = f"| {title} | " + " | ".join(cells) + " |"
    print("# " + line, file=sys.stderr, flush=True)
    return line, missed


def main():
    rows = []
    disk = machine.fresh_disk("bench-floods")
    with dom0.Dom0("bench-floods", disk=disk, icount=True, extra=stillness()) as box:
        box.create('neighbour.cfg extra="flood=neighbour beat=1000"', SLOW)
        box.see(BEAT, SLOW)
        box.ask(f"keys neighbour {KEYS}")
        quiet = latencies(box), share(box)
        rows.append(row("quiet", quiet, quiet))
        for title, mode, words in FLOODS:
            if not args.only or mode in args.only:
                rows.append(row(title, beside(box, mode, words), quiet))
        if not args.only or "cycle" in args.only:
            rows.append(row("guests created and destroyed, by the operator",
                            beside_the_operator(box), quiet))
    table = "\n".join(align(HEAD + [line for line, _ in rows]))
    print(table)
    if not args.only:
        (machine.BUILD / "floods.md").write_text(f"{TITLE}\n\n{table}\n\n{CONDITIONS}\n")
    return min(sum(missed for _, missed in rows), 1)


sys.exit(main())
