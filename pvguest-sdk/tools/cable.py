# SPDX-License-Identifier: MIT
"""A cable between two machines of domus-run's: a folder that both name, with a socket for each end.

Who comes first has end 0. Frames to an end at which there is no machine (yet, or any more) are
lost, as on a real one. The folder is its maker's alone: who can write to a socket is on the net.
"""
import fcntl
import os
import pathlib

import host
import qemu

ADDRESSES = ("10.0.2.10", "10.0.2.11")  # of the dom0 at each end
FIRST_MAC = 0x525400123456              # QEMU's first card; at the other end it is the next one
LONGEST = 107                           # path of a socket (struct sockaddr_un)


class Cable:
    """The end of it that is free, ours for as long as we live."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder).absolute()
        if len(os.fsencode(self.folder / "0")) > LONGEST:
            raise host.Refused(f"{self.folder} is too long a name: the sockets in it have room for "
                               f"{LONGEST - 2} bytes")
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self.end = next((end for end in (0, 1) if self.take(end)), None)
        if self.end is None:
            raise host.Refused(f"{folder} has a machine at both ends; another folder is another "
                               "cable")

    def take(self, end):
        lock = os.open(self.folder / f"{end}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            os.close(lock)
            return False

    def netdev(self):
        here, there = (qemu.in_list(self.folder / str(end)) for end in (self.end, 1 - self.end))
        return (f"dgram,id=n0,local.type=unix,local.path={here},"
                f"remote.type=unix,remote.path={there}")

    def words(self):
        """QEMU's, for a card that is not the other one."""
        mac = (FIRST_MAC + self.end).to_bytes(6, "big").hex(":")
        return ["-global", f"virtio-net-pci.mac={mac}"]

    def says(self, bare):
        text = f"This is end {self.end} of the cable {self.folder}."
        if bare:
            return text
        here, there = ADDRESSES[self.end], ADDRESSES[1 - self.end]
        return f"{text}\ndom0 is {here} here, and {there} at the other end."
