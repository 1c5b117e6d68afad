# SPDX-License-Identifier: MIT
"""Does explained.py notice what nobody has explained? On texts: no machine is needed."""
import explained

BOOT = """(domus) Domus, a paravirtual hypervisor
(one) [    0.000000] Linux version 6.1
(one) [    0.123456] Memory: 133800K available
dom0> (one) LINUX UP: 6.1, 1 CPU
(two) [    0.000000] Linux version 6.1, but another
"""
MODEL = explained.said_at_boot(BOOT, ["one"])


def test_a_boot_like_the_first_is_explained():
    later = "(one) [    9.000000] Memory: 1K available\n(one) LINUX UP: 6.2, 2 CPU\n" \
            "(one) [    9.100000] Mem\n(one) [    9.1\ndom0: domain 7 'one' has ended: crash\n"
    assert explained.unexplained(later, ["one"], MODEL) == []


def test_what_is_new_is_not():
    for line in ("(one) [    9.000000] Oops: 0002", "(one) [    9.000000] Memory: gone",
                 "(domus) audit: frame 5", "dom0: out of memory",
                 "/local/domain/0/backend/vbd/1/51712: ENOMEM"):
        assert len(explained.unexplained(f"dom0> xl {line}\n", ["one"], MODEL)) == 1, line


def test_other_peoples_consoles_are_not_looked_at():
    assert explained.unexplained("(two) Oops\nxl list\n", ["one"], MODEL) == []


class Guest:
    def __init__(self, dmesg):
        self.dmesg = dmesg

    def shell(self, name, line):
        return self.dmesg


def test_messages_of_a_kernel():
    known = "<6>[    3.000001] Memory: 5K available\n"
    assert explained.unexplained_messages(Guest(known), "one", MODEL) == []
    assert explained.unexplained_messages(Guest(known + "<6>[    3.100000] strange\n"),
                                          "one", MODEL) == ["<6>[    3.100000] strange"]
