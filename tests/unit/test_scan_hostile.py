# SPDX-License-Identifier: MIT
"""domus-scan and files that are made to be slow or to fill the memory: whose tables lie over each
other, whose names are endless, which unpack to more than they are. Each would take hours or all of
the memory if one of its numbers were multiplied with another; here it takes seconds."""
import os
import resource
import struct
import subprocess
import zlib

import pytest
import scanner

SECONDS = 5                     # of processor time; the slowest takes less than one
MEMORY = 700 << 10              # KiB of resident memory
EXEC, WRITE = 6, 3              # SHF_ALLOC with SHF_EXECINSTR; with SHF_WRITE
PROGBITS, SYMTAB, STRTAB, DYNSYM = 1, 2, 3, 11
BASE = 0x100000
COMPRESSED = 0x800


class Elf:
    """A 64-bit file with these bytes and headers, which say of them what they like."""

    def __init__(self):
        self.body = bytearray(64)
        self.sections = [bytes(64)]
        self.segments = []
        self.names = b"\0.debug_pvguest_kept\0.debug_info\0.text\0"

    def put(self, data):
        self.body += data
        return len(self.body) - len(data), len(data)

    def section(self, kind, flags, place, address=0, link=0, entry=0, name=b""):
        at = self.names.index(name + b"\0")
        self.sections.append(struct.pack("<IIQQQQIIQQ", at, kind, flags, address, *place, link, 0,
                                         8, entry))
        return len(self.sections) - 1

    def segment(self, place, address):
        self.segments.append(struct.pack("<IIQQQQQQ", 1, 5, place[0], address, address, place[1],
                                         place[1], 1))

    def write(self, path):
        names = self.section(STRTAB, 0, self.put(self.names))
        self.body += bytes(-len(self.body) % 8)
        segments, _ = self.put(b"".join(self.segments))
        sections, _ = self.put(b"".join(self.sections))
        self.body[:64] = struct.pack("<4s5B7xHHIQQQIHHHHHH", b"\x7fELF", 2, 1, 1, 0, 0, 2, 62, 1,
                                     BASE, segments, sections, 0, 64, 56, len(self.segments), 64,
                                     len(self.sections), names)
        path.write_bytes(self.body)
        return path


def symbols(count, address=lambda i: BASE + i, name=1, section=1):
    return b"".join(struct.pack("<IBBHQQ", name, 2, 0, section, address(i), 0)
                    for i in range(count))


def spare_the_machine():
    resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))


def scan(path, *words, seconds=SECONDS):
    """(status, what it said) within the limits."""
    done = subprocess.Popen([scanner.PROGRAM, "--brief", *words, path], stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, errors="replace",
                            preexec_fn=spare_the_machine)
    said = done.stdout.read()
    _, status, used = os.wait4(done.pid, 0)
    done.returncode = os.waitstatus_to_exitcode(status)
    assert used.ru_utime + used.ru_stime < seconds and used.ru_maxrss < MEMORY, said[-500:]
    assert done.returncode >= 0
    return done.returncode, said


@pytest.fixture(name="elf")
def fixture_elf():
    return Elf()


def test_many_symbol_tables_over_each_other(elf, tmp_path):
    text = elf.put(b"\x9d" * 4096)
    elf.section(PROGBITS, EXEC, text, BASE)
    names = elf.section(STRTAB, 0, elf.put(b"\0name\0"))
    table = elf.put(symbols(100000, lambda i: BASE + i % 4096))
    for _ in range(20000):
        elf.section(SYMTAB, 0, table, link=names, entry=24)
    status, said = scan(elf.write(tmp_path / "kernel"))
    assert status == 1 and "tables are together longer than the file" in said


def test_many_symbols_in_many_segments(elf, tmp_path):
    text, count = elf.put(b"\x9d" * 60000)[0], 60000
    for i in range(count):
        elf.segment((text + i, 1), BASE + 2 * i)
    names = elf.section(STRTAB, 0, elf.put(b"\0name\0"))
    elf.section(SYMTAB, 0, elf.put(symbols(600000, lambda i: BASE + 2 * (i % count),
                                           section=0xfe00)), link=names, entry=24)
    status, said = scan(elf.write(tmp_path / "kernel"))
    assert status == 1 and "600000 symbols" in said


def test_many_names_of_one_address(elf, tmp_path):
    elf.section(PROGBITS, EXEC, elf.put(b"\x9d" * 100000), BASE)
    names = elf.section(STRTAB, 0, elf.put(b"\0name\0"))
    elf.section(SYMTAB, 0, elf.put(symbols(600000, lambda i: BASE)), link=names, entry=24)
    assert scan(elf.write(tmp_path / "kernel"))[0] == 1


def test_many_jumps_to_what_is_no_instruction(elf, tmp_path):
    jumps, rest = 200000, 2 << 20
    code = b"".join(b"\xe9" + struct.pack("<i", (jumps - i) * 5 - 5 + rest - 100)
                    for i in range(jumps))
    elf.section(PROGBITS, EXEC, elf.put(code + b"\x06" * rest), BASE)
    status, said = scan(elf.write(tmp_path / "kernel"))
    assert status == 3 and "200000 jumps" in said


def test_many_segments_over_many_sections(elf, tmp_path):
    place, count = elf.put(b"\x90\x06" * 60000)[0], 60000
    for i in range(count):
        elf.section(PROGBITS, EXEC, (place + 2 * i, 1), BASE + i)
        elf.segment((place, 2 * count), BASE)
    assert "60000 bytes of executable segments" in scan(elf.write(tmp_path / "kernel"))[1]


@pytest.mark.parametrize("end", [b"\0", b""])
def test_endless_names(end, elf, tmp_path):
    """Of symbols, which is looked into for words of paging; and a table that does not end."""
    elf.section(PROGBITS, EXEC, elf.put(b"\x9d" * 100000), BASE)
    names = elf.section(STRTAB, 0, elf.put(b"\0" + b"n" * (1 << 20) + end))
    elf.section(SYMTAB, 0, elf.put(symbols(100000)), link=names, entry=24)
    path = elf.write(tmp_path / "kernel")
    assert scan(path)[0] == 1
    status, said = scan(path, "--json")
    assert status == 1 and "a name that is too long" in said and "n" * 3000 not in said


def packed(size, lie=None):
    """A compressed section of zeroes: a thousandth of what it unpacks to."""
    step = 16 << 20
    pack = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = pack.compress(bytes(step)) + pack.flush(zlib.Z_FULL_FLUSH)
    check = struct.pack(">HH", size % 65521, 1)
    return struct.pack("<IIQQ", 1, 0, lie or size, 1) + b"\x78\x01" + block * (size // step) + \
        b"\x03\0" + check


def test_reasons_that_unpack_to_more_than_is_kept(elf, tmp_path):
    elf.section(PROGBITS, EXEC, elf.put(b"\x9d"), BASE)
    elf.section(PROGBITS, COMPRESSED, elf.put(packed(1 << 30)), name=b".debug_pvguest_kept")
    status, said = scan(elf.write(tmp_path / "kernel"))
    assert status == 1 and "kept on purpose cannot be unpacked" in said


@pytest.mark.parametrize("lie", [None, 1 << 60])
def test_dwarf_that_unpacks_to_more_than_there_is_memory(lie, elf, tmp_path):
    elf.section(PROGBITS, EXEC, elf.put(b"\x9d"), BASE)
    elf.section(PROGBITS, COMPRESSED, elf.put(packed(2 << 30, lie)), name=b".debug_info")
    status, said = scan(elf.write(tmp_path / "kernel"))
    assert status == 1 and "no DWARF" in said or status == 2 and "no memory left" in said


def test_units_that_share_their_lines(tmp_path):
    """A table for all, and it is read once."""
    source, elf = tmp_path / "kernel.s", tmp_path / "kernel.elf"
    lines = "".join(f".loc 1 {1 + i % 60000}\n popf\n" for i in range(60000))
    unit = ".long 2f - 1f\n1: .value 5\n .byte 1, 8\n .long abbrev\n .uleb128 1\n .long lines\n2:\n"
    source.write_text(f"""
.file 1 "kernel.s"
.globl _start
_start: {lines}
.section .debug_line,"",@progbits
lines:
.section .debug_abbrev,"",@progbits
abbrev: .uleb128 1, 0x11; .byte 0; .uleb128 0x10, 0x17, 0, 0; .byte 0
.section .debug_info,"",@progbits
""" + unit * 30000)
    scanner.call("gcc", "-nostdlib", "-static", "-no-pie", "-Wl,--build-id=none", "-o", elf, source)
    status, said = scan(elf)
    assert status == 1 and "DWARF" not in said


def test_a_file_without_an_end():
    status, said = scan("/dev/zero")
    assert status == 2 and "not an ELF file" in said


@pytest.mark.skipif(not os.environ.get("DOMUS_LONG_SCANS"), reason="make soak: it takes 20 s")
def test_what_is_slow_in_the_library_is_ended(tmp_path):
    """Units of few bytes, each with a million attributes to be looked through."""
    source, elf = tmp_path / "kernel.s", tmp_path / "kernel.elf"
    unit = ".long 2f - 1f\n1: .value 5\n .byte 1, 8\n .long abbrev\n .uleb128 1\n .long 0\n2:\n"
    source.write_text(f"""
.globl _start
_start: popf
.section .debug_abbrev,"",@progbits
abbrev: .uleb128 1, 0x11; .byte 0
.rept 1000000
.uleb128 0x3f, 0x19
.endr
.uleb128 0x10, 0x17, 0, 0; .byte 0
.section .debug_info,"",@progbits
""" + unit * 60000)
    scanner.call("gcc", "-nostdlib", "-static", "-no-pie", "-Wl,--build-id=none", "-o", elf, source)
    status, said = scan(elf, seconds=40)
    assert status == 2 and said.count("\n") == 1 and "made to be slow" in said
