# SPDX-License-Identifier: MIT
"""A disk that answers nobody any more, with a guest's requests at it: who waits for it can stop
waiting, everybody else goes on, and what has waited is done when it answers again."""
import pathlib

import pytest

import dom0
import machine
import qmp

pytestmark = pytest.mark.skipif(dom0.ON_XEN, reason="what is tested is Domus")


class Box(dom0.Dom0):
    """With a disk that can be silenced, between two of its answers."""

    def __init__(self, monitor):
        disk = machine.fresh_disk("silent-disk")
        super().__init__("silent-disk", disk=disk, net=None,
                         extra=("-qmp", f"unix:{monitor},server=on,wait=off"))
        self.monitor, self.answered = qmp.Monitor(monitor), None

    def brake(self, bytes_a_second):
        """0: none."""
        none = dict.fromkeys(("bps_rd", "bps_wr", "iops", "iops_rd", "iops_wr"), 0)
        self.monitor.ask("block_set_io_throttle", {"device": "d0", "bps": bytes_a_second, **none})

    def flood(self):
        """A guest that has requests at the disk all the time, and gets no more answers."""
        self.create('attack-flood.cfg extra="flood=disk" vif=[]')
        before = self.requests()
        self.until(lambda: self.requests() > before + 100)
        self.brake(1)
        self.until(self.is_still, every=1)

    def requests(self):
        return self.monitor.ask("query-blockstats")[0]["stats"]["rd_operations"]

    def is_still(self):
        """Since the last look."""
        before, self.answered = self.answered, self.requests()
        return before == self.answered

    def interrupt(self, line):
        """What is said of a command that Ctrl-C ends."""
        self.send(line)
        self.child.send("\x03")
        return machine.ESCAPES.sub("", self.see(r"\^C\r*\n([^\n]*)\n").group(1)).strip()


def test_who_waits_for_a_silent_disk_can_stop_waiting():
    # such a path must be short
    monitor = pathlib.Path(f"/tmp/domus-{machine.free_port()}.qmp")
    with Box(monitor) as system:
        system.flood()                                  # the first one fills what stays
        system.brake(0)
        system.ask("destroy attack")
        before = system.free_pages()
        system.flood()
        assert "cannot use it any more" in system.interrupt("block-detach -f attack xvda")
        assert "it runs no more" in system.interrupt("destroy attack")
        assert "given up" in system.interrupt("restore insula1")
        assert "is in use" in system.refused("create insula1.cfg")
        # nobody else's business
        system.create("""attack-flood.cfg name="other" extra="flood=timers" disk=[] vif=[]""")
        system.ask("destroy other")
        assert "is just ending" in system.refused("create attack-flood.cfg")
        system.brake(0)
        system.until(lambda: "attack" not in system.domains())
        system.all_free_again(before)
        system.audit()
        system.flood()
        assert "the machine ends without it" in system.interrupt("poweroff")
        assert system.wait_off() == 0
    monitor.unlink(missing_ok=True)
