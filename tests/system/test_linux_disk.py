# SPDX-License-Identifier: MIT
"""Debian's Linux uses its disks as on any machine: file systems, flush and discard that reach the
real disk, errors that reach the program.

One boot for all of it. Three disks, each a partition of the real one: an empty one, one with a file
system that this host made, and one that answers some sectors with errors (QEMU's blkdebug). QEMU
itself counts what arrives at the real disk.
"""
import gzip
import hashlib
import pathlib
import re

import pytest

import disk
import linux
import linux_box
import machine
import pvgrub
import qmp

pytestmark = pytest.mark.xdist_group("linux-disk")             # one machine: all on one worker
FOLDER = machine.BUILD / "linux-disk"
# this host's, into the guest
TOOLS = [pathlib.Path("/usr/sbin") / name for name in ("mke2fs", "e2fsck")]
FILES = {"letter": b"written by the host\n",
         "numbers": b"".join(b"%d\n" % i for i in range(200000))}
MIB = 2048                                      # sectors
EMPTY, OLD, BROKEN = 1, 65, 82                  # where the partitions begin, in MiB (see disk.py)
BAD_READ, BAD_WRITE = 64, 128                   # sectors of the broken disk


def initramfs_with_tools():
    """Archives may follow one another: the kernel unpacks them all."""
    more = linux.Cpio()
    for path in TOOLS:
        more.add(f"bin/{path.name}", path.resolve().read_bytes(), 0o100755)
    more.add("bin/mkfs.ext4", b"mke2fs", 0o120777)
    linux.add_libraries(more, [], TOOLS)
    out = FOLDER / "initramfs-e2fs.gz"
    out.write_bytes((linux_box.FOLDER / "initramfs.cpio.gz").read_bytes() +
                    gzip.compress(more.finished(), 1))
    return out


def real_disk():
    """Its options for QEMU."""
    tree = FOLDER / "tree"
    tree.mkdir(parents=True, exist_ok=True)
    for name, data in FILES.items():
        (tree / name).write_bytes(data)
    disk.make_disk(FOLDER / "disk.img",
                   [("empty", 64, None),
                    ("old", 17, pvgrub.file_system(FOLDER / "old.img", 16, tree)),
                    ("broken", 8, None)])
    rules = "".join(f'[inject-error]\nevent = "none"\niotype = "{kind}"\nerrno = "5"\nsector = '
                    f'"{BROKEN * MIB + sector}"\n'
                    for kind, sector in (("read", BAD_READ), ("write", BAD_WRITE)))
    (FOLDER / "errors.conf").write_text(rules)
    return ["-drive",
            f"if=none,id=d0,format=raw,discard=unmap,"
            f"file=blkdebug:{FOLDER / 'errors.conf'}:{FOLDER / 'disk.img'}",
            "-device", "virtio-blk-pci,drive=d0,disable-legacy=on"]


def disk_stats(system):
    """What QEMU knows of its disk."""
    return next(d["stats"] for d in system.qemu.ask("query-blockstats") if d.get("device") == "d0")


@pytest.fixture(scope="module")
def box():
    linux_box.available()
    FOLDER.mkdir(parents=True, exist_ok=True)
    ramdisk = initramfs_with_tools()
    config = linux_box.config("linux", extra=linux_box.QUICK, ramdisk=ramdisk.name,
                              disk=["phy:empty,xvda,w", "phy:old,xvdb,w", "phy:broken,xvdc,w"])
    # such a path must be short
    monitor = pathlib.Path(f"/tmp/domus-{machine.free_port()}.qmp")
    options = real_disk() + ["-qmp", f"unix:{monitor},server=on,wait=off"]
    with linux_box.LinuxBox("linux-disk", {"linux.cfg": config},
                            usual=[ramdisk], extra=options) as system:
        system.boot("linux.cfg")
        system.shell("linux", "stty columns 400")
        system.qemu = qmp.Monitor(monitor)
        yield system
        system.shell("linux", "umount -a -t ext4")
        system.ask("xl destroy linux")
        system.audit()
        system.power_off()
    monitor.unlink(missing_ok=True)


def sh(box, line, timeout=60):
    """A line that must succeed."""
    answer = box.shell("linux", f"({line}) 2>&1 && echo all''well", timeout)
    assert "allwell" in answer, answer
    return answer


def test_a_new_file_system(box):
    sh(box, "mkfs.ext4 -q /dev/xvda && mount -t ext4 /dev/xvda /mnt")
    sh(box, "dd if=/dev/urandom of=/tmp/data bs=1M count=16 && cp /tmp/data /mnt/data && mkdir "
            "/mnt/many")
    sh(box, "for i in $(seq 300); do echo $i > /mnt/many/$i; done; sync; md5sum < /tmp/data > "
            "/mnt/sum")
    sh(box, "umount /mnt && e2fsck -fn /dev/xvda && mount -t ext4 /dev/xvda /mnt")
    answer = sh(box, "md5sum < /mnt/data | cmp - /mnt/sum && cat /mnt/many/* | md5sum")
    assert hashlib.md5(b"".join(b"%d\n" % i for i in sorted(range(1, 301), key=str))).hexdigest() \
        in answer
    sh(box, "umount /mnt && e2fsck -fn /dev/xvda")


def test_a_file_system_that_the_host_made(box):
    answer = sh(box, "mount /dev/xvdb /mnt && md5sum /mnt/letter /mnt/numbers")
    for name, data in FILES.items():
        assert f"{hashlib.md5(data).hexdigest()}  /mnt/{name}" in answer
    sh(box, "echo written by the guest > /mnt/answer && umount /mnt && e2fsck -fn /dev/xvdb")


def test_flush_reaches_the_real_disk(box):
    before = disk_stats(box)["flush_operations"]
    sh(box, "dd if=/dev/zero of=/dev/xvda bs=4k count=1 conv=fsync")
    assert disk_stats(box)["flush_operations"] > before


def test_discard_reaches_the_real_disk(box):
    sh(box, "dd if=/dev/urandom of=/dev/xvda bs=1M count=32 conv=fsync", 120)
    before = (FOLDER / "disk.img").stat().st_blocks
    sh(box, f"blkdiscard -l {32 << 20} /dev/xvda")
    # this host has its space back
    assert before - (FOLDER / "disk.img").stat().st_blocks > 30 * MIB


def test_errors_of_the_real_disk_reach_the_program(box):
    answer = box.shell("linux", f"dd if=/dev/xvdc of=/dev/null bs=4k count=1 skip={BAD_READ // 8} "
                                f"iflag=direct; echo status $?")
    assert re.search("I(nput)?/[Oo](utput)? error", answer) and "status 1" in answer, answer
    answer = box.shell("linux", f"dd if=/dev/zero of=/dev/xvdc bs=4k count=1 seek={BAD_WRITE // 8} "
                                f"oflag=direct; echo status $?")
    assert re.search("I(nput)?/[Oo](utput)? error", answer) and "status 1" in answer, answer
    assert re.search(r"blk_update_request|I/O error, dev xvdc, sector 64",
                     sh(box, "dmesg | tail -n 20 | sed 's,^,said: ,'"))
    # reads are well there
    sh(box, f"dd if=/dev/xvdc of=/dev/null bs=4k count=1 skip={BAD_WRITE // 8} iflag=direct")
    sh(box, f"dd if=/dev/zero of=/dev/xvdc bs=4k count=1 seek={BAD_READ // 8} oflag=direct")
