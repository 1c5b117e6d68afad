/* SPDX-License-Identifier: MIT */
/* A timer, and a CPU's queue of them, as they lie in what uses them. domain/timers.h makes them
 * fire. */
#ifndef DOMUS_LIB_TIMER_H
#define DOMUS_LIB_TIMER_H

#include "lib/pqueue.h"
#include "lib/spinlock.h"

struct domain;

struct timer_queue {                /* a CPU's */
    struct pqueue armed;
    /* when the next timer interrupt comes: no later than the first deadline */
    uint64_t alarm;
    spinlock_t lock;
};

struct timer {
    struct pq_node node;            /* queued: armed; key: the deadline, ns of system time */
    struct timer_queue *queue;      /* on which it is, or was last */
    struct domain *owner;           /* who pays for it; NULL: whoever runs */
    void (*fire)(void *arg);        /* runs in ring 0 on the exit path, holding no lock */
    void *arg;
};

#endif
