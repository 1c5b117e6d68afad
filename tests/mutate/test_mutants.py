# SPDX-License-Identifier: MIT
"""The tool that makes mistakes makes those it should: each kind, never in a comment or a text, under names that last."""
import collections
import json
import pathlib
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import csource  # noqa: E402
import mutants  # noqa: E402
import mutate  # noqa: E402
import reach  # noqa: E402
import runner  # noqa: E402

C = """\
/* if (x < 1) return -EINVAL; flush(); */
#define LIMIT 16                /* x & ~MASK */
#define BOTH (FIRST_BIT | OTHER_BIT)
enum { EINVAL = 22, EPERM = 1, FIRST_BIT = 1, OTHER_BIT = 2, PTE_MASK = 7 };
int fail(int error, const char *why), privileged(void), printk(const char *text, ...);
void flush(int x), tell(int x), spin_lock(int *lock);
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
    return size ? 0 : -EINVAL;
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
C_FILE, ASM_FILE, TABLE_FILE = "hypervisor/memory/a.c", "hypervisor/entry/a.asm", "pvguest-sdk/include/abi/a.tbl"


def seen(path, text):
    return collections.Counter((mutant.kind, mutants.one_line(mutant.before), mutant.after) for mutant in mutants.mutants_of(path, text))


def test_c():
    found = seen(C_FILE, C)
    for wanted in [
            ("refusal", "(x < LIMIT && t->a != 2)", "((x < LIMIT && t->a != 2) && 0)"), ("invert", "(x == 5)", "(!(x == 5))"),
            ("privilege", "(!privileged())", "((!privileged()) && 0)"), ("compare", "<", "<="), ("compare", "!=", "=="), ("compare", "==", "!="),
            ("logic", "x < LIMIT", "1"), ("logic", "t->a != 2", "1"), ("call", "flush(x);", ";"), ("call-other", "tell(x);", ";"),
            ("assign", "t->a |= FIRST_BIT | OTHER_BIT;", ";"), ("assign", "size--;", ";"), ("mask", "~OTHER_BIT", "~0"), ("mask", "FIRST_BIT", "0"),
            ("mask", "PTE_MASK", "(PTE_MASK & (PTE_MASK - 1))"), ("mask", "PTE_MASK", "(PTE_MASK | PTE_MASK << 1)"),
            ("refusal", 'return fail(-EINVAL, "unknown");', "return 0;"), ("refusal", "size", "((size) || 1)")]:
        assert wanted in found, wanted
    assert found["mask", "OTHER_BIT", "0"] == 2             # in the macro, in the statement
    assert found["compare", "<", "<="] == 1                 # not the one that is said
    assert any(kind == "const" and before == "16" for kind, before, _ in found)
    assert not any("spin_lock" in before or "printk" in before for _, before, _ in found)


def test_assembly():
    found = seen(ASM_FILE, ASM)
    left_out = {("insn", before, "") for before in ("cld", "and eax, 0x30", "je .away", "swapgs", "push rdi", "SAVE")}
    assert set(found) == left_out | {("jump", "je", "jne"), ("mask", "0x30", "0x20"), ("mask", "0x30", "0x70"),
                                     ("mask", "0x6", "0x4"), ("mask", "0x6", "0xe")}
    for mutant in mutants.mutants_of(ASM_FILE, ASM):
        assert ".away:" in mutant.apply(ASM)


def test_table():
    changed = [mutant.apply(TABLE).splitlines() for mutant in mutants.mutants_of(TABLE_FILE, TABLE)]
    assert [lines[1].rpartition(" ")[2] for lines in changed] == ["M", "MD"]
    assert [lines[2].rpartition(" ")[2] for lines in changed] == ["D", "-"]


def test_a_mutant_compiles_and_keeps_the_lines():
    for mutant in mutants.mutants_of(C_FILE, C):
        text = mutant.apply(C)
        assert text != C and text.count("\n") == C.count("\n")
        done = subprocess.run(["gcc", "-w", "-fsyntax-only", "-xc", "-"], input=text, stderr=subprocess.PIPE, text=True)
        assert not done.returncode, f"{mutant}\n{done.stderr}"


def test_in_the_whole_tree():
    """No comment and no text is changed, no name is given twice, every kind occurs."""
    kinds, names = collections.Counter(), collections.Counter()
    for file in mutants.shipped_files(mutate.ROOT):
        text = (mutate.ROOT / file).read_text()
        found = mutants.mutants_of(file, text)
        kinds.update(mutant.kind for mutant in found)
        names.update(mutant.id for mutant in found)
        if not file.endswith((".c", ".h")):
            continue
        tokens = [match for match in csource.TOKEN.finditer(text) if match.lastgroup not in ("blank", "directive")]
        starts, ends = {match.start(): match.lastgroup for match in tokens}, {match.end() for match in tokens}
        for mutant in found:
            if mutant.function:
                assert mutant.start in starts and mutant.end in ends, mutant
                assert starts[mutant.start] != "text" or "==" in mutant.before or "<" in mutant.before, mutant
    assert set(kinds) == set(mutants.KINDS) and max(names.values()) == 1


def test_names_last():
    names = {mutant.id: mutant for mutant in mutants.mutants_of(C_FILE, C)}
    moved = "/* more */\n\n" + C.replace("    int size = 3;\n", "    int size = 3;      /* and */\n\n    // so on\n")
    assert {mutant.id for mutant in mutants.mutants_of(C_FILE, moved)} >= {name for name, mutant in names.items() if "size = 3" not in mutant.before
                                                                            and mutant.before != "3"}
    changed = {mutant.id for mutant in mutants.mutants_of(C_FILE, C.replace("flush(x);\n", "flush(x + 0);\n"))}
    assert {names[name].before for name in set(names) - changed} == {"flush(x);"}


def test_the_order_follows_from_the_seed():
    every = mutants.mutants_of(C_FILE, C)
    assert mutants.chosen(every, 1) == mutants.chosen(reversed(every), 1) != mutants.chosen(every, 2)
    fewer = [mutant for mutant in every if mutant.kind != "const"]
    assert [mutant for mutant in mutants.chosen(every, 1) if mutant in fewer] == mutants.chosen(fewer, 1)


def test_who_comes_to_a_line_is_asked_first():
    lines = {"guest:far": [9, 11], "guest:near": [9, 18], "guest:often": [9, 11, 17, 18], "guest:never": [100]}
    known = {test: {"seconds": 1, "cpu": 1, "lines": {C_FILE: at}} for test, at in lines.items()}
    known.update({test: {"seconds": 1, "cpu": 1, "lines": {}} for test in ("unit:a", "system:s", "system:t")})
    about = reach.Reach(known, {"a": {C_FILE}})
    flush = next(mutant for mutant in mutants.mutants_of(C_FILE, C) if mutant.before == "flush(x);")
    assert flush.line == 18 and about.tests_for(flush) == (["unit:a", "guest:often", "guest:near"], 3)
    for _ in range(3):
        about.note_kill(C_FILE, "guest:near")
    assert about.tests_for(flush)[0][1] == "guest:near"
    assert about.within(["guest:near", "guest:often", "system:s", "system:t"], 1.2) == ["guest:near", "system:s"]


def test_the_table_and_its_verdict(tmp_path, monkeypatch, capsys):
    every = {mutant.id: mutant for mutant in mutants.mutants_of(C_FILE, C)[:20]}
    results, names = mutate.Results(tmp_path / "results.jsonl"), list(every)
    for name in names[1:]:
        results.add(every[name], {"result": "killed", "by": "guest:x"})
    results.add(every[names[0]], {"result": "survived", "by": "3 tests pass"})
    assert mutate.table(every, results, {}) and names[0] in capsys.readouterr().out         # 5 % are allowed
    results.add(every[names[1]], {"result": "survived", "by": "3 tests pass"})
    assert not mutate.table(every, results, {})
    assert mutate.table(every, results, {names[0]: "equivalent"})
    assert mutate.Results(tmp_path / "results.jsonl").of == json.loads(json.dumps(results.of))

    monkeypatch.setattr(mutate, "ROOT", tmp_path)
    monkeypatch.setattr(mutate, "SURVIVORS", tmp_path / "survivors")
    mutate.SURVIVORS.write_text(f"# comment\n{names[0]} a.c: call: `x` -> `;` | not observable under TCG\n")
    assert mutate.explained(every) == {names[0]: "not observable under TCG"}
    for wrong in (f"{names[0]} a.c: call: `x` -> `;`\n", "0123456789 a.c: gone | equivalent\n"):
        mutate.SURVIVORS.write_text(wrong)
        with pytest.raises(runner.Broken):
            mutate.explained(every)
