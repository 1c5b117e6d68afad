# SPDX-License-Identifier: MIT
"""The tool that makes mistakes makes those it should: each kind, never in a comment or a text,
under names that last; and it asks the right tests."""
import collections
import pathlib
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import csource  # noqa: E402
import mutants  # noqa: E402
import mutate  # noqa: E402
import reach  # noqa: E402
import results as kept  # noqa: E402

C = """\
/* if (x < 1) return -EINVAL; flush(); */
#define LIMIT 16                /* x & ~MASK */
#define BOTH (FIRST_BIT | OTHER_BIT)
enum { EINVAL = 22, EPERM = 1, FIRST_BIT = 1, OTHER_BIT = 2, PTE_MASK = 7 };
int fail(int error, const char *why), privileged(void), printk(const char *text, ...);
void flush(int x), tell(int x), spin_lock(int *lock); int refused(int error);
struct thing { int a, lock; };

int check(struct thing *t, int x)
{
    int size = 3;
    if (x < LIMIT && t->a != 2) return fail(-EINVAL, "if (x < 1) && 2");   // while (1);
    if (!privileged()) return -EPERM;
    if (x == 5) {
        t->a = x & PTE_MASK;
    }
    spin_lock(&t->lock);
    flush(x);
    tell(x);
    printk("%d && %d", x < 3, 4);
    t->a |= FIRST_BIT | OTHER_BIT;
    t->a = x & ~OTHER_BIT;
    switch (x) {
    case 1:  size--; break;
    default: return fail(-EINVAL, "unknown");
    }
    if (x & 64) return refused(0);
    return size ? 0 : refused(-EINVAL);
}

int check_not(void)
{
    return refused(-EPERM);
}
"""
ASM = """\
%define FLAGS 0x6
; push rax
start:
    cld                             ; clear
    and eax, 0x30
    je .away
.away: swapgs
%macro SAVE 0
    push rdi
%endmacro
global start
    SAVE
"""
TABLE = """\
# number | name | arguments | handler | flags
 7 | platform_op | struct x *op | do_platform_op | MD
18 | console_io | int a, int b | do_console_io | D
20 | grant_table_op | int a | do_grant_table_op | MP
"""
C_FILE, ASM_FILE = "hypervisor/memory/a.c", "hypervisor/entry/a.asm"
TABLE_FILE = "pvguest-sdk/include/abi/a.tbl"


def seen(path, text):
    return collections.Counter((mutant.kind, mutants.one_line(mutant.before), mutant.after)
                               for mutant in mutants.mutants_of(path, text))


def test_c():
    found = seen(C_FILE, C)
    for wanted in [
            ("refusal", "(x < LIMIT && t->a != 2)", "((x < LIMIT && t->a != 2) && 0)"),
            ("refusal", 'return fail(-EINVAL, "unknown");', "return 0;"),
            ("refusal", "size", "((size) || 1)"),
            ("refusal", "(x & 64)", "((x & 64) && 0)"),
            ("refusal", "return refused(-EPERM);", "return 0;"),
            ("privilege", "(!privileged())", "((!privileged()) && 0)"),
            ("invert", "(x == 5)", "(!(x == 5))"),
            ("compare", "<", "<="), ("compare", "!=", "=="), ("compare", "==", "!="),
            ("logic", "x < LIMIT", "1"), ("logic", "t->a != 2", "1"),
            ("call", "flush(x);", ";"), ("call-other", "tell(x);", ";"),
            ("assign", "t->a |= FIRST_BIT | OTHER_BIT;", ";"), ("assign", "size--;", ";"),
            ("mask", "~OTHER_BIT", "~0"), ("mask", "FIRST_BIT", "0"),
            ("mask", "PTE_MASK", "(PTE_MASK & (PTE_MASK - 1))"),
            ("mask", "PTE_MASK", "(PTE_MASK | PTE_MASK << 1)"),
            ("const", "16", "17")]:
        assert wanted in found, wanted
    assert found["mask", "OTHER_BIT", "0"] == 2             # in the macro, in the statement
    assert found["compare", "<", "<="] == 1                 # not the one that is said
    assert not any("spin_lock" in before or "printk" in before for _, before, _ in found)


def test_assembly():
    found = seen(ASM_FILE, ASM)
    lines = ("cld", "and eax, 0x30", "je .away", "swapgs", "push rdi", "SAVE")
    assert set(found) == {("insn", line, "") for line in lines} | {
        ("jump", "je", "jne"), ("mask", "0x30", "0x20"), ("mask", "0x30", "0x70"),
        ("mask", "0x6", "0x4"), ("mask", "0x6", "0xe")}
    for mutant in mutants.mutants_of(ASM_FILE, ASM):
        assert ".away:" in mutant.apply(ASM)


def test_table():
    changed = [mutant.apply(TABLE).splitlines() for mutant in mutants.mutants_of(TABLE_FILE, TABLE)]
    assert [lines[1].rpartition(" ")[2] for lines in changed] == ["M", "MD"]
    assert [lines[2].rpartition(" ")[2] for lines in changed] == ["D", "-"]


def test_a_mutant_compiles_and_keeps_the_lines():
    head, body, every = C.index("int check("), [], mutants.mutants_of(C_FILE, C)
    for mutant in every:
        text = mutant.apply(C)
        assert text != C and text.count("\n") == C.count("\n")
        if mutant.start > head:
            body.append(text[head:].replace("check", f"check_{mutant.id}"))
    text = C[:head] + "".join(body)
    done = subprocess.run(["gcc", "-w", "-fsyntax-only", "-xc", "-"], input=text,
                          text=True, stderr=subprocess.PIPE)
    assert len(body) > 25 and not done.returncode, done.stderr


def test_in_the_whole_tree():
    """Every kind occurs, no name is given twice, no comment and no text is changed."""
    kinds, names = collections.Counter(), collections.Counter()
    for file in mutants.shipped_files(mutate.ROOT):
        text = (mutate.ROOT / file).read_text()
        found = mutants.mutants_of(file, text)
        kinds.update(mutant.kind for mutant in found)
        names.update(mutant.id for mutant in found)
        if file.endswith((".c", ".h")):
            check_places(text, [mutant for mutant in found if mutant.function])
    assert set(kinds) == set(mutants.KINDS) and max(names.values()) == 1


def check_places(text, found):
    """A mutant begins and ends where tokens do, and is no text, though a text may be part of it."""
    tokens = [match for match in csource.TOKEN.finditer(text)
              if match.lastgroup not in ("blank", "directive")]
    starts, ends = {match.start() for match in tokens}, {match.end() for match in tokens}
    texts = {match.span() for match in tokens if match.lastgroup == "text"}
    for mutant in found:
        assert mutant.start in starts and mutant.end in ends, mutant
        assert (mutant.start, mutant.end) not in texts, mutant


def test_names_last():
    names = {mutant.id: mutant for mutant in mutants.mutants_of(C_FILE, C)}
    moved = "/* more */\n\n" + C.replace("int size = 3;\n", "int size = 3;   /* and */\n\n// so\n")
    there = {mutant.id for mutant in mutants.mutants_of(C_FILE, moved)}
    assert {names[name].before for name in set(names) - there} == {"3"}
    changed = C.replace("flush(x);\n", "flush(x + 0);\n")
    there = {mutant.id for mutant in mutants.mutants_of(C_FILE, changed)}
    assert {names[name].before for name in set(names) - there} == {"flush(x);"}


def test_the_order_follows_from_the_seed():
    every = mutants.mutants_of(C_FILE, C)
    order = mutants.chosen(every, 1)
    assert order == mutants.chosen(reversed(every), 1) != mutants.chosen(every, 2)
    fewer = [mutant for mutant in every if mutant.kind != "const"]
    assert [mutant for mutant in order if mutant in fewer] == mutants.chosen(fewer, 1)


def test_who_comes_to_a_line_is_asked_first():
    lines = {"guest:far": [9, 11], "guest:near": [9, 18], "guest:often": [9, 11, 17, 18],
             "guest:never": [100], "unit:a": [], "system:s": [], "system:t": []}
    known = {test: {"seconds": 1, "cpu": 1, "lines": {C_FILE: at}, "refusals": {}}
             for test, at in lines.items()}
    known["guest:far"]["refusals"] = {C_FILE: [12]}
    about = reach.Reach(known, {"a": {C_FILE}}, {C_FILE: [12, 30]})
    every = mutants.mutants_of(C_FILE, C)
    refusal = next(mutant for mutant in every if mutant.kind == "refusal")
    assert refusal.refusal == (12, 12) and about.tests_for(refusal) == (["unit:a", "guest:far"], 2)
    flush = next(mutant for mutant in every if mutant.before == "flush(x);")
    assert flush.line == 18
    assert about.tests_for(flush) == (["unit:a", "guest:often", "guest:near"], 3)
    tell = next(mutant for mutant in every if mutant.before == "tell(x);")
    assert about.tests_for(tell) == (["unit:a", "guest:often", "guest:far", "guest:near"], 1)
    for _ in range(3):
        about.note_kill(C_FILE, "guest:near")
    assert about.tests_for(flush)[0][1] == "guest:near"
    tests = ["guest:near", "guest:often", "system:s", "system:t"]
    assert about.within(tests, 1.2) == ["guest:near", "system:s"]


def test_those_that_boot_nothing_are_asked_of_what_they_read():
    scan = "pvguest-sdk/tools/scan/text.c"
    assert reach.readers_of({scan}) == ["unit/test_scan", "unit/test_scan_hostile"]
    assert reach.readers_of({"hypervisor/memory/access.asm"}) == ["unit/test_access"]
    known = {test: {"seconds": 1, "cpu": 1, "lines": {}, "refusals": {}}
             for test in ("python:unit/test_scan", "python:unit/test_access", "unit:a")}
    about = reach.Reach(known, {"a": {C_FILE}}, {})
    of_scan = mutants.mutants_of(scan, C)[0]
    assert about.tests_for(of_scan) == (["python:unit/test_scan"], 1)


def test_rows_of_the_table():
    files = {"hypervisor/memory/a.c": "hypervisor/memory", "hypervisor/lib/a.c": "hypervisor/rest",
             "pvguest-sdk/lib/a.c": "pvguest-sdk", "pvguest-sdk/monitor/a.c": "monitor",
             "pvguest-sdk/tools/scan/a.c": "scanner", "dom0/save/a.c": "dom0"}
    assert {file: mutants.component(file) for file in files} == files


def test_who_comes_where_few_do_is_asked_first():
    lines = {f"guest:{number}": [18, *range(40, 60)] for number in range(30)}
    lines["guest:alone"] = [18, 70]
    known = {test: {"seconds": 1, "cpu": 1, "lines": {C_FILE: at}, "refusals": {}}
             for test, at in lines.items()}
    flush = next(mutant for mutant in mutants.mutants_of(C_FILE, C) if mutant.before == "flush(x);")
    assert reach.Reach(known, {}, {}).tests_for(flush)[0][0] == "guest:alone"


def test_the_table_and_its_verdict(tmp_path):
    every = {mutant.id: mutant for mutant in mutants.mutants_of(C_FILE, C)[:20]}
    results, names, said = kept.Results(tmp_path / "results.jsonl"), list(every), []
    for name in names[1:]:
        results.add(every[name], {"result": "killed", "by": "guest:x"})
    results.add(every[names[0]], {"result": "survived", "by": "3 tests pass"})
    assert kept.show(every, results, {}, said.append)       # 5 % are allowed
    assert names[0] in said[1]
    results.add(every[names[1]], {"result": "survived", "by": "3 tests pass"})
    assert not kept.show(every, results, {}, said.append)
    assert kept.show(every, results, {names[0]: "equivalent"}, said.append)
    assert kept.Results(tmp_path / "results.jsonl").of == results.of


def test_explained_survivors(tmp_path):
    every, file = {"0123456789": None}, tmp_path / "survivors"
    assert kept.explained(file, every) == {}
    file.write_text("# comment\n0123456789 a.c: call: `x | y` -> `;` | not observable under TCG\n")
    assert kept.explained(file, every) == {"0123456789": "not observable under TCG"}
    for wrong in ("0123456789 a.c: call: `x` -> `;`\n", "1111111111 a.c: gone | equivalent\n"):
        file.write_text(wrong)
        with pytest.raises(kept.Stale):
            kept.explained(file, every)
