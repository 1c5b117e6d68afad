# SPDX-License-Identifier: MIT
"""Kernels and configurations whose numbers are impossible: each is refused at once, by name, and
the system goes on.

A kernel here is 8 KiB: a page of headers and notes, a page that spins. The same files are tried as
dom0, whose builder is ring 0's. Odd, and right, is one whose notes are in a section only.
"""
import os
import re
import struct

import archive
import pytest

import dom0
import machine

# each worker makes its own
FOLDER = machine.BUILD / "odd-kernels" / os.environ.get("PYTEST_XDIST_WORKER", "main")
HIGH = 0xffffffff80000000
ENTRY, HYPERCALL_PAGE, VIRT_BASE, PADDR_OFFSET, INIT_P2M = 1, 2, 3, 4, 15          # <xen/elfnote.h>
SEGMENT_UNUSED, SEGMENT_NOTE = 0, 4
RANGES = "below 0x800000000000 or from 0xffff880000000000 on"


def note(kind, value, size=8):
    return struct.pack("<III", 4, size, kind) + b"Xen\0" + value.to_bytes(size, "little")


def kernel(base=HIGH, p2m=None, memory=4096, pa=0, offset=0, page=None, entry=None, extra=b""):
    entry = (base + pa - offset if entry is None else entry) % 2**64
    notes = note(ENTRY, entry) + note(VIRT_BASE, base) + note(PADDR_OFFSET, offset) + extra
    notes += b"" if p2m is None else note(INIT_P2M, p2m)
    notes += b"" if page is None else note(HYPERCALL_PAGE, page)
    image = b"\177ELF\2\1\1" + bytes(9) + \
        struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, entry, 64, 0, 0, 64, 56, 2, 64, 0, 0)
    image += struct.pack("<IIQQQQQQ", 1, 5, 4096, base, pa, 4096, memory, 4096)
    image += struct.pack("<IIQQQQQQ", 4, 4, 64 + 2 * 56, 0, 0, len(notes), len(notes), 4) + notes
    return image.ljust(4096, b"\0") + b"\xeb\xfe".ljust(4096, b"\0")


# What is odd about it: the kernel, and what both builders say of it.
ODD = {
    "base-in-the-hole": (kernel(base=0x800000000000, p2m=0xfffffffffffff000),
                         rf"VIRT_BASE, 0x800000000000, must be a page {RANGES}"),
    "base-of-the-hypervisor": (kernel(base=0xffff830000000000),
                               "VIRT_BASE, 0xffff830000000000, must be a page"),
    "base-of-half-a-page": (kernel(base=HIGH + 2048, entry=HIGH + 2048),
                            "VIRT_BASE, 0xffffffff80000800, must be a page"),
    "base-at-the-end": (kernel(base=0xffffffffffe00000),
                        "VIRT_BASE 0xffffffffffe00000 on, must lie"),
    "list-at-the-end": (kernel(p2m=0xfffffffffffff000),
                        "INIT_P2M, 0xfffffffffffff000, must be a page"),
    "list-of-half-a-page": (kernel(p2m=0x8000000800), "INIT_P2M, 0x8000000800, must be a page"),
    "list-over-the-edge": (kernel(p2m=0x7ffffffff000),
                           "KiB at its INIT_P2M 0x7ffffffff000 must be whole pages"),
    "list-in-the-kernel": (kernel(p2m=HIGH + 0x100000),
                           "INIT_P2M 0xffffffff80100000 lie in its own region"),
    "endless-segment": (kernel(memory=2**64 - 4096),
                        "a segment of 18446744073709547520 bytes at 0x0 ends more than 16 GiB"),
    "segment-below": (kernel(pa=0, offset=0x100000, entry=HIGH),
                      "address, 0x0, is below the note PADDR_OFFSET, 0x100000"),
    "segment-in-the-hole": (kernel(base=0x7fffffe00000, memory=0x400000),
                            "a segment ends 0x400000 bytes behind the note VIRT_BASE"),
    "page-elsewhere": (kernel(page=HIGH + 0x40000000),
                       "HYPERCALL_PAGE, 0xffffffffc0000000, is no page in its segments"),
    "page-of-half-a-page": (kernel(page=HIGH + 2048),
                            "HYPERCALL_PAGE, 0xffffffff80000800, is no page"),
    "entry-elsewhere": (kernel(entry=0x1000), "its entry, 0x1000, is outside its segments"),
    "of-32-bits": (b"\177ELF\1\1\1" + kernel()[7:],
                   "it is a kernel for 32 bits: PV guests here are x86-64 ones"),
}
AS_DOM0 = {name: ODD[name] for name in
           ("base-in-the-hole", "base-at-the-end", "list-over-the-edge", "list-in-the-kernel",
            "endless-segment", "page-elsewhere", "of-32-bits")}
# dom0 would unpack it for a domU
AS_DOM0["packed"] = (bytes(0x202) + b"HdrS" + bytes(512),
                     "it is a bzImage: what is wanted is the ELF file packed in it, which "
                     "`domus-image OUT.elf --bare FILE` takes out")
TOO_MUCH = ["memory=1048576", "memory=100000"]


def with_notes_in_a_section(name):
    """A guest of ours without its segment of notes; the section that lies there has them still."""
    image = bytearray((machine.BUILD / f"guests/{name}.elf").read_bytes())
    start, = struct.unpack_from("<Q", image, 32)
    count, = struct.unpack_from("<H", image, 56)
    rows = [row for row in range(start, start + 56 * count, 56)
            if struct.unpack_from("<I", image, row) == (SEGMENT_NOTE,)]
    struct.pack_into("<I", image, rows[0], SEGMENT_UNUSED)
    assert len(rows) == 1
    return bytes(image)


@pytest.fixture(scope="module")
def files():
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, (image, _) in (ODD | AS_DOM0).items():
        (FOLDER / f"{name}.elf").write_bytes(image)
        (FOLDER / f"{name}.cfg").write_text(f'name = "odd"\nkernel = "{name}.elf"\nmemory = 16\n')
    (FOLDER / "long-note.elf").write_bytes(kernel(extra=note(INIT_P2M, 0x8000000000, 16)))
    (FOLDER / "long-note.cfg").write_text('name = "odd"\nkernel = "long-note.elf"\nmemory = 16\n')
    (FOLDER / "good.elf").write_bytes(kernel(p2m=0x8000000000, memory=8192, page=HIGH + 4096))
    (FOLDER / "good.cfg").write_text('name = "good"\nkernel = "good.elf"\nmemory = 16\n')
    # its 4 MiB end below the last ones
    (FOLDER / "top.elf").write_bytes(kernel(base=0xffffffffff800000))
    (FOLDER / "top.cfg").write_text('name = "top"\nkernel = "top.elf"\nmemory = 16\n')
    (FOLDER / "section.elf").write_bytes(with_notes_in_a_section("hello"))
    (FOLDER / "section.cfg").write_text('name = "hello"\nkernel = "section.elf"\nmemory = 16\n')
    archive.make_archive(FOLDER / "archive.tar",
                         [path for path in sorted(FOLDER.iterdir())
                          if path.suffix in (".elf", ".cfg")])
    return FOLDER


@pytest.fixture(scope="module")
def box(files):
    with dom0.Dom0("odd-kernels", archive=files / "archive.tar") as system:
        yield system


def test_numbers_of_a_kernel(box):
    before = box.free_pages()
    for name, (_, sentence) in ODD.items():
        assert sentence in box.refused(f"xl create {name}.cfg", timeout=20)
    assert "note INIT_P2M has 16 bytes" in box.refused("xl create long-note.cfg")
    assert box.free_pages()[0] == before[0]


def test_more_memory_than_the_machine_has(box):
    before = box.free_pages()
    for word in TOO_MUCH:
        error = box.refused(f"xl create good.cfg {word}", timeout=20)
        assert f"too little memory: {word.split('=')[1]} MiB are asked for" in error
    for many in (2 ** 20 + 1, 2 ** 32, 2 ** 63, 2 ** 64 + 1):
        assert "memory must be 1 to 1048576" in box.refused(f"xl create good.cfg memory={many}")
    assert "vcpus must be 1 to 32" in box.refused("xl create good.cfg vcpus=999")
    assert box.free_pages()[0] == before[0]


def test_good_ones_beside_them_start(box):
    for name in ("good", "top"):
        box.create(f"{name}.cfg")
    assert {"good", "top"} <= set(box.domains())
    for name in ("good", "top"):
        box.ask(f"xl destroy {name}")
    box.audit()


def test_notes_in_a_section(box):
    number = box.create("section.cfg")
    box.ended("hello")
    assert f"Hello from domain {number}!" in box.said()


@pytest.mark.parametrize("where", [machine.DOMUS, machine.XEN], ids=lambda where: where.name)
def test_notes_in_a_section_as_dom0(where):
    if not where.path.exists():
        pytest.skip("no real Xen here")
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"section-{where.name}.elf"
    path.write_bytes(with_notes_in_a_section("test-version"))
    with machine.Machine(f"odd-dom0-section-{where.name}", hypervisor=where,
                         modules=[[path, "test"]], memory=256) as system:
        system.expect("RESULT SUCCESS", timeout=60)


@pytest.mark.skipif(dom0.ON_XEN, reason="ring 0 is another there")
@pytest.mark.parametrize("name", AS_DOM0)
def test_as_dom0(files, name):
    with machine.Machine(f"odd-dom0-{name}",
                         modules=[[files / f"{name}.elf", "test"]], memory=256) as system:
        system.expect(rf"cannot build dom0: [^\n]*{re.escape(AS_DOM0[name][1])}", timeout=30)
        assert system.wait_off() == 0


@pytest.mark.skipif(dom0.ON_XEN, reason="ring 0 is another there")
@pytest.mark.parametrize("size", ["2G", "99999999999G", "18446744073709551616"])
def test_dom0_larger_than_the_machine(files, size):
    domus = machine.Hypervisor("domus", machine.DOMUS.path, [f"dom0_mem={size}"], machine.DOMUS.cpu)
    with machine.Machine(f"odd-dom0-mem-{size}", hypervisor=domus,
                         modules=[[files / "good.elf", "test"]], memory=256) as system:
        system.expect(r"dom0_mem= asks for \d+ MiB, \d+ MiB are free[^$]*cannot build dom0: not "
                      r"enough free memory", timeout=30)
        assert system.wait_off() == 0
