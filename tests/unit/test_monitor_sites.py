# SPDX-License-Identifier: MIT
"""Two opinions about one image: what domus-scan finds that neither faults nor does what it means,
and what the monitor replaces before it lets the teaching kernel run directly."""
import subprocess

import pytest
import scanner

MONITOR = scanner.BUILD / "unit/monitor_guest/test"
NATIVE = scanner.BUILD / "native/insula.elf"
KERNEL_BASE = 0xffffffff80000000


def physical(address):
    return address - KERNEL_BASE if address >= KERNEL_BASE else address


def test_the_scanners_silent_ones_are_those_that_the_monitor_replaces():
    if not MONITOR.exists():
        pytest.skip("not built: make unit")
    said = subprocess.run([MONITOR, NATIVE], capture_output=True, text=True, check=True).stdout
    replaced = {int(line, 16) for line in said.split()}
    _, report = scanner.scan("--code32", ".boot", NATIVE)
    findings = {physical(int(one["address"], 16)): one for one in report["findings"]}
    silent = {at for at, one in findings.items()
              if one["class"] == "silent" and not one["doubt"] and one["section"] != ".boot"}
    assert len(silent) > 20
    # .boot is code of 32 bits, which the monitor interprets
    assert not {hex(at) for at in silent - replaced}
    # what it replaces beside them faults anyway: the other halves of some groups of opcodes
    boot = {at for at in replaced if at < 0x101000}
    assert all(findings[at]["class"] == "privileged" and not findings[at]["doubt"]
               for at in replaced - silent - boot)
