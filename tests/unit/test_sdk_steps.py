# SPDX-License-Identifier: MIT
"""The SDK's assembly, run instruction by instruction: each register of what was interrupted comes
to where C looks for it, and back; by which of the ways back; events that come in the middle of
one."""
import re

import pytest

import machine
import stepper

LIBRARY = machine.BUILD / "libpvguest.a"
# struct trap_frame's registers, in its order
SAVED = ("r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx",
         "rsi", "rdi")
SAVED_BYTES = 8 * len(SAVED)
STACK, OTHER_STACK, BACK = 0x7000010000, 0x7000020000, 0x7000ccc000
WITH_ERROR_CODE = {8, 10, 11, 12, 13, 14, 17}
KERNEL, USER, KERNEL_SS = 0x00000001_0000e030, 0xe033, 0xe02b
EVENT, SYSCALL, IN_SYSCALL = 256, 257, 0x100
IRET = 23 * 32


@pytest.fixture(scope="module")
def entry():
    return stepper.Program(LIBRARY, 0xffffffff80100000, (".text", ".fixups", ".rodata"), "entry.o")


class Guest(stepper.Processor):
    """At the moment when the hypervisor has pushed its frame."""

    def __init__(self, program, **hooks):
        self.calls = []
        names = ("trap_dispatch", "event_dispatch", "syscall_dispatch", "before_user_mode")
        super().__init__(program, {name: self.counted(name, hooks.get(name)) for name in names})
        self.info = program.outside["shared_info"]
        self.give(self.info, 64, 0)
        for name in ("several_cpus", "return_hook"):
            self.give(program.outside[name], 8, 0)
        self.give(STACK - 1024, 1024)
        self.give(OTHER_STACK - 1024, 1024)
        self.iret = program.outside["hypercall_page"] + IRET
        self.gs = 0x7000030000
        self.give(self.gs, 16, 0)
        self.ends = {BACK, self.iret}
        self.df = True

    def counted(self, name, what):
        def hook(cpu):
            cpu.calls.append(name)
            assert not cpu.df
            return what(cpu) if what else None
        return hook

    def interrupted(self, words, error=None):
        """The hypervisor's frame: rip cs rflags rsp ss. What the registers were."""
        before = {name: self.regs[name] for name in SAVED}
        self.regs["rsp"] = STACK - 16
        for word in reversed(words):
            self.push(word)
        if error is not None:
            self.push(error)
        self.push(self.regs["r11"])
        self.push(self.regs["rcx"])
        self.regs["rcx"] = self.regs["r11"] = 0xbad
        return before

    def frame(self, at):
        """(registers, vector, error code, the hardware's five words)"""
        return ({name: self.load(at + 8 * i) for i, name in enumerate(SAVED)},
                self.load(at + SAVED_BYTES), self.load(at + SAVED_BYTES + 8),
                [self.load(at + SAVED_BYTES + 16 + 8 * i) for i in range(5)])

    def is_back(self, before, words):
        """In the kernel, without a hypercall."""
        assert self.rip == BACK and self.popped == words[2] and self.regs["rsp"] == words[3]
        assert {name: self.regs[name] for name in SAVED} == before

    def asks_for_iret(self, before, words, flags=0):
        """By the hypercall's frame: flags, then the hardware's."""
        assert self.rip == self.iret
        assert {name: self.regs[name] for name in SAVED} == before
        assert [self.pop() for _ in range(6)] == [flags, *words]


def interrupted_words(rflags=0x46, cs=KERNEL, rsp=OTHER_STACK - 512):
    return [BACK, cs, rflags, rsp, KERNEL_SS]


@pytest.mark.parametrize("vector", range(32))
def test_exceptions(entry, vector):
    has_code, words = vector in WITH_ERROR_CODE, interrupted_words()

    def dispatch(cpu):
        error = 0x1234 if has_code else 0
        assert cpu.frame(cpu.regs["rdi"]) == (before, vector, error, words)
        cpu.store(cpu.regs["rdi"] + 8 * SAVED.index("rdx"), 0xdd)
        cpu.store(cpu.regs["rdi"] + SAVED_BYTES + 16 + 8 * 3, OTHER_STACK - 256)

    cpu = Guest(entry, trap_dispatch=dispatch)
    before = cpu.interrupted(words, 0x1234 if has_code else None)
    cpu.run(entry.tables[".rodata"][vector])
    assert cpu.calls == ["trap_dispatch"]
    words[3] = OTHER_STACK - 256
    cpu.is_back(before | {"rdx": 0xdd}, words)


def test_a_way_back_that_failed(entry):
    """ds es fs gs are in the frame; it is a general protection fault at the place itself."""
    words = interrupted_words()

    def dispatch(cpu):
        assert cpu.frame(cpu.regs["rdi"]) == (before, 13, 0, words)

    cpu = Guest(entry, trap_dispatch=dispatch)
    before = cpu.interrupted([1, 2, 3, 4, *words])
    cpu.run("failsafe_entry")
    assert cpu.calls == ["trap_dispatch"]
    cpu.is_back(before, words)


@pytest.mark.parametrize("start, vector, c", [("event_entry", EVENT, "event_dispatch"),
                                              ("syscall_entry", SYSCALL, "syscall_dispatch")])
def test_other_ways_in(entry, start, vector, c):
    words = interrupted_words()

    def dispatch(cpu):
        assert cpu.frame(cpu.regs["rdi"]) == (before, vector, 0, words)

    cpu = Guest(entry, **{c: dispatch})
    before = cpu.interrupted(words)
    cpu.run(start)
    assert cpu.calls == [c]
    cpu.is_back(before, words)


# --- ways back -----------------------------------------------------------------------------------
def way_back(entry, words, start="event_entry", prepare=lambda cpu: None, **hooks):
    cpu = Guest(entry, **hooks)
    prepare(cpu)
    before = cpu.interrupted(words)
    cpu.run(start)
    return cpu, before


@pytest.mark.parametrize("several", [0, 1])
@pytest.mark.parametrize("pending", [0, 1, 0x80])
def test_events_unmasked(entry, several, pending):
    """What has come meanwhile is asked for behind that, by the hypercall that delivers it."""
    words = interrupted_words(rflags=0x246)

    def masked(cpu):
        mask = cpu.gs if several else cpu.info
        cpu.store(entry.outside["several_cpus"], several, 1)
        cpu.store(mask, pending, 1)
        cpu.store(mask + 1, 1, 1)

    cpu, before = way_back(entry, words, prepare=masked)
    where, other = (cpu.gs, cpu.info) if several else (cpu.info, cpu.gs)
    assert cpu.load(where + 1, 1) == (1 if pending else 0) and cpu.load(other, 2) == 0
    if pending:
        cpu.asks_for_iret(before, [BACK, 0xe030, 0x246, words[3], KERNEL_SS])
    else:
        cpu.is_back(before, words)


@pytest.mark.parametrize("rflags", [0x46, 0x2e4cd7])
def test_events_stay_masked(entry, rflags):
    """Where they were masked in what was interrupted, nobody looks whether there are any, whatever
    other flags there are."""
    def masked(cpu):
        cpu.store(cpu.info, 0x0101, 2)
    words = interrupted_words(rflags)
    cpu, before = way_back(entry, words, prepare=masked)
    assert cpu.load(cpu.info, 2) == 0x0101
    cpu.is_back(before, words)


@pytest.mark.parametrize("flag", [0x100, 0x10000, 0x10300])
def test_single_steps(entry, flag):
    """TF and RF: the long way, and no mask in the selector."""
    words = interrupted_words(rflags=0x46 | flag)
    cpu, before = way_back(entry, words)
    cpu.asks_for_iret(before, [BACK, 0xe030, *words[2:]])


@pytest.mark.parametrize("cs", [1, 2, 3])
@pytest.mark.parametrize("hooked", [0, 1 << 32])
@pytest.mark.parametrize("start, flags", [("event_entry", 0), ("syscall_entry", IN_SYSCALL)])
def test_to_programs(entry, cs, hooked, start, flags):
    words = interrupted_words(cs=USER & ~3 | cs)

    def hook(cpu):
        assert cpu.frame(cpu.regs["rdi"])[3] == words
    cpu, before = way_back(
        entry, words, start, before_user_mode=hook,
        prepare=lambda cpu: cpu.store(entry.outside["return_hook"], hooked))
    assert cpu.calls[1:] == ["before_user_mode"] * bool(hooked)
    cpu.asks_for_iret(before, words, flags)


@pytest.mark.parametrize("vector", [EVENT, SYSCALL])
@pytest.mark.parametrize("cs", [KERNEL, KERNEL | 4, USER & ~3 | 1, USER & ~3 | 2, USER])
def test_a_frame_of_cs_own(entry, cs, vector):
    """return_to_frame: no hook, and nothing but the frame is looked at, of CS two bits."""
    cpu, words = Guest(entry), interrupted_words(cs=cs)
    cpu.store(entry.outside["return_hook"], 1)
    at, before = STACK - 400, {name: 0x500 + i for i, name in enumerate(SAVED)}
    for i, word in enumerate([*before.values(), vector, 0, *words]):
        cpu.store(at + 8 * i, word)
    cpu.run("return_to_frame", rdi=at)
    assert cpu.calls == []
    if cs & 3 == 0:
        cpu.is_back(before, words)
    else:
        cpu.asks_for_iret(before, words, IN_SYSCALL if vector == SYSCALL else 0)


@pytest.mark.parametrize("rsp_after", [0, 8, 64])
def test_a_frame_in_the_way(entry, rsp_after):
    """The two words may overlay the frame, which ends at the stack that is gone back to."""
    cpu, at = Guest(entry), STACK - 400
    end = at + SAVED_BYTES + 16 + 40
    words, before = interrupted_words(rsp=end + rsp_after), {n: i for i, n in enumerate(SAVED)}
    for i, word in enumerate([*before.values(), EVENT, 0, *words]):
        cpu.store(at + 8 * i, word)
    cpu.run("return_to_frame", rdi=at)
    cpu.is_back(before, words)


def window(entry):
    first, end = entry.symbols["unmask"], entry.symbols["unmask_end"]
    return [at for at in sorted(entry.at) if first <= at < end]


def test_an_event_on_the_way_back(entry):
    """At each of the instructions between: the frame is made to go where that way was going, as
    often as it may be; behind the last and before the first, none is."""
    places = window(entry)
    assert len(places) == 11
    for at in [*places, entry.symbols["unmask_end"], places[0] - 1]:
        top = OTHER_STACK - 512
        inside, at_ret = at in places, at == entry.symbols["unmask_ret"]

        def dispatch(cpu):
            wanted = [BACK + 5, KERNEL, 0x246 if at_ret else 0x8d7,
                      top + (8 if at_ret else 16), KERNEL_SS] if inside else words
            assert cpu.frame(cpu.regs["rdi"]) == (before, EVENT, 0, wanted), hex(at)
            return True

        cpu = Guest(entry, event_dispatch=dispatch)
        for i, word in enumerate([BACK + 5] if at_ret else [0x8d7, BACK + 5]):
            cpu.store(top + 8 * i, word)
        words = [at, KERNEL, 0x246, top, KERNEL_SS]
        before = cpu.interrupted(words)
        cpu.run("event_entry")
        assert cpu.calls == ["event_dispatch"]


# --- what C calls --------------------------------------------------------------------------------
def call(entry, name, *arguments, **hooks):
    """(the processor, its registers before)"""
    cpu = Guest(entry)
    cpu.hooks |= hooks
    cpu.regs["rsp"] = STACK - 64
    cpu.push(BACK)
    before = dict(cpu.regs)
    cpu.df = False
    cpu.run(name, **dict(zip(("rdi", "rsi", "rdx"), arguments)))
    return cpu, before


def test_a_program_begins(entry):
    """Nothing of the kernel's is in a register."""
    at = STACK - 900
    cpu = Guest(entry)
    for i, word in enumerate((0x400000, 0x7ffe0000, 0x202, 0x11, 0x22, 0x33)):
        cpu.store(at + 8 * i, word)
    cpu.run("enter_user_mode", rdi=at, rsp=STACK - 64)
    given = {"rdi": 0x11, "rsi": 0x22, "rdx": 0x33}
    cpu.asks_for_iret({name: given.get(name, 0) for name in SAVED},
                      [0x400000, USER, 0x202, 0x7ffe0000, KERNEL_SS])


def test_threads(entry):
    """From one to the other and back: each has its own registers."""
    place = STACK - 1000
    cpu, new = Guest(entry), OTHER_STACK - 56
    for i in range(6):
        cpu.store(new + 8 * i, 0xcc00 + i)
    cpu.store(new + 48, BACK)
    cpu.regs["rsp"] = STACK - 64
    cpu.push(BACK)
    before = dict(cpu.regs)
    cpu.run("thread_switch", rdi=place, rsi=new)
    taken = ("r15", "r14", "r13", "r12", "rbp", "rbx")
    assert [cpu.regs[name] for name in taken] == [0xcc00 + i for i in range(6)]
    assert cpu.regs["rsp"] == OTHER_STACK and cpu.rip == BACK
    cpu.regs["rsp"] -= 8
    cpu.run("thread_switch", rdi=place + 8, rsi=cpu.load(place))
    assert all(cpu.regs[name] == before[name] for name in taken)
    assert cpu.regs["rsp"] == STACK - 64


@pytest.mark.parametrize("traps", [False, True])
def test_a_trap_that_is_caught(entry, traps):
    place, function = STACK - 1000, BACK + 0x1000
    cpu = Guest(entry)
    cpu.named[function] = "function"

    def asked(cpu):
        cpu.calls.append("function")
        assert cpu.regs["rdi"] == 0x4242
        for name in stepper.PRESERVED:
            cpu.regs[name] = 0xeeee if traps else cpu.regs[name]
        return traps
    cpu.hooks["function"] = asked
    cpu.regs["rsp"] = STACK - 64
    cpu.push(BACK)
    before = dict(cpu.regs)
    cpu.run("catch_trap_run", rdi=function, rsi=0x4242, rdx=place)
    assert cpu.calls == ["function"]
    if traps:                                               # what trap_dispatch does
        cpu.regs["rsp"] = cpu.load(place)
        cpu.run("catch_trap_resume")
    assert cpu.rip == BACK and cpu.regs["rax"] & 0xffffffff == traps
    assert all(cpu.regs[name] == before[name] for name in stepper.PRESERVED)
    assert cpu.regs["rsp"] == STACK - 64


HERE, THERE = STACK - 900, OTHER_STACK - 900


@pytest.mark.parametrize("name, arguments, wanted", [
    ("try_read64", (HERE, THERE), bytes(range(1, 9)) + b"\xa5" * 8),
    ("try_read8", (HERE, THERE), b"\x01" + b"\xa5" * 15),
    ("try_write64", (THERE, 0x0102030405060708), bytes(range(8, 0, -1)) + b"\xa5" * 8),
    ("try_write8", (THERE, 0xfff77), b"\x77" + b"\xa5" * 15),
    ("try_copy", (THERE, HERE, 5), bytes(range(1, 6)) + b"\xa5" * 11)])
def test_loads_and_stores_with_a_way_out(entry, name, arguments, wanted):
    cpu = Guest(entry)
    cpu.df = False
    for i in range(8):
        cpu.store(HERE + i, i + 1, 1)
    cpu.regs["rsp"] = STACK - 64
    cpu.push(BACK)
    cpu.run(name, **dict(zip(("rdi", "rsi", "rdx"), arguments)))
    assert cpu.rip == BACK and cpu.regs["rax"] & 0xffffffff == 0
    assert bytes(cpu.memory[THERE + i] for i in range(16)) == wanted
    assert bytes(cpu.memory[HERE + i] for i in range(8)) == bytes(range(1, 9))
    # the way out is where the access is, and says -EFAULT
    access = entry.symbols[name + ".access"]
    assert access in entry.fixups and "[" in entry.at[access]
    cpu.regs["rsp"] = STACK - 64
    cpu.push(BACK)
    cpu.run(entry.fixups[access])
    assert cpu.rip == BACK and cpu.regs["rax"] & 0xffffffff == 0x100000000 - 14


# --- the first instructions, hypercalls of any number -------------------------------------------
@pytest.fixture(scope="module")
def head():
    return stepper.Program(LIBRARY, 0xffffffff80000000,
                           (".text", ".text.start", ".text.hypercall_page", ".bss.pages"), "head.o")


def test_the_first_instructions(head):
    def start(cpu):
        assert cpu.regs["rdi"] == 0x1357 and cpu.regs["rbp"] == 0 and not cpu.df
        assert cpu.regs["rsp"] == head.symbols["boot_stack_top"] - 8
        return True
    cpu = stepper.Processor(head, {"guest_start": start})
    top = head.symbols["boot_stack_top"]
    assert top == head.symbols["shared_info"] + 4096 + 32768
    cpu.give(top - 64, 64)
    cpu.df = True
    cpu.run("_start", rsi=0x1357)
    assert cpu.called == head.outside["guest_start"]


@pytest.mark.parametrize("number", [0, 1, 55, 127, 128, 1 << 32, (1 << 64) - 1])
def test_hypercalls_of_any_number(head, number):
    page = head.symbols["hypercall_page"]
    c = dict(zip(("rdi", "rsi", "rdx", "rcx", "r8", "r9"), (number, 1, 2, 3, 4, 5)))
    for name in ("hypercall_by_page", "hypercall_by_syscall"):
        cpu = stepper.Processor(head, {"syscall": lambda cpu: True})
        cpu.give(STACK - 64, 64)
        cpu.regs["rsp"] = STACK - 8
        cpu.push(BACK)
        before = dict(cpu.regs)
        beyond = name == "hypercall_by_page" and number >= 128
        cpu.ends = {BACK} if number >= 128 else {BACK, page + 32 * number}
        cpu.run(name, **c)
        if beyond:
            assert cpu.rip == BACK and cpu.regs["rax"] == (1 << 64) - 38
            continue
        assert [cpu.regs[reg] for reg in ("rdi", "rsi", "rdx", "r10", "r8")] == [1, 2, 3, 4, 5]
        assert all(cpu.regs[reg] == before[reg] for reg in stepper.PRESERVED)
        assert cpu.regs["rsp"] == STACK - 16                # its ret is ours
        if name == "hypercall_by_syscall":
            assert cpu.regs["rax"] == number and re.match("syscall", head.at[cpu.rip])
            assert head.at[head.behind[cpu.rip]] == "ret"
        else:
            assert cpu.rip == page + 32 * number
