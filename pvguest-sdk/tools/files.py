# SPDX-License-Identifier: MIT
"""The disk of files: what `refresh` at dom0's prompt reads. dom0/storage/files.h has what is on it.

QEMU has it from us, by the protocol of network block devices (NBD, doc/proto.md of its project:
fixed newstyle negotiation, simple replies), read-only. When the first sector is read, the archive
is put together from the files as they are then, and what follows is read from that.
"""
import pathlib
import socket
import struct
import threading

import host

SECTOR = 512
DISK_BYTES = 1 << 32                    # what is behind the archive is zeroes
INIT, OPTION, ANSWER = b"NBDMAGIC", b"IHAVEOPT", 0x3E889045565A9
REQUEST, REPLY = 0x25609513, 0x67446698
FIXED_NEWSTYLE, HAS_FLAGS, READ_ONLY = 1, 1, 2
ABORT, GO = 2, 7                        # options
ACK, INFO, UNSUPPORTED = 1, 3, (1 << 31) + 1
READ, DISCONNECT, FLUSH = 0, 2, 3       # requests
EPERM, EINVAL = 1, 22


def first_sector(text):
    """A line, cut where it would not fit."""
    line = "domus-files 1 " + " ".join(text.split())
    return (line.encode("ascii", "replace")[:SECTOR - 1] + b"\n").ljust(SECTOR, b"\0")


class Disk:
    """make(): puts the archive together, and returns its path; host.Refused, OSError: why not."""

    def __init__(self, path, make):
        self.make, self.line, self.archive = make, b"", b""
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(1)
        threading.Thread(target=self.serve, daemon=True).start()

    def refresh(self):
        self.archive = b""
        try:
            self.archive = pathlib.Path(self.make()).read_bytes()
            text = str(len(self.archive))
        except OSError as problem:
            text = f"error {host.said(problem)}"
        except Exception as problem:            # whoever asks waits for an answer
            text = f"error {problem}"
        self.line = first_sector(text)

    def bytes_at(self, at, size):
        if at < SECTOR:
            self.refresh()
        behind = max(at - SECTOR, 0)
        head = self.line[at:at + size] if at < SECTOR else b""
        return (head + self.archive[behind:behind + size - len(head)]).ljust(size, b"\0")

    # --- the wire ---
    def serve(self):
        """One machine, until it ends."""
        connection = self.listener.accept()[0]
        with connection, connection.makefile("rwb") as wire:
            try:
                if negotiate(wire):
                    while self.answer(wire):
                        pass
            except (OSError, struct.error):     # it has gone, in the middle of a word
                pass

    def answer(self, wire):
        magic, _, what, cookie, at, size = struct.unpack(">IHHQQI", wire.read(28))
        if magic != REQUEST or what == DISCONNECT:
            return False
        if what == READ:
            fits = at + size <= DISK_BYTES
            error, data = (0, self.bytes_at(at, size)) if fits else (EINVAL, b"")
        else:
            error, data = (0 if what == FLUSH else EPERM), b""
        wire.write(struct.pack(">IIQ", REPLY, error, cookie) + data)
        wire.flush()
        return True


def negotiate(wire):
    """True: it wants the disk."""
    wire.write(INIT + OPTION + struct.pack(">H", FIXED_NEWSTYLE))
    wire.flush()
    wire.read(4)
    while True:
        _, option, size = struct.unpack(">8sII", wire.read(16))
        wire.read(size)
        answers = {GO: [(INFO, struct.pack(">HQH", 0, DISK_BYTES, HAS_FLAGS | READ_ONLY)),
                        (ACK, b"")],
                   ABORT: [(ACK, b"")]}.get(option, [(UNSUPPORTED, b"")])
        for kind, data in answers:
            wire.write(struct.pack(">QIII", ANSWER, option, kind, len(data)) + data)
        wire.flush()
        if option in (GO, ABORT):
            return option == GO
