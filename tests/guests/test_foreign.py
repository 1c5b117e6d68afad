# SPDX-License-Identifier: MIT
"""GRUB's PV image, an unmodified foreign guest, reaches its prompt and lists its disk. (Linux has tests of its own in tests/system.)

Foreign guests are the proof that Domus speaks Xen's ABI and not a dialect of ours. Skipped when Debian's archive cannot be reached.
"""
import archive
import pytest

import dom0
import foreign
import machine

FOLDER = machine.BUILD / "foreign"
CONFIG = """
name = "grub"
kernel = "grub-x86_64-xen.bin"
memory = 64
disk = [ 'phy:scratch,xvda,w' ]
"""


def test_grub():
    try:
        image = foreign.grub(FOLDER)
    except foreign.Unavailable as problem:
        pytest.skip(f"not to be had from Debian's archive: {problem}")
    (FOLDER / "grub.cfg").write_text(CONFIG)
    archive.make_archive(FOLDER / "grub.tar", [image, FOLDER / "grub.cfg"])
    with dom0.Dom0("foreign-grub", disk=machine.fresh_disk("foreign-grub"), archive=FOLDER / "grub.tar") as box:
        box.create("grub.cfg")
        with box.console("grub"):
            box.see(r"grub> ", timeout=60)
            box.send("ls")
            box.see(r"\(xen/xvda\)", timeout=30)
        box.ask("xl destroy grub")
        box.audit()
        box.power_off()
