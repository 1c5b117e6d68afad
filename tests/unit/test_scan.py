# SPDX-License-Identifier: MIT
"""domus-scan: every instruction of its table in every form, doubt that is told, files that are not
what they say, the teaching kernel after each patch of its port."""
import json
import os
import re
import struct

import pytest
import scanner

SCAN = scanner.ROOT / "pvguest-sdk/tools/scan"
# J. Robin, C. Irvine, 2000: the sensitive registers, and the protection system.
SEVENTEEN = {"sgdt", "sidt", "sldt", "smsw", "pushf", "popf", "lar", "lsl", "verr", "verw",
             "pop segment", "push segment", "call far", "jmp far", "int n", "ret far", "iret",
             "str", "mov from segment", "mov to segment"}


def table():
    """The rows as Markdown has them: {name: (class, why, instead, step)}"""
    lines = scanner.run("--table=markdown").stdout.splitlines()[2:]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0].removesuffix(" *"): row[1:] for row in rows}, \
        {row[0].removesuffix(" *") for row in rows if row[0].endswith(" *")}


def label(row):
    return re.sub(r"[^A-Za-z0-9]", "_", row)


def expected(symbol):
    """The row that a label of scan_instructions.asm names."""
    name = symbol.rsplit("__", 1)[0]
    return "harmless" if name.startswith("harmless") else \
        {"set_pte": "page_table_store", "clear_pte": "page_table_store"}.get(name, name)


@pytest.fixture(scope="module")
def every(tmp_path_factory):
    """{bits: (labels, findings)} of scan_instructions.asm"""
    folder, found = tmp_path_factory.mktemp("every"), {}
    source = scanner.ROOT / "tests/unit/scan_instructions.asm"
    for bits in (32, 64):
        thing, elf = folder / f"{bits}.o", folder / f"{bits}.elf"
        scanner.call("nasm", f"-felf{bits}", f"-DBITS={bits}", "-o", thing, source)
        scanner.call("ld", "-m", "elf_x86_64" if bits == 64 else "elf_i386", "-o", elf, thing,
                     "-e0", "-z", "noexecstack")
        names = set(re.findall(r"\b[A-Za-z_0-9]+__\d+\b", scanner.subprocess.run(
            ["nm", elf], capture_output=True, text=True, check=True).stdout))
        status, report = scanner.scan(elf)
        assert status == 1 and report["bits"] == bits and not report["doubts"]
        found[bits] = names, report["findings"]
    return found


def test_every_instruction_is_found_once_by_its_row(every):
    for bits, (names, findings) in every.items():
        assert len(names) > 100
        by_label = {}
        for finding in findings:
            assert finding["doubt"] is None and finding["kept"] is None
            by_label.setdefault(finding["function"], []).append(label(finding["instruction"]))
        wrong = {name: by_label.get(name) for name in names
                 if by_label.get(name, []) != [expected(name)] * (expected(name) != "harmless")}
        assert not wrong, f"{bits} bits"


def test_every_row_has_an_instruction(every):
    rows, seventeen = table()
    tried = {expected(name) for names, _ in every.values() for name in names}
    assert {label(row) for row in rows} == tried - {"harmless"}
    assert seventeen == SEVENTEEN


def test_a_finding_says_what_its_row_says(every):
    rows, _ = table()
    for finding in every[64][1]:
        assert [finding["class"], finding["why"], finding["instead"], str(finding["step"])] == \
            rows[finding["instruction"]]


def test_what_is_to_be_used_instead_exists():
    headers = "".join(path.read_text() for path in
                      (scanner.ROOT / "pvguest-sdk/include").rglob("*.h"))
    hypercalls = (scanner.ROOT / "pvguest-sdk/include/abi/hypercall.tbl").read_text()
    for row, (_, why, instead, _) in table()[0].items():
        for name in re.findall(r"\b([a-z]\w+)\(", f"{why} {instead}"):
            assert re.search(rf"\b{name}\(", headers), f"{row}: {name}()"
        for name in re.findall(r"\bHYPERVISOR_(\w+)", instead):
            assert re.search(rf"\| {name} \|", hypercalls), f"{row}: HYPERVISOR_{name}"


def test_the_guide_has_the_steps():
    guide = (scanner.ROOT / "pvguest-sdk/PORTING.md").read_text()
    steps = set(re.findall(r"^## Step (\d+):", guide, re.M))
    assert {row[3] for row in table()[0].values()} <= steps


def test_the_page_and_the_readme_have_the_table():
    readme = (SCAN / "README.md").read_text()
    assert scanner.run("--table=markdown").stdout in readme
    page = (scanner.BUILD / "domus-scan.1").read_text()
    assert scanner.run("--table=man").stdout in page and "@TABLE@" not in page
    help_text = scanner.run("--help").stdout
    for option in re.findall(r"--[a-z0-9]+", help_text):
        assert option.replace("-", "\\-") in page, option
    assert re.fullmatch(r"domus-scan, domus-\d+\.\d+\n", scanner.run("--version").stdout)


# --- doubt ---------------------------------------------------------------------------------------

def doubts(report):
    return [(doubt["what"], doubt["function"], doubt["length"]) for doubt in report["doubts"]]


def test_bytes_that_are_no_instruction(tmp_path):
    status, report = scanner.scan(scanner.assemble(tmp_path, """
first:  nop
        db 0x06, 0x0e           ; push es, push cs: not with 64 bits
        popfq
second: ret
"""))
    assert status == 3 and doubts(report) == [("no instruction", "first", 2)]
    assert [finding["doubt"] for finding in report["findings"]] == \
        ["after bytes that are no instruction"]
    assert report["totals"]["doubtful"]["silent"] == 1 and report["totals"]["score"] == 0


def test_it_is_sure_again(tmp_path):
    """After the next symbol, or 200 instructions; zeroes are none, for data is full of them."""
    code = "first: db 6\ntimes {} nop\ntimes 400 db 0\npopfq\ndb 6\nsecond: sgdt [rax]\n"
    for nops, sure in ((200, 2), (199, 1)):
        status, report = scanner.scan(scanner.assemble(tmp_path, code.format(nops)))
        assert status == 1
        assert sum(finding["doubt"] is None for finding in report["findings"]) == sure


def test_a_symbol_inside_an_instruction(tmp_path):
    status, report = scanner.scan(scanner.assemble(tmp_path, """
first:  db 0xb8, 0x01           ; mov eax, 0x...: but its end is
second: popfq
        nop
        nop
        ret
"""))
    assert status == 1 and doubts(report) == [("symbol inside", "first", 5)]
    assert [finding["function"] for finding in report["findings"]] == ["second"]


def test_what_a_jump_into_an_instruction_leads_to(tmp_path):
    status, report = scanner.scan(scanner.assemble(tmp_path, """
first:  jmp short $ + 3
        db 0xb8                 ; mov eax, 0x90c39d
        popfq
        ret
        nop
        nop
        ret
"""))
    assert status == 3 and doubts(report) == [("jump inside", "first", 1)]
    assert [(finding["text"], finding["doubt"]) for finding in report["findings"]] == \
        [("popfq", "behind a jump into an instruction")]


COMPILED = """
void first(void) { __asm__("nop"); }
__attribute__((section(".text,\\"ax\\",@progbits #"))) const char words[8] =
    { 'w', 'o', (char)0x9d, 'r', 'd', 's', '!', 0 };
"""


def compile_kernel(folder, text, *options):
    source, elf = folder / "kernel.c", folder / "kernel.elf"
    source.write_text(text)
    scanner.call("gcc", "-O1", "-g", "-nostdlib", "-static", "-ffreestanding", "-fno-pic",
                 "-fno-pie", "-no-pie", "-fcf-protection=none", "-fno-stack-protector",
                 "-fno-asynchronous-unwind-tables", f"-I{scanner.ROOT}/pvguest-sdk/include",
                 *options, "-Wl,-e0,--build-id=none", "-o", elf, source)
    return elf


def test_a_line_in_many_places(tmp_path):
    """For people three of them, and how many more; for programs all. Another line begins anew."""
    code = """
    static inline __attribute__((always_inline)) void off(void) { __asm__ volatile("cli"); }
    void first(void) { off(); off(); off(); off(); off(); }
    void second(void) { __asm__ volatile("cli"); off(); off(); off(); }
    """
    elf = compile_kernel(tmp_path, code)
    said = scanner.run(elf).stdout.partition("\ncli: ")[2].splitlines()
    places = [line.split()[1].partition("+")[0] if "kernel.c" in line else line.strip()
              for line in said if line.startswith("  ") and "why:" not in line
              and "instead:" not in line]
    assert places[:8] == ["first"] * 3 + ["... and 2 more of that line"] + ["second"] * 4, said
    assert len(scanner.scan(elf)[1]["findings"]) == 9


def test_data_in_the_text(tmp_path):
    """Its symbol says so: told, and what looks like an instruction in it is doubtful."""
    status, report = scanner.scan(compile_kernel(tmp_path, COMPILED))
    assert status == 3 and doubts(report)[-1] == ("data", "words", 8)
    assert {finding["doubt"] for finding in report["findings"]} == {"a symbol calls it data"}


def test_what_stands_behind_a_function(tmp_path):
    """Padding is nothing to speak of."""
    code = 'void first(void) { } __asm__(".text\\n.byte 0x9d, 0x9d\\n.p2align 5\\n");' \
        "void second(void) { }"
    status, report = scanner.scan(compile_kernel(tmp_path, code, "-fno-toplevel-reorder"))
    assert status == 3 and doubts(report)[0][:2] == ("behind a function", "first")
    assert len(report["findings"]) == 2
    status, report = scanner.scan(compile_kernel(tmp_path, code.replace("0x9d, 0x9d", "0x90, 0"),
                                                 "-fno-toplevel-reorder"))
    assert (status, report["doubts"], report["findings"]) == (0, [], [])


def test_code_of_another_width(tmp_path):
    elf = scanner.assemble(tmp_path, """
        ret
section .start progbits alloc exec
bits 32
begin:  inc eax
        jmp 8:begin
""")
    assert scanner.scan(elf)[0] == 3
    status, report = scanner.scan("--code32", ".start", elf)
    assert status == 1 and not report["doubts"]
    assert [finding["instruction"] for finding in report["findings"]] == ["jmp far"]
    wrong = scanner.run("--code32", ".other", elf)
    assert wrong.returncode == 2 and "no section .other with code" in wrong.stderr


# --- names, lines, reasons -----------------------------------------------------------------------

KEPT = """
#include <pvguest/kept.h>
void first(void)
{
    __asm__ volatile(PV_KEPT("for a test") "popfq");
    __asm__ volatile("pushfq");
}
void second(void) { first(); }
"""


def test_lines_places_and_what_is_kept(tmp_path):
    """Three copies of a line are one place."""
    code = KEPT.replace("void first", "static inline __attribute__((always_inline)) void first") + \
        "void third(void) { first(); } void fourth(void) { first(); }"
    status, report = scanner.scan(compile_kernel(tmp_path, code))
    assert status == 1
    assert {(finding["text"], finding["line"], finding["kept"]) for finding in
            report["findings"]} == {("popfq", 5, "for a test"), ("pushfq", 6, None)}
    assert {finding["file"] for finding in report["findings"]} == {str(tmp_path / "kernel.c")}
    totals = report["totals"]
    assert (totals["instructions"]["silent"], totals["places"]["silent"],
            totals["kept"]["silent"], totals["score"]) == (3, 1, 3, 10)


def test_the_first_line_of_a_function_behind_another(tmp_path):
    """Where one's lines end, the other's begin."""
    code = 'void __attribute__((naked)) first(void) { __asm__("ret"); }\n' \
        'void __attribute__((naked)) second(void) { __asm__("popfq; ret"); }\n'
    _, report = scanner.scan(compile_kernel(tmp_path, code, "-ffunction-sections",
                                            "-falign-functions=1"))
    assert [finding["line"] for finding in report["findings"]] == [2]


def test_all_that_is_silent_is_kept(tmp_path):
    elf = compile_kernel(tmp_path, KEPT.replace('"pushfq"', '"nop"').replace(
        "for a test", "for a test, " * 40))
    assert scanner.scan(elf)[0] == 0
    packed = tmp_path / "packed.elf"
    scanner.call("objcopy", "--compress-debug-sections", elf, packed)
    assert scanner.scan(packed)[0] == 0


def test_a_stripped_kernel(tmp_path):
    elf = compile_kernel(tmp_path, KEPT)
    scanner.call("objcopy", "-S", elf)
    status, report = scanner.scan(elf)
    assert status == 1 and {finding["function"] for finding in report["findings"]} == {None}
    assert any("no symbols" in note for note in report["notes"])
    assert any("no DWARF" in note for note in report["notes"])
    assert report["totals"]["instructions"]["silent"] == 2      # nothing is known to be kept


def test_no_sections_at_all(tmp_path):
    elf = compile_kernel(tmp_path, KEPT)
    data = bytearray(elf.read_bytes())
    data[40:48], data[60:64] = bytes(8), bytes(4)
    elf.write_bytes(data)
    _, report = scanner.scan(elf)
    assert {finding["text"] for finding in report["findings"] if not finding["doubt"]} >= \
        {"popfq", "pushfq"}
    assert any("whole segments" in note for note in report["notes"])


def test_not_linked(tmp_path):
    thing = scanner.assemble(tmp_path, "first: popfq\ncall other\nextern other\nret", link=False,
                             debug=True)
    status, report = scanner.scan(thing)
    assert status == 1 and not report["doubts"]
    assert any("not linked" in note for note in report["notes"])


def test_code_that_is_not_marked_as_such(tmp_path):
    """Somebody enters the kernel there."""
    elf = tmp_path / "entered.elf"
    thing = scanner.assemble(tmp_path, "ret\nglobal begin\nsection .start progbits alloc noexec\n"
                             "begin: popfq\nret", link=False)
    scanner.call("ld", "-z", "noexecstack", "-e", "begin", "-o", elf, thing)
    status, report = scanner.scan(elf)
    assert status == 1 and [finding["section"] for finding in report["findings"]] == [".start"]
    assert any("entered there" in note for note in report["notes"])


# --- files that are not what they say ------------------------------------------------------------

def refused(path):
    done = scanner.run(path)
    assert done.returncode == 2 and not done.stdout and len(done.stderr.splitlines()) == 1
    return done.stderr


def test_what_is_no_kernel(tmp_path):
    elf = scanner.assemble(tmp_path, "popfq\nret")
    good = elf.read_bytes()
    assert "No such file" in refused(tmp_path / "nothing")
    assert "directory" in refused(tmp_path)
    for data, why in ((b"", "not an ELF file"), (b"#!/bin/sh\n", "not an ELF file"),
                      (good[:18] + struct.pack("<H", 183) + good[20:], "number 183"),
                      (good[:16] + struct.pack("<H", 4) + good[18:], "core file"),
                      (good[:40], "not an ELF file"), (good[:64], "no code")):
        elf.write_bytes(data)
        assert why in refused(elf), why
    scanner.call("ar", "rc", tmp_path / "lib.a", scanner.PROGRAM)
    assert "archive" in refused(tmp_path / "lib.a")
    for words in ((), ("--wrong",), ("--table=x",), ("--diff", elf), (elf, elf)):
        assert scanner.run(*words).returncode == 2 and not scanner.run(*words).stdout


def test_a_truncated_kernel(tmp_path):
    """What is there is scanned, what is not is told: the segment's table is in front."""
    elf = scanner.assemble(tmp_path, "times 100 popfq")
    elf.write_bytes(elf.read_bytes()[:0x1000 + 10])
    status, report = scanner.scan(elf)
    assert status == 1 and report["totals"]["instructions"]["silent"] >= 10
    assert any("beyond the end of the file" in note for note in report["notes"])


def test_names_do_not_speak_to_the_terminal(tmp_path):
    elf = scanner.assemble(tmp_path, "evil_name: popfq\nret")
    elf.write_bytes(elf.read_bytes().replace(b"evil_name", b"evil\x1b\"\xff\n\\"))
    text = scanner.run(elf).stdout
    assert "\x1b" not in text and 'evil?"?' in text
    assert scanner.scan(elf)[1]["findings"][0]["function"] == "evil\x1b\"\xff\n\\"


# --- two kernels ---------------------------------------------------------------------------------

def test_what_has_come_and_gone(tmp_path):
    old = scanner.assemble(tmp_path, "first: popfq\ncli\nret\nsecond: cli\ncli\nret", name="old")
    new = scanner.assemble(tmp_path, "first: nop\nret\nsecond: cli\nret\nthird: hlt", name="new")
    done = scanner.run("--diff", old, new)
    assert done.returncode == 0
    assert "gone     1 -> 0    silent popf in first" in done.stdout
    assert "         2 -> 1    privileged cli in second" in done.stdout
    assert "new      0 -> 1    privileged hlt in third" in done.stdout
    back = scanner.run("--diff", "--json", new, old)
    assert back.returncode == 1
    assert {"function": "first", "instruction": "popf", "class": "silent", "before": 0,
            "after": 1} in json.loads(back.stdout)["changes"]
    assert scanner.run("--diff", old, old).returncode == 0


# --- the teaching kernel -------------------------------------------------------------------------

def counted(report):
    """{row: places} of what is silent and surely so"""
    places = {(finding["instruction"], finding["file"], finding["line"])
              for finding in report["findings"]
              if finding["class"] == "silent" and not finding["doubt"] and not finding["kept"]}
    rows = sorted({place[0] for place in places})
    return {row: sum(place[0] == row for place in places) for row in rows}


SERIES = (scanner.ROOT / "patches/series/series").read_text().split()


@pytest.mark.parametrize("step", range(len(SERIES) + 1))
def test_the_port_leaves_nothing_silent(step, tmp_path):
    """The table over the series, as the README has it."""
    options = () if step else ("--code32", ".boot")
    status, report = scanner.scan(*options, scanner.step(tmp_path, step))
    totals, silent = report["totals"], counted(report)
    name = SERIES[step - 1].removesuffix(".patch") if step else "native"
    which = ", ".join(f"{row} {places}" for row, places in silent.items()) or "-"
    line = f"| {name} | {sum(silent.values())} | {which} | {totals['places']['privileged']} | " \
        f"{totals['places']['guess']} | {totals['score']} |"
    if os.environ.get("DOMUS_SERIES_TABLE"):
        print("\n" + line)
    assert line in (SCAN / "README.md").read_text(), f"the README wants this line:\n{line}"
    assert step < 6 or not silent and status == 0


# --- kernels that nobody here wrote ---------------------------------------------------------------

def test_linux():
    """A kernel with both lives in it: thousands, of nearly all kinds."""
    kernel = scanner.BUILD / "linux/vmlinux"
    if not os.environ.get("DOMUS_LONG_SCANS"):
        pytest.skip("make soak: it takes long")
    if not kernel.exists():
        pytest.skip("make linux: Debian's Linux is not here")
    status, report = scanner.scan(kernel)
    assert status == 1 and report["bits"] == 64
    totals, rows = report["totals"], {finding["instruction"] for finding in report["findings"]}
    assert 400 < totals["instructions"]["silent"] < 3000
    assert 1500 < totals["instructions"]["privileged"] < 8000
    assert 100 < totals["instructions"]["leaking"] < 1000
    assert {"pushf", "popf", "iret", "sgdt", "sidt", "lsl", "verw", "cpuid", "rdtsc", "cli", "sti",
            "hlt", "mov cr3", "rdmsr", "wrmsr", "swapgs", "sysret, sysexit", "stac, clac",
            "invlpg"} <= rows


def test_grub():
    """32 bits: GRUB's own core, as Debian's grub-pc-bin has it."""
    status, report = scanner.scan("/usr/lib/grub/i386-pc/kernel.img")
    assert status == 1 and report["bits"] == 32 and not report["doubts"]
    rows = {finding["instruction"] for finding in report["findings"]}
    assert {"pushf", "popf", "jmp far", "cpuid", "rdtsc", "cli", "in", "out"} <= rows
    assert 10 < len(report["findings"]) < 200


def test_64_bits_are_not_read_as_32_without_a_word():
    kernel = scanner.BUILD / "domus.elf"
    text = scanner.run("--brief", "--code32", ".text", kernel).stdout
    assert "--code64 .text" in text
    assert "--code32" not in scanner.run("--brief", kernel).stdout
