/* SPDX-License-Identifier: MIT */
/*
 * The scheduler: fair, preemptive, one queue. Each vCPU has a virtual time, the nanoseconds it has run; the one with the least
 * runs next, for a slice at most if others wait. Who wakes up from sleep is forgiven at most SLEEP_CREDIT of what it did not
 * use: enough to run before those that compute, so I/O is answered at once; too little to starve them.
 *
 * Nobody runnable: the CPU idles in ring 0 with the last vCPU's state still loaded, so a lone guest that sleeps and wakes costs no
 * switch. Lock: queue_lock. Everything here is O(runnable vCPUs).
 */
#include "domain/schedule.h"
#include "domain/time.h"
#include "entry/exit.h"
#include "entry/traps.h"
#include "lib/printk.h"

#define SLICE_NS         10000000ul
#define SLEEP_CREDIT_NS  10000000ul
#define GRANULARITY_NS   200000ul   /* a waker must be this much poorer than who runs, or switching costs more than it gives */

static struct list queue = LIST_INIT(queue);        /* runnable and not running */
static spinlock_t queue_lock;
static uint64_t least_time;                         /* virtual time of who runs: newcomers start here */
static struct timer slice_timer;
static bool idle;

/* ---- runstate: where each vCPU's time goes ---- */

static void set_runstate(struct vcpu *v, int state)
{
    uint64_t now;

    if (v->runstate.state == state) return;
    now = now_ns();
    v->runstate.time[v->runstate.state] += now - v->runstate.state_entry_time;
    v->runstate.state_entry_time = now;
    v->runstate.state = state;
}

void vcpu_runstate_get(struct vcpu *v, struct vcpu_runstate_info *info)
{
    uint64_t now = now_ns();

    *info = v->runstate;
    info->time[info->state] += now - info->state_entry_time;
    info->state_entry_time = now;
}

uint64_t vcpu_cpu_time(struct vcpu *v)
{
    struct vcpu_runstate_info info;

    vcpu_runstate_get(v, &info);
    return info.time[RUNSTATE_running];
}

uint64_t cpu_idle_time(void) { return boot_cpu.idle_ns; }

bool vcpu_runnable(const struct vcpu *v)
{
    const struct domain *d = v->domain;

    return v->state == VCPU_RUNNABLE && v->pause_count == 0 && d->pause_count == 0 && !d->shutdown && !d->dying;
}

static int waiting_state(const struct vcpu *v)
{
    if (v->state == VCPU_DOWN || v->pause_count || v->domain->pause_count || v->domain->shutdown || v->domain->dying)
        return RUNSTATE_offline;
    return v->state == VCPU_BLOCKED ? RUNSTATE_blocked : RUNSTATE_runnable;
}

/* ---- the queue ---- */

static uint64_t virtual_now(const struct vcpu *v) { return v->virtual_time + (now_ns() - v->run_since); }

/* The state of v may have changed either way: on the queue if it should be, off it otherwise; and is it more urgent than who runs? */
static void reconsider(struct vcpu *v)
{
    struct cpu *cpu = this_cpu();

    if (v == cpu->running) {
        if (!vcpu_runnable(v) || idle) cpu->work |= WORK_RESCHEDULE;
        return;
    }
    spin_lock(&queue_lock);
    list_remove(&v->runqueue);
    if (vcpu_runnable(v)) {
        v->virtual_time = MAX(v->virtual_time, least_time - MIN(least_time, SLEEP_CREDIT_NS));
        list_add_tail(&v->runqueue, &queue);
    }
    spin_unlock(&queue_lock);
    set_runstate(v, waiting_state(v));
    if (!vcpu_runnable(v)) return;
    if (idle || v->virtual_time + GRANULARITY_NS < virtual_now(cpu->running)) cpu->work |= WORK_RESCHEDULE;
    else if (!slice_timer.armed) timer_set(&slice_timer, now_ns() + SLICE_NS);
}

static void make_runnable(struct vcpu *v)
{
    v->state = VCPU_RUNNABLE;
    reconsider(v);
}

void vcpu_wake(struct vcpu *v)
{
    if (v->state == VCPU_BLOCKED) make_runnable(v);
}

void vcpu_up(struct vcpu *v)
{
    if (v->state == VCPU_DOWN && v->initialised) make_runnable(v);
}

void vcpu_down(struct vcpu *v)
{
    v->state = VCPU_DOWN;
    reconsider(v);
}

void vcpu_block(struct vcpu *v)
{
    if (vcpu_event_deliverable(v)) return;
    v->state = VCPU_BLOCKED;
    this_cpu()->work |= WORK_RESCHEDULE;
}

/* Behind everybody who waits now. */
void vcpu_yield(void)
{
    struct vcpu *v = current;

    spin_lock(&queue_lock);
    list_for_each(l, &queue) {
        uint64_t t = list_entry(l, struct vcpu, runqueue)->virtual_time + 1;
        uint64_t ran = now_ns() - v->run_since;
        if (v->virtual_time + ran < t) v->virtual_time = t - MIN(ran, t);
    }
    spin_unlock(&queue_lock);
    this_cpu()->work |= WORK_RESCHEDULE;
}

void vcpu_pause(struct vcpu *v)
{
    v->pause_count++;
    reconsider(v);
}

void vcpu_unpause(struct vcpu *v)
{
    v->pause_count--;
    reconsider(v);
}

static void reconsider_all(struct domain *d)
{
    for (uint32_t i = 0; i < d->vcpu_count; i++)
        if (d->vcpus[i]) reconsider(d->vcpus[i]);
}

void domain_reconsider(struct domain *d) { reconsider_all(d); }

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

static struct vcpu *choose(struct vcpu *running)
{
    struct vcpu *best = vcpu_runnable(running) ? running : NULL;

    list_for_each(l, &queue) {
        struct vcpu *v = list_entry(l, struct vcpu, runqueue);
        if (!best || v->virtual_time < best->virtual_time) best = v;
    }
    return best;
}

/* Nobody can run: sleep until an interrupt makes somebody. The interrupt's handler, or a timer, sets the work bit. */
static void idle_until_work(struct cpu *cpu)
{
    uint64_t start = now_ns();

    idle = true;
    while (!(cpu->work & WORK_RESCHEDULE)) {
        if (cpu->work & WORK_TIMERS) timers_run();
        else idle_once();
    }
    idle = false;
    cpu->idle_ns += now_ns() - start;
}

static void account(struct vcpu *v)
{
    uint64_t now = now_ns();

    v->virtual_time += now - v->run_since;
    v->run_since = now;
}

void schedule(void)
{
    struct cpu *cpu = this_cpu();
    struct vcpu *was = cpu->running, *next;

    account(was);
    set_runstate(was, waiting_state(was));
    for (;;) {
        cpu->work &= ~WORK_RESCHEDULE;
        next = choose(was);
        if (next) break;
        idle_until_work(cpu);
    }
    spin_lock(&queue_lock);
    list_remove(&next->runqueue);
    if (next != was && vcpu_runnable(was)) list_add_tail(&was->runqueue, &queue);
    spin_unlock(&queue_lock);
    least_time = MAX(least_time, next->virtual_time);
    next->run_since = now_ns();
    set_runstate(next, RUNSTATE_running);
    if (next != was) vcpu_switch(was, next);
    vcpu_runstate_publish(next);    /* its tables are loaded now; it may have slept without a switch */
    if (list_empty(&queue)) timer_stop(&slice_timer);
    else timer_set(&slice_timer, next->run_since + SLICE_NS);
}

static void slice_ended(void *unused) { this_cpu()->work |= WORK_RESCHEDULE; }

void schedule_init(void)
{
    timer_init(&slice_timer, slice_ended, NULL);
}

void schedule_start(void)
{
    this_cpu()->work |= WORK_RESCHEDULE;
    enter_guest();
}
