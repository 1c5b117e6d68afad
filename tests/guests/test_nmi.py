# SPDX-License-Identifier: MIT
"""NMIs rain on a guest that has something else in every register, and on ring 0 while it works for
it.

An NMI comes on a stack of its own and finds GS by that stack, since it may strike between SWAPGS
and what follows. The guest's own checks (every register, flag and breakpoint of its two vCPUs) say
whether anything was lost. Where a processor of DOMUS_run is on the CPU, the NMI ends its run first.
"""
import json
import re
import socket

import pytest

import machine
import test_guests

RAIN = 0.004                            # seconds between two


class Monitor:
    """QEMU's machine protocol on a socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.lines = self.socket.makefile("r")
        self.lines.readline()
        self.say("qmp_capabilities")

    def say(self, command, arguments={}):
        """The answer; nothing, when the machine has just ended: who reads its serial line is told
        how."""
        try:
            self.socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode())
            while line := self.lines.readline():
                if "return" in (answer := json.loads(line)):
                    return answer["return"]
                assert "error" not in answer, answer
        except (BrokenPipeError, ConnectionResetError):
            pass


@pytest.mark.parametrize("cpus", [1, 2])
@pytest.mark.parametrize("name", ["two-vcpus", "svm"])
def test_rain_of_nmis(name, cpus):
    """Both vCPUs on one CPU, or each on its own, where they are done sooner, and only the CPU that
    switches the machine off is sure to tell."""
    path = machine.BUILD / "logs" / f"nmi-{name}-{cpus}.qmp"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    guest = machine.BUILD / "guests" / f"test-{name}.elf"
    with machine.Machine(f"domus-nmi-{name}-{cpus}", modules=[[guest, "test"]],
                         hypervisor=test_guests.on_cpu(machine.DOMUS, ["vcpus"]),
                         smp=cpus, extra=("-qmp", f"unix:{path},server=on,wait=off")) as box:
        box.expect(r"dom0: \d+ MiB")
        monitor = Monitor(path)
        rain, until = 0, box.clock.now() + 120 * machine.PATIENCE
        while box.child.expect([test_guests.RESULT] + test_guests.CRASHES +
                               [machine.pexpect.TIMEOUT], timeout=RAIN) == \
                len(test_guests.CRASHES) + 1:
            assert box.clock.now() < until, box.tail()
            monitor.say("inject-nmi")
            rain += 1
        assert box.child.match.group(1) == "SUCCESS", box.tail(40)
        said = box.tail(100000)
        if name == "svm":
            assert rain > 5, f"{rain} NMIs were not enough"
            return
        assert rain > (30 if cpus == 1 else 5), f"{rain} NMIs were not enough"
        assert re.search(r"NMIs: [1-9]\d* in guests" if cpus == 1 else "NMIs: ", said)
        assert re.search(r"[1-9]\d* in the hypervisor", said) or cpus > 1
