# SPDX-License-Identifier: MIT
"""The teaching kernel's native image, byte for byte as a PC boots it, in the monitor: interpreted,
half and half, trapped and emulated, and on hardware assistance. All its tests pass, as a domU of
Domus with a disk and a card of dom0's, and (without assistance) alone on real Xen with its disk in
memory. A hostile kernel hurts itself at worst. What the monitor cannot do it says."""
import re

import archive
import machine
import pytest

PASSED = r"ALL TESTS PASSED"
FAILED = r"\d+ TESTS FAILED|PANIC[^\r\n]*|monitor: [^\r\n]*(?:not offered|shut down|refuse)[^\r\n]*"
MONITOR = machine.BUILD / "guests" / "monitor.elf"


def all_passed(box, timeout=240):
    match = box.expect([PASSED, FAILED], timeout=timeout)
    assert box.which == 0, match.group(0) + "\n" + box.tail(40)


@pytest.mark.parametrize("mode", ["emulate", "half", "trap", "translate", "svm"])
def test_as_a_domu(system, mode):
    """Files on a disk of dom0's; the tests fork, page and run out of memory."""
    name = {"emulate": "emulated", "half": "half", "trap": "trapped",
            "translate": "translated", "svm": "assisted"}[mode]
    system.create(f"monitor-{mode}.cfg")
    all_passed(system)
    system.expect(r"the guest switches the machine off")
    system.ask(f"wait {name} 30")


def alone(name, words, hypervisor=machine.DOMUS, kernel=None):
    """A machine whose only guest is the monitor: the kernel and its file system in an archive."""
    tar = machine.BUILD / "monitor" / f"{name}.tar"
    archive.make_archive(tar, [f"{kernel or machine.BUILD / 'native/insula.elf'}=kernel.elf",
                               machine.BUILD / "native/insula-fs.img"])
    return machine.Machine(f"monitor-{name}", hypervisor=hypervisor, memory=256,
                           modules=[[MONITOR] + words.split(" "), [tar]])


MODES = ["mode=emulate user=emulate", "mode=emulate", "mode=trap", "mode=translate"]
KERNEL = "memory=32 kernel=kernel.elf module=insula-fs.img"


@pytest.mark.parametrize("mode", MODES)
def test_on_real_xen(mode):
    """The same files, the disk in memory."""
    if not machine.xen_available():
        pytest.skip("no real Xen here: make peer")
    name = mode.replace("mode=", "").replace(" user=", "-") + "-xen"
    with alone(name, f"{mode} {KERNEL} args=run=tests;poweroff", machine.XEN) as box:
        all_passed(box)
        box.expect("the guest switches the machine off")


HOSTILE = machine.BUILD / "archive" / "hostile.elf"
SURVIVED = ["ports", "msrs", "mappings", "writes", "aliases", "faults", "moves", "window"]
ENDS = {
    "triple": "the guest has shut down: a triple fault",
    "unknown": r"an instruction that is not offered: .*0f 58 c0",
    "halts": "the guest has halted for good",
    "resets": "the guest resets the machine",
}

# With assistance the CPU says which instructions there are; a port is dear on TCG's, and
# guests/svm tries them all over.
NOT_TRIED = {"mode=svm": ["unknown", "ports"]}


@pytest.mark.parametrize("mode, hypervisor", [(mode, machine.DOMUS) for mode in MODES] +
                         [("mode=trap", machine.XEN), ("mode=translate", machine.XEN),
                          ("mode=svm", machine.DOMUS)])
def test_a_hostile_kernel(mode, hypervisor):
    """What a PC survives the monitor survives; what ends a PC ends the guest, with a sentence."""
    if hypervisor is machine.XEN and not machine.xen_available():
        pytest.skip("no real Xen here: make peer")
    for trial in SURVIVED + list(ENDS):
        if trial in NOT_TRIED.get(mode, []):
            continue
        words = f"{mode} memory=16 args={trial}".split(" ")
        with machine.Machine("monitor-hostile", hypervisor=hypervisor, memory=256,
                             modules=[[MONITOR] + words, [HOSTILE]]) as box:
            # whole lines
            match = box.expect([r"hostile: \w+[^\r\n]*\r", r"monitor: (?:the guest|an)[^\r\n]*\r",
                                r"pvguest: [^\r\n]*\r"], timeout=60)
            said = match.group(0)
            good = "hostile: well" if trial in SURVIVED else f"monitor: {ENDS[trial]}"
            assert re.match(good, said), f"{trial}: {said}\n{box.tail(40)}"


@pytest.mark.parametrize("mode", ["emulate", "trap", "translate", "svm"])
def test_a_disk_that_is_lied_to(system, mode):
    """Queues anywhere, descriptors in circles, all of the device's registers: the guest lives on,
    and so do its neighbours."""
    system.create("insula1.cfg")
    system.create(f"hostile-{mode}.cfg")
    system.see("hostile: well", timeout=120)
    system.see("the guest switches the machine off")
    assert "hello" in system.shell("insula1", "echo hello")


@pytest.mark.parametrize("mode", ["emulate", "trap", "translate", "svm"])
def test_somebody_types(mode):
    """The serial port's input, by interrupt; the shell waits for it, and the monitor sleeps."""
    with alone(f"typing-{mode}", f"mode={mode} {KERNEL}") as box:
        box.expect(r"\$ ")
        box.send("echo one two | wc")
        box.expect(r"1\s+2\s+8")
        box.send("poweroff")
        box.expect("the guest switches the machine off")


@pytest.mark.parametrize("hypervisor, says", [
    (machine.Hypervisor("domus", machine.DOMUS.path, machine.DOMUS.args, "max,-svm"),
     "mode=svm needs a CPU with SVM and nested paging, and a hypervisor that was not told svm=off"),
    (machine.XEN, "mode=svm needs a hypervisor that offers it, which is Domus"),
], ids=["no-svm", "xen"])
def test_where_there_is_no_assistance(hypervisor, says):
    if hypervisor is machine.XEN and not machine.xen_available():
        pytest.skip("no real Xen here: make peer")
    with alone("unassisted", f"mode=svm {KERNEL}", hypervisor) as box:
        box.expect(f"monitor: {says}\r")


@pytest.mark.parametrize("words, says", [
    ("mode=fly kernel=kernel.elf", "mode=fly is not there"),
    ("user=emulate mode=trap kernel=kernel.elf", "user=emulate: the word is user=emulate, and for"),
    ("kernel=other.elf", "kernel=other.elf: no such file in the ramdisk"),
    ("kernel=insula-fs.img", "cannot load the kernel insula-fs.img: it is not an ELF file"),
    ("memory=9999 kernel=kernel.elf", "memory=9999 MiB: a guest has 4 to 2048"),
    ("memory=many kernel=kernel.elf", "memory=many: a number of MiB"),
    ("module=none kernel=kernel.elf", "module=none: no such file in the ramdisk"),
    ("quick kernel=kernel.elf", "`quick` is no word of mine"),
])
def test_what_cannot_be_done_is_said(words, says):
    with alone("refused", words) as box:
        box.expect(f"monitor: {says}".replace("`", "."))
        assert box.wait_off() == 0
