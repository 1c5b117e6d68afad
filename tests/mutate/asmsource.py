# SPDX-License-Identifier: MIT
"""Mistakes in NASM: an instruction (or a macro that stands for some) left out, a jump that looks at
another condition, a constant of a mask changed. A line is an instruction; its label stays."""
import re

INSTRUCTION = re.compile(r"^(?P<label>\s*(?:[.$%\w]+:)?\s*)(?P<what>[A-Za-z]\w*\b(?!:).*?)\s*$")
DIRECTIVE = re.compile(r"^(section|segment|global|extern|bits|default|align|alignb|org|times|"
                       r"d[bwdq]|res[bwdq]|struc|istruc|at|iend|endstruc|incbin|equ|cpu)\b", re.I)
# A condition and what it is mistaken for.
PAIRS = [("jb", "jbe"), ("ja", "jae"), ("je", "jne"), ("jz", "jnz"), ("jl", "jle"), ("jg", "jge"),
         ("jns", "js"), ("jc", "jnc"), ("cmova", "cmovae")]
JUMPS = {**dict(PAIRS), **{b: a for a, b in PAIRS}}
LEFT_OUT = {"nop", "ud2", "hlt"}
NUMBER = re.compile(r"\b(0x[0-9a-fA-F]+|\d+)\b")
MASKS = {"and", "or", "test", "xor", "bt", "btr", "bts"}


def without_comment(line):
    return re.sub(r"""((?:"[^"]*"|'[^']*'|[^;"'])*);.*""", r"\1", line)


def flipped(number):
    """Its lowest bit cleared; its highest bit and the next one set."""
    value = int(number, 0)
    more = value | 1 << value.bit_length()
    return [f"0x{value & value - 1:x}", f"0x{more:x}"] if value else ["1"]


def edits(text):
    """Yields (kind, start, end, after, lines, function, no refusal, factor)."""
    lines = text.split("\n")
    labels = [i for i, line in enumerate(lines) if re.match(r"[A-Za-z]\w*:", line)] + [len(lines)]
    offset, macro = 0, False
    for i, line in enumerate(lines):
        code = without_comment(line)
        macro = (macro or code.startswith("%macro")) and not code.startswith("%endmacro")
        first = max((at for at in labels if at <= i), default=0)
        last = min(at for at in labels if at > i)
        function = None if macro else (lines[first].split(":")[0], first + 1, last)
        # what a macro stands for is said to be the macro's lines: who comes there comes behind, too
        behind = bool(re.match(r"\s*[A-Z_]+\b", code))
        where = (i + 1, i + 1 + behind), function, None, 1
        define = re.match(r"%define\s+\w+\s+", code)
        found = INSTRUCTION.match(code)
        if define:
            for number in NUMBER.finditer(code, define.end()):
                for other in flipped(number.group()):
                    yield "mask", offset + number.start(), offset + number.end(), other, *where
        elif found and not DIRECTIVE.match(found["what"]):
            start, end = offset + found.start("what"), offset + found.end("what")
            name = found["what"].split()[0]
            if name not in LEFT_OUT:
                yield "insn", start, end, "", *where
            if name in JUMPS:
                yield "jump", start, start + len(name), JUMPS[name], *where
            if name in MASKS:
                for number in NUMBER.finditer(found["what"], found["what"].rfind(",")):
                    for other in flipped(number.group()):
                        yield "mask", start + number.start(), start + number.end(), other, *where
        offset += len(line) + 1
