# SPDX-License-Identifier: MIT
"""NMIs rain on a guest that has something else in every register, and on ring 0 while it works for
it.

An NMI comes on a stack of its own and finds GS by that stack, since it may strike between SWAPGS
and what follows. The guest's own checks (every register, flag and breakpoint of its two vCPUs) say
whether anything was lost. Where a processor of DOMUS_run is on the CPU, the NMI ends its run first.
"""
import re

import pytest

import machine
import qmp
import test_guests

RAIN = 0.004                            # seconds between two
BOOTS = 40                              # that it is tried for at most


def rained_on(name, cpus):
    """Boots the guest and lets it rain until it ends: how many NMIs fell, what the machine said."""
    path = machine.BUILD / "logs" / f"nmi-{name}-{cpus}.qmp"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    guest = machine.BUILD / "guests" / f"test-{name}.elf"
    with machine.Machine(f"domus-nmi-{name}-{cpus}", modules=[[guest, "test"]],
                         hypervisor=test_guests.on_cpu(machine.DOMUS, ["vcpus"]),
                         smp=cpus, extra=("-qmp", f"unix:{path},server=on,wait=off")) as box:
        box.expect(r"dom0: \d+ MiB")
        ends = [test_guests.RESULT] + test_guests.CRASHES
        rain, until = 0, box.clock.now() + 120 * machine.PATIENCE
        try:
            monitor = qmp.Monitor(path)
            while box.child.expect(ends + [machine.pexpect.TIMEOUT], timeout=RAIN) == len(ends):
                assert box.clock.now() < until, box.tail()
                monitor.ask("inject-nmi")
                rain += 1
        except qmp.NoAnswer:
            box.expect(ends)
        assert box.child.match.group(0).startswith("RESULT SUCCESS"), box.tail(40)
        return rain, box.tail(100000)


@pytest.mark.parametrize("cpus", [1, 2])
@pytest.mark.parametrize("name", ["two-vcpus", "svm"])
def test_rain_of_nmis(name, cpus):
    """Both vCPUs on one CPU, or each on its own, where they are done sooner, and only the CPU that
    switches the machine off is sure to tell. A guest is done when it is done: it is rained on again
    until enough fell."""
    wanted = 30 if (name, cpus) == ("two-vcpus", 1) else 5
    signs = [] if name == "svm" else ["NMIs: "] if cpus == 2 else \
        [r"NMIs: [1-9]\d* in guests", r"[1-9]\d* in the hypervisor"]
    rain, said = 0, ""
    for _ in range(BOOTS):
        more, now = rained_on(name, cpus)
        rain, said = rain + more, said + now
        if rain > wanted and all(re.search(sign, said) for sign in signs):
            return
    raise AssertionError(f"{rain} NMIs in {BOOTS} boots were not enough\n{said[-4000:]}")
