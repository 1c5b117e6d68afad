/* SPDX-License-Identifier: MIT */
/*
 * The scheduler: which vCPUs may run (up, blocked, paused, their domain alive), where their time
 * goes, and the change from one to the next. Which of those who may does run says policy.c.
 *
 * Nobody runnable: the CPU idles in ring 0. On a machine of one CPU the last vCPU's state stays
 * loaded, so that a lone guest that sleeps and wakes costs no switch; of several, another may have
 * it, so the CPU lets go of it and has only its own idle vCPU. All but what is done to all vCPUs of
 * one domain is of bounded time.
 */
#include "domain/schedule.h"
#include "domain/domain.h"
#include "domain/time.h"
#include "machine/budget.h"
#include "machine/entry_asm.h"
#include "machine/io.h"
#include "machine/ring0.h"

#define COST_RECONSIDER 300         /* instructions */
#define LOOKS_OUTSIDE   1000u       /* another CPU comes into ring 0 and leaves meanwhile */

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

/* ---- what changes it ---- */

/* The state of v may have changed either way: it waits if it should, and does not otherwise. */
static void reconsider(struct vcpu *v)
{
    struct cpu *cpu = policy_cpu(&v->sched.turn);
    bool runnable = vcpu_runnable(v);
    uint64_t now;

    if (cpu) {
        if (!runnable)
            cpu_reschedule(cpu);
        return;
    }
    now = now_ns();
    set_runstate(v, waiting_state(v), now);
    if (runnable == policy_waits(&v->sched.turn)) return;
    if (runnable)
        policy_enqueue(v, now);
    else
        policy_dequeue(v, now);
}

static void make_runnable(struct vcpu *v)
{
    v->sched.state = VCPU_RUNNABLE;
    reconsider(v);
}

/* One that is in its guest on another CPU comes out, to look what there is for it. */
void vcpu_wake(struct vcpu *v)
{
    if (v->sched.state == VCPU_BLOCKED)
        make_runnable(v);
    else if (vcpu_loaded(v))
        cpu_interrupt(v->cpu);
    else
        policy_hurry(v);
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
    race_point();
    v->sched.state = VCPU_BLOCKED;
    this_cpu()->work |= WORK_RESCHEDULE;
}

/*
 * v is not to run, and on return no CPU has its state but perhaps this one. Another that runs it
 * was told (reconsider); it needs the lock around ring 0 for its way out, so this one steps back
 * for a while. So there is only one who waits like this: the control domain, in one operation of
 * its at a time, which holds on to what it needs, but none of the locks that others wait for.
 */
static void leave_cpu(const struct vcpu *v)
{
    while (vcpu_loaded(v) && v->cpu != this_cpu()) {
        ring0_leave();
        for (unsigned int i = 0; i < LOOKS_OUTSIDE && vcpu_loaded(v); i++)
            cpu_relax();
        ring0_enter();
    }
}

void vcpu_pause(struct vcpu *v)
{
    v->sched.pause_count++;
    reconsider(v);
    leave_cpu(v);
}

void vcpu_unpause(struct vcpu *v)
{
    v->sched.pause_count--;
    reconsider(v);
}

void domain_reconsider(struct domain *d)
{
    struct vcpu *v;

    for_each_vcpu (v, d) {
        reconsider(v);
        spend(COST_RECONSIDER);
    }
}

void domain_leave_cpus(const struct domain *d)
{
    const struct vcpu *v;

    for_each_vcpu (v, d)
        leave_cpu(v);
}

void domain_pause(struct domain *d)
{
    d->pause_count++;
    domain_reconsider(d);
    domain_leave_cpus(d);
}

void domain_unpause(struct domain *d)
{
    d->pause_count--;
    domain_reconsider(d);
}

/* ---- choosing ---- */

/* Interrupts are off between the last look at the work bits and HLT: who sets one afterwards sends
 * one. */
static void sleep(void)
{
    ring0_leave();
    idle_once();
    ring0_enter();
}

/* For who has work to do before a guest can run, and no budget left. */
void schedule_rest(void)
{
    ring0_leave();
    interrupts_once();
    ring0_enter();
    budget_refill();
}

/* Nobody can run: sleep until an interrupt makes somebody. The interrupt's handler, a timer, or
 * another CPU sets the work bit. */
static void idle_until_work(struct cpu *cpu)
{
    while (!(cpu->work & WORK_RESCHEDULE)) {
        budget_refill();            /* nobody waits */
        if (cpu->work & WORK_TIMERS)
            timers_run();
        else
            sleep();
    }
    cpu->work &= ~WORK_RESCHEDULE;
}

void schedule(void)
{
    struct cpu *cpu = this_cpu();
    struct vcpu *was = cpu->running, *next;
    uint64_t now = now_ns();
    bool stays = vcpu_runnable(was),
         leaves = policy_cpu(&was->sched.turn) == cpu && (cpu->yielded || !stays);

    cpu->work &= ~WORK_RESCHEDULE;
    next = policy_pick(cpu, stays, now);
    if (next != was)
        set_runstate(was, stays ? RUNSTATE_runnable : waiting_state(was), now);
    while (!next) {
        if (ring0_shared && was != cpu->idle) {
            vcpu_switch(was, cpu->idle);
            was = cpu->idle;        /* the other may be gone when this CPU wakes up */
        }
        idle_until_work(cpu);
        leaves = false;
        now = now_ns();
        next = policy_pick(cpu, false, now);
    }
    set_runstate(next, RUNSTATE_running, now);
    /* paid for by who wanted it: who comes, or who went by itself; but each has his own segments */
    if (next != was) {
        if (was->info->evtchn_upcall_pending)
            policy_hurry(was);
        if (leaves && was->domain != next->domain)
            cpu->payer = was->domain;
        vcpu_switch(was, next);
        if (cpu->payer)
            time_goes_to(NULL, now_ns());
        if (spent())
            schedule_rest();        /* else its LDT is not looked at: entry/traps.c */
        vcpu_load_segments(next);
    }
    if (unlikely(next->time.periodic_ns))
        vcpu_resume_periodic(next);
    if (unlikely(next->time.version != time_version))
        update_vcpu_time(next);
    /* its tables are loaded now; it may have slept without a switch */
    vcpu_runstate_publish(next);
}

void schedule_start(void)
{
    this_cpu()->work |= WORK_RESCHEDULE;
    enter_guest();
}
