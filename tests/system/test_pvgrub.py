# SPDX-License-Identifier: MIT
"""pvgrub: GRUB's PV images as kernel= list the guest's disk and boot an unmodified bzImage from it,
which runs to its shell.

GRUB takes over its own memory and page tables, builds Linux's physical-to-machine map and tables,
unpins its own, and jumps: the domain changes its kernel without the toolstack. Both images are
tried on both kinds of disk that a guest may have.
"""
import contextlib
import os

import archive
import pytest

import disk
import dom0
import foreign
import linux_box
import machine
import pvgrub

# each worker makes its own
FOLDER = machine.BUILD / "pvgrub" / os.environ.get("PYTEST_XDIST_WORKER", "main")
CONFIG = """
name = "{name}"
kernel = "{image}"
memory = {memory}
disk = [ 'phy:{disk},xvda,w' ]
"""
SLOW = 240              # seconds: GRUB unpacks the kernel twice, in software, under emulation


@pytest.fixture(scope="module")
def made():
    """The images and the real disk, with the guests' disks as its partitions."""
    linux_box.available()
    try:
        packaged, own = pvgrub.images(FOLDER.parent)
    except foreign.Unavailable as problem:
        pytest.skip(f"not to be had from Debian's archive: {problem}")
    bzimage = min((linux_box.FOLDER / "packages").glob("linux-image-6.1*/boot/vmlinuz-*"))
    bare, partitioned = pvgrub.guest_disk(FOLDER, bzimage, linux_box.FOLDER / "initramfs.cpio.gz")
    older = pvgrub.mbr_disk(FOLDER / "older.img", bare)
    disk.make_disk(FOLDER / "disk.img", [("bare", 32, bare), ("parts", 36, partitioned),
                                         ("older", 36, older), ("empty", 1, None)])
    guests = (("packaged", packaged, "bare", 256), ("own", own, "parts", 256),
              ("older", packaged, "older", 256), ("prompt", packaged, "empty", 64))
    for name, image, partition, memory in guests:
        (FOLDER / f"{name}.cfg").write_text(CONFIG.format(name=name, image=image.name,
                                                          disk=partition, memory=memory))
    archive.make_archive(FOLDER / "archive.tar",
                         [packaged, own, *(FOLDER / f"{name}.cfg" for name, *_ in guests)])


@contextlib.contextmanager
def grub(name):
    """A machine with that GRUB running, its console before us; afterwards the references are
    recounted."""
    with dom0.Dom0(f"pvgrub-{name}", archive=FOLDER / "archive.tar",
                   disk=FOLDER / "disk.img", snapshot=True) as box:
        box.create(f"{name}.cfg")
        with box.console(name):
            yield box
        box.run(f"wait {name} 100000", timeout=60)
        assert set(box.domains()) == {"Domain-0"}
        box.audit()
        box.power_off()


def type_at_prompt(box, line, answer):
    box.send(line)
    box.see(answer, timeout=60)


def linux_runs(box, chosen, device):
    """From the kernel's first line to its end; the disk it came from is its disk still."""
    box.see(r"LINUX UP: 6\.1", timeout=SLOW)
    box.send("")
    box.see(r"/ # ")
    box.send("cat /proc/cmdline")
    box.see(rf"chosen={chosen}")
    box.send(f"mount -t ext4 -o ro {device} /mnt && grep -q by-menu /mnt/boot/grub/grub.cfg && "
             f"echo the same di''sk")
    box.see(r"the same disk")
    box.send("work check 3")
    box.see(r"CHECK PASSED", timeout=60)
    box.send("poweroff -f")


def test_packaged_image_on_an_empty_disk_gives_its_prompt(made):
    with grub("prompt") as box:
        box.see(r"grub> ", timeout=60)
        type_at_prompt(box, "ls", r"\(xen/xvda\)")
        box.send("halt")


def test_packaged_image_boots_by_its_menu(made):
    with grub("packaged") as box:
        box.see(r"Linux of the guest's own disk", timeout=60)
        box.child.send("c")
        box.see(r"grub> ")
        type_at_prompt(box, "ls", r"\(xen/xvda\)")
        type_at_prompt(box, "ls (xen/xvda)/boot/", r"vmlinuz")
        box.child.send("\x1b")
        box.see(r"Linux of the guest's own disk")
        box.send("")
        linux_runs(box, "by-menu", "/dev/xvda")


def test_own_image_boots_from_a_partition_by_hand(made):
    with grub("own") as box:
        box.see(r"Linux of the guest's own disk", timeout=60)
        box.child.send("c")
        box.see(r"grub> ")
        type_at_prompt(box, "ls", r"\(xen/xvda,gpt1\)")
        type_at_prompt(box, "ls (xen/xvda,gpt1)/boot/", r"vmlinuz")
        type_at_prompt(box, "cat (xen/xvda,gpt1)/boot/grub/grub.cfg", r"chosen=by-menu")
        type_at_prompt(box, "linux (xen/xvda,gpt1)/boot/vmlinuz console=hvc0 quiet chosen=by-hand",
                       r"grub> ")
        box.send("initrd (xen/xvda,gpt1)/boot/initrd.gz")
        box.send("boot")
        linux_runs(box, "by-hand", "/dev/xvda1")


def test_what_goes_wrong_and_how_grub_ends(made):
    """On a disk with a master boot record: mistakes are GRUB's to tell; `reboot` starts the domain
    anew, `halt` ends it."""
    with grub("older") as box:
        box.see(r"Linux of the guest's own disk", timeout=60)
        box.child.send("c")
        box.see(r"grub> ")
        type_at_prompt(box, "ls", r"\(xen/xvda,msdos1\)")
        type_at_prompt(box, "linux (xen/xvda,msdos1)/boot/nothing", r"error: file .*not found")
        type_at_prompt(box, "ls (xen/xvdb)/", r"error: ")
        type_at_prompt(box, "boot", r"error: you need to load the kernel first")
        box.send("reboot")
        gone, back = r"The guest is gone\.", r"domain 'older' is restarted as \d+"
        box.see(rf"(?s){gone}.*{back}|{back}.*{gone}", timeout=60)
        box.send("xl console older")
        box.see(r"Linux of the guest's own disk", timeout=60)
        box.child.send("c")
        box.see(r"grub> ")
        box.send("halt")
