# SPDX-License-Identifier: MIT
"""A machine whose boot archive holds Debian's Linux as a guest, and how one talks to that guest's
shell.

The kernel is as Debian packages it (tests/tools/linux.py); without Debian's archive every test that
wants it is skipped.
"""
import re

import archive
import pytest

import dom0
import machine

FOLDER = machine.BUILD / "linux"
# The toolstack would unpack the packed one for each guest: a second of an emulated CPU.
KEYS = {"kernel": "vmlinux", "ramdisk": "initramfs.cpio",
        "memory": 256, "vcpus": 1, "on_crash": "destroy"}
EXTRA = "console=hvc0"
# For a guest that is wanted for what it does once it is up: its boot takes a quarter less of an
# emulated CPU. How Debian's kernel boots without this is seen by test_linux.py and test_rig.py.
QUICK = "quiet mitigations=off init_on_alloc=0 rodata=off cryptomgr.notests=1"
# What Linux says at its console while a program writes there: a line of its own, which may begin
# anywhere in the program's. Not so what a program shows of the log: `dmesg -r` has a level before
# it, and what comes out of sed a bracket or a colon.
MESSAGE = r"(?<!>)(?<![):] )\[ *\d+\.\d{6}\] [^\n]*(?:\n|\Z)"


def available(folder=FOLDER):
    """Skips the test where the kernel could not be fetched."""
    reason = folder / "unavailable"
    if not (folder / "vmlinux").exists():
        pytest.skip(f"Debian's Linux is not here: "
                    f"{reason.read_text().strip() if reason.exists() else 'run `make linux`'}")


def config(name, extra="", **keys):
    """The text of NAME.cfg: a Linux guest; keys as in xl.cfg replace or join the usual ones."""
    keys = KEYS | {"name": name, "extra": f"{EXTRA} {extra}".strip()} | keys
    return "".join(f"{key} = {value}\n" if isinstance(value, (int, list))
                   else f'{key} = "{value}"\n' for key, value in keys.items())


class LinuxBox(dom0.Dom0):
    """dom0 with the archive's usual guests, and Linux. configs: {"NAME.cfg": text}. What Linux says
    meanwhile is no part of what a line in its shell prints."""
    OTHER = f"(?:{dom0.OTHER}|{MESSAGE})"

    def __init__(self, name, configs, *, folder=FOLDER, usual=(), memory=1536, **options):
        available(folder)
        place = machine.BUILD / "linux-boxes" / name
        place.mkdir(parents=True, exist_ok=True)
        for file, text in configs.items():
            (place / file).write_text(text)
        items = [folder / "vmlinux", folder / "initramfs.cpio",
                 *(place / file for file in configs), *usual]
        archive.make_archive(place / "archive.tar", items)
        super().__init__(name, archive=place / "archive.tar", memory=memory, **options)

    def boot(self, file, timeout=120):
        """`xl create`, and the guest is up when its shell answers. Returns its number."""
        number = self.create(file)
        self.see(r"LINUX UP: [^\r\n]*[\r\n]", timeout)      # all of the line has come
        return number


class Shared:
    """The machine of one file of tests, as conftest's; a module's own fixture `shared` puts it in
    that one's place."""

    def __init__(self, name, configs, *, disk=machine.fresh_disk, **options):
        self.name, self.configs, self.disk, self.options = name, configs, disk, options
        self.system = None

    def get(self):
        if not self.system:
            self.system = LinuxBox(self.name, self.configs,
                                   disk=self.disk(self.name), **self.options)
            self.warm_up()
        return self.system

    def warm_up(self):
        """The first guest makes tables of dom0 grow, which stay: they are no leak."""
        first = next(iter(self.configs))
        self.system.boot(first)
        self.system.ask(f"xl destroy {first.removesuffix('.cfg')}")

    def drop(self):
        if self.system:
            self.system.kill()
            self.system = None


# --- what Linux says ------------------------------------------------------------------------------
# Lines of Linux's that warn, or sound like it, each with its reason. The same image says each of
# them on real Xen 4.17, too, as was seen; test_rig.py compares the two for 6.1.
ACCEPTED = [
    # a success, said at the level of a warning
    r"Grant table initialized",
    # a success, too: with more than one CPU
    r"cpu \d+ spinlock event irq \d+",
    # a domU has no PIT; the hypervisor tells the frequency
    r"tsc: Fast TSC calibration failed",
    # two CPUs, and QEMU's has no invariant TSC: so Linux's rule of thumb
    r"tsc: Marking TSC unstable due to TSCs unsynchronized",
    # "This is not a bug", it goes on
    r"AMD-Vi: AMD IOMMUv2 functionality not available",
    r"amd_pstate: the _CPC object is not present",                  # 6.12: a domU has no ACPI
    r"RAS: Correctable Errors collector initialized",               # 6.12: no complaint
    # a program was told where to run, and that CPU goes
    r"process \d+ .* no longer affine to cpu\d",
    # a timer came late; the two clocks agree
    r"clocksource: Long readout interval, skipping watchdog check",
    # its own CPU was taken away between two looks at the clock
    r"clocksource: .*read-back delay of \d+ns",
    # the machine is emulated, and busy with other tests
    r"hrtimer: interrupt took \d+ ns",
    # the same: a back end had no CPU for five seconds. The line goes on, and ends
    r"xenbus_probe_frontend: Waiting for devices to initialise: ", r"^(?:\d+s\.\.\.)*$",
]
# What a kernel says when something in it has gone wrong, dom0's, too, which complains of more than
# is accepted above: it has all of the machine.
BROKEN = r"Call Trace|BUG:|Oops|WARNING:"
SOUNDS_BAD = re.compile(r"warn|error|fail|\bbug\b|oops|unable|cannot|\bstall|call "
                        r"trace|lockup|taint|unstable|hung|backward", re.I)


def complaints(dmesg):
    """Lines of `dmesg -r` that warn of something which is not accepted above."""
    found = []
    for level, line in re.findall(r"^<(\d+)>(?:\[ *[\d.]+\] )?(.*)$", dmesg, re.M):
        warns = int(level) & 7 <= 4 or SOUNDS_BAD.search(line)
        if warns and not any(re.search(accepted, line) for accepted in ACCEPTED):
            found.append(line)
    return found


def messages(system, name, options="-r"):
    """Its kernel's. Round brackets would make `(initmem) memory: 2824K` look like something that a
    guest called initmem says."""
    return system.shell(name, f"dmesg {options} | tr '()' '[]'")


def well(system, name):
    """The guest answers, and its kernel has nothing to complain about."""
    assert system.shell(name, "echo $((6 * 7))").endswith("42")
    said = complaints(messages(system, name))
    assert not said, said
