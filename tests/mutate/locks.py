# SPDX-License-Identifier: MIT
"""Mistakes with ring 0's locks, put into copies on purpose: of each kind that there is (dropped too
early, forgotten on the way of an error, taken in the wrong order or twice, never initialised,
another one than the right one, none at all) the debug build stops at the first one that a
micro-guest comes to, and says which lock.
"""
import typing


class Mistake(typing.NamedTuple):
    """As seeded.Mistake, found by a guest that is run as it always is."""
    name: str
    guest: str              # of tests/guests/, on so many CPUs
    cpus: typing.Optional[int]
    said: str               # part of the machine's last words
    file: str
    before: str
    after: str


MUST_BE_HELD = r"lock \w+ \(rank \d+\) must be held here"
TWICE = r"lock \w+ \(rank \d+\) is taken twice by one CPU"
ORDER = r"lock \w+ \(rank \d+\) is taken inside \w+ \(rank \d+\): the wrong order"

MISTAKES = [
    Mistake("a port is given out without its domain's lock", "events", None, MUST_BE_HELD,
            "calls/event_channel_op.c", """\
    if (!vcpu_by_id(d, op->vcpu)) return fail(-ENOENT, "there is no such vCPU");
    spin_lock(&d->events.lock);
    int port = event_bind(d, EVTCHNSTAT_ipi, op->vcpu, 0);
    spin_unlock(&d->events.lock);
""", """\
    if (!vcpu_by_id(d, op->vcpu)) return fail(-ENOENT, "there is no such vCPU");
    int port = event_bind(d, EVTCHNSTAT_ipi, op->vcpu, 0);
"""),
    Mistake("a lock is kept when there is an error", "grants", None,
            r"ring 0 is left with 1 locks held|" + TWICE, "domain/grants.c", """\
        spin_unlock(&gt->lock);
        return refuse_value(GNTST_bad_gntref, "beyond the end of the grant table", ref);
""", """\
        return refuse_value(GNTST_bad_gntref, "beyond the end of the grant table", ref);
"""),
    Mistake("a lock is kept on the way out to the guest", "events", None,
            r"ring 0 is left with 1 locks held", "calls/event_channel_op.c", """\
        error = fail(-EINVAL, "only interdomain ports and IPIs can be sent on");
    spin_unlock(&d->events.lock);
""", """\
        error = fail(-EINVAL, "only interdomain ports and IPIs can be sent on");
"""),
    Mistake("two domains' locks in the order of who asks", "other-events", None, ORDER,
            "domain/events.c", """\
    spin_lock(a < b ? &a->events.lock : &b->events.lock);
    if (a != b)
        spin_lock(a < b ? &b->events.lock : &a->events.lock);
""", """\
    spin_lock(&a->events.lock);
    if (a != b)
        spin_lock(&b->events.lock);
"""),
    Mistake("the tables' lock inside that of the lists", "attack-walks", None, ORDER,
            "memory/undo.c", """\
        spin_lock(&d->pagetable_lock);
        if (undo_entries(f)) {
""", """\
        spin_lock(&d->lock);
        spin_lock(&d->pagetable_lock);
        spin_unlock(&d->lock);
        if (undo_entries(f)) {
"""),
    Mistake("a block goes back to the heap without its lock", "version", None, MUST_BE_HELD,
            "memory/heap.c", """\
    insert_block(frame_of(MFN(n)), order);
    spin_unlock(&heap_lock);
""", """\
    spin_unlock(&heap_lock);
    insert_block(frame_of(MFN(n)), order);
"""),
    Mistake("a lock is dropped that was not taken", "memory-op", None,
            r"lock \w+ \(rank \d+\) is dropped by a CPU that does not hold it",
            "memory/frame.c", """\
    spin_lock(&d->lock);
    list_remove(&f->link);
    if (!(f->state & FRAME_SHARED))
""", """\
    list_remove(&f->link);
    if (!(f->state & FRAME_SHARED))
"""),
    Mistake("a lock is taken that the caller has", "grants", None, TWICE, "domain/grants.c", """\
    lock_needed(&gt->lock);
    if (gt->maptrack_frames == gt->max_maptrack_frames) return;
""", """\
    spin_lock(&gt->lock);
    if (gt->maptrack_frames == gt->max_maptrack_frames) return;
"""),
    Mistake("a lock is never initialised", "version", None,
            r"lock \w+ is taken before it is initialised", "memory/frame.c", """\
    spin_lock_init(&d->pagetable_lock, LOCK_PAGETABLES);
""", ""),
    Mistake("entries change under another lock", "va-mapping", None, MUST_BE_HELD,
            "calls/mmu_update.c", """\
    spin_lock(&w->owner->pagetable_lock);
    slot = mmu_walk(&v->tables, va);
    error = slot ? entry_update(w, 1, slot, entry, false)
                 : fail(-EINVAL, "no level-1 table behind the address");
    spin_unlock(&w->owner->pagetable_lock);
""", """\
    spin_lock(&w->owner->lock);
    slot = mmu_walk(&v->tables, va);
    error = slot ? entry_update(w, 1, slot, entry, false)
                 : fail(-EINVAL, "no level-1 table behind the address");
    spin_unlock(&w->owner->lock);
"""),
    Mistake("a timer is stopped without its queue's lock", "timers", None, MUST_BE_HELD,
            "domain/timers.c", """\
    spin_lock(&t->queue->lock);
    disarm(t->queue, t);
    spin_unlock(&t->queue->lock);
""", """\
    disarm(t->queue, t);
"""),
    Mistake("who wakes up waits without the policy's lock", "two-vcpus", None, MUST_BE_HELD,
            "domain/policy.c", """\
    run_wait(&policy.queue, t);
    find_cpu(t, now);
    spin_unlock(&policy.lock);
""", """\
    run_wait(&policy.queue, t);
    spin_unlock(&policy.lock);
    find_cpu(t, now);
"""),
    Mistake("the list of domains is read without its lock", "other-control", None, MUST_BE_HELD,
            "domain/domain.c", """\
    spin_lock(&domain_list_lock);
    n = next_number(first, true);
    d = n < MAX_DOMAINS ? domain_hold(by_id[n]) : NULL;
    spin_unlock(&domain_list_lock);
""", """\
    n = next_number(first, true);
    d = n < MAX_DOMAINS ? domain_hold(by_id[n]) : NULL;
"""),
    Mistake("a CPU that wakes up does not take ring 0's lock", "two-vcpus", 4,
            r"HYPERVISOR PANIC", "domain/schedule.c", """\
    idle_once();
    ring0_enter();
""", """\
    idle_once();
"""),
]
