# SPDX-License-Identifier: MIT
"""One hand for all C, as far as a machine can tell; lint.py asks for each file.

Lines have at most 100 columns and no tabs. A function's brace has a line of its own. What an if,
for, while or else governs has a line of its own, too; only a guard, `if (...) return ...;`, is one
line, and always is where it fits. Macros may be as dense as they need.
"""
import re

WIDTH = 100
CONTROL = re.compile(r"\s*(?:\} )?(?:else )?(if|for|while|switch)\b ?\(")
GUARDED = re.compile(r"return\b[^;]*;")
DEFINITION = re.compile(r"[A-Za-z_][^=]*\)(?: __attribute__\(\(.*\)\))? ?\{$")


def blanked(text):
    """The text without strings, comments and macros; its lines keep their numbers and columns."""
    def blank(match):
        keep = "_" if match.group(0)[0] in "\"'" else " "
        return re.sub(r"[^\n]", keep, match.group(0))
    text = re.sub(r'/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text, flags=re.S)
    text = re.sub(r"^[ \t]*#(?:.*\\\n)*.*$", blank, text, flags=re.M)
    return [line.rstrip() for line in text.split("\n")]


def wide(lines, width):
    """Numbers of the lines that are too long; a tab reaches to the next eighth column."""
    return [number for number, line in enumerate(lines, 1) if len(line.expandtabs()) > width]


def prose(text):
    """The lines of a text in Markdown, less what is not wrapped: tables, titles, what is shown."""
    shown, lines = False, []
    for line in text.split("\n"):
        fence = line.lstrip().startswith("```")
        lines.append("" if shown or fence or line.startswith(("|", "#")) else line)
        shown ^= fence
    return lines


def closing(line, start):
    """Where the parenthesis that opens at `start` closes on the line, or -1."""
    depth = 0
    for at in range(start, len(line)):
        depth += {"(": 1, ")": -1}.get(line[at], 0)
        if depth == 0:
            return at
    return -1


def crowded(line, following):
    """Something governed stands on the line of what governs it."""
    match = CONTROL.match(line)
    if not match:
        return bool(re.match(r"\s*(?:\} )?else (?!if\b|\{$)\S", line))
    end = closing(line, match.end() - 1)
    rest = line[end + 1:].strip() if end >= 0 else ""
    guard = match.group(1) == "if" and not re.match(r"\s*(?:\} )?else\b", line)
    if guard and GUARDED.fullmatch(rest) and not re.match(r"\s*else\b", following):
        return False
    return rest not in ("", "{", "{}", ";")


def torn(before, line, following, raw):
    """A guard on two lines that fits on one."""
    match = re.match(r"\s*if \(", line)
    if not match or closing(line, match.end() - 1) != len(line) - 1 or before.endswith(")"):
        return False
    body, after = following
    if not re.fullmatch(r"\s+return\b[^;]*;", body) or re.match(r"\s*else\b", after):
        return False
    return before.strip() not in ("else", "do") and "/*" not in raw[0] + raw[1] and \
        len(line) + 1 + len(body.strip()) <= WIDTH


def problems(text):
    """Yields (number of the line, what is wrong with it)."""
    raw, code = text.split("\n") + ["", ""], blanked(text) + ["", ""]
    depth = 0
    for i, line in enumerate(code[:-2]):
        if len(raw[i]) > WIDTH:
            yield i + 1, f"{len(raw[i])} columns, more than {WIDTH}"
        if "\t" in raw[i]:
            yield i + 1, "a tab"
        if depth == 0 and DEFINITION.match(line):
            yield i + 1, "a function's brace has a line of its own"
        if crowded(line, code[i + 1]):
            yield i + 1, "what is governed has a line of its own"
        elif torn(code[i - 1] if i else "", line, code[i + 1:i + 3], raw[i:i + 2]):
            yield i + 1, "a guard that fits on one line stands on one"
        depth += line.count("{") - line.count("}")
