#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes a boot archive: what dom0 finds in memory when it starts (guests' kernels and configurations), as a ustar file.

    archive.py OUT.tar PATH[=NAME] ...

A file goes in under its own base name, or under NAME; a folder's files go in under their base names. The same
inputs give the same bytes: no times, no owners.
"""
import pathlib
import sys
import tarfile


def add(tar, path, name):
    info = tarfile.TarInfo(name)
    data = path.read_bytes()
    info.size = len(data)
    info.mode = 0o644
    tar.addfile(info, fileobj=path.open("rb"))


def make_archive(out, items):
    """items: "PATH" or "PATH=NAME"."""
    out = pathlib.Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    scratch = out.with_name(out.name + ".new")
    with tarfile.open(scratch, "w", format=tarfile.USTAR_FORMAT) as tar:
        for item in items:
            source, _, name = str(item).partition("=")
            path = pathlib.Path(source)
            if path.is_dir():
                for child in sorted(p for p in path.iterdir() if p.is_file()):
                    add(tar, child, child.name)
            else:
                add(tar, path, name or path.name)
    scratch.replace(out)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    make_archive(sys.argv[1], sys.argv[2:])
