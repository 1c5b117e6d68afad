# SPDX-License-Identifier: MIT
"""Functions that are called by a number of a guest's: what no guest notices.

A CPU may guess that a number is in its table, and call what it reads behind the table, before it
knows better. So between the comparison and the call the number goes through a mask or a conditional
move, in the code as it was compiled.
"""
import re
import subprocess

import pytest

import machine

OBJECTS = machine.BUILD / "hv-obj" / "hypervisor"
BY_NUMBER = {"entry/operation.c": ["operation_call", "operation_perform"],
             "entry/hypercall.c": ["do_multicall"],
             "calls/mmuext.c": ["do_mmuext_op"]}


@pytest.mark.parametrize("source", BY_NUMBER)
def test_no_guess_reads_behind_a_table(source):
    listing = subprocess.run(["objdump", "-d", "--no-show-raw-insn", str(OBJECTS / f"{source}.o")],
                             capture_output=True, text=True, check=True).stdout
    functions = dict(re.findall(r"^[0-9a-f]+ <(\w+)>:\n((?:.+\n)+)", listing, re.M))
    for name in BY_NUMBER[source]:
        code = functions[name] + functions.get("find", "")
        assert re.search(r"\b(?:call|jmp) +\*", functions[name]), f"{name} calls nothing by number"
        assert re.search(r"\b(?:sbb|cmov\w+) ", code), f"{name} trusts a guess"
