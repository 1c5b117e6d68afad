# SPDX-License-Identifier: MIT
"""Debian's Linux is saved by Domus's dom0 and restored, with programs that work on its disk and its
memory and send to dom0 meanwhile: right after each time what it knew it knows, its files are what
was written, its TCP connections go on, and its clock is right. DOMUS_CYCLES=n (`make lives`):
twenty times."""
import os
import re
import time

import pytest

import disk
import dom0
import linux_box
import machine

pytestmark = pytest.mark.skipif(dom0.ON_XEN, reason="there, saving is Xen's tools' business")
FOLDER = machine.BUILD / "linux-save"
LIVES = 20 if "DOMUS_CYCLES" in os.environ else 3


def configs(memory):
    return {"one.cfg": linux_box.config(
        "one", f"{linux_box.QUICK} ip4=10.0.2.30/24 gw4=10.0.2.2", memory=memory,
        disk=["phy:data,xvda,w"], vif=["mac=00:16:3e:00:00:30,bridge=br0"])}


# After each life it has a mebibyte less: its network front end's; without a card it has not.
CONFIGS = configs(96 + 2 * LIVES)
# writes and reads back for ever, each time another pattern; stops at the first mistake (a file that
# others read is never an empty one: it comes by mv)
WORK = ("(n=0; while :; do n=$((n+1)); head -c 65536 /dev/urandom > /tmp/out; "
        "dd if=/tmp/out of=/dev/xvda bs=64k conv=fsync 2>/dev/null; "
        "echo 3 > /proc/sys/vm/drop_caches; "
        "head -c 65536 /dev/xvda | cmp - /tmp/out || break; echo $n > /tmp/n; "
        "mv /tmp/n /tmp/rounds; done; "
        "echo broken > /tmp/broken) > /tmp/log 2>&1 &")
# sends as fast as it can, for ever, to dom0, over one connection after another: the one that is
# there when the guest is saved ends well, too, or this ends
SEND = ("(while work send 10.0.2.10 9 2; do echo sent > /tmp/s; mv /tmp/s /tmp/sends; done; "
        "echo ended > /tmp/s; mv /tmp/s /tmp/sends) > /tmp/sent 2>&1 &")
CLOCK_SLACK = 10                # s: a machine's own beginning, and how its TSC was measured


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


def set_to_work(system):
    """The guest that has just been booted, with load of memory, disk and network."""
    for line in ("echo remembered > /tmp/word; echo 0 > /tmp/rounds", WORK, SEND):
        system.shell("one", line)


def clock_is_right(system):
    """It goes as this host's, on which all machines' clocks begin."""
    since = time.time()
    now = number(system, "date +%s")
    assert since - CLOCK_SLACK <= now <= time.time() + CLOCK_SLACK, (since, now, time.time())


def is_well(system, before):
    """It remembers, its files are right, its clock is, and its disk and its connection go on."""
    clock_is_right(system)
    said = system.shell("one", "rm -f /tmp/sends; cat /tmp/word; ls /tmp/broken || echo no-file",
                        timeout=90)
    assert "remembered" in said and "no-file" in said
    for _ in range(60):
        sends = system.shell("one", "cat /tmp/sends || sleep 1", timeout=90)
        assert "ended" not in sends, "its connection to dom0 has ended"
        if "sent" in sends and rounds(system) > before:
            break
    else:
        raise AssertionError("its disk or its connection to dom0 does not go on")
    assert "no-file" in system.shell("one", "ls /tmp/broken || echo no-file")


def test_linux_goes_on(box):
    box.boot("one.cfg", timeout=240)
    set_to_work(box)
    for life in range(LIVES):
        before = rounds(box)
        box.ask(f"xl save {'-f ' if life else ''}one saved", timeout=200)
        assert "one" not in box.domains()
        box.ask("xl restore saved", timeout=200)
        is_well(box, before)
        print("life", life + 1, "of", LIVES)
    assert not linux_box.complaints(linux_box.messages(box, "one"))
    box.ask("xl destroy one")
    box.audit()
