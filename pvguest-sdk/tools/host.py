# SPDX-License-Identifier: MIT
"""What the tools of this folder have in common: what they want of this host, where their images
are, and how they end.

Every one of them has --help. Exit status 0: done; 1: cannot be done, and a line says why and what
to do; 2: the words on the command line make no sense. As modules they raise Refused instead.

They run in two places: in the tree, with what `make` has built, and installed (`make install-sdk`),
where this folder is PREFIX/lib/domus/tools and the images lie beside it.
"""
import argparse
import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap

HERE = pathlib.Path(__file__).resolve().parent
KIT = HERE.parent / "images"
INSTALLED = KIT.is_dir()

# The Debian package that a program comes in (deps.sh has what else is needed, and why).
PACKAGES = {"gdb": "gdb", "grub-mkimage": "grub-common", "pkg-config": "pkgconf",
            "qemu-system-x86_64": "qemu-system-x86", "xorriso": "xorriso",
            "zstd": "zstd", "lz4": "lz4"}


class Refused(Exception):
    """It cannot be done; the text says why and what to do."""


def program(name):
    """The program, if it is here."""
    if not shutil.which(name):
        raise Refused(f"{name} is not installed; on Debian: apt-get install {PACKAGES[name]} "
                      "(`make deps` in Domus's tree installs all there is)")
    return name


def file(path, make=None):
    """The path of a file that must be there; make: how one gets it."""
    path = pathlib.Path(path)
    if path.is_dir():
        raise Refused(f"{path} is a folder; a file is wanted")
    if not path.exists():
        raise Refused(f"there is no file {path}" + (f": {make}" if make else ""))
    return path


@contextlib.contextmanager
def new_file(out, mode="wb"):
    """A file that takes the place of `out` when it is whole, and nobody else's before that: it has
    a name that nobody knows in advance, so that it is no link that somebody has laid."""
    out = pathlib.Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(mode, dir=out.parent, prefix=out.name + ".",
                                     delete=False) as file:
        try:
            yield file
            file.flush()
            mask = os.umask(0)
            os.umask(mask)
            os.fchmod(file.fileno(), 0o666 & ~mask)
            os.replace(file.name, out)
        except BaseException:
            os.unlink(file.name)
            raise


def images(build=None):
    """The folder of domus.elf, dom0.elf and the others: the one that is named, else the installed
    ones, else the tree's own build."""
    folder = pathlib.Path(build or (KIT if INSTALLED else HERE.parents[1] / "build"))
    if not folder.is_dir():
        raise Refused(f"there is no folder {folder}: `make` builds into one")
    return folder


def image(folder, name):
    """One of them."""
    return file(folder / name, "install the kit again, `make install-sdk` in Domus's tree"
                if folder == KIT else "`make` makes it")


def state(folder):
    """Where this user's tools may keep what outlives them: the build's own folder; of the installed
    images, which are everybody's, another."""
    if folder != KIT:
        return folder
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    (cache / "domus").mkdir(parents=True, exist_ok=True)
    return cache / "domus"


def version():
    """Which Domus this is, as pvguest-sdk/include/abi/version.h says it."""
    header = HERE.parents[2] / "include/domus" if INSTALLED else HERE.parent / "include"
    return "domus-" + re.search(r'DOMUS_VERSION "(.*)"',
                                (header / "abi/version.h").read_text())[1]


def parser(description, **more):
    """The one of every tool: help of at most 100 columns, and --version."""
    made = argparse.ArgumentParser(
        description=description, allow_abbrev=False,
        formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(
            prog, max_help_position=28, width=min(100, shutil.get_terminal_size().columns)),
        **more)
    made.add_argument("--version", action="version", version=f"%(prog)s, {version()}")
    return made


def say(*sentences):
    """Each on lines of its own, which are as long as the terminal has room for."""
    columns = min(100, shutil.get_terminal_size().columns - 1)
    for sentence in sentences:
        print(textwrap.fill(sentence, max(columns, 40), break_long_words=False,
                            break_on_hyphens=False), flush=True)


def words(text, count):
    """The words of a tool that has no options, for the build calls it: so many. The text is its
    help."""
    given = sys.argv[1:]
    if given == ["--help"]:
        print(text.strip())
        sys.exit(0)
    if len(given) != count:
        print(text.strip(), file=sys.stderr)
        sys.exit(2)
    return given


def said(problem):
    """An OSError for people: of which file, if of any."""
    words = [problem.filename, problem.strerror or str(problem)]
    return ": ".join(str(word) for word in words if word)


def run(main):
    """A tool as a program."""
    name = os.path.basename(sys.argv[0])
    try:
        sys.exit(main())
    except Refused as problem:
        sys.exit(f"{name}: {problem}")
    except subprocess.CalledProcessError as problem:
        sys.exit(f"{name}: {problem.cmd[0]} has failed")        # it has said why
    except OSError as problem:
        sys.exit(f"{name}: {said(problem)}")
    except KeyboardInterrupt:
        sys.exit(130)
