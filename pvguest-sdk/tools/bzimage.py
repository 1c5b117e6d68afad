# SPDX-License-Identifier: MIT
"""Kernels in dom0's place as distributions have them: the ELF file out of Linux's bzImage.

Real Xen unpacks one while it boots. Ring 0 of Domus has no unpacker, and needs none: whoever makes
an image or starts a machine does it here, on the host. The layout is that of
Documentation/arch/x86/boot.rst: `payload_offset` and `payload_length` in the setup header.
"""
import bz2
import lzma
import struct
import subprocess
import zlib

import host

ELF = b"\x7fELF"
SETUP_SECTORS, MAGIC, VERSION, PAYLOAD = 0x1f1, 0x202, 0x206, 0x248     # places in the header


def by_program(name, data):
    """For the packers that Python does not know."""
    done = subprocess.run([host.program(name), "-dc"], input=data, capture_output=True)
    if done.returncode:
        raise host.Refused(f"{name} cannot unpack the kernel: {done.stderr.decode().strip()}")
    return done.stdout


def by(make):
    """By a decompressor of Python's, which knows where what it unpacks ends."""
    def unpack(data):
        decompressor = make()
        unpacked = decompressor.decompress(data)
        if not decompressor.eof:
            raise EOFError("it ends too early")
        return unpacked
    return unpack


# What a payload begins with, and how it is unpacked. But for gzip's, its unpacked size is in four
# bytes behind it, which not all programs let pass.
PACKERS = {
    b"\x1f\x8b": by(lambda: zlib.decompressobj(wbits=31)),
    b"BZh": by(bz2.BZ2Decompressor),
    b"\x5d\0\0": by(lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE)),
    b"\xfd7zXZ\0": by(lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ)),
    b"\x28\xb5\x2f\xfd": lambda data: by_program("zstd", data[:-4]),
    b"\x02!L\x18": lambda data: by_program("lz4", data[:-4]),
    ELF: lambda data: data,
}


def is_bzimage(data):
    return data[MAGIC:MAGIC + 4] == b"HdrS"


def elf_of(bzimage):
    """The ELF file in it (bytes in, bytes out)."""
    if len(bzimage) < PAYLOAD + 8:
        raise host.Refused("a bzImage that ends in its header")
    version, = struct.unpack_from("<H", bzimage, VERSION)
    if version < 0x208:
        raise host.Refused(f"a bzImage of boot protocol {version >> 8}.{version & 255:02}, which "
                           "does not say where its kernel is: 2.08 is the first that does")
    offset, length = struct.unpack_from("<II", bzimage, PAYLOAD)
    payload = bzimage[((bzimage[SETUP_SECTORS] or 4) + 1) * 512 + offset:][:length]
    unpack = next((unpack for begin, unpack in PACKERS.items() if payload.startswith(begin)), None)
    if len(payload) < length or not unpack:
        raise host.Refused("a bzImage whose kernel is cut off, or packed in a way that is not "
                           f"known here: it begins with {payload[:6].hex(' ')}")
    try:
        kernel = unpack(payload)
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as problem:
        raise host.Refused(f"a bzImage whose kernel is damaged: {problem}") from problem
    if not kernel.startswith(ELF):
        raise host.Refused("a bzImage in which is no ELF file")
    return kernel


def unpacked(kernel, folder):
    """The path of a kernel that Domus takes: this one if it is an ELF file; a bzImage is unpacked
    into the folder."""
    with host.file(kernel).open("rb") as file:
        begin = file.read(MAGIC + 4)
        if begin.startswith(ELF):
            return kernel
        if not is_bzimage(begin):
            raise host.Refused(f"{kernel} is no ELF file and no bzImage: --bare wants a kernel")
        path = folder / "unpacked.elf"
        try:
            path.write_bytes(elf_of(begin + file.read()))
        except host.Refused as problem:
            raise host.Refused(f"{kernel}: {problem}") from problem
    return path
