# SPDX-License-Identifier: MIT
"""Kernels for dom0's place out of a bzImage, on the host: by each packer that Linux's build knows
and this host has; and what is no bzImage, or a damaged one, is refused by name. domus-run and
domus-image do it by themselves."""
import bz2
import gzip
import lzma
import os
import pathlib
import shutil
import struct
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOLS = ROOT / "pvguest-sdk/tools"
sys.path.insert(0, str(TOOLS))
import bzimage                                                      # noqa: E402
import host                                                         # noqa: E402

KERNEL = b"\x7fELF" + bytes(range(256)) * 40
SIZE = struct.pack("<I", len(KERNEL))


def by_program(name):
    def pack(data):
        if not shutil.which(name):
            pytest.skip(f"{name} is not here")
        return subprocess.run([name, "-c", *(["-l"] if name == "lz4" else [])], input=data,
                              check=True, capture_output=True).stdout + SIZE
    return pack


# gzip's own size is the one that is in its last four bytes
PACK = {"gzip": gzip.compress,
        "bzip2": lambda data: bz2.compress(data) + SIZE,
        "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE) + SIZE,
        "xz": lambda data: lzma.compress(data) + SIZE,
        "zstd": by_program("zstd"), "lz4": by_program("lz4"), "nothing": lambda data: data}


def image(payload, *, sectors=3, version=0x20f, offset=0x30, length=None):
    head = bytearray((sectors + 1) * 512)
    head[0x1f1] = sectors
    head[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", head, 0x206, version)
    struct.pack_into("<II", head, 0x248, offset, len(payload) if length is None else length)
    return bytes(head) + bytes(offset) + payload + b"what comes behind it"


@pytest.mark.parametrize("packer", PACK)
def test_each_packer(packer):
    assert bzimage.elf_of(image(PACK[packer](KERNEL))) == KERNEL


def test_the_oldest_form():
    """No number of sectors is four of them."""
    old = bytearray(image(PACK["gzip"](KERNEL), sectors=4, version=0x208))
    old[0x1f1] = 0
    assert bzimage.elf_of(bytes(old)) == KERNEL


def middle(packer):
    packed = bytearray(PACK[packer](KERNEL))
    packed[20:60] = b"\xff" * 40
    return image(bytes(packed))


@pytest.mark.parametrize("broken, sentence", [
    (image(b"", version=0x207), "protocol 2.07"), (image(b"")[:0x24c], "ends in its header"),
    (image(b"")[:0x206], "ends in its header"),
    (image(PACK["gzip"](KERNEL), length=1 << 20), "cut off"), (image(b"\x89LZO" * 9), "89 4c 5a"),
    (image(PACK["gzip"](KERNEL)[:-90] + bytes(90)), "damaged"),
    (image(PACK["xz"](KERNEL)[:40] + bytes(90)), "damaged"),
    *((middle(packer), "damaged") for packer in ("gzip", "bzip2", "xz")),
    *((image(PACK[packer](KERNEL)[:-20]), "damaged") for packer in ("gzip", "bzip2", "lzma", "xz")),
    *((image(PACK[packer](b"no kernel" * 99)), "no ELF file") for packer in ("gzip", "xz")),
], ids=["old", "short", "shorter", "longer", "unknown", "end", "middle", "gzip", "bzip2", "xz",
        "gzip-ends", "bzip2-ends", "lzma-ends", "xz-ends", "gzip-other", "xz-other"])
def test_what_is_broken(broken, sentence):
    with pytest.raises(host.Refused, match=sentence):
        bzimage.elf_of(broken)


def tool(*words):
    return subprocess.run([sys.executable, str(TOOLS / "domus-image"), *map(str, words)],
                          capture_output=True, text=True, env={**os.environ, "COLUMNS": "100"})


def test_by_the_tools(tmp_path):
    packed, out = tmp_path / "vmlinuz", tmp_path / "out.elf"
    packed.write_bytes(image(PACK["xz"](KERNEL)))
    assert tool(out, "--bare", packed).returncode == 0 and out.read_bytes() == KERNEL
    (tmp_path / "plain.elf").write_bytes(KERNEL)
    assert bzimage.unpacked(tmp_path / "plain.elf", tmp_path) == tmp_path / "plain.elf"
    packed.write_bytes(image(b"nothing that unpacks"))
    said = tool(out, "--bare", packed)
    assert said.returncode == 1 and f"{packed}: a bzImage whose kernel is" in said.stderr
    assert tool(out, "--bare", packed, packed).returncode == 2
    (tmp_path / "text").write_text("no kernel")
    assert "no ELF file and no bzImage" in tool(out, "--bare", tmp_path / "text").stderr
    assert out.read_bytes() == KERNEL
