/* SPDX-License-Identifier: MIT */
/*
 * The scheduler: fair, preemptive. Whose turn it is, lib/share.c says: by domain, then by vCPU,
 * who had least; for a slice at most if others wait. Who wakes up from sleep and had less than who
 * runs, runs at once, so I/O is answered without delay.
 *
 * Every nanosecond of a CPU is charged: to the vCPU that runs, to the domain that ring 0 works for
 * meanwhile (its timers, the switches that its comings and goings cost), or to nobody while nobody
 * runs.
 *
 * Nobody runnable: the CPU idles in ring 0 with the last vCPU's state still loaded, so a lone guest
 * that sleeps and wakes costs no switch. Lock: runqueue_lock. Everything here is O(log n), but for
 * what is done to all vCPUs of one domain.
 */
#include "domain/schedule.h"
#include "domain/domain.h"
#include "domain/time.h"
#include "machine/budget.h"
#include "machine/entry_asm.h"
#include "lib/printk.h"

#define SLICE_NS        10000000ul
#define COST_RECONSIDER 300         /* instructions */

/* ---- runstate: where each vCPU's time goes ---- */

static void set_runstate(struct vcpu *v, int state, uint64_t now)
{
    if (v->sched.runstate.state == state) return;
    v->sched.runstate.time[v->sched.runstate.state] += now - v->sched.runstate.state_entry_time;
    v->sched.runstate.state_entry_time = now;
    v->sched.runstate.state = state;
}

void vcpu_runstate_get(struct vcpu *v, struct vcpu_runstate_info *info)
{
    uint64_t now = now_ns();

    *info = v->sched.runstate;
    info->time[info->state] += now - info->state_entry_time;
    info->state_entry_time = now;
}

uint64_t vcpu_cpu_time(struct vcpu *v)
{
    struct vcpu_runstate_info info;

    vcpu_runstate_get(v, &info);
    return info.time[RUNSTATE_running];
}

uint64_t cpu_idle_time(void)
{
    return boot_cpu.idle_ns + (boot_cpu.runqueue.running ? 0 : now_ns() - boot_cpu.since);
}

bool vcpu_runnable(const struct vcpu *v)
{
    const struct domain *d = v->domain;

    return v->sched.state == VCPU_RUNNABLE && v->sched.pause_count == 0 && d->pause_count == 0 &&
           d->life == DOMAIN_ALIVE;
}

static int waiting_state(const struct vcpu *v)
{
    if (v->sched.state == VCPU_DOWN || v->sched.pause_count || v->domain->pause_count ||
        v->domain->life != DOMAIN_ALIVE)
        return RUNSTATE_offline;
    return v->sched.state == VCPU_BLOCKED ? RUNSTATE_blocked : RUNSTATE_runnable;
}

bool vcpu_stopped(const struct vcpu *v)
{
    return waiting_state(v) == RUNSTATE_offline;
}

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

/* ---- the queue ---- */

/* The state of v may have changed either way: on the queue if it should be, off it otherwise; and
 * is it more urgent than who runs? */
static void reconsider(struct vcpu *v)
{
    struct cpu *cpu = this_cpu();
    struct runqueue *q = &cpu->runqueue;
    bool runnable = vcpu_runnable(v);
    uint64_t now;

    if (&v->sched.turn == q->running) {
        if (!runnable)
            cpu->work |= WORK_RESCHEDULE;
        return;
    }
    now = now_ns();
    set_runstate(v, waiting_state(v), now);
    if (runnable == pq_queued(&v->sched.turn.node)) return;
    spin_lock(&cpu->runqueue_lock);
    if (q->running && now - cpu->since > GRANULARITY_NS)
        account(cpu, now);
    if (runnable)
        run_wait(q, &v->sched.turn);
    else
        run_leave(q, &v->sched.turn);
    spin_unlock(&cpu->runqueue_lock);
    if (!runnable) return;
    if (run_urgent(q, &v->sched.turn))
        cpu->work |= WORK_RESCHEDULE;
    else if (!timer_armed(&cpu->slice))
        timer_set(&cpu->slice, now + SLICE_NS);
}

static void make_runnable(struct vcpu *v)
{
    v->sched.state = VCPU_RUNNABLE;
    reconsider(v);
}

/* It was interrupted in what it does for somebody, and now somebody wants it who may be in more of
 * a hurry. */
static void hurry(struct vcpu *v)
{
    struct cpu *cpu = this_cpu();

    if (likely(!v->sched.client) || !pq_queued(&v->sched.turn.node)) return;
    spin_lock(&cpu->runqueue_lock);
    run_hurry(&cpu->runqueue, &v->sched.turn);
    spin_unlock(&cpu->runqueue_lock);
    if (run_urgent(&cpu->runqueue, &v->sched.turn))
        cpu->work |= WORK_RESCHEDULE;
}

void vcpu_wake(struct vcpu *v)
{
    if (v->sched.state == VCPU_BLOCKED)
        make_runnable(v);
    else
        hurry(v);
}

void vcpu_up(struct vcpu *v)
{
    if (v->sched.state == VCPU_DOWN && v->initialised)
        make_runnable(v);
}

void vcpu_down(struct vcpu *v)
{
    v->sched.state = VCPU_DOWN;
    reconsider(v);
}

void vcpu_block(struct vcpu *v)
{
    if (vcpu_event_deliverable(v)) return;
    v->sched.state = VCPU_BLOCKED;
    this_cpu()->work |= WORK_RESCHEDULE;
}

/* Once, whoever else waits goes first. */
void vcpu_yield(void)
{
    this_cpu()->yielded = true;
    this_cpu()->work |= WORK_RESCHEDULE;
}

void vcpu_pause(struct vcpu *v)
{
    v->sched.pause_count++;
    reconsider(v);
}

void vcpu_unpause(struct vcpu *v)
{
    v->sched.pause_count--;
    reconsider(v);
}

static void reconsider_all(struct domain *d)
{
    for (uint32_t i = 0; i < d->vcpu_count; i++) {
        if (d->vcpus[i])
            reconsider(d->vcpus[i]);
        spend(COST_RECONSIDER);
    }
}

void domain_reconsider(struct domain *d)
{
    reconsider_all(d);
}

void domain_pause(struct domain *d)
{
    d->pause_count++;
    reconsider_all(d);
}

void domain_unpause(struct domain *d)
{
    d->pause_count--;
    reconsider_all(d);
}

/* ---- choosing ---- */

/* Nobody can run: sleep until an interrupt makes somebody. The interrupt's handler, or a timer,
 * sets the work bit. */
static void idle_until_work(struct cpu *cpu)
{
    while (!(cpu->work & WORK_RESCHEDULE)) {
        budget_refill();            /* nobody waits */
        if (cpu->work & WORK_TIMERS)
            timers_run();
        else
            idle_once();
    }
    cpu->work &= ~WORK_RESCHEDULE;
}

/* Who runs next, perhaps still the same, if he can. NULL: nobody can. */
static struct vcpu *choose(struct cpu *cpu, bool stays, uint64_t now)
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
    return next ? container_of(next, struct vcpu, sched.turn) : NULL;
}

void schedule(void)
{
    struct cpu *cpu = this_cpu();
    struct vcpu *was = cpu->running, *next;
    uint64_t now = now_ns();
    bool stays = vcpu_runnable(was), leaves = cpu->runqueue.running && (cpu->yielded || !stays);

    cpu->work &= ~WORK_RESCHEDULE;
    set_runstate(was, stays ? RUNSTATE_runnable : waiting_state(was), now);
    while ((next = choose(cpu, stays, now)) == NULL) {
        idle_until_work(cpu);
        leaves = false;
        now = now_ns();
    }
    set_runstate(next, RUNSTATE_running, now);
    /* paid for by who wanted it: who comes, or who went by itself */
    if (next != was) {
        if (was->info->evtchn_upcall_pending)
            hurry(was);
        if (leaves && was->domain != next->domain)
            cpu->payer = was->domain;
        vcpu_switch(was, next);
        if (cpu->payer)
            time_goes_to(NULL, now_ns());
    }
    if (unlikely(next->time.periodic_ns))
        vcpu_resume_periodic(next);
    if (unlikely(next->time.version != time_version))
        update_vcpu_time(next);
    /* its tables are loaded now; it may have slept without a switch */
    vcpu_runstate_publish(next);
    if (run_others_wait(&cpu->runqueue) && !timer_armed(&cpu->slice))
        timer_set(&cpu->slice, now + SLICE_NS);
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

void schedule_init(void)
{
    struct cpu *cpu = this_cpu();

    timer_init(&cpu->slice, NULL, slice_ended, cpu);
    cpu->since = now_ns();
}

void schedule_start(void)
{
    this_cpu()->work |= WORK_RESCHEDULE;
    enter_guest();
}
