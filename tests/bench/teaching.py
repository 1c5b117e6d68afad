# SPDX-License-Identifier: MIT
"""The teaching kernel's own figures: the same program (`bench` in its shell) natively on QEMU and
as a domU of Domus.

Each is run twice. Under -icount shift=0,sleep=off a tick is an instruction: natively the kernel's
and the program's, as a domU the hypervisor's and dom0's share besides; what waits for the disk is
left out there, because the clock of an idle CPU jumps. In wall time a tick is one of the TSC, and
everything counts.
"""
import shutil

FIGURE = r"bench: (\w+)(?: (\d+))?\r*\n"
TITLES = {
    "null_call": "system call (getpid)", "fork_exit_wait": "fork, exit, wait",
    "fork_exec_wait": "fork, exec, wait",
    "pipe_round_trip": "pipe round trip between two processes",
    "page_fault": "page fault (first touch of a heap page)",
    "file_write_4k": "file write, 4 KiB, into the log",
    "file_write_sync": "4 file writes and sync to disk",
}
WAITS_FOR_DISK = {"file_write_4k", "file_write_sync"}


def read_figures(machine, where, figures):
    """Collects the lines of one run, until `bench: done`."""
    while True:
        match = machine.expect(FIGURE, timeout=300)
        if match.group(1) == "done":
            return
        if match.group(2):
            figures[match.group(1), where] = int(match.group(2))


def measure_native(tools, build, figures, icount):
    disk = build / "disks" / "bench-native.img"
    disk.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(build / "native" / "insula-fs.img", disk)
    kernel = tools.Hypervisor("native", build / "native" / "insula.elf",
                              ["ip=10.0.2.15/24", "gw=10.0.2.2", "run=bench;poweroff"], "max")
    with tools.Machine("bench-insula-native", hypervisor=kernel,
                       modules=[], disk=disk, net="user,id=n0", icount=icount) as machine:
        read_figures(machine, "native", figures)


def measure_domu(tools, build, figures, icount):
    with tools.Machine("bench-insula-domu", modules=[[build / "dom0.elf"], [build / "archive.tar"]],
                       disk=tools.fresh_disk("bench-domu"),
                       net="user,id=n0", icount=icount) as machine:
        machine.expect("dom0: ready", timeout=120)
        machine.send("consoles on")
        machine.send("xl create insula-bench.cfg")
        read_figures(machine, "domU", figures)


def measure(tools, build):
    """{(operation, "native" or "domU", "icount" or "wall"): ticks}"""
    all_figures = {}
    for clock in ("icount", "wall"):
        figures = {}
        measure_native(tools, build, figures, clock == "icount")
        measure_domu(tools, build, figures, clock == "icount")
        all_figures.update({(operation, where, clock): ticks
                            for (operation, where), ticks in figures.items()
                            if clock == "wall" or operation not in WAITS_FOR_DISK})
    return all_figures


def table(figures, align):
    lines = ["### The teaching kernel, native beside domU: instructions, and wall ticks (TSC)", "",
             "| operation | native: instructions | domU | domU/native | native: ticks | domU | "
             "domU/native |", "|---|---:|---:|---:|---:|---:|---:|"]
    for operation, title in TITLES.items():
        cells = []
        for clock in ("icount", "wall"):
            native, domu = (figures.get((operation, where, clock), "")
                            for where in ("native", "domU"))
            cells += [native, domu, f"{domu / native:.1f}" if native and domu else ""]
        lines.append(f"| {title} | " + " | ".join(str(cell) for cell in cells) + " |")
    return "\n".join(align(lines)) + "\n"
