#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes a file system image for Insula: mkfs.py IMAGE MEBIBYTES PROGRAM...

The layout is include/disk_format.h's. Programs go to /bin, named by their files without suffix;
/dev/console and a README are made too. The image is built in memory and written at once."""
import struct
import sys
from pathlib import Path

BLOCK, LOG_MAX, INODES, DIRECT = 4096, 120, 512, 12
DIRECTORY, FILE, DEVICE = 1, 2, 3
ROOT = 1


class Image:
    def __init__(self, mebibytes):
        self.blocks = mebibytes * 256
        self.log = 1
        self.inode_start = self.log + 1 + LOG_MAX
        self.bitmap = self.inode_start + INODES * 64 // BLOCK
        self.data_start = self.bitmap + 1
        self.bytes = bytearray(self.blocks * BLOCK)
        self.next_block, self.next_inode = self.data_start, ROOT
        struct.pack_into("<7I", self.bytes, 0, 0x414C5553,
                         self.blocks, INODES, self.inode_start, self.bitmap,
                         self.data_start, self.log)

    def block(self, content):
        number = self.next_block
        if number >= self.blocks:
            sys.exit("mkfs: the image is too small")
        self.next_block += 1
        self.bytes[number * BLOCK:number * BLOCK + len(content)] = content
        return number

    def inode(self):
        self.next_inode += 1
        return self.next_inode - 1

    def fill(self, number, kind, links, content=b"", device=0):
        """Writes an inode and its content."""
        parts = [content[at:at + BLOCK] for at in range(0, len(content), BLOCK)]
        numbers = [self.block(part) for part in parts]
        direct, rest = numbers[:DIRECT], numbers[DIRECT:]
        direct += [0] * (DIRECT - len(direct))
        indirect = self.block(struct.pack(f"<{len(rest)}I", *rest)) if rest else 0
        struct.pack_into("<4HI13I", self.bytes, self.inode_start * BLOCK + number * 64,
                         kind, device, links, 0, len(content), *direct, indirect)
        return number

    def directory(self, number, parent, entries):
        listing = [(number, "."), (parent, "..")] + entries
        content = b"".join(struct.pack("<H30s", inode, name.encode()) for inode, name in listing)
        below = sum(1 for inode, name in entries if name in ("bin", "dev"))
        return self.fill(number, DIRECTORY, 1 + below, content)

    def finish(self):
        for number in range(self.next_block):
            self.bytes[self.bitmap * BLOCK + number // 8] |= 1 << number % 8


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    image = Image(int(sys.argv[2]))
    root, bin_, dev = image.inode(), image.inode(), image.inode()
    assert root == ROOT
    programs = [(image.fill(image.inode(), FILE, 1, Path(p).read_bytes()), Path(p).stem)
                for p in sys.argv[3:]]
    console = image.fill(image.inode(), DEVICE, 1, device=1)
    readme = image.fill(image.inode(), FILE,
                        1, b"Welcome to Insula. Programs are in /bin; try ls, ps, tests.\n")
    image.directory(bin_, root, programs)
    image.directory(dev, root, [(console, "console")])
    image.directory(root, root, [(bin_, "bin"), (dev, "dev"), (readme, "README")])
    image.finish()
    Path(sys.argv[1]).write_bytes(image.bytes)


if __name__ == "__main__":
    main()
