# SPDX-License-Identifier: MIT
"""A recording: a folder with all that a machine needs to run once more exactly as it ran. QEMU
counts instructions and writes down what comes from outside, and when (-icount rr=record): keys,
packets, the ends of disk accesses, the clock. Beside that log lie copies of what was booted and of
the disk, so that a recording does not change when something is built anew; it may be moved.

In QEMU's words all files of the folder are named as seen from within it. Two images of its own kind
(qcow2) take what is written: the disk's, and the state of the machine at its beginning, from which
it is run again whenever the debugger goes backwards.
"""
import fcntl
import json
import os
import pathlib
import re
import select
import shutil
import struct
import subprocess
import termios
import time
import tty

import host
import qemu

WORDS, LOG, STATE, DISK = "machine.json", "log", "state.qcow2", "disk.qcow2"
STATE_BYTES = 1 << 40                   # as far as it may grow: it is empty
CLUSTER = 1 << 16
# While it records, QEMU does not wait until the UART has room for a key: 16 would be lost in a
# burst. So each waits for the echo of the one before, or so many seconds.
PAUSE = 0.3


def make_qcow2(path, size, backing=None, backing_format=None):
    """An empty image of that many bytes, or one over another: qcow2 of version 2, as QEMU's
    docs/interop/qcow2.txt has it: header, table of counts, counts, first table."""
    slots = max(1, -(-size // (CLUSTER // 8 * CLUSTER)))
    tables = -(-slots * 8 // CLUSTER)
    more = struct.pack(">II8s", 0xE2792ACA, len(backing_format), backing_format.encode()) \
        if backing else b""
    more += bytes(8)
    name = backing.encode() if backing else b""
    header = struct.pack(">4sIQIIQIIQQIIQ", b"QFI\xfb", 2, 72 + len(more) if backing else 0,
                         len(name), 16, size, 0, slots, 3 * CLUSTER, CLUSTER, 1, 0, 0)
    counts = struct.pack(">H", 1) * (3 + tables)
    parts = (header + more + name, struct.pack(">Q", 2 * CLUSTER), counts)
    path.write_bytes(b"".join(part.ljust(CLUSTER, b"\0") for part in parts) +
                     bytes(tables * CLUSTER))


def bytes_of_disk(image):
    if qemu.disk_format(image) == "raw":
        return os.path.getsize(image)
    with open(image, "rb") as file:
        return struct.unpack_from(">Q", file.read(32), 24)[0]


def version():
    """Of QEMU: another one's machine may run in another way."""
    said = subprocess.run([host.program("qemu-system-x86_64"), "--version"], capture_output=True,
                          text=True, check=True).stdout
    return re.search(r"version ([0-9.]+)", said)[1]


def begin(folder):
    """The folder for a new one."""
    try:
        folder.mkdir(parents=True)
    except FileExistsError as problem:
        raise host.Refused(f"{folder} is there already; a recording is a folder of its own. Give "
                           "it another name, or remove that one") from problem


def take_disk(folder, disk):
    """Its copy as of now, and what will be written over it."""
    with open(disk, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError as problem:
            raise host.Refused(f"{disk} is being written by another machine: record when that has "
                               "ended") from problem
        copy = folder / f"disk{pathlib.Path(disk).suffix}"
        subprocess.run(["cp", "--sparse=always", "--reflink=auto", "--", disk, copy], check=True)
    make_qcow2(folder / DISK, bytes_of_disk(copy), copy.name, qemu.disk_format(copy))


def words_of(folder, options):
    """QEMU's words, all but those for its line, which are written down for the replay."""
    make_qcow2(folder / STATE, STATE_BYTES)
    if options.pop("disk", None):
        options["disk"] = folder / DISK
    command = qemu.command(line=[], rr="record", **options | {"snapshot": False})
    inside = [word.replace(qemu.in_list(folder) + "/", "").replace(f"{folder}/", "")
              for word in command]
    return inside


def keep(folder, words, bare):
    (folder / WORDS).write_text(json.dumps({"qemu": version(), "bare": bare, "words": words},
                                           indent=1) + "\n")


def read(folder):
    """(words, whether a kernel is in dom0's place) for the replay. The program is ours, whatever
    the folder calls it; QEMU's words are as they were written down."""
    text = host.file(folder / WORDS, "`domus-run --record` makes such a folder").read_text()
    try:
        kept = json.loads(text)
        recorder, bare = kept["qemu"], kept["bare"]
        words = [word.replace("rr=record", "rr=replay") for word in kept["words"][1:]]
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise host.Refused(f"{folder / WORDS} is not as `domus-run --record` has written it: "
                           "record anew") from problem
    if recorder != version():
        raise host.Refused(f"{folder} was recorded by QEMU {recorder}, and here is "
                           f"{version()}: only the same one can replay it")
    return [host.program("qemu-system-x86_64"), *words], bare


def relay(child):
    """Between this terminal and the machine's line, until it ends, or Ctrl-a x ends it: QEMU's own
    monitor would not replay."""
    ends, escaped, keys, free_at = False, False, b"", 0
    sources = [child.stdout, 0]
    while not ends:
        left = max(0, free_at - time.monotonic())
        ready = select.select(sources, [], [], left if keys else None)[0]
        if child.stdout in ready:
            said = os.read(child.stdout.fileno(), 4096)
            os.write(1, said)
            ends, free_at = not said, 0
        if 0 in ready:
            typed = os.read(0, 4096)
            if not typed:
                sources.remove(0)
            for key in typed:
                if escaped and key in b"xX":
                    child.terminate()
                elif key != 1 or escaped:
                    keys += bytes([key])
                escaped = key == 1 and not escaped
        if keys and not ends and time.monotonic() >= free_at:
            os.write(child.stdin.fileno(), keys[:1])
            keys, free_at = keys[1:], time.monotonic() + PAUSE


def record(folder, words):
    """Runs it; QEMU ends its log when it is asked to end, not when it is killed."""
    before = termios.tcgetattr(0) if os.isatty(0) else None
    with subprocess.Popen(words + qemu.PIPE, cwd=folder, stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, preexec_fn=qemu.die_with_parent,
                          start_new_session=True) as child:
        try:
            if before:
                tty.setraw(0, termios.TCSADRAIN)
            relay(child)
        except BrokenPipeError:
            pass
        finally:
            if before:
                termios.tcsetattr(0, termios.TCSADRAIN, before)
            child.terminate()
            status = child.wait()
    return status if status >= 0 else 128 - status


def forget(folder):
    """Of a machine that could not be put together nothing is left."""
    shutil.rmtree(folder, ignore_errors=True)
