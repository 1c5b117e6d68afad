# SPDX-License-Identifier: MIT
"""The teaching kernel's native image, byte for byte as a PC boots it, in the monitor: interpreted,
half and half, trapped and emulated, and on hardware assistance. All its tests pass, as a domU of
Domus with a disk and a card of dom0's, and (without assistance) alone on real Xen with its disk in
memory. A hostile kernel (tests/monitor/) hurts itself at worst. What the monitor cannot do it
says."""
import hashlib
import os
import re
import struct
import tarfile

import archive
import machine
import pytest
import scanner

PASSED = r"ALL TESTS PASSED"
FAILED = r"\d+ TESTS FAILED|PANIC[^\r\n]*|monitor: [^\r\n]*(?:not offered|shut down|refuse)[^\r\n]*"
MONITOR = machine.BUILD / "guests" / "monitor.elf"
SOAK = "DOMUS_COMPARE_ALL" in os.environ        # make soak tries more


def all_passed(box, timeout=240):
    match = box.expect([PASSED, FAILED], timeout=timeout)
    assert box.which == 0, match.group(0) + "\n" + box.tail(40)


IMAGE = machine.BUILD / "archive" / "insula-native.elf"     # native/insula.elf, less debug info


def need(hypervisor):
    if hypervisor is machine.XEN and not machine.xen_available():
        pytest.skip("no real Xen here: make peer")


def segments(elf):
    """What is loaded of it."""
    *_, start, _, _, _, size, count, _, _, _ = struct.unpack_from("<16sHHIQQQIHHHHHH", elf)
    for at in range(start, start + size * count, size):
        _, _, offset, address, place, length, memory, _ = struct.unpack_from("<IIQQQQQQ", elf, at)
        yield address, place, memory, elf[offset:offset + length]


def test_it_is_one_image():
    """All modes, as a domU or alone, run one file, and what is loaded of it is what a PC loads; -rP
    shows the checksum."""
    with tarfile.open(machine.BUILD / "archive.tar") as tar:
        inside = tar.extractfile("insula-native.elf").read()
    assert inside == IMAGE.read_bytes()
    on_a_pc = (machine.BUILD / "native" / "insula.elf").read_bytes()
    assert list(segments(inside)) == list(segments(on_a_pc)) != []
    print(f"sha256 {hashlib.sha256(inside).hexdigest()} {IMAGE}")


@pytest.mark.parametrize("mode", ["emulate", "half", "trap", "translate", "svm"])
def test_as_a_domu(system, mode):
    """Files on a disk of dom0's; the tests fork, page and run out of memory."""
    name = {"emulate": "emulated", "half": "half", "trap": "trapped",
            "translate": "translated", "svm": "assisted"}[mode]
    before = len(system.said())
    system.create(f"monitor-{mode}.cfg")
    all_passed(system)
    system.expect(r"the guest switches the machine off")
    system.ended(name)
    if mode == "trap":
        compare_sites(system.said()[before:])


# Functions with instructions that the scanner finds and no test traps at.
NOT_REACHED = {
    "serial_init": "interpreted still, like the 32-bit code shortly before it",
    "segments_init": "so, too",
    "serial_interrupt": "nobody types", "terminal_read": "nobody types",
    "trap": "CR2 is asked for where a page fault is a mistake", "power_off": "it is off by then",
    "scheduler": "HLT stands in the shadow of STI: both are interpreted at once",
    "yield": "the clock's interrupt calls it, so that there is no flag to set again",
    "process_wait": "nobody waits who has no child", "lock_acquire": "no lock is waited for",
    "virtio_find": "64-bit BARs and transitional devices, which there are not",
    "ip_send": "the network's programs are not among the tests", "net_ping": "so, too",
    "socket_receive": "so, too", "send": "so, too",
}


def compare_sites(said):
    """Where the kernel trapped in all its tests is where domus-scan says it would, and nowhere
    else; what it finds beside that is code of 32 bits (which is interpreted), or in a function that
    says above why."""
    if not scanner.PROGRAM.exists():
        return                                      # with TESTS=: make scanner
    met = {int(site, 16) for site in re.findall(r"monitor: site (\w+)", said)}
    _, report = scanner.scan("--code32", ".boot", IMAGE)
    found = {int(one["address"], 16): one["function"] for one in report["findings"]
             if one["class"] in ("privileged", "silent") and not one["doubt"]
             and one["section"] != ".boot"}
    assert not {hex(site) for site in met - set(found)}
    left = {hex(site): found[site] for site in set(found) - met}
    assert not {site: name for site, name in left.items() if name not in NOT_REACHED}


def alone(name, words, hypervisor=machine.DOMUS, kernel=None):
    """A machine whose only guest is the monitor: the kernel and its file system in an archive."""
    tar = machine.BUILD / "monitor" / f"{name}.tar"
    archive.make_archive(tar, [f"{kernel or IMAGE}=kernel.elf",
                               machine.BUILD / "native/insula-fs.img"])
    return machine.Machine(f"monitor-{name}", hypervisor=hypervisor, memory=256,
                           modules=[[MONITOR] + words.split(" "), [tar]])


MODES = ["mode=emulate user=emulate", "mode=emulate", "mode=trap", "mode=translate"]
KERNEL = "memory=32 kernel=kernel.elf module=insula-fs.img"


@pytest.mark.parametrize("mode", MODES)
def test_on_real_xen(mode):
    """The same files, the disk in memory."""
    need(machine.XEN)
    name = mode.replace("mode=", "").replace(" user=", "-") + "-xen"
    with alone(name, f"{mode} {KERNEL} args=run=tests;poweroff", machine.XEN) as box:
        all_passed(box)
        box.expect("the guest switches the machine off")


HOSTILE = machine.BUILD / "archive" / "hostile.elf"
# What a PC survives is survived; what ends a PC ends the guest, with a sentence.
SURVIVED = dict.fromkeys([
    "ports", "msrs",            # all of them, with PCI's registers
    "mappings",                 # tables within tables, one page at many places, nobody's addresses
    "writes", "aliases",        # code that changes, across pages, by its own or another address
    "moves",                    # code whose address means another page now
    "spaces",                   # tables that change while they are not loaded; thousands of CR3s
    "faults", "modes",          # rings 1 and 3, 32-bit code, single steps
    "registers",                # each bit of the control registers, selectors, tables' limits
    "addresses", "window", "interrupts"], "hostile: well")
ENDS = {
    "triple": "monitor: the guest has shut down: a triple fault",
    "unknown": "monitor: an instruction that is not offered: .*0f 58 c0",
    "halts": "monitor: the guest has halted for good",
    "resets": "monitor: the guest resets the machine",
    "unpaged": "monitor: an instruction that is not offered: real mode",
}
# With assistance the CPU says which instructions there are; a port is dear on TCG's (make soak),
# and TCG has addresses that no processor has.
ASSISTED = {"unknown": None, "ports": SURVIVED["ports"] if SOAK else None,
            "addresses": "monitor: the (?:CPU does not go on|hypervisor refuses)"}
# What is the interpreter's affair alone is so below any hypervisor (make soak).
ON_XEN = {} if SOAK else dict.fromkeys(["ports", "msrs", "registers", "addresses", "halts",
                                        "resets", "unpaged"])


def trials(mode, hypervisor=machine.DOMUS):
    """{what is tried: how that ends}"""
    every = SURVIVED | ENDS | (ASSISTED if mode == "mode=svm" else {}) | (
        ON_XEN if hypervisor is machine.XEN else {})
    return {trial: ends for trial, ends in every.items() if ends}


def hostile(hypervisor, mode, trial, **options):
    words = f"{mode} memory=16 args={trial}".split(" ")
    # of its own: others may run at the same time
    name = f"hostile-{name_of(mode).replace(' ', '-')}-{hypervisor.name}-{trial}"
    return machine.Machine(f"monitor-{name}", hypervisor=hypervisor, memory=256,
                           modules=[[MONITOR] + words, [HOSTILE]], **options)


def ended(box):
    # whole lines
    return box.expect(["hostile: [^\r\n]*\r", "monitor: (?:the|an)[^\r\n]*\r",
                       "pvguest: [^\r\n]*\r"], timeout=120).group(0)


# By mode and by what it runs on; names are words, for pytest.
EVERYWHERE = [(mode, machine.DOMUS) for mode in [*MODES, "mode=svm"]] + [
    (mode, machine.XEN) for mode in MODES if SOAK or mode in ("mode=trap", "mode=translate")]


def name_of(value):
    return value.name if isinstance(value, machine.Hypervisor) else re.sub(r"\w+=", "", value)


@pytest.mark.parametrize("mode, hypervisor", EVERYWHERE, ids=name_of)
def test_a_hostile_kernel(mode, hypervisor):
    need(hypervisor)
    for trial, ends in trials(mode, hypervisor).items():
        with hostile(hypervisor, mode, trial) as box:
            said = ended(box)
            assert re.match(ends, said), f"{trial}: {said}\n{box.tail(40)}"


@pytest.mark.parametrize("mode", [*MODES, "mode=svm"])
def test_a_hostile_kernel_beside_others(system, mode):
    """Its neighbour goes on working, and all frames are counted again after each trial: its disk's
    rings (queues anywhere, descriptors in circles, all of the device's registers); in make soak all
    the others."""
    system.create("insula1.cfg")
    with system.console("insula1"):
        system.see(r"\$ ")
    for trial, ends in ({"rings": SURVIVED["ports"]} | (trials(mode) if SOAK else {})).items():
        before = len(system.said())
        system.create(f'hostile.cfg extra="{mode} memory=16 args={trial}"')
        assert trial in system.shell("insula1", f"echo {trial} > /proof; cat < /proof")
        system.ended("hostile", 200)
        said = system.said()[before:]
        assert re.search(ends, said) and "WRONG" not in said, f"{trial}:\n{said}"
        system.audit()


@pytest.mark.parametrize("mode, hypervisor", [
    (mode, hypervisor) for mode, hypervisor in EVERYWHERE
    if (SOAK and (mode, hypervisor) != ("mode=translate", machine.XEN)) or
    (hypervisor is machine.DOMUS and mode != "mode=emulate user=emulate")], ids=name_of)
def test_an_interrupt_at_each_boundary(mode, hypervisor):
    """Between any two instructions of some sequences an interrupt comes, and nothing else happens;
    where none may come none does. That takes a clock that counts instructions: by one that does
    not, TCG's interrupts come between its blocks. (On real Xen, behind an exit, a translation's
    next instruction is one that its timer does not hit in 4,000 tries; there `interrupts`, above,
    has them at random.)"""
    need(hypervisor)
    with hostile(hypervisor, mode, "boundaries", icount=True, smp=1) as box:
        assert re.match("hostile: well", ended(box)), box.tail(40)


@pytest.mark.parametrize("mode", ["emulate", "trap", "translate", "svm"])
def test_somebody_types(mode):
    """The serial port's input, by interrupt; the shell waits for it, and the monitor sleeps."""
    with alone(f"typing-{mode}", f"mode={mode} {KERNEL}") as box:
        box.expect(r"\$ ")
        box.send("echo one two | wc")
        box.expect(r"1\s+2\s+8")
        box.send("poweroff")
        box.expect("the guest switches the machine off")
        interpreted = int(box.expect(r"monitor: (\d+) instructions interpreted").group(1))
        assert (interpreted > 200_000) == (mode == "emulate")         # the others run it


@pytest.mark.parametrize("hypervisor, says", [
    (machine.Hypervisor("domus", machine.DOMUS.path, machine.DOMUS.args, "max,-svm"),
     "mode=svm needs a CPU with SVM and nested paging, and a hypervisor that was not told svm=off"),
    (machine.XEN, "mode=svm needs a hypervisor that offers it, which is Domus"),
], ids=["no-svm", "xen"])
def test_where_there_is_no_assistance(hypervisor, says):
    need(hypervisor)
    with alone(f"unassisted-{hypervisor.name}", f"mode=svm {KERNEL}", hypervisor) as box:
        box.expect(f"monitor: {says}\r")


@pytest.mark.parametrize("words, says", [
    ("mode=fly kernel=kernel.elf", "mode=fly is not there"),
    ("user=emulate mode=trap kernel=kernel.elf", "user=emulate: the word is user=emulate, and for"),
    ("kernel=other.elf", "kernel=other.elf: no such file in the ramdisk"),
    ("kernel=insula-fs.img", "cannot load the kernel insula-fs.img: it is not an ELF file"),
    ("memory=32", "the ramdisk is an archive: kernel=NAME says which of its files is the kernel"),
    ("memory=9999 kernel=kernel.elf", "memory=9999 MiB: a guest has 4 to 2048"),
    ("memory=many kernel=kernel.elf", "memory=many: a number of MiB"),
    ("module=none kernel=kernel.elf", "module=none: no such file in the ramdisk"),
    ("quick kernel=kernel.elf", "`quick` is no word of mine"),
])
def test_what_cannot_be_done_is_said(words, says):
    with alone("refused-" + re.sub(r"\W+", "-", words), words) as box:
        box.expect(f"monitor: {says}".replace("`", "."))
        box.expect(r"ended \(power-off\)")
        assert box.wait_off() == 0


def test_a_ramdisk_that_is_no_kernel():
    with machine.Machine("monitor-no-kernel", memory=256,
                         modules=[[MONITOR], [machine.BUILD / "native/insula-fs.img"]]) as box:
        box.expect("monitor: cannot load the kernel in the ramdisk: it is not an ELF file")
        assert box.wait_off() == 0
