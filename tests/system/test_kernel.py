# SPDX-License-Identifier: MIT
"""The teaching kernel's own test program (files, fork storms, pipes, bad pointers, log recovery):
natively and as a domU."""
import dom0
import machine

PASSED = r"ALL TESTS PASSED"
FAILED = r"\d+ TESTS FAILED|panic[^\r\n]*"
NATIVE = machine.Hypervisor("insula", machine.BUILD / "native" / "insula.elf",
                            ["ip=10.0.2.15/24 gw=10.0.2.2 run=tests;poweroff"], "max")


def native_disk(name):
    """The file system alone, as the native kernel has it: the whole disk."""
    disk = machine.BUILD / "disks" / f"{name}.img"
    disk.parent.mkdir(parents=True, exist_ok=True)
    disk.write_bytes((machine.BUILD / "native" / "insula-fs.img").read_bytes())
    return disk


def all_passed(box):
    match = box.expect([PASSED, FAILED], timeout=180)
    assert box.which == 0, match.group(0) + "\n" + box.tail(40)


def test_natively():
    with machine.Machine("insula-native", hypervisor=NATIVE, modules=[],
                         memory=64, disk=native_disk("insula-native"), net="user,id=n0") as box:
        all_passed(box)
        assert box.wait_off() == 0


def test_lines_are_edited_by_the_shell(system):
    """As at dom0's prompt: arrows, earlier lines, Tab. What a program reads are lines; what is
    typed before anybody reads waits."""
    system.create("insula1.cfg")
    with system.console("insula1"):
        for keys, answer in (("eco  one\x1b[D\x1b[D\x1b[D\x1b[D\x1b[D\x1b[Dh\r", r"\none\r"),
                             ("\x1b[A\x7f\x7f\x7ftwo\r", r"\ntwo\r"),
                             ("one\x12\r", r"\none\r"),
                             ("mk\t/three\rl\t\t", r"\nln  ls\r"),
                             ("s\x01\x05 thr\t\x15ls\r", r"\nd .* three\r"),
                             ("cat\rfoux\x7fr\r", r"\nfour\r"),
                             ("\x04echo  five\r", r"\nfive\r"),
                             ("sleep 300\recho  ahead\r", r"\nahead\r"),
                             ("\x04", r"logout\r"), ("echo  again\r", r"\nagain\r")):
            system.child.send(keys)
            system.expect(answer, timeout=10)


def test_as_a_domu(system):
    system.create("tests.cfg")
    all_passed(system)
    system.ended("tests")


def test_two_at_once_beside_each_other(system):
    """Two kernels fork, page and write at the same time; they share a CPU, a disk and a dom0, and
    nothing else."""
    system.create("tests.cfg")
    system.create("insula1.cfg")
    with system.console("insula1"):
        system.send("tests")
        all_passed(system)
    system.ended("tests", 120)
    assert "(tests) ALL TESTS PASSED" in system.said()
    assert dom0.ON_XEN or system.audit()
