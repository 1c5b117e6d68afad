# SPDX-License-Identifier: MIT
"""Every path through entry.asm, as it was assembled: what no guest under QEMU can show.

No guest notices when ring 0 runs with AC set: SMAP is then open, and nothing goes wrong until a bug
makes it go wrong. Nor can one interrupt the one instruction between SWAPGS and SYSRET. So all paths
are walked from each way into ring 0 to each way out, with the facts that change on the way: whose
GS base it is, whether DF may be set, whether AC may be, what was looked at since C ran last. What
must hold where is in `step`.
"""
import collections
import pathlib
import re
import subprocess

import pytest

import machine

ROOT = pathlib.Path(__file__).parents[2]
OBJECT = machine.BUILD / "hv-obj" / "hypervisor" / "entry" / "entry.asm.o"
GUEST, OURS, EITHER = "the guest's", "ours", "not known"
# What ring 3 may have in its flags, and what it always has (I7): CF PF AF ZF SF TF DF OF RF AC ID;
# IF and the constant bit.
MAY, MUST = 0x250dd5, 0x202


# What is asked before a guest goes on, each by a comparison and the jump behind it: work for this
# CPU, an event pending, the mask.
QUESTIONS = {r"cmp DWORD PTR gs:\S+,0x0$": "jne",
             r"cmp BYTE PTR \[rax\],0x0$": "je", r"cmp BYTE PTR \[rax\+0x1\],0x0$": "jne"}
# paid: this stay has a budget of its own; inside: the lock around ring 0 is held
State = collections.namedtuple("State", "gs df ac paid msrs asked inside",
                               defaults=(True, 0, (), False))
# C that takes the lock itself, where it needs it
OUTSIDE = ("call ring0_trap", "call paranoid_trap", "call ring0_wait", "call ring0_hand")
BUDGET = re.search(r"#define ENTRY_BUDGET (\d+)",
                   (ROOT / "hypervisor" / "machine" / "budget.h").read_text())[1]


class Code:
    """The instructions of the section by address, the symbols by name, and what each call's
    relocation names."""

    def __init__(self):
        text = subprocess.run(["objdump", "-Dr",
                               "-M", "intel", "--no-show-raw-insn", "-j", ".entry", str(OBJECT)],
                              capture_output=True, text=True, check=True).stdout
        self.at, self.symbols, self.next = {}, {}, {}
        last = None
        for line in text.splitlines():
            if match := re.match(r"\s+([0-9a-f]+):\s+([a-z].*?)(?:\s+#.*)?$", line):
                address = int(match[1], 16)
                self.at[address] = re.sub(r"\s+", " ", match[2])
                if last is not None:
                    self.next[last] = address
                last = address
            elif (match := re.match(r"\s+[0-9a-f]+: R_X86_64_\w+\s+(\w+)", line)) \
                    and self.at[last].startswith("call"):
                self.at[last] = "call " + match[1]
        for line in subprocess.run(["nm", str(OBJECT)],
                                   capture_output=True, text=True, check=True).stdout.splitlines():
            if match := re.match(r"([0-9a-f]+) [tT] (\S+)", line):
                self.symbols[match[2]] = int(match[1], 16)
        self.swaps = {address for name, address in self.symbols.items() if name.endswith(".swap")}
        self.names = {address: name for name, address in self.symbols.items()
                      if not name.startswith("..")}


@pytest.fixture(scope="module")
def code():
    if not OBJECT.exists():
        pytest.fail(f"{OBJECT} is not built")
    return Code()


def where(code, address):
    name = max((n for n in code.symbols if code.symbols[n] <= address and not n.startswith("..")),
               key=lambda n: code.symbols[n])
    return f"{name}+{address - code.symbols[name]:#x} `{code.at[address]}`"


def walk(code, start, state):
    """All paths from here. Raises AssertionError where one breaks a rule."""
    seen, to_do = set(), [(start, state, ())]
    while to_do:
        address, state, path = to_do.pop()
        if (address, state) in seen:
            continue
        seen.add((address, state))
        for target, after in step(code, address, state, path):
            to_do.append((target, after, path + (address,)))
    return seen


def step(code, address, state, path):
    text, here, behind = code.at[address], where(code, address), code.next.get(address)
    before = [code.at[a] for a in path]
    word = text.split()[0]
    if "gs:" in text:
        assert state.gs == OURS, f"{here}: GS is {state.gs}"
    # those at the two instructions: test_interrupted_ring0
    if word == "swapgs" and address not in code.swaps:
        assert state.gs != EITHER, f"{here}: whose GS is it?"
        state = state._replace(gs=GUEST if state.gs == OURS else OURS)
    elif text.startswith("mov gs,"):
        assert state.gs == GUEST, f"{here}: our own base would go"
    elif word == "cld":
        state = state._replace(df=False)
    elif re.match(rf"mov DWORD PTR gs:\S+,{int(BUDGET):#x}$", text):
        state = state._replace(paid=True)
    elif word in ("stac", "clac"):
        state = state._replace(ac=word == "stac")
    # on stacks of their own: GS from the stack's last word, and back
    elif word == "wrmsr":
        expected = (["mov ecx,0xc0000101", "rdmsr",
                     "mov r12d,eax", "mov r13d,edx", "mov rax,QWORD PTR [rsp+0xa8]", "mov rdx,rax",
                     "shr rdx,0x20"], ["mov ecx,0xc0000101", "mov eax,r12d",
                                       "mov edx,r13d"])[state.msrs]
        assert before[-len(expected):] == expected, \
            f"{here}: not after {expected}, but {before[-len(expected):]}"
        state = state._replace(gs=OURS if state.msrs == 0 else EITHER, msrs=state.msrs + 1)
    elif word == "call":
        assert state.gs == OURS, f"{here}: C is called with {state.gs} GS"
        assert not state.df and not state.ac, \
            f"{here}: C is called with {'DF' if state.df else 'AC'} as the guest left it"
        if match := re.search("<(take|drop)_ring0>", text):
            assert state.inside == (match[1] == "drop"), f"{here}: taken twice, or never"
            return [(behind, state._replace(inside=match[1] == "take"))]
        assert state.paid or text in OUTSIDE, f"{here}: C spends what was left of the last stay"
        assert state.inside or text in OUTSIDE, f"{here}: C runs without the lock"
        state = state._replace(asked=tuple(QUESTIONS) if text == "call exit_work" else ())
    elif word in ("sysretq", "iretq"):
        way_out(code, address, state, before, here)
        return []
    elif word == "ret":
        assert not state.ac, f"{here}: back to C with SMAP open"
        assert state.gs == OURS, f"{here}: back to C with the guest's GS"
        assert "sti" not in before or before[-3:] in (["sti", "hlt", "cli"],
                                                      ["sti", "nop", "cli"]), f"{here}: interrupts"
        return []
    elif word == "jmp":
        return [(int(text.split()[1], 16), state)]
    elif word.startswith("j"):
        return jumps(code, text, here, behind, before, state)
    return [(behind, state)]


def jumps(code, text, here, behind, before, state):
    word, target = text.split()[0], int(text.split()[1], 16)
    last = before[-1] if before else ""
    # CS: from ring 0 or from a guest?
    if re.match(r"test BYTE PTR \[rsp\+0x(8|10)\],0x3", last):
        assert state.gs == EITHER and word == "je", f"{here}: asked twice, or the wrong way round"
        origin = OURS if code.names[target] == "from_ring0" else EITHER
        return [(behind, state._replace(gs=GUEST)), (target, state._replace(gs=origin))]
    for question, answer in QUESTIONS.items():
        if re.match(question, last):
            assert word == answer, f"{here}: the wrong way round"
            # Nothing is pending: then the mask does not matter.
            more = state.asked + ((question,) if word == "jne" else tuple(QUESTIONS)[1:])
            return [(behind, state._replace(asked=state.asked + (question,))),
                    (target, state._replace(asked=more))]
    return [(behind, state), (target, state)]


def way_out(code, address, state, before, here):
    name = code.names.get(address, "")
    if name == "guest_iretq" or code.at[address] == "sysretq":
        assert state.gs == GUEST and before[-1] == "swapgs", \
            f"{here}: GS is {state.gs}, after {before[-1]}"
        assert not state.inside, f"{here}: a guest is entered with the lock held"
        assert set(state.asked) == set(QUESTIONS), \
            f"{here}: C ran, and nobody looked for {set(QUESTIONS) - set(state.asked)}"
        flags = [line for line in before if re.match(r"(and|or|mov) r11d?,", line)][-4:]
        assert f"and r11d,{MAY:#x}" in flags and f"or r11d,{MUST:#x}" in flags, \
            f"{here}: flags {flags}"
        # nothing between the guest's stack pointer and the way out touches the stack
        if code.at[address] == "sysretq":
            tail = before[max(i for i, line in enumerate(before) if line.startswith("mov rsp,")):]
            assert not [line for line in tail
                        if re.match("push|pop|call", line)], f"{here}: on the guest's stack: {tail}"
            assert ["mov rax,rcx", "sar rax,0x2f", "inc rax",
                    "cmp rax,0x1"] == before[-10:-6], f"{here}: RIP is not looked at"
        else:
            assert "or eax,0x3" in before, f"{here}: CS may be ring 0's"
    # back into ring 0, or to a guest by a stack of its own
    else:
        assert state.msrs in (0, 2), f"{here}: GS is not given back"
        assert before[-1] == "add rsp,0x8" and before[-2] == "pop rdi", \
            f"{here}: the vector is still on the stack"


def test_exceptions(code):
    for vector in range(256):
        walk(code, code.symbols["vector_stubs"] + 16 * vector,
             State(EITHER, True, True, paid=False))


@pytest.mark.parametrize("entry",
                         ["debug_entry", "nmi_entry", "machine_check_entry", "double_fault_entry"])
def test_stacks_of_their_own(code, entry):
    seen = walk(code, code.symbols[entry], State(EITHER, True, True, paid=False))
    assert any(code.at[address] == "call paranoid_trap" for address, _ in seen)


@pytest.mark.parametrize("entry", ["syscall_entry", "syscall32_entry"])
def test_system_calls(code, entry):
    """The CPU has cleared DF and AC itself, by MSR_FMASK: the next test."""
    walk(code, code.symbols[entry], State(GUEST, False, False, paid=False))


def test_flags_that_syscall_clears():
    text = (ROOT / "hypervisor" / "machine" / "cpu.c").read_text()
    mask = re.search(r"#define SYSCALL_FLAG_MASK[ \\\n]*\((.*)\)", text)[1].split(" | ")
    assert sorted(mask) == sorted(f"RFLAGS_{name}"
                                  for name in ("TF", "IF", "DF", "IOPL", "NT", "RF", "AC"))
    assert "wrmsr(MSR_FMASK, SYSCALL_FLAG_MASK);" in text


@pytest.mark.parametrize("service", ["load_gs_selector", "bounce_write", "idle_once",
                                     "interrupts_once", "enter_guest", "iretq_failed",
                                     "take_ring0"])
def test_services(code, service):
    walk(code, code.symbols[service],
         State(OURS, False, False, inside=service not in ("iretq_failed", "take_ring0")))


def test_faults_in_services(code):
    """Where a guarded instruction goes on when it faults: SMAP is open there, or GS was changed
    back by from_ring0."""
    walk(code, code.symbols["bounce_failed"], State(OURS, False, True))
    walk(code, code.symbols["load_gs_instruction.bad"], State(OURS, False, False))


def test_interrupted_ring0(code):
    """The two instructions that run with the guest's GS base are told from all others, before C is
    called and after."""
    def asks(address):
        lines = []
        while len(lines) < 7:
            lines.append(code.at[address])
            address = code.next[address]
        return lines
    wanted = [r"lea rax,\[rip", r"cmp QWORD PTR \[rsp\+0x80\],rax",
              "je ", r"lea rax,\[rip", r"cmp QWORD PTR \[rsp\+0x80\],rax", "jne ", "swapgs"]
    calls = [a for a, text in code.at.items() if text == "call ring0_trap"]
    assert len(calls) == 1
    begin = code.symbols["from_ring0"]
    first = next(a for a in code.at if a > begin and code.at[a].startswith("lea rax"))
    second = next(a for a in code.at if a > calls[0] and code.at[a].startswith("lea rax"))
    assert first < calls[0] < second
    for start in first, second:
        assert all(re.match(pattern, text) for pattern, text in zip(wanted, asks(start))), \
            asks(start)


@pytest.mark.parametrize("service, wanted", [
    ("take_ring0", ["mov ecx,0x1", r"xchg DWORD PTR \[rip\+0x\w+\],ecx", "test ecx,ecx", "jne ",
                    "ret"]),
    ("drop_ring0", [r"inc DWORD PTR \[rip", r"cmp DWORD PTR \[rip\+0x\w+\],0x0", "jne ",
                    r"mov DWORD PTR \[rip\+0x\w+\],0x0", "ret"])])
def test_the_lock(code, service, wanted):
    """Where there is one CPU nobody comes here, and where there are more, two at once seldom."""
    address = code.symbols[service]
    for pattern in wanted:
        assert re.match(pattern, code.at[address]), where(code, address)
        address = code.next.get(address)


def test_smap_sites_are_all_known():
    """STAC and CLAC only by the macros, which tell boot where they stand."""
    for path in (ROOT / "hypervisor").rglob("*.asm"):
        assert not re.search(r"^\s*(stac|clac)\b", path.read_text(), re.M), path
