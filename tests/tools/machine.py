# SPDX-License-Identifier: MIT
"""A machine under test: QEMU with a hypervisor in it, seen through its serial line.

Used by the pytest suites, the demo and the benchmark presenter. It is the machine of `make run`
(pvguest-sdk/tools/qemu.py) with a program at its serial line. A Machine owns one QEMU process and
ends only that one. What came over the serial line is kept in build/logs/NAME.log, so that a failure
can be read afterwards.
"""
import os
import pathlib
import re
import signal
import subprocess
import time

import pexpect

import iso
import qemu
import refusals
from qemu import die_with_parent, free_port      # noqa: F401  (the tests' own)

BUILD = pathlib.Path(os.environ.get("DOMUS_BUILD", "build"))
# A busy machine (or a slow one) may stretch every time limit.
PATIENCE = float(os.environ.get("DOMUS_PATIENCE", "1"))
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1bc|\r")


class Failed(Exception):
    """What was expected of a machine did not happen; the text says what it said instead."""


class TooLate(Failed):
    """It may still happen: only the time was up."""


def bounds(printed):
    """(least, most) of what a number may have been that is printed so, rounded or cut off. Two of
    them are compared by these."""
    unit = 10 ** -len(printed.partition(".")[2])
    return float(printed) - unit, float(printed) + unit


def xen_available():
    return (BUILD / "peer" / "xen.elf").exists()


class Clock:
    """The time that a process really got: the wall's, less what its threads stood in the queue for
    a CPU. A test's limit counts this time, so that other people's load does not make it fail; a
    process that sleeps or works lets it go on. A limit stretches to SLOWEST times its length at
    most: the threads of a machine with many CPUs stand in each other's way, too."""

    SLOWEST = 8

    def __init__(self, pid):
        self.tasks, self.waited, self.lost = pathlib.Path(f"/proc/{pid}/task"), {}, 0
        self.last = time.monotonic()
        self.now()

    def now(self):
        """Seconds since nobody knows when."""
        worst = 0
        for task in self.tasks.glob("*"):
            try:
                wait = int((task / "schedstat").read_text().split()[1]) / 1e9
            # the thread has ended, or this kernel keeps no such books
            except (OSError, IndexError):
                continue
            worst = max(worst, wait - self.waited.get(task.name, wait))
            self.waited[task.name] = wait
        last, self.last = self.last, time.monotonic()
        self.lost += min(worst, (self.last - last) * (1 - 1 / self.SLOWEST))
        return self.last - self.lost


def working(pid):
    """What a process is doing, for who waits for it in vain."""
    try:
        name, rest = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)
    except OSError as error:
        return str(error)
    rest = rest.split()
    seconds = (int(rest[11]) + int(rest[12])) / os.sysconf("SC_CLK_TCK")
    return f"{name.partition('(')[2]}: state {rest[0]}, {seconds:.0f} s of CPU"


# CPUs of a machine that a test does not say the number of.
SMP = int(os.environ.get("DOMUS_SMP", "1"))


class Hypervisor:
    """What to boot: an ELF file for multiboot2, its arguments, and the CPU it runs on. QEMU's own
    loader boots it, a second faster than GRUB: real Xen is for multiboot 1, too, all others have
    the kit's loader.asm before them. grub: as it is shipped, an ISO image boots it by GRUB."""

    def __init__(self, name, path, args, cpu, grub=False):
        self.name, self.path, self.args, self.cpu, self.grub = name, path, args, cpu, grub

    def boot(self, image, modules):
        """QEMU's options to boot it with its modules; where that takes an ISO, image is made."""
        modules = [[str(word) for word in module] for module in modules]
        if self.grub:
            iso.make_iso(image, [str(self.path)] + self.args, modules)
            return qemu.from_iso(image)
        if self.name == "xen":
            return qemu.from_kernel(self.path, self.args, modules)
        return qemu.by_loader(LOADER, str(self.path), self.args, modules)


LOADER = BUILD / "loader.elf"
# The image that ships; what is tested (DEBUG=1: the other one), the same by GRUB; and the one whose
# locks are watched.
SHIPPED = Hypervisor("domus", BUILD / "domus.elf", [], "max")
DOMUS = Hypervisor("domus", pathlib.Path(os.environ.get("DOMUS_HYPERVISOR", SHIPPED.path)), [],
                   "max")
BY_GRUB = Hypervisor("domus", DOMUS.path, [], "max", grub=True)
WATCHED = Hypervisor("domus", BUILD / "domus-debug.elf", [], "max")
# Real Xen. GRUB stays away from it: in most sizes of memory Xen's stack comes to lie where GRUB's
# code has run, so that TCG takes each push for a write to code: 100 times slower.
XEN = Hypervisor("xen", BUILD / "peer" / "xen.elf", qemu.XEN_ARGUMENTS, qemu.XEN_CPU)


# The machines of this test, also those that it has ended (conftest.py shows what they said).
SEEN = []


class Machine:
    """One QEMU run of a hypervisor with its modules ([[path, arg...], ...])."""

    def __init__(self, name, *, modules, hypervisor=DOMUS, memory=1024, disk=None, snapshot=False,
                 net=None, icount=False, accel="tcg", smp=None, extra=()):
        self.name, self.hypervisor = name, hypervisor
        self.transcript = BUILD / "logs" / f"{name}.log"
        self.transcript.parent.mkdir(parents=True, exist_ok=True)
        boot = hypervisor.boot(BUILD / "isos" / f"{name}.iso", modules)
        self.log = self.transcript.open("w", newline="")
        self.memory = refusals.Memory(memory, hypervisor.path)
        smp = smp or (1 if icount else SMP)     # by instructions one CPU runs at a time
        command = qemu.command(boot, line=qemu.PIPE, accel=accel, cpu=hypervisor.cpu,
                               memory=memory, smp=smp, disk=disk, snapshot=snapshot, net=net,
                               icount=icount) + list(extra) + self.memory.options()
        command += os.environ.get("DOMUS_QEMU", "").split()         # a plugin that watches, say
        self.log.write("$ " + " ".join(command) + "\n")
        self.child = pexpect.spawn(command[0], command[1:],
                                   encoding="utf-8", codec_errors="replace", echo=False, timeout=60,
                                   preexec_fn=die_with_parent, dimensions=(50, 200))
        self.clock = Clock(self.child.pid)
        self.child.logfile_read = self.log
        self.child.delaybeforesend = None
        # who closes has waited for its end
        self.child.ptyproc.delayafterclose = 0
        SEEN.append(self)

    # --- talking ----------------------------------------------------------------------------------
    def expect(self, pattern, timeout=60):
        """Waits for a regular expression (or the first of a list); returns its match. Raises Failed
        with the last lines seen."""
        patterns = [pattern] if isinstance(pattern, str) else list(pattern)
        limit = timeout * PATIENCE
        which = self.wait_for(patterns + [pexpect.TIMEOUT, pexpect.EOF], limit)
        if which < len(patterns):
            self.which = which
            return self.child.match
        what = f"within {limit:.0f} s ({working(self.child.pid)})" if which == len(patterns) \
            else "before the machine ended"
        raise (TooLate if which == len(patterns)
               else Failed)(f"{self.name}: expected {pattern!r} {what}.\nLast lines "
                            f"({self.transcript}):\n{self.tail()}")

    def wait_for(self, patterns, limit):
        """pexpect's expect() for so many seconds of this machine's time; pexpect.TIMEOUT must be
        among the patterns."""
        end = self.clock.now() + limit
        while True:
            left = end - self.clock.now()
            which = self.child.expect(patterns, timeout=min(max(left, 0), 5))
            if patterns[which] is not pexpect.TIMEOUT or left <= 0:
                return which

    def until(self, condition, seconds=30, every=0.3):
        """Waits until the condition holds, for so many seconds of this machine's time at most;
        its value."""
        end = self.clock.now() + seconds * PATIENCE
        while True:
            value = condition()
            if value:
                return value
            if self.clock.now() > end:
                raise TooLate(f"{self.name}: not within {seconds} s: {condition}\n{self.tail()}")
            time.sleep(every)

    def listen(self, seconds):
        """Lets the machine say what else it has to say, into the transcript."""
        self.child.expect([pexpect.TIMEOUT, pexpect.EOF], timeout=seconds)

    def send(self, line):
        """Types a line. QEMU takes no more than the UART has room for, so nothing is lost; but real
        Xen drops what comes when it keeps 128 characters already that dom0 has not read: there a
        long line goes in pieces."""
        piece = 64 if self.hypervisor.name == "xen" else len(line) + 1
        for start in range(0, len(line), piece):
            time.sleep(0.2 if start else 0)
            self.child.send(line[start:start + piece])
        self.child.send("\r")

    def tail(self, lines=25):
        if not self.log.closed:
            self.log.flush()
        # the terminal makes \r\r\n of \r\n
        with self.transcript.open(newline="", errors="replace") as transcript:
            text = ESCAPES.sub("", transcript.read())
        return "\n".join("    " + line for line in text.splitlines()[-lines:])

    # --- ending -----------------------------------------------------------------------------------
    def wait_off(self, timeout=30):
        """Waits until the machine powers itself off."""
        which = self.wait_for([pexpect.EOF, pexpect.TIMEOUT], timeout * PATIENCE)
        if which == 1:
            raise TooLate(f"{self.name}: still running after {timeout} s.\n{self.tail()}")
        self.child.wait()
        self.child.close()
        return self.child.exitstatus

    def kill(self):
        """Ends this QEMU, as a power cut does: no flush, no goodbye."""
        if self.child.isalive():
            self.child.kill(signal.SIGKILL)
            self.child.wait()
        self.child.close(force=True)
        self.log.flush()
        self.memory.end(self.name)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.kill()
        self.log.close()


def fresh_disk(name):
    """A private copy of build/disk.img, for a test that writes."""
    target = BUILD / "disks" / f"{name}.img"
    target.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "--sparse=always", "--", BUILD / "disk.img", target], check=True)
    return target
