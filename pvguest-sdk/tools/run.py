#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Boots what is in a build folder, with dom0's prompt on this terminal: domus.elf (DEBUG=1:
domus-debug.elf), dom0.elf, archive.tar and disk.img, in QEMU.

    run.py build                                     `make run`
    run.py build --add mine.elf --add mine.cfg       then, at the prompt: xl create -c mine.cfg
    run.py build --forward tcp:8080:10.0.2.31:80     a guest's port 80 is port 8080 here
    run.py build --disk mine.qcow2 --snapshot        another disk, raw or qcow2, left as it is
    run.py build --qemu "-smp 2 -m 4096"             more words for QEMU; the last of a kind counts
    run.py build --xen                               Debian's real Xen in Domus's place
    run.py build --gdb                               `make gdb`: stopped, and under the debugger
    run.py build --gdb=1234                          stopped, for a debugger of yours at that port
    run.py build --attach                            `make attach`: that one's prompt, here

Without --snapshot the disk keeps what is written to it. The way out is `poweroff` at the prompt, or
Ctrl-a and then x.
"""
import argparse
import contextlib
import fcntl
import os
import pathlib
import select
import shlex
import signal
import socket
import subprocess
import termios
import tty

import archive
import host
import iso
import qemu

GDBINIT = pathlib.Path(__file__).with_name("gdbinit")
DOM0_ARGUMENTS = ["ip=10.0.2.10"]
# the serial line of the machine under the debugger: a socket in the build folder
LINE = "gdb-serial"
# where in a build folder real Xen is, if it is
XEN = pathlib.Path("peer/xen.elf")
EPILOG = "Exit status: QEMU's; 1: the machine cannot be started; 2: the words make no sense."


def own(path, refusal):
    """A lock that lasts as long as this process, or the QEMU that it becomes; or the end, with the
    owner's number in the refusal."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as problem:
        raise host.Refused(refusal.format(os.read(lock, 20).decode().strip())) from problem
    os.ftruncate(lock, 0)
    os.write(lock, f"{os.getpid()}\n".encode())
    os.set_inheritable(lock, True)


def own_disk(build):
    own(build / "run.lock",
        f"{build} is in use: a `make run` or `make gdb` from this build, process {{}}, "
        f"has it.\n"
        "End that one, or run this one from a build of its own: add B=build2 to what you typed.")


@contextlib.contextmanager
def own_keys():
    """What is typed at the terminal is for us and our children alone: Ctrl-c does not reach make,
    which waits for us and would call it an error. Nobody would go on after a Ctrl-z, so there is
    none."""
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


def waiting(port):
    """QEMU's options to stand still until a debugger comes."""
    return ["-S", "-gdb", f"tcp:127.0.0.1:{port}"]


def debug(build, hypervisor, options, more):
    debugger, port, line = host.program("gdb"), qemu.free_port(), build / LINE
    log = build / "logs" / "gdb-serial.log"
    log.parent.mkdir(exist_ok=True)
    line.unlink(missing_ok=True)
    serial = ["-chardev", f"socket,id=line,path={line},server=on,wait=off,logfile={log}",
              "-serial", "chardev:line", "-monitor", "none"]
    command = qemu.command(line=serial, **options) + more + waiting(port)
    print("Type `continue` to boot; Ctrl-c stops the machine again. dom0's prompt: `make attach` "
          "in another "
          f"terminal.\nWhat is said there is also in {log}.", flush=True)
    child = subprocess.Popen(command, start_new_session=True, preexec_fn=qemu.die_with_parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)                # Ctrl-c is for the debugger
    try:
        with own_keys():
            subprocess.run([debugger, "-q", hypervisor, "-ex", f"target remote 127.0.0.1:{port}",
                            *(["-x", GDBINIT] if hypervisor.name != XEN.name else [])],
                           preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    finally:
        child.terminate()
        line.unlink(missing_ok=True)


def attach(build):
    """This terminal at the serial line of the machine under the debugger, until Ctrl-]."""
    line = socket.socket(socket.AF_UNIX)
    try:
        line.connect(str(build / LINE))
    except OSError as problem:
        raise host.Refused("no machine is under the debugger. "
                           "Start one first: `make gdb` in another terminal.") from problem
    own(build / "attach.lock",
        "another terminal is at that prompt already: process {}. Leave it there with Ctrl-].")
    print("dom0's terminal, as far as the debugger lets it run: Enter shows its prompt. Ctrl-] "
          "leaves it.",
          flush=True)
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


def image_of(build, hypervisor, items):
    """The ISO of the build; with items to add, one of our own."""
    if not items:
        return host.file(hypervisor.with_suffix(".iso"), "`make iso` makes it")
    image, tar = build / "run.iso", build / "run.tar"
    archive.make_archive(tar, items, host.file(build / "archive.tar", "`make` makes it"))
    iso.make_iso(image, [str(hypervisor)], [[str(build / "dom0.elf"), *DOM0_ARGUMENTS], [str(tar)]])
    return image


def from_xen(build, items):
    """QEMU's options to boot real Xen with our dom0 and archive."""
    xen = host.file(build / XEN, "it is Debian's xen-hypervisor; `make peer` fetches it")
    tar = host.file(build / "archive.tar", "`make` makes it")
    if items:
        archive.make_archive(build / "run.tar", items, tar)
        tar = build / "run.tar"
    return qemu.from_kernel(xen, qemu.XEN_GUESTS_ARGUMENTS,
                            [[build / "dom0.elf", *DOM0_ARGUMENTS], [tar]])


def forwarding(argument):
    """PROTOCOL:PORT:ADDRESS:PORT; a port 0 of this host becomes one that is free."""
    words = argument.split(":")
    if len(words) != 4 or words[0] not in ("tcp", "udp") or not (words[1] + words[3]).isdecimal():
        raise argparse.ArgumentTypeError(f"{argument!r} is not tcp:PORT:ADDRESS:PORT, or udp:...")
    protocol, here, address, there = words
    return protocol, int(here) or qemu.free_port(), address, int(there)


def more_words(argument):
    try:
        return shlex.split(argument)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(f"{argument!r}: {problem}") from problem


def introduce(what, items, forwards):
    print(f"Booting {what}. `help` at dom0's prompt names its commands.")
    for name in (str(item).rpartition("=")[2].rpartition("/")[2] for item in items):
        if name.endswith(".cfg"):
            print(f"`xl create -c {name}` boots that guest on this terminal; Ctrl-] brings you "
                  f"back to the prompt.")
    for protocol, here, address, there in forwards:
        place = f"http://127.0.0.1:{here}" if (protocol, there) == ("tcp", 80) \
            else f"127.0.0.1:{here}"
        print(f"{address}'s {protocol} port {there} is {place} here.")
    print("The way out: type `poweroff` at the prompt, or press Ctrl-a and then x.", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, epilog=EPILOG,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path, metavar="BUILD", help="where make has built")
    parser.add_argument("--add", action="append", default=[], metavar="PATH[=NAME]",
                        help="a file, or a folder's files, into the boot archive (over what is "
                             "there by that name)")
    parser.add_argument("--forward", action="append", default=[], type=forwarding,
                        metavar="tcp:PORT:ADDRESS:PORT",
                        help="from a port of this host (0: any that is free) to a guest's; udp: "
                             "likewise")
    parser.add_argument("--memory", type=int,
                        default=1024, metavar="MIB", help="the machine's (%(default)s)")
    parser.add_argument("--disk", type=pathlib.Path, metavar="FILE",
                        help="the machine's, raw or .qcow2, in the place of the build's disk.img")
    parser.add_argument("--snapshot", action="store_true",
                        help="the disk stays as it is: what is written is forgotten")
    parser.add_argument("--qemu", action="append", default=[], type=more_words, metavar="WORDS",
                        help="more options for QEMU, behind ours, quoted as for a shell")
    parser.add_argument("--xen", action="store_true",
                        help="boot Debian's real Xen instead (`make peer`)")
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--gdb", nargs="?", type=int, const=0, metavar="PORT",
                        help="start the debugger at the hypervisor; with a port: wait there for "
                             "yours")
    choice.add_argument("--attach", action="store_true",
                        help="the prompt of the machine under the debugger")
    args = parser.parse_args()
    build = args.build
    if args.attach:
        return attach(build)
    # DEBUG=1 says another
    hypervisor = pathlib.Path(os.environ.get("DOMUS_HYPERVISOR", build / "domus.elf"))
    if not build.is_dir():
        raise host.Refused(f"there is no folder {build}: `make` builds into one")
    own_disk(build)
    more = [word for words in args.qemu for word in words]
    net = "user,id=n0" + "".join(f",hostfwd={protocol}:127.0.0.1:{here}-{address}:{there}"
                                 for protocol, here, address, there in args.forward)
    options = {"memory": args.memory, "net": net, "snapshot": args.snapshot,
               "disk": host.file(args.disk) if args.disk
               else host.file(build / "disk.img", "`make` makes it")}
    if args.xen:
        hypervisor, accel = build / XEN, "tcg"
        options |= {"boot": from_xen(build, args.add), "cpu": qemu.XEN_GUESTS_CPU}
    else:
        image = image_of(build, hypervisor, args.add)
        accel = "tcg" if args.gdb is not None else qemu.accelerator(image, build / "accel")
        options |= {"boot": qemu.from_iso(image), "cpu": "host" if accel == "kvm" else "max"}
    if args.gdb == 0:
        return debug(build, hypervisor, options, more)
    introduce(f"{'real Xen' if args.xen else 'Domus'} with {accel}", args.add, args.forward)
    if args.gdb:
        more += waiting(args.gdb)
        print(f"It waits for a debugger: gdb {hypervisor} -ex 'target remote :{args.gdb}'",
              flush=True)
    command = qemu.command(line=qemu.TERMINAL, accel=accel, **options) + more
    os.execvp(command[0], command)


if __name__ == "__main__":
    host.run(main)
