#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes a boot archive: what dom0 finds in memory when it starts (guests' kernels, ramdisks and
configurations), as a ustar file.

A file goes in under its own base name, or under NAME; a folder's files go in under their base
names. The same inputs give the same bytes: no times, no owners.
"""
import io
import pathlib
import re
import tarfile

import host


# In a configuration, what is wanted of the archive.
NAMES_FILE = re.compile(r"""^\s*(?:kernel|ramdisk)\s*=\s*["']([^"'/:]+)["']""", re.M)


def usable(name):
    """A file's name in the archive, which is typed at the prompt."""
    if len(name.encode(errors="replace")) > 99:
        raise host.Refused(f"{name}: a name in the archive has at most 99 bytes; give it another, "
                           f"PATH=NAME")
    if not name.isprintable():
        raise host.Refused(f"{name!r}: a name in the archive has no such characters; give it "
                           f"another, PATH=NAME")
    return name


def named(item):
    """Yields (name, path) of "PATH" or "PATH=NAME". What is there by its whole name has no NAME."""
    source, _, name = str(item).rpartition("=")
    if not source or pathlib.Path(item).exists():
        source, name = item, ""
    path = pathlib.Path(source)
    if path.is_dir():
        for child in sorted(p for p in path.iterdir() if p.is_file()):
            yield usable(child.name), child
    else:
        yield usable(name or path.name), host.file(path)


def members(path):
    """{name: bytes} of an archive."""
    with tarfile.open(path) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar if member.isfile()}


def make_archive(out, items, base=None):
    """items: "PATH" or "PATH=NAME". base: an archive whose files go in, too, but for those that
    items have a file of the same name for."""
    added = {}
    for item in items:
        for name, path in named(item):
            data = path.read_bytes()
            if added.setdefault(name, data) != data:
                raise host.Refused(f"two files would be {name}: give one of them another name, "
                                   f"PATH=NAME")
    with host.new_file(out) as file, \
            tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in ((members(base) if base else {}) | added).items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o644
            tar.addfile(info, fileobj=io.BytesIO(data))


def boot_archive(out, items, create, base, folder):
    """An archive for dom0 to boot with. create: the configuration of a guest that it creates when
    it is up, at its console; folder: for what lies between."""
    if create:
        script = pathlib.Path(folder) / "init.rc"
        name = pathlib.Path(create).name
        if re.search(r"""["'\s;]""", name):
            raise host.Refused(f"{create}: to be created it needs a name without blanks and "
                               "quotes")
        has = {name for item in items for name, _ in named(item)}
        has |= set(members(base)) if base else set()
        for wanted in NAMES_FILE.findall(host.file(create).read_text(errors="replace")):
            if wanted not in has:
                raise host.Refused(f"{create} names {wanted}, which is not among the files: add it")
        script.write_text(f"xl create -c {name}\n")
        items = [*items, create, script]
    make_archive(out, items, base)


def main():
    parser = host.parser(__doc__)
    parser.add_argument("out", metavar="OUT.tar")
    parser.add_argument("items", nargs="*", metavar="PATH[=NAME]")
    parser.add_argument("--base", metavar="FILE.tar",
                        help="an archive whose files go in, too, unless they are replaced")
    args = parser.parse_args()
    make_archive(args.out, args.items, args.base)


if __name__ == "__main__":
    host.run(main)
