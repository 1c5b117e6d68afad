# SPDX-License-Identifier: MIT
"""What every system test gets: a machine with dom0 at its prompt, shared by the tests of a file
while it is well.

After each test every guest is ended, the hypervisor recounts all references (no violation:
invariants I1 to I4), and the machine's free memory must be what it was before (I10: a destroyed
domain owns nothing). So a leak fails the test that made it.
"""
import os

import pytest

import dom0
import machine

# two workers may run tests of one file: each has its own machine
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "main")


class Shared:
    """The machine of one file of tests. It is thrown away when a test leaves it in an unknown
    state."""

    def __init__(self, name, port):
        self.name, self.port, self.system = name, port, None

    def get(self):
        if not self.system:
            disk = machine.fresh_disk(self.name)
            self.system = dom0.Dom0(self.name, disk=disk,
                                    net=f"user,id=n0,hostfwd=udp:127.0.0.1:{self.port}-10.0.2.31:7")
            self.system.port = self.port
            self.warm_up()
        return self.system

    def warm_up(self):
        """The first guests grow tables that stay, of dom0's ports and of its grant mappings: they
        are no leak."""
        for config in ("share-take.cfg", "insula1.cfg", "insula2.cfg"):
            self.system.create(config)
        for name in ("insula1", "insula2"):
            self.system.shell(name, "ping 10.0.2.2 2 fast")
        self.system.end_all()

    def drop(self):
        if self.system:
            self.system.kill()
            self.system = None


@pytest.fixture(scope="module")
def shared(request):
    holder = Shared(f"{request.module.__name__}-{WORKER}", machine.free_port())
    yield holder
    holder.drop()


@pytest.fixture
def system(request, shared):
    failed = request.session.testsfailed
    try:
        box = shared.get()
        # a test that makes tables grow may take it anew
        box.free_before = box.free_pages()
    except machine.Failed:
        shared.drop()
        raise
    yield box
    if request.session.testsfailed > failed:
        shared.drop()
        return
    try:
        box.end_all()
        box.all_free_again(box.free_before)
        box.audit()
    except machine.Failed:
        shared.drop()
        raise
