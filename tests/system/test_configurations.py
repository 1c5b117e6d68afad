# SPDX-License-Identifier: MIT
"""Configurations as people write them, from the prompt to the guest: what is honoured arrives, what
is not is said.

(How they are read, word for word: unit/test_xlcfg*.c.)
"""
import gzip
import json
import re
import struct

import archive
import pytest

import dom0
import machine

pytestmark = pytest.mark.xdist_group("configurations")     # one machine, one worker

HELLO = machine.BUILD / "archive" / "hello.elf"
LONG = " ".join(f"word{number:03d}" for number in range(127)) + " 1234567"     # 1023 characters


def bzimage(payload):
    """A kernel in Linux's boot format: two sectors of setup, and the packed kernel behind them."""
    image = bytearray(3 * 512)
    image[0x1f1] = 2
    image[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", image, 0x206, 0x20f)
    struct.pack_into("<II", image, 0x248, 0, len(payload))
    return bytes(image) + payload


def files():
    packed = gzip.compress(HELLO.read_bytes())
    return {
        "hello.gz": packed,
        "bzImage": bzimage(packed),
        "zstd.bin": bzimage(b"\x28\xb5\x2f\xfd" + bytes(100)),
        "broken.gz": packed[:-9] + bytes(9),
        "module.gz": gzip.compress(b"module " * 1000),
        "long.cfg": f"name = 'a guest'\nkernel = 'hello.gz'\nmemory = 0x8\nramdisk = '/module.gz'\n"
                    f"cmdline = \"{LONG}\"\n".encode(),
        "bz.cfg": b"name='bz'; kernel='bzImage'; maxmem=16; root='/dev/xvda1 ro'; "
                  b"extra=\"it's\"\r\nvif=['mtu=1400,vifname=bz.0']\r\n",
        "zstd.cfg": b"name = 'z'\nkernel = 'zstd.bin'\n",
        "broken.cfg": b"name = 'b'\nkernel = 'broken.gz'\n",
        "odd.cfg": b"""name = 'odd'
kernel = 'hello.gz'
uuid = '01234567-89ab-cdef-0123-456789abcdef'
memory = 8
colour = 'blue'
pci = [ '00:01.0' ]
on_crash = 'coredump-destroy'
disk = [ 'phy:scratch,768,w',
         'format=raw, vdev=hdc, access=ro, devtype=cdrom, target=/dev/disk/by-partlabel/insula1' ]
""",
        "whole.cfg": b"name = 'whole'\nkernel = 'hello.gz'\ndisk = [ '/dev/disk0,raw,xvda,r' ]\n",
        "wrong.cfg": b"name = 'wrong'\nkernel = 'hello.gz'\n\nmemory = 'much'\n",
        "list.cfg": b"name = 'wrong'\nkernel = 'hello.gz'\ndisk = [ 'phy:scratch,xvda,w',\n "
                    b"'phy:scratch,xvda,w' ]\n",
    }


@pytest.fixture(scope="module")
def system():
    folder = machine.BUILD / "configurations"
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files().items():
        (folder / name).write_bytes(content)
    archive.make_archive(folder / "archive.tar", [folder / name for name in files()])
    with dom0.Dom0("configurations", disk=machine.fresh_disk("configurations"),
                   archive=folder / "archive.tar") as box:
        yield box


def details(system, name):
    [entry] = json.loads(system.ask(f"xl list -l {name}"))
    return entry["config"]


def ends(system, name):
    """Lets a paused guest go, and waits for its end; what was said by then."""
    # in one line: what is typed would stand in the middle of the guest's words
    system.ask(f"xl unpause '{name}'; wait '{name}' 100000")
    return system.said()


def test_a_long_command_line_and_packed_files_arrive(system):
    system.ask("xl create -p long.cfg")
    config = details(system, "'a guest'")
    assert len(LONG) == 1023 and config["b_info"]["cmdline"] == LONG
    assert config["c_info"]["name"] == "a guest" and config["b_info"]["max_memkb"] == 8 << 10
    said = ends(system, "a guest")
    assert re.sub(r"\(a guest\) |\r?\n", "", said).count(f'arguments   "{LONG}"') == 1
    assert "module of 7000 bytes" in said                       # unpacked


def test_a_bzimage_and_what_follows_from_each_other(system):
    system.ask("xl create -p bz.cfg")
    config = details(system, "bz")
    assert config["b_info"]["cmdline"] == "root=/dev/xvda1 ro it's" \
        and config["b_info"]["target_memkb"] == 16 << 10
    assert f'arguments   "{config["b_info"]["cmdline"]}"' in ends(system, "bz")


def test_what_does_nothing_is_said(system):
    answer = system.ask("xl create -p odd.cfg size=5")
    assert "Warning: odd.cfg: not known here, so it does nothing: colour (line 5), " \
        "pci (line 6), size" in answer
    assert 'Warning: odd.cfg: on_crash = "coredump-destroy": no core is written' in answer
    assert "01234567-89ab-cdef-0123-456789abcdef" in system.ask("xl list -v odd")
    assert re.search(r"^768 .*\n5632 ", system.ask("xl block-list odd"), re.M)
    assert "has this uuid already" in system.refused("xl create odd.cfg name=\"second\"")
    assert "in use by a guest" in system.refused("xl create whole.cfg")
    ends(system, "odd")
    system.ask("xl create -p whole.cfg")
    assert "in use by a guest" in system.refused("xl create odd.cfg")
    system.ask("xl destroy whole")


@pytest.mark.parametrize("line, error", [
    ("zstd.cfg", "the kernel cannot be used: it is a bzImage, its kernel is packed by zstd"),
    ("broken.cfg", "the kernel cannot be used: its gzip file is damaged"),
    ("wrong.cfg", "wrong.cfg:4: memory is a number"),
    ("wrong.cfg vcpus=2", "wrong.cfg:4: memory is a number"),
    ("odd.cfg vcpus=2 memory=some",
     "word 2 behind odd.cfg: a number, a quoted string or a list is expected, not some"),
    ("list.cfg", "list.cfg:4: two disks are both xvda"),
    ("odd.cfg \"vif=['script=vif-route']\"", "script=vif-route"),
])
def test_a_mistake_keeps_its_place(system, line, error):
    assert error in system.refused(f"xl create {line}")
    assert list(system.domains()) == ["Domain-0"]


def test_a_long_line_at_the_prompt(system):
    system.ask(f"xl create -p bz.cfg cmdline=\"{LONG}\"")
    assert details(system, "bz")["b_info"]["cmdline"] == LONG
    system.ask("xl destroy bz")
    assert "the command line is too long: 1024 characters" \
        in system.refused(f"xl create bz.cfg cmdline=\"{LONG}8\"")
    system.audit()


@pytest.mark.skipif(dom0.ON_XEN, reason="ring 0 is another there")
def test_words_of_the_command_lines():
    """Xen's forms are honoured, and what is no option, or none that can be, is named: the
    hypervisor's, then dom0's."""
    words = ["dom0_mem=512M,max:96M", "loglvl=all", "noreboot", "console=vga"]
    domus = machine.Hypervisor("domus", machine.DOMUS.path, words, machine.DOMUS.cpu,
                               grub=True)
    line = 'quiet ip=10.0.2.10 consoles=maybe run="echo this was run"'
    with machine.Machine("command-lines", hypervisor=domus, memory=256,
                         modules=[[machine.BUILD / "dom0.elf", line],
                                  [machine.BUILD / "archive.tar"]]) as box:
        for said in ('"noreboot" is ignored: it is no option here',
                     '"console=vga" is ignored; it can be com1 or com1,BAUD',
                     "dom0: 96 MiB, kernel at", '"quiet" on the command line is left out',
                     '"consoles=maybe" on the command line is left out',
                     r"\nthis was run"):
            box.expect(said, timeout=60)
