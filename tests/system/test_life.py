# SPDX-License-Identifier: MIT
"""The life of domains: made, listed, paused, resumed, asked, ended, made again; by the operator's
will and by their own."""
import re
import time

import dom0
import machine
from dom0 import udp_echo


def test_a_guest_comes_and_goes(system):
    number = system.create("hello.cfg")
    said = system.ended("hello")
    said += system.ask("sleep 1")
    assert "hello" not in system.domains()
    assert f"Hello from domain {number}!" in system.said()
    assert f"domain {number} 'hello' has ended: poweroff" in system.said()


def test_a_guest_starts_its_other_vcpus(system):
    system.create("smp.cfg")
    system.ended("smp")
    system.ask("sleep 1")
    assert "smp: 78498 primes below 1000000" in system.said()
    done = [int(pieces) for pieces in re.findall(r"smp: vCPU \d did (\d+) pieces", system.said())]
    assert len(done) == 4 and sum(done) == 10000 and min(done) > 0


def test_three_at_once_are_listed(system):
    numbers = [system.create(config) for config in ("insula1.cfg", "insula2.cfg", "share-take.cfg")]
    listed = system.domains()
    assert [listed[name][0] for name in ("insula1", "insula2", "take")] == numbers
    assert listed["Domain-0"][0] == 0
    assert system.shell("insula1", "echo one") == "one"
    assert system.shell("insula2", "echo two") == "two"


def test_pause_and_unpause(system):
    system.create("insula1.cfg")
    system.shell("insula1", "udpecho 7 > /log &")
    assert udp_echo(system.port, "awake") == "awake"
    system.ask("xl pause insula1")
    assert "p" in system.domains()["insula1"][1]
    assert udp_echo(system.port, "asleep", tries=2) is None
    system.ask("xl unpause insula1")
    assert "p" not in system.domains()["insula1"][1]
    assert "was not paused" in system.ask("xl unpause insula1")         # wanted, and no error
    # what waited in its ring comes first
    assert udp_echo(system.port, "awake again") in ("awake again", "asleep")


def test_created_paused(system):
    system.create("-p insula1.cfg")
    assert "p" in system.domains()["insula1"][1]
    before = system.said().count("(insula1)")
    time.sleep(1)
    assert system.said().count("(insula1)") == before
    system.ask("unpause insula1")
    assert system.shell("insula1", "echo here") == "here"


def test_destroyed_and_created_again_keeps_its_files(system):
    for round_number in range(3):
        system.create("insula1.cfg")
        if round_number:
            assert f"round {round_number - 1}" in system.shell("insula1", "cat /rounds")
        system.shell("insula1", f"echo round {round_number} >> /rounds; sync")
        system.ask("xl destroy insula1")
        assert "insula1" not in system.domains()


def test_asked_to_shut_down_a_guest_ends_in_order(system):
    """It gets to the disk what was written, without a sync of the operator's."""
    system.create("insula1.cfg")
    system.shell("insula1", "echo last words > /last")
    system.ask("xl shutdown insula1")
    system.ended("insula1")
    assert "'insula1' has ended: poweroff" in system.said()
    system.create("insula1.cfg")
    assert system.shell("insula1", "cat /last") == "last words"


def test_a_name_is_taken_once(system):
    system.create("insula1.cfg")
    assert "runs already" in system.refused("xl create insula1.cfg")
    assert system.shell("insula1", "echo still here") == "still here"


def test_a_crashed_guest_is_kept_for_inspection(system):
    system.create("crash-preserve.cfg")
    system.ended("crashed")
    assert "c" in system.domains()["crashed"][1]
    system.ask("destroy crashed")
    assert "crashed" not in system.domains()


def test_a_guest_that_cannot_live_is_not_restarted_for_ever(system):
    system.create("crash-restart.cfg")
    system.see("it is not started again", timeout=60)
    assert "crashed" not in system.domains()


def test_a_guest_that_ends_again_and_again_waits(system):
    """Building it is dom0's time: it has a tenth of it, and the list says why it waits. The
    operator does not wait."""
    system.create("crash-restart.cfg memory=64")
    waits = system.see(r"domain 'crashed' is started again in (\d+\.\d) s: building it took "
                       r"(\d+\.\d+) s", timeout=60)
    (least, most), (quick, slow) = (machine.bounds(waits.group(i)) for i in (1, 2))
    assert 5 * quick < most and least < 10 * slow
    assert re.search(r"Note: domain 'crashed' is started again in \d+\.\d s",
                     system.ask("xl list crashed"))
    asked = system.clock.now()
    # not ask(): it may be restarted before the prompt is there again
    system.send("xl reboot crashed")
    system.see(r"domain 'crashed' is restarted as \d+\D", timeout=60)
    assert system.clock.now() - asked < max(5, least)
    system.see(r"domain 'crashed' is started again in", timeout=60)
    assert "runs already" in system.refused("xl create crash-restart.cfg")
    system.ask("xl shutdown crashed")
    system.ended("crashed")
    assert "crashed" not in system.domains()


def test_the_console_is_kept_and_joined(system):
    system.ask("consoles off")
    system.create("insula1.cfg")
    system.ask("sleep 1")
    with system.console("insula1"):
        system.see(r"Insula: 32 MiB of memory")             # said before we came
        system.send("echo typed-$")
        system.see(r"\ntyped-")
    system.ask("consoles on")


def test_info_and_log(system):
    info = system.ask("xl info")
    assert re.search(r"^xen_version *: 4\.17", info, re.M)
    assert re.search(r"^total_memory *: \d+$", info, re.M)
    assert re.search(r"^xen_caps *: xen-3\.0-x86_64 ?$", info, re.M)
    for key in ("xen_extra", "xen_changeset", "cc_compiler", "cc_compile_by", "cc_compile_domain"):
        assert re.search(rf"^{key} *: \S", info, re.M), key
    assert re.search(r"^platform_params *: virt_start=0xffff800000000000$", info, re.M)
    # not ask(): the log holds errors of the past
    assert len(system.run("xl dmesg").splitlines()) > 3
    assert "create" in system.ask("help")
    # dom0 serves itself, and guests find it
    assert "no XenStore" not in system.said()


def test_the_machine_ends_in_order(shared):
    """What guests wrote is on the disk after a power-off, and QEMU ends by itself."""
    system = shared.get()
    for name in ("insula1", "insula2"):
        system.create(f"{name}.cfg")
        system.shell(name, f"echo {name} was here > /ended; sync")
    assert system.power_off() == 0
    with dom0.Dom0(f"{system.name}-again",
                   disk=machine.BUILD / "disks" / f"{shared.name}.img") as again:
        shared.drop()
        for name in ("insula1", "insula2"):
            again.create(f"{name}.cfg")
            assert again.shell(name, "cat /ended") == f"{name} was here"
        assert again.power_off() == 0
