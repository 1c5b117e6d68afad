#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""make demo: the main job, end to end, step by step. Each step says what it does, shows what came
of it, and must hold.

    demo.py BUILD

Two boots of one machine with a disk and a network card: the hypervisor, dom0, two teaching kernels,
the SDK's examples; then the benchmark. Exit status 0 when all of it held; otherwise the step that
did not, what was expected, and the last lines of the serial line, which is kept in BUILD/logs.
"""
import contextlib
import os
import pathlib
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request

if len(sys.argv) != 2:
    sys.exit(__doc__)
os.environ["DOMUS_BUILD"] = sys.argv[1]
HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE.parents[1] / "pvguest-sdk/tools"), str(HERE.parent / "tools"), str(HERE)]
import machine  # noqa: E402  (it reads DOMUS_BUILD)
from dom0 import Dom0, udp_echo  # noqa: E402

STARTED = time.monotonic()
steps = 0
INSULA2 = "10.0.2.32"
HOST = "10.0.2.2"                       # this host, as QEMU's user network shows it to a guest
KEPT = "kept over two boots"


@contextlib.contextmanager
def step(text):
    global steps
    steps += 1
    print(f"\n== {steps}. {text}", flush=True)
    yield
    print(f"   holds ({time.monotonic() - STARTED:.0f} s since the start)", flush=True)


def show(text):
    """Less what says nothing: empty lines, and a guest's."""
    for line in text.splitlines():
        if not re.fullmatch(r"(\(\w+\))?[ $]*", line.strip()):
            print("   | " + line.rstrip(), flush=True)


def at_prompt(system, line):
    """Types a command at dom0's prompt, as an operator; shows and returns the answer."""
    answer = system.ask(line)
    show(f"dom0> {line}\n{answer}")
    return answer


def at_shell(system, name, line):
    """The same in the shell of a teaching kernel, at its console."""
    answer = system.shell(name, line)
    show(f"{name} $ {line}\n{answer}")
    return answer


def must(condition, text):
    if not condition:
        raise machine.Failed(text)


def boot(name, disk, port):
    system = Dom0(name, domus=machine.BY_GRUB, disk=disk,
                  net=f"user,id=n0,hostfwd=udp:127.0.0.1:{port}-10.0.2.31:7")
    show("\n".join(line for line in system.said().splitlines()
                   if re.match(r"\((XEN|domus)\)|dom0:", line)))
    return system


def guests_come_up(system):
    with step("Three guests at once: two teaching kernels with disk and network, and an example of "
              "the SDK"):
        for config in ("insula1.cfg", "insula2.cfg", "share-take.cfg"):
            at_prompt(system, f"xl create {config}")
        for name in ("insula1", "insula2"):
            at_shell(system, name, "cat /README; ls /bin | wc")
        at_prompt(system, "xl list")
        must({"insula1", "insula2", "take"} <= system.domains().keys(),
             "not all three guests are in the list")
    with step("A fourth guest: two domains share a page by a grant, and take turns by an event "
              "channel"):
        said = "\n".join(at_prompt(system, line)
                         for line in ("xl create share-offer.cfg", "wait offer 99", "wait take 99"))
        must(said.count("has had its 500 turns") == 2, "the two did not take their turns")


def files_are_written(system):
    with step("Files: each teaching kernel writes one to its own file system on the real disk; an "
              "example counts its visits"):
        for name in ("insula1", "insula2"):
            at_shell(system, name, f"echo {name}: {KEPT} > /kept; sync; cat /kept")
        at_prompt(system, "disks")
        said = at_prompt(system, "xl create disk.cfg") + at_prompt(system, "wait disk 100")
        must("visit number 1" in said, "the SDK's block example does not write")


def packets_are_exchanged(system, port):
    with step("Network: the teaching kernels reach each other through dom0's bridge"):
        answer = at_shell(system, "insula1", f"ping {INSULA2} 3 fast")
        must("3 sent, 3 answered" in answer, "insula2 does not answer insula1's pings")
        at_shell(system, "insula2", "udpecho 7 > /log &")
        answer = at_shell(system, "insula1", f"udpsend {INSULA2} 7 good-morning")
        must(f"answer from {INSULA2}:7: good-morning" in answer,
             "insula2's udpecho does not answer")
    with step("Network: and the host, through dom0's bridge and the real network card"):
        answer = at_shell(system, "insula1", f"ping {HOST} 3 fast")
        must("3 sent, 3 answered" in answer, "the host does not answer")
        at_shell(system, "insula1", "udpecho 7 > /log &")
        answer = from_host(port, "hello from the host")
        must(answer == "hello from the host", "insula1 does not answer this host")


def from_host(port, text, tries=60):
    """This very program sends a datagram to a port that QEMU forwards to insula1, and waits for it
    to come back."""
    answer = udp_echo(port, text, tries)
    show(f"host: UDP to 127.0.0.1:{port}: \"{text}\"; " +
         (f"insula1 sent back: \"{answer}\"" if answer else "nobody answers"))
    return answer


def lives_are_led(system, port):
    with step("A guest is paused and resumed"):
        at_prompt(system, "xl pause insula1")
        at_prompt(system, "xl list")
        must("p" in system.domains()["insula1"][1], "xl list does not show it paused")
        must(from_host(port, "are you there?", tries=2) is None, "a paused guest answers")
        at_prompt(system, "xl unpause insula1")
        must(from_host(port, "are you there now?") == "are you there now?",
             "a resumed guest does not answer")
    with step("It is destroyed, and created again; its files are there"):
        at_prompt(system, "xl destroy insula1")
        must("insula1" not in system.domains(), "xl list still shows it")
        at_prompt(system, "xl create insula1.cfg")
        at_prompt(system, "xl list")
        must(f"insula1: {KEPT}" in at_shell(system, "insula1", "cat /kept"), "the file is gone")
    with step("The hypervisor recounts every reference to every page of memory"):
        show(system.audit())


def first_boot(disk, port):
    with step("The machine starts: GRUB, the hypervisor in ring 0, dom0 with a real disk and a "
              "real network card"):
        system = boot("demo-1", disk, port)
    with system:
        guests_come_up(system)
        files_are_written(system)
        packets_are_exchanged(system, port)
        lives_are_led(system, port)
        with step("Power off: guests are asked to end, the disk is flushed, the machine switches "
                  "itself off"):
            status = system.power_off()
            print(f"   | QEMU has ended by itself, with status {status}", flush=True)


def second_boot(disk, port):
    with step("The machine starts again, from the same disk"):
        system = boot("demo-2", disk, port)
    with system:
        with step("What was written in the first boot is there in the second"):
            for name in ("insula1", "insula2"):
                at_prompt(system, f"xl create {name}.cfg")
                must(f"{name}: {KEPT}" in at_shell(system, name, "cat /kept"),
                     f"{name}'s file is gone")
            said = at_prompt(system, "xl create disk.cfg") + at_prompt(system, "wait disk 100")
            must("visit number 2" in said, "the SDK's block example does not find its first visit")
        with step("Power off"):
            status = system.power_off()
            print(f"   | QEMU has ended by itself, with status {status}", flush=True)


def linux_guest():
    """Debian's own Linux kernel, byte for byte as packaged, serves a page to this host."""
    folder = machine.BUILD / "linux"
    if not (folder / "vmlinux").exists():
        reason = folder / "unavailable"
        print(f"\n-- Skipped: Debian's Linux as a guest; its packages cannot be had here"
              f"{': ' + reason.read_text().strip() if reason.exists() else ''}", flush=True)
        return
    import linux_box        # wants pytest, which the steps before do not
    port, page = machine.free_port(), "A page from Debian's Linux in a domU"
    config = linux_box.config("linux", extra="quiet ip4=10.0.2.30/24 gw4=10.0.2.2",
                              vif=["bridge=br0"])
    with step("A guest that nobody here wrote: Debian's Linux, unmodified, serves a page by HTTP, "
              "and this host fetches it"):
        net = f"user,id=n0,hostfwd=tcp:127.0.0.1:{port}-10.0.2.30:80"
        with linux_box.LinuxBox("demo-linux", {"linux.cfg": config}, net=net,
                                disk=machine.fresh_disk("demo-linux")) as system:
            system.boot("linux.cfg")
            show(system.ask("xl list"))
            show(system.shell("linux",
                              f"uname -sr; echo \"{page}\" > /www/index.html; httpd -h /www"))
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/index.html",
                                        timeout=30 * machine.PATIENCE) as answer:
                fetched = answer.read().decode().strip()
            print(f"   | this host fetched http://127.0.0.1:{port}/index.html: {fetched}",
                  flush=True)
            must(fetched == page, "the page is not the one that the guest serves")
            show(system.audit())
            system.power_off()


def cost_table():
    with step("What a hypercall costs against a trap, in instructions (make bench: with wall ticks "
              "and the kernel's own figures)"):
        sys.stdout.flush()
        done = subprocess.run([sys.executable, str(HERE.parent / "bench" / "bench.py"),
                               sys.argv[1], "--fast"])
        must(done.returncode == 0, f"the benchmark failed with status {done.returncode}")


def main():
    disk, port = machine.fresh_disk("demo"), machine.free_port()
    try:
        first_boot(disk, port)
        second_boot(disk, port)
        linux_guest()
        cost_table()
    except (machine.Failed, urllib.error.URLError) as failure:
        print(f"\n** Step {steps} does not hold.\n** {failure}", file=sys.stderr, flush=True)
        return 1
    print(f"\nAll {steps} steps hold. What the machine said is in {machine.BUILD}/logs/demo-*.log.",
          flush=True)
    return 0


sys.exit(main())
