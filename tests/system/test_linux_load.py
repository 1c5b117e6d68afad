# SPDX-License-Identifier: MIT
"""Debian's Linux under load beside teaching kernels, many times created and destroyed, and dying in the middle of its traffic.

DOMUS_LOAD_SECONDS=600 makes the mixed load last the ten minutes of a long test, DOMUS_CYCLES=100 the cycles a hundred.
"""
import os
import re
import time

import pytest

import disk
import linux_box
import machine
from dom0 import udp_echo
from linux_box import config, until, well

SECONDS = int(os.environ.get("DOMUS_LOAD_SECONDS", "45"))
CYCLES = int(os.environ.get("DOMUS_CYCLES", "5"))
ALIVE_MS = [0, 700, 2500, 6000, 12000]          # while it unpacks itself, finds its devices, runs its shell


def linux(number):
    return config(f"linux{number}", f"ip4=10.0.2.4{number}/24 gw4=10.0.2.2 sysrq_always_enabled", memory=192,
                  disk=[f"phy:scratch{number},xvda,w"], vif=[f"mac=00:16:3e:00:00:4{number},bridge=br0"])


CONFIGS = {"linux1.cfg": linux(1), "linux2.cfg": linux(2)}
USUAL = [machine.BUILD / "archive" / "insula.elf", *("tests/system/configs/" + name for name in ("insula1.cfg", "insula2.cfg"))]


class Shared(linux_box.Shared):
    def warm_up(self):
        """Guests that are at work all at once make dom0's tables of mappings grow as far as they ever will."""
        for number in (1, 2):
            self.system.create(f"insula{number}.cfg")
        for number in (1, 2):
            self.system.boot(f"linux{number}.cfg")
        for number in (1, 2):
            start_load(self.system, number, 5)
        self.system.shell("linux1", "sleep 8", timeout=60)
        for name in ("insula1", "insula2", "linux1", "linux2"):
            self.system.ask(f"xl destroy {name}")


def four_partitions(name):
    """Two file systems of the teaching kernel, and a place for each Linux."""
    image = machine.BUILD / "disks" / f"{name}.img"
    files = machine.BUILD / "native" / "insula-fs.img"
    disk.make_disk(image, [("insula1", 16, files), ("insula2", 16, files), ("scratch1", 16, None), ("scratch2", 16, None)])
    return image


@pytest.fixture(scope="module")
def shared():
    port = machine.free_port()
    name = f"linux-load-{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    holder = Shared(name, CONFIGS, disk=four_partitions, usual=USUAL, net=f"user,id=n0,hostfwd=udp:127.0.0.1:{port}-10.0.2.31:7")
    holder.port = port
    yield holder
    holder.drop()


@pytest.fixture
def port(shared):
    return shared.port


def start_load(system, number, seconds):
    system.shell(f"linux{number}", f"load {seconds} /dev/xvda 10.0.2.4{3 - number} > /tmp/result 2>&1 & true")


def neighbour_is_well(system, port):
    assert udp_echo(port, "well") == "well"
    assert system.shell("insula1", "echo well >> /log; sync; echo well") == "well"


def test_mixed_load(system, port):
    """Two Linux guests that send to each other, write their disks and call their kernels, beside two teaching kernels that work, too."""
    for name in ("insula1", "insula2"):
        system.create(f"{name}.cfg")
    system.shell("insula1", "udpecho 7 &")
    for number in (1, 2):
        system.boot(f"linux{number}.cfg")
    for number in (1, 2):
        start_load(system, number, SECONDS)
    end, rounds = time.monotonic() + SECONDS, 0
    while time.monotonic() < end:
        assert udp_echo(port, f"round {rounds}") is not None
        for name in ("insula1", "insula2"):
            assert system.shell(name, f"echo {rounds} > /round; sync; cat /round") == str(rounds)
        rounds += 1
        time.sleep(1)
    for number in (1, 2):
        result = until(lambda: re.search(r"^LOAD .*", system.shell(f"linux{number}", "cat /tmp/result"), re.M), 120, 2).group(0)      # noqa: B023
        assert re.match(r"LOAD PASSED disk=[1-9]\d* sent=[1-9]\d* received=[1-9]", result), system.shell(f"linux{number}", "cat /tmp/result")
        print(f"linux{number}: {result}")
        well(system, f"linux{number}")
    print(f"teaching kernels: {rounds} rounds")
    neighbour_is_well(system, port)


def test_created_and_destroyed(system):
    """Wherever it has come to in its life, all of it comes back."""
    before = system.free_pages()
    system.ask("consoles off")
    for alive in ALIVE_MS:
        answer = system.ask(f"cycle linux1.cfg {max(CYCLES // len(ALIVE_MS), 1)} {alive}", timeout=1200)
        pages = re.search(r"free pages of the machine (\d+) -> (\d+), of dom0 (\d+) -> (\d+)", answer)
        assert int(pages.group(2)) >= int(pages.group(1)), answer
    system.ask("consoles on")
    assert system.free_pages()[1] >= before[1] - 16                     # what dom0's own heap keeps
    system.boot("linux1.cfg")
    well(system, "linux1")


def die(system, end):
    """linux1 ends, in one of the ways that nobody prepares for."""
    if end == "destroy":
        system.ask("xl destroy linux1")
    elif end == "crash":
        system.ask("xl sysrq linux1 c")
        until(lambda: "linux1" not in system.domains(), 60)
    else:                                       # nobody can live in 20 MiB; whatever becomes of it, it is its own affair
        system.ask("xl mem-set linux1 20")
        time.sleep(8)
        system.run("xl destroy linux1")


def test_it_dies_in_the_middle_of_its_traffic(system, port):
    """Its neighbours notice nothing, and its disk and its address are free for its successor."""
    system.create("insula1.cfg")
    system.shell("insula1", "udpecho 7 &")
    system.boot("linux2.cfg")
    start_load(system, 2, 900)
    for end in ("destroy", "crash", "balloon"):
        system.boot("linux1.cfg")
        start_load(system, 1, 900)
        until(lambda: "RECEIVED" in system.shell("linux1", "cat /tmp/load.received"), 60)
        die(system, end)
        neighbour_is_well(system, port)
        assert int(system.shell("linux2", "wc -l < /tmp/load.disk")) > 0
        system.audit()
    system.shell("linux2", "killall load work dd; true")
    well(system, "linux2")
    system.boot("linux1.cfg")
    assert "3 packets received" in system.shell("linux1", "ping -c 3 10.0.2.42")
