/* SPDX-License-Identifier: MIT */
/* The scheduler's half that only the exit path and the start of the machine use (the rest:
 * domain/domain.h). */
#ifndef DOMUS_DOMAIN_SCHEDULE_H
#define DOMUS_DOMAIN_SCHEDULE_H

#include "domain/domain.h"

void schedule_init(void);
/* pick who runs next and switch to it; idles until somebody can */
void schedule(void);
/* the end of boot: into the first guest */
void schedule_start(void) __attribute__((noreturn));
void vcpu_runstate_get(struct vcpu *v, struct vcpu_runstate_info *info);    /* as of now */
/* domain/switch.c: into the area current registered, if any */
void vcpu_runstate_publish(struct vcpu *v);
uint64_t vcpu_cpu_time(struct vcpu *v);     /* ns it ran so far */
uint64_t cpu_idle_time(void);               /* ns the boot CPU had nothing to run */
bool vcpu_runnable(const struct vcpu *v);
/* down, paused, or its domain is, or has ended: it neither runs nor waits for anything */
bool vcpu_stopped(const struct vcpu *v);
/* this CPU's from now on, so long as somebody runs; NULL: to him */
void time_goes_to(struct domain *d, uint64_t now);
/* who runs; takes the reference to d. ns it ran since the last time */
uint64_t vcpu_work_for(struct vcpu *v, struct domain *d);
void domain_set_weight(struct domain *d, uint32_t weight);      /* 1 to 65535 (domain/share.h) */
void domain_reconsider(struct domain *d);     /* after d->shutdown or d->dying changed */

#endif
