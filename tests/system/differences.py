# SPDX-License-Identifier: MIT
"""How Domus, with our dom0 or with Linux as dom0, differs from real Xen with Linux as dom0 for the
same Linux guest: every line of its survey (tests/linux/survey) that only one of the two shows is
explained here, with the reason. Used by test_rig.py, which fails for any other.
"""
import re

# What is different at every boot, and says nothing: time, counts, numbers given out in turn,
# identifiers.
SAME = [
    (r"^dmesg\|<(\d+)>\[ *\d+\.\d+\]", r"dmesg|<\1>"),
    (r"^(interrupts\| *\w+:)[ \d]+", r"\1 "),                       # counts
    # numbers of interrupts, in the order of making
    (r"^interrupts\| *\d+:", "interrupts|N:"),
    (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "UUID"),
    (r"/local/domain/[1-9]\d*", "HOME"), (r"/backend/(v\w+|console)/\d+", r"/backend/\1/N"),
    (r"([nr])[1-9]\d*\b(?=[,)])", r"\1N"),
    (r"((?:ring-ref|event-channel|port)(?:-[rt]x)? = )\"\d+\"", r'\1"N"'),
    # a guest that xl gave up had a number, too
    (r"((?:domid|frontend-id) = )\"\d+\"", r'\1"N"'),
    (r"\b[0-9a-f]{40}\b", "HASH"),
    (r"^(cpuinfo\|(?:cpu MHz|bogomips)\s*:).*", r"\1 N"),
    (r"\d+\.\d+ (MHz|BogoMIPS)", r"N \1"), (r"lpj=\d+", "lpj=N"),
    (r"(max_cycles|max_idle_ns|mask): \S+", r"\1: N"),
    (r"audit\(\S+\)", "audit(N)"), (r"sched_clock: Marking stable .*", "sched_clock: N"),
    (r"Memory: \d+K/(\d+)K available.*", r"Memory: \1K"),
    (r"Detected \S+", "Detected N"), (r"Freeing unused decrypted memory: \d+K", "Freeing N"),
    (r"Freeing initrd memory: \d+K", "Freeing N"),
    (r"RAMDISK: .*", "RAMDISK"), (r"start_time = \S+", "start_time"),
    (r"(number|major|event irq) \d+", r"\1 N"),
]

# It depends on when the machine, which is emulated and busy, came to it; either may show it or not.
TIMING = [r"hrtimer: interrupt took", r"clocksource: .*(read-back|readout|watchdog|wd-)",
          r"random: crng init done", r"Marking TSC unstable",
          r"available_clocksource:",            # without the TSC where it was marked so
          r"node 0 deferred pages initialised"]

# Only on Domus, whoever is dom0.
OURS = [
    (r"dmesg\|.*Xen version: 4\.17\.0-domus", "who it is"),
    (r"hypervisor\|(version/extra|compilation/.*|properties/(changeset|capabilities)):",
     "who it is: no date of making, no HVM guests"),
    (r"dmesg\|.*xen:events: Using 2-level ABI", "FIFO event channels are refused (decision 2)"),
    (r"interrupts\|.*-virq +debug\d+",
     "Linux asks for VIRQ_DEBUG only without FIFO event channels"),
]

# Only with our dom0.
OUR_DOM0 = [
    (r"dmesg\|.*blkfront: .*persistent grants: disabled; .*bounce buffer: disabled",
     "our back end maps for each request: it never keeps a guest's page"),
    (r"store\|.*/backend/vbd/.*/params = ", "a partition's name, not a device file"),
    (r"store\|.*/feature-max-indirect-segments = ", "a smaller limit"),
    (r"store\|HOME/device/vif/\d+/mtu = ", "the guest's own node, like its neighbours"),
]

# Only on real Xen.
THEIRS = [
    (r"dmesg\|.*Xen version: 4\.17\.\d+ ", "who it is"),
    (r"hypervisor\|(version/extra|compilation/.*|properties/(changeset|capabilities|buildid)):",
     "who it is, and that it has HVM guests; its build id is denied"),
    (r"dmesg\|.*xen:events: Using FIFO-based ABI", "Domus refuses FIFO event channels"),
]

# Only with Linux as dom0, and Xen's own xl.
THEIR_DOM0 = [
    (r"dmesg\|.*blkfront: .*persistent grants: enabled; .*bounce buffer: enabled",
     "Linux's blkback keeps pages mapped, and blkfront copies"),
    (r"dmesg\|.*xen_netfront: backend supports XDP headroom", "our back end has no XDP"),
    (r"store\|HOME/device/vif/\d+/(xdp-headroom|multi-queue-num-queues)",
     "what the front end answers to XDP and to queues"),
    (r"store\|.*/backend/v\w+/.*/(script|hotplug-status|physical-device(-path)?|specification"
     r"|bootable|discard-enable) = ", "notes of xl to its hotplug scripts; ours has none"),
    (r"store\|.*/backend/vbd/.*/params = ", "a device file"),
    (r"store\|.*/backend/vbd/.*/(feature-persistent|discard-secure|physical-sector-size"
     r"|max-ring-page-order|multi-queue-max-queues) = ",
     "what our disk back end does not offer: rings of one page, one queue"),
    (r"store\|.*/backend/vif/.*/(feature-(ctrl-ring|(dynamic-)?multicast-control|gso-tcpv6"
     r"|ipv6-csum-offload|xdp-headroom)|multi-queue-max-queues) = ",
     "what our network back end does not offer: IPv6 offloads, filters, more queues"),
    (r"store\|HOME/console/(backend|backend-id|output|tty) = ",
     "xenconsoled is a program of its own; our consoles live in dom0"),
    (r"store\|HOME/memory/videoram = ", "no frame buffer"),
    (r"store\|/vm/UUID/(name = |start_time)", "that stands in HOME/name, and in xl uptime, only"),
    (r"store\|HOME/device/vif/\d+/mtu = \"1500\"   \(n0,rN\)",
     "xl writes it later, as a node of dom0's"),
    (r"store\|.*/feature-max-indirect-segments = ", "a larger limit"),
]


def normalised(survey):
    """The survey's lines without what differs at every boot; a set: how often a line stands there
    says nothing."""
    lines = set()
    for line in survey.splitlines():
        for pattern, replacement in SAME:
            line = re.sub(pattern, replacement, line)
        lines.add(line.rstrip())
    return lines


def unexplained(domus, xen, same_dom0=False):
    """Lines that only one has, and nobody explains; "domus: ..." or "xen: ..."."""
    ours, theirs = normalised(domus), normalised(xen)
    found = []
    for who, lines, reasons in (
            ("domus", ours - theirs, OURS + ([] if same_dom0 else OUR_DOM0)),
            ("xen", theirs - ours, THEIRS + ([] if same_dom0 else THEIR_DOM0))):
        patterns = TIMING + [pattern for pattern, _ in reasons]
        found += [f"{who}: {line}" for line in sorted(lines)
                  if not any(re.search(pattern, line) for pattern in patterns)]
    return found
