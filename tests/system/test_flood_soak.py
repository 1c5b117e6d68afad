# SPDX-License-Identifier: MIT
"""All floods together, from four guests, for a while; each few seconds one of them ends and begins
with another. The operator and a neighbour work on.

In real time, as machines are. Only as a long test: DOMUS_FLOOD_SECONDS=1800, as in `make soak`;
DOMUS_SEED=n makes it another one. Each flood for itself, on an instruction counter:
tests/guests/test_floods.py.
"""
import os
import random
import re
import time

import pytest

import dom0
import machine

SECONDS = float(os.environ.get("DOMUS_FLOOD_SECONDS", "0"))
pytestmark = pytest.mark.skipif(dom0.ON_XEN or not SECONDS,
                                reason="a long test (make soak), and these bounds are Domus's")

SEED = int(os.environ.get("DOMUS_SEED", "1"))
FLOODS = ["net-small", "net-large", "net-broadcast",
          "disk", "store", "state", "transactions", "deaf", "held", "console", "events", "balloon",
          "tables", "vcpus", "timers"]
ALONE = ("balloon", "events", "tables", "vcpus", "timers")        # what `beside` does, too
NAMES = [f"flood{i}" for i in range(4)]
PROMPT = 1.0                            # seconds of the machine's for an answer at the prompt
DESTROY = 10.0                          # and for the end of a guest
SLACK = 64                              # pages
# pages of dom0's a guest that nobody counts: its devices, and what is left of the allocator's pages
WASTE = 100


class Soak:
    def __init__(self, box):
        self.box, self.dice = box, random.Random(SEED)
        # seconds, seconds, (second, pages that nobody answers for)
        self.answers, self.ends, self.held = [], [], []
        self.start = time.monotonic()
        self.floods = dict.fromkeys(NAMES)

    def age(self):
        return time.monotonic() - self.start

    def timed(self, line, kept):
        begin = self.box.clock.now()
        answer = self.box.ask(line)
        kept.append(self.box.clock.now() - begin)
        return answer

    def flood(self, name):
        mode = self.dice.choice(FLOODS)
        vcpus = 16 if mode in ALONE else self.dice.choice([1, 2, 3, 4, 6])
        self.box.ask(f'xl create attack-flood.cfg name="{name}" '
                     f'extra="flood={mode}{"" if mode in ALONE else " beside"}" vcpus={vcpus}')
        self.floods[name] = f"{mode} x {vcpus}"

    def change_one(self):
        name = self.dice.choice(NAMES)
        if self.floods[name]:
            self.timed(f"xl destroy {name}", self.ends)
        self.flood(name)

    def look(self, free):
        """The prompt answers; what of dom0's memory is gone that it does not hold for anybody."""
        info = self.timed("info", self.answers)
        now = int(re.search(r"^dom0_free_pages *: (\d+)$", info, re.M).group(1))
        held = sum(row["KiB"] for name, row in self.box.served().items()
                   if re.match(r"flood\d", name))
        self.held.append((self.age(), free - now - held / 4))

    def works(self):
        """The neighbour's last words."""
        log = self.box.ask("console-log neighbour")
        assert "RESULT" not in log, log
        return int(re.findall(r"^beat (\d+) ", log, re.M)[-1])


def test_all_of_them_at_once():
    name = "flood-soak-" + os.environ.get("PYTEST_XDIST_WORKER", "alone")
    with dom0.Dom0(name, disk=machine.fresh_disk(name)) as box:
        box.ask("consoles off")
        box.create("neighbour.cfg")
        soak = Soak(box)
        before, steps = box.free_pages(), 0
        for name in NAMES:
            soak.flood(name)
        while soak.age() < SECONDS:
            steps += 1
            soak.look(before[1])
            if steps % 4 == 0:
                soak.change_one()
            if steps % 30 == 0:
                box.ask(f"consoles {'on' if steps % 60 else 'off'}")
            if steps % 10 == 0:
                soak.works()
            box.listen(0.5)
        beat = soak.works()
        for name in NAMES:
            soak.timed(f"xl destroy {name}", soak.ends)
        box.ask("sleep 1")
        assert soak.works() > beat
        after = box.free_pages()
        early = [pages for second, pages in soak.held if second <= SECONDS * 2 / 3]
        late = [pages for second, pages in soak.held if second > SECONDS * 2 / 3]
        print(f"{steps} looks; answers {max(soak.answers):.2f} s at most, ends "
              f"{max(soak.ends):.2f} s of {len(soak.ends)}; dom0's pages that "
              f"nobody answers for: {max(early):.0f}, and in the last third {max(late):.0f}; free "
              f"{before} -> {after}")
        assert max(soak.answers) <= PROMPT, soak.floods
        assert max(soak.ends) <= DESTROY
        # it does not grow
        assert max(early) <= WASTE * len(NAMES) and max(late) <= max(early) + SLACK
        assert after[0] >= before[0] - SLACK and after[1] >= before[1] - SLACK
        box.ask("consoles on")
        box.audit()
        assert box.power_off() == 0
