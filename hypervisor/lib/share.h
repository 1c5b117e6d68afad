/* SPDX-License-Identifier: MIT */
/*
 * Whose turn it is, as arithmetic: the CPU is shared by domain, and a domain's part by its vCPUs.
 * Pure: tests/unit/test_share.c.
 *
 * A domain's virtual time is the CPU time it was charged for, in nanoseconds, times 256 / weight; a
 * vCPU's is what it ran. Of the domains that have a vCPU waiting the one with the least virtual
 * time is next, and of its vCPUs the one with the least. How many vCPUs a domain has, and what they
 * do, changes nothing for others.
 *
 * Who slept comes back at most SLEEP_CREDIT_NS behind the least of those who did not: enough to run
 * before them at once, too little to make them wait long. So nothing is gained by sleeping: the
 * credit is less than what was left to others meanwhile.
 *
 * A vCPU that works on behalf of another domain (dom0's, DOMUS_work_for) is charged to that domain,
 * and is as urgent as that one is: who had less than the one it is done for runs first. When it is
 * interrupted there and then wanted by somebody else (an event comes) it waits as its own domain
 * again, which had little: what was begun is ended soon, and then who asked for little is served.
 * So whoever has others work for him has less of the CPU himself, and nobody else has.
 */
#ifndef DOMUS_LIB_SHARE_H
#define DOMUS_LIB_SHARE_H

#include "lib/pqueue.h"

/* of a domain that nobody gave another; 1 to 65535 (Xen's credit scheduler) */
#define SHARE_WEIGHT     256u
#define SLEEP_CREDIT_NS  10000000ul
/* a waker must be this much poorer than who runs, or switching costs more than it gives */
#define GRANULARITY_NS   200000ul

struct turn {                       /* a vCPU's */
    struct pq_node node;            /* on its share's queue while it waits */
    struct share *share;
    struct share *client;           /* on whose behalf it works; NULL: its own */
    uint64_t time;                  /* virtual */
};

struct share {                      /* a domain's */
    /* on the run queue, while one of its vCPUs waits and none runs */
    struct pq_node node;
    struct pqueue waiting;
    uint64_t time;                  /* virtual */
    uint64_t least;                 /* of its vCPUs' times, as of their last change; never falls */
    uint32_t weight;
};

struct runqueue {                   /* a CPU's; zeroes are an empty one */
    struct pqueue shares;
    struct turn *running;           /* NULL: nobody */
    uint64_t least;                 /* as in a share */
};

/* Does anybody wait, beside the one who runs? */
static inline bool run_others_wait(const struct runqueue *q)
{
    return q->shares.first || (q->running && q->running->share->waiting.first);
}

/* A domain is born as one that has just had its turn: it is no way to a better place to end and to
 * begin again. */
void share_init(struct share *s, struct runqueue *q);

/* neither waits nor runs: waits from now on */
void run_wait(struct runqueue *q, struct turn *t);
void run_leave(struct runqueue *q, struct turn *t);     /* waits: no longer */
/* nobody runs: who is next does from now on; NULL: nobody waits */
struct turn *run_pick(struct runqueue *q);
void run_stop(struct runqueue *q);                      /* who runs does not any more, nor waits */
/* Others wait, too: who runs waits again, and who is next runs. He may be the same, but not if he
 * yields. */
struct turn *run_next(struct runqueue *q, bool yields);

/* ns of CPU time to a domain, for work done for it; or to the one who runs. Before anything else is
 * asked. */
void share_moved(struct runqueue *q, struct share *s);
static inline void share_charge(struct runqueue *q, struct share *s, uint64_t ns)
{
    if (likely(s->weight == SHARE_WEIGHT))
        s->time += ns;
    else
        s->time += ns / s->weight * SHARE_WEIGHT +
                   ns % s->weight * SHARE_WEIGHT / s->weight; /* however long it was */
    if (pq_queued(&s->node))
        share_moved(q, s);
}
static inline struct share *turn_payer(const struct turn *t)
{
    return t->client ? t->client : t->share;
}
static inline void run_charge(struct runqueue *q, uint64_t ns)
{
    q->running->time += ns;
    share_charge(q, turn_payer(q->running), ns);
}

/* Whatever is done for whom: t waits as its own domain. */
static inline void run_hurry(struct runqueue *q, struct turn *t)
{
    if (pq_queued(&t->share->node))
        share_moved(q, t->share);
}

/* Who runs works for somebody from now on (NULL: for himself). True: somebody who waits should run
 * instead. */
bool run_for(struct runqueue *q, struct share *client);

/* t waits: should it run instead of who does? What that one ran since GRANULARITY_NS may still be
 * missing in its account. */
bool run_urgent(const struct runqueue *q, const struct turn *t);

#endif
