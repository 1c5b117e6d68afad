/* SPDX-License-Identifier: MIT */
/* Time beyond the functions of domain/domain.h: the machine's clock, the wall clock, the timer interrupt's half. */
#ifndef DOMUS_DOMAIN_TIME_H
#define DOMUS_DOMAIN_TIME_H

#include "domain/domain.h"

void time_init(void);                       /* calibrates TSC and APIC timer; now_ns() starts at 0 */
uint64_t tsc_khz(void);
void timers_run(void);                      /* fire what is due and set the next interrupt; exit path only */
void update_domain_wallclock(struct domain *d);             /* shared_info's wc_*: the wall clock when now_ns() was 0 */
/* platform_op settime64: at system time `system_ns` it was sec, nsec since 1970. Tells every domain. */
void wallclock_set(uint64_t sec, uint32_t nsec, uint64_t system_ns);
/* Called by timer handlers that want their own deadline: the vCPU timers. -ETIME (62) style checks are the callers'. */
void vcpu_timers_init(struct vcpu *v);
void vcpu_timers_stop(struct vcpu *v);
int vcpu_set_periodic(struct vcpu *v, uint64_t period_ns) must_check;   /* 0 stops */
void vcpu_set_singleshot(struct vcpu *v, uint64_t deadline_ns);         /* VIRQ_TIMER then; a past one fires at once */
void vcpu_stop_singleshot(struct vcpu *v);

#endif
