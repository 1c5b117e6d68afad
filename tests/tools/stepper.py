# SPDX-License-Identifier: MIT
"""Assembly run one instruction at a time, as it was assembled: what a processor would do, seen in
every register and byte.

Used by the tests of entry.asm and its kind, whose instructions no program may run. It knows the
instructions that they have, and says so where there is another. Whatever C is called is a function
of the test's; behind it the registers that C may change hold something else, as they would.
"""
import itertools
import pathlib
import re
import struct
import subprocess
import tempfile

NAMES = {"a": 0, "c": 1, "d": 2, "b": 3, "sp": 4, "bp": 5, "si": 6, "di": 7}
WIDTHS = {"BYTE": 1, "WORD": 2, "DWORD": 4, "QWORD": 8}
CALLERS = ("rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11")
PRESERVED = ("rbx", "rbp", "r12", "r13", "r14", "r15")
REGISTERS = CALLERS + PRESERVED
ALL = (1 << 64) - 1
CONDITIONS = {"e": lambda f: f["z"], "ne": lambda f: not f["z"], "b": lambda f: f["c"],
              "ae": lambda f: not f["c"], "a": lambda f: not f["c"] and not f["z"],
              "be": lambda f: f["c"] or f["z"], "s": lambda f: f["s"], "ns": lambda f: not f["s"],
              "l": lambda f: f["s"] != f["o"], "ge": lambda f: f["s"] == f["o"]}


def registers():
    """{any name: (its 64-bit register, bytes)}"""
    found = {}
    for name in ("a", "b", "c", "d"):
        whole = f"r{name}x"
        found |= {whole: (whole, 8), f"e{name}x": (whole, 4), f"{name}x": (whole, 2),
                  f"{name}l": (whole, 1)}
    for name in ("sp", "bp", "si", "di"):
        whole = "r" + name
        found |= {whole: (whole, 8), "e" + name: (whole, 4), name: (whole, 2),
                  name + "l": (whole, 1)}
    for number in range(8, 16):
        whole = f"r{number}"
        found |= {whole: (whole, 8), whole + "d": (whole, 4), whole + "w": (whole, 2),
                  whole + "b": (whole, 1)}
    return found


PARTS = registers()


class Program:
    """An object file, linked to run at `at`, with everything that it wants from elsewhere at an
    address of its own."""

    def __init__(self, file, at, sections=(".text",), member=None, given=None):
        self.outside = {}
        with tempfile.TemporaryDirectory() as folder:
            whole = pathlib.Path(folder, "whole")
            if member:
                taken = subprocess.run(["ar", "p", str(file), member], check=True,
                                       stdout=subprocess.PIPE).stdout
                file = pathlib.Path(folder, member)
                file.write_bytes(taken)
            wanted = re.findall(r"^\s+U (\S+)$", self.said("nm", file), re.M)
            far = itertools.count(at + (1 << 24), 1 << 16)
            self.outside = {name: (given or {}).get(name, next(far)) for name in wanted}
            names = [f"--defsym={name}={address:#x}" for name, address in self.outside.items()]
            script = pathlib.Path(folder, "script")
            script.write_text("SECTIONS { . = %#x; %s }" % (
                at, " ".join(f"{name} : {{ *({name}) }}" for name in sections)))
            subprocess.run(["ld", "-T", str(script), "--no-warn-rwx-segments", "-e", hex(at),
                            "-z", "noexecstack", "-o", str(whole), *names, str(file)], check=True)
            self.symbols = {name: int(address, 16) for address, name in re.findall(
                r"^([0-9a-f]+) \w (\S+)$", self.said("nm", whole), re.M)}
            # -D: what is behind some labels of macros is said to be data
            only = [f"-j{name}" for name in sections if name.startswith((".text", ".entry"))]
            code = self.said("objdump", "-D", "-M", "intel", "--no-show-raw-insn", *only, whole)
            found = re.findall(r"^\s*([0-9a-f]+):\t([^#<\n]*?)\s*(?:[#<].*)?$", code, re.M)
            self.at = {int(address, 16): re.sub(r"\s+", " ", text) for address, text in found}
            places = sorted(self.at)
            self.behind = dict(zip(places, places[1:]))
            self.tables = {name: self.words(whole, name) for name in sections[1:]}
        fixups = self.tables.get(".fixups", [])
        # where it goes on when the instruction at that address faults
        self.fixups = dict(zip(fixups[::2], fixups[1::2]))

    @staticmethod
    def said(*command):
        return subprocess.run(list(map(str, command)), check=True, text=True,
                              stdout=subprocess.PIPE).stdout

    def words(self, whole, section):
        """What stands in a section, in words of 64 bits."""
        with tempfile.NamedTemporaryFile() as bare:
            subprocess.run(["objcopy", "-O", "binary", "-j", section, str(whole), bare.name],
                           check=True)
            data = pathlib.Path(bare.name).read_bytes()
        return list(struct.unpack(f"<{len(data) // 8}Q", data[:len(data) // 8 * 8]))


class Processor:
    """Registers by name in `regs`, memory that was given, flags. hooks: {name of C or of an
    instruction: function(processor)}; one that gives back True ends the run."""

    def __init__(self, program, hooks):
        self.program, self.hooks = program, hooks
        self.regs = {name: 0x0f0e1d2c3b4a5968 * number & ALL for number, name in
                     enumerate((*REGISTERS, "rsp"), 1)}
        self.memory, self.flags = {}, dict.fromkeys("zcso", False)
        self.df = self.ac = False
        self.gs = self.kernel_gs = 0
        self.popped = self.rip = self.called = None
        self.ends = {0}                                     # where a run is over, too
        self.named = {address: name for name, address in program.outside.items()}

    # --- memory -----------------------------------------------------------------------------------
    def give(self, address, size, filled=0xa5):
        self.memory |= dict.fromkeys(range(address, address + size), filled)

    def load(self, address, size=8):
        assert address in self.memory and address + size - 1 in self.memory, \
            f"{self.here()}: reads at {address:#x}"
        return int.from_bytes(bytes(self.memory[address + i] for i in range(size)), "little")

    def store(self, address, value, size=8):
        assert address in self.memory and address + size - 1 in self.memory, \
            f"{self.here()}: writes at {address:#x}"
        for i, byte in enumerate((value & (1 << 8 * size) - 1).to_bytes(size, "little")):
            self.memory[address + i] = byte

    def push(self, value):
        self.regs["rsp"] -= 8
        self.store(self.regs["rsp"], value)

    def pop(self):
        self.regs["rsp"] += 8
        return self.load(self.regs["rsp"] - 8)

    # --- operands ---------------------------------------------------------------------------------
    def here(self):
        if self.rip not in self.program.at:
            return "nowhere" if self.rip is None else f"{self.rip:#x}"
        name = max((name for name, address in self.program.symbols.items() if address <= self.rip
                    and not name.startswith("..")), key=lambda name: self.program.symbols[name])
        return f"{name} `{self.program.at[self.rip]}`"

    def address(self, text):
        """(address, its size or None)"""
        found = re.fullmatch(r"(?:(\w+) PTR )?([a-z]s:)?(?:\[(.*)\]|(0x[0-9a-f]+))", text)
        assert found, f"{self.here()}: what is {text}?"
        total = self.gs if found[2] == "gs:" else 0
        for sign, term in re.findall(r"([+-]?)([^+-]+)", found[3] or found[4]):
            name, _, factor = term.partition("*")
            value = self.program.behind[self.rip] if name == "rip" else \
                self.regs[name] if name in PARTS else int(name, 16)
            total += value * int(factor or "1") * (-1 if sign == "-" else 1)
        return total & ALL, WIDTHS.get(found[1])

    def size(self, *operands):
        for text in operands:
            if text in PARTS:
                return PARTS[text][1]
            if " PTR " in text:
                return WIDTHS[text.split()[0]]
        return 8

    def value(self, text, size):
        if text in PARTS:
            return self.regs[PARTS[text][0]] & (1 << 8 * PARTS[text][1]) - 1
        if re.fullmatch(r"-?0x[0-9a-f]+", text):
            return int(text, 16) & (1 << 8 * size) - 1
        return self.load(self.address(text)[0], size)

    def put(self, text, value, size):
        value &= (1 << 8 * size) - 1
        if text not in PARTS:
            self.store(self.address(text)[0], value, size)
        elif size >= 4:
            self.regs[PARTS[text][0]] = value
        else:
            whole = PARTS[text][0]
            self.regs[whole] = self.regs[whole] >> 8 * size << 8 * size | value

    # --- instructions -----------------------------------------------------------------------------
    def run(self, start, **changed):
        """From there until a hook says that this is all. Registers as given."""
        self.regs |= changed
        self.rip = self.program.symbols[start] if isinstance(start, str) else start
        for _ in range(2000):
            if self.rip in self.ends:
                return
            assert self.rip in self.program.at, f"runs into {self.here()}"
            text = self.program.at[self.rip]
            word, _, rest = text.partition(" ")
            if word in ("rex.W", "rep", "repz"):
                word, rest = text.split(" ", 1)
                word, _, rest = rest.partition(" ")
            operands = [part.strip() for part in rest.split(",")] if rest else []
            following = self.program.behind.get(self.rip)
            if word in self.hooks:
                if self.hooks[word](self):
                    return
            else:
                go = self.jump(word, operands, following)
                if go == "over":
                    return
                following = following if go is None else go
            self.rip = following
        raise AssertionError(f"{self.here()}: it goes on and on")

    def jump(self, word, operands, following):
        """Where it goes on; None: behind; "over": a hook has had enough."""
        if word in ("jmp", "call"):
            text = operands[0]
            target = int(text, 16) if re.fullmatch("(0x)?[0-9a-f]+", text) and text not in PARTS \
                else self.value(text, 8)
            if word == "call":
                assert target not in self.named or not self.regs["rsp"] % 16, \
                    f"{self.here()}: C wants a stack that is aligned"
                self.push(following)
            return self.outside(target) if target in self.named else target
        if word == "ret":
            return self.pop()
        if word.startswith("j"):
            return int(operands[0], 16) if CONDITIONS[word[1:]](self.flags) else None
        simple = getattr(self, "do_" + word, None)
        assert simple, f"{self.here()}: not an instruction that this processor has"
        simple(*operands)
        return None

    def outside(self, target):
        """C, or a place that is none of this program's: the test's function has the last word."""
        self.regs["rax"], self.called = 0xdead, target
        if self.hooks[self.named[target]](self):
            return "over"
        for number, name in enumerate(CALLERS[1:]):
            self.regs[name] = 0xdead000000000000 + number
        return self.pop()

    def set_flags(self, result, size, carry=False, overflow=False):
        bits = 8 * size
        self.flags = {"z": not result & (1 << bits) - 1, "s": bool(result >> bits - 1 & 1),
                      "c": carry, "o": overflow}

    def arithmetic(self, to, by, size, sign):
        a, b = self.value(to, size), self.value(by, size)
        result = a + sign * b
        other = ~b if sign < 0 else b
        overflow = bool(~(a ^ other) & (a ^ result) & 1 << 8 * size - 1)
        self.set_flags(result & (1 << 8 * size) - 1, size, result < 0 or bool(result >> 8 * size),
                       overflow)
        return result

    def do_add(self, to, by):
        size = self.size(to, by)
        self.put(to, self.arithmetic(to, by, size, 1), size)

    def do_sub(self, to, by):
        size = self.size(to, by)
        self.put(to, self.arithmetic(to, by, size, -1), size)

    def do_cmp(self, to, by):
        self.arithmetic(to, by, self.size(to, by), -1)

    def do_inc(self, to):
        size, carry = self.size(to), self.flags["c"]
        result = self.arithmetic(to, "0x1", size, 1)
        self.flags["c"] = carry
        self.put(to, result, size)

    def logic(self, to, by, operation, keep=True):
        size = self.size(to, by)
        result = operation(self.value(to, size), self.value(by, size))
        self.set_flags(result, size)
        if keep:
            self.put(to, result, size)

    def do_and(self, to, by): self.logic(to, by, int.__and__)
    def do_or(self, to, by): self.logic(to, by, int.__or__)
    def do_xor(self, to, by): self.logic(to, by, int.__xor__)
    def do_test(self, to, by): self.logic(to, by, int.__and__, keep=False)

    def do_shr(self, to, by): self.put(to, self.value(to, 8) >> int(by, 16), self.size(to))
    def do_shl(self, to, by): self.put(to, self.value(to, 8) << int(by, 16), self.size(to))

    def do_sar(self, to, by):
        value = self.value(to, 8)
        self.put(to, (value - (value >> 63 << 64)) >> int(by, 16), 8)

    def do_mov(self, to, what):
        if to == "gs":
            return self.hooks["load gs"](self, self.value(what, 4) & 0xffff)
        size = self.size(to, what)
        return self.put(to, self.value(what, size), size)

    def do_movabs(self, to, what): self.do_mov(to, what)

    def do_movzx(self, to, what):
        self.put(to, self.value(what, self.size(what)), self.size(to))

    def do_cmova(self, to, what):
        if CONDITIONS["a"](self.flags):
            self.do_mov(to, what)

    def do_xchg(self, to, what):
        size = self.size(what)
        a, b = self.value(to, size), self.value(what, size)
        self.put(to, b, size)
        self.put(what, a, size)

    def do_lea(self, to, what): self.put(to, self.address(what)[0], 8)
    def do_push(self, what): self.push(self.value(what, 8))

    def do_pop(self, to):
        value = self.pop()
        self.put(to, value, 8)

    def do_popf(self): self.popped = self.pop()
    def do_cld(self): self.df = False
    def do_stac(self): self.ac = True
    def do_clac(self): self.ac = False
    def do_nop(self, *_): pass
    def do_cli(self): pass

    def do_swapgs(self): self.gs, self.kernel_gs = self.kernel_gs, self.gs

    # MSR_GS_BASE is the only one that is read or written where this is used.
    def do_rdmsr(self):
        assert self.regs["rcx"] & 0xffffffff == 0xc0000101, self.here()
        self.regs["rax"], self.regs["rdx"] = self.gs & 0xffffffff, self.gs >> 32

    def do_wrmsr(self):
        assert self.regs["rcx"] & 0xffffffff == 0xc0000101, self.here()
        self.gs = self.regs["rdx"] << 32 & ALL | self.regs["rax"] & 0xffffffff

    # with REP, as all of them are
    def do_movs(self, to, _):
        self.repeated(to, lambda size: self.load(self.regs["rsi"], size))

    def do_stos(self, to, _):
        self.repeated(to, lambda size: self.regs["rax"])

    def repeated(self, to, what):
        assert not self.df, f"{self.here()}: backwards"
        size = self.size(to)
        for _ in range(self.regs["rcx"]):
            self.store(self.regs["rdi"], what(size), size)
            self.regs["rdi"] += size
            self.regs["rsi"] += size
        self.regs["rcx"] = 0
