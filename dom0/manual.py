#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The manual pages xl(1), xl.cfg(5) and domus(7), in troff.

    manual.py xl.1|xl.cfg.5|domus.7    (from the root of the repository; `make docs` calls it)

What can be given comes from the tables that the programs themselves read: the commands of dom0's
prompt, the options of the hypervisor's command line; what a configuration's keys mean from dom0's
README, and it stops when these are others than the parser knows.
"""
import collections
import pathlib
import re
import sys

COMMANDS = ("dom0/xl/commands.c", "dom0/xl/hotplug.c")
CLASSES = ("dom0/devices/disk_class.c", "dom0/devices/vif_class.c")
CONFIG, PARAMS = "dom0/config/config.c", "hypervisor/lib/params.c"
README = "dom0/README.md"
Command = collections.namedtuple("Command", "name arguments help options")
STRINGS = r'((?:"(?:[^"\\]|\\.)*"\s*)+)'


def text_of(literals):
    """C's string literals, one behind the other, as text."""
    words = "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', literals))
    return words.replace('\\"', '"').replace("\\\\", "\\")


def read(path):
    return pathlib.Path(path).read_text()


# --- what the tables say --------------------------------------------------------------------------

def device_commands():
    """Three of each kind of device, as dom0/xl/hotplug.c makes them."""
    for path in CLASSES:
        verbs = {key: text_of(value)
                 for key, value in re.findall(rf"\.(\w+) = {STRINGS}[,}}]", read(path))}
        yield Command(verbs["list"], "NAME...", verbs["list_help"], "")
        yield Command(verbs["attach"], verbs["attach_words"], verbs["attach_help"], "")
        yield Command(verbs["detach"], "[-f] NAME DEVICE", verbs["detach_help"], "f=force")


def commands():
    """All of them, in the order of the prompt's help."""
    tables = re.findall(r"static const struct command (\w+)\[\] = \{\n(.*?)\n\};",
                        read(COMMANDS[0]), re.S)
    row = re.compile(rf'\{{ {STRINGS},\s*{STRINGS},\s*{STRINGS},\s*\w+,\s*\w+,\s*\w+,\s*'
                     rf'({STRINGS}|NULL),\s*\w+ \}}')
    found = {name: [Command(*map(text_of, match[:3]), text_of(match[3]))
                    for match in row.findall(body)] for name, body in tables}
    for name, body in tables:
        if len(found[name]) != len(re.findall(r"^    \{", body, re.M)):
            sys.exit(f"{COMMANDS[0]}: not all rows of {name} are understood")
    return [*found["guests_commands"], *device_commands(), *found["other_commands"]]


def keys():
    """Those of a configuration: lists of devices, and single ones."""
    single = re.findall(r"^    \{ \"(\w+)\", key_\w+ \},$", read(CONFIG), re.M)
    lists = [match for path in ("dom0/config/disk.c", "dom0/config/vif.c")
             for match in re.findall(r"\.key = \"(\w+)\"", read(path))]
    return single + lists


def options():
    """Of the hypervisor: [(name, what it can be)]."""
    text = read(PARAMS)
    levels = text_of(re.search(rf"#define LEVELS {STRINGS}", text)[1])
    rows = re.findall(rf'\{{ "([\w=]+)", take_\w+,\s*({STRINGS}|LEVELS) \}}', text)
    return [(row[0], levels if row[1] == "LEVELS" else text_of(row[1])) for row in rows]


# --- troff ----------------------------------------------------------------------------------------

def escaped(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text.startswith((".", "'")) else text


def inline(text):
    """Markdown's `code`, **bold** and [links](...) in troff."""
    text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", text)
    parts = re.split(r"`([^`]*)`|\*\*([^*]*)\*\*", text)
    out = "".join(escaped(part) if i % 3 == 0 else rf"\fB{escaped(part)}\fR"
                  for i, part in enumerate(parts) if part is not None)
    return "\\&" + out if out.startswith((".", "'")) else out


def entry(title, words):
    return [".TP", title, words]


def table_rows(block):
    """Behind the titles and the line under them."""
    for line in block.split("\n")[2:]:
        cells = [cell.strip().replace("\\|", "|")
                 for cell in re.split(r"(?<!\\)\|", line.strip("|"))]
        if len(cells) == 2 and cells[0]:
            yield cells


def markdown(text):
    """A section of a README: paragraphs, code, tables of two columns, headings."""
    lines = []
    for block in re.split(r"\n\s*\n", text.strip()):
        if block.startswith("### "):
            lines += [".SS " + inline(block.removeprefix("### "))]
        elif block.startswith("```"):
            body = re.sub(r"^```\w*\n|\n```$", "", block)
            lines += [".PP", ".nf", *map(escaped, body.split("\n")), ".fi"]
        elif block.startswith("|"):
            for name, words in table_rows(block):
                lines += entry(inline(name), inline(words))
        else:
            lines += [".PP", inline(" ".join(block.split("\n")))]
    return lines


def section(title):
    return re.search(rf"(?ms)^## {re.escape(title)}\n(.*?)(?=^## |\Z)", read(README))[1]


def head(name, number, what):
    return [f'.TH {name.upper()} {number} "" "" "Domus"', ".SH NAME",
            f"{escaped(name)} \\- {escaped(what)}"]


def options_of(command):
    """`f:defconfig` as "-f WORD, --defconfig WORD"."""
    said = []
    for option in command.options.split():
        letter, takes, long = re.fullmatch(r"(\w)([=:]?)([\w-]*)", option).groups()
        word = " WORD" if takes == ":" else ""
        said.append(f"-{letter}{word}" + (f" (--{long}{word})" if long else ""))
    return ", ".join(said)


def xl():
    lines = head("xl", 1, "the commands of dom0's prompt")
    lines += [".SH SYNOPSIS", r"[\fBxl\fR] \fIcommand\fR [\fIwords\fR]", ".SH COMMANDS"]
    for command in commands():
        lines += entry(f".B {escaped((command.name + ' ' + command.arguments).strip())}",
                       escaped(command.help[0].upper() + command.help[1:] + "."))
        if command.options:
            lines += [".br", f"Options: {escaped(options_of(command))}."]
    # (Of the table of Xen's commands all is above.)
    prompt = re.sub(r":\n\n(\|.*\n)+", ".\n", section("At the prompt"))
    lines += [".SH AT THE PROMPT", *markdown(prompt),
              ".SH SAVED GUESTS", *markdown(section("Saved guests")),
              ".SH GUESTS THAT MOVE", *markdown(section("Guests that move")),
              ".SH DOM0'S OWN ADDRESS", *markdown(section("dom0's own address")),
              ".SH EXIT STATUS",
              "0; 1: it failed, and a line that begins with \"Error: \" says why; 2: its words are "
              "not understood; 3: create has made no guest. \\fBecho $?\\fR says the last one.",
              ".SH SEE ALSO", r"\fBxl.cfg\fR(5), \fBdomus\fR(7)"]
    return lines


def xl_cfg():
    text = section("A guest's configuration")
    said = {name for block in re.split(r"\n\s*\n", text) if block.startswith("|")
            for cells in table_rows(block) for name in re.findall(r"`(\w+)`", cells[0])}
    if said != set(keys()):
        sys.exit(f"{README}: its keys are not those of {CONFIG}: {said ^ set(keys())}")
    return head("xl.cfg", 5, "a guest's configuration") + [".SH DESCRIPTION", *markdown(text),
            ".SH WHAT A GUEST MAY SEND", *markdown(section("What a guest may send")),
            ".SH A GUEST THAT STARTS AGAIN", *markdown(section("A guest that starts again")),
            ".SH SEE ALSO", r"\fBxl\fR(1), \fBdomus\fR(7)"]


def domus():
    lines = head("domus", 7, "the hypervisor's command line")
    lines += [".SH DESCRIPTION",
              "Words behind the image's name in the boot loader's configuration, in Xen's forms. "
              "What is none of these, or has a value that cannot be, is named in a warning and "
              "left out. The first module is the control domain's kernel, with its own command "
              "line, the second its archive.", ".SH OPTIONS"]
    for name, known in options():
        lines += entry(f".B {escaped(name)}", escaped(known + "."))
    return lines + [".SH SEE ALSO", r"\fBxl\fR(1), \fBxl.cfg\fR(5)"]


PAGES = {"xl.1": xl, "xl.cfg.5": xl_cfg, "domus.7": domus}


def main():
    if len(sys.argv) != 2 or sys.argv[1] not in PAGES:
        sys.exit(__doc__)
    print("\n".join(PAGES[sys.argv[1]]()))


if __name__ == "__main__":
    main()
