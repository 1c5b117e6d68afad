#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What consoles say of the mistakes in main.c, for the porting guide.

    console.py BUILD [NAME...]      makes each mistake, or these, on Domus and on real Xen, and puts
                                    what was said into pvguest-sdk/PORTING.md (run it when a
                                    sentence has changed)

In the guide each stands behind `<!-- console: NAME -->`. tests/system/test_mistakes.py compares.
"""
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
GUIDE = ROOT / "pvguest-sdk" / "PORTING.md"
sys.path += [str(ROOT / "tests/tools"), str(ROOT / "pvguest-sdk/tools")]
PLACE = re.compile(r"<!-- console: ([\w-]+) -->\n\n```\n(.*?)```\n", re.S)
# What says nothing to a reader of the guide: registers, words of the stack, empty lines.
REGISTER = (r"r[a-ds89]\w?[:x ]|r1\d:? |rbp|rsi|rdi|cr[034]:|[fg]sb:|ds:|RFLAGS|R[A-D89S]\w?:|ss:|"
            r"cr3 |  +[0-9a-f]{16}|[0-9a-f]{4}:")
DULL = re.compile(rf"(\((domus|XEN)\)( \[[^]]*\])? *)?({REGISTER})|MISTAKE|\(XEN\) *$|$|"
                  r"\(XEN\).*(Guest stack trace|----\[|CPU: |Std. Loglevel)|"
                  r"\(XEN\) +(L[1-4]\[|Fault while|[0-9a-f]{16})")
LONGEST = 118


def shortened(line):
    """No more addresses than fit, and no line longer than a text's may be."""
    words = line.split(" ")
    while len(" ".join(words)) > LONGEST and re.fullmatch(r"[0-9a-f]{16}|\.\.\.", words[-1]):
        words = [word for word in words if word != "..."][:-1] + ["..."]
    line = " ".join(words)
    if len(line) <= LONGEST:
        return [line]
    cut = line.rfind(" ", 0, LONGEST)
    return [line[:cut], "    " + line[cut + 1:]]


def essence(text):
    """The lines that matter, of a transcript from the mistake on."""
    lines = [line.rstrip() for line in text.replace("\r", "").split("\n")]
    return [short for line in lines if not DULL.match(line) for short in shortened(line)]


def same(lines):
    """What does not change from boot to boot, nor with each build."""
    text = " ".join(line.strip() for line in lines)
    text = re.sub(r"hypervisor/\S+:\d+", "FILE", re.sub(r"( N)+( \.\.\.)?", " N", re.sub(
        r"\b(0x)?[0-9a-f]*[0-9][0-9a-f]{3,}\b", "N", text)))
    return re.sub(r"slot \d+|traps? \d+|#\d+", "N", text)


def make(name, where, build):
    """Boots it; what matters of what its console said."""
    import machine
    guest, mark = build / "guests" / "mistakes.elf", f"MISTAKE {name}\r*\n"
    hypervisor = {"domus": machine.DOMUS, "xen": machine.XEN}[where]
    if name == "no-notes":
        bare = build / "guests" / "no-notes.elf"
        subprocess.run(["objcopy", "-R", ".note.Xen", guest, bare], check=True)
        guest, mark = bare, r"Xen 4.17 PV ABI[^\n]*\n|d0 has maximum[^\n]*\n"
    with machine.Machine(f"{where}-mistake-{name}", hypervisor=hypervisor,
                         modules=[[guest, f"mistake={name}"]]) as box:
        box.expect(mark, timeout=60)
        try:
            box.expect(r"the machine (restarts|switches off|stops)|not rebooting|halting machine|"
                       r"HYPERVISOR PANIC|Panic on CPU|Reboot in", timeout=40)
        except machine.Failed:
            pass
        box.listen(1)
        box.log.flush()
        text = machine.ESCAPES.sub("", box.transcript.read_text(errors="replace"))
    lines = essence(text[re.search(mark, text).end():])
    if name == "no-notes":
        lines = [line for line in lines if re.search(r"ELF|anic|PANIC|construct|note", line)]
    return lines


def block(name, build):
    """What stands in the guide: Domus's console, and Xen's where it says something else."""
    domus, xen = make(name, "domus", build), make(name, "xen", build)
    return domus + [""] + xen


def main():
    if sys.argv[1:2] in ([], ["--help"]):
        sys.exit(__doc__)
    build = pathlib.Path(sys.argv[1]).resolve()
    os.environ["DOMUS_BUILD"] = str(build)

    def renewed(match):
        if sys.argv[2:] and match[1] not in sys.argv[2:]:
            return match[0]
        said = "\n".join(block(match[1], build))
        return f"<!-- console: {match[1]} -->\n\n```\n{said}\n```\n"

    GUIDE.write_text(PLACE.sub(renewed, GUIDE.read_text()))


if __name__ == "__main__":
    main()
