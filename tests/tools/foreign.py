# SPDX-License-Identifier: MIT
"""Guests that know nothing of Domus: Debian's Linux kernel and GRUB's PV image, fetched from the archive but not installed.

linux(folder) and grub(folder) return paths, or raise Unavailable with the reason. A second call fetches nothing.
"""
import fnmatch
import glob
import gzip
import io
import lzma
import pathlib
import re
import stat
import subprocess
import tarfile

# What the Linux guest does when it is up: disk and network by Debian's own front ends. It speaks in lines "LINUX: ...".
INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
echo "LINUX: user space"
insmod /xen-blkfront.ko; insmod /xen-netfront.ko
while [ ! -b /dev/xvda ]; do sleep 0.1; done
dd if=/dev/urandom of=/written bs=64k count=64 2>/dev/null
dd if=/written of=/dev/xvda bs=64k oflag=direct conv=fsync 2>/dev/null && dd if=/dev/xvda of=/read bs=64k count=64 iflag=direct 2>/dev/null
cmp /written /read && echo "LINUX: 4 MiB written and read back"
while [ ! -e /sys/class/net/eth0 ]; do sleep 0.1; done
ifconfig eth0 up
udhcpc -i eth0 -n -q -t 10 -s /bin/true >/dev/null 2>&1 && echo "LINUX: a lease"
ifconfig eth0 10.0.2.15 netmask 255.255.255.0
ping -c 3 10.0.2.2 | grep -q "3 packets received" && echo "LINUX: ping answered"
port=$(sed -n 's/.*fetch=\\([0-9]*\\).*/\\1/p' /proc/cmdline)
echo "LINUX: fetched $(nc 10.0.2.2 $port </dev/null | md5sum | cut -c1-32)"
echo "LINUX: done"
poweroff -f
"""


class Unavailable(Exception):
    """Debian's archive, or the tools to reach it, are not here."""


def call(*command, cwd=None):
    done = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise Unavailable(f"{' '.join(command)}: {done.stdout.strip()[-300:]}")
    return done.stdout


def fetch(folder, package, *wanted):
    """Those of the package's files that match the wanted patterns, below folder/package. Fetched once, never installed."""
    root = folder / package
    if not root.exists():
        folder.mkdir(parents=True, exist_ok=True)
        try:
            call("apt-get", "-qq", "download", package, cwd=folder)
            deb = glob.glob(str(folder / f"{package}_*.deb"))[0]
            data = subprocess.run(["dpkg", "--fsys-tarfile", deb], check=True, stdout=subprocess.PIPE).stdout
        except (OSError, IndexError, subprocess.CalledProcessError) as problem:
            raise Unavailable(f"{package}: {problem}") from problem
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            tar.extractall(folder / f"{package}.new", [m for m in tar if any(fnmatch.fnmatch(m.name, w) for w in wanted)])
        (folder / f"{package}.new").rename(root)
    return root


def cpio(files):
    """An initramfs (newc format, see Linux's buffer-format.rst) of {name: (mode, bytes)}."""
    out = b""
    for number, (name, (mode, data)) in enumerate([*files.items(), ("TRAILER!!!", (0, b""))], 1):
        fields = [number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0]
        out += b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
        out += bytes(-len(out) % 4) + data
        out += bytes(-len(out) % 4)
    return out


def make_initrd(path, kernel_root, busybox):
    def module(name):
        return next(kernel_root.glob(f"lib/modules/*/kernel/drivers/{name}")).read_bytes()
    folder, program, data = stat.S_IFDIR | 0o755, stat.S_IFREG | 0o755, stat.S_IFREG | 0o644
    files = {name: (folder, b"") for name in ("bin", "dev", "proc", "sys")}
    files["init"] = (program, INIT.encode())
    files["bin/busybox"] = (program, busybox.read_bytes())
    files["xen-blkfront.ko"] = (data, module("block/xen-blkfront.ko"))
    files["xen-netfront.ko"] = (data, module("net/xen-netfront.ko"))
    path.write_bytes(gzip.compress(cpio(files), 1))


def linux(folder):
    """(kernel ELF, initial RAM disk). Our domain builder takes ELF files: the kernel is taken out of its self-extractor."""
    folder = pathlib.Path(folder)
    kernel, initrd = folder / "vmlinux", folder / "linux-initrd.gz"
    try:
        package = re.search(r"Depends: (linux-image-\S+)", call("apt-cache", "depends", "linux-image-amd64")).group(1)
    except (OSError, AttributeError) as problem:
        raise Unavailable(f"linux-image-amd64: {problem}") from problem
    root = fetch(folder, package, "*/vmlinuz-*", "*/xen-blkfront.ko", "*/xen-netfront.ko")
    if not kernel.exists():
        image = next(root.glob("boot/vmlinuz-*")).read_bytes()
        start = image.find(b"\xfd7zXZ\0")
        if start < 0:
            raise Unavailable("the kernel is not packed with xz any more")
        kernel.write_bytes(lzma.LZMADecompressor().decompress(image[start:]))
    make_initrd(initrd, root, fetch(folder, "busybox-static", "*/bin/busybox") / "bin" / "busybox")
    return kernel, initrd


def grub(folder):
    return fetch(pathlib.Path(folder), "grub-xen-host", "*/grub-x86_64-xen.bin") / "usr/lib/grub-xen/grub-x86_64-xen.bin"
