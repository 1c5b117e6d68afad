#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes an ISO image that boots a hypervisor, a kernel and an archive through GRUB (BIOS) and multiboot2.

    iso.py OUT.iso --hypervisor domus.elf [ARGS] --module dom0.elf [ARGS] --module archive.tar [ARGS]

The image holds a GRUB of four modules whose commands are built into it: no menu, no timeout, no fonts, so that a machine
is in the hypervisor about a second after power-on even under emulation. The lines it runs are also in /boot/grub.cfg, to be read.
"""
import argparse
import pathlib
import shutil
import subprocess
import sys
import tempfile

GRUB_MODULES = ["biosdisk", "iso9660", "multiboot2", "boot"]


def grub_commands(hypervisor, modules):
    """The boot contract of Domus, in GRUB's words. Each item is [path, args...]."""
    lines = []
    for command, item in [("multiboot2", hypervisor)] + [("module2", m) for m in modules]:
        path = pathlib.Path(item[0])
        lines.append(" ".join([command, "/boot/" + path.name] + item[1:]))
    return "\n".join(lines + ["boot", ""])


def run(*command):
    """Runs a tool quietly; its output matters only when it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit(f"iso.py: {command[0]} failed:\n{done.stdout}")


def make_iso(out, hypervisor, modules):
    """hypervisor and each module: [path, argument, ...]. Writes out."""
    out = pathlib.Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    names = [pathlib.Path(item[0]).name for item in [hypervisor] + modules]
    if len(set(names)) != len(names):
        sys.exit(f"iso.py: two files of one name: {names}")
    with tempfile.TemporaryDirectory(dir=out.parent) as scratch:
        root = pathlib.Path(scratch) / "root"
        boot = root / "boot"
        boot.mkdir(parents=True)
        for item in [hypervisor] + modules:
            shutil.copy(item[0], boot)
        config = boot / "grub.cfg"
        config.write_text(grub_commands(hypervisor, modules))
        run("grub-mkimage", "-O", "i386-pc-eltorito", "-p", "/boot", "-c", str(config), "-o", str(boot / "grub.img"), *GRUB_MODULES)
        image = pathlib.Path(scratch) / "image.iso"
        run("xorriso", "-as", "mkisofs", "-quiet", "-R", "-b", "boot/grub.img", "-no-emul-boot", "-boot-load-size", "4",
            "-boot-info-table", "-o", str(image), str(root))
        image.replace(out)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--hypervisor", nargs="+", required=True, metavar=("ELF", "ARG"))
    parser.add_argument("--module", nargs="+", action="append", default=[], metavar=("FILE", "ARG"))
    args = parser.parse_args()
    make_iso(args.out, args.hypervisor, args.module)


if __name__ == "__main__":
    main()
