#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes a boot archive: what dom0 finds in memory when it starts (guests' kernels, ramdisks and
configurations), as a ustar file.

A file goes in under its own base name, or under NAME; a folder's files go in under their base
names. The same inputs give the same bytes: no times, no owners.
"""
import argparse
import io
import pathlib
import tarfile

import host


def named(item):
    """Yields (name, path) of "PATH" or "PATH=NAME"."""
    source, _, name = str(item).partition("=")
    path = pathlib.Path(source)
    if path.is_dir():
        for child in sorted(p for p in path.iterdir() if p.is_file()):
            yield child.name, child
    else:
        yield name or path.name, host.file(path)


def members(path):
    """{name: bytes} of an archive."""
    with tarfile.open(path) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar if member.isfile()}


def make_archive(out, items, base=None):
    """items: "PATH" or "PATH=NAME". base: an archive whose files go in, too, but for those that
    items have a file of the same name for."""
    out, added = pathlib.Path(out), {}
    for item in items:
        for name, path in named(item):
            if name in added:
                raise host.Refused(f"two files would be {name}: give one of them another name, "
                                   f"PATH=NAME")
            added[name] = path.read_bytes()
    out.parent.mkdir(parents=True, exist_ok=True)
    scratch = out.with_name(out.name + ".new")
    with tarfile.open(scratch, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in ((members(base) if base else {}) | added).items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o644
            tar.addfile(info, fileobj=io.BytesIO(data))
    scratch.replace(out)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", metavar="OUT.tar")
    parser.add_argument("items", nargs="*", metavar="PATH[=NAME]")
    parser.add_argument("--base", metavar="FILE.tar",
                        help="an archive whose files go in, too, unless they are replaced")
    args = parser.parse_args()
    make_archive(args.out, args.items, args.base)


if __name__ == "__main__":
    host.run(main)
