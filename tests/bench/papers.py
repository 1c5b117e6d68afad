# SPDX-License-Identifier: MIT
"""What others have published of the same, beside ours, for compare.py; theirs is marked so.

Adams and Agesen, A Comparison of Software and Hardware Techniques for x86 Virtualization (ASPLOS
2006), the text of chapter 6.3. Their software VMM translates, with shadow page tables; their
hardware VMM runs on the VT-x of 2006, with shadow page tables, too. What the text does not say in
numbers stands in its words.
"""
NATIVE, SOFTWARE, HARDWARE = range(3)
ADAMS_AGESEN = {
    "nano_syscall": ("not said", "about 2,000 more", "as native"),
    "nano_in": (3209, "a fifteenth of native", 15826),
    "nano_cr8": ("four times 35", 35, "as native"),
    "nano_call": (11, 51, 11),
    "nano_pgfault": (1093, 3927, 11242),
    "nano_divzero": (889, 3223, 1014),
    "nano_ptemod": (1, 391, 12733),
}
MODES = ("native", "trap", "translate", "svm", "emulate")
EMPTY = "nano_nothing"


def own(figures, row, mode):
    """Instructions, less those of measuring; of a system call the user measures, who runs directly
    in all these modes, as natively."""
    where = "native" if row == "nano_syscall" else mode
    return figures[row, mode]["instructions"] - figures[EMPTY, where]["instructions"]


def cell(value):
    return f"{value:,}" if isinstance(value, int) else value


def tables(figures):
    """[(title, [[cell]], [note])] of what is there of both."""
    rows = [row for row in ADAMS_AGESEN if (row, MODES[0]) in figures
            and (EMPTY, MODES[0]) in figures]
    if not rows:
        return []
    lines = [[row.removeprefix("nano_")] +
             [cell(own(figures, row, mode)) for mode in MODES] +
             [cell(value) for value in ADAMS_AGESEN[row]] for row in rows]
    head = ["event", *MODES, "theirs: native", "theirs: software VMM", "theirs: hardware VMM"]
    return [("Beside Adams and Agesen (2006)", [head] + lines, [
        "ours: instructions, less those of measuring (translate interprets RDTSC)",
        "theirs: cycles of a Pentium 4, as published; their hardware VMM had no nested paging"])]
