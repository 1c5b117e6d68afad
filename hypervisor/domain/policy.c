/* SPDX-License-Identifier: MIT */
/*
 * Fair, and preemptive: whose turn it is, lib/share.c says: by domain, then by vCPU, who had least;
 * for a slice at most if others wait. On which CPU: place.c.
 *
 * Every nanosecond of a CPU is charged: to the vCPU that runs, to the domain that ring 0 works for
 * meanwhile (its timers, the switches that its comings and goings cost), or to nobody while nobody
 * runs.
 *
 * Lock: the policy's own, for the machine's queue and each CPU's account. No step is more than
 * O(log n) in vCPUs; each end of slices looks at all CPUs.
 */
#include "domain/policy.h"
#include "domain/domain.h"
#include "domain/place.h"
#include "domain/schedule.h"
#include "domain/timers.h"
#include "machine/budget.h"

/* each end of slices is so much later for each CPU: what looking at them costs stays small */
#define LOOK_NS         10000ul

/* A domain with a cap has a budget for each period. It is looked at so often, at least, when it
 * nears its end: what is used beyond it is missing in the next one. */
#define PERIOD_NS       30000000ul
#define BUDGET_LOOK_NS  100000ul
/* So many whose budget is spent are parked by one choice; the next of them runs, for one look. */
#define PARKS           2u
#define COST_PARK       3000        /* instructions: its vCPUs change places */
#define COST_FIND       500         /* a CPU found for one of them */
#define COST_ACCOUNT    150         /* a CPU's time charged */

/* The control domain works for all others. With twice the share of one it keeps up where they all
 * want something of it, and where one has it work without end, it leaves a neighbour a quarter of
 * the CPU and not less. */
#define CONTROL_WEIGHT (2 * SHARE_WEIGHT)
#define NEVER          UINT64_MAX

struct policy policy = { .lock = SPINLOCK(LOCK_RUNQUEUE) };

static struct vcpu *vcpu_of(struct turn *t)
{
    return container_of(t, struct vcpu, sched.turn);
}

static struct domain *domain_with(struct share *s)
{
    return container_of(s, struct domain, share);
}

/* ---- who pays ---- */

/* The time since this was last asked, to whoever it was; under the lock. What it is spent on for
 * others, who runs sees as time he waited. */
static void account(struct cpu *cpu, uint64_t now)
{
    uint64_t ns = now - cpu->since;

    lock_needed(&policy.lock);
    cpu->since = now;
    if (!cpu->runs) {
        cpu->idle_ns += ns;
    } else if (likely(!cpu->payer)) {
        run_charge(&policy.queue, cpu->runs, ns);
    } else {
        struct vcpu_runstate_info *info = &vcpu_of(cpu->runs)->sched.runstate;

        share_charge(&policy.queue, &cpu->payer->share, ns);
        cpu->payer->cpu_time_ns += ns;
        info->time[RUNSTATE_runnable] += ns;
        info->state_entry_time += ns;
    }
}

void account_if_late(struct cpu *cpu, uint64_t now)
{
    if (cpu->runs && now - cpu->since > GRANULARITY_NS)
        account(cpu, now);
}

void time_goes_to(struct domain *d, uint64_t now)
{
    struct cpu *cpu = this_cpu();

    if (!cpu->runs || vcpu_of(cpu->runs)->domain == d)
        d = NULL;
    if (d == cpu->payer) return;
    spin_lock(&policy.lock);
    account(cpu, now);
    cpu->payer = d;
    spin_unlock(&policy.lock);
}

uint64_t vcpu_work_for(struct vcpu *v, struct domain *d)
{
    struct cpu *cpu = this_cpu();
    struct domain *before = v->sched.client;
    uint64_t ran = vcpu_cpu_time(v), since = v->sched.client_since;

    if (d == v->domain) {
        domain_put(d);
        d = NULL;
    }
    spin_lock(&policy.lock);
    account(cpu, now_ns());
    v->sched.client = d;
    v->sched.client_since = ran;
    if (run_for(&policy.queue, &v->sched.turn, cpu->id, d ? &d->share : NULL))
        cpu_reschedule(cpu);
    spin_unlock(&policy.lock);
    if (before)
        domain_put(before);
    return ran - since;
}

/* What was, by what was agreed then. */
static void account_all(uint64_t now)
{
    struct cpu *cpu;

    spend((int)cpus_online * COST_ACCOUNT);
    for_each_cpu (cpu)
        if (cpu->runs)
            account(cpu, now);
}

void domain_set_weight(struct domain *d, uint32_t weight)
{
    spin_lock(&policy.lock);
    account_all(now_ns());
    d->share.weight = weight;
    spin_unlock(&policy.lock);
}

uint64_t cpu_idle_time(const struct cpu *cpu)
{
    return cpu->idle_ns + (cpu->runs ? 0 : now_ns() - cpu->since);
}

/* ---- when slices end ---- */

void slices_end_by(uint64_t time)
{
    if (!timer_armed(&policy.slices) || time < policy.slices.node.key)
        timer_set(&policy.slices, time);
}

/* ---- caps ---- */

static bool spent_its_budget(const struct share *s)
{
    return unlikely(s->cap) && s->budget <= 0;
}

static int64_t budget_of(const struct share *s)
{
    return (int64_t)(PERIOD_NS / 100 * s->cap);
}

/* When it may have come to its end, on as many CPUs as it can be. */
static uint64_t next_look(struct share *s, uint64_t now)
{
    int64_t most = (int64_t)MIN(domain_with(s)->vcpu_count, cpus_online);

    return now + (uint64_t)MAX(s->budget / most, (int64_t)BUDGET_LOOK_NS);
}

/* Those who wait change places: at most as many as a domain has vCPUs. */
static void set_parked(struct domain *d, bool parked)
{
    uint64_t waited = 0;
    struct vcpu *v;

    spend(COST_PARK);
    for_each_vcpu (v, d)
        if (v->sched.turn.lane && policy_waits(&v->sched.turn)) {
            run_leave(&policy.queue, &v->sched.turn);
            waited |= 1ul << v->id;
        }
    share_park(&policy.queue, &d->share, parked);
    for_each_vcpu (v, d)
        if (waited >> v->id & 1)
            run_wait(&policy.queue, &v->sched.turn);
}

static void begin_period(struct domain *d, uint64_t now)
{
    if (!timer_armed(&d->cap_period))
        timer_set(&d->cap_period, now + PERIOD_NS);
}

static void park(struct domain *d, uint64_t now)
{
    struct vcpu *v;

    begin_period(d, now);
    set_parked(d, true);
    for_each_vcpu (v, d)
        if (v->sched.turn.on)
            cpu_reschedule(v->sched.turn.on);
}

static void unpark(struct domain *d, uint64_t now)
{
    struct vcpu *v;

    set_parked(d, false);
    for_each_vcpu (v, d)
        if (policy_waits(&v->sched.turn)) {
            find_cpu(&v->sched.turn, now);
            spend(COST_FIND);
        }
}

/* What it did not use is lost, what it used too much is missing; where this comes late, several
 * periods have ended. Who used nothing needs no more of them until he runs. */
static void period_ended(void *arg)
{
    struct domain *d = arg;
    struct share *s = &d->share;
    uint64_t now = now_ns(), due = d->cap_period.node.key, periods = 1 + (now - due) / PERIOD_NS;
    bool used;
    struct vcpu *v;

    spin_lock(&policy.lock);
    for_each_vcpu (v, d)
        if (v->sched.turn.on)
            account(v->sched.turn.on, now);
    used = s->budget < budget_of(s);
    s->budget = MIN(s->budget + (int64_t)periods * budget_of(s), budget_of(s));
    if (s->parked && s->budget > 0)
        unpark(d, now);
    spin_unlock(&policy.lock);
    if (used)
        timer_set(&d->cap_period, due + periods * PERIOD_NS);
}

/* Its vCPUs that run are looked at by its new budget. */
void domain_set_cap(struct domain *d, uint32_t percent)
{
    uint64_t now = now_ns();
    struct vcpu *v;

    spin_lock(&policy.lock);
    account_all(now);
    d->share.cap = percent;
    d->share.budget = budget_of(&d->share);
    if (d->share.parked)
        unpark(d, now);
    for_each_vcpu (v, d)
        if (v->sched.turn.on)
            cpu_reschedule(v->sched.turn.on);
    spin_unlock(&policy.lock);
}

/* ---- who waits ---- */

void policy_enqueue(struct vcpu *v, uint64_t now)
{
    struct turn *t = &v->sched.turn;

    spin_lock(&policy.lock);
    account_if_late(this_cpu(), now);
    run_wait(&policy.queue, t);
    find_cpu(t, now);
    spin_unlock(&policy.lock);
}

void policy_dequeue(struct vcpu *v, uint64_t now)
{
    spin_lock(&policy.lock);
    account_if_late(this_cpu(), now);
    run_leave(&policy.queue, &v->sched.turn);
    spin_unlock(&policy.lock);
}

void policy_hurry(struct vcpu *v)
{
    struct turn *t = &v->sched.turn;

    if (likely(!v->sched.client) || !policy_waits(t)) return;
    spin_lock(&policy.lock);
    run_hurry(&policy.queue, t);
    find_cpu(t, now_ns());
    spin_unlock(&policy.lock);
}

/* ---- who runs ---- */

void vcpu_yield(void)
{
    this_cpu()->yielded = true;
    this_cpu()->work |= WORK_RESCHEDULE;
}

/* Nothing is to be decided. */
static bool goes_on(const struct cpu *cpu, const struct turn *was)
{
    return !was->share->cap && !was->lane && !was->prefers && !run_first(&policy.queue, cpu->id);
}

static bool may_stay(const struct cpu *cpu, const struct turn *t)
{
    return likely(!t->share->cap || !(t->share->parked || spent_its_budget(t->share))) &&
           run_may(&policy.queue, t, cpu->id);
}

/* Who comes home, or who is next; one who is on his way elsewhere is let pass. */
static struct turn *pick(struct cpu *cpu)
{
    struct turn *next = arrives(cpu), *passes = NULL;

    if (unlikely(next)) return next;
    next = run_pick(&policy.queue, cpu->id);
    if (unlikely(next && next->goes)) {
        passes = next;
        next = run_pick(&policy.queue, cpu->id);
        run_wait(&policy.queue, passes);
    }
    return next;
}

static struct turn *choose(struct cpu *cpu, bool stays, bool yields, uint64_t now)
{
    struct turn *was = cpu->runs, *next;
    bool may = stays && likely(may_stay(cpu, was));

    if (may && !goes_home(cpu, was)) {
        next = run_next(&policy.queue, was, cpu->id, yields);
    } else {
        if (stays && !may)
            run_wait(&policy.queue, was);
        next = pick(cpu);
        if (may)
            run_wait(&policy.queue, was);       /* for another CPU, not for this one */
    }
    for (unsigned int n = 0; n < PARKS && next && spent_its_budget(next->share); n++) {
        park(domain_with(next->share), now);
        run_wait(&policy.queue, next);
        next = run_pick(&policy.queue, cpu->id);
    }
    return next;
}

/* With a cap the budget may be at its end before the slice is. */
static void begins(struct cpu *cpu, const struct turn *t, uint64_t now)
{
    cpu->slice_from = now;
    if (run_first(&policy.queue, cpu->id))
        slices_end_by(now + SLICE_NS);
    if (likely(!t->share->cap)) return;
    begin_period(domain_with(t->share), now);
    slices_end_by(next_look(t->share, now));
}

/* From whom to whom, who may be the same; NULL: nobody. */
static void changes(struct cpu *cpu, struct turn *was, struct turn *next)
{
    cpu->runs = next;
    if (was)
        was->on = NULL;
    else
        policy.idle &= ~cpu_bit(cpu->id);
    if (next) {
        next->on = cpu;
        next->last = cpu->id;
    } else {
        policy.idle |= cpu_bit(cpu->id);
        if (unlikely(policy.preferring))
            invite(cpu);
    }
    /* Others idle while he waits only if they might not have run who came instead. */
    if (unlikely(policy.queue.kept) && was && policy_waits(was))
        find_idle_cpu(was);
}

struct vcpu *policy_pick(struct cpu *cpu, bool stays, uint64_t now)
{
    struct turn *was = cpu->runs, *next = was;
    bool yields = cpu->yielded;

    cpu->yielded = false;
    spin_lock(&policy.lock);
    account(cpu, now);
    if (!was || !stays || !goes_on(cpu, was)) {
        next = choose(cpu, was && stays, yields, now);
        changes(cpu, was, next);
        if (next)
            begins(cpu, next, now);
    }
    spin_unlock(&policy.lock);
    return next ? vcpu_of(next) : NULL;
}

/* NEVER: nobody waits for that CPU, and who runs has no cap. */
static uint64_t slice_end(struct cpu *cpu, uint64_t now)
{
    uint64_t end = NEVER;

    if (!cpu->runs) return NEVER;
    if (run_first(&policy.queue, cpu->id))
        end = cpu->slice_from + SLICE_NS;
    if (cpu->runs->share->cap) {
        account(cpu, now);
        end = spent_its_budget(cpu->runs->share) ? now
                                                 : MIN(end, next_look(cpu->runs->share, now));
    }
    return end;
}

/* The timer is not moved with every switch; so when it fires, the slices of those who run may have
 * begun only now. */
static void slices_ended(void *arg)
{
    uint64_t now = now_ns(), next = NEVER;
    struct cpu *cpu;

    spin_lock(&policy.lock);
    for_each_cpu (cpu) {
        uint64_t end = slice_end(cpu, now);

        if (end <= now)
            cpu_reschedule(cpu);
        else
            next = MIN(next, end);
    }
    if (next != NEVER)
        timer_set(&policy.slices, MAX(next, now + LOOK_NS * cpus_online));
    spin_unlock(&policy.lock);
}

/* ---- comings and goings ---- */

void policy_cpu_init(struct cpu *cpu)
{
    if (!policy.slices.fire)
        timer_init(&policy.slices, NULL, slices_ended, NULL);
    cpu->since = now_ns();
}

void policy_domain_init(struct domain *d)
{
    share_init(&d->share, &policy.queue);
    if (d->privileged)
        d->share.weight = CONTROL_WEIGHT;
    timer_init(&d->cap_period, d, period_ended, d);
}

void policy_domain_end(struct domain *d)
{
    timer_stop(&d->cap_period);
}

void policy_vcpu_init(struct vcpu *v)
{
    v->sched.turn.share = &v->domain->share;
}

void policy_vcpu_end(struct vcpu *v)
{
    struct cpu *cpu;

    policy_set_preference(v, ALL_CPUS);
    spin_lock(&policy.lock);
    for_each_cpu (cpu)
        if (cpu->comes == &v->sched.turn)
            cpu->comes = NULL;
    run_keep(&policy.queue, &v->sched.turn, cpu_map_online(), cpu_map_online());
    spin_unlock(&policy.lock);
}
