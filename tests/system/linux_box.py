# SPDX-License-Identifier: MIT
"""A machine whose boot archive holds Debian's Linux as a guest, and how one talks to that guest's shell.

The kernel is as Debian packages it (tests/tools/linux.py); without Debian's archive every test that wants it is skipped.
"""
import pathlib

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


class Shared:
    """The machine of one file of tests, as conftest's; a module's own fixture `shared` puts it in that one's place."""

    def __init__(self, name, configs, **options):
        self.name, self.configs, self.options, self.system = name, configs, options, None

    def get(self):
        if not self.system:
            self.system = LinuxBox(self.name, self.configs, disk=machine.fresh_disk(self.name), **self.options)
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
