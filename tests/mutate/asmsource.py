# SPDX-License-Identifier: MIT
"""Mistakes in NASM: an instruction (or a macro that stands for some) left out, a jump that looks at another condition, a constant
of the masks changed. One line is one instruction; a label before it stays."""
import re

INSTRUCTION = re.compile(r"^(?P<label>\s*(?:[.$%\w]+:)?\s*)(?P<what>[A-Za-z]\w*\b(?!:).*?)\s*$")
DIRECTIVE = re.compile(r"^(section|segment|global|extern|bits|default|align|alignb|org|times|d[bwdq]|res[bwdq]|struc|istruc|at|iend|"
                       r"endstruc|incbin|equ|absolute|cpu)\b", re.I)
# A condition and what it is mistaken for.
JUMPS = {"jb": "jbe", "jbe": "jb", "ja": "jae", "jae": "ja", "je": "jne", "jne": "je", "jz": "jnz", "jnz": "jz", "jl": "jle", "jle": "jl",
         "jg": "jge", "jge": "jg", "jns": "js", "js": "jns", "jc": "jnc", "jnc": "jc", "cmova": "cmovae", "cmovae": "cmova"}
LEFT_OUT = {"nop", "ud2", "hlt"}
NUMBER = re.compile(r"\b(0x[0-9a-fA-F]+|\d+)\b")
MASKS = {"and", "or", "test", "xor", "bt", "btr", "bts"}


def without_comment(line):
    return re.sub(r"""((?:"[^"]*"|'[^']*'|[^;"'])*);.*""", r"\1", line)


def flipped(number):
    """Its lowest bit cleared; its highest bit and the next one set."""
    value = int(number, 0)
    return [f"0x{value & value - 1:x}", f"0x{value | 1 << value.bit_length():x}"] if value else ["1"]


def edits(text):
    """Yields (kind, start, end, after, lines, function, factor)."""
    lines = text.split("\n")
    ends = [i for i, line in enumerate(lines) if re.match(r"[A-Za-z]\w*:", line)] + [len(lines)]
    offset, macro = 0, False
    for i, line in enumerate(lines):
        code = without_comment(line)
        macro = (macro or code.startswith("%macro")) and not code.startswith("%endmacro")
        first = max((at for at in ends if at <= i), default=0)
        function = None if macro else (lines[first].split(":")[0], first + 1, min(at for at in ends if at > i))
        where = (i + 1, i + 1), function
        define = re.match(r"%define\s+\w+\s+", code)
        found = INSTRUCTION.match(code)
        if define:
            for number in NUMBER.finditer(code, define.end()):
                for other in flipped(number.group()):
                    yield "mask", offset + number.start(), offset + number.end(), other, *where, 1
        elif found and not DIRECTIVE.match(found["what"]) and found["what"].split()[0] not in LEFT_OUT:
            start, end, words = offset + found.start("what"), offset + found.end("what"), found["what"].split()
            yield "insn", start, end, "", *where, 1
            if words[0] in JUMPS:
                yield "jump", start, start + len(words[0]), JUMPS[words[0]], *where, 1
            if words[0] in MASKS:
                for number in NUMBER.finditer(found["what"], found["what"].rfind(",")):
                    for other in flipped(number.group()):
                        yield "mask", start + number.start(), start + number.end(), other, *where, 1
        offset += len(line) + 1
