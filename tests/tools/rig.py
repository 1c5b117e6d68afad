#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Debian's Linux as dom0 with Xen's own toolstack, in one initramfs: on real Xen 4.17 the peer rig,
to be measured against; and on Domus.

    rig.py OUT STORE [PROGRAM...]    OUT gets vmlinuz and rig.cpio.gz; STORE: where linux.py keeps
                                     its linux-image, which is dom0's kernel, too; PROGRAM: for its
                                     /bin

The packages below are fetched into OUT/packages, each with its checksum. Where they cannot be had,
OUT/unavailable says why. The image holds busybox, xl, xenstored, xenconsoled, the scripts that they
run for disks and cards, and the libraries they need, all as they are packaged; dom0's back ends as
modules, and an /init that ends in a shell on the console, where a harness types `xl create` as it
does at our own prompt. Disks are partitions of a virtio disk, at /dev/disk/NAME; cards join
the bridge br0 with the real one. A second virtio disk is a tar file: the guests, unpacked to
/guests.
"""
import gzip
import pathlib
import shutil
import sys

import foreign
import linux

PACKAGES = ["xen-utils-4.17", "xen-utils-common",
            "xenstore-utils", "libxencall1", "libxendevicemodel1", "libxenevtchn1",
            "libxenforeignmemory1", "libxengnttab1",
            "libxenhypfs1", "libxenmisc4.17", "libxenstore4", "libxentoolcore1",
            "libxentoollog1", "libyajl2", "libnl-3-200", "libnl-route-3-200",
            "busybox-static", "bash", "util-linux"]
PROGRAMS = ["usr/lib/xen-4.17/bin/" + name
            for name in ("xl", "libxl-save-helper", "xenstored", "xenconsoled", "xen-init-dom0",
                         "xenconsole")] + [
            "usr/bin/xenstore-" + name
            for name in ("ls", "list", "read", "write", "exists", "rm", "watch", "chmod")] + [
            "bin/bash", "usr/bin/flock"]
MODULES = ["xen-evtchn", "xen-gntdev", "xen-gntalloc",
           "xen-privcmd", "xenfs", "xen-netback", "xen-blkback", "bridge", "virtio_pci",
           "virtio_blk", "virtio_net"]

INIT = """#!/bin/sh
/bin/busybox --install -s /bin
export PATH=/bin:/sbin:/usr/bin:/usr/lib/xen-4.17/bin
mount -t proc proc /proc; mount -t sysfs sys /sys
mount -t devtmpfs dev /dev; mount -t tmpfs run /run
ln -s /proc/self/fd /dev/fd; ln -s fd/0 /dev/stdin; ln -s fd/1 /dev/stdout; ln -s fd/2 /dev/stderr
mkdir -p /var/lock /run/xen /run/xenstored /var/lib/xen /var/lib/xenstored /var/log/xen /dev/pts
mount -t devpts pts /dev/pts
while read -r module; do insmod "$module"; done < /lib/order
mount -t xenfs xenfs /proc/xen
xenstored --pid-file /run/xenstored.pid
xen-init-dom0
xenconsoled --pid-file=/run/xenconsoled.pid
ip link set lo up
ip link add br0 type bridge
ip link set eth0 up; ip link set eth0 master br0; ip link set br0 up
ip addr add 10.0.2.15/24 dev br0
mkdir -p /dev/disk
for node in /sys/class/block/*; do
    name=$(sed -n 's/^PARTNAME=//p' "$node/uevent")
    [ -z "$name" ] || ln -s "/dev/${node##*/}" "/dev/disk/$name"
done
mkdir -p /guests; [ -b /dev/vdb ] && tar -x -f /dev/vdb -C /guests
echo "RIG UP"
cd /guests
exec setsid cttyhack sh
"""

def build(roots, kernel_root, own):
    def find(name):
        return next(root / name for root in roots if (root / name).exists())

    archive = linux.Cpio()
    for directory in ["bin", "sbin", "dev", "proc", "sys", "run",
                      "tmp", "etc", "etc/xen", "etc/xen/scripts", "lib", "lib64", "usr", "usr/bin",
                      "usr/lib", "usr/lib/xen-4.17", "usr/lib/xen-4.17/bin",
                      "var", "var/lib", "var/log", "mnt"]:
        archive.directory(directory)
    archive.add("dev/console", mode=0o020600, device=(5, 1))
    archive.add("var/run", b"/run", 0o120777)
    archive.add("bin/busybox", find("bin/busybox").read_bytes(), 0o100755)
    archive.add("bin/sh", b"busybox", 0o120777)
    programs = [find(name) for name in PROGRAMS]
    for name, path in zip(PROGRAMS, programs):
        archive.add(name, path.read_bytes(), 0o100755)
    for path in own:
        archive.add(f"bin/{path.name}", path.read_bytes(), 0o100755)
    linux.add_libraries(archive, roots, [*programs, *own], [linux.LOADED_LATE])
    linux.add_modules(archive, kernel_root / "lib/modules", MODULES)
    archive.add("etc/xen/xl.conf", b'autoballoon="off"\n')
    for path in sorted(find("etc/xen/scripts").iterdir()):
        archive.add(f"etc/xen/scripts/{path.name}", path.read_bytes(), 0o100755)
    archive.add("init", INIT.encode(), 0o100755)
    return archive.finished()


def make_rig(out, store, own):
    roots = [foreign.fetch(out / "packages", package, "./usr/*", "./bin/*", "./lib/*",
                           "./etc/xen/*")
             for package in PACKAGES]
    kernel_root = linux.fetch_kernel(store)
    shutil.copy(next(kernel_root.glob("boot/vmlinuz-*")), out / "vmlinuz")
    (out / "rig.cpio.gz").write_bytes(gzip.compress(build(roots, kernel_root, own), 6, mtime=0))


def main():
    if len(sys.argv) < 3 or sys.argv[1] == "--help":
        sys.exit(__doc__)
    out, store, *own = (pathlib.Path(argument) for argument in sys.argv[1:])
    linux.attempt(out, lambda: make_rig(out, store, own))


if __name__ == "__main__":
    main()
