# SPDX-License-Identifier: MIT
"""GRUB as a guest's kernel ("pvgrub"): the guest chooses and boots its own Linux from its own disk.

images(folder) are Debian's packaged image and one that we link from Debian's modules; guest_disk()
makes what they boot from. Called by tests/system/test_pvgrub.py. Raises foreign.Unavailable where
Debian's archive cannot be reached.
"""
import pathlib
import shutil
import struct
import subprocess

import disk
import foreign

# What the linked image needs: the ext4 disk with or without partitions, the shell, and xz for the
# bzImage's payload.
MODULES = ["ext2", "part_gpt", "normal", "linux", "xzio", "ls", "cat", "echo", "configfile"]

MENU = """set timeout=-1
menuentry "Linux of the guest's own disk" {
    linux /boot/vmlinuz console=hvc0 quiet chosen=by-menu
    initrd /boot/initrd.gz
}
menuentry "nothing" { true }
"""


def images(folder):
    """(Debian's image, our own), both ELF files for kernel=."""
    folder = pathlib.Path(folder)
    packaged = foreign.grub(folder)
    modules = foreign.fetch(folder, "grub-xen-bin", "*/x86_64-xen/*") / "usr/lib/grub/x86_64-xen"
    own = folder / "grub-own.bin"
    foreign.call("grub-mkimage", "-O", "x86_64-xen",
                 "-d", str(modules), "-p", "(xen/xvda,gpt1)/boot/grub", "-o", str(own), *MODULES)
    return packaged, own


def file_system(out, mib, tree):
    """An ext4 file system with the files of a folder, made without being root."""
    pathlib.Path(out).unlink(missing_ok=True)
    subprocess.run(["truncate", "-s", f"{mib}M", str(out)], check=True)
    foreign.call("/usr/sbin/mkfs.ext4", "-q", "-F", "-d", str(tree), str(out))
    return out


def mbr_disk(out, system):
    """The older kind of disk: a master boot record whose first partition, from 1 MiB on, is the
    file system."""
    size = pathlib.Path(system).stat().st_size // 512
    record = bytearray(512)
    record[446:462] = struct.pack("<B3sB3sII",
                                  0x80, b"\xfe\xff\xff", 0x83, b"\xfe\xff\xff", 2048, size)
    record[510:] = b"\x55\xaa"
    with pathlib.Path(out).open("wb") as image:
        image.write(record)
        image.seek(2048 * 512)
        image.write(pathlib.Path(system).read_bytes())
    return out


def guest_disk(folder, bzimage, initramfs):
    """An ext4 file system that holds a kernel and GRUB's menu, and a disk with that as its first
    partition: (bare, partitioned)."""
    tree = pathlib.Path(folder) / "tree"
    (tree / "boot/grub").mkdir(parents=True, exist_ok=True)
    shutil.copy(bzimage, tree / "boot/vmlinuz")
    shutil.copy(initramfs, tree / "boot/initrd.gz")
    (tree / "boot/grub/grub.cfg").write_text(MENU)
    bare = file_system(pathlib.Path(folder) / "bare.img", 32, tree)
    partitioned = pathlib.Path(folder) / "partitioned.img"
    disk.make_disk(partitioned, [("system", 32, bare)])
    return bare, partitioned
