/* SPDX-License-Identifier: MIT */
/* Which vCPUs may run: states, pauses, time that went by (domain/schedule.c). Which of them does:
 * domain/policy.h. */
#ifndef DOMUS_DOMAIN_SCHEDULE_H
#define DOMUS_DOMAIN_SCHEDULE_H

#include "domain/policy.h"
#include "lib/types.h"
#include <xen/vcpu.h>

struct domain;
struct vcpu;

enum vcpu_state { VCPU_DOWN, VCPU_RUNNABLE, VCPU_BLOCKED };

struct vcpu_sched {
    enum vcpu_state state;
    uint32_t pause_count;           /* plus the domain's */
    struct turn turn;               /* lib/share.h */
    /* held: whom it works for, if not for itself (DOMUS_work_for) */
    struct domain *client;
    uint64_t client_since;          /* ns it had run when it said so */
    struct vcpu_runstate_info runstate;
    uint64_t runstate_area;         /* guest VA or 0 */
    bool runstate_stale;            /* must be written at the next entry to guest kernel mode */
};

/* pick who runs next and switch to it; idles until somebody can */
void schedule(void);
/* ring 0 is left for a moment, to others and to the interrupts that wait; then there is a budget
 * again. Without a lock, and with this CPU's guest in its vCPU (entry/exit.c) */
void schedule_rest(void);
/* the end of boot: into the first guest */
void schedule_start(void) __attribute__((noreturn));
void vcpu_runstate_get(struct vcpu *v, struct vcpu_runstate_info *info);    /* as of now */
uint64_t vcpu_cpu_time(struct vcpu *v);     /* ns it ran so far */
bool vcpu_runnable(const struct vcpu *v);
/* down, paused, or its domain is, or has ended: it neither runs nor waits for anything */
bool vcpu_stopped(const struct vcpu *v);
void domain_reconsider(struct domain *d);     /* after d->life changed */
/* It may not run any more: until no other CPU has state of it (vcpu_pause says by whom). */
void domain_leave_cpus(const struct domain *d);

/* BLOCKED -> RUNNABLE; no-op otherwise */
void vcpu_wake(struct vcpu *v);
/* current only; stays runnable if an event is pending */
void vcpu_block(struct vcpu *v);
void vcpu_up(struct vcpu *v);                              /* DOWN -> RUNNABLE; no-op otherwise */
/* -> DOWN, whatever it was; if it is current, at its next exit */
void vcpu_down(struct vcpu *v);
/* Counted; on return it does not run, and its state is in memory. The control domain's (this CPU
 * may leave ring 0 meanwhile, and hold no lock that anybody waits for). */
void vcpu_pause(struct vcpu *v);
void vcpu_unpause(struct vcpu *v);
void domain_pause(struct domain *d);
void domain_unpause(struct domain *d);

#endif
