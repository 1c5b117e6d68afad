# SPDX-License-Identifier: MIT
"""Debian's Linux under load beside teaching kernels, many times created and destroyed, dying in the
middle of its traffic, and attacked.

After each test every domain is healthy, no frame is missing (conftest.py), and each line on each
console is explained (explained.py). `make soak` has more: DOMUS_LOAD_SECONDS=600 makes the mixed
load last ten minutes, once with one vCPU a guest and once with two, and lets guests end in more
ways; DOMUS_CYCLES=100 makes the cycles a hundred, with their consoles shown and not.
"""
import os
import pathlib
import re
import time

import pytest

import disk
import explained
import linux_box
import machine
from dom0 import udp_echo
from linux_box import QUICK, config, well

# one machine, slowly warmed up: all on one worker
pytestmark = pytest.mark.xdist_group("linux-load")
SECONDS = int(os.environ.get("DOMUS_LOAD_SECONDS", "30"))
CYCLES = int(os.environ.get("DOMUS_CYCLES", "4"))
LONG = "DOMUS_LOAD_SECONDS" in os.environ       # a long test
KINDS, ENDS = ["pair"], ["destroy", "crash"]
CONSOLES = ["on"]
if LONG:
    KINDS, ENDS, CONSOLES = ["linux", *KINDS], [*ENDS, "balloon"], ["off", *CONSOLES]
FOR_EVER = 9000                                 # until it is told to stop
# while it unpacks itself, finds its devices, runs its shell
ALIVE_MS = [0, 700, 2500, 8000]
LOOSE_PORT = 5001                               # for traffic that nobody will miss


def linux(number, **keys):
    extra = f"ip4=10.0.2.4{number}/24 gw4=10.0.2.2 sysrq_always_enabled {QUICK}"
    return config(f"linux{number}", extra,
                  memory=192,
                  disk=[f"phy:scratch{number},xvda,w"],
                  vif=[f"mac=00:16:3e:00:00:4{number},bridge=br0"], **keys)


CONFIGS = {f"linux{number}.cfg": linux(number) for number in (1, 2, 3)} | \
    {f"pair{number}.cfg": linux(number, vcpus=2) for number in (1, 2)}
CONFIGS["full.cfg"] = pathlib.Path("tests/system/configs/attack-traffic.cfg").read_text().replace(
    '"test"', '"full=yes"')
ATTACKS = {"attack-traffic": r"\(attack\) RESULT SUCCESS",
           "attack-vanish": "'attack' has ended: crash",
           "attack-rings": "the card's rings are corrupt",
           "attack-backends": r"\(attack\) RESULT SUCCESS"}
KERNELS = [machine.BUILD / "archive" / name
           for name in ("insula.elf",
                        *(f"test-attack-{name}.elf" for name in ("traffic", "rings", "backends")))]
USUAL = KERNELS + [pathlib.Path(f"{name}.cfg") for name in
                   ("patches/insula1", "patches/insula2",
                    *(f"tests/system/configs/{attack}" for attack in ATTACKS))]
LINUXES, TEACHING = [f"linux{number}" for number in (1, 2, 3)], ["insula1", "insula2"]


class Shared(linux_box.Shared):
    def warm_up(self):
        """Tables of mappings and ports that the hypervisor keeps for dom0 grow to what was ever
        needed at once, and stay: so more is needed now than in any test. What the guests say on
        their way up is the model for those that come later.
        """
        system = self.system
        for name in TEACHING:
            system.create(f"{name}.cfg")
        for name in LINUXES:
            system.boot(f"{name}.cfg")
        time.sleep(2)                               # their shells greet
        for name in LINUXES:
            well(system, name)
            # also what was said while we were attached to another
            system.shell(name, "dmesg | sed 's/^/(linux0) /'")
        for number in (1, 2):
            start_load(system, number, 3 - number, 5)
        system.shell("linux1", "sleep 8", timeout=60)
        system.send("xl create full.cfg")
        system.see(r"\(attack\) RESULT SUCCESS", timeout=60)
        system.ended("attack")
        for name in TEACHING + LINUXES:
            system.ask(f"xl destroy {name}")
        system.boot("pair1.cfg")
        well(system, "linux1")
        system.shell("linux1", "dmesg | sed 's/^/(linux0) /'")
        system.ask("xl destroy linux1")
        system.model = explained.said_at_boot(system.said(), ["linux0", *LINUXES, *TEACHING])


def partitions(name):
    """Two file systems of the teaching kernel, a place for each Linux, and one for the attacker."""
    image = machine.BUILD / "disks" / f"{name}.img"
    files = machine.BUILD / "native" / "insula-fs.img"
    disk.make_disk(image, [("insula1", 16, files), ("insula2", 16, files),
                           *((f"scratch{number}", 16, None) for number in (1, 2, 3)),
                           ("scratch", 16, None)])
    return image


@pytest.fixture(scope="module")
def shared():
    port = machine.free_port()
    name = f"linux-load-{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    holder = Shared(name, CONFIGS, disk=partitions,
                    usual=USUAL, net=f"user,id=n0,hostfwd=udp:127.0.0.1:{port}-10.0.2.31:7")
    holder.port = port
    yield holder
    holder.drop()


@pytest.fixture
def port(shared):
    return shared.port


# --- what a test is made of -----------------------------------------------------------------------
def start_load(system, number, peer, seconds=FOR_EVER, port=5000):
    system.shell(f"linux{number}",
                 f"load {seconds} /dev/xvda 10.0.2.4{peer} {port} > /tmp/result 2>&1 & true")


def stop_load(system, *numbers):
    for number in numbers:
        system.shell(f"linux{number}", "touch /tmp/load.stop")


def load_was_right(system, number):
    """Waits for its end: whatever it wrote, sent, received and computed was right."""
    result = system.until(lambda: re.search(r"^LOAD .*", system.shell(f"linux{number}",
                                                                      "cat /tmp/result"), re.M),
                          120, 2).group(0)
    assert re.match(r"LOAD PASSED disk=[1-9]\d* sent=[1-9]\d* received=[1-9]", result), \
        system.shell(f"linux{number}", "cat /tmp/result")
    print(f"linux{number}: {result}")
    is_healthy(system, f"linux{number}")


def is_healthy(system, name):
    well(system, name)
    said = explained.unexplained_messages(system, name, system.model)
    assert not said, said


def consoles_are_explained(system, since, names, more=()):
    """since: the length of all that was said before."""
    said = explained.unexplained(system.said()[since:], names, system.model, more)
    assert not said, "\n".join(said)


def neighbour_is_well(system, port):
    assert udp_echo(port, "well") == "well"
    assert system.shell("insula1", "echo well >> /log; sync; echo well") == "well"


def start_neighbour(system):
    system.create("insula1.cfg")
    system.shell("insula1", "udpecho 7 &")


# --- the tests ------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", KINDS)
def test_mixed_load(system, port, kind):
    """Two Linux guests (pair: of two vCPUs each) that send to each other, write their disks and
    call their kernels, and two teaching kernels at work."""
    since = len(system.said())
    start_neighbour(system)
    system.create("insula2.cfg")
    for number in (1, 2):
        system.boot(f"{kind}{number}.cfg")
    for number in (1, 2):
        start_load(system, number, 3 - number, SECONDS)
    end, rounds = time.monotonic() + SECONDS, 0
    while time.monotonic() < end:
        assert udp_echo(port, f"round {rounds}") is not None
        for name in TEACHING:
            assert system.shell(name, f"echo {rounds} > /round; sync; cat /round") == str(rounds)
        rounds += 1
        time.sleep(1)
    for number in (1, 2):
        load_was_right(system, number)
    print(f"teaching kernels: {rounds} rounds")
    neighbour_is_well(system, port)
    consoles_are_explained(system, since, LINUXES + TEACHING)


@pytest.mark.parametrize("consoles", CONSOLES)
def test_created_and_destroyed(system, consoles):
    """Wherever it has come to in its life, all of it comes back."""
    since, before = len(system.said()), system.free_pages()
    system.ask(f"consoles {consoles}")
    for alive in ALIVE_MS:
        answer = system.ask(f"cycle linux1.cfg {max(CYCLES // len(ALIVE_MS), 1)} {alive}",
                            timeout=1200)
        pages = re.search(r"free pages of the machine (\d+) -> (\d+), of dom0 (\d+) -> (\d+)",
                          answer)
        print(pages.group(0))
        system.all_free_again(before)
        system.audit()
    system.ask("consoles on")
    assert system.free_pages()[1] >= before[1] - 16                     # what dom0's own heap keeps
    system.boot("linux1.cfg")
    is_healthy(system, "linux1")
    consoles_are_explained(system, since, LINUXES)


def die(system, end):
    """linux1 ends, in one of the ways that nobody prepares for."""
    if end == "destroy":
        system.ask("xl destroy linux1")
    elif end == "crash":
        system.ask("xl sysrq linux1 c")
        system.until(lambda: "linux1" not in system.domains(), 60)
    # nobody can live in 20 MiB; whatever becomes of it, it is its own affair
    else:
        system.ask("xl mem-set linux1 20")
        time.sleep(8)
        system.run("xl destroy linux1")


def start_loose_traffic(system, number, peer):
    """Somebody to speak with for a guest that will be gone."""
    system.shell(f"linux{number}", f"(while :; do timeout 10 work receive {LOOSE_PORT}; done > "
                                   f"/dev/null 2>&1) & true")
    system.shell(f"linux{number}", f"(while :; do timeout 10 work send 10.0.2.4{peer} {LOOSE_PORT} "
                                   f"1; sleep 1; done > /dev/null 2>&1) & true")


def test_it_dies_in_the_middle_of_its_traffic(system, port):
    """Its neighbours notice nothing, not even the one it speaks with, and its disk and its address
    are free for its successor."""
    since = len(system.said())
    start_neighbour(system)
    for number in (2, 3):
        system.boot(f"linux{number}.cfg")
    for number in (2, 3):
        start_load(system, number, 5 - number)
    start_loose_traffic(system, 2, 1)
    for number in (2, 3):                           # who comes need not wait long for them
        system.ask(f"xl sched-credit -d linux{number} -w 64")
    for end in ENDS:
        system.boot("linux1.cfg")
        start_load(system, 1, 2, port=LOOSE_PORT)
        system.until(lambda: "RECEIVED" in system.shell("linux1", "cat /tmp/load.received"), 60)
        die(system, end)
        neighbour_is_well(system, port)
        system.audit()
    stop_load(system, 2, 3)
    for number in (2, 3):
        load_was_right(system, number)
    system.boot("linux1.cfg")
    assert "3 packets received" in system.shell("linux1", "ping -c 3 -i 0.2 10.0.2.42")
    consoles_are_explained(system, since, ["linux2", "linux3", *TEACHING])


def test_attacked_in_the_middle_of_its_traffic(system, port):
    """Guests that break the rules of rings, grants, events and XenStore, or vanish, beside two
    Linuxes that use the same disk and bridge."""
    since = len(system.said())
    start_neighbour(system)
    for number in (1, 2):
        system.boot(f"linux{number}.cfg")
    for number in (1, 2):
        start_load(system, number, 3 - number)
    for attack, end in ATTACKS.items():
        system.send(f"xl create {attack}.cfg")
        system.see(end, timeout=120)
        neighbour_is_well(system, port)
        system.run("xl destroy attack")
        system.audit()
    stop_load(system, 1, 2)
    for number in (1, 2):
        load_was_right(system, number)
    consoles_are_explained(system, since, LINUXES + TEACHING, explained.ATTACKED)
