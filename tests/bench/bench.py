#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What paravirtual operations cost: boots the benchmark guest on Domus and on real Xen and prints
one table.

    bench.py BUILD [--fast]          (`make bench`)

Each hypervisor is measured twice: under `-icount shift=0,sleep=off`, where one tick is one
instruction of guest and hypervisor together and a run repeats to the digit; and in wall time, where
a tick is a nanosecond of a busy machine and only ratios within one run mean anything. Raw numbers
are kept in BUILD/bench.json. Without Debian's Xen package its columns are empty. --fast leaves the
wall ticks, the teaching kernel and the waiting for ring 0 out.
"""
import argparse
import json
import os
import pathlib
import sys

sys.path[:0] = [str(pathlib.Path(__file__).parents[2] / name)
                for name in ("pvguest-sdk/tools", "tests/tools")]


def measure(machine_module, build, name, hypervisor, icount):
    """One boot of the guest; {(group, name, form): ticks or "refused"}."""
    figures = {}
    print(f"# {name}: booting the benchmark guest", file=sys.stderr, flush=True)
    with machine_module.Machine(name, hypervisor=hypervisor,
                                modules=[[build / "guests" / "bench.elf"]],
                                icount=icount) as machine:
        while True:
            match = machine.expect(r"BENCH (END|([^|\r\n]+)\|([^|\r\n]+)\|([^"
                                   r"|\r\n]+)\|([^\r\n]+))\r*\n", timeout=120)
            if match.group(1) == "END":
                return figures
            group, operation, form, ticks = match.group(2, 3, 4, 5)
            figures[group, operation, form] = int(ticks) if ticks.isdigit() else "refused"


def contention(machine_module, build):
    """Two CPUs that are in ring 0 often: {what they do: (entries, waits, longest wait so far)}."""
    title, entered = r"BENCH ([^|\r\n]+)\r*\n", r"ring 0 was entered (\d+) times"
    waited = r"cpu \d: waited for it (\d+) times, at longest (\d+) us"
    figures, before = {}, (0, 0)
    print("# domus: two CPUs and one ring 0", file=sys.stderr, flush=True)
    with machine_module.Machine("bench-contention", modules=[[build / "guests" / "bench.elf"]],
                                smp=2) as box:
        while (what := box.expect(title, timeout=120).group(1)) != "END":
            entries = int(box.expect(entered).group(1))
            waits, longest = zip(*(map(int, box.expect(waited).groups()) for _ in range(2)))
            figures[what] = entries - before[0], sum(waits) - before[1], max(longest)
            before = entries, sum(waits)
    del figures["before"]
    return figures


def contention_table(figures):
    lines = ["### Waiting for ring 0: two CPUs, an emulated machine on "
             f"{os.cpu_count()} real ones (without icount)", "",
             "| both CPUs make 100,000 calls | entries | waited | of 1,000 | longest so far, µs |",
             "|---|---:|---:|---:|---:|"]
    lines += [f"| {title} | {entries} | {waited} | {1000 * waited / entries:.1f} | {longest} |"
              for title, (entries, waited, longest) in figures.items()]
    return "\n".join(align(lines)) + "\n"


def rows_of(results):
    """The operations in the order the guest made them, each once: hypercall and trap form stand
    side by side."""
    rows = []
    for figures in results.values():
        for group, operation, _ in figures:
            if (group, operation) not in rows:
                rows.append((group, operation))
    order = {group: i for i, group in reversed(list(enumerate(g for g, _ in rows)))}
    return sorted(rows, key=lambda row: order[row[0]])


def figure(results, who, row, form):
    figures = results.get(who, {})
    return figures.get((*row, form), figures.get((*row, "-"), "") if form == "hypercall" else "")


def ratio(ours, theirs):
    return f"{theirs / ours:.1f}" if isinstance(ours, int) \
        and isinstance(theirs, int) and ours else ""


def table(title, results, suffix):
    """A table that reads well in a terminal and is Markdown too."""
    lines = [f"### {title}", "",
             "| operation | Domus: call | trap | Xen: call | trap | Xen/Domus |",
             "|---|---:|---:|---:|---:|---:|"]
    group = None
    for row in rows_of(results):
        if row[0] != group:
            group = row[0]
            lines.append(f"| **{group}** | | | | | |")
        cells = [figure(results, who + suffix, row, form)
                 for who in ("domus", "xen") for form in ("hypercall", "trap")]
        compared = ratio(cells[0], cells[2]) or ratio(cells[1], cells[3])
        lines.append(f"| {row[1]} | " + " | ".join(str(c) for c in cells) + f" | {compared} |")
    return "\n".join(align(lines)) + "\n"


def align(lines):
    """Pads Markdown cells so that the source is a table as well."""
    rows = [[c.strip() for c in line.strip("|").split("|")] if line.startswith("|") else None
            for line in lines]
    width = [max(len(r[i]) for r in rows if r) for i in range(len(next(r for r in rows if r)))]
    out = []
    for line, row in zip(lines, rows):
        if row is None:
            out.append(line)
        elif set(row[0]) == {"-"}:
            out.append("|" + "|".join(["-" * (width[0] + 2)] +
                                      ["-" * (w + 1) + ":" for w in width[1:]]) + "|")
        else:
            out.append("| " + " | ".join([row[0].ljust(width[0])] +
                                         [c.rjust(w) for c, w in zip(row[1:], width[1:])]) + " |")
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--fast", action="store_true", help="instruction counts only")
    arguments = parser.parse_args()
    os.environ["DOMUS_BUILD"] = str(arguments.build)
    import machine
    import teaching

    hypervisors = {"domus": machine.DOMUS}
    if machine.xen_available():
        hypervisors["xen"] = machine.XEN
    else:
        print("# no Xen package to be had: its columns stay empty", file=sys.stderr)
    results = {}
    for name, hypervisor in hypervisors.items():
        results[name + "-icount"] = measure(machine, arguments.build,
                                            f"bench-{name}-icount", hypervisor, True)
        if not arguments.fast:
            results[name + "-wall"] = measure(machine, arguments.build,
                                              f"bench-{name}-wall", hypervisor, False)
    tables = [table("Instructions per operation (guest and hypervisor, -icount shift=0,sleep=off)",
                    results, "-icount")]
    print(tables[0])
    if not arguments.fast:
        print(table("Wall ticks per operation (TSC; compare only within this table)",
                    results, "-wall"))
        kernel = teaching.measure(machine, arguments.build)
        tables.append(teaching.table(kernel, align))
        tables.append(contention_table(contention(machine, arguments.build)))
        print(*tables[1:], sep="\n")
        results["insula"] = kernel
    kept = {who: {"|".join(key): ticks for key, ticks in figures.items()}
            for who, figures in results.items()}
    # what `make figures` puts into the README
    (arguments.build / "bench.md").write_text("\n".join(tables))
    (arguments.build / "bench.json").write_text(json.dumps(kept, indent=1))


if __name__ == "__main__":
    main()
