/* SPDX-License-Identifier: MIT */
/*
 * Spin locks. Lock order, outermost first; a function that takes two takes them in this order:
 *   1 domain list      2 domain control (domctl)   3 grant table
 *   4 page tables      5 domain memory (page lists, counts)
 *   6 event channels   7 scheduler queue           8 timers
 *   9 heap            10 console
 * Ring 0 runs with interrupts off (machine/cpu.h), so a lock need not mask them.
 */
#ifndef DOMUS_LIB_SPINLOCK_H
#define DOMUS_LIB_SPINLOCK_H

#include "lib/types.h"

typedef struct { uint32_t held; } spinlock_t;

static inline bool spin_trylock(spinlock_t *l)
{
    return !__atomic_exchange_n(&l->held, 1, __ATOMIC_ACQUIRE);
}

static inline void spin_lock(spinlock_t *l)
{
    while (unlikely(!spin_trylock(l)))
        while (__atomic_load_n(&l->held, __ATOMIC_RELAXED))
            __builtin_ia32_pause();
}

static inline void spin_unlock(spinlock_t *l)
{
    __atomic_store_n(&l->held, 0, __ATOMIC_RELEASE);
}

#endif
