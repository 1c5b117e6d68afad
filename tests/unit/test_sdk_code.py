# SPDX-License-Identifier: MIT
"""Assembly of the SDK's, as it was assembled, where no guest can look: the one instruction at which
an event would have to strike, an argument that no hypercall has, notes that only real Xen reads."""
import re
import struct
import subprocess

import pytest

import machine

LIBRARY = machine.BUILD / "libpvguest.a"
# Each is given to a hypercall where Xen looks for it; the number last of all.
ARGUMENTS = ["mov rax,rdi", "mov rdi,rsi", "mov rsi,rdx", "mov rdx,rcx", "mov r10,r8", "mov r8,r9"]
EVENT_ENTRY = """
    pop rcx
    pop r11
    cmp QWORD PTR [rsp],unmask
    jb event_entry.new_frame
    cmp QWORD PTR [rsp],unmask_end
    jae event_entry.new_frame
    push rax
    mov rax,QWORD PTR [rsp+0x20]
    cmp QWORD PTR [rsp+0x8],unmask_ret
    je event_entry.only_rip
    push QWORD PTR [rax]
    pop QWORD PTR [rsp+0x18]
    add rax,0x8
    push QWORD PTR [rax]
    pop QWORD PTR [rsp+0x8]
    add rax,0x8
    mov QWORD PTR [rsp+0x20],rax
    pop rax
"""


@pytest.fixture(scope="module")
def functions():
    """{label: [instruction, ...]}, local labels in the middle of a function ending none."""
    said = subprocess.run(["objdump", "-dr", "-M", "intel", "--no-show-raw-insn", str(LIBRARY)],
                          capture_output=True, text=True, check=True).stdout
    found, name = {}, None
    for line in said.splitlines():
        if label := re.match(r"[0-9a-f]+ <(\w+)(\.\w+)?>:", line):
            name = label[1]
            found.setdefault(name, [])
        elif moved := re.match(r"\s+[0-9a-f]+: R_X86_64_\w+\s+(\S+)", line):
            found[name][-1] = re.sub(r"0x0$", moved[1], found[name][-1])
        elif code := re.match(r"\s+[0-9a-f]+:\s+(\S.*?)\s*$", line):
            text = re.sub(r"^(j\w+)\s+[0-9a-f]+ <([\w.]+)>", r"\1 \2", code[1])
            found[name].append(re.sub(r"\s+", " ", text))
    return found


def labels():
    """{offset: name} of the labels of entry.asm, which relocations do not name."""
    said = subprocess.run(["nm", "-A", str(LIBRARY)], capture_output=True, text=True,
                          check=True).stdout
    of_entry = re.findall(r":entry\S*:([0-9a-f]+) [tT] (\w+)\n", said)
    return {int(at, 16): name for at, name in of_entry}


def test_an_event_in_the_middle_of_the_way_back(functions):
    """It takes the place of the frame that was on its way: all three bounds are looked at."""
    names = labels()

    def named(text):
        return re.sub(r"\.text\+0x([0-9a-f]+)", lambda match: names[int(match[1], 16)], text)
    wanted = [line.strip() for line in EVENT_ENTRY.strip().splitlines()]
    assert [named(text) for text in functions["event_entry"]][:len(wanted)] == wanted
    assert functions["unmask_popf"] == ["popf"] and functions["unmask_ret"] == ["ret"]


def test_arguments_of_any_hypercall(functions):
    assert functions["hypercall_by_syscall"] == [*ARGUMENTS, "syscall", "ret"]
    by_page = functions["hypercall_by_page"]
    assert by_page[:len(ARGUMENTS)] == ARGUMENTS
    assert [text.split()[0] for text in by_page[len(ARGUMENTS):]] == [
        "cmp", "jae", "shl", "add", "jmp", "mov", "ret"]
    assert by_page[-2:] == ["mov rax,0xffffffffffffffda", "ret"]


def notes_of_the_start(folder):
    """{type: what it says} of head.asm's."""
    start, section = folder / "head.o", folder / "notes"
    with start.open("wb") as file:
        subprocess.run(["ar", "p", str(LIBRARY), "head.o"], stdout=file, check=True)
    subprocess.run(["objcopy", "-O", "binary", "-j", ".note.Xen", start, section], check=True)
    data, at, notes = section.read_bytes(), 0, {}
    while at < len(data):
        name, size, kind, owner = struct.unpack_from("<III4s", data, at)
        assert (name, owner) == (4, b"Xen\0") and kind not in notes
        notes[kind] = data[at + 16:at + 16 + size]
        at += 16 + -(-size // 4) * 4
    return notes


def test_notes_for_builders(tmp_path):
    """<xen/elfnote.h>; our own builder is content with less."""
    notes = notes_of_the_start(tmp_path)
    # where to begin and where hypercalls are, the linker has yet to say
    assert sorted(notes) == [1, 2, 3, 4, 5, 6, 8, 9, 10, 13]
    assert struct.unpack("<QQ", notes[3] + notes[4]) == (0xffffffff80000000, 0)
    assert struct.unpack("<QQ", notes[13]) == (1, 1)
    texts = {kind: notes[kind].rstrip(b"\0").decode("latin-1") for kind in (5, 6, 8, 9, 10)}
    assert texts == {5: "xen-3.0", 6: "pvguest", 8: "generic", 9: "yes",
                     10: "!writable_page_tables|pae_pgdir_above_4gb"}
