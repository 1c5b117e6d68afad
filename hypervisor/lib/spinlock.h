/* SPDX-License-Identifier: MIT */
/*
 * Spin locks. Ring 0 runs with interrupts off (machine/cpu.h), so a lock need not mask them. Today
 * hardly any is waited for: one lock around all of ring 0 (machine/ring0.h) lets one CPU in at a
 * time, and what relies on that lock alone is marked RING0_LOCK. These say, and the debug build
 * checks, what each part needs once that one is taken apart.
 *
 * Each lock has a rank: who holds one takes only locks of a higher rank, or of the same rank at a
 * higher address (two domains' event locks). The debug build (DEBUG=1, machine/lock_check.c) stops
 * the machine where this does not hold, where a lock is dropped that is not held, where one is not
 * held that must be, and where ring 0 is left with one.
 */
#ifndef DOMUS_LIB_SPINLOCK_H
#define DOMUS_LIB_SPINLOCK_H

#include "lib/types.h"

/* Outermost first, with what each guards. */
enum lock_rank {
    LOCK_NONE,          /* not initialised: nobody may take it */
    LOCK_DOMCTL,        /* one operation of the toolstack at a time (control/domctl.c) */
    LOCK_DOMAINS,       /* the list of domains (domain/domain.c) */
    LOCK_GRANTS,        /* a domain's grant table: entries, free handles (domain/grants.h) */
    LOCK_PAGETABLES,    /* a domain's page tables (memory/) */
    LOCK_MEMORY,        /* a domain's lists and counts of pages (memory/frame.c) */
    LOCK_EVENTS,        /* a domain's event channels and interrupts (domain/events.c, physdev.c) */
    LOCK_PCI,           /* the ports of PCI's configuration space (machine/pci.c) */
    LOCK_RUNQUEUE,      /* who runs where, and who waits (domain/policy.c) */
    LOCK_TIMERS,        /* a CPU's timers (domain/timers.c) */
    LOCK_WINDOWS,       /* which windows are in use (memory/window.c) */
    LOCK_PIECES,        /* small objects of ring 0 (memory/heap.c) */
    LOCK_HEAP,          /* free frames (memory/heap.c) */
    LOCK_CONSOLE,       /* the serial line and the log (machine/console.c) */
};

typedef struct {
    uint32_t held;
    uint8_t rank;       /* enum lock_rank */
} spinlock_t;

#define SPINLOCK(rank_) { .held = 0, .rank = (rank_) }

static inline void spin_lock_init(spinlock_t *l, enum lock_rank rank)
{
    *l = (spinlock_t)SPINLOCK((uint8_t)rank);
}

/* A CPU's locks, innermost last. Only the debug build fills it in. */
#define LOCKS_MAX 8
struct locks_held {
    uint32_t count;
    const spinlock_t *lock[LOCKS_MAX];
};

/*
 * lock_needed is for who may be called only with the lock held. At a race_point others may come in:
 * before the lock around ring 0 is taken and behind where it is dropped, before an exchange of a
 * word that guests write, too, between a call of other CPUs and what follows from it. What is right
 * there is right however long it takes: so the debug build takes a random while now and then, on
 * machines of several CPUs (machine/ring0.c).
 */
#ifdef DEBUG
void lock_wanted(const spinlock_t *l);
void lock_taken(const spinlock_t *l);
void lock_dropped(const spinlock_t *l);
void lock_needed(const spinlock_t *l);
void race_point(void);
#else
#define lock_wanted(l)  ((void)(l))
#define lock_taken(l)   ((void)(l))
#define lock_dropped(l) ((void)(l))
#define lock_needed(l)  ((void)(l))
#define race_point()    ((void)0)
#endif

/* For who does not wait, and so needs no order. */
static inline bool spin_trylock(spinlock_t *l)
{
    if (__atomic_exchange_n(&l->held, 1, __ATOMIC_ACQUIRE)) return false;
    lock_taken(l);
    return true;
}

static inline void spin_lock(spinlock_t *l)
{
    lock_wanted(l);
    while (unlikely(__atomic_exchange_n(&l->held, 1, __ATOMIC_ACQUIRE)))
        while (__atomic_load_n(&l->held, __ATOMIC_RELAXED))
            __builtin_ia32_pause();
    lock_taken(l);
}

static inline void spin_unlock(spinlock_t *l)
{
    lock_dropped(l);
    __atomic_store_n(&l->held, 0, __ATOMIC_RELEASE);
}

#endif
