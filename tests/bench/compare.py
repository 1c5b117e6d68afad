#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""One kernel and its programs, run in all the ways there are here: what each service costs in
instructions, and why. Writes BUILD/compare.txt, .md, .csv, .html and .svg.

    compare.py BUILD [ROW...]        (`make compare`; without rows: all)

The teaching kernel's `bench` natively on QEMU; the same image in the monitor, interpreted, half and
half, translated, trapped and emulated, and on hardware assistance; and ported, hypercalls one by
one (patch 7) and batched (patch 8). Each is alone on its machine: in dom0's place, its disk in
memory. QEMU runs with `-icount shift=0,sleep=off`: a tick is an instruction of program, kernel,
monitor and hypervisor together, so the figures repeat to the digit. (So the world switch of
hardware assistance, VMRUN and the exit, is one of them, and a nested walk none; on a CPU both take
their time.) So many machines at a time as there are CPUs: no instruction is another for that.

Single events (nano_...) are those of a smaller kernel, tests/monitor/nano.c.

Its wall time is that of another run, without -icount, where a tick is one of the TSC and a mode
does its rows one after the other; as a multiple of the native one's, and as good as the machine is
idle. Rows of a disk and a card have that alone (devices.py).

An operation's instructions are the fewest of its rounds. What the monitor counted is the
difference of two runs, one of more rounds, divided by the rounds: without start and end, with what
`bench` itself does between two rounds, with the ticks of the clock, and with a digit that its line
has more or less.
"""
import argparse
import concurrent.futures
import csv
import os
import pathlib
import re
import sys
from string import ascii_lowercase

sys.path[:0] = [str(pathlib.Path(__file__).parents[2] / name)
                for name in ("pvguest-sdk/tools", "tests/tools")]
import devices  # noqa: E402
import page  # noqa: E402
import papers  # noqa: E402
from bench import align  # noqa: E402

# bench's name: title, whose name it is, what is done. lmbench is McVoy and Staelin's, nano the set
# of Adams and Agesen (2006).
ROWS = {
    "nothing": ("(empty)", "", "what measuring itself costs; it is in all rows"),
    "null_call": ("null call", "lmbench; nano: syscall", "getpid"),
    "fstat": ("fstat", "lmbench", "of the console"),
    "stat": ("stat", "lmbench", "/bin/true: opened, asked, closed; there is no stat by name"),
    "open_close": ("open/close", "lmbench", "/bin/true"),
    "file_create_delete": ("file create and delete, 0K", "lmbench", "an empty one, both together"),
    "fork_exit_wait": ("fork", "lmbench: fork+exit", "fork, exit, wait"),
    "fork_exec_wait": ("exec", "lmbench: fork+execve", "/bin/true, and wait for it"),
    "fork_shell_wait": ("sh", "lmbench: fork+/bin/sh -c", "the shell starts /bin/true"),
    "pipe_round_trip": ("pipe", "lmbench", "a byte to another process and back"),
    **{f"ring_{count}_{kib}": (
        f"context switch {count}p/{kib}K", "as lmbench, neither pipe nor sum taken off",
        f"one step of a byte around {count} processes, each sums {kib} KiB of its own")
       for count in (2, 8, 16) for kib in (0, 16, 64)},
    "heap_grow_shrink": ("mmap", "as lmbench, which maps a file",
                         "64 KiB more heap, and less again; nothing is touched"),
    "page_fault": ("pgfault", "nano", "first touch of a page of the heap, which is then zeroed"),
    "file_write_4k": ("file write, 4 KiB", "", "into the log, in memory"),
    "file_write_sync": ("4 file writes and sync", "", "to a disk in memory"),
    "disk_write": ("disk write, 4 KiB", "", "of 64 one after the other, then sync"),
    "disk_read": ("disk read, 4 KiB", "", "of 300 one after the other, more than is cached"),
    "net_round_trip": ("network, there and back", "",
                       "1,472 bytes by UDP to the router, QEMU's, which says no"),
    "net_send": ("network send, 1,472 bytes", "", "the same, four at a time"),
    "nano_nothing": ("nano: (empty)", "", "what measuring itself costs; it is in all of nano"),
    "nano_syscall": ("nano: syscall", "nano", "SYSCALL, which does SYSRET at once"),
    "nano_in": ("nano: in", "nano", "from port 0x80"),
    "nano_cr8": ("nano: cr8wr", "nano", "mov to CR8"),
    "nano_cr3": ("nano: cr3 write", "", "the same root again"),
    "nano_call": ("nano: call/ret", "nano", "a function that does nothing"),
    "nano_pgfault": ("nano: pgfault", "nano", "nothing is there; the handler goes on behind it"),
    "nano_divzero": ("nano: divzero", "nano", "so, too"),
    "nano_protection": ("nano: protection fault", "lmbench's name",
                        "IRET to user mode, which writes to a page that it may only read"),
    "nano_ptemod": ("nano: ptemod", "nano", "an entry of a page table in use has another page"),
    "nano_ptemod_used": ("nano: ptemod, and used", "", "then INVLPG, and a load from there"),
}
TITLES = {row: title for row, (title, _, _) in ROWS.items()}
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
    "shadow fills": r"(\d+) entries filled", "shadow reviews": r"(\d+) reviewed",
    "translated": r"(\d+) blocks translated", "validations": r"(\d+) validations",
}
FEW, MANY = 1, 9
MINIMAL = "nano_"                       # rows of tests/monitor/nano.c
NOT_PORTED = "nano is a kernel for PCs alone; `make bench` has a hypercall beside each trap"
TOO_SHORT = "nano: single events are shorter than the steps of the clock"
NO_MONITOR = {NATIVE: "native: there is no monitor", PORT: "ported: there is no monitor"}
ALL_INTERPRETED = "user=emulate: all is interpreted, so nothing exits"


def command_line(rows, rounds):
    """The kernel's, to do these rows, which are all of one kernel."""
    names = " ".join(rows)
    return f"n {rounds} {names}" if rows[0].startswith(MINIMAL) else \
        f"run=bench {rounds} {names};poweroff"


def images(tools, row):
    """The kernel's image, and its disk's."""
    build = tools.BUILD
    return (build / "archive/hostile.elf" if row.startswith(MINIMAL)
            else build / "native/insula.elf"), build / "native/insula-fs.img"


def boot(tools, archive, mode, rows, rounds, icount):
    """A machine with the kernel of these rows run in that mode."""
    _, kind, words = MODES[mode]
    kernel, disk = images(tools, rows[0])
    line = command_line(rows, rounds).split(" ")
    hypervisor, name = tools.DOMUS, f"compare-{mode}-{rows[0]}-{rounds}"
    if kind == NATIVE:
        hypervisor = tools.Hypervisor("native", kernel, line, tools.DOMUS.cpu)
        modules = [[disk]]
    elif kind == PORT:
        modules = [[tools.BUILD / f"port/step-{words}/insula.elf"] + line, [disk]]
    else:
        tar = tools.BUILD / "compare" / f"{name}.tar"
        archive.make_archive(tar, [f"{kernel}=kernel.elf", disk])
        line[0] = "args=" + line[0]
        modules = [[tools.BUILD / "guests" / "monitor.elf"] + words.split(" ") +
                   "memory=32 kernel=kernel.elf module=insula-fs.img".split(" ") + line, [tar]]
    return tools.Machine(name, hypervisor=hypervisor, modules=modules, memory=256, icount=icount,
                         smp=1)


def run(tools, archive, mode, rows, rounds, icount=True):
    """One boot that does these rows so often: ({row: ticks}, {counter: number})."""
    with boot(tools, archive, mode, rows, rounds, icount) as machine:
        ticks = {row: int(machine.expect(rf"bench: {row} (\d+)\r", timeout=600).group(1))
                 for row in rows}
        machine.expect("bench: done", timeout=60)
        machine.wait_off(60)
    said = tools.ESCAPES.sub("", machine.transcript.read_text(errors="replace"))
    found = {name: re.search("monitor: .*?" + pattern, said) for name, pattern in COUNTERS.items()}
    return ticks, {name: int(match.group(1)) for name, match in found.items() if match}


def absent(mode, row):
    """Why there is nothing at all to measure of it, if that is so."""
    kind = MODES[mode][1]
    if kind == PORT and row.startswith(MINIMAL):
        return NOT_PORTED
    if mode == "pv-one" and row in devices.ROWS:
        return devices.NO_FRONT_ENDS
    return None


def count(build, mode, row):
    """{"instructions" or a counter: figure, or the reason why there is none}"""
    kind = MODES[mode][1]
    reason = absent(mode, row) or (devices.NO_TWO_ALIKE if row in devices.ROWS else None)
    if reason:
        return dict.fromkeys(["instructions", *COUNTERS], reason)
    tools, archive = machines(build)
    ticks, many = run(tools, archive, mode, [row], MANY)
    own = {"instructions": ticks[row]}
    if kind != MONITOR:
        return own | dict.fromkeys(COUNTERS, NO_MONITOR[kind])
    _, few = run(tools, archive, mode, [row], FEW)
    return own | {
        name: (many[name] - few[name]) / (MANY - FEW) / per(row) if name in many
        else ALL_INTERPRETED for name in COUNTERS}


def clock(build, mode, rows):
    """{row: ticks of the TSC, or the reason why there are none}"""
    tools, archive = machines(build)
    found = {row: absent(mode, row) or (TOO_SHORT if row.startswith(MINIMAL) else None)
             for row in rows}
    own = [row for row in rows if not found[row] and row not in devices.ROWS]
    for at in range(0, len(own), 12):           # a command of the shell has so many words
        found |= run(tools, archive, mode, own[at:at + 12], MANY, icount=False)[0]
    own = [row for row in devices.ROWS if row in found and not found[row]]
    if own:
        _, kind, words = MODES[mode]
        found |= devices.native(tools, own) if kind == NATIVE else \
            devices.domu(tools, words if kind == MONITOR else None, own)
    return found


def measure(build, rows):
    """{(row, mode): {"instructions", "wall ticks" or a counter: figure, or reason}}"""
    wanted = [(row, mode) for row in rows for mode in MODES]
    with concurrent.futures.ProcessPoolExecutor(os.cpu_count()) as pool:
        counting = {key: pool.submit(count, build, key[1], key[0]) for key in wanted}
        figures = {}
        for row, mode in wanted:
            if mode == "native":
                print(f"# {ROWS[row][0]}, in {len(MODES)} modes", file=sys.stderr, flush=True)
            figures[row, mode] = counting[row, mode].result()
    for mode in MODES:
        print(f"# wall time: {title_of(mode)}", file=sys.stderr, flush=True)
        for row, ticks in clock(build, mode, rows).items():
            figures[row, mode]["wall ticks"] = ticks
    return figures


def per(row):
    """How many of what the row is named after one round does (bench.c divides its ticks by it)."""
    if row.startswith("ring_"):
        return int(row.split("_")[1])
    return {"page_fault": 16, "file_write_4k": 4, "disk_write": 64, "disk_read": 300,
            "net_send": 32}.get(row, 1)


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


def ratio(figures, row, mode):
    own, natively = (figures[row, m]["wall ticks"] for m in (mode, "native"))
    return own if isinstance(own, str) else own / max(1, natively)


def tables(figures):
    """figures: {(row, mode): {name: figure or reason}}; [(title, [[cell]], [note])]: instructions
    of all modes, wall time, what the monitor counted in each of its own, and what papers say."""
    rows = list(dict.fromkeys(row for row, _ in figures))
    modes = list(dict.fromkeys(mode for _, mode in figures))
    head = ["operation"] + [title_of(mode) for mode in modes]
    found = []

    def add(title, head, cell, names):
        notes = Notes()
        found.append((title, [head] + [[ROWS[row][0]] + [notes.cell(cell(row, name))
                                                         for name in names]
                                       for row in rows], notes.lines()))

    add("Instructions for each operation", head,
        lambda row, mode: figures[row, mode]["instructions"], modes)
    add("Wall time, as a multiple of the native one", head,
        lambda row, mode: ratio(figures, row, mode), modes)
    for mode in modes:
        if MODES.get(mode, (0, 0))[1] == MONITOR:
            add(f"What the monitor counted for each operation: {title_of(mode)}",
                ["operation", *COUNTERS],
                lambda row, name, mode=mode: figures[row, mode][name], COUNTERS)
    return found + papers.tables(figures, TITLES)


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


PICTURE = "tests/bench/compare.svg"     # in the README: `make figures` puts it there
CONDITIONS = f"""\
The teaching kernel and its `bench`, one image natively and in the monitor (nano: a smaller kernel,
`tests/monitor/nano.c`), one operation a boot, alone on a machine of one CPU, its disk in memory;
QEMU with `-icount shift=0,sleep=off`, so that a tick is an instruction, of program, kernel, monitor
and hypervisor together, and repeats to the digit. The fewest of {MANY} rounds. Instructions are not
time: nothing is charged for TLB misses, nested walks and the delivery of exceptions, which is why
svm costs what native does where nothing exits; and `rep movsb` is an instruction for each byte,
which is why the ported kernel, whose SDK copies by eight, writes files with less than the native
one. `make compare` measures again, counts exits by cause for each mode, has wall time beside the
native one's, and draws `build/compare.html`."""


def write(build, figures):
    """All there is to read."""
    found = tables(figures)
    (build / "compare.txt").write_text("\n".join(map(markdown, found)) + "\n" + CONDITIONS + "\n")
    (build / "compare.md").write_text("\n".join(
        [markdown(("One kernel, all modes: instructions for each operation", *found[0][1:])),
         f"![Instructions for each operation, in each mode]({PICTURE})\n", CONDITIONS, "",
         *map(markdown, papers.tables(figures, TITLES))]))
    write_csv(build / "compare.csv", figures)
    rows = [row for row in dict.fromkeys(row for row, _ in figures) if row not in devices.ROWS]
    picture = page.drawing(
        [[(title_of(mode), cells["instructions"]) for (other, mode), cells in figures.items()
          if other == row] for row in rows], [ROWS[row][0] for row in rows])
    (build / "compare.svg").write_text(picture + "\n")
    (build / "compare.html").write_text(page.html(
        found, picture, [ROWS[row] for row in dict.fromkeys(row for row, _ in figures)],
        CONDITIONS))


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
    figures = measure(arguments.build, arguments.rows or list(ROWS))
    write(arguments.build, figures)
    print((arguments.build / "compare.txt").read_text())
    print(f"the page: {arguments.build / 'compare.html'}, to compute with: "
          f"{arguments.build / 'compare.csv'}")


if __name__ == "__main__":
    main()
