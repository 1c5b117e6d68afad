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
        super().__init__("silent-disk", net=None, extra=(
            "-object", "throttle-group,id=brake", "-qmp", f"unix:{monitor},server=on,wait=off",
            "-drive", "if=none,id=d0,driver=throttle,throttle-group=brake,file.driver=raw,"
            f"file.file.driver=file,file.file.filename={disk}",
            "-device", "virtio-blk-pci,drive=d0"))
        self.monitor = qmp.Monitor(monitor)

    def brake(self, bytes_a_second):
        """0: none."""
        self.monitor.ask("qom-set", {"path": "/objects/brake", "property": "limits",
                                     "value": {"bps-total": bytes_a_second}})

    def flood(self):
        """A guest that has requests at the disk all the time, and gets no more answers."""
        self.create('attack-flood.cfg extra="flood=disk" vif=[]')
        before = self.requests()
        self.until(lambda: self.requests() > before + 100)
        self.brake(1)

    def requests(self):
        return self.monitor.ask("query-blockstats")[0]["stats"]["rd_operations"]

    def interrupt(self, line):
        """What is said of a command that Ctrl-C ends."""
        self.send(line)
        self.child.send("\x03")
        return machine.ESCAPES.sub("", self.see(r"\^C\r*\n([^\n]*)\n").group(1)).strip()


def test_who_waits_for_a_silent_disk_can_stop_waiting():
    # such a path must be short
    monitor = pathlib.Path(f"/tmp/domus-{machine.free_port()}.qmp")
    with Box(monitor) as system:
        before = system.free_pages()
        system.flood()
        assert "cannot use it any more" in system.interrupt("block-detach -f attack xvda")
        assert "it runs no more" in system.interrupt("destroy attack")
        assert "given up" in system.interrupt("restore insula1")
        assert "is in use" in system.refused("restore insula1")
        system.create("attack-flood.cfg name=other extra=flood=timers disk=[] vif=[]")
        system.ask("destroy other")                     # nobody else's business
        assert "is just ending" in system.refused("create attack-flood.cfg")
        system.brake(0)
        system.until(lambda: "attack" not in system.domains())
        system.all_free_again(before)
        system.audit()
        system.flood()
        assert "the machine ends without it" in system.interrupt("poweroff")
        assert system.wait_off() == 0
    monitor.unlink(missing_ok=True)
