#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""make run and make gdb: the demo system with dom0's prompt on this terminal.

    run.py BUILD [--gdb]

Host ports: UDP and TCP are reached through QEMU's user network; see the README for what listens behind it.
"""
import os
import pathlib
import sys

build = sys.argv[1]
os.environ["DOMUS_BUILD"] = build
sys.path.insert(0, str(pathlib.Path(__file__).parent))
import machine  # noqa: E402  (it reads DOMUS_BUILD)


def command(accel):
    return ["qemu-system-x86_64", "-M", "q35", "-accel", accel, "-cpu", "host" if accel == "kvm" else "max", "-m", "1024",
            "-vga", "none", "-display", "none", "-serial", "mon:stdio", "-no-reboot", "-boot", "d", "-cdrom", f"{build}/domus.iso",
            "-drive", f"if=none,id=d0,file={build}/disk.img,format=raw", "-device", "virtio-blk-pci,drive=d0,disable-legacy=on",
            "-netdev", "user,id=n0", "-device", "virtio-net-pci,netdev=n0,disable-legacy=on"]


def main():
    if "--gdb" in sys.argv:
        qemu = command("tcg") + ["-S", "-gdb", "tcp::1234"]
        qemu[qemu.index("mon:stdio")] = f"file:{build}/logs/gdb-serial.log"
        os.makedirs(f"{build}/logs", exist_ok=True)
        print(f"The machine's serial line goes to {build}/logs/gdb-serial.log. Type `continue` to boot; Ctrl-c stops it again.")
        child = os.spawnvp(os.P_NOWAIT, qemu[0], ["setsid"] and qemu)
        try:
            os.spawnvp(os.P_WAIT, "gdb", ["gdb", "-q", f"{build}/domus.elf", "-x", str(pathlib.Path(__file__).parent / "gdbinit")])
        finally:
            os.kill(child, 15)
        return
    accel = machine.probe_accelerator(f"{build}/domus.iso")
    print(f"Booting with {accel}. `help` at dom0's prompt names its commands.")
    print("The way out: type `poweroff` at the prompt, or press Ctrl-a and then x.", flush=True)
    os.execvp("qemu-system-x86_64", command(accel))


main()
