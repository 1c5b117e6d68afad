# SPDX-License-Identifier: MIT
"""What the tools of this folder have in common: what they want of this host, and how they end.

Every one of them has --help. Exit status 0: done; 1: cannot be done, and a line says why and what
to do; 2: the words on the command line make no sense. As modules they raise Refused instead.
"""
import os
import pathlib
import shutil
import sys

# The Debian package that a program comes in (deps.sh has what else is needed, and why).
PACKAGES = {"gdb": "gdb", "grub-mkimage": "grub-common", "qemu-system-x86_64": "qemu-system-x86",
            "xorriso": "xorriso"}


class Refused(Exception):
    """It cannot be done; the text says why and what to do."""


def program(name):
    """The program, if it is here."""
    if not shutil.which(name):
        raise Refused(f"{name} is not installed; on Debian: apt-get install {PACKAGES[name]} "
                      "(`make deps` installs all there is)")
    return name


def file(path, make=None):
    """The path of a file that must be there; make: how one gets it."""
    path = pathlib.Path(path)
    if not path.is_file():
        raise Refused(f"there is no file {path}" + (f": {make}" if make else ""))
    return path


def run(main):
    """A tool as a program."""
    name = os.path.basename(sys.argv[0])
    try:
        sys.exit(main())
    except Refused as problem:
        sys.exit(f"{name}: {problem}")
    except OSError as problem:
        sys.exit(f"{name}: {problem.filename or ''}: {problem.strerror}")
    except KeyboardInterrupt:
        sys.exit(130)
