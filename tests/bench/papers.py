# SPDX-License-Identifier: MIT
"""What others have published of the same, beside ours, for compare.py; theirs is marked so.

Adams and Agesen, A Comparison of Software and Hardware Techniques for x86 Virtualization (ASPLOS
2006), the text of chapter 6.3. Their software VMM translates, with shadow page tables; their
hardware VMM runs on the VT-x of 2006, with shadow page tables, too. What the text does not say in
numbers stands in its words.

Barham and others, Xen and the Art of Virtualization (SOSP 2003), tables 3 to 5: microseconds of
lmbench on a Xeon of 2.4 GHz, in Linux 2.4.21 (L-UP), the same on Xen, in VMware Workstation 3.2,
and as User-mode Linux.
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

BARHAM = {
    "null_call": (.45, .46, .73, 24.7),
    "stat": (1.28, 1.22, 1.88, 36.1),
    "open_close": (1.92, 1.88, 2.99, 62.8),
    "fork_exit_wait": (110, 198, 874, 21000),
    "fork_exec_wait": (530, 768, 2300, 33000),
    "fork_shell_wait": (4000, 4800, 10000, 58000),
    "ring_2_0": (.77, 1.97, 18.1, 15.5),
    "ring_2_16": (.91, 2.22, 17.6, 14.6),
    "ring_2_64": (1.06, 2.67, 21.3, 14.4),
    "ring_8_16": (1.03, 3.07, 22.4, 16.3),
    "ring_8_64": (24.3, 28.7, 51.6, 36.8),
    "ring_16_16": (3.61, 7.08, 41.7, 23.6),
    "ring_16_64": (37.6, 39.4, 72.2, 52.0),
    "heap_grow_shrink": (68, 139, 620, 1400),
    "page_fault": (1.42, 2.73, 12.4, 26.3),
}
BESIDE_BARHAM = ("native", "pv-batched", "trap", "translate", "svm", "emulate")


def own(figures, row, mode):
    """Instructions, less those of measuring; of a system call the user measures, who runs directly
    in all these modes, as natively."""
    where = "native" if row == "nano_syscall" else mode
    return figures[row, mode]["instructions"] - figures[EMPTY, where]["instructions"]


def cell(value):
    return f"{value:,}" if isinstance(value, int) else value


def adams_agesen(figures):
    lines = [[row.removeprefix("nano_")] +
             [cell(own(figures, row, mode)) for mode in MODES] +
             [cell(value) for value in ADAMS_AGESEN[row]] for row in ADAMS_AGESEN]
    head = ["event", *MODES, "theirs: native", "theirs: software VMM", "theirs: hardware VMM"]
    return ("Beside Adams and Agesen (2006)", [head] + lines, [
        "ours: instructions, less those of measuring (translate interprets RDTSC)",
        "theirs: cycles of a Pentium 4, as published; their hardware VMM had no nested paging"])


def times(values, shown):
    """Each, with how many times the first it is."""
    return [shown(values[0])] + [f"{shown(value)} ({value / values[0]:,.1f})"
                                 for value in values[1:]]


def barham(figures, titles):
    lines = [[titles[row]] +
             times([figures[row, mode]["instructions"] for mode in BESIDE_BARHAM], "{:,}".format) +
             times(BARHAM[row], "{:,}".format) for row in BARHAM]
    head = ["operation", *(mode.replace("pv-batched", "PV, batched") for mode in BESIDE_BARHAM),
            "theirs: Linux", "theirs: Xen", "theirs: VMware", "theirs: UML"]
    return ("Beside Xen and the Art of Virtualization (2003)", [head] + lines, [
        "ours: instructions, and how many times the native ones",
        "theirs: microseconds of lmbench on a Xeon of 2.4 GHz, as published (thousands rounded), "
        "and how many times Linux's",
        "their stat and mmap are of a file by name"])


def tables(figures, titles):
    """[(title, [[cell]], [note])] of those papers of which all rows were measured."""
    def measured(rows, modes):
        return all(isinstance(figures.get((row, mode), {}).get("instructions"), int)
                   for row in rows for mode in modes)

    return ([barham(figures, titles)] if measured(BARHAM, BESIDE_BARHAM) else []) + \
        ([adams_agesen(figures)] if measured([*ADAMS_AGESEN, EMPTY], MODES) else [])
