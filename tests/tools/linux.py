#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes a guest of Debian's Linux: the kernel's ELF out of the bzImage, and an initramfs of busybox and the PV front ends.

    linux.py ROOT OUT [PROGRAM...]    ROOT: where the packages linux-image-*-amd64 and busybox-static are unpacked (dpkg -x)
                             OUT: gets vmlinux and initramfs.cpio.gz; PROGRAM: static programs that go to its /bin

Nothing of the kernel is changed: the bytes that boot are Debian's, only taken out of their wrapping, because a PV guest is not
loaded by the bzImage's own decompressor. The layout of the wrapping is Documentation/x86/boot.rst's: `payload_offset` and
`payload_length` in the setup header say where the compressed ELF is.
"""
import gzip
import lzma
import pathlib
import re
import struct
import sys

# What the initramfs needs beyond busybox: front ends (modules in Debian's kernel) and a file system for the disk.
MODULES = ["xen-blkfront", "xen-netfront", "ext4"]
APPLETS_AT_BOOT = ["sh", "mount", "mkdir", "insmod", "mknod", "cat", "echo"]


def vmlinux_of(bzimage):
    """The ELF inside a bzImage (bytes in, bytes out)."""
    sectors, magic, = bzimage[0x1f1] or 4, bzimage[0x202:0x206]
    if magic != b"HdrS":
        sys.exit("linux.py: not a bzImage")
    version = struct.unpack_from("<H", bzimage, 0x206)[0]
    if version < 0x208:
        sys.exit(f"linux.py: boot protocol {version:#x} does not say where the payload is")
    offset, length = struct.unpack_from("<II", bzimage, 0x248)
    payload = bzimage[(sectors + 1) * 512 + offset:][:length]
    if payload.startswith(b"\xfd7zXZ\0"):
        # The last four bytes are the uncompressed size, which the decompressor object does not want.
        return lzma.LZMADecompressor(lzma.FORMAT_XZ).decompress(payload)
    if payload.startswith(b"\x1f\x8b"):
        return gzip.decompress(payload[:-4])
    if payload.startswith(b"\x7fELF"):
        return payload
    sys.exit(f"linux.py: a kernel compressed in a way this tool does not know ({payload[:4].hex()})")


def dependencies(module):
    """The modules a .ko wants loaded first, from its .modinfo strings."""
    found = re.search(rb"\0depends=([^\0]*)\0", module)
    return [name for name in found.group(1).decode().split(",") if name] if found else []


def in_loading_order(tree, names):
    """Paths of the modules and all they depend on, each after its dependencies."""
    by_name = {path.name.removesuffix(".ko").replace("-", "_"): path for path in tree.rglob("*.ko")}
    order = []

    def add(name):
        path = by_name[name.replace("-", "_")]
        if path in order:
            return
        for needed in dependencies(path.read_bytes()):
            add(needed)
        order.append(path)

    for name in names:
        add(name)
    return order


class Cpio:
    """A newc archive, what the kernel unpacks its root from (Documentation/driver-api/early-userspace/buffer-format.rst)."""

    def __init__(self):
        self.bytes, self.inode = bytearray(), 1

    def add(self, name, data=b"", mode=0o100644, device=(0, 0)):
        name = name.encode() + b"\0"
        fields = [self.inode, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name), 0]
        self.bytes += b"070701" + b"".join(b"%08X" % field for field in fields) + name
        self.bytes += b"\0" * (-len(self.bytes) % 4) + data
        self.bytes += b"\0" * (-len(self.bytes) % 4)
        self.inode += 1

    def directory(self, name):
        self.add(name, mode=0o040755)

    def finished(self):
        self.add("TRAILER!!!", mode=0)
        return bytes(self.bytes)


def initramfs(root, extra):
    """busybox, the modules and /init; extra: {name in the archive: bytes}, executable."""
    archive = Cpio()
    for directory in ["bin", "dev", "proc", "sys", "tmp", "mnt", "etc", "lib", "www"]:
        archive.directory(directory)
    archive.add("dev/console", mode=0o020600, device=(5, 1))
    archive.add("dev/null", mode=0o020666, device=(1, 3))
    archive.add("bin/busybox", (root / "bin/busybox").read_bytes(), 0o100755)
    for applet in APPLETS_AT_BOOT:
        archive.add(f"bin/{applet}", b"busybox", 0o120777)
    modules = in_loading_order(next((root / "lib/modules").iterdir()), MODULES)
    for path in modules:
        archive.add(f"lib/{path.name}", path.read_bytes())
    archive.add("lib/order", "".join(f"/lib/{path.name}\n" for path in modules).encode())
    for name, data in extra.items():
        archive.add(name, data, 0o100755)
    return archive.finished()


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    root, out, *programs = (pathlib.Path(argument) for argument in sys.argv[1:])
    kernels = sorted((root / "boot").glob("vmlinuz-*"))
    if not kernels:
        sys.exit(f"linux.py: no kernel in {root}/boot: unpack Debian's linux-image package there")
    out.mkdir(parents=True, exist_ok=True)
    (out / "vmlinux").write_bytes(vmlinux_of(kernels[-1].read_bytes()))
    extra = {f"bin/{path.name}": path.read_bytes() for path in programs}
    extra["init"] = (pathlib.Path(__file__).parent.parent / "linux" / "init").read_bytes()
    (out / "initramfs.cpio.gz").write_bytes(gzip.compress(initramfs(root, extra), 6, mtime=0))


if __name__ == "__main__":
    main()
