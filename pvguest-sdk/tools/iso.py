#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes an ISO image that boots a hypervisor, a kernel and an archive through GRUB (BIOS) and
multiboot2:

    iso.py OUT.iso --hypervisor domus.elf --module dom0.elf ip=10.0.2.10 --module archive.tar

The words behind a file are its command line. The image holds a GRUB of four modules whose commands
are built into it: no menu, no timeout, no fonts, so that a machine is in the hypervisor about a
second after power-on even under emulation. The lines it runs are also in /boot/grub.cfg, to be
read.
"""
import pathlib
import re
import shlex
import shutil
import subprocess
import tempfile

import host

GRUB_MODULES = ["biosdisk", "iso9660", "multiboot2", "boot"]


def name_on_image(number, path):
    """Of the hypervisor (0) and its modules: no other's, and nothing that GRUB reads in another way
    than it is written."""
    return f"{number}-" + re.sub(r"[^A-Za-z0-9._-]", "_", pathlib.Path(path).name)


def words_of(line):
    """Of a command line as dom0 reads it: double quotes keep a word together."""
    words = shlex.shlex(line, posix=True, punctuation_chars="")
    words.whitespace_split, words.quotes, words.escape, words.commenters = True, '"', "", ""
    try:
        return list(words)
    except ValueError:
        raise host.Refused(f"the command line `{line}` has a quote without its end") from None


def for_grub(word):
    """The same word behind GRUB's parser."""
    if re.fullmatch(r"[A-Za-z0-9@%+=:,./_-]+", word):
        return word
    return "'" + word.replace("'", "'\\''") + "'"


def grub_commands(hypervisor, modules):
    """The boot contract of Domus, in GRUB's words. Each item is [path, args...]."""
    lines = []
    items = [("multiboot2", hypervisor)] + [("module2", module) for module in modules]
    for number, (command, item) in enumerate(items):
        words = words_of(" ".join(item[1:]))
        lines.append(" ".join([command, f"/boot/{name_on_image(number, item[0])}",
                               *map(for_grub, words)]))
    return "\n".join(lines + ["boot", ""])


def run(name, *words):
    """Runs a program quietly; its output matters only when it fails."""
    done = subprocess.run([host.program(name), *words],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        lacking = " (its modules for a BIOS are in Debian's package grub-pc-bin)" \
            if "i386-pc" in done.stdout else ""
        raise host.Refused(f"{name} failed{lacking}:\n{done.stdout}")


def make_iso(out, hypervisor, modules):
    """hypervisor and each module: [path, argument, ...]. Writes out."""
    out = pathlib.Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent) as scratch:
        root = pathlib.Path(scratch) / "root"
        boot = root / "boot"
        boot.mkdir(parents=True)
        for number, item in enumerate([hypervisor] + modules):
            shutil.copy(host.file(item[0]), boot / name_on_image(number, item[0]))
        config = boot / "grub.cfg"
        config.write_text(grub_commands(hypervisor, modules))
        run("grub-mkimage", "-O", "i386-pc-eltorito",
            "-p", "/boot", "-c", str(config), "-o", str(boot / "grub.img"), *GRUB_MODULES)
        image = pathlib.Path(scratch) / "image.iso"
        # else it looks once a second whether all is written
        run("xorriso", "-pacifier", "interval=0.1", "-as", "mkisofs", "-quiet",
            "-R", "-b", "boot/grub.img", "-no-emul-boot", "-boot-load-size", "4",
            "-boot-info-table", "-o", str(image), str(root))
        image.replace(out)


def main():
    parser = host.parser(__doc__)
    parser.add_argument("out", metavar="OUT.iso")
    parser.add_argument("--hypervisor", nargs="+", required=True, metavar=("ELF", "ARG"),
                        help="what GRUB boots; any multiboot2 kernel will do")
    parser.add_argument("--module", nargs="+", action="append", default=[], metavar=("FILE", "ARG"),
                        help="what it finds in memory: dom0's kernel, then the archive")
    args = parser.parse_args()
    make_iso(args.out, args.hypervisor, args.module)


if __name__ == "__main__":
    host.run(main)
