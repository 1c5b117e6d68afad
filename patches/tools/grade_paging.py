# SPDX-License-Identifier: MIT
"""What the swapping guest of lab 9 says (pvguest-sdk/examples/paging.c), beside a simulation of its
program, of its two pagers, each of which throws out what came first, and of their disks."""
import functools
import re
import threading
from collections import Counter, deque

ROW = r"paging: (\S+) (\S+) (\d+)"

PAGES, RAM, HOST, STEPS = 48, 32, 24, 2000


def program():
    """The pages that it touches; at last each once."""
    steps = (step * 7 % 16 if step % 4 else step // 4 % PAGES for step in range(STEPS))
    return [*steps, *range(PAGES)]


class Pagers:
    def __init__(self, frames):
        """A guest with so many frames; the machine has HOST for it, and is full."""
        self.counts = Counter({"pages-right": PAGES})
        self.there = deque(range(frames)[-HOST:])
        self.free, self.held = deque(range(frames)), {}

    def host(self, frame):
        """The guest touches a frame; whether it was missing."""
        if frame in self.there:
            return False
        if len(self.there) == HOST:
            self.there.popleft()
            self.counts["host-out"] += 1
        self.there.append(frame)
        self.counts["host-in"] += 1
        return True

    def touch(self, page):
        if page not in self.held:
            if self.free:
                frame = self.free.popleft()
            else:
                frame = self.held.pop(next(iter(self.held)))
                self.counts["for-nothing"] += self.host(frame)
                self.counts["guest-out"] += 1
            self.held[page] = frame
            self.counts["guest-in"] += 1
        self.host(self.held[page])


def should_be(how):
    """The counts of a run: double (the guest was not told that it has less) or balloon."""
    pagers = Pagers({"double": RAM, "balloon": HOST}[how])
    for page in program():
        pagers.touch(page)
    return pagers.counts


class Paging:
    def __init__(self, boot):
        """boot(name, last line, patience) is what the guest of that name says."""
        self.boot, self.lock = boot, threading.Lock()

    @functools.cached_property
    def found(self):
        return {(how, what): int(number) for how, what, number
                in re.findall(ROW, self.boot("paging", "paging: end", 1))}

    def why(self, how, what):
        """None, or what is wrong with one number of a run."""
        with self.lock:
            if (how, what) not in self.found:
                return f'"paging: {how} {what} NUMBER" does not come. What it says is in ' \
                    "build/logs/grade-paging.log"
        number, right = self.found[how, what], should_be(how)[what]
        return None if number == right else f"{how}: {what} is {number}, and should be {right}"


if __name__ == "__main__":
    for run in ("double", "balloon"):
        print(run, dict(should_be(run)))
