# SPDX-License-Identifier: MIT
"""The machine as QEMU makes it: a PC with one serial line, and a virtio disk and card when asked.

Used by domus-run and by the tests' machines, so that both are the same one.
"""
import ctypes
import os
import pathlib
import random
import select
import signal
import socket
import subprocess
import time

import host

PDEATHSIG = 1
PROBE_SECONDS = 10
# Serial line and QEMU's monitor on this terminal: Ctrl-a x ends it.
TERMINAL = ["-serial", "mon:stdio"]
# The serial line alone, for a program at the other end: no key has a meaning for QEMU.
PIPE = ["-chardev", "stdio,id=line,signal=off", "-serial", "chardev:line", "-monitor", "none"]
# Debian's real Xen: a PV dom0 wants SMEP and SMAP off under QEMU's TCG, and its serial output must
# be asked for.
XEN_CPU = "max,-smap,-smep"
XEN_ARGUMENTS = ["console=com1", "com1=115200,8n1", "noreboot"]
# With a dom0 beside guests. With its lazy FPU, real Xen under TCG corrupts the vector registers of
# a Linux guest's user space.
XEN_GUESTS_CPU = XEN_CPU + ",-avx"
XEN_GUESTS_ARGUMENTS = XEN_ARGUMENTS + ["dom0_mem=300M", "guest_loglvl=all",
                                        "spec-ctrl=eager-fpu"]


# Where the state goes from which a recording is replayed. Without KVM, its APIC has nothing of
# vapic's; QEMU 7.2, loading that while it goes backwards, waits for a CPU that waits for it.
RECORDED = ["-global", "apic.vapic=off", "-drive", "if=none,id=state,file=state.qcow2,format=qcow2"]


def in_list(path):
    """A file's name among QEMU's words with commas between."""
    return str(path).replace(",", ",,")


def command(boot, *, line, accel="tcg", cpu="max", memory=1024, smp=1, disk=None, snapshot=False,
            net=None, icount=False, rr=None, files=None):
    """boot: QEMU's options that say from where; line: to whom the serial line goes; disk: an
    image, raw or .qcow2; snapshot: what is written to it is forgotten; net: QEMU's -netdev with the
    id n0; rr: "record" or "replay", within a recording's folder (recording.py); files: the socket
    of a disk of files for dom0 (files.py)."""
    words = [host.program("qemu-system-x86_64"),
             "-M", "q35", "-accel", accel, "-cpu", cpu, "-m", str(memory),
             "-smp", str(smp), "-display", "none", "-vga", "none", *line, "-no-reboot", *boot]
    if icount:
        words += ["-icount", "shift=0,sleep=off"]
    if rr:
        words += RECORDED + ["-icount", f"shift=auto,rr={rr},rrfile=log,rrsnapshot=begin"]
    if disk:
        words += ["-drive", f"if=none,id=d0,file={in_list(disk)},format={disk_format(disk)}" +
                  # ours are domus-run's: QEMU's would keep a second machine from a look at it
                  (",snapshot=on,file.locking=off" if snapshot else ""),
                  "-device", f"virtio-blk-pci,drive={'r0' if rr else 'd0'},disable-legacy=on"]
    if files:
        words += ["-drive", "if=none,id=files,format=raw,read-only=on,file.driver=nbd,"
                  f"file.server.type=unix,file.server.path={in_list(files)}",
                  "-device", "virtio-blk-pci,drive=files,serial=domus-files,disable-legacy=on,"
                  "addr=1e"]
    if disk and rr:
        words += ["-drive", "driver=blkreplay,if=none,id=r0,image=d0"]
    if net:
        words += ["-object", "filter-replay,id=f0,netdev=n0"] if rr else []
        return words + ["-netdev", net, "-device", "virtio-net-pci,netdev=n0,disable-legacy=on"]
    return words + ["-nic", "none"]


def disk_format(image):
    """raw or qcow2, by its name: what a raw one begins with is its guests' to write, and a qcow2
    may name any file of the host."""
    with open(image, "rb") as file:
        begins = "qcow2" if file.read(4) == b"QFI\xfb" else "raw"
    named = "qcow2" if pathlib.Path(image).suffix == ".qcow2" else "raw"
    if begins != named:
        raise host.Refused(f"{image} is {named} by its name, and {begins} by what it begins with")
    return named


def from_iso(image):
    return ["-boot", "d", "-cdrom", str(image)]


def from_kernel(kernel, arguments, modules):
    """QEMU's own loader in GRUB's place: a multiboot kernel, and modules ([[path, word...], ...]).
    """
    words = ["-kernel", str(kernel), "-append", " ".join(arguments)]
    if modules:
        words += ["-initrd", ",".join(in_list(" ".join(map(str, module))) for module in modules)]
    return words


def by_loader(loader, hypervisor, arguments, modules):
    """The same for Domus, which is for multiboot2: loader.elf (loader.asm) is between them."""
    return from_kernel(loader, [], [[hypervisor, *arguments], *modules])


# Loaded before there is a child: in one whose parent has threads, a lock may be held for ever.
LIBC = ctypes.CDLL(None, use_errno=True)


def die_with_parent():
    """Runs in the child: a QEMU whose master was killed must not live on."""
    LIBC.prctl(PDEATHSIG, signal.SIGKILL)


# Below those that the system gives to whoever asks for any (ip_local_port_range).
PORTS = range(20000, 32000)
KEPT = []                               # sockets at the ports that were given out


def free_port():
    """A TCP and UDP port of this host that nobody has, nor is given while this program runs: a
    machine is told its port long before it listens there. QEMU can, which asks for an address in
    use (SO_REUSEADDR), as this does when it has it."""
    for port in random.sample(PORTS, min(100, len(PORTS))):
        kept = socket.socket()
        try:
            kept.bind(("127.0.0.1", port))
            with socket.socket(type=socket.SOCK_DGRAM) as udp:
                udp.bind(("127.0.0.1", port))
        except OSError:
            kept.close()
            continue
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        KEPT.append(kept)
        return port
    raise host.Refused("no port of 127.0.0.1 is free: a hundred were tried")


# --- choosing an accelerator ----------------------------------------------------------------------
def says(child, word, seconds):
    """Whether a program says a word before it ends or the time is up."""
    said, end = b"", time.monotonic() + seconds
    while word not in said:
        if not select.select([child.stdout], [], [], max(0, end - time.monotonic()))[0]:
            return False
        piece = os.read(child.stdout.fileno(), 4096)
        if not piece:
            return False
        said += piece
    return True


def accelerator(boot, kept):
    """KVM only where it really runs the hypervisor: some machines have a /dev/kvm that cannot.
    boot: QEMU's options that say from where; kept: the file that remembers the answer."""
    kept = pathlib.Path(kept)
    if kept.exists() and kept.read_text().strip() in ("kvm", "tcg"):
        return kept.read_text().strip()
    accel = "tcg"
    if os.access("/dev/kvm", os.R_OK | os.W_OK):
        with subprocess.Popen(command(boot, line=PIPE, accel="kvm"),
                              stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              preexec_fn=die_with_parent) as child:
            if says(child, b"dom0", PROBE_SECONDS):
                accel = "kvm"
            child.kill()
    kept.write_text(accel + "\n")
    return accel
