/* SPDX-License-Identifier: MIT */
/* Time beyond the functions of domain/domain.h: the machine's clock, its alarm, the wall clock. */
#ifndef DOMUS_DOMAIN_TIME_H
#define DOMUS_DOMAIN_TIME_H

#include "domain/domain.h"

void time_init(void);                       /* measures TSC and APIC timer; now_ns() starts at 0 */
/* corrects the clock if it is time for it; to be called each second or so */
void time_look(uint64_t now);
uint64_t tsc_khz(void);
/* the timer interrupt: at the latest then; returns when, at most a second from now */
uint64_t alarm_set(uint64_t deadline_ns);
/* shared_info's wc_*: the wall clock when now_ns() was 0 */
void update_domain_wallclock(struct domain *d);
/* that, and the time of each of its vCPUs; d does not run */
void update_domain_time(struct domain *d);
/* platform_op settime64: at system time `system_ns` it was sec, nsec since 1970. Tells every
 * domain. */
void wallclock_set(uint64_t sec, uint32_t nsec, uint64_t system_ns);

#endif
