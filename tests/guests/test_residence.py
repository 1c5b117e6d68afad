# SPDX-License-Identifier: MIT
"""Invariant I11: whatever a guest asks for, ring 0 lets a guest run again within 50,000
instructions.

QEMU counts, with a plugin (tests/tools/residence.c), while a guest makes every call at its worst
(tests/guests/residence) and while the attackers, fuzzers and long walks do what they do: on the
hypervisor as it is shipped, instruction by instruction. A new call, loop or price that is wrong
shows as a longer stay, with the functions that it spent the time in. The audit, which is dom0's,
stops the machine on purpose.
"""
import bisect
import re
import subprocess

import pytest

import machine
import test_guests

LIMIT = 50_000
GUESTS = ["residence", "attack-hypercalls",
          "attack-memory", "attack-registers", "attack-tables", "attack-walks", "events", "grants",
          "memory-op", "mmuext", "multicall", "privileged", "random-tables", "writable-pt"]
PLUGIN = machine.BUILD / "residence.so"


@pytest.fixture(scope="module")
def symbols():
    rows = subprocess.run(["nm", "-n", machine.SHIPPED.path],
                          capture_output=True, text=True, check=True).stdout.split("\n")
    return {name: int(address, 16)
            for address, _, name in (row.split() for row in rows if len(row.split()) == 3)}


def function(symbols, address):
    names = sorted(symbols, key=symbols.get)
    return names[bisect.bisect([symbols[name] for name in names], address) - 1]


def where(symbols, samples):
    """The functions of a stay, in their order, without repetitions."""
    names = [function(symbols, int(sample, 16)) for sample in samples]
    return " ".join(name for i, name in enumerate(names) if i == 0 or name != names[i - 1])


def stays(symbols, called, name, words=(), options=()):
    """The guest with these words, on the hypervisor with these options: how long ring 0 took."""
    out = machine.BUILD / "logs" / f"{called}.txt"
    out.unlink(missing_ok=True)
    plugin = ",".join([str(PLUGIN), f"out={out}",
                       f"from={symbols['text_start']:#x}", f"to={symbols['text_end']:#x}",
                       f"begin={symbols['enter_guest']:#x}", f"sleep={symbols['idle_once']:#x}",
                       f"rest={symbols['interrupts_once']:#x}",
                       f"except={symbols['memory_audit']:#x}",
                       f"limit={LIMIT}"])
    guest = [machine.BUILD / "guests" / f"test-{name}.elf", "test", *words]
    wanted = test_guests.wishes(name)
    shipped = test_guests.on_cpu(machine.SHIPPED, wanted)
    with machine.Machine(called, modules=[guest], extra=["-plugin", plugin],
                         hypervisor=machine.Hypervisor(shipped.name, shipped.path,
                                                       shipped.args + list(options), shipped.cpu),
                         **test_guests.devices(called, wanted, smp=1)) as box:
        result = box.expect([test_guests.RESULT] + test_guests.CRASHES, timeout=300)
        assert box.which == 0 and "SUCCESS" in result.group(0), box.tail()
        box.wait_off()
    longest, *rows = out.read_text().splitlines()
    assert re.fullmatch(r"longest \d+", longest)
    assert int(longest.split()[1]) > 1000, "nothing was counted"
    rows = [row.split() for row in rows]
    assert not rows, "\n".join(f"{row[1]} instructions in ring 0: {where(symbols, row[2:])}"
                               for row in rows)


@pytest.mark.parametrize("name", GUESTS)
def test_residence(name, symbols):
    stays(symbols, f"residence-{name}", name)


def test_residence_told(symbols):
    """Each refusal told in a line: a list of them gives way, too."""
    stays(symbols, "residence-told", "residence", ["refused=1"], ["loglevel=3"])
