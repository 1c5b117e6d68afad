#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""One kernel and its programs, run in all the ways there are here: what each service costs in
instructions, and why. Writes BUILD/compare.txt, .md, .csv and .html.

    compare.py BUILD [ROW...]        (`make compare`; without rows: all)

The teaching kernel's `bench` natively on QEMU; the same image in the monitor, interpreted, half and
half, translated, trapped and emulated, and on hardware assistance; and ported, hypercalls one by
one (patch 7) and batched (patch 8). Each is alone on its machine: in dom0's place, its disk in
memory. QEMU runs with `-icount shift=0,sleep=off`: a tick is an instruction of program, kernel,
monitor and hypervisor together, so the figures repeat to the digit. (So the world switch of
hardware assistance, VMRUN and the exit, is one of them, and a nested walk none; on a CPU both take
their time.)

Its wall time is that of another run, without -icount, where a tick is one of the TSC; as a multiple
of the native one's, and as good as the machine is idle.

An operation's instructions are the fewest of its rounds. What the monitor counted is the
difference of two runs, one of more rounds, divided by the rounds: without start and end, with what
`bench` itself does between two rounds, and with the ticks of the clock.
"""
import argparse
import csv
import os
import pathlib
import re
import sys
from string import ascii_lowercase

sys.path[:0] = [str(pathlib.Path(__file__).parents[2] / name)
                for name in ("pvguest-sdk/tools", "tests/tools")]
import page  # noqa: E402
from bench import align  # noqa: E402

# bench's name: title, whose name it is, what is done. lmbench is McVoy and Staelin's, nano the set
# of Adams and Agesen (2006).
ROWS = {
    "nothing": ("(empty)", "", "what measuring itself costs; it is in all rows"),
    "null_call": ("null call", "lmbench; nano: syscall", "getpid"),
    "fstat": ("fstat", "lmbench", "of the console"),
    "open_close": ("open/close", "lmbench", "/bin/true"),
    "file_create_delete": ("file create and delete, 0K", "lmbench", "an empty one, both together"),
    "fork_exit_wait": ("fork", "lmbench: fork+exit", "fork, exit, wait"),
    "fork_exec_wait": ("exec", "lmbench: fork+execve", "/bin/true, and wait for it"),
    "fork_shell_wait": ("sh", "lmbench: fork+/bin/sh -c", "the shell starts /bin/true"),
    "pipe_round_trip": ("pipe", "lmbench", "a byte to another process and back"),
    "ring_of_8": ("context switch 8p/0K", "as lmbench, the pipe's cost not taken off",
                  "one step of a byte around 8 processes"),
    "page_fault": ("pgfault", "nano", "first touch of a page of the heap, which is then zeroed"),
    "file_write_4k": ("file write, 4 KiB", "", "into the log, in memory"),
    "file_write_sync": ("4 file writes and sync", "", "to a disk in memory"),
}
NATIVE, PORT, MONITOR = "native", "port", "monitor"
# column: its title, what it is, the monitor's words or the series' last patch
MODES = {
    "native": ("native", NATIVE, ""),
    "pv-one": ("PV, one by one", PORT, "7"),
    "pv-batched": ("PV, batched", PORT, "8"),
    "trap": ("trap", MONITOR, "mode=trap"),
    "translate": ("translate", MONITOR, "mode=translate"),
    "svm": ("svm", MONITOR, "mode=svm"),
    "emulate": ("emulate", MONITOR, "mode=emulate"),
    "emulate-all": ("emulate, user=emulate", MONITOR, "mode=emulate user=emulate"),
}
# what the monitor counts, as it says it at its end
COUNTERS = {
    "interpreted": r"(\d+) instructions interpreted", "exits": r"(\d+) exits:",
    "page faults": r"(\d+) page faults", "privileged": r"(\d+) privileged",
    "replaced": r"(\d+) replaced", "system calls": r"(\d+) system calls",
    "events": r"(\d+) events", "reflected": r"(\d+) exceptions reflected",
    "shadow fills": r"(\d+) entries filled", "shadow flushes": r"emptied (\d+) times, pruned",
    "translated": r"(\d+) blocks translated", "validations": r"(\d+) validations",
}
FEW, MANY = 1, 9
NO_MONITOR = {NATIVE: "native: there is no monitor", PORT: "ported: there is no monitor"}
ALL_INTERPRETED = "user=emulate: all is interpreted, so nothing exits"


def boot(tools, archive, mode, line, icount):
    """A machine with the kernel run in that mode, the line its command line."""
    _, kind, words = MODES[mode]
    native, disk = (tools.BUILD / "native" / name for name in ("insula.elf", "insula-fs.img"))
    hypervisor, name = tools.DOMUS, f"compare-{mode}"
    if kind == NATIVE:
        hypervisor = tools.Hypervisor("native", native, line.split(" "), tools.DOMUS.cpu)
        modules = [[disk]]
    elif kind == PORT:
        modules = [[tools.BUILD / f"port/step-{words}/insula.elf"] + line.split(" "), [disk]]
    else:
        tar = tools.BUILD / "compare" / "kernel.tar"
        archive.make_archive(tar, [f"{native}=kernel.elf", disk])
        modules = [[tools.BUILD / "guests" / "monitor.elf"] + words.split(" ") +
                   f"memory=32 kernel=kernel.elf module=insula-fs.img args={line}".split(" "),
                   [tar]]
    return tools.Machine(name, hypervisor=hypervisor, modules=modules, memory=256, icount=icount,
                         smp=1)


def run(tools, archive, mode, row, rounds, icount=True):
    """One boot that does the row so often: (instructions, {counter: number})."""
    with boot(tools, archive, mode, f"run=bench {rounds} {row};poweroff", icount) as machine:
        ticks = int(machine.expect(rf"bench: {row} (\d+)\r", timeout=120).group(1))
        machine.expect("bench: done", timeout=60)
        machine.wait_off(60)
    said = tools.ESCAPES.sub("", machine.transcript.read_text(errors="replace"))
    found = {name: re.search("monitor: .*?" + pattern, said) for name, pattern in COUNTERS.items()}
    return ticks, {name: int(match.group(1)) for name, match in found.items() if match}


def measure(tools, archive, mode, row):
    """{"instructions", "wall ticks" or a counter: figure, or the reason why there is none}"""
    kind = MODES[mode][1]
    ticks, many = run(tools, archive, mode, row, MANY)
    wall, _ = run(tools, archive, mode, row, MANY, icount=False)
    own = {"instructions": ticks, "wall ticks": wall}
    if kind != MONITOR:
        return own | dict.fromkeys(COUNTERS, NO_MONITOR[kind])
    _, few = run(tools, archive, mode, row, FEW)
    return own | {
        name: (many[name] - few[name]) / (MANY - FEW) / per(row) if name in many
        else ALL_INTERPRETED for name in COUNTERS}


def per(row):
    """How many of what the row is named after one round does (bench.c divides its ticks by it)."""
    return {"ring_of_8": 8, "page_fault": 16, "file_write_4k": 4}.get(row, 1)


def title_of(mode):
    return MODES[mode][0] if mode in MODES else mode


def number(value):
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


class Notes:
    """Where a cell has no figure stands a letter, and below the table why."""

    def __init__(self):
        self.reasons = []

    def cell(self, value):
        if not isinstance(value, str):
            return number(value)
        if value not in self.reasons:
            self.reasons.append(value)
        return f"({ascii_lowercase[self.reasons.index(value)]})"

    def lines(self):
        return [f"({ascii_lowercase[i]}) {reason}" for i, reason in enumerate(self.reasons)]


def tables(figures):
    """figures: {(row, mode): {name: figure or reason}}; [(title, [[cell]], [note])]: instructions
    of all modes, and what the monitor counted in each of its own."""
    rows = list(dict.fromkeys(row for row, _ in figures))
    modes = list(dict.fromkeys(mode for _, mode in figures))
    notes = Notes()
    found = [("Instructions for each operation", [["operation"] + [title_of(m) for m in modes]] + [
        [ROWS[row][0]] + [notes.cell(figures[row, mode]["instructions"]) for mode in modes]
        for row in rows], notes.lines())]
    found.append(("Wall time, as a multiple of the native one", [found[0][1][0]] + [
        [ROWS[row][0]] + [number(figures[row, mode]["wall ticks"] /
                                 figures[row, "native"]["wall ticks"]) for mode in modes]
        for row in rows], []))
    for mode in modes:
        if MODES.get(mode, (0, 0))[1] != MONITOR:
            continue
        notes = Notes()
        cells = [[ROWS[row][0]] + [notes.cell(figures[row, mode][name]) for name in COUNTERS]
                 for row in rows]
        found.append((f"What the monitor counted for each operation: {title_of(mode)}",
                      [["operation", *COUNTERS]] + cells, notes.lines()))
    return found


def markdown(table):
    title, rows, notes = table
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|---|" + "---:|" * (len(rows[0]) - 1))
    notes = [""] + [f"- {note}" for note in notes] if notes else []
    return "\n".join([f"### {title}", "", *align(lines), *notes]) + "\n"


def write_csv(path, figures):
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["operation", "title", "mode", "figure", "value", "why there is none"])
        for (row, mode), cells in figures.items():
            for name, value in cells.items():
                absent = isinstance(value, str)
                writer.writerow([row, ROWS[row][0], mode, name, "" if absent else value,
                                 value if absent else ""])


CONDITIONS = f"""\
The teaching kernel and its `bench`, one image natively and in the monitor, one operation a boot,
alone on a machine of one CPU, its disk in memory; QEMU with `-icount shift=0,sleep=off`, so that a
tick is an instruction, of program, kernel, monitor and hypervisor together, and repeats to the
digit. The fewest of {MANY} rounds. Instructions are not time: nothing is charged for TLB misses,
nested walks and the delivery of exceptions, which is why svm costs what native does where nothing
exits; and `rep movsb` is an instruction for each byte, which is why the ported kernel, whose SDK
copies by eight, writes files with less than the native one. `make compare` measures again, counts
exits by cause for each mode, and draws `build/compare.html`."""


def write(build, figures):
    """All there is to read."""
    found = tables(figures)
    (build / "compare.txt").write_text("\n".join(map(markdown, found)) + "\n" + CONDITIONS + "\n")
    (build / "compare.md").write_text(
        markdown(("One kernel, all modes: instructions for each operation", *found[0][1:])) +
        "\n" + CONDITIONS + "\n")
    write_csv(build / "compare.csv", figures)
    rows = list(dict.fromkeys(row for row, _ in figures))
    (build / "compare.html").write_text(page.html(
        found, [[(title_of(mode), cells["instructions"]) for (other, mode), cells in
                 figures.items() if other == row] for row in rows],
        [ROWS[row] for row in rows], CONDITIONS))


def machines(build):
    """What boots them, which wants to know at its import what is built where."""
    os.environ["DOMUS_BUILD"] = str(build)
    import archive
    import machine

    return machine, archive


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=" ".join(ROWS))
    arguments = parser.parse_args()
    if unknown := set(arguments.rows) - set(ROWS):
        parser.error(f"no such row: {' '.join(sorted(unknown))}; there are {' '.join(ROWS)}")
    machine, archive = machines(arguments.build)
    figures = {}
    for row in arguments.rows or ROWS:
        print(f"# {ROWS[row][0]}, in {len(MODES)} modes", file=sys.stderr, flush=True)
        for mode in MODES:
            figures[row, mode] = measure(machine, archive, mode, row)
    write(arguments.build, figures)
    print((arguments.build / "compare.txt").read_text())
    print(f"the page: {arguments.build / 'compare.html'}, to compute with: "
          f"{arguments.build / 'compare.csv'}")


if __name__ == "__main__":
    main()
