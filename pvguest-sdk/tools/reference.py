#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The ABI page: every hypercall, every operation, who may, and each refusal with its reason.

    reference.py OUT.html|OUT.md    (from the root of the repository; `make docs` calls it)

It is made of what the hypervisor itself is made of: hypercall.tbl, privilege.tbl, and the sentences
in its fail() calls (reasons.py); and of differences.tbl, what Xen does otherwise. A refusal that
no hypercall comes to is at the end: then it is a fault's, or a guest's builder's.
"""
import html
import os
import pathlib
import re
import sys

import host
import hypercalls
from reasons import Source

TABLES = "pvguest-sdk/include/abi"
FLAGS = {"M": "may stand in a multicall", "P": "may give way and be made again",
         "D": "the control domain's alone", "X": "an extension: real Xen answers -ENOSYS"}
WHO = {"any": "every domain", "own": "every domain, on itself or where it was given the right",
       "others": "every domain on itself; the control domain on others",
       "control": "the control domain"}
RESULT = {"ok": "0", "number": "a number", "ends": "does not return"}
STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882; --link: #06c; }
@media (prefers-color-scheme: dark) { :root { --link: #7bf; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2 { line-height: 1.2; } h2 { margin-top: 3rem; border-top: 1px solid var(--line);
  padding-top: 1rem; } h3 { margin-bottom: 0; }
code { font: .9em ui-monospace, monospace; background: var(--soft); padding: .1em .3em;
  border-radius: 3px; white-space: nowrap; }
p > code:only-child { white-space: normal; overflow-wrap: anywhere; }
div { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; min-width: 46rem; margin: .7rem 0;
  font-size: .92em; }
th, td { text-align: left; vertical-align: top; padding: .25rem .6rem .25rem 0;
  border-bottom: 1px solid var(--line); }
a { color: var(--link); text-decoration: none; } a:hover { text-decoration: underline; }
nav { columns: 16.5rem; } nav a { display: block; }
"""


class Markdown:
    def __init__(self):
        self.lines = []

    def heading(self, level, text, anchor=None):
        self.lines += ["", f"{'#' * level} {text}", ""]

    def text(self, words):
        self.lines += [words, ""]

    def contents(self, names):
        self.text(" ".join(f"[{name}](#{name})" for name in names))

    def table(self, titles, rows):
        cell = lambda text: text.replace("|", "\\|")
        self.lines += ["| " + " | ".join(titles) + " |", "|" + "---|" * len(titles)]
        self.lines += ["| " + " | ".join(map(cell, row)) + " |" for row in rows] + [""]

    def whole(self, title):
        return "\n".join(self.lines).strip() + "\n"


class Html(Markdown):
    def inline(self, words):
        return re.sub(r"`([^`]*)`", r"<code>\1</code>", html.escape(words, quote=False))

    def heading(self, level, text, anchor=None):
        place = f' id="{anchor}"' if anchor else ""
        self.lines.append(f"<h{level}{place}>{self.inline(text)}</h{level}>")

    def text(self, words):
        self.lines.append(f"<p>{self.inline(words)}</p>")

    def contents(self, names):
        links = "".join(f'<a href="#{name}">{name}</a>' for name in names)
        self.lines.append(f"<nav>{links}</nav>")

    def table(self, titles, rows):
        line = lambda kind, cells: "<tr>" + "".join(f"<{kind}>{self.inline(cell)}</{kind}>"
                                                    for cell in cells) + "</tr>"
        self.lines += ["<div><table>", line("th", titles)] + [line("td", row) for row in rows]
        self.lines.append("</table></div>")

    def whole(self, title):
        return (f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
                f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
                f"<title>{html.escape(title)}</title><style>{STYLE}</style></head><body>\n"
                + "\n".join(self.lines) + "\n</body></html>\n")


def errno_words(errno):
    """`-EINVAL`; a status as it is; what is handed on, in words."""
    if re.fullmatch(r"E[A-Z0-9]+|GNTST_\w+", errno):
        return f"`-{errno}`" if errno.startswith("E") else f"`{errno}`"
    names = re.findall(r"\bE[A-Z0-9]{2,}\b|GNTST_\w+", errno)
    return " or ".join(map(errno_words, names)) or "as the table has it"


def refusal_rows(found):
    """One row for each errno and sentence; where it stands without its line, which moves."""
    rows = {}
    for r in found:
        where = rows.setdefault((errno_words(r.errno), r.why), [])
        place = f"{r.file.removeprefix('hypervisor/')} `{r.function}`"
        if place not in where:
            where.append(place)
    return [(*key, ", ".join(where)) for key, where in rows.items()]


def read_differences(path, operations):
    known = {(row.hypercall, row.name) for row in operations}
    known |= {(row.hypercall, "-") for row in operations}
    rows = {}
    for where, (hypercall, operation, words), _ in hypercalls.lines_of(path, 3):
        if (hypercall, operation) not in known:
            sys.exit(f"{where}: privilege.tbl has no {hypercall} {operation}")
        rows[hypercall, operation] = " ".join(words.split())
    return rows


def operation_table(page, rows, differences):
    table = []
    for row in rows:
        refused = "" if row.refused == "-" else errno_words(row.refused)
        result = RESULT.get(row.result, f"`-{row.result}`")
        table.append((f"`{row.name}`" if row.name != "-" else "the call", WHO[row.who], refused,
                      result, differences.get((row.hypercall, row.name), "")))
    titles = ("operation", "who may", "others get", "well-formed, it gets", "Xen 4.17")
    told = [column for column in range(len(titles)) if any(row[column] for row in table)]
    page.table([titles[column] for column in told],
               [[row[column] for column in told] for row in table])


def hypercall_section(page, call, operations, source, differences):
    own = [row for row in operations if row.hypercall == call.name]
    page.heading(2, f"{call.name} ({call.number})", call.name)
    page.text(f"`long HYPERVISOR_{call.name}({', '.join(call.arguments) or 'void'})`")
    flags = [words for flag, words in FLAGS.items() if flag in call.flags]
    if "M" not in call.flags:
        flags.append("may not stand in a multicall")
    words = "; ".join(flags)
    page.text(words[0].upper() + words[1:] + ".")
    if (call.name, "-") in differences and own[0].name != "-":
        page.text("Xen 4.17: " + differences[call.name, "-"] + ".")
    operation_table(page, own, differences)
    whole = source.of_handler(call.handler)
    if whole:
        page.text("Refused, whatever the operation:" if own[0].name != "-" else "Refused:")
        page.table(("errno", "why", "where"), refusal_rows(whole))
    said = {(r.file, r.line) for r in whole}
    found = list(whole)
    by_rows = {}
    for row in own:
        extra = source.of_operation(row.name)
        found += extra
        extra = [r for r in extra if (r.file, r.line) not in said]
        if extra:
            by_rows.setdefault(tuple(refusal_rows(extra)), []).append(row.name)
    for rows, names in by_rows.items():
        page.heading(3, ", ".join(f"`{name}`" for name in names))
        page.table(("errno", "why", "where"), rows)
    return found


def make(page):
    table = hypercalls.read_hypercalls(f"{TABLES}/hypercall.tbl")
    operations = hypercalls.read_operations(f"{TABLES}/privilege.tbl", table)
    differences = read_differences(f"{TABLES}/differences.tbl", operations)
    source = Source("hypervisor")
    page.heading(1, "The hypercalls of Domus")
    page.text("The interface is Xen 4.17's for 64-bit PV guests; numbers, structures and constants "
              "are in `<xen/...>`. This page says what Domus does with it: who may, and why a call "
              "is refused. It is made by `make docs` from the tables and the source that the "
              "hypervisor is built of.")
    page.text("Arguments go in RDI, RSI, RDX, R10, R8, R9, the number in RAX; the result comes in "
              "RAX, negative for an error; RCX and R11 are lost. A number that is not here gets "
              "`-ENOSYS`, and so does an operation that is not here, but where its table says "
              "otherwise. The reason for the last refusal is the guest's to read "
              "(`DOMUS_last_error`): the sentence below, and which frame, level, slot and entry or "
              "argument it was about.")
    page.text("A call is refused for the reasons below it, and for no others; a few of them cannot "
              "come, because a check before them has the same in mind.")
    page.contents(table)
    reached = []
    for call in table.values():
        reached += hypercall_section(page, call, operations, source, differences)
    places = {(r.file, r.line) for r in reached}
    rest = [r for found in source.refusals.values() for r in found
            if (r.file, r.line) not in places]
    page.heading(2, "What no call comes to", "rest")
    page.text("Refusals of faults that the hypervisor would have dealt with (a store to a page "
              "table, a segment's descriptor), of dom0's builder, and of work that goes on later.")
    page.table(("errno", "why", "where"), refusal_rows(rest))
    return page.whole("The hypercalls of Domus")


def main():
    out = pathlib.Path(host.words(__doc__, 1)[0])
    if out.suffix not in (".html", ".md"):
        raise host.Refused(f"{out} is neither .html nor .md")
    out.parent.mkdir(parents=True, exist_ok=True)
    text = make(Html() if out.suffix == ".html" else Markdown())
    part = out.with_name(out.name + ".part")
    part.write_text(text)
    os.replace(part, out)


if __name__ == "__main__":
    host.run(main)
