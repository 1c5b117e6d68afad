# SPDX-License-Identifier: MIT
"""What an operator can get wrong: each is one clear error at the prompt, and the system goes on."""
import pytest

import dom0
import machine

MISTAKES = [
    ("xl create nothing.cfg", "no file 'nothing.cfg' in the boot archive (\"files\" lists it)"),
    ("xl create bad-syntax.cfg", "bad-syntax.cfg:4: the string has no closing"),
    ("xl create bad-kernel.cfg", "bad-kernel.cfg:4: kernel 'nothing.elf': no such file in the boot "
                                 "archive (\"files\" lists it)"),
    ("xl create hello.cfg memory=8 ramdisk='no.rd'",
     "word 2 behind hello.cfg: ramdisk 'no.rd': no such file"),
    ("xl create hello.cfg \"name='Domain-0'\"",
     "word 1 behind hello.cfg: a domain named 'Domain-0' runs already"),
    ("xl create hello.cfg \"vif=['mac=00:16:3e:00:00:01','mac=00:16:3e:00:00:01']\"",
     "word 1 behind hello.cfg: vif 1: another card"),
    ("xl create bad-notes.cfg",
     "bad-notes.cfg:4: the kernel cannot be used: it has no Xen ELF notes"),
    ("xl create bad-elf.cfg", "bad-elf.cfg:4: the kernel cannot be used: it is no ELF file"),
    ("xl create bad-little.cfg", "bad-little.cfg:5: too little memory: the kernel needs"),
    ("xl create bad-memory.cfg", "bad-memory.cfg:5: too little memory: 100000 MiB are asked for"),
    ("xl create bad-disk.cfg",
     "bad-disk.cfg:6: disk 'nowhere': the disk has no partition of that name"),
    ("xl create bad-bridge.cfg", "bad-bridge.cfg:6: vif 0: there is no bridge 'br7'"),
    ("xl create", "usage: create"),
    ("xl frobnicate", "no command 'frobnicate'"),
    ("frobnicate all of it", "no command 'frobnicate'"),
    ("xl destroy nobody", "no domain 'nobody'"),
    ("wait nobody 3", "no domain 'nobody'"),
    ("xl pause 77", "no domain '77'"),
    ("xl unpause nobody", "no domain 'nobody'"),
    ("xl shutdown nobody", "no domain 'nobody'"),
    ("xl console nobody", "no domain 'nobody'"),
    ("xl console", "usage: console"),
    ("xl destroy Domain-0", "'Domain-0' is the control domain"),
    ("xl mem-set 0 64", "'0' is the control domain"),
    # without a name it must not mean the machine
    ("xl reboot", "say which domain, or -a"),
    ("xl shutdown -a nobody", "say which domain, or -a"),
    ("xl shutdown -x nobody", "usage: shutdown"),
    ("xl domid nobody", "no domain 'nobody'"),
    ("xl domname nobody", "'nobody' is no domain's number"),
    ("xl domname 99", "no domain '99'"),
    ("xl create hello.cfg memory=much", "hello.cfg:"),
    ("xl create 'hello.cfg", "a quote without its end"),
]


def goes_on(system):
    number = system.create("hello.cfg")
    system.ended("hello")
    assert f"Hello from domain {number}!" in system.said()


@pytest.mark.parametrize("line, error", MISTAKES,
                         ids=[line.replace(" ", "-") for line, _ in MISTAKES])
def test_a_mistake_is_a_clear_error(system, line, error):
    assert error in system.refused(line)
    assert list(system.domains()) == ["Domain-0"]
    if "create" in line:
        goes_on(system)


def test_a_disk_in_use_is_refused(system):
    system.create("insula1.cfg")
    assert "bad-busy.cfg:6: disk 'insula1': it is in use by a guest" \
        in system.refused("xl create bad-busy.cfg")
    assert system.shell("insula1", "echo unharmed > /x; cat /x") == "unharmed"
    system.ask("destroy insula1")
    system.create("bad-busy.cfg")                       # now it is free


def test_the_archive_is_listed(system):
    listed = dict(reversed(line.split()) for line in system.ask("files").splitlines())
    assert int(listed["insula.elf"]) == (machine.BUILD / "archive/insula.elf").stat().st_size
    assert {"hello.cfg", "bad-busy.cfg", "hello.elf"} <= listed.keys()


def blank_disk(name):
    path = machine.BUILD / "disks" / f"{name}.img"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as image:
        image.truncate(16 << 20)
    return path


def test_a_disk_without_gpt():
    with dom0.Dom0("no-gpt", disk=blank_disk("no-gpt")) as system:
        assert "the disk has no GPT; all of it is /dev/disk0 (ENOENT)" in system.said()
        assert "the disk has no GPT" in system.refused("xl create insula1.cfg")
        goes_on(system)
        system.power_off()


def test_a_machine_without_disk_and_card():
    with dom0.Dom0("bare-machine", disk=None, net=None) as system:
        assert "this machine has no disk" in system.refused("xl create insula1.cfg")
        goes_on(system)
        system.power_off()


def test_a_damaged_gpt_is_read_from_its_backup():
    disk = machine.fresh_disk("half-gpt")
    with disk.open("r+b") as image:
        image.seek(512)
        image.write(bytes(512))
    with dom0.Dom0("half-gpt", disk=disk) as system:
        assert "from the backup table" in system.said()
        system.create("insula1.cfg")
        assert "README" in system.shell("insula1", "ls /")
        system.power_off()
