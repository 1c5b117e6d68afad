# SPDX-License-Identifier: MIT
"""A kernel without the zeros that its loader makes (tests/tools/linux.py) is the same kernel in
memory, and its notes are whole."""
import struct

import linux

LOAD, NOTE = 1, 4


def elf(*parts, more=b""):
    """A file of segments (kind, address, bytes in the file, bytes in memory) and of sections."""
    head, body, first = b"", b"", 64 + 56 * len(parts)
    for kind, address, data, size in parts:
        head += struct.pack("<IIQQQQQQ", kind, 6, first + len(body), address, 0, len(data), size, 1)
        body += data
    sections = first + len(body) if more else 0
    return b"\177ELF\2\1\1".ljust(32, b"\0") + struct.pack(
        "<QQIHHHHHH", 64, sections, 0, 64, 56, len(parts), 64, len(more) // 64, 1) + \
        head + body + more


def segments(image):
    """{(kind, address): its memory}, as a loader makes it."""
    start, = struct.unpack_from("<Q", image, 32)
    count, = struct.unpack_from("<H", image, 56)
    found = {}
    for row in range(start, start + 56 * count, 56):
        kind, _, offset, address, _, size, memory, _ = struct.unpack_from("<IIQQQQQQ", image, row)
        assert offset + size <= len(image)
        found[kind, address] = image[offset:offset + size].ljust(memory, b"\0")
    return found


PARTS = [(LOAD, 0x1000, b"text", 4),
         (LOAD, 0x2000, b"data" + bytes(500) + b"x" + bytes(3000), 8192),
         (LOAD, 0x9000, bytes(100), 100), (NOTE, 0, b"note" + bytes(8), 12)]


def test_the_same_memory_of_a_smaller_file():
    whole = elf(*PARTS, more=bytes(128))
    small = linux.without_zeros(whole)
    assert segments(small) == segments(whole) and len(segments(small)) == 4
    assert len(whole) - len(small) == 128           # behind the note: all else must stay in place
    assert struct.unpack_from("<Q", small, 40) == (0,)
    assert struct.unpack_from("<HH", small, 60) == (0, 0)


def test_the_end_of_the_file_goes():
    """As in Debian's: the segment with the zeros is the last one."""
    whole = elf(PARTS[3], PARTS[0], PARTS[1], more=bytes(128))
    small = linux.without_zeros(whole)
    assert segments(small) == segments(whole)
    assert len(whole) - len(small) == 128 + 3000
