# SPDX-License-Identifier: MIT
"""Pulls the plug in the middle of writes, again and again: what was synced is there, and nothing is
half there.

A teaching kernel writes numbered records and says which it has synced; QEMU is killed at a random
moment; the next boot's `crashcheck` reads all records back before the writing goes on. As a domU
every write passes the log, blkfront, blkback and virtio.
"""
import os
import random
import re

import pytest

import dom0
import machine
import test_kernel

CHECKED = r"crashcheck: last (-?\d+), ok|crashcheck: file[^\r\n]*|" \
          r"[^\r\n]*panic[^\r\n]*|sh: crashcheck[^\r\n]*"
SYNCED = r"crashwrite: synced (\d+)"


def write_and_die(box, synced, moment):
    """Checks against what was synced before the last cut; returns what is synced at the next
    one."""
    match = box.expect(CHECKED, timeout=60)
    assert match.group(1) is not None, match.group(0) + "\n" + box.tail(40)
    assert int(match.group(1)) >= synced, \
        f"record {synced} was synced, but the last one on the disk is {match.group(1)}"
    box.expect(SYNCED, timeout=60)
    box.listen(moment)
    box.kill()
    said = box.transcript.read_text(errors="replace")
    return max(int(number) for number in re.findall(SYNCED, said))


def boot_domu(name, disk):
    box = dom0.Dom0(name, disk=disk)
    box.send("xl create crashwrite.cfg")
    return box


def boot_native(name, disk):
    kernel = machine.Hypervisor("insula", machine.BUILD / "native" / "insula.elf",
                                ["run=crashcheck;crashwrite"], "max")
    return machine.Machine(name, hypervisor=kernel, modules=[], memory=64, disk=disk)


@pytest.mark.parametrize("how, chain", [("domu", 1), ("domu", 2), ("native", 1)])
def test_twenty_power_cuts(how, chain):
    """Two chains of ten cuts as a domU (so that two CPUs can share the work), and one natively;
    DOMUS_SEED=n cuts at other moments."""
    name = f"power-cuts-{how}-{chain}"
    disk = machine.fresh_disk(name) if how == "domu" else test_kernel.native_disk(name)
    moments = random.Random(name + os.environ.get("DOMUS_SEED", ""))
    synced = -1
    for _ in range(10):
        with (boot_domu if how == "domu" else boot_native)(name, disk) as box:
            synced = write_and_die(box, synced, moments.uniform(0.02, 1.2))
    with (boot_domu if how == "domu" else boot_native)(name, disk) as box:
        write_and_die(box, synced, 0)


def test_destroyed_in_the_middle_of_writes(system):
    """The same, when it is not the machine that goes but the guest: its requests in flight are
    finished or never were."""
    moments, synced = random.Random("destroyed" + os.environ.get("DOMUS_SEED", "")), -1
    for _ in range(8):
        system.send("xl create crashwrite.cfg")
        match = system.see(CHECKED)
        assert match.group(1) is not None and int(match.group(1)) >= synced, \
            f"{synced} was synced; {match.group(0)}"
        system.see(SYNCED)
        system.listen(moments.uniform(0.02, 0.5))
        said = system.ask("xl destroy writer")
        assert "writer" not in system.domains()
        synced = max(map(int, re.findall(SYNCED,
                                         system.said().rpartition("xl create crashwrite.cfg")[2])))
        assert "destroyed" in said
