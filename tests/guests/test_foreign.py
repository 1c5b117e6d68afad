# SPDX-License-Identifier: MIT
"""Unmodified foreign guests run: Debian's Linux kernel with its own front ends for disk and network, and GRUB's PV image.

They are the proof that Domus speaks Xen's ABI and not a dialect of ours. Skipped when Debian's archive cannot be reached.
"""
import hashlib
import socketserver
import threading

import archive
import pytest

import dom0
import foreign
import machine

FOLDER = machine.BUILD / "foreign"
# With its lazy FPU, real Xen under QEMU's TCG corrupts the vector registers of a Linux guest's user space.
XEN = machine.Hypervisor("xen", dom0.XEN.path, dom0.XEN.args + ["spec-ctrl=eager-fpu"], dom0.XEN.cpu + ",-avx")
PAYLOAD = bytes(range(256)) * 8192              # 2 MiB


class System(dom0.Dom0):
    """Our dom0 with an archive of foreign kernels."""

    def __init__(self, name, files):
        box_archive = FOLDER / f"{name}.tar"
        archive.make_archive(box_archive, files)
        self.on_xen = dom0.ON_XEN
        machine.Machine.__init__(self, name, hypervisor=XEN if dom0.ON_XEN else machine.DOMUS,
                                 disk=machine.fresh_disk(name), net="user,id=n0", modules=[[machine.BUILD / "dom0.elf"], [box_archive]])
        try:
            self.see(r'dom0: ready; "help" lists the commands', timeout=90)
            self.ask("consoles on")
        except BaseException:
            self.kill()
            raise


class Sender(socketserver.BaseRequestHandler):
    """Sends the payload to whoever connects."""

    def handle(self):
        self.request.sendall(PAYLOAD)


def get(what):
    try:
        return what(FOLDER)
    except foreign.Unavailable as problem:
        pytest.skip(f"not to be had from Debian's archive: {problem}")


def config(name, text):
    path = FOLDER / name
    path.write_text(text)
    return path


def test_linux():
    kernel, initrd = get(foreign.linux)
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Sender) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        linux = config("linux.cfg", f"""
name = "linux"
kernel = "{kernel.name}"
ramdisk = "{initrd.name}"
extra = "console=hvc0 quiet fetch={server.server_address[1]}"
memory = 256
disk = [ 'phy:scratch,xvda,w' ]
vif = [ 'bridge=br0' ]
""")
        with System("foreign-linux", [kernel, initrd, linux]) as box:
            box.create("linux.cfg")
            for said in ("user space", "4 MiB written and read back", "a lease", "ping answered",
                         f"fetched {hashlib.md5(PAYLOAD).hexdigest()}", "done"):
                box.see(rf"LINUX: {said}", timeout=120)
            box.ask("wait linux 60", timeout=90)
            box.audit()
            box.power_off()
        server.shutdown()


def test_grub():
    image = get(foreign.grub)
    grub = config("grub.cfg", f"""
name = "grub"
kernel = "{image.name}"
memory = 64
disk = [ 'phy:scratch,xvda,w' ]
""")
    with System("foreign-grub", [image, grub]) as box:
        box.create("grub.cfg")
        with box.console("grub"):
            box.see(r"grub> ", timeout=60)
            box.send("ls")
            box.see(r"\(xen/xvda\)", timeout=30)
        box.ask("xl destroy grub")
        box.audit()
        box.power_off()
