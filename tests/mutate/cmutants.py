# SPDX-License-Identifier: MIT
"""Mistakes in C, as edits of a csource.Source.

Each maker yields (kind, first token, last token, what stands there instead, first and last token of
what it belongs to); edits() turns tokens into positions and says in which function they stand.
"""
import re

from csource import ASSIGNMENTS, DEFINE, PAIRS, SILENT, Source

REFUSES = re.compile(r"\b(fail|refused?|domain_crash|crash\w*|reject\w*|backend_fail)\s*\(|"
                     r"-E[A-Z]{2,}\b|\b(GNTST|NETIF_RSP|BLKIF_RSP)_\w*(error|bad)\w*|\bgoto\b|"
                     r"\breturn\s*(false|NULL|-\s*1|0|error|err|status|result|rc)?\s*;", re.I)
PRIVILEGE = re.compile(r"privileged|EPERM|permission|is_control|\bEACCES\b|may_|allowed", re.I)
SHIFTED = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "=="}
# Calls whose loss is a hole: what is flushed, given back, locked, ordered, wiped, taken, checked.
GUARDS = re.compile(r"flush|put|lock|barrier|\b[rwx]?e?n?_?mb$|memset|clear|scrub|zero|get|free|"
                    r"release|undo|drop|unmap|unbind|detach|remove|mask|revoke|stop|cancel|inval|"
                    r"invlpg|wrmsr|write|load|check|valid|finish|forget|reset|end|restore|save|"
                    r"stamp|fence|atomic|close|destroy|pause|own|mark", re.I)
# Taking a lock makes no difference while one CPU runs guests; giving it back does. What the debug
# build checks and where it lingers is no part of what is shipped.
UNSEEN = {"spin_lock", "mutex_lock", "lock_needed", "race_point"}
CONSTANT = re.compile(r"[A-Z][A-Z0-9_]{2,}\w*$|_?[A-Z]+_\w+$")
OPERAND_ENDS = {"?", ":", ",", ";", ")", "]", "}", "return", ""}
OPERAND_STARTS = {"(", "[", "{", ",", ";", "?", ":", "return", "}", ""} | ASSIGNMENTS


def is_constant(source, at):
    token = source.tokens[at] if 0 <= at < len(source.tokens) else None
    if not token or token.kind not in ("number", "word"):
        return False
    return token.kind == "number" or bool(CONSTANT.match(token.text)) and source.word(at + 1) != "("


def ifs(source, first, last):
    """if (...) whose body refuses: the refusal removed. Any if: turned around."""
    for i in range(first, last):
        if source.word(i) != "if" or source.word(i + 1) != "(" or i in source.silent:
            continue
        close = source.match[i + 1]
        body = source.end_of_body(close + 1)
        condition, text = source.slice(i + 1, close), source.slice(close + 1, body) if body else ""
        if body and text.count("\n") <= 10 and REFUSES.search(text):
            kind = "privilege" if PRIVILEGE.search(condition + text) else "refusal"
            yield kind, i + 1, close, f"({condition} && 0)", (i, close)
        yield "invert", i + 1, close, f"(!{condition})", (i, close)


def refusals_without_if(source, function):
    """A default that refuses; a refusal as one side of ?:."""
    for first, last, guarded in source.statements(function):
        text = source.slice(first, last)
        if not guarded and re.match(r"return\s+(fail\s*\(|(refused\s*\(\s*)?-E[A-Z])", text):
            yield "refusal", first, last, "return 0;", (first, last)
    for i in range(function[1], function[2]):
        colon = matching_colon(source, i) if source.word(i) == "?" and i not in source.silent else 0
        if not colon:
            continue
        start = operand_start(source, i, {"&&", "||"})
        condition = source.slice(start, i - 1)
        if re.match(r"\(?-E[A-Z]|fail|refuse", source.slice(i + 1, i + 4)):
            yield "refusal", start, i - 1, f"(({condition}) && 0)", (start, colon)
        elif re.match(r":\s*(\(?-E[A-Z]|fail|refuse)", source.slice(colon, colon + 3)):
            yield "refusal", start, i - 1, f"(({condition}) || 1)", (start, colon)


def matching_colon(source, at):
    depth = 0
    for i in range(at + 1, len(source.tokens)):
        if source.inside[i] == source.inside[at]:
            depth += {"?": 1, ":": -1}.get(source.word(i), 0)
            if depth < 0:
                return i
        if source.word(i) == ";" and source.inside[i] <= source.inside[at]:
            break
    return 0


def operand_start(source, at, through=()):
    """The first token of the operand that ends before token at."""
    i = at - 1
    while i >= 0:
        text = source.word(i)
        if text in (")", "]", "}") and i in source.match:
            if text == "}" and source.word(source.match[i] - 1) != ")":
                break
            i = source.match[i]
        elif text in OPERAND_STARTS or text in ("&&", "||") and text not in through:
            break
        i -= 1
    return i + 1


def operand_end(source, at, through=()):
    """The last token of the operand that begins behind token at."""
    i = at + 1
    while i < len(source.tokens):
        text = source.word(i)
        if text in PAIRS:
            i = source.match[i]
        elif text in OPERAND_ENDS or text in ("&&", "||") and text not in through:
            break
        i += 1
    return i - 1


def operators(source, first, last):
    """Comparisons shifted or turned around; operands of && and || dropped."""
    for i in range(first, last):
        token = source.tokens[i]
        if token.kind != "op" or i in source.silent:
            continue
        if token.text in SHIFTED and i > first:
            yield "compare", i, i, SHIFTED[token.text], (i, i)
        if token.text in ("&&", "||"):
            neutral, through = ("1", ()) if token.text == "&&" else ("0", ("&&",))
            start, end = operand_start(source, i, through), operand_end(source, i, through)
            if start < i <= last:
                yield "logic", start, i - 1, neutral, (start, i)
            if i < end <= last:
                yield "logic", i + 1, end, neutral, (i, end)


def masks(source, first, last):
    """A bit of a mask less, a bit more, a bit not cleared."""
    for i in range(first, last):
        text, before = source.word(i), source.tokens[i - 1]
        if i in source.silent or source.tokens[i].kind != "op":
            continue
        behind = source.word(i + 2)
        if text in ("|", "|=") and is_constant(source, i + 1) and behind not in ("<<", "["):
            yield "mask", i + 1, i + 1, "0", (i, i + 1)
        if text == "|" and is_constant(source, i - 1) and source.word(i - 2) in OPERAND_STARTS:
            yield "mask", i - 1, i - 1, "0", (i - 1, i)
        operand = before.kind in ("word", "number") or before.text in (")", "]")
        if text == "&=" or text == "&" and operand and before.text != "return":
            yield from mask_operand(source, i)


def mask_operand(source, i):
    if source.word(i + 1) == "~":
        end = source.match[i + 2] if source.word(i + 2) == "(" else i + 2
        if source.word(end + 1) == "(":                     # a cast, a macro's arguments
            end = source.match[end + 1]
        yield "mask", i + 1, end, "~0", (i, end)
    elif is_constant(source, i + 1):
        constant = source.word(i + 1)
        yield "mask", i + 1, i + 1, f"({constant} & ({constant} - 1))", (i, i + 1)
        yield "mask", i + 1, i + 1, f"({constant} | {constant} << 1)", (i, i + 1)


def constants(source, first, last):
    for i in range(first, last + 1):
        token = source.tokens[i]
        if token.kind != "number" or i in source.silent or source.word(i - 1) in ("{", "#"):
            continue
        declared = i >= 3 and source.tokens[i - 3].kind == "word" and source.word(i - 3) != "return"
        if source.word(i - 1) == "[" and source.word(i + 1) == "]" and declared:
            continue                                        # the size of an array
        digits = token.text.rstrip("uUlL")
        other = int(digits, 16 if digits[:2] in ("0x", "0X") else 10) ^ 1
        number = hex(other) if digits[:2] in ("0x", "0X") else str(other)
        yield "const", i, i, number + token.text[len(digits):], (i, i)


def statements(source, function):
    """Calls and assignments left out."""
    for first, last, _ in source.statements(function):
        if first in source.silent and source.word(first) not in ("__asm__", "asm", "must"):
            continue
        call = call_of(source, first, last)
        if call and call not in UNSEEN and (call == "__asm__" or not SILENT.match(call)):
            yield "call" if GUARDS.search(call) else "call-other", first, last, ";", (first, last)
        elif not call and assigns(source, first, last):
            yield "assign", first, last, ";", (first, last)


def call_of(source, first, last):
    """The name of what the statement calls and does nothing else; None: it is no such statement."""
    at = first
    if source.word(at) == "(" and source.word(at + 1) == "void":
        at += 3
    if source.word(at) in ("return", "goto", "break", "continue", "typedef"):
        return None
    while source.tokens[at].kind == "word" and source.word(at + 1) in ("->", "."):
        at += 2
    name = source.word(at)
    if name in ("__asm__", "asm"):
        return "__asm__"
    simple = source.tokens[at].kind == "word" and source.word(at + 1) == "("
    return name if simple and source.match[at + 1] == last - 1 else None


def assigns(source, first, last):
    second = source.tokens[first + 1]
    if source.tokens[first].kind == "word" and (second.kind == "word" or second.text == "*"):
        return False                                        # a declaration, or return x
    top = [source.word(i) for i in range(first, last) if source.inside[i] == source.inside[first]]
    return top[0] not in ("return", "goto") and bool(set(top) & (ASSIGNMENTS | {"++", "--"}))


def expression_edits(source, first, last):
    for maker in (operators, masks, constants):
        yield from maker(source, first, last)


def edits(source):
    """Yields (kind, start, end, after, lines, function, refusal, factor)."""
    tokens = source.tokens
    for function in source.functions:
        name, first, last = function
        body = next(i for i in range(first, last + 1) if source.word(i) == "{")
        where = (name, source.line_of(tokens[first].start), source.line_of(tokens[last].start))
        found = [*ifs(source, body, last), *refusals_without_if(source, function),
                 *statements(source, function), *expression_edits(source, body, last)]
        for kind, a, b, after, (c, d) in found:
            lines = (source.line_of(tokens[min(a, c)].start),
                     source.line_of(tokens[max(b, d)].end - 1))
            refusal = unsaid(source, a, b) if kind in ("refusal", "privilege") else None
            weight = factor(source, a, after)
            yield kind, tokens[a].start, tokens[b].end, after, lines, where, refusal, weight
    for directive in source.directives:
        yield from macro_edits(source, directive)


def unsaid(source, first, last):
    """The lines of what a refusal without its if would no longer say. None: it does more."""
    if source.word(first - 1) == "if":
        first, last = last + 1, source.end_of_body(last + 1)
    elif source.word(first) != "return":
        return None
    simple = not any(source.word(i) in ("if", "?", "for", "while") for i in range(first, last))
    return (source.line_of(source.tokens[first].start),
            source.line_of(source.tokens[last].start)) if simple else None


def factor(source, at, after):
    """Less of what seldom tells: where loops end, bits looked at that nobody sets."""
    around = source.inside[at]
    loop = around > 0 and source.word(around - 1) in ("for", "while")
    return 0.5 if loop or "<< 1)" in after else 1


def macro_edits(source, directive):
    """What a #define says is looked at like an expression of its own."""
    define = DEFINE.match(directive.text)
    if not define:
        return
    said = directive.text[define.end():].replace("\\\n", " \n")
    inner = Source(source.path, " " * (directive.start + define.end()) + said)
    if not inner.tokens or len(inner.tokens) == 1 and inner.tokens[0].kind != "number":
        return
    line = source.line_of(directive.start)
    lines = line, line + directive.text.count("\n")
    for kind, a, b, after, _ in expression_edits(inner, 0, len(inner.tokens) - 1):
        yield kind, inner.tokens[a].start, inner.tokens[b].end, after, lines, None, None, 0.4
