# SPDX-License-Identifier: MIT
"""Mistakes of machines of several CPUs, put into copies of ring 0 on purpose: what a stress of
races finds is worth as much as what it would have found. Each is a few lines that stand in a file
once, and what stands there instead; some hold a race_point (lib/spinlock.h), or many, which in the
debug build makes the moment that counts last.
"""
import re
import shutil
import subprocess
import typing

import scratch

IMAGE = "build/domus-debug.elf"


class Mistake(typing.NamedTuple):
    name: str
    guest: str              # of tests/guests/: who finds it,
    part: int               # and in which of its parts
    file: str
    before: str
    after: str


MISTAKES = [
    Mistake("no flush of another CPU", "attack-races", 6,
            "domain/flush.c", """\
    if (others)
        tlb_flush_cpus(others);
""", ""),
    Mistake("a frame has its new type before its flush", "attack-races", 3,
            "memory/validate.c", """\
    if (f->cursor == 0)
        tlb_flush_stale(f->flush_stamp);
    return validate(w, f, level);
""", """\
    uint32_t stamp = f->flush_stamp;
    int error = validate(w, f, level);
    for (unsigned int i = 0; i < 16; i++)
        race_point();
    tlb_flush_stale(stamp);
    return error;
"""),
    Mistake("a CPU that wakes up does not take the lock", "attack-races", 4,
            "domain/schedule.c", """\
    idle_once();
    ring0_enter();
""", """\
    idle_once();
"""),
    Mistake("an event's mask is read too early", "attack-races", 5,
            "domain/events.c", """\
    if (event_bit_set(d->shared->evtchn_pending, port) || !v) return;
    if (!event_bit(d->shared->evtchn_mask, port) &&
""", """\
    bool masked = event_bit(d->shared->evtchn_mask, port);
    if (event_bit_set(d->shared->evtchn_pending, port) || !v) return;
    if (!masked &&
"""),
    Mistake("an event's bit is set in two steps", "attack-races", 0,
            "domain/event_port.h", """\
    return __atomic_fetch_or(&bits[n / 64], bit, __ATOMIC_SEQ_CST) & bit;
""", """\
    uint64_t old = __atomic_load_n(&bits[n / 64], __ATOMIC_RELAXED);
    race_point();
    __atomic_store_n(&bits[n / 64], old | bit, __ATOMIC_SEQ_CST);
    return old & bit;
"""),
    Mistake("a grant is marked, whatever its owner did meanwhile", "attack-races", 1,
            "domain/grants.c", """\
        if (__atomic_compare_exchange_n(place, &old.word, new.word, false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_RELAXED)) {
""", """\
        for (unsigned int i = 0; i < 16; i++)
            race_point();
        __atomic_store_n(place, new.word, __ATOMIC_SEQ_CST);
        {
"""),
    Mistake("a vCPU's registers are read while it runs", "other-races", 4,
            "domain/schedule.c", """\
    v->sched.pause_count++;
    reconsider(v);
    leave_cpu(v);
""", """\
    v->sched.pause_count++;
    reconsider(v);
"""),
    Mistake("the area of who ran before is written", "attack-races", 4,
            "domain/schedule.c", """\
    vcpu_runstate_publish(next);
""", """\
    vcpu_runstate_publish(was);
"""),
    Mistake("who is in its guest does not hear of an event", "other-races", 4,
            "domain/schedule.c", """\
        cpu_interrupt(v->cpu);
    else
""", """\
        (void)v;
    else
"""),
    Mistake("a domain is freed while a CPU has its tables", "other-races", 3,
            "domain/domain.c", """\
    domain_leave_cpus(d);
    watchdogs_stop(d);
""", """\
    watchdogs_stop(d);
"""),
]


def mistaken(mistake, root):
    """The text of its file with the mistake in it."""
    text = (root / "hypervisor" / mistake.file).read_text()
    if text.count(mistake.before) != 1:
        raise scratch.Broken(f"{mistake.name}: its lines stand {text.count(mistake.before)} times "
                             f"in {mistake.file}")
    return text.replace(mistake.before, mistake.after)


class Tree:
    """A copy of the tree, in which one mistake after another is built into the debug image."""

    def __init__(self, root, build, path):
        self.root, self.path = root, path
        shutil.rmtree(path, ignore_errors=True)
        files = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=root,
                               text=True, check=True, stdout=subprocess.PIPE).stdout
        for line in files.splitlines():
            if (root / line).is_file():
                (path / line).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(root / line, path / line)
        for made in ("hv-debug", "gen"):
            shutil.copytree(build / made, path / "build" / made)

    def image(self, mistake):
        source = self.path / "hypervisor" / mistake.file
        source.write_text(mistaken(mistake, self.root))
        try:
            if complaint := scratch.make(self.path, IMAGE):
                raise scratch.Broken(f"{mistake.name} does not build:\n{complaint}")
            image = self.path / f"{re.sub('[^a-z]+', '-', mistake.name.lower())}.elf"
            shutil.copy2(self.path / IMAGE, image)
            return image
        finally:
            source.write_text((self.root / "hypervisor" / mistake.file).read_text())
