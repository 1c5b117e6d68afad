#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes a disk image with a GPT and named partitions: the disk of a machine, which dom0 gives to
its guests by partitions (`disk = [ 'phy:NAME,xvda,w' ]`).

A partition is NAME=SIZE or NAME=SIZE:FILE, SIZE in MiB; FILE's bytes are put at its start.

Layout as in the UEFI specification, chapter 5: protective MBR, header at sector 1, 128 entries of
128 bytes from sector 2, their mirror at the end of the disk. Identifiers derive from the names, so
the same arguments give the same bytes.
"""
import argparse
import struct
import uuid
import zlib

import host

SECTOR = 512
ENTRIES = 128
ENTRY_SIZE = 128
ENTRY_SECTORS = ENTRIES * ENTRY_SIZE // SECTOR
MOST_MIB = 1 << 40
ALIGN = 2048                                    # partitions begin on whole MiBs
LINUX_DATA = uuid.UUID("0fc63daf-8483-4772-8e79-3d69d8477de4")


def guid_of(name):
    return uuid.uuid5(uuid.NAMESPACE_URL, "domus:" + name)


def protective_mbr(sectors):
    entry = struct.pack("<B3sB3sII", 0, b"\x00\x02\x00",
                        0xEE, b"\xff\xff\xff", 1, min(sectors - 1, 0xFFFFFFFF))
    return bytes(446) + entry + bytes(48) + b"\x55\xaa"


def header(sectors, here, other, table_at, table_crc):
    def pack(own_crc):
        return struct.pack("<8sIIIIQQQQ16sQIII",
                           b"EFI PART", 0x10000, 92, own_crc, 0, here, other, 2 + ENTRY_SECTORS,
                           sectors - ENTRY_SECTORS - 2, guid_of("disk").bytes_le,
                           table_at, ENTRIES, ENTRY_SIZE, table_crc)
    return pack(zlib.crc32(pack(0))).ljust(SECTOR, b"\0")


def make_disk(out, partitions):
    """partitions: [(name, MiB, path or None)]. The image is sparse where nothing is written."""
    table, at = b"", ALIGN
    starts, names = [], [name for name, _, _ in partitions]
    if len(partitions) > ENTRIES:
        raise host.Refused(f"{len(partitions)} partitions; a disk has room for {ENTRIES}")
    if len(set(names)) < len(names):
        raise host.Refused(f"two partitions would be {max(names, key=names.count)}: who names it "
                           "means one")
    if sum(mib for _, mib, _ in partitions) > MOST_MIB:
        raise host.Refused(f"a disk of more than {MOST_MIB} MiB is no file anywhere")
    for name, mib, _ in partitions:
        length = mib * 2048
        table += struct.pack("<16s16sQQQ72s", LINUX_DATA.bytes_le,
                             guid_of(name).bytes_le, at, at + length - 1, 0,
                             name.encode("utf-16-le").ljust(72, b"\0"))
        starts.append(at)
        at += length
    table = table.ljust(ENTRIES * ENTRY_SIZE, b"\0")
    sectors = at + ALIGN
    crc = zlib.crc32(table)
    with host.new_file(out) as disk:
        disk.truncate(sectors * SECTOR)
        disk.write(protective_mbr(sectors))
        disk.write(header(sectors, 1, sectors - 1, 2, crc))
        disk.write(table)
        disk.seek((sectors - 1 - ENTRY_SECTORS) * SECTOR)
        disk.write(table)
        disk.write(header(sectors, sectors - 1, 1, sectors - 1 - ENTRY_SECTORS, crc))
        for (name, mib, path), start in zip(partitions, starts):
            if path is None:
                continue
            with open(host.file(path), "rb") as file:
                data = file.read((mib << 20) + 1)
            if len(data) > mib << 20:
                raise host.Refused(f"{path} does not fit {name} ({mib} MiB)")
            disk.seek(start * SECTOR)
            disk.write(data)


def partition(argument):
    """NAME=SIZE[:FILE]"""
    name, _, rest = argument.partition("=")
    size, _, path = rest.partition(":")
    if not name or not size.isdecimal() or not int(size):
        raise argparse.ArgumentTypeError(f"{argument!r} is not NAME=SIZE or NAME=SIZE:FILE, SIZE "
                                         f"in MiB")
    if len(name) > 36 or not name.isascii() or not name.isprintable():
        raise argparse.ArgumentTypeError(f"{name!r}: a partition's name has at most 36 characters, "
                                         "of ASCII")
    return name, int(size), path or None


def main():
    parser = host.parser(__doc__)
    parser.add_argument("out", metavar="OUT.img")
    parser.add_argument("partitions", nargs="+", type=partition, metavar="NAME=SIZE[:FILE]")
    args = parser.parse_args()
    make_disk(args.out, args.partitions)


if __name__ == "__main__":
    host.run(main)
