/* SPDX-License-Identifier: MIT */
/*
 * Spin locks among vCPUs. Who takes one masks its events, so that no handler on the same vCPU waits
 * for it; what is done under one is short and does not sleep. Not to be taken twice.
 *
 * A vCPU that holds a lock may be waiting for a CPU itself, so nobody spins for long: after a few
 * hundred looks who waits says so in the lock and sleeps (SCHEDOP_poll on a port of its own), and
 * who unlocks rings that port. Where one vCPU alone was started nothing is locked, or waited for.
 */
#ifndef PVGUEST_SPINLOCK_H
#define PVGUEST_SPINLOCK_H

#include <pvguest/cpu.h>
#include <pvguest/events.h>

/* Bit 63: somebody has it. The others: which vCPUs sleep until they are rung. 0: free. */
struct spinlock { uint64_t word; };

/* Behind spin_lock and spin_unlock: waits, and rings who waits. */
void spin_take(struct spinlock *lock);
void spin_release(struct spinlock *lock);

/* Returns whether events were masked before, which spin_unlock wants back. */
static inline bool spin_lock(struct spinlock *lock)
{
    bool masked = events_save();

    if (__builtin_expect(several_cpus, false))
        spin_take(lock);
    return masked;
}

static inline void spin_unlock(struct spinlock *lock, bool masked)
{
    if (__builtin_expect(several_cpus, false))
        spin_release(lock);
    events_restore(masked);
}

#endif
