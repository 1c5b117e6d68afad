# SPDX-License-Identifier: MIT
"""What a debug build of a guest says of its refused hypercalls (<pvguest/debug.h>), on Domus and on
real Xen: which, with what errno, which update of how many, from where; on Domus why, too."""
import re

import pytest

import machine

GUEST = machine.BUILD / "guests" / "test-sdk-debug.elf"
FRAME = r"\(frame 0x[0-9a-f]+, level 1, slot \d+, entry 0x[0-9a-f]+\)"
UPDATE = r"pvguest:   update 2 of 3: the entry at machine address [0-9a-f]+, value [0-9a-f]+63$"
OPERATION = r"pvguest:   operation 1 of 1: command 3, argument [0-9a-f]+$"

CALLED = r"pvguest:   called at ffffffff8"


def first_line(name, call, why):
    """A refusal's line: on Domus its reason, too."""
    errno = r"-\d+ E[A-Z]+"
    if name == "xen":
        return rf"pvguest: refused: {call}: {errno} \(this hypervisor does not tell guests why"
    return rf"pvguest: refused: {call}: {errno}: .*{why}.* hypervisor/\S+:\d+$"


@pytest.mark.parametrize("hypervisor", [machine.DOMUS, machine.XEN], ids=["domus", "xen"])
def test_a_debug_build_says_what_is_refused(hypervisor):
    name = hypervisor.name
    if name == "xen" and not machine.xen_available():
        pytest.skip("Debian's Xen could not be fetched: nothing to compare with")
    with machine.Machine(f"{name}-debug-build", hypervisor=hypervisor,
                         modules=[[GUEST, "test"]]) as box:
        box.expect(r"RESULT SUCCESS", timeout=60)
        box.log.flush()
        text = box.transcript.read_text(errors="replace")
    boot, *parts = re.split(r"BEGIN (\w+)\r*\n", text)
    said = {what: [line for line in re.split(r"[\r\n]+", lines) if "pvguest:" in line]
            for what, lines in zip(parts[::2], parts[1::2])}
    assert "pvguest:" not in boot
    expected = {
        "updates": [first_line(name, "mmu_update", FRAME), CALLED, UPDATE],
        "operations": [first_line(name, "mmuext_op", r"\(frame 0x"), CALLED, OPERATION],
        "hidden": [first_line(name, "event_channel_op", ""), CALLED],
        "own": [first_line(name, "xen_version", ""), CALLED],
        "again": [first_line(name, "set_debugreg", ""), CALLED],
        "asked": [], "end": [],
    }
    for what, lines in expected.items():
        assert len(said[what]) == len(lines), said[what]
        for line, pattern in zip(said[what], lines):
            assert re.search(pattern, line), (line, pattern)
