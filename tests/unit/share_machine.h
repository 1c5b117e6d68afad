/* SPDX-License-Identifier: MIT */
/* A machine of one CPU, driven by the arithmetic that the hypervisor uses (lib/share.h), for the
 * tests of it: domains whose vCPUs compute, sleep and yield by habit. */
#ifndef SHARE_MACHINE_H
#define SHARE_MACHINE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>
#include "lib/share.h"

#define US       1000ull
#define MS       1000000ull
#define S        1000000000ull
#define FOREVER  UINT64_MAX
#define SLICE    (10 * MS)
#define DOMAINS  512
#define VCPUS    32

/* What a vCPU does: computes for run ns, then sleeps or yields; up to twice as long, by chance, if
 * loose. */
struct habit { uint64_t run, sleep; bool yields, loose; };

struct vcpu {
    struct turn turn;
    struct habit habit;
    bool asleep;
    /* asleep until; still to compute; since when it waits */
    uint64_t wakes, left, waits_since;
    uint64_t ran, longest_wait;
};

struct domain {
    struct share share;
    struct vcpu vcpu[VCPUS];
    unsigned int vcpus;
    uint64_t charged;
};

static struct runqueue queue;
static struct domain domain[DOMAINS];
static unsigned int domains;
static struct vcpu *on_cpu;
static uint64_t now, slice_end, idle;

static inline uint64_t dice(void)
{
    static uint64_t state = 88172645463325252;

    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

/* ---- the machine ---- */

static inline void machine(void)
{
    memset(&queue, 0, sizeof(queue));
    memset(domain, 0, sizeof(domain));
    domains = 0;
    on_cpu = NULL;
    now = 5 * S;
    slice_end = FOREVER;
    idle = 0;
}

static inline uint64_t stretch(const struct vcpu *v, uint64_t ns)
{
    return v->habit.loose && ns != FOREVER ? ns / 2 + dice() % (ns * 3 / 2) + 1 : ns;
}

static inline void wait(struct vcpu *v)
{
    run_wait(&queue, &v->turn);
    v->waits_since = now;
}

static inline void goes_on(struct turn *t)
{
    on_cpu = t ? container_of(t, struct vcpu, turn) : NULL;
    slice_end = now + SLICE;
    if (on_cpu)
        on_cpu->longest_wait = MAX(on_cpu->longest_wait, now - on_cpu->waits_since);
}

/* Time goes on, for who has the CPU; it must not pass the next event. */
static inline void pass(uint64_t ns)
{
    now += ns;
    if (!on_cpu) {
        idle += ns;
        return;
    }
    run_charge(&queue, &on_cpu->turn, ns);
    on_cpu->ran += ns;
    if (on_cpu->left != FOREVER)
        on_cpu->left -= ns;
}

static inline void reschedule(bool yields)
{
    if (!on_cpu) {
        goes_on(run_pick(&queue, 0));
    } else if (run_first(&queue, 0)) {
        on_cpu->waits_since = now;
        goes_on(run_next(&queue, &on_cpu->turn, 0, yields));
    }
}

static inline void stops(void)
{
    goes_on(run_pick(&queue, 0));
}

static inline bool urgent(const struct turn *t)
{
    return !on_cpu || run_ahead(&on_cpu->turn, t) > GRANULARITY_NS;
}

static inline void wake(struct vcpu *v)
{
    v->asleep = false;
    v->left = stretch(v, v->habit.run);
    wait(v);
    if (urgent(&v->turn))
        reschedule(false);
}

static inline void add_vcpu(struct domain *d, struct habit habit)
{
    struct vcpu *v = &d->vcpu[d->vcpus++];

    *v = (struct vcpu){ .habit = habit, .turn = { .share = &d->share } };
    wake(v);
}

static inline struct domain *add_domain(uint32_t weight, unsigned int vcpus, struct habit habit)
{
    struct domain *d = &domain[domains++];

    share_init(&d->share, &queue);
    d->share.weight = weight;
    while (d->vcpus < vcpus)
        add_vcpu(d, habit);
    return d;
}

/* Who has computed enough sleeps, or lets others go first. */
static inline void gives_way(void)
{
    struct vcpu *v = on_cpu;

    v->left = stretch(v, v->habit.run);
    if (v->habit.yields) {
        reschedule(true);
        return;
    }
    v->asleep = true;
    v->wakes = now + stretch(v, v->habit.sleep);
    stops();
}

static inline struct vcpu *next_to_wake(void)
{
    struct vcpu *first = NULL;

    for (unsigned int i = 0; i < domains; i++)
        for (unsigned int j = 0; j < domain[i].vcpus; j++) {
            struct vcpu *v = &domain[i].vcpu[j];
            if (v->asleep && (!first || v->wakes < first->wakes))
                first = v;
        }
    return first;
}

static inline void run_until(uint64_t end)
{
    while (now < end) {
        struct vcpu *sleeper = next_to_wake();
        uint64_t next = sleeper ? MIN(end, sleeper->wakes) : end;

        if (on_cpu && on_cpu->left != FOREVER)
            next = MIN(next, now + on_cpu->left);
        if (on_cpu && run_first(&queue, 0))
            next = MIN(next, MAX(slice_end, now));
        pass(next - now);
        if (sleeper && sleeper->wakes <= now)
            wake(sleeper);
        else if (on_cpu && !on_cpu->left)
            gives_way();
        else if (on_cpu && run_first(&queue, 0) && now >= slice_end)
            reschedule(false);
    }
}

static inline uint64_t ran(const struct domain *d)
{
    uint64_t sum = d->charged;

    for (unsigned int i = 0; i < d->vcpus; i++)
        sum += d->vcpu[i].ran;
    return sum;
}

static inline uint64_t longest_wait(const struct vcpu *v)
{
    return pq_queued(&v->turn.node) ? MAX(v->longest_wait, now - v->waits_since) : v->longest_wait;
}

static inline void assert_part(const struct domain *d, uint64_t of, double least, double most)
{
    double part = (double)ran(d) / (double)of;

    if (part < least || part > most)
        fail_msg("domain %d has %.4f, not %.4f to %.4f", (int)(d - domain), part, least, most);
}

static const struct habit SPIN = { .run = FOREVER };

#endif
