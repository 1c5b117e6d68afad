# SPDX-License-Identifier: MIT
"""What is said of refusals beside the guest's own question: a line each in the log, whole, at the
end of the call; the last one behind the sentence that ends a domain; and the line that the porting
guide shows, which is what a guest says today."""
import pathlib
import re

import machine

ROOT = pathlib.Path(__file__).resolve().parents[2]
LOUD = machine.Hypervisor("domus", machine.DOMUS.path, machine.DOMUS.args + ["loglevel=3"],
                          machine.DOMUS.cpu)
NESTED = r"d0 vcpu 0: mmuext_op: -22 EINVAL: [^\r\n(]+ " \
         r"\(frame 0x[0-9a-f]+, level 1, slot 487, entry 0x[0-9a-f]+\) " \
         r"hypervisor/memory/frame.c:\d+"
STORE = r"d0 vcpu 0: not a call: -22 EINVAL: [^\r\n(]+ " \
        r"\(frame 0x[0-9a-f]+, level 1, slot \d+, entry 0x[0-9a-f]+\) "
SHOWN = r"the page stays unmapped: update_va_mapping[^\r\n]+ hypervisor/memory/frame\.c:\d+(?=\s)"


def said(text):
    """What is the same at each boot and with each change of a file."""
    return re.sub(r"slot \d+|frame.c:\d+|0x[0-9a-f]+", "N", text)


def test_refusals_are_said():
    guest = machine.BUILD / "guests" / "test-refusal-details.elf"
    with machine.Machine("domus-refusals-said",
                         hypervisor=LOUD, modules=[[guest, "test", "crash"]]) as box:
        box.expect(STORE, timeout=60)
        box.expect(NESTED, timeout=60)
        shown = box.expect(SHOWN, timeout=60).group(0)
        box.expect(r"Domain 0 crashed: iret with an unreadable frame", timeout=60)
        box.expect(r"What it was refused last: set_debugreg: -19 ENODEV: there is no such debug "
                   r"register hypervisor/", timeout=60)
    guide = (ROOT / "pvguest-sdk" / "PORTING.md").read_text()
    assert said(shown) == said(re.search(SHOWN, guide).group(0))
    lines = [line.strip() for line in re.search(r"(?s)```c\n(  if \(error && hyper.*?)```",
                                                guide).group(1).splitlines()]
    source = [line.strip()
              for line in (ROOT / "tests/guests/refusal-details/main.c").read_text().splitlines()]
    assert [line for line in lines if line and line not in source] == []
