/* SPDX-License-Identifier: MIT */
/* The wall clock, and what guests see of the time. */
#ifndef DOMUS_DOMAIN_TIME_H
#define DOMUS_DOMAIN_TIME_H

#include "domain/timers.h"
#include "machine/system_time.h"
#include "lib/types.h"

struct domain;
struct vcpu;

struct vcpu_time {
    struct timer singleshot, periodic, poll;        /* poll: the end of a SCHEDOP_poll */
    uint64_t periodic_ns;           /* 0: no periodic timer */
    uint64_t area;                  /* guest VA of a secondary vcpu_time_info or 0 */
    bool area_stale;                /* must be written at the next entry to guest kernel mode */
    uint32_t version;               /* of what its vcpu_time_info says */
};

struct domain_time {
    int64_t offset_seconds;
};

void update_vcpu_time(struct vcpu *v);      /* refresh v->info->time (pvclock) */

void time_init(void);                       /* the clocks: system time and the wall's */
/* corrects the clock if it is time for it, and tells who runs; to be called each second or so */
void time_look(uint64_t now);
/* shared_info's wc_*: the wall clock when now_ns() was 0 */
void update_domain_wallclock(struct domain *d);
/* that, and the time of each of its vCPUs; d does not run */
void update_domain_time(struct domain *d);
/* platform_op settime64: at system time `system_ns` it was sec, nsec since 1970. Tells every
 * domain. */
void wallclock_set(uint64_t sec, uint32_t nsec, uint64_t system_ns);

#endif
