/* SPDX-License-Identifier: MIT */
/*
 * Whose turn it is, as arithmetic: the CPUs are shared by domain, and a domain's part by its vCPUs.
 * Pure: tests/unit/test_share.c.
 *
 * A domain's virtual time is the CPU time it was charged for, in nanoseconds, times 256 / weight; a
 * vCPU's is what it ran. All that wait do so in one place: a CPU that wants somebody takes, of the
 * domains that have a vCPU waiting, the one with the least virtual time, and of its vCPUs the one
 * with the least. How many vCPUs a domain has, on how many CPUs they run, and what they do, changes
 * nothing for others; no CPU is idle while somebody waits, and nothing has to be balanced.
 *
 * The queue has a clock: it advances with the virtual time of those who run, and never past the
 * least of those who wait. Who wakes up gets a virtual time at most SLEEP_CREDIT_NS behind that
 * clock: enough to run at once, too little to keep others waiting for long. So a domain gains
 * nothing by sleeping, nor by having fewer vCPUs than there are CPUs: the credit is less than the
 * CPU time that it left to others meanwhile. Nor does it lose by using CPU time that nobody else
 * wanted: the clock advances with it.
 *
 * A vCPU that may not run on every CPU waits in a lane: that of its only CPU, or one that it shares
 * with all vCPUs that have the same set of CPUs. Each lane has a clock of its own, for on a crowded
 * CPU virtual time advances more slowly. A vCPU waits there with the virtual time that its domain
 * had when it came, brought near to the lane's clock; so whoever waits longest is picked in the
 * end.
 *
 * While a vCPU works for another domain (dom0's do, DOMUS_work_for) its time is charged to that
 * domain, its client, and it waits with the client's virtual time: it runs before or after others
 * as the client would. If it was preempted in such work and then an event wants it, it waits with
 * its own domain's time, mostly the least of all: it soon ends what it had begun, and then serves
 * who asked. So who has others work for him has less of the CPU himself, and no third domain has.
 *
 * A domain with a cap has a budget, which what it is charged for uses up. Without one it is parked:
 * its vCPUs wait, but nobody picks them. Who gives it a new one is domain/policy.c.
 */
#ifndef DOMUS_LIB_SHARE_H
#define DOMUS_LIB_SHARE_H

#include "lib/cpumask.h"
#include "lib/pqueue.h"

/* of a domain that nobody gave another; 1 to 65535 (Xen's credit scheduler) */
#define SHARE_WEIGHT     256u
#define SLEEP_CREDIT_NS  10000000ul
/* a waker must be this much poorer than who runs, or switching costs more than it gives */
#define GRANULARITY_NS   200000ul
/* sets of CPUs, beside those of one and that of all, that vCPUs are kept to */
#define MIXED_LANES      32u

struct cpu;

struct lane {
    struct pqueue waiting;
    uint64_t clock;                 /* virtual; never falls */
};

struct turn {                       /* a vCPU's (dom0/turns.h has another one of that name) */
    struct pq_node node;            /* on its share's queue, or its lane's, while it waits */
    struct share *share;
    struct share *client;           /* on whose behalf it works; NULL: its own */
    struct lane *lane;              /* NULL: it may run on every CPU */
    /* domain/policy.c: of those, if it can (0: it does not mind), and whither it is on its way */
    cpumask_t prefers;
    struct cpu *goes;
    uint64_t time;                  /* virtual */
    struct cpu *on;                 /* where it runs (domain/policy.c); NULL: it does not */
    uint32_t last;                  /* that one's number, or of where it ran last */
};

struct share {                      /* a domain's */
    /* on the run queue, while one of its vCPUs waits that may run on every CPU */
    struct pq_node node;
    struct pqueue waiting;          /* those; parked: all that wait */
    uint64_t time;                  /* virtual */
    uint64_t clock;                 /* where its vCPUs are; never falls */
    uint32_t weight;
    uint32_t cap;                   /* percent of one CPU; 0: none */
    int64_t budget;                 /* ns that it may still be charged for, with a cap */
    bool parked;
};

struct runqueue {                   /* the machine's; zeroes are an empty one */
    struct lane all;                /* of shares */
    /* vCPUs that have a lane, and how many of the mixed lanes are in use */
    uint32_t kept, mixed_count;
    struct lane only[MAX_CPUS];
    struct mixed_lane {
        struct lane lane;
        cpumask_t cpus;
        uint32_t users;
    } mixed[MIXED_LANES];
};

/* A domain begins as one that has just had its turn: it is no way to a better place to end and to
 * begin again. */
void share_init(struct share *s, const struct runqueue *q);
/* Its time has changed while it was queued. */
void share_moved(struct runqueue *q, struct share *s);
/* Its vCPUs with a lane do not wait just now. */
void share_park(struct runqueue *q, struct share *s, bool parked);

/* Neither waits nor runs: where it may from now on, of the CPUs that there are. The 33rd set of
 * several CPUs is that of its first alone. */
void run_keep(struct runqueue *q, struct turn *t, cpumask_t cpus, cpumask_t present);
cpumask_t lane_cpus(const struct runqueue *q, struct lane *lane);
static inline cpumask_t run_cpus(const struct runqueue *q, const struct turn *t)
{
    return likely(!t->lane) ? ALL_CPUS : lane_cpus(q, t->lane);
}
static inline bool run_may(const struct runqueue *q, const struct turn *t, uint32_t cpu)
{
    return run_cpus(q, t) & cpu_bit(cpu);
}

/* neither waits nor runs: waits from now on */
void run_wait(struct runqueue *q, struct turn *t);
void run_leave(struct runqueue *q, struct turn *t);     /* waits: no longer */

/* Of those who have a lane or none: the first for this CPU. No more than MIXED_LANES + 2 places are
 * looked at. */
struct pq_node *run_first_kept(const struct runqueue *q, uint32_t cpu);
static inline struct pq_node *run_first(const struct runqueue *q, uint32_t cpu)
{
    return likely(!q->kept) ? q->all.waiting.first : run_first_kept(q, cpu);
}
/* who is next there does not wait any more; NULL: nobody waits for it */
struct turn *run_pick(struct runqueue *q, uint32_t cpu);
/* t runs there and could go on. Who is next, t itself perhaps, but not if he yields to another; if
 * it is not, t waits. */
struct turn *run_next(struct runqueue *q, struct turn *t, uint32_t cpu, bool yields);

/* ns of CPU time to a domain, for work done for it. In virtual ones. It may be queued at its
 * client's time, which is later. */
void share_older(struct runqueue *q, struct share *s);
static inline uint64_t share_charge(struct runqueue *q, struct share *s, uint64_t ns)
{
    uint64_t by = ns;

    if (unlikely(s->weight != SHARE_WEIGHT))
        by = ns / s->weight * SHARE_WEIGHT +
             ns % s->weight * SHARE_WEIGHT / s->weight; /* however long it was */
    s->time += by;
    if (unlikely(s->cap))
        s->budget -= (int64_t)ns;
    if (pq_queued(&s->node) && s->time > s->node.key)
        share_older(q, s);
    return by;
}
/* The one who was charged with `by` is now at time; at twice his pace the clock comes up with him
 * soon, and does not leap to one who was far ahead of everybody. */
static inline void lane_tick(struct lane *lane, uint64_t by, uint64_t time)
{
    uint64_t to = MIN(lane->clock + 2 * by, time);

    if (lane->waiting.first)
        to = MIN(to, lane->waiting.first->key);
    if (to > lane->clock)
        lane->clock = to;
}
void lane_charged(struct runqueue *q, struct turn *t, uint64_t by);
/* to t, who runs. Before anything else is asked. */
static inline void run_charge(struct runqueue *q, struct turn *t, uint64_t ns)
{
    struct share *s = t->share, *payer = unlikely(t->client) ? t->client : s;
    uint64_t by = share_charge(q, payer, ns);

    t->time += ns;
    if (!s->waiting.first && t->time > s->clock)
        s->clock = t->time;
    lane_tick(&q->all, by, MAX(s->time, payer->time));
    if (unlikely(t->lane))
        lane_charged(q, t, by);
}

/* Whatever is done for whom: t waits as its own domain. */
static inline void run_hurry(struct runqueue *q, struct turn *t)
{
    if (pq_queued(&t->share->node))
        share_moved(q, t->share);
}

/* t, who runs there, works for somebody from now on (NULL: for himself). True: somebody who waits
 * should run instead. */
bool run_for(const struct runqueue *q, struct turn *t, uint32_t cpu, struct share *client);

/* By how much has r, who runs, had more than t, who waits? 0: he has not. What r ran since
 * GRANULARITY_NS may still be missing in its account. */
uint64_t run_ahead(const struct turn *r, const struct turn *t);

#endif
