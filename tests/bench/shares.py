#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How many instructions a Linux guest's work takes, here and on real Xen with Linux as dom0; and
whose they are here.

    shares.py BUILD [--top N]       (the last part of `make bench`)

The operations are those of guests.py, each less what the harness's own way to the guest's shell
takes. QEMU counts with the plugin tests/tools/count.c, so the figures do not depend on how busy the
machine is. The table goes to BUILD/shares.md. --top N also prints the N functions of each operation
that execute most on Domus.
"""
import argparse
import bisect
import collections
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading

sys.path[:0] = [str(pathlib.Path(__file__).parents[2] / name)
                for name in ("pvguest-sdk/tools", "tests/tools", "tests/system")]
parser = argparse.ArgumentParser(description=__doc__,
                                 formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("build", type=pathlib.Path)
parser.add_argument("--top", type=int, default=0, metavar="N")
args = parser.parse_args()
os.environ["DOMUS_BUILD"] = str(args.build)
import disk  # noqa: E402  (the tools read DOMUS_BUILD)
import guests  # noqa: E402
import linux_box  # noqa: E402
import machine  # noqa: E402
import rig_box  # noqa: E402

COUNTS = args.build / "counts"
# Where each of them lives (dom0: pvguest-sdk's head.asm; Linux: its own layout; the hypervisor:
# lib/layout.h).
PLACES = [(0x0, "user programs"), (0xffff800000000000, "hypervisor"),
          (0xffff880000000000, "Linux"), (0xffffffff80000000, "dom0"),
          (0xffffffff81000000, "Linux")]
WHO = ["Linux", "user programs", "dom0", "hypervisor"]


def owner(address):
    return PLACES[bisect.bisect_right([start for start, _ in PLACES], address) - 1][1]


class Counter:
    """What the plugin counts in a machine that runs with it."""

    def __init__(self, box):
        self.box = box

    def dump(self):
        COUNTS.unlink(missing_ok=True)
        os.kill(self.box.child.pid, signal.SIGUSR2)
        self.box.until(lambda: COUNTS.exists() and COUNTS.read_text().endswith("end\n"))

    def counted(self, operation):
        """{address: instructions} while operation() ran."""
        self.dump()
        operation()
        self.dump()
        lines = COUNTS.read_text().splitlines()[:-1]
        return collections.Counter({int(address, 16): int(count)
                                    for address, count in (line.split() for line in lines)})


def symbols_of(path):
    rows = (line.split() for line in subprocess.run(["nm", str(path)], stdout=subprocess.PIPE,
                                                    text=True, check=True).stdout.splitlines())
    return [(int(row[0], 16), row[2]) for row in rows if len(row) == 3 and row[1] in "tT"]


def symbols_of_linux(box):
    """The guest's /proc/kallsyms, which comes by TCP: it is too long for a console."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        received = bytearray()

        def take():
            connection, _ = server.accept()
            with connection:
                while data := connection.recv(1 << 16):
                    received.extend(data)
        taker = threading.Thread(target=take)
        taker.start()
        box.shell("one", f"cat /proc/kallsyms | nc {guests.HOST} {server.getsockname()[1]}", 120)
        taker.join(30)
    rows = (line.split() for line in received.decode().splitlines())
    return [(int(row[0], 16), row[2]) for row in rows if row[1] in "tT"]


def top(counts, symbols, how_many):
    """Lines "SHARE FUNCTION (OWNER)"."""
    addresses = [address for address, _ in symbols]
    by_function, total = collections.Counter(), sum(counts.values())
    for address, count in counts.items():
        at = bisect.bisect_right(addresses, address) - 1
        by_function[(owner(address), symbols[at][1] if at >= 0
                     and owner(address) != "user programs" else "")] += count
    return [f"    {count / total:6.1%}  {name} ({who})"
            for (who, name), count in by_function.most_common(how_many)]


def operations(box):
    """Yields title, function, unit, how many units."""
    def disk_operation(what, size, count, order):
        command = f"work disk /dev/xvda {what} {size} {{}} {order}"
        box.shell("one", command.format(count // 8))
        return lambda: box.shell("one", command.format(count), 300)

    def tcp_to_guest():
        box.shell("two", "(work receive 5001 fast > /dev/null 2>&1 &)")
        box.shell("one", f"work send {guests.ADDRESSES['two']} 5001 {guests.MEBIBYTES} fast", 300)

    def tcp_to_host():
        port = machine.free_port()
        with subprocess.Popen([linux_box.FOLDER / "work", "receive", str(port), "fast"],
                              stdout=subprocess.DEVNULL):
            box.shell("one", f"work send {guests.HOST} {port} {guests.MEBIBYTES} fast", 300)

    yield "create to shell", lambda: box.boot("two.cfg"), "boot", 1
    for title, size, count, order in guests.DISK:
        for what in ("read", "write"):
            yield f"disk, {title} {what}", disk_operation(what, size, count, order), "MiB" \
                if size > 4096 else "request", count
    yield "TCP to another domU", tcp_to_guest, "MiB", guests.MEBIBYTES
    yield "TCP to the host", tcp_to_host, "MiB", guests.MEBIBYTES


def measure(box, symbols=()):
    """{title: (counts, unit, how many units)} of one system. symbols: to print the top functions,
    too."""
    counter, found = Counter(box), {}
    box.boot("one.cfg")
    box.shell("one", "true")
    symbols = symbols and sorted(symbols + symbols_of_linux(box))
    nothing = counter.counted(lambda: box.shell("one", "true"))
    for title, operation, unit, units in operations(box):
        counts = counter.counted(operation)
        found[title] = counts - nothing, unit, units
        print(f"# {box.name}: {title}: {found[title][0].total():,}", file=sys.stderr, flush=True)
        if symbols:
            print("\n".join(top(counts, symbols, args.top)), flush=True)
    return found


def row(title, counts, unit, units, theirs):
    shares, total = collections.Counter(), counts.total()
    for address, count in counts.items():
        shares[owner(address)] += count
    peer = f"{theirs.total() / units / 1000:,.0f} | {theirs.total() / total:.1f}" \
        if theirs else " | "
    return f"| {title} | {unit} | {total / units / 1000:,.0f} | {peer} | " + \
        " | ".join(f"{shares[who] / total:.0%}" for who in WHO) + " |"


def plugin():
    return ["-plugin", f"{args.build / 'count.so'},out={COUNTS}"]


def on_xen():
    """What the peer takes; nothing where it cannot be had."""
    if rig_box.missing():
        print(f"# no rig: {rig_box.missing()}", file=sys.stderr)
        return {}
    try:
        with rig_box.Rig("bench-shares-xen", guests.configs("/dev/disk/scratch"),
                         memory=guests.MEMORY, disk=guests.FOLDER / "disk.img",
                         cpu=guests.CPU, extra=plugin()) as box:
            return measure(box)
    except machine.Failed as problem:
        print(f"# the rig failed: {str(problem).splitlines()[0]}", file=sys.stderr)
        return {}


def main():
    if not (linux_box.FOLDER / "vmlinux").exists():
        print("# Debian's Linux cannot be had here: no shares", file=sys.stderr)
        return
    guests.FOLDER.mkdir(parents=True, exist_ok=True)
    disk.make_disk(guests.FOLDER / "disk.img", [("scratch", 64, None)])
    machine.DOMUS.cpu = guests.CPU
    with linux_box.LinuxBox("bench-shares-domus", guests.configs("scratch"),
                            memory=guests.MEMORY, disk=guests.FOLDER / "disk.img", snapshot=True,
                            extra=plugin()) as box:
        ours = measure(box, symbols_of(args.build / "domus.elf") +
                       symbols_of(args.build / "dom0.elf") if args.top else ())
    theirs = on_xen()
    lines = ["### Its instructions, in thousands; and whose they are on Domus", "",
             "| what | per | Domus | Xen + Linux dom0 | Domus is better by | " +
             " | ".join(WHO) + " |", "|---|---|---:|---:|---:|" + "---:|" * len(WHO)]
    lines += [row(title, *measured, theirs[title][0] if title in theirs else None)
              for title, measured in ours.items()]
    print("\n".join(lines))
    (args.build / "shares.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
