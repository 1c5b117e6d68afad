#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What each patch of the port takes away, and what that is worth: the instructions of the kernel
that trap or lie (as domus-scan finds them), after each patch; and what its services cost, once it
runs. Writes BUILD/curve.csv and BUILD/curve.html, one file with nothing to fetch.

    curve.py BUILD         (`make curve`)

Patch 0 is the kernel as it was, which runs in the monitor (mode=trap); patches 1 to 6 reach no
program; from patch 7 on the kernel is run as compare.py does it, by -icount: alone, its disk in
memory, so the patches of the front ends and after them (from 9 on) are not measured.
"""
import csv
import json
import math
import pathlib
import subprocess
import sys

sys.path[:0] = [str(pathlib.Path(__file__).parents[2] / name)
                for name in ("tests/bench", "pvguest-sdk/tools", "tests/tools")]
import compare  # noqa: E402
import page  # noqa: E402

SERIES = pathlib.Path(__file__).parents[2] / "patches/series/series"
PATCHES = range(len(SERIES.read_text().split()) + 1)
RUNS = {0: "trap", 7: "pv-one", 8: "pv-batched"}        # compare.py's modes
SERVICES = ["null_call", "fork_exit_wait", "pipe_round_trip", "page_fault"]
NOT_RUN = "no program runs yet"
WITH_DOM0 = "its disk or card is dom0's"


def findings(build, patch):
    """{class: how many instructions}, of those that are code without doubt."""
    elf = [build / f"port/step-{patch}/insula.elf"] if patch else [
        "--code32", ".boot", build / "native/insula.elf"]
    done = subprocess.run([build / "domus-scan", "--json", *elf],
                          capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1, 3):
        sys.exit(done.stderr)
    found = [one["class"] for one in json.loads(done.stdout)["findings"] if not one["doubt"]]
    return {kind: found.count(kind) for kind in ("privileged", "silent")}


def cost(tools, archive, patch, row):
    if patch not in RUNS:
        return NOT_RUN if patch < min(set(RUNS) - {0}) else WITH_DOM0
    return compare.run(tools, archive, RUNS[patch], [row], compare.MANY)[0][row]


def line(points, place, colour):
    """points: [(patch, value)], joined, each with its value."""
    spots = [(*place(patch, value), value) for patch, value in points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in spots)
    marks = "".join(f'<g><title>{value:,}</title>{page.mark("circle", x, y, colour)}</g>'
                    for x, y, value in spots)
    return f'<polyline points="{path}" fill="none" stroke="{colour}"/>{marks}'


def drawing(title, series, scale, ticks):
    """series: {name: [(patch, value)]}; scale: of a value, 0 at the lowest tick, 1 at the last."""
    width, height, left, base = 900, 380, 90, 330

    def place(patch, value):
        return left + 40 + patch * (width - left - 80) / max(PATCHES), base - scale(value) * 260

    parts = [f'<text x="{left}" y="20">{page.escape(title)}</text>']
    for tick in ticks:
        y = place(0, tick)[1]
        parts.append(f'<line x1="{left}" x2="{width - 20}" y1="{y:.1f}" y2="{y:.1f}" '
                     f'stroke="#ddd"/><text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">'
                     f"{tick:,}</text>")
    for patch in PATCHES:
        x = place(patch, 1)[0]
        parts.append(f'<text x="{x:.1f}" y="{base + 22}" text-anchor="middle">{patch}</text>')
    for number, (name, points) in enumerate(series.items()):
        colour = page.COLOURS[1 + number]
        parts.append(line(points, place, colour) + page.mark(
            "circle", left + 200 * number + 8, 40, colour) +
            f'<text x="{left + 200 * number + 20}" y="44">{page.escape(name)}</text>')
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
            f'aria-label="{page.escape(title)}">{page.LETTERS}' + "\n".join(parts) + "</svg>")


def series_of(figures, names):
    return {name: [(patch, row[name]) for patch, row in figures.items()
                   if not isinstance(row[name], str)] for name in names}


def largest(series):
    return max(value for points in series.values() for _, value in points)


def write(build, figures):
    """figures: {patch: {name: figure, or the reason why there is none}}"""
    names = list(figures[0])
    with (build / "curve.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["patch", "figure", "value", "why there is none"])
        for patch, row in figures.items():
            writer.writerows([patch, name, "" if isinstance(value, str) else value,
                              value if isinstance(value, str) else ""]
                             for name, value in row.items())
    kinds, services = series_of(figures, names[:2]), series_of(figures, names[2:])
    most = -(-largest(kinds) // 20) * 20
    powers = math.ceil(math.log10(largest(services)))
    parts = ["<h1>What a port takes away, and what it gains</h1>",
             drawing("Instructions that trap (privileged) or lie (silent), after each patch",
                     kinds, lambda value: value / most, range(0, most + 1, most // 5)),
             drawing("Instructions for each operation; patch 0: unported, in the monitor",
                     services, lambda value: math.log10(max(1, value)) / powers,
                     [10 ** power for power in range(powers + 1)]),
             page.table([["patch", *names]] + [
                 [patch] + [value if isinstance(value, str) else f"{value:,}"
                            for value in row.values()] for patch, row in figures.items()])]
    (build / "curve.html").write_text(
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/><title>The curve of the '
        f"port</title><style>{page.STYLE}</style></head>\n<body>" + "\n".join(parts) +
        "</body></html>\n")


def main():
    if sys.argv[1:2] in ([], ["--help"]):
        sys.exit(__doc__)
    build = pathlib.Path(sys.argv[1])
    tools, archive = compare.machines(build)
    figures = {}
    for patch in PATCHES:
        print(f"# patch {patch}", file=sys.stderr, flush=True)
        figures[patch] = findings(build, patch) | {
            row: cost(tools, archive, patch, row) for row in SERVICES}
    write(build, figures)
    print((build / "curve.csv").read_text() + f"the page: {build / 'curve.html'}")


if __name__ == "__main__":
    main()
