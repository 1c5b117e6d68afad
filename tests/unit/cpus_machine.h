/* SPDX-License-Identifier: MIT */
/*
 * A machine of many CPUs in virtual time, driven by the policy that the hypervisor has
 * (domain/policy.c, lib/share.c): CPUs that are asked to choose again do so soon, timers fire on
 * some CPU, and vCPUs compute, sleep and yield by habit. What the policy decides is all that a vCPU
 * gets.
 */
#ifndef CPUS_MACHINE_H
#define CPUS_MACHINE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <asm/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>
#undef fail                                     /* the hypervisor has one, too */
#include "domain/domain.h"
#include "domain/policy.h"
#include "domain/schedule.h"
#include "domain/timers.h"

#define US       1000ull
#define MS       1000000ull
#define S        1000000000ull
#define FOREVER  UINT64_MAX
#define SLICE    (10 * MS)
#define IPI      (2 * US)           /* until who is asked to choose again does so */
#define GUESTS   512
#define ALL      4096               /* vCPUs */

/* What a vCPU does: computes for run ns, then sleeps or yields; up to twice as long, by chance, if
 * loose. */
struct habit { uint64_t run, sleep; bool yields, loose; };
static const struct habit SPIN = { .run = FOREVER };

static struct player {
    struct vcpu v;
    struct habit habit;
    /* when it wakes; still to compute; since when it waits */
    uint64_t wakes, left, waits_since, ran, longest_wait;
    bool asleep;
} player[ALL];
static struct domain guest[GUESTS];
static unsigned int guests, players;

static struct processor {
    struct cpu cpu;
    uint64_t asked;                 /* when it comes to choose; FOREVER: nobody asked */
    uint64_t until;                 /* up to here its runner has computed */
} processor[MAX_CPUS];
struct cpu *cpus[MAX_CPUS];
uint32_t cpus_online;
static uint64_t now, choices;

static inline uint64_t dice(void)
{
    static uint64_t state = 88172645463325252;

    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

/* ---- what the scheduler wants of the machine ---- */

uint64_t now_ns(void)
{
    return now;
}

static struct timer *armed[64];     /* few: of slices and periods */
static unsigned int armed_count;
static uint64_t late;               /* they fire so much later than they should */

void timer_init(struct timer *t, struct domain *owner, void (*fire)(void *arg), void *arg)
{
    *t = (struct timer){ .owner = owner, .fire = fire, .arg = arg };
}
void timer_stop(struct timer *t)
{
    for (unsigned int i = 0; i < armed_count; i++)
        if (armed[i] == t)
            armed[i] = armed[--armed_count];
    t->node.rank = 0;
}
void timer_set(struct timer *t, uint64_t deadline)
{
    timer_stop(t);
    assert_true(armed_count < ARRAY_SIZE(armed));
    armed[armed_count++] = t;
    t->node.key = deadline;
    t->node.rank = 1;
}

uint64_t vcpu_cpu_time(struct vcpu *v)
{
    return 0;
}
void domain_put(struct domain *d) {}

static struct processor *processor_of(struct cpu *c)
{
    return container_of(c, struct processor, cpu);
}
static struct player *player_of(struct vcpu *v)
{
    return container_of(v, struct player, v);
}

void cpu_reschedule(struct cpu *c)
{
    struct processor *p = processor_of(c);

    c->work |= WORK_RESCHEDULE;
    p->asked = MIN(p->asked, now + IPI);
}

static void on(struct cpu *c)
{
    static struct cpu *here;

    if (here != c)
        syscall(SYS_arch_prctl, ARCH_SET_GS, here = c);
}

/* ---- time goes by ---- */

static void compute(struct processor *p)
{
    if (p->cpu.runs) {
        struct player *r = player_of(container_of(p->cpu.runs, struct vcpu, sched.turn));

        r->ran += now - p->until;
        if (r->left != FOREVER)
            r->left -= MIN(r->left, now - p->until);
    }
    p->until = now;
}

static uint64_t stretch(struct habit h, uint64_t ns)
{
    return h.loose && ns != FOREVER ? ns / 2 + dice() % (ns * 3 / 2) + 1 : ns;
}

static void has_waited(struct player *r)
{
    r->longest_wait = MAX(r->longest_wait, now - r->waits_since);
}

/* As schedule() does. */
static void choose_on(struct processor *p)
{
    struct cpu *c = &p->cpu;
    struct turn *had = c->runs;
    struct player *was = had ? player_of(container_of(had, struct vcpu, sched.turn)) : NULL;
    bool stays = was && !was->asleep;
    struct vcpu *next;

    on(c);
    compute(p);
    p->asked = FOREVER;
    c->work = 0;
    if (stays)
        was->waits_since = now;
    next = policy_pick(c, stays, now);
    choices++;
    if (!next) return;
    has_waited(player_of(next));
}

static void wakes(struct player *r)
{
    r->asleep = false;
    r->left = stretch(r->habit, r->habit.run);
    r->waits_since = now;
    if (!r->v.sched.turn.on)                    /* it may not have left yet */
        policy_enqueue(&r->v, now);
}

static void gives_way(struct processor *p, struct player *r)
{
    on(&p->cpu);
    r->left = stretch(r->habit, r->habit.run);
    if (r->habit.yields) {
        vcpu_yield();
    } else {
        r->asleep = true;
        r->wakes = now + stretch(r->habit, r->habit.sleep);
    }
    p->asked = now;
}

/* The first of all who sleep; their number is small, or they sleep long. */
static struct player *first_sleeper(void)
{
    struct player *first = NULL;

    for (unsigned int i = 0; i < players; i++)
        if (player[i].asleep && (!first || player[i].wakes < first->wakes))
            first = &player[i];
    return first;
}

static struct timer *first_timer(void)
{
    struct timer *first = NULL;

    for (unsigned int i = 0; i < armed_count; i++)
        if (!first || armed[i]->node.key < first->node.key)
            first = armed[i];
    return first;
}

/* One event, on whatever CPU: who wakes, a timer, a CPU that was asked, or who gives way. */
static void step_until(uint64_t end)
{
    struct player *sleeper = first_sleeper();
    struct timer *t = first_timer();
    struct processor *p = NULL;
    uint64_t next = MIN(end, MIN(sleeper ? sleeper->wakes : end, t ? t->node.key + late : end));

    for (unsigned int i = 0; i < cpus_online; i++) {
        struct processor *q = &processor[i];
        struct turn *runs = q->cpu.runs;
        uint64_t its = q->asked;

        if (runs) {
            struct player *r = player_of(container_of(runs, struct vcpu, sched.turn));
            if (r->left != FOREVER)
                its = MIN(its, q->until + r->left);
        }
        if (its < next || (its == next && its < end && !p)) {
            next = its;
            p = q;
        }
    }
    now = MAX(now, next);
    if (p) {
        struct turn *runs = p->cpu.runs;
        struct player *r = runs ? player_of(container_of(runs, struct vcpu, sched.turn)) : NULL;

        compute(p);
        if (r && r->left == 0 && p->asked > now)
            gives_way(p, r);
        else
            choose_on(p);
        return;
    }
    on(&processor[dice() % cpus_online].cpu);
    if (sleeper && sleeper->wakes <= now) {
        wakes(sleeper);
    } else if (t && t->node.key + late <= now) {
        timer_stop(t);
        t->fire(t->arg);
    }
}

static void run_until(uint64_t end)
{
    while (now < end)
        step_until(end);
    for (unsigned int i = 0; i < cpus_online; i++)
        compute(&processor[i]);
}

/* ---- who there is ---- */

static void machine(uint32_t count)
{
    memset(&policy, 0, sizeof(policy));
    spin_lock_init(&policy.lock, LOCK_RUNQUEUE);
    memset(player, 0, sizeof(player));
    memset(guest, 0, sizeof(guest));
    memset(processor, 0, sizeof(processor));
    guests = players = armed_count = 0;
    now = 5 * S;
    cpus_online = count;
    choices = late = 0;
    for (unsigned int i = 0; i < count; i++) {
        processor[i] = (struct processor){ .cpu.id = i, .asked = now, .until = now };
        processor[i].cpu.self = cpus[i] = &processor[i].cpu;
        on(cpus[i]);
        policy_cpu_init(cpus[i]);
    }
    for (unsigned int i = 0; i < count; i++)
        choose_on(&processor[i]);
}

static void add_vcpu(struct domain *d, struct habit habit)
{
    struct player *r = &player[players++];

    assert_true(players < ALL && guests < GUESTS && d->vcpu_count < MAX_VCPUS);
    *r = (struct player){ .habit = habit };
    r->v = (struct vcpu){ .domain = d, .id = d->vcpu_count };
    d->vcpus[d->vcpu_count++] = &r->v;
    policy_vcpu_init(&r->v);
    wakes(r);
}

static struct domain *add_domain(uint32_t weight, unsigned int vcpus, struct habit habit)
{
    struct domain *d = &guest[guests++];

    *d = (struct domain){ .id = (domid_t)guests };
    policy_domain_init(d);
    d->share.weight = weight;
    while (d->vcpu_count < vcpus)
        add_vcpu(d, habit);
    return d;
}

static uint64_t ran(const struct domain *d)
{
    uint64_t sum = 0;

    for (unsigned int i = 0; i < d->vcpu_count; i++)
        sum += player_of(d->vcpus[i])->ran;
    return sum;
}

static inline void forget_waits(void)
{
    for (unsigned int i = 0; i < players; i++) {
        player[i].longest_wait = 0;
        player[i].waits_since = now;
    }
}

static inline uint64_t longest_wait(const struct player *r)
{
    return policy_waits(&r->v.sched.turn) ? MAX(r->longest_wait, now - r->waits_since)
                                          : r->longest_wait;
}

/* In CPUs. */
static inline void assert_got(const struct domain *d, uint64_t had, uint64_t time, double least,
                       double most)
{
    double got = (double)(ran(d) - had) / (double)time;

    if (got >= least && got <= most) return;
    print_error("domain %d has %.4f CPUs, not %.4f to %.4f\n", d->id, got, least, most);
    assert_true(got >= least && got <= most);
}

static inline void prefer(struct domain *d, unsigned int vcpu, uint64_t bits)
{
    policy_set_preference(d->vcpus[vcpu], bits);
}

static inline bool is_on(const struct domain *d, uint32_t cpu)
{
    struct cpu *on = policy_cpu(&d->vcpus[0]->sched.turn);

    return on && on->id == cpu;
}

#endif
