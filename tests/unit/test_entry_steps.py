# SPDX-License-Identifier: MIT
"""entry.asm, run instruction by instruction: that each register of a guest's comes to where C looks
for it, that each comes back, that C is asked when it must be, and what becomes of a fault on the
way. test_entry.py has what holds on every path; here are the values.
"""
import re

import pytest

import machine
import stepper

OBJECT = machine.BUILD / "hv-obj" / "hypervisor" / "entry" / "entry.asm.o"
OFFSETS = {name: int(value) for name, value in re.findall(
    r"%define (\w+) (\d+)", (machine.BUILD / "gen/hypervisor/offsets.inc").read_text())}
CPU, VCPU, OTHER, INFO, HYPERCALLS = (0xffff830000000000 + (n << 16) for n in range(1, 6))
STACK, GUEST_STACK, TABLE = 0xffff830000100000, 0x7fff00001000, 0xffff8300002000
GUEST_GS = 0x12345678
MAY, MUST = 0x250dd5, 0x202
WITH_ERROR_CODE = {8, 10, 11, 12, 13, 14, 17, 21, 29, 30}
# struct cpu_user_regs, in its order
SAVED = ("r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx",
         "rsi", "rdi")
SAVED_BYTES = 8 * len(SAVED)
TRAP_SYSCALL = OFFSETS["TRAP_SYSCALL"]


@pytest.fixture(scope="module")
def program():
    if not OBJECT.exists():
        pytest.fail(f"{OBJECT} is not built")
    return stepper.Program(OBJECT, 0xffff82d000000000, (".entry", ".fixups"))


class Ring0(stepper.Processor):
    """A CPU with two vCPUs, of which one runs."""

    def __init__(self, program, **hooks):
        self.calls = []
        names = ("guest_trap", "guest_syscall", "exit_work", "exit_failed", "ring0_trap",
                 "paranoid_trap", "ring0_wait", "ring0_hand")
        super().__init__(program, {name: self.counted(name, hooks.get(name)) for name in names})
        self.hooks |= {"iretq": self.leaves, "sysretq": self.leaves}
        self.lock = program.outside["ring0_lock"]
        self.give(self.lock, 16, 0)
        self.give(CPU, 512, 0)
        for vcpu in (VCPU, OTHER):
            self.give(vcpu, 512)
            self.store(vcpu + OFFSETS["VCPU_info"], INFO)
            self.store(vcpu + OFFSETS["VCPU_hypercalls"], HYPERCALLS)
            self.store(vcpu + OFFSETS["VCPU_in_kernel"], 1, 1)
            self.store(vcpu + OFFSETS["VCPU_restart"], 0, 1)
        self.give(INFO, 64, 0)
        self.give(STACK - 1024, 1024)
        self.give(GUEST_STACK - 1024, 1024, 0x5a)
        self.of_cpu("current", VCPU)
        self.of_cpu("stack_top", STACK)
        self.gs, self.kernel_gs = CPU, GUEST_GS
        self.way = None

    def store(self, address, value, size=8):
        assert self.ac or not GUEST_STACK - 1024 <= address < GUEST_STACK, \
            f"{self.here()}: SMAP is closed"
        super().store(address, value, size)

    def counted(self, name, what):
        def hook(cpu):
            inside = name in ("guest_trap", "guest_syscall", "exit_work", "exit_failed")
            assert cpu.load(cpu.lock, 4) == (1 if inside else cpu.load(cpu.lock, 4)), name
            assert cpu.gs == CPU, f"{name}: GS"
            assert not cpu.df and not cpu.ac, f"{name}: DF or AC"
            cpu.calls.append(name)
            return what(cpu) if what else False
        return hook

    def of_cpu(self, name, value=None, size=8):
        at = CPU + OFFSETS["CPU_" + name]
        return self.load(at, size) if value is None else self.store(at, value, size)

    def of_regs(self, name, value=None, vcpu=VCPU, size=8):
        at = vcpu + OFFSETS["VCPU_regs"] + OFFSETS["REGS_" + name]
        return self.load(at, size) if value is None else self.store(at, value, size)

    def leaves(self, cpu):
        """IRETQ or SYSRET: the frame, and the run is over."""
        self.way = self.program.at[self.rip].split()[-1]
        self.frame = [self.pop() for _ in range(5)] if self.way == "iretq" else None
        return True

    def saved_at(self, at):
        """What C sees: registers, error code, vector, and what the CPU pushed."""
        return ({name: self.load(at + 8 * i) for i, name in enumerate(SAVED)},
                self.load(at + SAVED_BYTES, 4), self.load(at + SAVED_BYTES + 4, 4),
                [self.load(at + SAVED_BYTES + 8 + 8 * i) for i in range(5)])

    def fill(self, vcpu, seed, vector=TRAP_SYSCALL, rip=0x400123, flags=0x246):
        """Registers for the way out; what they are."""
        values = {name: seed << 32 | i << 8 | 0x77 for i, name in enumerate(SAVED)}
        at = vcpu + OFFSETS["VCPU_regs"]
        for i, name in enumerate(SAVED):
            self.store(at + 8 * i, values[name])
        self.of_regs("ip", rip, vcpu)
        self.of_regs("flags", flags, vcpu)
        self.of_regs("sp", seed << 16 | 0x7770, vcpu)
        self.of_regs("cs", 0xffffffff0000e033 if vector == TRAP_SYSCALL else 0xffff000000000020,
                     vcpu)
        self.of_regs("ss", 0xffffffff0000e02b, vcpu)
        self.of_regs("vector", vector, vcpu, 4)
        return values

    def is_out(self, values, vcpu=VCPU):
        """As a guest by the registers of vcpu, the lock dropped."""
        got = {name: self.regs[name] for name in SAVED}
        sp, flags = self.of_regs("sp", vcpu=vcpu), self.of_regs("flags", vcpu=vcpu) & MAY | MUST
        rip = self.of_regs("ip", vcpu=vcpu)
        if self.way == "iretq":
            assert got == values
            assert self.frame == [rip, self.of_regs("cs", vcpu=vcpu) & 0xffff | 3, flags, sp,
                                  self.of_regs("ss", vcpu=vcpu) & 0xffff]
            assert self.regs["rsp"] == STACK
        else:
            assert got == values | {"rcx": rip, "r11": flags}
            assert self.regs["rsp"] == sp
        assert (self.gs, self.kernel_gs) == (GUEST_GS, CPU)
        assert self.load(self.lock, 4) == 0 and self.load(self.lock + 4, 4) == 1


# --- ways in -------------------------------------------------------------------------------------
def pushed_by_cpu(cpu, top, cs, error=None):
    """An exception's frame below top; what it is."""
    frame = [0x401234, cs, 0x10246, 0x7fff12345678, 0xe02b]
    cpu.regs["rsp"] = top
    for word in reversed(frame):
        cpu.push(word)
    if error is not None:
        cpu.push(error)
    return frame


@pytest.mark.parametrize("cs, vectors", [(0xe033, range(256)), (1, (3, 14)), (0xe032, (3, 14))])
def test_exceptions_of_a_guest(program, cs, vectors):
    for vector in vectors:
        has_code, before = vector in WITH_ERROR_CODE, {}

        def trap(cpu):
            at = cpu.regs["rdi"]
            assert at == VCPU + OFFSETS["VCPU_regs"]
            assert cpu.saved_at(at) == (before, 0x1234 if has_code else 0, vector, frame)
            assert cpu.regs["rsp"] == STACK - 8
            assert cpu.of_cpu("budget", size=4) == OFFSETS["BUDGET"]
            cpu.left = cpu.fill(VCPU, 0x4711, vector)

        cpu = Ring0(program, guest_trap=trap)
        cpu.gs, cpu.kernel_gs, cpu.df, cpu.ac = GUEST_GS, CPU, True, True
        frame = pushed_by_cpu(cpu, VCPU + OFFSETS["VCPU_frame_top"], cs,
                              0x1234 if has_code else None)
        before |= {name: cpu.regs[name] for name in SAVED}
        cpu.run(program.symbols["vector_stubs"] + 16 * vector)
        assert cpu.calls == ["guest_trap"] and cpu.way == "iretq"
        cpu.is_out(cpu.left)


def system_call(program, start, number=0, **hooks):
    cpu = Ring0(program, **hooks)
    cpu.gs, cpu.kernel_gs = GUEST_GS, CPU
    cpu.regs |= {"rsp": 0x7fff00000ff0, "rcx": 0x400500, "r11": 0x10203, "rax": number}
    cpu.give(HYPERCALLS, 8 * (OFFSETS["HYPERCALL_LAST"] + 1))
    cpu.give(VCPU + OFFSETS["VCPU_counts"], 8 * (OFFSETS["HYPERCALL_LAST"] + 1), 0)
    for slot in range(OFFSETS["HYPERCALL_LAST"] + 1):
        cpu.store(HYPERCALLS + 8 * slot, TABLE + 64 * slot)
        cpu.named[TABLE + 64 * slot] = f"hypercall {slot}"
        cpu.hooks[f"hypercall {slot}"] = hooks.get("hypercall") or (lambda cpu: None)
    return cpu


def seen_by_c(cpu, before, vector, cs):
    registers, _, seen, frame = cpu.saved_at(VCPU + OFFSETS["VCPU_regs"])
    assert registers == before and seen == vector
    assert frame == [0x400500, cs, 0x10203, 0x7fff00000ff0, 0xe02b]
    assert cpu.of_cpu("budget", size=4) == OFFSETS["BUDGET"] and cpu.regs["rsp"] == STACK - 8
    assert cpu.load(cpu.lock, 4) == 1 and cpu.gs == CPU


@pytest.mark.parametrize("number", [0, 1, 23, 62, 63, 64, 1 << 31, (1 << 32) + 1, 1 << 63,
                                    (1 << 64) - 1])
def test_hypercalls(program, number):
    """By its number, counted, with six arguments; what it says is in rax, and nothing else is
    changed."""
    slot = min(number, OFFSETS["HYPERCALL_LAST"])
    arguments = ("rdi", "rsi", "rdx", "r10", "r8", "r9")

    def call(cpu):
        assert cpu.named[cpu.called] == f"hypercall {slot}"
        c = [cpu.regs[name] for name in ("rdi", "rsi", "rdx", "rcx", "r8", "r9")]
        assert c == [before[name] for name in arguments]
        seen_by_c(cpu, before, TRAP_SYSCALL, 0xe033)
        cpu.regs["rax"] = 0x5ca1ab1e

    cpu = system_call(program, "syscall_entry", number, hypercall=call)
    before = {name: cpu.regs[name] for name in SAVED}
    cpu.run("syscall_entry")
    counts = [cpu.load(VCPU + OFFSETS["VCPU_counts"] + 8 * i)
              for i in range(OFFSETS["HYPERCALL_LAST"] + 1)]
    assert counts == [int(i == slot) for i in range(OFFSETS["HYPERCALL_LAST"] + 1)]
    assert cpu.way == "sysretq" and cpu.calls == []
    cpu.is_out(before | {"rax": 0x5ca1ab1e})


def test_a_hypercall_that_is_made_again(program):
    """Its registers are what C has made of them, and no answer is written."""
    def call(cpu):
        cpu.store(VCPU + OFFSETS["VCPU_restart"], 1, 1)
        cpu.left = cpu.fill(VCPU, 0x815, rip=0x4004fe)
        cpu.regs["rax"] = 77

    cpu = system_call(program, "syscall_entry", 5, hypercall=call)
    cpu.run("syscall_entry")
    assert cpu.load(VCPU + OFFSETS["VCPU_restart"], 1) == 0
    cpu.is_out(cpu.left)


@pytest.mark.parametrize("start, kernel", [("syscall_entry", 0), ("syscall32_entry", 0),
                                           ("syscall32_entry", 1)])
def test_system_calls_of_programs(program, start, kernel):
    def syscall(cpu):
        assert cpu.regs["rdi"] == VCPU
        seen_by_c(cpu, before, *((0, 0xe023) if start == "syscall32_entry"
                                 else (TRAP_SYSCALL, 0xe033)))
        cpu.left = cpu.fill(VCPU, 0x99)

    cpu = system_call(program, start, 7, guest_syscall=syscall)
    cpu.store(VCPU + OFFSETS["VCPU_in_kernel"], kernel, 1)
    before = {name: cpu.regs[name] for name in SAVED}
    cpu.run(start)
    assert cpu.calls == ["guest_syscall"]
    cpu.is_out(cpu.left)


# --- ways out ------------------------------------------------------------------------------------
@pytest.mark.parametrize("way_in", ["enter_guest", "hypercall"])
@pytest.mark.parametrize("work, pending, mask, asks", [
    (0, 0, 0, False), (0, 0, 1, False), (0, 1, 1, False), (0, 1, 0, True), (1, 0, 0, True),
    (1 << 31, 1, 1, True), (0, 0x80, 0, True), (0, 1, 0x80, False)])
def test_what_waits(program, way_in, work, pending, mask, asks):
    """C is asked before a guest goes on, and the vCPU is whose turn C says it is."""
    def exit_work(cpu):
        cpu.of_cpu("current", OTHER)
        for name in stepper.PRESERVED:                      # C changes none of them
            assert name in cpu.regs

    cpu = system_call(program, "syscall_entry", 3, exit_work=exit_work)
    cpu.of_cpu("work", work, 4)
    cpu.store(INFO + OFFSETS["INFO_pending"], pending, 1)
    cpu.store(INFO + OFFSETS["INFO_mask"], mask, 1)
    values, others = cpu.fill(VCPU, 1), cpu.fill(OTHER, 2)
    if way_in == "enter_guest":
        cpu.gs, cpu.kernel_gs = CPU, GUEST_GS
        cpu.store(cpu.lock, 1, 4)
        cpu.run("enter_guest")
    else:
        cpu.hooks["hypercall 3"] = lambda cpu: cpu.regs.update(rax=0)
        values = {name: cpu.regs[name] for name in SAVED} | {"rax": 0}
        cpu.run("syscall_entry")
    assert cpu.calls == ["exit_work"] * asks
    cpu.is_out(others if asks else values, OTHER if asks else VCPU)


@pytest.mark.parametrize("vector, rip, way", [
    (TRAP_SYSCALL, 0, "sysretq"), (TRAP_SYSCALL, (1 << 47) - 1, "sysretq"),
    (TRAP_SYSCALL, 1 << 47, "iretq"), (TRAP_SYSCALL, 0xffff7fffffffffff, "iretq"),
    (TRAP_SYSCALL, 0xffff800000000000, "sysretq"), (TRAP_SYSCALL, (1 << 64) - 1, "sysretq"),
    (TRAP_SYSCALL, 1 << 63, "iretq"), (0, 0x400000, "iretq"), (13, 0x400000, "iretq")])
@pytest.mark.parametrize("flags", [0, (1 << 64) - 1, 0x202])
def test_back_to_a_guest(program, vector, rip, way, flags):
    cpu = Ring0(program)
    cpu.store(cpu.lock, 1, 4)
    values = cpu.fill(VCPU, 0x1234567, vector, rip, flags)
    cpu.run("enter_guest")
    assert cpu.way == way
    cpu.is_out(values)


def test_a_bad_frame(program):
    """IRETQ faults: ring 0 goes on there with a stack of its own and the lock, and C is told."""
    def failed(cpu):
        assert cpu.regs["rsp"] == STACK - 8
        cpu.left = cpu.fill(VCPU, 0x66)

    cpu = Ring0(program, exit_failed=failed)
    cpu.regs["rsp"] = STACK - 40
    cpu.run(program.fixups[program.symbols["guest_iretq"]])
    assert cpu.calls == ["exit_failed"]
    cpu.is_out(cpu.left)


@pytest.mark.parametrize("held", [0, 1])
def test_the_lock(program, held):
    """Another CPU has it: C waits, and no register but rcx and r11 is changed."""
    cpu = Ring0(program)
    cpu.regs["rsp"] = STACK
    cpu.push(0)
    before = dict(cpu.regs)
    cpu.store(cpu.lock, held, 4)
    cpu.run("take_ring0")
    assert cpu.calls == ["ring0_wait"] * held and cpu.load(cpu.lock, 4) == 1
    assert all(cpu.regs[name] == before[name] for name in SAVED if name not in ("rcx", "r11"))
    assert cpu.regs["rsp"] == STACK


@pytest.mark.parametrize("hungry", [0, 3])
def test_dropping_the_lock(program, hungry):
    """It is free, or held on, for who is hungry."""
    cpu = Ring0(program)
    cpu.regs["rsp"] = STACK
    cpu.push(0)
    before = dict(cpu.regs)
    cpu.store(cpu.lock, 1, 4)
    cpu.store(cpu.lock + OFFSETS["RING0_hungry"], hungry, 4)
    cpu.run("drop_ring0")
    assert cpu.calls == ["ring0_hand"] * bool(hungry)
    assert cpu.load(cpu.lock, 4) == bool(hungry) and cpu.load(cpu.lock + 4, 4) == 1
    assert all(cpu.regs[name] == before[name] for name in SAVED if name not in ("rcx", "r11"))
    assert cpu.regs["rsp"] == STACK


# --- ring 0 interrupted --------------------------------------------------------------------------
@pytest.mark.parametrize("at, others_gs", [("guest_iretq", True), ("load_gs_instruction", True),
                                           ("bounce_write", False), ("idle_once", False)])
@pytest.mark.parametrize("goes_on", ["guest_iretq", "load_gs_instruction", "iretq_failed",
                                     "load_gs_instruction.bad"])
def test_faults_of_ring0(program, at, others_gs, goes_on):
    """With the guest's GS where one of the two instructions faults, and again where one is run once
    more."""
    def trap(cpu):
        frame = cpu.regs["rdi"]
        assert cpu.saved_at(frame) == (before, 0, 13, [program.symbols[at], 0xe008, 0x202, STACK,
                                                       0xe010])
        cpu.store(frame + SAVED_BYTES + 8, program.symbols[goes_on])

    cpu = Ring0(program, ring0_trap=trap)
    if others_gs:
        cpu.gs, cpu.kernel_gs = GUEST_GS, CPU
    cpu.df = cpu.ac = True
    cpu.regs["rsp"] = STACK
    for word in (0xe010, STACK, 0x202, 0xe008, program.symbols[at], 0):
        cpu.push(word)
    before = {name: cpu.regs[name] for name in SAVED}
    cpu.run(program.symbols["vector_stubs"] + 16 * 13)
    assert cpu.calls == ["ring0_trap"]
    assert {name: cpu.regs[name] for name in SAVED} == before
    assert cpu.frame[0] == program.symbols[goes_on] and cpu.regs["rsp"] == STACK
    again = goes_on in ("guest_iretq", "load_gs_instruction")
    assert (cpu.gs, cpu.kernel_gs) == ((GUEST_GS, CPU) if again else (CPU, GUEST_GS))


@pytest.mark.parametrize("start, vector, code", [
    ("nmi_entry", 2, None), ("machine_check_entry", 18, None), ("double_fault_entry", 8, 0),
    ("debug_entry", 1, None)])
@pytest.mark.parametrize("gs", [CPU, GUEST_GS, 0xffffffff80000000, 0])
@pytest.mark.parametrize("cs", [0xe008, 0xe033])
def test_stacks_of_their_own(program, start, vector, code, gs, cs):
    """GS, whosever it is, is ours in C and as it was behind it. A guest's #DB goes as all do."""
    of_guest = start == "debug_entry" and cs == 0xe033
    stack = 0xffff830000300000

    def trap(cpu):
        assert cpu.saved_at(cpu.regs["rdi"]) == (before, 0, vector, frame)
        assert cpu.regs["rsp"] == cpu.regs["rdi"] - 8
        cpu.store(cpu.regs["rdi"] + 8 * SAVED.index("rsi"), 0x4242)

    def guest_trap(cpu):
        assert cpu.saved_at(VCPU + OFFSETS["VCPU_regs"]) == (before, 0, 1, frame)
        assert cpu.regs["rdi"] == VCPU + OFFSETS["VCPU_regs"]
        cpu.left = cpu.fill(VCPU, 0x1db, 1)

    cpu = Ring0(program, paranoid_trap=trap, guest_trap=guest_trap)
    cpu.give(stack - 512, 512)
    cpu.store(stack - 8, CPU)
    cpu.gs, cpu.kernel_gs = (GUEST_GS, CPU) if of_guest else (gs, 0x99)
    cpu.df = cpu.ac = True
    frame = pushed_by_cpu(cpu, stack - 8, cs, code)
    before = {name: cpu.regs[name] for name in SAVED}
    cpu.run(start)
    if of_guest:
        assert cpu.calls == ["guest_trap"]
        cpu.is_out(cpu.left)
        return
    assert cpu.calls == ["paranoid_trap"]
    assert {name: cpu.regs[name] for name in SAVED} == before | {"rsi": 0x4242}
    assert cpu.frame == frame and (cpu.gs, cpu.kernel_gs) == (gs, 0x99)


# --- services ------------------------------------------------------------------------------------
def service(program, start, **arguments):
    """Calls it as C does: what it says, with C's registers and GS as they were."""
    cpu = Ring0(program)
    cpu.regs["rsp"] = STACK - 64
    cpu.push(0)
    before = dict(cpu.regs)
    cpu.loaded = []

    def load_gs(cpu, selector):
        assert cpu.gs != CPU, "our own base would go"
        cpu.loaded.append(selector)
        cpu.gs = selector
    cpu.hooks["load gs"] = load_gs
    cpu.prepare = lambda: cpu.run(start, **arguments)
    return cpu, before


def is_back(cpu, before):
    assert all(cpu.regs[name] == before[name] for name in stepper.PRESERVED)
    assert cpu.regs["rsp"] == STACK - 64 and cpu.gs == CPU and not cpu.ac
    return cpu.regs["rax"] & 0xffffffff


def test_the_guests_gs(program):
    cpu, before = service(program, "load_gs_selector", rdi=0x12345e02b)
    cpu.prepare()
    assert is_back(cpu, before) == 0 and cpu.loaded == [0xe02b] and cpu.kernel_gs == 0xe02b


def test_a_gs_that_is_none(program):
    cpu, before = service(program, program.fixups[program.symbols["load_gs_instruction"]])
    cpu.prepare()
    assert is_back(cpu, before) == 0xffffffff and cpu.loaded == [0] and cpu.kernel_gs == 0


REGS = 0xffff830000400000


def bounce(program, extras):
    cpu, before = service(program, "bounce_write", rdi=GUEST_STACK, rsi=REGS, rdx=0x246,
                          rcx=0xe030, r8=REGS + 0x800, r9=0xffffffff00000000 | extras)
    cpu.give(REGS, 4096)
    for i, name in enumerate(SAVED):
        cpu.store(REGS + 8 * i, 0xabc000 + i)
    for name, value in (("ss", 0xe02b), ("sp", 0x7ffe1230), ("ip", 0x400777)):
        cpu.store(REGS + OFFSETS["REGS_" + name], value)
    for i in range(extras):
        cpu.store(REGS + 0x800 + 8 * i, 0xe0 + i)
    wanted = [0xe02b, 0x7ffe1230, 0xe030, 0x246, 0x400777,
              *(0xe0 + i for i in reversed(range(extras))),
              0xabc000 + SAVED.index("r11"), 0xabc000 + SAVED.index("rcx")]
    return cpu, before, wanted


@pytest.mark.parametrize("extras", [0, 1, 2, 6])
def test_a_bounce_frame(program, extras):
    cpu, before, wanted = bounce(program, extras)
    cpu.prepare()
    is_back(cpu, before)
    assert cpu.regs["rax"] == GUEST_STACK - 8 * len(wanted)
    found = [cpu.load(GUEST_STACK - 8 * (i + 1)) for i in range(len(wanted))]
    assert found == wanted
    assert cpu.load(GUEST_STACK - 8 * len(wanted) - 8) == 0x5a5a5a5a5a5a5a5a


def test_a_stack_that_faults(program):
    """Each store of it has a way out, which says 0."""
    stores = [at for at, text in program.at.items() if re.match(r"mov QWORD PTR \[rdi", text)]
    assert len(stores) == 8
    for at in stores:
        cpu, before = service(program, program.fixups[at])
        cpu.ac = True
        cpu.prepare()
        is_back(cpu, before)
        assert cpu.regs["rax"] == 0


@pytest.mark.parametrize("name, between", [("idle_once", "hlt"), ("interrupts_once", "nop")])
def test_interrupts(program, name, between):
    """STI takes effect behind the next instruction, which has to be HLT, or there is no time."""
    order = []
    cpu, before = service(program, name, rax=0)
    for word in ("sti", between, "cli"):
        cpu.hooks[word] = lambda cpu, word=word: order.append(word)
    cpu.prepare()
    is_back(cpu, before)
    assert order == ["sti", between, "cli"]
