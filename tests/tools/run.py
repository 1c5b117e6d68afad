#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""make run and make gdb: the demo system with dom0's prompt on this terminal.

    run.py BUILD [--linux | --gdb]

--linux puts Debian's Linux (`make linux`) and its configuration into the boot archive, and forwards a port of this host to it.
"""
import argparse
import os
import pathlib
import subprocess
import sys

TESTS = pathlib.Path(__file__).parent.parent
parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("build")
choice = parser.add_mutually_exclusive_group()
choice.add_argument("--linux", action="store_true")
choice.add_argument("--gdb", action="store_true")
args = parser.parse_args()
build = args.build
os.environ["DOMUS_BUILD"] = build
sys.path.insert(0, str(pathlib.Path(__file__).parent))
import archive  # noqa: E402  (the tools read DOMUS_BUILD)
import iso  # noqa: E402
import machine  # noqa: E402


def command(accel, image, memory=1024, forward=""):
    return ["qemu-system-x86_64", "-M", "q35", "-accel", accel, "-cpu", "host" if accel == "kvm" else "max", "-m", str(memory),
            "-vga", "none", "-display", "none", "-serial", "mon:stdio", "-no-reboot", "-boot", "d", "-cdrom", image,
            "-drive", f"if=none,id=d0,file={build}/disk.img,format=raw", "-device", "virtio-blk-pci,drive=d0,disable-legacy=on",
            "-netdev", "user,id=n0" + forward, "-device", "virtio-net-pci,netdev=n0,disable-legacy=on"]


def debug(image):
    qemu = command("tcg", image) + ["-S", "-gdb", "tcp::1234"]
    os.makedirs(f"{build}/logs", exist_ok=True)
    qemu[qemu.index("mon:stdio")] = f"file:{build}/logs/gdb-serial.log"
    print(f"The machine's serial line goes to {build}/logs/gdb-serial.log. Type `continue` to boot; Ctrl-c stops it again.")
    child = subprocess.Popen(qemu, start_new_session=True)      # Ctrl-c is for the debugger
    try:
        subprocess.run(["gdb", "-q", f"{build}/domus.elf", "-x", str(TESTS / "tools" / "gdbinit")])
    finally:
        child.terminate()


def linux_image():
    """The demo's archive, and Linux with it."""
    folder, image = pathlib.Path(build, "linux"), f"{build}/run-linux.iso"
    if not (folder / "vmlinux").exists():
        sys.exit(f"run.py: Debian's Linux is not here: {(folder / 'unavailable').read_text().strip()}")
    files = sorted(pathlib.Path(build, "archive").glob("*.elf")) + sorted((TESTS / "system" / "configs").glob("*.cfg"))
    archive.make_archive(f"{build}/run-linux.tar", [*files, folder / "vmlinux", folder / "initramfs.cpio.gz", TESTS / "linux" / "linux.cfg"])
    iso.make_iso(image, [f"{build}/domus.elf"], [[f"{build}/dom0.elf", "ip=10.0.2.10"], [f"{build}/run-linux.tar"]])
    return image


def main():
    image = f"{build}/domus.iso"
    if args.gdb:
        return debug(image)
    accel = machine.probe_accelerator(image)
    print(f"Booting with {accel}. `help` at dom0's prompt names its commands.")
    if args.linux:
        port = machine.free_port()
        print("`xl create -c linux.cfg` boots Debian's Linux on this terminal; Ctrl-] brings you back to the prompt.")
        print(f"Its port 80 is http://127.0.0.1:{port} here (`httpd -h /www` in the guest serves its /www).")
    print("The way out: type `poweroff` at the prompt, or press Ctrl-a and then x.", flush=True)
    qemu = command(accel, linux_image(), 1536, f",hostfwd=tcp:127.0.0.1:{port}-10.0.2.30:80") if args.linux else command(accel, image)
    os.execvp(qemu[0], qemu)


main()
