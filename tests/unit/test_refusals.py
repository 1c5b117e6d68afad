# SPDX-License-Identifier: MIT
"""The judgement over refusals (tests/tools/refusals.py): what is missing and what explains nothing
is found, and nothing else is."""
import collections
import os
import pathlib
import struct

import pytest

import refusals

HERE = "a/b.c"
PLACES = {f"{HERE}:3": ("first", 'return fail(-EINVAL, "too large");'),
          f"{HERE}:4": ("first", 'return fail(-EFAULT, "cannot be read");'),
          f"{HERE}:9": ("second", 'return fail(-EFAULT, "cannot be read");')}


def judge(reached, *lines):
    found = {f"{HERE}:{line}": collections.Counter({f"test-{line}": 2}) for line in reached}
    return refusals.judge(PLACES, found, refusals.read_reasons("\n".join(lines), "reasons"))


def test_all_reached():
    assert judge([3, 4, 9]) == ({}, [])


def test_one_that_nobody_reaches_is_named_with_its_function_and_text():
    why, wrong = judge([3, 9])
    assert not why and len(wrong) == 1
    assert wrong[0].startswith(f"{HERE}:4: in first()") and '"cannot be read"' in wrong[0]


def test_a_reason_is_for_one_place_of_one_function():
    why, wrong = judge([3, 9], f"{HERE} | first | cannot be read | no such hardware")
    assert (why, wrong) == ({f"{HERE}:4": "no such hardware"}, [])
    why, wrong = judge([3], f"{HERE} | first | cannot be read | no such hardware")
    assert len(wrong) == 1 and wrong[0].startswith(f"{HERE}:9: in second()")
    why, wrong = judge([9], f"{HERE} | first | fail | all of them")
    assert not why and len(wrong) == 3 and "is at a/b.c:3, a/b.c:4" in wrong[0]


@pytest.mark.parametrize("line", [f"{HERE} | first | too small | gone",
                                  f"{HERE} | third | too large | gone",
                                  "a/c.c | first | too large | gone"])
def test_a_reason_for_nothing(line):
    why, wrong = judge([3, 4, 9], "# a comment", "", line)
    assert not why and len(wrong) == 1 and wrong[0].startswith("reasons:3: there is no such place")


def test_a_reason_for_what_is_reached():
    why, wrong = judge([3, 4, 9], f"{HERE} | second | cannot be read | hardly ever")
    assert not why and len(wrong) == 1 and "is reached, by test-9" in wrong[0]


@pytest.mark.parametrize("line", ["a/b.c | first | too large", "a/b.c | first | | because", "x"])
def test_a_reason_of_another_form(line):
    with pytest.raises(SystemExit):
        judge([3, 4, 9], line)


def test_functions_and_statements():
    lines = ["static int first(int a,", "                 int b)", "{", "    int x = other(a);",
             "    if (x)",
             '        return fail(-EINVAL,', '                    "so");', "}"]
    assert refusals.function_around(lines[:6]) == "first"
    assert refusals.statement(lines, 5) == 'if (x) return fail(-EINVAL, "so");'
    assert refusals.statement(lines, 3) == "int x = other(a);"
    cases = ["    switch (x) {", "    case FIRST: WITH_ARGUMENT(a, b(&op))",
             "    case SECOND: WITH_ARGUMENT(c, d(&op))", "    default:"]
    assert refusals.statement(cases, 1) == "case FIRST: WITH_ARGUMENT(a, b(&op))"
    assert refusals.statement(cases, 2) == "case SECOND: WITH_ARGUMENT(c, d(&op))"
    assert refusals.function_around(["int declared(void);", "int n;"]) == ""


def record(line, count, file):
    return refusals.RECORD.pack(struct.unpack("<Q", refusals.MAGIC)[0], 0, line, count, file)


def test_what_lies_in_memory():
    data = (record(3, 0, b"a/b.c") + b"\0" * 24 + record(4, 1, b"a/b.c") + b"\0" * 40
            + record(9, 2, b"a/b.c"))
    assert list(refusals.records(data)) == [("a/b.c:3", 0), ("a/b.c:9", 2)]     # one is not aligned


def image(*parts):
    """An ELF file: its parts are (address, bytes)."""
    head, body = b"", b""
    first = 64 + 56 * len(parts)
    for address, data in parts:
        head += struct.pack("<IIQQQQQQ", 1, 6, first + len(body), 0, address,
                            len(data), len(data) + 4096, 4096)
        body += data
    return b"\177ELF\2\1\1".ljust(32, b"\0") + struct.pack("<QQIHHHHHH", 64, 0, 0, 64, 56,
                                                           len(parts), 0, 0, 0) + head + body


def test_a_machines_memory(tmp_path, monkeypatch):
    """Read is the memory of the image's segments that have records, after QEMU's end; of an image
    without one, nothing."""
    monkeypatch.setattr(refusals, "FOLDER", str(tmp_path / "refusals"))
    (tmp_path / "ours").write_bytes(image((0x1000, bytes(4096)), (0x3000, record(3, 0, b"a/b.c"))))
    memory = refusals.Memory(1, tmp_path / "ours")
    assert memory.where == [(0x3000, refusals.RECORD.size)]
    os.pwrite(memory.file, record(3, 7, b"a/b.c"), 0x3000)
    os.pwrite(memory.file, record(9, 1, b"a/b.c"), 0x5000)          # a copy of something
    memory.end("machine")
    reached = refusals.all_reached(tmp_path / "refusals")
    assert reached == {"a/b.c:3": collections.Counter(machine=7)}
    (tmp_path / "another's").write_bytes(image((0x1000, bytes(4096))))
    assert refusals.Memory(1, tmp_path / "another's").options() == []


def test_two_on_one_line():
    with pytest.raises(SystemExit, match="a/b.c:3"):
        refusals.no_two_on_a_line(["a/b.c:3", "a/b.c:4", "a/b.c:3"])


def test_the_file_of_reasons_can_be_read():
    refusals.read_reasons((refusals.ROOT / refusals.REASONS).read_text())
    assert pathlib.Path(refusals.ROOT / refusals.REASONS).exists()
