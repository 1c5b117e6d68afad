# SPDX-License-Identifier: MIT
"""Every line on every console is explained, or the test fails.

Explained is what the same guest says at each boot (the first boot of a machine's guests is the
model, and is itself looked through for complaints), and what stands below with its reason. A
guest's lines reach the serial line as `(name) line`; dom0's and the hypervisor's have their own
beginnings. What an operator typed, and what he was answered, is the test's own affair.
"""
import re

import linux_box

OURS = r"(?:dom0|xenstore|console|virtio|pvguest): .*|/local/domain/.*"
# What dom0 and the hypervisor say while guests come and go, each with its reason.
USUAL = [
    # asked for by the test, which looks how it ended
    r"dom0: domain \d+ '\S+' has ended: \w+",
    r"heap: \d+ of \d+ pages free, \d+ cut up for small objects",
    # a teaching kernel's program, started and asked by the test
    r"udpecho: (listening on port \d+|\d+ bytes from [\d.]+:\d+)",
    # a shell's prompt, and what it says of a load that was told to stop
    r"/ # (\?\[6n)?$|\[\d+\]\W+Done ",
]
# Of an attacker's devices: the back end gives its reason once it has closed one.
ATTACKED = [
    r"/local/domain/0/backend/(vbd|vif)/\d+/\d+: (the front end's ring (index is impossible|makes "
    r"no sense)|E[A-Z]+)",
    r"console: domain \d+ broke its ring; it has no console any more",
    r"xenstore: .*",                                                # a ring that was broken
]
BRACKETS = str.maketrans("()", "[]")


def alike(line):
    """A line without what differs from boot to boot: time, numbers, addresses. All brackets are the
    same (see linux_box.messages)."""
    line = re.sub(r"^(?:<\d+>)?\[ *(?:\d+\.\d{6}\] |[\d.]*$)", "", line)
    return re.sub(r"\d+", "N", re.sub(r"\b0x[0-9a-f]+", "N", line)).translate(BRACKETS).strip()


def lines(text, names):
    """(who, line) of all that the named guests, dom0 and the hypervisor said; it may begin in the
    middle of what somebody types."""
    speakers = re.compile(rf"\(({'|'.join(['domus', *names])})\) (.*)|({OURS})")
    for row in text.splitlines():
        found = speakers.search(row)
        if found:
            yield found.group(1) or "dom0", found.group(2) or found.group(3) or ""


def said_at_boot(text, names):
    """What the named guests say when they boot."""
    return {alike(line) for who, line in lines(text, names) if who in names}


def unexplained(text, names, known, more=()):
    """What nobody can explain. A guest that is destroyed may be cut off in the middle of a known
    line."""
    patterns = re.compile("|".join([*linux_box.ACCEPTED, *USUAL, *more]))
    return [f"{who}: {line}" for who, line in lines(text, names)
            if alike(line) not in known and not patterns.search(line)
            and not any(whole.startswith(alike(line)) for whole in known)]


def unexplained_messages(system, name, known):
    """The same for the messages of a Linux kernel, which are all there, whoever was attached to its
    console."""
    dmesg = linux_box.messages(system, name)
    messages = [line for line in dmesg.splitlines() if re.match(r"<\d+>\[", line)]
    assert messages, dmesg                          # or nobody was asked
    patterns = re.compile("|".join(linux_box.ACCEPTED))
    return [line for line in messages if alike(line) not in known and not patterns.search(line)]
