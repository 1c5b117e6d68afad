/* SPDX-License-Identifier: MIT */
/*
 * Timers of ring 0 (domain/timers.c). Setting one cannot fail; setting, stopping and firing take
 * O(log n) steps. What a timer does is done on the CPU time of the domain that owns it.
 */
#ifndef DOMUS_DOMAIN_TIMERS_H
#define DOMUS_DOMAIN_TIMERS_H

#include "lib/timer.h"

struct vcpu;

#define WATCHDOGS 2
struct domain_watchdogs {           /* SCHEDOP_watchdog */
    struct timer timers[WATCHDOGS];
    uint8_t used;                   /* a bit each */
};

void timer_init(struct timer *t, struct domain *owner, void (*fire)(void *arg), void *arg);
void timer_set(struct timer *t, uint64_t deadline_ns);
void timer_stop(struct timer *t);
static inline bool timer_armed(const struct timer *t)
{
    return pq_queued(&t->node);
}

void timers_init(void);
/* fire what is due, while the budget lasts, and set the next interrupt; exit path and idle loop
 * only */
void timers_run(void);

/* A vCPU's own: VIRQ_TIMER once at a system time (a past one: at once), or again and again while it
 * runs. */
void vcpu_timers_init(struct vcpu *v);
void vcpu_timers_stop(struct vcpu *v);
void vcpu_set_singleshot(struct vcpu *v, uint64_t deadline_ns);
void vcpu_stop_singleshot(struct vcpu *v);
void vcpu_set_periodic(struct vcpu *v, uint64_t period_ns);     /* 0 stops */
void vcpu_resume_periodic(struct vcpu *v);                      /* v gets the CPU */

#endif
