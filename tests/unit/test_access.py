# SPDX-License-Identifier: MIT
"""Every path through memory/access.asm, as it was assembled: what no guest notices.

Ring 0 that goes on with SMAP open does nothing wrong until a bug makes it; so each path opens it
before it touches guest memory, closes it behind, and each instruction between may fault: then the
same holds from the place where the exception table goes on, and the answer is -EFAULT.
"""
import re
import subprocess

import pytest

import machine

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
