#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The size of the port, in the form of table 2 of "Xen and the Art of Virtualization" (SOSP 2003):
lines added and removed by category, and their share of the kernel.

    portsize.py KERNEL SERIES

Lines are all lines of a patch's hunks that begin with + or -, comments and blank ones too. A driver
that a patch takes off the list in SOURCES is not counted as removed: it is still there, for
machines that have one."""
import re
import sys
from pathlib import Path

# The paper's rows; what is not named here is Xen-specific code that is no driver.
ROWS = [("Architecture-independent", r"^(?!.*(xen_|entry|trap|vm\.c|x86|clock|segment)).*"),
        ("Virtual network driver", r"xen_net"),
        ("Virtual block-device driver", r"xen_block"),
        ("Xen-specific (non-driver)", r"")]


def row_of(name):
    return next(row for row, pattern in ROWS if re.search(pattern, name))


def count(patch):
    """{file: (added, removed)} of one patch."""
    sizes, name = {}, None
    for line in patch.read_text().split("\ndiff --git", 1)[1].splitlines():
        if line.startswith("+++ ") and not line.startswith("+++ /dev"):
            name = line.split("/", 1)[1]
        elif line.startswith(("+", "-")) and not line.startswith(("+++ ", "--- ")):
            added, removed = sizes.get(name, (0, 0))
            sizes[name] = (added + (line[0] == "+"), removed + (line[0] == "-"))
    return sizes


def kernel_lines(kernel):
    """Of the kernel itself: its programs stay as they are."""
    files = [path for folder in ("kernel", "include") for path in (Path(kernel) / folder).iterdir()]
    return sum(len(path.read_text().splitlines())
               for path in files if path.suffix in (".c", ".h", ".asm"))


def main(arguments):
    if arguments[1:] == ["--help"]:
        sys.exit(print(__doc__))
    if len(arguments) != 3:
        sys.exit(__doc__)
    kernel, folder = Path(arguments[1]), Path(arguments[2])
    names = (folder / "series").read_text().split()
    rows = {row: [0, 0] for row, _ in ROWS}
    print("patch                            lines added   removed")
    for name in names:
        sizes = count(folder / name)
        for file, (added, removed) in sizes.items():
            rows[row_of(file)][0] += added
            rows[row_of(file)][1] += removed
        print(f"  {name:32} {sum(a for a, _ in sizes.values()):>9} "
              f"{sum(r for _, r in sizes.values()):>9}")
    total = kernel_lines(kernel)
    print("\nsubsection (table 2 of the Xen paper)  lines added   removed")
    for row, (added, removed) in rows.items():
        print(f"  {row:38} {added:>9} {removed:>9}")
    added, removed = (sum(values) for values in zip(*rows.values()))
    print(f"  {'Total':38} {added:>9} {removed:>9}")
    print(f"  (of the kernel's {total} lines:           {100 * added / total:>8.1f}% "
          f"{100 * removed / total:>8.1f}%)")


if __name__ == "__main__":
    main(sys.argv)
