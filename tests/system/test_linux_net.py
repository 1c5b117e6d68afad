# SPDX-License-Identifier: MIT
"""Two of Debian's Linux on the network: each other, dom0, this host, HTTP from this host; transfers
arrive with their checksums.

One has a fixed address and is what QEMU's port forwarding points to; the other asks QEMU's DHCP
server. Packets go front end, back end, dom0's bridge, and from there to another back end, to dom0's
own address (which throws away what comes by TCP), or to the real card. DOMUS_TRANSFER_MIB sets the
size of the transfers; the same program, tests/linux/work.c, is on both ends, here too.
"""
import os
import re
import subprocess
import urllib.request

import pytest

import linux_box
import machine
from dom0 import ADDRESS as DOM0

pytestmark = pytest.mark.xdist_group("linux-net")             # one machine: all on one worker
MIB = int(os.environ.get("DOMUS_TRANSFER_MIB", "40"))
PATIENCE = 60 + 3 * MIB
# for the end that is this host's: nobody counts what time it really gets
HERE = 5 * PATIENCE * machine.PATIENCE
FIXED, HOST = "10.0.2.30", "10.0.2.2"
WEB, TRANSFER, DISCARD = 80, 5001, 9
WORK = linux_box.FOLDER / "work"
# What udhcpc runs when it has a lease, or has to say something else.
LEASE = ["#!/bin/sh", "[ $1 = bound ] || exit 0",
         "ip addr add $ip/24 dev eth0", "ip route add default via $router"]


@pytest.fixture(scope="module")
def box():
    linux_box.available()
    configs = {"fixed.cfg": linux_box.config("fixed", vif=["bridge=br0"],
                                             extra=f"{linux_box.QUICK} ip4={FIXED}/24 gw4={HOST}"),
               "asks.cfg": linux_box.config("asks", extra=linux_box.QUICK, vif=["bridge=br0"])}
    ports = {WEB: machine.free_port(), TRANSFER: machine.free_port()}
    to_dom0 = machine.free_port()
    net = "user,id=n0" + "".join(f",hostfwd=tcp:127.0.0.1:{here}-{FIXED}:{there}"
                                 for there, here in ports.items())
    net += f",hostfwd=tcp:127.0.0.1:{to_dom0}-{DOM0}:{DISCARD}"
    with linux_box.LinuxBox("linux-net", configs,
                            net=net, disk=machine.fresh_disk("linux-net")) as system:
        for name in ("fixed", "asks"):
            system.boot(f"{name}.cfg")
            system.shell(name, "stty columns 400")
        system.ports = ports | {DISCARD: to_dom0}
        # one by one: through real Xen, the end of a long line is lost
        for line in LEASE:
            system.shell("asks", f"echo '{line}' >> /tmp/lease")
        system.shell("asks", "chmod +x /tmp/lease")
        system.lease = system.shell("asks", "ip link set eth0 up; udhcpc -i eth0 -n -q -t 10 -s "
                                            "/tmp/lease; ip addr show eth0")
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
    box.shell("fixed", "front=device/vif/0; back=$(xenstore-read $front/backend)")
    for feature in ("feature-sg", "feature-gso-tcpv4"):
        both = box.shell("fixed",
                         f"xenstore-read $front/{feature}; xenstore-read $back/{feature}")
        assert both.split() == ["1", "1"]
    # it takes frames without a checksum
    assert box.shell("fixed", "xenstore-read $back/feature-no-csum-offload 2> /dev/null") != "1"


@pytest.mark.parametrize("target", [FIXED, DOM0, HOST])
def test_ping(box, target):
    said = box.shell("asks", f"ping -c 5 -i 0.2 {target}")
    assert "5 packets transmitted, 5 packets received" in said, said


def test_host_fetches_a_page_of_the_guest(box):
    for line in ("mkdir -p /www; seq 50000 > /www/numbers",
                 "echo A page from a domU > /www/index.html", "httpd -h /www"):
        box.shell("fixed", line)
    address = f"http://127.0.0.1:{box.ports[WEB]}"
    with urllib.request.urlopen(f"{address}/index.html", timeout=120 * machine.PATIENCE) as page:
        assert page.read() == b"A page from a domU\n"
    with urllib.request.urlopen(f"{address}/numbers", timeout=120 * machine.PATIENCE) as page:
        assert page.read() == b"".join(b"%d\n" % i for i in range(1, 50001))


def listen(box):
    """The one with the address receives; it listens when this comes back."""
    box.shell("fixed", f"(work receive {TRANSFER} > /tmp/got 2>&1 &); until grep -q "
                       f"':{TRANSFER:04X} 00000000:0000 0A' /proc/net/tcp; do sleep 0.1; done")


def received(box):
    """What it says when all has come."""
    return box.shell("fixed", "until [ -s /tmp/got ]; do sleep 0.1; done; cat /tmp/got", PATIENCE)


def test_transfer_to_another_guest(box):
    listen(box)
    sent = box.shell("asks", f"work send {FIXED} {TRANSFER} {MIB}", PATIENCE)
    agree(sent, received(box))


def test_transfer_to_the_host(box):
    port = machine.free_port()
    with subprocess.Popen([WORK, "receive", str(port)], stdout=subprocess.PIPE, text=True) as here:
        try:
            sent = box.shell("asks", f"work send {HOST} {port} {MIB}", PATIENCE)
            agree(sent, here.communicate(timeout=HERE)[0])
        finally:
            here.kill()                         # nobody may have come


def test_transfer_from_the_host(box):
    listen(box)
    here = subprocess.run([WORK, "send", "127.0.0.1", str(box.ports[TRANSFER]), str(MIB)],
                          stdout=subprocess.PIPE, text=True,
                          timeout=HERE, check=True)
    agree(here.stdout, received(box))


# --- dom0 itself ----------------------------------------------------------------------------------
def discarded(box):
    """What `ip` at dom0's prompt says of its port 9: connections open now, connections so far,
    bytes."""
    said = box.ask("ip")
    return tuple(int(number) for number in re.search(r"^discard  (\d+) connections open, (\d+) so "
                                                     r"far, (\d+) bytes$", said, re.M).groups())


def test_ping_dom0_with_large_packets(box):
    said = box.shell("fixed", f"ping -c 5 -i 0.2 -s 1472 {DOM0}; ping -c 5 -i 0.2 -s 1 {DOM0}")
    assert said.count("5 packets transmitted, 5 packets received") == 2, said


def test_transfers_to_dom0_by_two_guests_at_once(box):
    _, connections, size = discarded(box)
    box.shell("fixed", f"(work send {DOM0} {DISCARD} {MIB} > /tmp/sent; echo ended >> /tmp/sent) &")
    for sent in (box.shell("asks", f"work send {DOM0} {DISCARD} {MIB}", PATIENCE),
                 box.shell("fixed", "until grep -q ended /tmp/sent; do sleep 0.1; done; cat "
                                    "/tmp/sent", PATIENCE)):
        assert re.search(rf"SENT {MIB << 20} ", sent), sent
    box.until(lambda: discarded(box) == (0, connections + 2, size + 2 * (MIB << 20)))


def test_transfer_from_the_host_to_dom0(box):
    _, connections, size = discarded(box)
    here = subprocess.run([WORK, "send", "127.0.0.1", str(box.ports[DISCARD]), str(MIB)],
                          stdout=subprocess.PIPE, text=True,
                          timeout=HERE, check=True)
    assert f"SENT {MIB << 20} " in here.stdout
    box.until(lambda: discarded(box) == (0, connections + 1, size + (MIB << 20)))


def test_other_ports_of_dom0_refuse_at_once(box):
    said = box.shell("asks", f"time nc -w 20 {DOM0} 80 < /dev/null")
    assert "Connection refused" in said and re.search(r"real\s+0m [0-4]\.", said), said
    assert box.shell("asks", f"nc {DOM0} {DISCARD} < /dev/null && echo closed").endswith("closed")


def test_dom0_takes_and_loses_its_address(box):
    assert "dom0 has no address" in box.ask("ip none")
    assert "5 packets transmitted, 0 packets received" \
        in box.shell("asks", f"ip neigh flush dev eth0; ping -c 5 -i 0.2 -W 1 {DOM0}")
    for wrong in ("10.0.2", "10.0.2.256", "10.0.2.10.1",
                  "10.0.2.10/", "10.0.2.10/33", "224.0.0.1", "0.0.0.0", "dom0"):
        assert "no address for dom0" in box.refused(f"ip {wrong}")
    box.ask(f"ip {DOM0}/24")
    assert re.search(rf"^address  {DOM0}  12:54:00:12:34:56$", box.ask("ip"), re.M)
    # Linux must ask again who it is
    box.shell("asks", f"until ping -c 1 -W 1 {DOM0} > /dev/null; do :; done")
    assert "5 packets transmitted, 5 packets received" \
        in box.shell("asks", f"ping -c 5 -i 0.2 {DOM0}")
