#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The peer rig: real Xen 4.17 with Debian's Linux as its dom0 and Xen's own toolstack, in one initramfs, to be measured against.

    rig.py ROOT OUT          ROOT: where the packages below are unpacked (dpkg -x); OUT: gets rig.cpio.gz

It holds busybox, xl, xenstored, xenconsoled and the libraries they need, dom0's back ends as modules, and an /init that ends in a
shell on the console, where a harness types `xl create` as it does at our own prompt. Disks are partitions of a virtio disk, at
/dev/disk/NAME; cards join the bridge br0 with the real one. A second virtio disk is a tar file: the guests, unpacked to /guests.
"""
import gzip
import pathlib
import re
import subprocess
import sys

import linux

PACKAGES = ["xen-utils-4.17", "xen-utils-common", "xenstore-utils", "libxencall1", "libxendevicemodel1", "libxenevtchn1",
            "libxenforeignmemory1", "libxengnttab1", "libxenhypfs1", "libxenmisc4.17", "libxenstore4", "libxentoolcore1",
            "libxentoollog1", "libyajl2", "busybox-static"]
PROGRAMS = ["usr/lib/xen-4.17/bin/" + name for name in ("xl", "xenstored", "xenconsoled", "xen-init-dom0", "xenconsole")] + [
            "usr/bin/" + name for name in ("xenstore-ls", "xenstore-read", "xenstore-write")]
MODULES = ["xen-evtchn", "xen-gntdev", "xen-gntalloc", "xen-privcmd", "xenfs", "xen-netback", "xen-blkback", "bridge", "virtio_pci",
           "virtio_blk", "virtio_net"]

INIT = """#!/bin/sh
/bin/busybox --install -s /bin
export PATH=/bin:/sbin:/usr/bin:/usr/lib/xen-4.17/bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev; mount -t tmpfs run /run
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
    name=$(sed -n 's/^PARTNAME=//p' "$node/uevent"); [ -z "$name" ] || ln -s "/dev/${node##*/}" "/dev/disk/$name"
done
mkdir -p /guests; [ -b /dev/vdb ] && tar -x -f /dev/vdb -C /guests
echo "RIG UP"
cd /guests
exec setsid cttyhack sh
"""

# What libxl runs for each disk: which device number stands behind the name.
BLOCK = """#!/bin/sh
[ "$1" = add ] || exit 0
device=$(stat -L -c %t:%T "$(xenstore-read "$XENBUS_PATH/params")")
xenstore-write "$XENBUS_PATH/physical-device" "$device" "$XENBUS_PATH/hotplug-status" connected
"""

VIF = """#!/bin/sh
case "$1" in online|add)
    ip link set "$vif" master "$(xenstore-read "$XENBUS_PATH/bridge")" && ip link set "$vif" up
    xenstore-write "$XENBUS_PATH/hotplug-status" connected;;
esac
exit 0
"""


def needed(binary):
    """Names of the shared libraries a binary asks for."""
    listing = subprocess.run(["readelf", "-d", str(binary)], stdout=subprocess.PIPE, text=True, check=True).stdout
    return re.findall(r"NEEDED.*\[(.*)\]", listing)


def libraries(root, programs):
    """{soname: path} of all libraries the programs need: the packages' own, else this (Debian) machine's."""
    def find(name):
        for folder in [root / "usr/lib/x86_64-linux-gnu", root / "usr/lib/xen-4.17/lib/x86_64-linux-gnu",
                       pathlib.Path("/lib/x86_64-linux-gnu"), pathlib.Path("/lib64")]:
            if (folder / name).exists():
                return folder / name
        sys.exit(f"rig.py: no library {name}")

    found, todo = {}, list(programs)
    while todo:
        for name in needed(todo.pop()):
            if name not in found:
                found[name] = find(name)
                todo.append(found[name])
    return found


def build(root, kernel_root):
    archive = linux.Cpio()
    for directory in ["bin", "sbin", "dev", "proc", "sys", "run", "tmp", "etc", "etc/xen", "etc/xen/scripts", "lib", "lib64", "usr", "usr/bin",
                      "usr/lib", "usr/lib/xen-4.17", "usr/lib/xen-4.17/bin", "var", "var/lib", "var/log", "mnt"]:
        archive.directory(directory)
    archive.add("dev/console", mode=0o020600, device=(5, 1))
    archive.add("var/run", b"/run", 0o120777)
    archive.add("bin/busybox", (root / "bin/busybox").read_bytes(), 0o100755)
    archive.add("bin/sh", b"busybox", 0o120777)
    programs = [root / name for name in PROGRAMS]
    for name, path in zip(PROGRAMS, programs):
        archive.add(name, path.read_bytes(), 0o100755)
    for name, path in libraries(root, programs).items():
        archive.add(("lib64/" if name.startswith("ld-") else "lib/") + name, path.read_bytes(), 0o100755)
    modules = linux.in_loading_order(kernel_root / "lib/modules", MODULES)
    for path in modules:
        archive.add(f"lib/{path.name}", path.read_bytes())
    archive.add("lib/order", "".join(f"/lib/{path.name}\n" for path in modules).encode())
    archive.add("etc/xen/xl.conf", b'autoballoon="off"\n')
    archive.add("etc/xen/scripts/block", BLOCK.encode(), 0o100755)
    archive.add("etc/xen/scripts/vif-bridge", VIF.encode(), 0o100755)
    archive.add("init", INIT.encode(), 0o100755)
    return archive.finished()


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    root, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    (out / "rig.cpio.gz").write_bytes(gzip.compress(build(root, root), 6, mtime=0))


if __name__ == "__main__":
    main()
