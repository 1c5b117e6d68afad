#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""make run, make gdb and make attach: the demo system with dom0's prompt on this terminal.

    run.py BUILD [--linux | --gdb | --attach]

--linux puts Debian's Linux (`make linux`) and its configuration into the boot archive, and forwards a port of this host to it.
--gdb starts the debugger; --attach, in another terminal meanwhile, gives the prompt of the machine under it.
"""
import argparse
import contextlib
import fcntl
import os
import pathlib
import select
import signal
import socket
import subprocess
import sys
import termios
import tty

TESTS = pathlib.Path(__file__).parent.parent
parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("build")
choice = parser.add_mutually_exclusive_group()
choice.add_argument("--linux", action="store_true")
choice.add_argument("--gdb", action="store_true")
choice.add_argument("--attach", action="store_true")
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


def own(name, refusal):
    """A lock that lasts as long as this process, or the QEMU that it becomes; or the end, with the owner's number in the refusal."""
    lock = os.open(f"{build}/{name}.lock", os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        sys.exit("run.py: " + refusal.format(os.read(lock, 20).decode().strip()))
    os.ftruncate(lock, 0)
    os.write(lock, f"{os.getpid()}\n".encode())
    os.set_inheritable(lock, True)


def own_disk():
    own("run", f"{build}/disk.img is in use: a `make run` or `make gdb` from this build, process {{}}, has it.\n"
               "End that one, or run this one from a build of its own: add B=build2 to what you typed.")


HYPERVISOR = os.environ.get("DOMUS_HYPERVISOR", f"{build}/domus.elf")        # DEBUG=1 says another
LINE = "gdb-serial"         # the serial line of the machine under the debugger: a socket in the build folder


@contextlib.contextmanager
def own_keys():
    """What is typed at the terminal is for us and our children alone: Ctrl-c does not reach make, which waits for us and would call it
    an error. Nobody would go on after a Ctrl-z, so there is none."""
    if not os.isatty(0):
        yield
        return
    settings, owner = termios.tcgetattr(0), os.tcgetpgrp(0)
    keys = termios.tcgetattr(0)
    keys[6][termios.VSUSP] = b"\0"
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)               # of giving the terminal back
    if os.getpid() != os.getsid(0):
        os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpgrp())
    termios.tcsetattr(0, termios.TCSADRAIN, keys)
    try:
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, settings)
        os.tcsetpgrp(0, owner)


def debug(image):
    port, line = machine.free_port(), pathlib.Path(build, LINE)
    qemu = command("tcg", image) + ["-S", "-gdb", f"tcp:127.0.0.1:{port}"]
    os.makedirs(f"{build}/logs", exist_ok=True)
    line.unlink(missing_ok=True)
    at = qemu.index("-serial")
    qemu[at:at + 2] = ["-chardev", f"socket,id=line,path={line},server=on,wait=off,logfile={build}/logs/gdb-serial.log",
                       "-serial", "chardev:line", "-monitor", "none"]
    print(f"Type `continue` to boot; Ctrl-c stops the machine again. dom0's prompt: `make attach` in another terminal.\n"
          f"What is said there is also in {build}/logs/gdb-serial.log.", flush=True)
    child = subprocess.Popen(qemu, start_new_session=True, preexec_fn=machine.die_with_parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)                # Ctrl-c is for the debugger
    try:
        with own_keys():
            subprocess.run(["gdb", "-q", HYPERVISOR, "-ex", f"target remote 127.0.0.1:{port}", "-x", str(TESTS / "tools" / "gdbinit")],
                           preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    finally:
        child.terminate()
        line.unlink(missing_ok=True)


def attach():
    """This terminal at the serial line of the machine under the debugger, until Ctrl-]."""
    line = socket.socket(socket.AF_UNIX)
    try:
        line.connect(f"{build}/{LINE}")
    except OSError:
        sys.exit("run.py: no machine is under the debugger. Start one first: `make gdb` in another terminal.")
    own("attach", "another terminal is at that prompt already: process {}. Leave it there with Ctrl-].")
    print("dom0's terminal, as far as the debugger lets it run: Enter shows its prompt. Ctrl-] leaves it.", flush=True)
    before = termios.tcgetattr(0)
    tty.setraw(0)
    try:
        while True:
            ready = select.select([0, line], [], [])[0]
            said = line.recv(4096) if line in ready else None
            typed = os.read(0, 4096) if 0 in ready else None
            if said == b"" or typed == b"" or (typed and b"\x1d" in typed):
                return
            os.write(1, said or b"")
            line.sendall(typed or b"")
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)
        print()


def linux_image():
    """The demo's archive, and Linux with it."""
    folder, image = pathlib.Path(build, "linux"), f"{build}/run-linux.iso"
    if not (folder / "vmlinux").exists():
        sys.exit(f"run.py: Debian's Linux is not here: {(folder / 'unavailable').read_text().strip()}")
    files = sorted(pathlib.Path(build, "archive").glob("*.elf")) + sorted((TESTS / "system" / "configs").glob("*.cfg"))
    archive.make_archive(f"{build}/run-linux.tar", [*files, folder / "vmlinux", folder / "initramfs.cpio.gz", TESTS / "linux" / "linux.cfg"])
    iso.make_iso(image, [HYPERVISOR], [[f"{build}/dom0.elf", "ip=10.0.2.10"], [f"{build}/run-linux.tar"]])
    return image


def main():
    image = HYPERVISOR.removesuffix(".elf") + ".iso"
    if args.attach:
        return attach()
    own_disk()
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
