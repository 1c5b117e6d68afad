/* SPDX-License-Identifier: MIT */
/*
 * Fair, and preemptive: whose turn it is, lib/share.c says: by domain, then by vCPU, who had least;
 * for a slice at most if others wait. Who wakes up from sleep and had less than who runs, runs at
 * once, so I/O is answered without delay.
 *
 * Every nanosecond of a CPU is charged: to the vCPU that runs, to the domain that ring 0 works for
 * meanwhile (its timers, the switches that its comings and goings cost), or to nobody while nobody
 * runs.
 *
 * Lock: runqueue_lock. Everything here is O(log n).
 */
#include "domain/policy.h"
#include "domain/domain.h"
#include "domain/schedule.h"
#include "domain/timers.h"

#define SLICE_NS        10000000ul

/* The control domain works for all others. With twice the share of one it keeps up where they all
 * want something of it, and where one has it work without end, it leaves a neighbour a quarter of
 * the CPU and not less. */
#define CONTROL_WEIGHT (2 * SHARE_WEIGHT)

/* Who has the CPU; `current`, that is whose state is loaded, may have left it idle. NULL: nobody
 * has. */
static struct vcpu *running(const struct cpu *cpu)
{
    return cpu->runqueue.running ? container_of(cpu->runqueue.running, struct vcpu, sched.turn)
                                 : NULL;
}

/* ---- who pays ---- */

/* The time since this was last asked, to whoever it was; under the lock. What it is spent on for
 * others, who runs sees as time he waited. */
static void account(struct cpu *cpu, uint64_t now)
{
    struct runqueue *q = &cpu->runqueue;
    struct vcpu *v = running(cpu);
    uint64_t ns = now - cpu->since;

    lock_needed(&cpu->runqueue_lock);
    cpu->since = now;
    if (!v) {
        cpu->idle_ns += ns;
    } else if (likely(!cpu->payer)) {
        run_charge(q, ns);
    } else {
        share_charge(q, &cpu->payer->share, ns);
        cpu->payer->cpu_time_ns += ns;
        v->sched.runstate.time[RUNSTATE_runnable] += ns;
        v->sched.runstate.state_entry_time += ns;
    }
}

void time_goes_to(struct domain *d, uint64_t now)
{
    struct cpu *cpu = this_cpu();
    const struct vcpu *v = running(cpu);

    if (!v || v->domain == d)
        d = NULL;
    if (d == cpu->payer) return;
    spin_lock(&cpu->runqueue_lock);
    account(cpu, now);
    spin_unlock(&cpu->runqueue_lock);
    cpu->payer = d;
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
    spin_lock(&cpu->runqueue_lock);
    account(cpu, now_ns());
    v->sched.client = d;
    v->sched.client_since = ran;
    if (run_for(&cpu->runqueue, d ? &d->share : NULL))
        cpu->work |= WORK_RESCHEDULE;
    spin_unlock(&cpu->runqueue_lock);
    if (before)
        domain_put(before);
    return ran - since;
}

void domain_set_weight(struct domain *d, uint32_t weight)
{
    struct cpu *cpu = this_cpu();

    spin_lock(&cpu->runqueue_lock);
    account(cpu, now_ns());         /* what was, by the old one */
    d->share.weight = weight;
    spin_unlock(&cpu->runqueue_lock);
}

/* ONE_CPU: a sum, or by number. */
uint64_t cpu_idle_time(void)
{
    return boot_cpu.idle_ns + (boot_cpu.runqueue.running ? 0 : now_ns() - boot_cpu.since);
}

/* ---- who waits ---- */

static void begin_slice(struct cpu *cpu, uint64_t now)
{
    if (!timer_armed(&cpu->slice))
        timer_set(&cpu->slice, now + SLICE_NS);
}

/* Under the lock: who runs may have had much since he was last charged. */
static void account_if_late(struct cpu *cpu, uint64_t now)
{
    if (cpu->runqueue.running && now - cpu->since > GRANULARITY_NS)
        account(cpu, now);
}

/* ONE_CPU: always this CPU's queue. Each vCPU needs one, and idle CPUs take from others. */
void policy_enqueue(struct vcpu *v, uint64_t now)
{
    struct cpu *cpu = this_cpu();

    spin_lock(&cpu->runqueue_lock);
    account_if_late(cpu, now);
    run_wait(&cpu->runqueue, &v->sched.turn);
    spin_unlock(&cpu->runqueue_lock);
    if (run_urgent(&cpu->runqueue, &v->sched.turn))
        cpu->work |= WORK_RESCHEDULE;
    else
        begin_slice(cpu, now);
}

void policy_dequeue(struct vcpu *v, uint64_t now)
{
    struct cpu *cpu = this_cpu();

    spin_lock(&cpu->runqueue_lock);
    account_if_late(cpu, now);
    run_leave(&cpu->runqueue, &v->sched.turn);
    spin_unlock(&cpu->runqueue_lock);
}

void policy_hurry(struct vcpu *v)
{
    struct cpu *cpu = this_cpu();

    if (likely(!v->sched.client) || !policy_waits(&v->sched.turn)) return;
    spin_lock(&cpu->runqueue_lock);
    run_hurry(&cpu->runqueue, &v->sched.turn);
    spin_unlock(&cpu->runqueue_lock);
    if (run_urgent(&cpu->runqueue, &v->sched.turn))
        cpu->work |= WORK_RESCHEDULE;
}

/* ---- who runs ---- */

void vcpu_yield(void)
{
    this_cpu()->yielded = true;
    this_cpu()->work |= WORK_RESCHEDULE;
}

struct vcpu *policy_pick(struct cpu *cpu, bool stays, uint64_t now)
{
    struct runqueue *q = &cpu->runqueue;
    bool yields = cpu->yielded;
    struct turn *next = q->running;

    cpu->yielded = false;
    spin_lock(&cpu->runqueue_lock);
    account(cpu, now);
    if (next && stays) {
        if (run_others_wait(q))
            next = run_next(q, yields);
    } else {
        if (next)
            run_stop(q);
        next = run_pick(q);
    }
    spin_unlock(&cpu->runqueue_lock);
    if (next && run_others_wait(q))
        begin_slice(cpu, now);
    return next ? container_of(next, struct vcpu, sched.turn) : NULL;
}

/* The timer is not moved with every switch; so when it fires, the slice of who runs may have begun
 * only now. */
static void slice_ended(void *arg)
{
    struct cpu *cpu = arg;
    uint64_t end;

    if (!running(cpu) || !run_others_wait(&cpu->runqueue)) return;
    end = running(cpu)->sched.runstate.state_entry_time + SLICE_NS;
    if (now_ns() < end)
        timer_set(&cpu->slice, end);
    else
        cpu->work |= WORK_RESCHEDULE;
}

void policy_cpu_init(struct cpu *cpu)
{
    timer_init(&cpu->slice, NULL, slice_ended, cpu);
    cpu->since = now_ns();
}

void policy_domain_init(struct domain *d)
{
    /* ONE_CPU: a domain's share is on one queue; of several it needs one in each */
    share_init(&d->share, &this_cpu()->runqueue);
    if (d->privileged)
        d->share.weight = CONTROL_WEIGHT;
}

void policy_vcpu_init(struct vcpu *v)
{
    v->sched.turn.share = &v->domain->share;
}
