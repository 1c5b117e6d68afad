#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes guests of Debian's Linux: the kernel's ELF out of the bzImage, and an initramfs of busybox,
xenstore-utils and the PV front ends.

    linux.py OUT [PROGRAM...]    OUT gets vmlinux, initramfs.cpio and the same packed,
                                 initramfs.cpio.gz, and OUT/backports those of the newest kernel in
                                 backports; PROGRAM: static programs that go to its /bin
    linux.py --newest OUT        OUT/newest gets the vmlinux of the newest kernel that Debian has

The packages are fetched into OUT/packages by apt-get, not installed. Where they cannot be had,
OUT/unavailable says why. Nothing of the kernel is changed: the bytes that boot are Debian's, only
taken out of their wrapping, because a PV guest is not loaded by the bzImage's own decompressor, and
without the zeros, a third of the file, that a loader makes anyway.
"""
import gzip
import lzma
import pathlib
import re
import struct
import subprocess
import sys

import foreign

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "pvguest-sdk/tools"))
import bzimage
import host

# What the initramfs needs beyond busybox: the front ends (modules in Debian's kernel), and a file
# system, loaded when it is first mounted: each module's signature costs a second of an emulated
# boot.
MODULES = ["xen-blkfront", "xen-netfront"]
FILE_SYSTEMS = {"ext4": ["crc32c_generic", "ext4"]}
# What is unpacked of them.
MODULES_WANTED = ["*/drivers/*xen*", "*/drivers/*virtio*", "*/net_failover.ko*",
                  *(f"*/kernel/{part}/*" for part in ("fs", "lib", "crypto", "net"))]
APPLETS_AT_BOOT = ["sh", "mount", "mkdir", "insmod", "mknod", "cat", "echo"]
# xenstore-utils: one program that goes by many names.
XENSTORE = ["ls", "read", "write", "list", "watch", "chmod", "rm", "exists"]
# The C library loads it only when a thread ends itself or another one, as xenstore-watch,
# xenconsole and xl do; nobody names it as needed.
LOADED_LATE = "libgcc_s.so.1"
OWN_FILES = pathlib.Path(__file__).parent.parent / "linux"


def without_zeros(elf):
    """An ELF file that fills the same memory with the same bytes: less the zeros at the end of what
    is loaded, and less the sections, at which no loader looks. (Debian's last segment has .bss in
    its middle, so that its zeros are in the file, and every machine's GRUB would read them.)"""
    image = bytearray(elf)
    start, = struct.unpack_from("<Q", image, 32)
    count, = struct.unpack_from("<H", image, 56)
    end = start + 56 * count
    for header in range(start, end, 56):
        kind, = struct.unpack_from("<I", image, header)
        offset, = struct.unpack_from("<Q", image, header + 8)
        size, = struct.unpack_from("<Q", image, header + 32)
        if kind == 1:                                               # PT_LOAD
            size = len(image[offset:offset + size].rstrip(b"\0"))
            struct.pack_into("<Q", image, header + 32, size)
        end = max(end, offset + size)
    struct.pack_into("<Q", image, 40, 0)                            # no table of sections,
    struct.pack_into("<HH", image, 60, 0, 0)                        # of none
    return bytes(image[:end])


def dependencies(module):
    """The modules a .ko wants loaded first, from its .modinfo strings."""
    found = re.search(rb"\0depends=([^\0]*)\0", module)
    return [name for name in found.group(1).decode().split(",") if name] if found else []


def module_bytes(path):
    """A module as insmod wants it; newer packages compress them."""
    return lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()


def module_name(path):
    return path.name.removesuffix(".xz").removesuffix(".ko")


def in_loading_order(tree, names):
    """Paths of the modules and all they depend on, each after its dependencies."""
    by_name = {module_name(path).replace("-", "_"): path
               for path in [*tree.rglob("*.ko"), *tree.rglob("*.ko.xz")]}
    order = []

    def add(name):
        path = by_name[name.replace("-", "_")]
        if path in order:
            return
        for needed in dependencies(module_bytes(path)):
            add(needed)
        order.append(path)

    for name in names:
        add(name)
    return order


def add_modules(archive, tree, names, order="order"):
    """The modules into /lib, and /lib/ORDER for whoever loads them."""
    modules = in_loading_order(tree, names)
    for path in modules:
        archive.add(f"lib/{module_name(path)}.ko", module_bytes(path))
    archive.add(f"lib/{order}",
                "".join(f"/lib/{module_name(path)}.ko\n" for path in modules).encode())


def needed(binary):
    """Names of the shared libraries a binary asks for."""
    listing = subprocess.run(["readelf", "-d", str(binary)],
                             stdout=subprocess.PIPE, text=True, check=True).stdout
    return re.findall(r"NEEDED.*\[(.*)\]", listing)


def libraries(roots, programs, more=()):
    """{soname: path} of all libraries the programs need, and of more: the packages' own, else this
    (Debian) machine's."""
    def find(name):
        for root in [*roots, pathlib.Path("/")]:
            for folder in ("usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu",
                           "usr/lib/xen-4.17/lib/x86_64-linux-gnu", "lib64"):
                if (root / folder / name).exists():
                    return root / folder / name
        raise foreign.Unavailable(f"no library {name}")

    found = {name: find(name) for name in more}
    todo = [*programs, *found.values()]
    while todo:
        for name in needed(todo.pop()):
            if name not in found:
                found[name] = find(name)
                todo.append(found[name])
    return found


def add_libraries(archive, roots, programs, more=()):
    for name, path in libraries(roots, programs, more).items():
        archive.add(("lib64/" if name.startswith("ld-") else "lib/") + name,
                    path.read_bytes(), 0o100755)


class Cpio:
    """A newc archive, what the kernel unpacks its root from
    (Documentation/driver-api/early-userspace/buffer-format.rst)."""

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


def initramfs(modules, packages, programs):
    """busybox as init, the modules, xenstore-utils; programs: paths of executables for /bin."""
    archive = Cpio()
    for directory in ["bin", "sbin", "usr", "usr/bin",
                      "usr/sbin", "dev", "proc", "sys", "tmp", "mnt", "etc", "lib", "lib64", "www"]:
        archive.directory(directory)
    archive.add("dev/console", mode=0o020600, device=(5, 1))
    archive.add("dev/null", mode=0o020666, device=(1, 3))
    archive.add("bin/busybox", (packages["busybox-static"] / "bin/busybox").read_bytes(), 0o100755)
    for applet in APPLETS_AT_BOOT:
        archive.add(f"bin/{applet}", b"busybox", 0o120777)
    add_modules(archive, modules, MODULES)
    for name, needed_modules in FILE_SYSTEMS.items():
        add_modules(archive, modules, needed_modules, f"order.{name}")
    xenstore = packages["xenstore-utils"] / "usr/bin/xenstore"
    archive.add("bin/xenstore", xenstore.read_bytes(), 0o100755)
    for verb in XENSTORE:
        archive.add(f"bin/xenstore-{verb}", b"xenstore", 0o120777)
    add_libraries(archive, packages.values(), [xenstore], [LOADED_LATE])
    for path in programs:
        archive.add(f"bin/{path.name}", path.read_bytes(), 0o100755)
    archive.add("init", (OWN_FILES / "init").read_bytes(), 0o100755)
    archive.add("sbin/modprobe", (OWN_FILES / "modprobe").read_bytes(), 0o100755)
    # what `mount` tries
    archive.add("etc/filesystems", "".join(f"{name}\n" for name in FILE_SYSTEMS).encode())
    archive.add("etc/inittab", (OWN_FILES / "inittab").read_bytes())
    return archive.finished()


def image_of_today(apt=()):
    return foreign.dependency("linux-image-amd64", r"linux-image-[\d.]+\S*", apt)


def fetch_kernel(folder, apt=()):
    """Where today's linux-image is unpacked, as far as it is needed."""
    return foreign.fetch(folder, image_of_today(apt), "./boot/vmlinuz-*", *MODULES_WANTED, apt=apt)


def fetch_newest(folder):
    """The same of the newest, whose kernel and modules are packages of their own."""
    apt = foreign.newest(folder / "newest")
    image = image_of_today(apt)
    foreign.fetch(folder, image.replace("image", "modules"), *MODULES_WANTED, apt=apt)
    return foreign.fetch(folder, image.replace("image", "binary"), "*/vmlinuz*", apt=apt)


def make_kernel(out, root):
    out.mkdir(parents=True, exist_ok=True)
    try:
        kernel = bzimage.elf_of(next(root.rglob("vmlinuz*")).read_bytes())
    except host.Refused as problem:
        raise foreign.Unavailable(str(problem)) from problem
    (out / "vmlinux").write_bytes(without_zeros(kernel))


def make_guest(out, root, packages, programs):
    make_kernel(out, root)
    root_files = initramfs(root, packages, programs)
    (out / "initramfs.cpio").write_bytes(root_files)
    (out / "initramfs.cpio.gz").write_bytes(gzip.compress(root_files, 6, mtime=0))


def attempt(out, make):
    """Makes what can be had; leaves the reason where it cannot."""
    out.mkdir(parents=True, exist_ok=True)
    reason = out / "unavailable"
    reason.unlink(missing_ok=True)
    try:
        make()
    except foreign.Unavailable as problem:
        reason.write_text(f"{problem}\n")
        print(f"  SKIP    {out}: {problem}")


def main():
    if sys.argv[1:2] in ([], ["--help"]):
        sys.exit(__doc__)
    newest = sys.argv[1] == "--newest"
    out, *programs = (pathlib.Path(argument) for argument in sys.argv[1 + newest:])
    store = out / "packages"

    def packages():
        return {name: foreign.fetch(store, name, *wanted) for name, *wanted in (
            ("busybox-static", "./bin/busybox"), ("xenstore-utils", "./usr/bin/xenstore"),
            ("libxenstore4", "*.so*"), ("libxentoolcore1", "*.so*"))}

    if newest:
        attempt(out / "newest", lambda: make_kernel(out / "newest", fetch_newest(store)))
        return
    attempt(out, lambda: make_guest(out, fetch_kernel(store), packages(), programs))
    attempt(out / "backports",
            lambda: make_guest(out / "backports",
                               fetch_kernel(store, foreign.backports(store / "backports")),
                               packages(), programs))


if __name__ == "__main__":
    main()
