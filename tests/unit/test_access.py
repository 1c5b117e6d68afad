# SPDX-License-Identifier: MIT
"""Every path through memory/access.asm, as it was assembled: what no guest notices.

Ring 0 that goes on with SMAP open does nothing wrong until a bug makes it; so each path opens it
before it touches guest memory, closes it behind, and each instruction between may fault: then the
same holds from the place where the exception table goes on, and the answer is -EFAULT.
"""
import ctypes
import os
import re
import subprocess
import traceback

import pytest

import machine
import stepper

OBJECT = machine.BUILD / "hv-obj" / "hypervisor" / "memory" / "access.asm.o"
EFAULT, DONE = "mov eax,0xfffffff2", "xor eax,eax"
FUNCTIONS = {"copy_from_guest", "copy_to_guest", "clear_guest", "read_guest_u64", "write_guest_u64",
             "write_guest_u32"}


def said(*command):
    return subprocess.run([*command, str(OBJECT)], capture_output=True, text=True,
                          check=True).stdout


def section(name):
    """The addresses in a table of addresses."""
    rows = re.findall(r"R_X86_64_64 +\.text(?:\+0x([0-9a-f]+))?",
                      said("objdump", "-r", "-j", name))
    return [int(row or "0", 16) for row in rows]


@pytest.fixture(scope="module")
def code():
    """{address: (instruction, address of the next)}"""
    if not OBJECT.exists():
        pytest.fail(f"{OBJECT} is not built")
    listing = said("objdump", "-D", "-M", "intel", "--no-show-raw-insn", "-j", ".text")
    found = [(int(address, 16), re.sub(r"\s+", " ", text))
             for address, text in re.findall(r"^\s+([0-9a-f]+):\s+([a-z].*?)\s*$", listing, re.M)]
    return {address: (text, following[0])
            for (address, text), following in zip(found, found[1:] + [(None, None)])}


def touches_memory(text):
    return "[" in text and not text.startswith("lea")


def walk(code, fixups, start):
    """All paths from here: {address: is SMAP open?}."""
    seen, to_do = {}, [(start, False, None, False)]
    while to_do:
        address, is_open, answer, faulted = state = to_do.pop()
        if state in seen.setdefault(address, set()):
            continue
        seen[address].add(state)
        text, following = code[address]
        here = f"{address:#x} `{text}`"
        if address in fixups:
            assert is_open and touches_memory(text), f"{here}: nothing to fault on"
            to_do.append((fixups[address], True, None, True))
        assert not (is_open and touches_memory(text)) or address in fixups, f"{here}: may fault"
        if text in ("stac", "clac"):
            assert is_open == (text == "clac"), f"{here}: SMAP is so already"
            is_open = text == "stac"
        if text in (DONE, EFAULT):
            answer = text
        elif re.match(r"\w+ r?e?ax,", text) and not text.startswith("cmp"):
            answer = None
        if text == "ret":
            assert not is_open, f"{here}: with SMAP open"
            assert answer == EFAULT or answer == DONE and not faulted, f"{here}: answers {answer}"
            continue
        if jump := re.match(r"j(\w+) ([0-9a-f]+)", text):
            to_do.append((int(jump[2], 16), is_open, answer, faulted))
        if not text.startswith("jmp"):
            to_do.append((following, is_open, answer, faulted))
    return seen


def test_all_paths(code):
    pairs = section(".fixups")
    fixups = dict(zip(pairs[::2], pairs[1::2]))
    starts = {name: int(address, 16) for address, name in
              re.findall(r"^([0-9a-f]+) T (\w+)$", said("nm"), re.M)}
    assert set(starts) == FUNCTIONS
    reached = set()
    for start in starts.values():
        seen = walk(code, fixups, start)
        ends = {state[2] for address in seen for state in seen[address]
                if code[address][0] == "ret"}
        assert ends == {DONE, EFAULT}, f"{start:#x}: answers {ends}"
        reached |= set(seen)
    assert reached == set(code), "there is code that nothing comes to"
    assert set(fixups) <= reached


def test_sites_of_smap(code):
    """What boot makes nops of where there is no SMAP: all that open or close it, nothing else."""
    sites = section(".smap_sites")
    assert sorted(sites) == [at for at in code if code[at][0] in ("stac", "clac")]


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """The functions themselves, STAC and CLAC aside, which are not for programs: callable here,
    where a program's own memory is the guest's."""
    folder = tmp_path_factory.mktemp("access")
    bare = re.sub(rb"\x0f\x01[\xca\xcb]", b"\x0f\x1f\x00", OBJECT.read_bytes())
    (folder / "access.o").write_bytes(bare)
    subprocess.run(["ld", "-shared", "-z", "notext", "-z", "noexecstack", "-o", "access.so",
                    "access.o"], cwd=folder, check=True)
    return folder / "access.so"


def in_a_process(check, library, *arguments):
    """A fault ends that one alone."""
    functions = ctypes.CDLL(str(library))
    child = os.fork()
    if child == 0:
        status = 1
        try:
            check(lambda name, *words: getattr(functions, name)(*map(ctypes.c_uint64, words)),
                  *arguments)
            status = 0
        except AssertionError:
            traceback.print_exc()
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0


def every_byte_and_no_other(call):
    source = ctypes.create_string_buffer(bytes(range(1, 129)), 128)
    target = ctypes.create_string_buffer(128)
    at, to = ctypes.addressof(source), ctypes.addressof(target)

    def is_done(size, name, *arguments, what=source.raw):
        for offset in range(9):
            ctypes.memset(to, 0xee, 128)
            assert call(name, *(word + offset * (word == to) for word in arguments)) == 0
            wanted = b"\xee" * offset + what[:size]
            assert target.raw == wanted + b"\xee" * (128 - len(wanted)), f"{name} {size} {offset}"
    for size in range(100):
        is_done(size, "copy_from_guest", to, at, size)
        is_done(size, "copy_to_guest", to, at, size)
        is_done(size, "clear_guest", to, size, what=bytes(128))
    is_done(8, "read_guest_u64", to, at)
    is_done(8, "write_guest_u64", to, 0x8877665544332211, what=bytes.fromhex("1122334455667788"))
    is_done(4, "write_guest_u32", to, 0x8877665544332211, what=bytes.fromhex("11223344"))


def test_every_byte_and_no_other(library):
    in_a_process(every_byte_and_no_other, library)


def refused(call, size, places):
    buffer = ctypes.create_string_buffer(b"\x55" * 128, 128)
    here = ctypes.addressof(buffer)
    for va in places:
        assert call("copy_from_guest", here, va, size) == -14
        assert call("copy_to_guest", va, here, size) == -14
        assert call("clear_guest", va, size) == -14
        if size == 8:
            assert call("read_guest_u64", here, va) == -14
            assert call("write_guest_u64", va, 1) == -14
        if size == 4:
            assert call("write_guest_u32", va, 1) == -14
    assert buffer.raw == b"\x55" * 128


@pytest.mark.parametrize("size", [4, 8, 100])
@pytest.mark.parametrize("bad", [1 << 47, 0xffff800000000000, 0xffff87ffffffffff, 1 << 64])
def test_what_is_not_the_guests(library, bad, size):
    """In the hole, in ours, around the end: whichever of its bytes is the one that is."""
    places = [va for va in (bad - size + 1, bad - size // 2, bad - 1, bad) if va < 1 << 64]
    in_a_process(refused, library, size, places)


# --- with addresses that no program has ----------------------------------------------------------
BUFFER, OURS = 0xffff830000100000, 0xffff830000000000
LOW_END, HV_END, TOP = 1 << 47, 0xffff880000000000, 1 << 64
# Functions by their arguments; each of `va` and `ours` is an address.
CALLS = {"copy_from_guest": ("ours", "va", "size"), "copy_to_guest": ("va", "ours", "size"),
         "clear_guest": ("va", "size"), "read_guest_u64": ("ours", "va"),
         "write_guest_u64": ("va", "word"), "write_guest_u32": ("va", "word")}


@pytest.fixture(scope="module")
def program():
    return stepper.Program(OBJECT, 0xffff82d000000000, (".text", ".fixups"))


def answer(program, name, va, size):
    """What the function says. All bytes were moved, or none; and no other is there."""
    cpu = stepper.Processor(program, {})
    cpu.give(BUFFER, 256, 0x55)
    cpu.give(va, size, 0xaa)
    cpu.regs["rsp"] = BUFFER + 128
    cpu.push(0)
    given = {"va": va, "ours": BUFFER, "size": size, "word": 0x5555555555555555}
    registers = ("rdi", "rsi", "rdx")
    cpu.run(name, **{reg: given[what] for reg, what in zip(registers, CALLS[name])})
    assert not cpu.ac and cpu.regs["rsp"] == BUFFER + 128
    said, reads = cpu.regs["rax"] & 0xffffffff, "ours" == CALLS[name][0]
    for i in range(size):
        moved = cpu.load(BUFFER + i, 1) == 0xaa if reads else cpu.load(va + i, 1) != 0xaa
        assert moved == (said == 0), f"{name} {va:#x} {size} byte {i}"
    return said


@pytest.mark.parametrize("name", sorted(CALLS))
def test_where_what_is_the_guests_ends(program, name):
    """At the last byte of the lower half; from the first behind ours to the top, which a range of
    any size does not touch."""
    sized = "size" in CALLS[name]
    for size in (1, 8, 24) if sized else (4,) if name.endswith("u32") else (8,):
        top = TOP - size - sized
        for va in (0, LOW_END - size, HV_END, top):
            assert answer(program, name, va, size) == 0, f"{va:#x} {size}"
        for va in (LOW_END - size + 1, LOW_END, OURS, HV_END - 1, top + 1):
            assert answer(program, name, va, size) == 0xfffffff2, f"{va:#x} {size}"
