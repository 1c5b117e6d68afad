# SPDX-License-Identifier: MIT
"""A machine whose boot archive holds Debian's Linux as a guest, and how one talks to that guest's shell.

The kernel is as Debian packages it (tests/tools/linux.py); without Debian's archive every test that wants it is skipped.
"""
import pathlib
import re

import archive
import pytest

import dom0
import machine

FOLDER = machine.BUILD / "linux"
KEYS = {"kernel": "vmlinux", "ramdisk": "initramfs.cpio.gz", "memory": 256, "vcpus": 1, "on_crash": "destroy"}
EXTRA = "console=hvc0 earlyprintk=xen"


def available(folder=FOLDER):
    """Skips the test where the kernel could not be fetched."""
    reason = folder / "unavailable"
    if not (folder / "vmlinux").exists():
        pytest.skip(f"Debian's Linux is not here: {reason.read_text().strip() if reason.exists() else 'run `make linux`'}")


def config(name, extra="", **keys):
    """The text of NAME.cfg: a Linux guest; keys as in xl.cfg replace or join the usual ones."""
    keys = KEYS | {"name": name, "extra": f"{EXTRA} {extra}".strip()} | keys
    return "".join(f"{key} = {value}\n" if isinstance(value, (int, list)) else f'{key} = "{value}"\n' for key, value in keys.items())


class LinuxBox(dom0.Dom0):
    """dom0 with the archive's usual guests, and Linux. configs: {"NAME.cfg": text}."""

    def __init__(self, name, configs, *, folder=FOLDER, usual=(), memory=1536, **options):
        available(folder)
        place = machine.BUILD / "linux-boxes" / name
        place.mkdir(parents=True, exist_ok=True)
        for file, text in configs.items():
            (place / file).write_text(text)
        items = [folder / "vmlinux", folder / "initramfs.cpio.gz", *(place / file for file in configs), *usual]
        archive.make_archive(place / "archive.tar", items)
        super().__init__(name, archive=place / "archive.tar", memory=memory, **options)

    def boot(self, file, timeout=120):
        """`xl create`, and the guest is up when its shell answers. Returns its number."""
        number = self.create(file)
        self.see(r"LINUX UP: [^\r\n]*", timeout)
        return number

    def shell(self, name, line, timeout=60):
        """Runs a line in the guest's shell on hvc0; returns what it printed (and what the kernel said meanwhile)."""
        start = next(dom0.WORDS)
        with self.console(name):
            self.mark("begin", timeout)
            text = self.mark("done", timeout, behind=f"echo  from  {start}; {line}; ")
        output = text.rpartition(f"from {start}\n")[2]                     # behind the echo of what was typed
        return "\n".join(row for row in output.split("\n") if not re.match(r"\(\w+\) ", row)).strip("\n")


def usual_archive():
    """What the archive of the other tests holds: the teaching kernels and their configurations."""
    system = pathlib.Path(__file__).parent / "configs"
    return [machine.BUILD / "archive" / "insula.elf", *sorted(system.glob("insula?.cfg"))]
