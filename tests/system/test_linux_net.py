# SPDX-License-Identifier: MIT
"""Two of Debian's Linux on the network: each other, this host, HTTP from this host; transfers arrive with their checksums.

One has a fixed address and is what QEMU's port forwarding points to; the other asks QEMU's DHCP server. Packets go front end, back
end, dom0's bridge, real card. (dom0 itself has no address: its bridge only forwards, so there is nobody in it to be pinged.)
DOMUS_TRANSFER_MIB sets the size of the transfers; the same program, tests/linux/work.c, is on both ends, here too.
"""
import os
import re
import subprocess
import urllib.request

import pytest

import linux_box
import machine

pytestmark = pytest.mark.xdist_group("linux-net")             # one machine: all on one worker
MIB = int(os.environ.get("DOMUS_TRANSFER_MIB", "8"))
PATIENCE = 60 + 3 * MIB
FIXED, HOST = "10.0.2.30", "10.0.2.2"
WEB, TRANSFER = 80, 5001
WORK = linux_box.FOLDER / "work"
# What udhcpc runs when it has a lease.
LEASE = '[ \\$1 = bound ] && ip addr add \\$ip/24 dev eth0 && ip route add default via \\$router'


def linked(path):
    """What udhcpc needs as its script, made in the guest."""
    return f'printf "%s\\n" "#!/bin/sh" "{LEASE}" > {path}; chmod +x {path}'


@pytest.fixture(scope="module")
def box():
    linux_box.available()
    configs = {"fixed.cfg": linux_box.config("fixed", extra=f"quiet ip4={FIXED}/24 gw4={HOST}", vif=["bridge=br0"]),
               "asks.cfg": linux_box.config("asks", extra="quiet", vif=["bridge=br0"])}
    ports = {WEB: machine.free_port(), TRANSFER: machine.free_port()}
    net = "user,id=n0" + "".join(f",hostfwd=tcp:127.0.0.1:{here}-{FIXED}:{there}" for there, here in ports.items())
    with linux_box.LinuxBox("linux-net", configs, net=net, disk=machine.fresh_disk("linux-net")) as system:
        for name in ("fixed", "asks"):
            system.boot(f"{name}.cfg")
            system.shell(name, "stty columns 400")
        system.ports = ports
        system.shell("asks", linked("/tmp/lease"))
        system.lease = system.shell("asks", "ip link set eth0 up; udhcpc -i eth0 -n -q -t 10 -s /tmp/lease; ip addr show eth0")
        yield system
        for name in ("fixed", "asks"):
            system.ask(f"xl destroy {name}")
        system.audit()
        system.power_off()


def agree(sent, received):
    """Both ends name the same number of bytes and the same checksum."""
    out = re.search(r"SENT (\d+) [\d.]+ ([0-9a-f]{16})", sent)
    came = re.search(r"RECEIVED (\d+) [\d.]+ ([0-9a-f]{16})", received)
    assert out and came, sent + received
    assert out.groups() == came.groups() and int(out.group(1)) == MIB << 20


def test_an_address_by_dhcp(box):
    assert re.search(r"inet 10\.0\.2\.\d+/24", box.lease), box.lease


def test_front_and_back_end_agree_on_offloads(box):
    said = box.shell("fixed", "cd /; b=$(xenstore-read device/vif/0/backend); for f in feature-sg feature-gso-tcpv4; do "
                              "echo $f $(xenstore-read device/vif/0/$f) $(xenstore-read $b/$f); done; xenstore-read $b/feature-no-csum-offload")
    assert "feature-sg 1 1" in said and "feature-gso-tcpv4 1 1" in said, said
    assert not re.search(r"^1$", said, re.M), said                                # the back end takes frames without a checksum


@pytest.mark.parametrize("target", [FIXED, HOST])
def test_ping(box, target):
    said = box.shell("asks", f"ping -c 5 {target}")
    assert "5 packets transmitted, 5 packets received" in said, said


def test_host_fetches_a_page_of_the_guest(box):
    box.shell("fixed", "mkdir -p /www; seq 50000 > /www/numbers; echo A page from a domU > /www/index.html; httpd -h /www")
    address = f"http://127.0.0.1:{box.ports[WEB]}"
    with urllib.request.urlopen(f"{address}/index.html", timeout=30 * machine.PATIENCE) as page:
        assert page.read() == b"A page from a domU\n"
    with urllib.request.urlopen(f"{address}/numbers", timeout=30 * machine.PATIENCE) as page:
        assert page.read() == b"".join(b"%d\n" % i for i in range(1, 50001))


def test_transfer_to_another_guest(box):
    box.shell("fixed", f"(work receive {TRANSFER} > /tmp/got 2>&1 &)")
    sent = box.shell("asks", f"work send {FIXED} {TRANSFER} {MIB}", PATIENCE)
    agree(sent, box.shell("fixed", "sleep 1; cat /tmp/got"))


def test_transfer_to_the_host(box):
    port = machine.free_port()
    with subprocess.Popen([WORK, "receive", str(port)], stdout=subprocess.PIPE, text=True) as here:
        sent = box.shell("asks", f"work send {HOST} {port} {MIB}", PATIENCE)
        agree(sent, here.communicate(timeout=PATIENCE)[0])


def test_transfer_from_the_host(box):
    box.shell("fixed", f"(work receive {TRANSFER} > /tmp/got 2>&1 &); sleep 1")
    here = subprocess.run([WORK, "send", "127.0.0.1", str(box.ports[TRANSFER]), str(MIB)], stdout=subprocess.PIPE, text=True,
                          timeout=PATIENCE, check=True)
    agree(here.stdout, box.shell("fixed", "sleep 1; cat /tmp/got", PATIENCE))
