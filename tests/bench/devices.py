# SPDX-License-Identifier: MIT
"""Disk and network of the teaching kernel, for compare.py: `bench`'s rows that want a real disk and
a card. By wall time only: how long they take is the host's affair, and no two runs have the same
instructions.

Natively the kernel has QEMU's disk and card itself. Ported, and in the monitor, it is a domU whose
disk and card are dom0's, which has QEMU's.
"""
import shutil

ROWS = ("disk_write", "disk_read", "net_round_trip", "net_send")
ROUNDS = 5
NO_TWO_ALIKE = "it waits for the host's disk or network: no two runs have the same instructions"
NO_FRONT_ENDS = "one by one: the front ends come later in the series, when it is batched (8, 9, 10)"


def line(address, rows):
    return f"ip=10.0.2.{address}/24 gw=10.0.2.2 run=bench {ROUNDS} {' '.join(rows)};poweroff"


def read(machine, rows):
    """{row: ticks}"""
    return {row: int(machine.expect(rf"bench: {row} (\d+)\r", timeout=600).group(1))
            for row in rows}


def native(tools, rows):
    build = tools.BUILD
    disk = build / "disks" / "compare-native.img"
    disk.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(build / "native" / "insula-fs.img", disk)
    kernel = tools.Hypervisor("native", build / "native" / "insula.elf",
                              line(15, rows).split(" "), tools.DOMUS.cpu)
    with tools.Machine("compare-devices-native", hypervisor=kernel, modules=[], memory=256,
                       disk=disk, net="user,id=n0", smp=1) as machine:
        return read(machine, rows)


def domu(tools, words, rows):
    """words: the monitor's; None: the port."""
    configuration = "insula-bench.cfg" if words is None else "monitor-trap.cfg"
    extra = "" if words is None else f"{words} memory=32 args="
    with tools.Machine("compare-devices-domu",
                       modules=[[tools.BUILD / name] for name in ("dom0.elf", "archive.tar")],
                       disk=tools.fresh_disk("compare-devices"), net="user,id=n0",
                       smp=1) as machine:
        machine.expect("dom0: ready", timeout=120)
        machine.send("consoles on")
        machine.send(f'xl create {configuration} extra="{extra}{line(50, rows)}"')
        return read(machine, rows)
