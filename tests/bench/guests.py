#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a whole guest costs: Debian's Linux as a domU on Domus, and on real Xen with Debian's Linux
as dom0 (tests/tools/rig.py).

    guests.py BUILD [RUNS]        (the last part of `make bench`; GUEST_RUNS=n sets the runs)

The same kernel, initramfs, commands and QEMU configuration on both; runs interleaved; medians, and
the ratio of medians. QEMU emulates, and the machine has other things to do: only the ratios mean
something. Each transfer is preceded by a short one that does not count: QEMU translates code when
it first runs. Raw numbers go to BUILD/guests.json, the table to BUILD/guests.md.
"""
import contextlib
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import time

sys.path[:0] = [str(pathlib.Path(__file__).parents[2] / name)
                for name in ("pvguest-sdk/tools", "tests/tools", "tests/system")]
if __name__ == "__main__":
    if sys.argv[1:2] in ([], ["--help"]):
        sys.exit(__doc__)
    os.environ["DOMUS_BUILD"] = sys.argv[1]
import disk  # noqa: E402  (the tools read DOMUS_BUILD)
import linux_box  # noqa: E402
import machine  # noqa: E402
import rig_box  # noqa: E402

FOLDER = machine.BUILD / "bench-guests"
MEMORY = 4096
ADDRESSES = {"one": "10.0.2.30", "two": "10.0.2.31"}
HOST = "10.0.2.2"
# QEMU's emulation does `rep movsb` one byte after the other, which no processor does that says it
# has fast strings (ERMS, FSRM). So the processor does not say it, on either side, and Linux copies
# by eight bytes; else its own copying would be most of what is measured.
CPU = rig_box.CPU + ",-erms,-fsrm"
# title, block size, how many measured, order; each read and written, by direct I/O, one request at
# a time
DISK = [("1 MiB sequential", 1 << 20, 192, "seq"), ("4 KiB random", 4096, 2000, "rand")]
MEBIBYTES = 64
PINGS = 10


def found(pattern, text):
    match = re.search(pattern, text)
    if not match:
        raise machine.Failed(f"{pattern} is not in:\n{text}")
    return float(match.group(1))


def boot_time(box, name):
    start = time.monotonic()
    box.boot(f"{name}.cfg", 300)
    return getattr(box, "up", time.monotonic()) - start


def disk_rate(box, what, size, count, order):
    for blocks in (count // 8, count):
        said = box.shell("one", f"work disk /dev/xvda {what} {size} {blocks} {order}", 300)
    return found(r"DISK ([\d.]+)", said)


def tcp_rate(box, address, port, receiver):
    """receiver(): makes somebody take one connection at the address."""
    for size in (MEBIBYTES // 8, MEBIBYTES):
        receiver()
        said = box.shell("one", f"work send {address} {port} {size} fast", 300)
    return found(r"SENT \d+ ([\d.]+)", said)


def memory_beyond_its_own(box):
    """KiB of the machine that a domain takes when it is created, beside the memory it was given."""
    before = box.free_pages()[0]
    box.ask("xl create -p two.cfg", 60)
    taken = before - box.free_pages()[0]
    box.ask("xl destroy two", 60)
    return taken * 4 - linux_box.KEYS["memory"] * 1024


def measure(box):
    """One run; {(name, unit): figure}."""
    memory_beyond_its_own(box)              # the first domain makes tables grow, which stay
    memory = memory_beyond_its_own(box)
    figures = {("create to shell", "s"):
               statistics.mean([boot_time(box, name) for name in ADDRESSES])}
    for title, size, count, order in DISK:
        for what in ("read", "write"):
            figures[f"disk, {title} {what}", "MB/s"] = disk_rate(box, what, size, count, order)
    figures["TCP to another domU", "Mbit/s"] = tcp_rate(
        box, ADDRESSES["two"], 5001,
        lambda: box.shell("two", "(work receive 5001 fast > /dev/null 2>&1 &)"))
    with contextlib.ExitStack() as stack:
        port = machine.free_port()
        figures["TCP to the host", "Mbit/s"] = tcp_rate(box,
                                                        HOST, port, lambda: stack.enter_context(
            subprocess.Popen([linux_box.FOLDER / "work", "receive", str(port), "fast"],
                             stdout=subprocess.DEVNULL)))
    for title, target in (("ping another domU", ADDRESSES["two"]), ("ping the host", HOST)):
        figures[title, "ms"] = found(r"= [\d.]+/([\d.]+)/",
                                     box.shell("one", f"ping -c {PINGS} {target}"))
    figures["memory beyond its own", "KiB"] = memory
    return figures


def config(name, disk_path):
    return linux_box.config(name, extra=f"quiet ip4={ADDRESSES[name]}/24 gw4={HOST}",
                            vif=["bridge=br0"],
                            **({"disk": [f"phy:{disk_path},xvda,w"]} if name == "one" else {}))


def configs(disk_path):
    return {f"{name}.cfg": config(name, disk_path) for name in ADDRESSES}


def on_domus():
    return linux_box.LinuxBox("bench-guests-domus", configs("scratch"),
                              memory=MEMORY, disk=FOLDER / "disk.img", snapshot=True)


def on_xen():
    return rig_box.Rig("bench-guests-xen", configs("/dev/disk/scratch"),
                       memory=MEMORY, disk=FOLDER / "disk.img", cpu=CPU)


def table(runs):
    lines = [f"### A Debian Linux domU: medians of {len(runs['domus'])} interleaved runs",
             "", "| what | unit | Domus | Xen + Linux dom0 | Domus is better by |",
             "|---|---|---:|---:|---:|"]
    for key in runs["domus"][0]:
        ours, theirs = (statistics.median(run[key] for run in runs[who]) if runs[who] else None
                        for who in ("domus", "xen"))
        better = "" if theirs is None \
            else f"{theirs / ours if key[1] in ('s', 'ms', 'KiB') else ours / theirs:.1f}"
        lines.append(f"| {key[0]} | {key[1]} | {ours:.3g} | "
                     f"{'' if theirs is None else f'{theirs:.3g}'} | {better} |")
    return "\n".join(lines) + "\n"


def one_run(who, system, runs):
    """A run that fails on real Xen costs the peer's column a figure, not ours."""
    try:
        with system() as box:
            runs[who].append(measure(box))
    except machine.Failed as problem:
        if who == "domus":
            raise
        print(f"# the rig failed, this run of it does not count: {str(problem).splitlines()[0]}",
              file=sys.stderr)


def main():
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    if not (linux_box.FOLDER / "vmlinux").exists():
        print("# Debian's Linux cannot be had here: no figures of whole guests", file=sys.stderr)
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    disk.make_disk(FOLDER / "disk.img", [("scratch", 64, None)])
    machine.DOMUS.cpu = CPU
    runs, systems = {"domus": [], "xen": []}, {"domus": on_domus, "xen": on_xen}
    if rig_box.missing():
        print(f"# no rig: {rig_box.missing()}", file=sys.stderr)
        del systems["xen"]
    for number in range(count):
        for who, system in systems.items():
            print(f"# run {number + 1} of {count} on {who}", file=sys.stderr, flush=True)
            one_run(who, system, runs)
    print(table(runs))
    (machine.BUILD / "guests.md").write_text(table(runs))
    kept = {who: [{" ".join(key): value for key, value in run.items()} for run in done]
            for who, done in runs.items()}
    (machine.BUILD / "guests.json").write_text(json.dumps(kept, indent=1))


if __name__ == "__main__":
    main()
