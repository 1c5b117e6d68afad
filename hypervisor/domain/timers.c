/* SPDX-License-Identifier: MIT */
/*
 * Timers: one queue a CPU, by deadline; the local APIC's alarm is set for its first (or earlier: an
 * alarm that rings for nobody does no harm, setting it anew costs more). They fire on the exit path
 * or in the idle loop, never inside an interrupt.
 *
 * No guest can keep ring 0 busy with them. What a timer does is charged to its owner, not to who
 * runs. At one exit they fire until its budget is spent; before the next ones, due or not, whoever
 * runs gets some times as long as these took. And a vCPU's periodic timer ticks while the vCPU
 * runs; once more, if it is blocked, to wake it (on Xen, not even then); then not until it runs
 * again. So every tick is of a vCPU that had its turn.
 *
 * Lock: the queue's, not held while a timer fires.
 */
#include "domain/timers.h"
#include "domain/domain.h"
#include "domain/schedule.h"
#include "domain/time.h"
#include "machine/budget.h"
#include "memory/tlb.h"

#define COST_TIMER  800             /* instructions: off the queue, an event raised, a vCPU woken */
#define REST_TIMES  4u
#define REST_MAX_NS 100000ul
#define NEVER       UINT64_MAX

/* ---- the queue ---- */

/* It rings each second or so (alarm_set), for the clocks to be looked at. */
static void set_alarm(struct timer_queue *q, uint64_t deadline)
{
    q->alarm = alarm_set(deadline);
}

void timer_init(struct timer *t, struct domain *owner, void (*fire)(void *arg), void *arg)
{
    *t = (struct timer){ .owner = owner, .fire = fire, .arg = arg };
}

static void disarm(struct timer_queue *q, struct timer *t)
{
    lock_needed(&q->lock);
    pq_remove(&q->armed, &t->node);
}

/* It fires on the CPU where it was set last. An alarm that was set for it elsewhere rings for
 * nobody. */
void timer_set(struct timer *t, uint64_t deadline)
{
    struct timer_queue *q = &this_cpu()->timers;

    if (unlikely(t->queue != q)) {
        timer_stop(t);
        t->queue = q;
    }
    spin_lock(&q->lock);
    if (timer_armed(t))
        disarm(q, t);
    pq_insert(&q->armed, &t->node, deadline);
    if (deadline < q->alarm)
        set_alarm(q, deadline);
    spin_unlock(&q->lock);
}

void timer_stop(struct timer *t)
{
    if (!timer_armed(t)) return;
    spin_lock(&t->queue->lock);
    disarm(t->queue, t);
    spin_unlock(&t->queue->lock);
}

/* The first timer, off the queue, if it is due. */
static struct timer *take_due(struct timer_queue *q, uint64_t now)
{
    struct timer *t = NULL;

    spin_lock(&q->lock);
    if (q->armed.first && q->armed.first->key <= now) {
        t = container_of(q->armed.first, struct timer, node);
        disarm(q, t);
    }
    spin_unlock(&q->lock);
    return t;
}

/* What is due when we begin; a timer that sets itself again in the past waits for the next
 * round. */
void timers_run(void)
{
    struct timer_queue *q = &this_cpu()->timers;
    uint64_t start = now_ns(), now = start;
    struct timer *t;

    this_cpu()->work &= ~WORK_TIMERS;
    time_look(start);
    nmi_tell();
    tlb_keep_up();
    q->alarm = 0;                   /* set once, at the end */
    while ((t = take_due(q, start)) != NULL) {
        time_goes_to(t->owner, now);
        t->fire(t->arg);
        now = now_ns();
        spend(COST_TIMER);
        if (spent())
            break;
    }
    time_goes_to(NULL, now);
    spin_lock(&q->lock);
    set_alarm(q, q->armed.first
                     ? MAX(q->armed.first->key, now + MIN((now - start) * REST_TIMES, REST_MAX_NS))
                     : NEVER);
    spin_unlock(&q->lock);
}

void timers_init(void)
{
    set_alarm(&this_cpu()->timers, NEVER);
}

/* ---- a vCPU's own timers ---- */

static void singleshot_fired(void *arg)
{
    send_guest_vcpu_virq(arg, VIRQ_TIMER);
}

static void periodic_fired(void *arg)
{
    struct vcpu *v = arg;
    uint64_t next = v->time.periodic.node.key + v->time.periodic_ns, now;

    if (vcpu_stopped(v)) return;
    send_guest_vcpu_virq(v, VIRQ_TIMER);
    if (v->sched.runstate.state != RUNSTATE_running) return;
    now = now_ns();
    /* in step, unless a tick was missed */
    timer_set(&v->time.periodic, next > now ? next : now + v->time.periodic_ns);
}

void vcpu_timers_init(struct vcpu *v)
{
    timer_init(&v->time.singleshot, v->domain, singleshot_fired, v);
    timer_init(&v->time.periodic, v->domain, periodic_fired, v);
}

void vcpu_timers_stop(struct vcpu *v)
{
    timer_stop(&v->time.singleshot);
    timer_stop(&v->time.periodic);
}

void vcpu_set_periodic(struct vcpu *v, uint64_t period_ns)
{
    v->time.periodic_ns = period_ns;
    if (period_ns)
        timer_set(&v->time.periodic, now_ns() + period_ns);
    else
        timer_stop(&v->time.periodic);
}

void vcpu_resume_periodic(struct vcpu *v)
{
    if (v->time.periodic_ns && !timer_armed(&v->time.periodic))
        timer_set(&v->time.periodic, now_ns() + v->time.periodic_ns);
}

void vcpu_set_singleshot(struct vcpu *v, uint64_t deadline_ns)
{
    timer_set(&v->time.singleshot, deadline_ns);
}
void vcpu_stop_singleshot(struct vcpu *v)
{
    timer_stop(&v->time.singleshot);
}
