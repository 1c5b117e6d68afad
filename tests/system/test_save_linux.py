# SPDX-License-Identifier: MIT
"""Debian's Linux is saved by Domus's dom0 and restored, with a program that works on its disk and
its memory meanwhile: what it knew it knows, and its clock is right. DOMUS_CYCLES=n (`make soak`):
twenty times."""
import os
import re

import pytest

import disk
import dom0
import linux_box
import machine

pytestmark = pytest.mark.skipif(dom0.ON_XEN, reason="there, saving is Xen's tools' business")
FOLDER = machine.BUILD / "linux-save"
LIVES = 20 if "DOMUS_CYCLES" in os.environ else 3
# After each life it has a mebibyte less: its network front end's; without a card it has not.
CONFIGS = {"one.cfg": linux_box.config(
    "one", f"{linux_box.QUICK} ip4=10.0.2.30/24 gw4=10.0.2.2", memory=96 + 2 * LIVES,
    disk=["phy:data,xvda,w"], vif=["mac=00:16:3e:00:00:30,bridge=br0"])}
# writes and reads back for ever, each time another pattern; stops at the first mistake
WORK = ("(n=0; while :; do n=$((n+1)); head -c 65536 /dev/urandom > /tmp/out; "
        "dd if=/tmp/out of=/dev/xvda bs=64k conv=fsync 2>/dev/null; "
        "echo 3 > /proc/sys/vm/drop_caches; "
        "head -c 65536 /dev/xvda | cmp - /tmp/out || break; echo $n > /tmp/rounds; done; "
        "echo broken > /tmp/broken) > /tmp/log 2>&1 &")


def real_disk(name):
    FOLDER.mkdir(parents=True, exist_ok=True)
    disk.make_disk(FOLDER / f"{name}.img", [("saved", 160, None), ("data", 16, None)])
    return FOLDER / f"{name}.img"


@pytest.fixture(scope="module")
def box():
    linux_box.available()
    with linux_box.LinuxBox("save-linux", CONFIGS, disk=real_disk("save-linux"), smp=1,
                            memory=1024) as system:
        yield system


def number(system, line):
    return int(re.search(r"^(\d+)$", system.shell("one", line), re.M).group(1))


def rounds(system):
    return number(system, "cat /tmp/rounds")


def test_linux_goes_on(box):
    box.boot("one.cfg", timeout=240)
    box.shell("one", "echo remembered > /tmp/word; echo 0 > /tmp/rounds")
    box.shell("one", WORK)
    for life in range(LIVES):
        before, clock = rounds(box), number(box, "date +%s")
        box.ask(f"xl save {'-f ' if life else ''}one saved", timeout=200)
        assert "one" not in box.domains()
        box.ask("xl restore saved", timeout=200)
        assert "remembered" in box.shell("one", "cat /tmp/word", timeout=90)
        assert 0 <= number(box, "date +%s") - clock < 600
        assert "no-file" in box.shell("one", "ls /tmp/broken || echo no-file")
        box.shell("one", "sleep 5", timeout=90)
        assert rounds(box) > before
        assert " 0% packet loss" in box.shell("one", "ping -c 3 10.0.2.10", timeout=90)
    assert not linux_box.complaints(linux_box.messages(box, "one"))
    box.ask("xl destroy one")
    box.audit()
