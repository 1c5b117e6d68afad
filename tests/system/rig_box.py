# SPDX-License-Identifier: MIT
"""The rig as a machine: real Xen or Domus, Debian's Linux as dom0, Xen's own `xl` at its shell
(tests/tools/rig.py makes the image).

The same kernel and initramfs as in linux_box.py are its guests; what is done there at our dom0's
prompt is done here at a shell. Where Debian's archive cannot be reached, every test that wants it
is skipped.
"""
import contextlib
import re
import time

import archive
import pytest

import linux_box
import machine

FOLDER = machine.BUILD / "rig"
# As in dom0.py: without AVX, and with Xen's lazy FPU switched off. A comparison gives Domus the
# same processor.
CPU = machine.XEN.cpu + ",-avx"
XEN_ARGUMENTS = [*machine.XEN.args, "dom0_mem=1024M", "spec-ctrl=eager-fpu"]


def missing(domus=None):
    """Why there is no rig here, or None; on real Xen, or on Domus."""
    if not domus and not machine.xen_available():
        return "Debian's Xen could not be fetched"
    reason = FOLDER / "unavailable"
    return None if (FOLDER / "rig.cpio.gz").exists() \
        else reason.read_text().strip() if reason.exists() else "run `make rig`"


def available(domus=None):
    if missing(domus):
        pytest.skip(f"the rig is not here: {missing(domus)}")


class Rig(machine.Machine):
    """At the rig's shell, in the folder of the guests. It answers to the names that LinuxBox has.
    configs: {"NAME.cfg": text}; files: more for the folder of the guests; domus: the Hypervisor, if
    it is not real Xen; snapshot: what is written to the disk is forgotten."""

    def __init__(self, name, configs, *, disk, memory=2048, cpu=CPU, domus=None, snapshot=True,
                 smp=None, files=(), extra=()):
        available(domus)
        place = machine.BUILD / "linux-boxes" / name
        place.mkdir(parents=True, exist_ok=True)
        for file, text in configs.items():
            (place / file).write_text(text)
        guests = place / "guests.tar"
        archive.make_archive(guests,
                             [linux_box.FOLDER / "vmlinux", linux_box.FOLDER / "initramfs.cpio",
                              *(place / file for file in configs), *files])
        xen = machine.Hypervisor("xen", machine.XEN.path, XEN_ARGUMENTS, cpu)
        kernel = linux_box.FOLDER / "vmlinux" if domus else FOLDER / "vmlinuz"
        super().__init__(name, hypervisor=domus or xen,
                         modules=[[kernel, "console=hvc0", "quiet"],
                                  [FOLDER / "rig.cpio.gz"]], memory=memory,
                         smp=smp, disk=disk, snapshot=snapshot, net="user,id=n0",
                         extra=["-drive", f"if=none,id=d1,file={guests},format=raw,readonly=on",
                                "-device", "virtio-blk-pci,drive=d1", *extra])
        self.up = 0.0                       # when the last guest's shell was there (time.monotonic)
        self.expect("RIG UP", 300)

    def ask(self, line, timeout=60):
        """Runs a line in dom0's own shell; returns what it printed."""
        # the echo of this line has two blanks
        self.send(f"echo  begin  7; {line}; echo  done  7")
        self.expect(r"begin 7[\r\n]+", timeout)
        self.expect("done 7", timeout)
        return machine.ESCAPES.sub("", self.child.before).strip("\n")

    def done(self, line, timeout=60, undo="true"):
        """Runs a line that must succeed; returns what it printed. libxl ends a device's script that
        takes 40 s of real time, whoever has the CPU meanwhile: then what there is of the device is
        undone, and it is asked again."""
        for _ in range(4):
            said = self.ask(f"{line}; echo status $?", timeout)
            if "because of timeout" not in said:
                break
            self.ask(undo)
        assert said.endswith("status 0"), said
        return said.removesuffix("status 0").strip()

    def free_pages(self):
        """Pages of the machine that belong to nobody, in a tuple as LinuxBox has it."""
        return (int(self.ask("free-pages")),)

    def boot(self, file, timeout=240):
        """Attached at once (-c), so that the guest's first words are seen; then detached. As in
        done(), what libxl gave up is asked again."""
        for _ in range(4):
            self.send(f"xl create -c {file}")
            self.expect([r"LINUX UP: [^\r\n]*[\r\n]", r"because of timeout[^#]*guests # "],
                        timeout)
            if self.which == 0:
                break
        else:
            raise machine.Failed(f"{self.name}: xl does not make {file}\n{self.tail()}")
        self.up = time.monotonic()
        self.leave()

    def leave(self):
        """xenconsole takes its leave only when it has the terminal raw; then the rig's shell
        answers."""
        for _ in range(10):
            time.sleep(1)
            self.child.send("\x1d")
            with contextlib.suppress(machine.TooLate):
                self.expect(r"guests # ", 3)
                return
        raise machine.Failed(f"{self.name}: cannot leave a console\n{self.tail()}")

    def shell(self, name, line, timeout=240):
        """Runs a line in a guest's shell on hvc0; returns what it printed."""
        self.send("")
        self.send(f"xl console {name}")
        time.sleep(1)
        self.send(f"\recho  begin  7; {line}; echo  done  7")
        self.expect(r"begin 7[\r\n]+", timeout)
        self.expect("done 7", timeout)
        text = machine.ESCAPES.sub("", self.child.before)
        self.leave()
        return re.sub(linux_box.MESSAGE, "", text).strip("\n")
