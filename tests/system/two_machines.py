# SPDX-License-Identifier: MIT
"""Two machines at one net, and who sits in the middle of it: a test, which hears every frame, loses
some, changes some, and cuts the connection that it wants to.
"""
import contextlib
import os
import pathlib
import random
import socket
import struct
import tempfile
import threading

import dom0

ADDRESSES = ("10.0.2.10", "10.0.2.11")
PORT = 8002
RST, ACK = 4, 16
GATEWAY, GATEWAY_MAC = bytes((10, 0, 2, 2)), bytes((0x52, 0x55, 10, 0, 2, 2))


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


class Segment:
    """What is TCP of or for a guest that moves in an Ethernet frame; None if nothing is."""

    def __init__(self, frame):
        self.frame, self.tcp = frame, 14 + (frame[14] & 15) * 4
        self.ports = struct.unpack_from("!HH", frame, self.tcp)
        self.sequence, self.ack = struct.unpack_from("!II", frame, self.tcp + 4)
        self.flags = frame[self.tcp + 13]
        end = 14 + struct.unpack_from("!H", frame, 16)[0]
        self.begin = self.tcp + (frame[self.tcp + 12] >> 4) * 4
        self.data = frame[self.begin:end]

    @classmethod
    def of(cls, frame):
        if len(frame) < 54 or frame[12:14] != b"\x08\0" or frame[23] != 6:
            return None
        segment = cls(frame)
        return segment if PORT in segment.ports else None

    def packet(self, ports, sequence, ack, flags, data, back):
        """The same connection's, with these contents; back: the other way."""
        there, here, ip = self.frame[:6], self.frame[6:12], self.frame[14:34]
        source, target = ip[12:16], ip[16:20]
        if back:
            there, here, source, target = here, there, target, source
        tcp = struct.pack("!HHIIBBHHH", *ports, sequence, ack, 0x50, flags, 8192, 0, 0) + data
        whole = checksum(source + target + struct.pack("!HH", 6, len(tcp)) + tcp)
        tcp = tcp[:16] + struct.pack("!H", whole) + tcp[18:]
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0x4000, 64, 6, 0)
        head += source + target
        head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
        return there + here + b"\x08\0" + head + tcp

    def with_data(self, data):
        return self.packet(self.ports, self.sequence, self.ack, self.flags, data, False)

    def resets(self):
        """To whom it was for, and back to who sent it: as if the other had said so."""
        return (self.packet(self.ports, self.sequence, self.ack, RST | ACK, b"", False),
                self.packet(self.ports[::-1], self.ack, self.sequence, RST | ACK, b"", True))


class Net:
    """The cable between two machines. lose: of a thousand frames; hold: of segments, all; change:
    what becomes of a segment's data; cut_at: bytes of data, whoever sends them, behind which
    nothing of that connection gets through any more, and cut_when: the same, by what it says
    (reset: both are told so). Who asks for 10.0.2.2 gets an answer."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="domus-net-")
        self.listeners, self.sockets, self.lock = [], [None, None], threading.Lock()
        for side in 0, 1:
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(self.path(side))
            listener.listen(1)
            self.listeners.append(listener)
        self.random = random.Random(1)
        self.be_good()
        self.ended = False
        for side in 0, 1:
            threading.Thread(target=self.carry, args=(side,), daemon=True).start()

    def path(self, side):
        return str(pathlib.Path(self.folder.name) / f"{side}")

    def netdev(self, side):
        return f"stream,id=n0,server=off,addr.type=unix,addr.path={self.path(side)}"

    def be_good(self):
        self.lose, self.hold, self.change, self.reset = 0, False, None, False
        self.cut_at = self.cut_when = None
        self.passed, self.dead = 0, set()

    def carry(self, side):
        """All that this side sends."""
        with contextlib.suppress(OSError):
            self.sockets[side], _ = self.listeners[side].accept()
            stream = self.sockets[side].makefile("rb")
            while not self.ended:
                size = stream.read(4)
                if len(size) < 4:
                    return
                frame = stream.read(struct.unpack("!I", size)[0])
                with self.lock:
                    self.judge(side, frame)

    def put(self, side, frame):
        if self.sockets[side]:
            with contextlib.suppress(OSError):
                self.sockets[side].sendall(struct.pack("!I", len(frame)) + frame)

    def judge(self, side, frame):
        segment = Segment.of(frame)
        if self.lose and self.random.randrange(1000) < self.lose:
            return
        if segment:
            name = tuple(sorted(segment.ports))
            if self.hold or name in self.dead:
                return
            self.passed += len(segment.data)
            if self.is_cut(side, segment.data):
                self.cut_at = self.cut_when = None
                self.dead.add(name)
                if self.reset:
                    for to, reset in zip((1 - side, side), segment.resets()):
                        self.put(to, reset)
                return
            if self.change and segment.data:
                data = self.change(side, segment.data)
                if data != segment.data:
                    frame = segment.with_data(data)
        if frame[12:14] == b"\x08\x06" and frame[20:22] == b"\0\1" and frame[38:42] == GATEWAY:
            self.put(side, frame[6:12] + GATEWAY_MAC + frame[12:20] + b"\0\2" + GATEWAY_MAC +
                     GATEWAY + frame[22:32])
        self.put(1 - side, frame)

    def is_cut(self, side, data):
        return (self.cut_at is not None and self.passed > self.cut_at) or \
            (self.cut_when and data and self.cut_when(side, data))

    def close(self):
        self.ended = True
        for one in self.listeners + self.sockets:
            if one:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
                one.close()
        self.folder.cleanup()


def not_come(one):
    """How often something has not come, in all."""
    one.ask("sleep 1")
    return one.said().count("has not come")


class Pair:
    """Both, with dom0's prompt of each. disk: an image that both have; kind: what makes one."""

    def __init__(self, name, disk=None, kind=dom0.Dom0, **options):
        self.net, self.machines = Net(), []
        worker = os.environ.get("PYTEST_XDIST_WORKER", "alone")
        try:
            for side in 0, 1:
                extra = ["-global", f"virtio-net-pci.mac=52:54:00:12:34:{0x60 + side:02x}"]
                if disk:
                    extra += ["-drive", f"if=none,id=d0,file={disk},format=raw,file.locking=off",
                              "-device", "virtio-blk-pci,drive=d0,disable-legacy=on"]
                self.machines.append(kind(f"{name}-{worker}-{side}", smp=1, extra=extra,
                                          net=self.net.netdev(side), **options))
                self.machines[side].ask(f"ip {ADDRESSES[side]}")
        except BaseException:
            self.kill()
            raise

    def kill(self):
        for one in self.machines:
            one.kill()
        self.net.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.kill()
