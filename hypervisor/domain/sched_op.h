/* SPDX-License-Identifier: MIT */
/* What SCHEDOP_* leaves behind in a domain: watchdogs and pollers (domain/sched_op.c). */
#ifndef DOMUS_DOMAIN_SCHED_OP_H
#define DOMUS_DOMAIN_SCHED_OP_H

#include "domain/timers.h"
#include "lib/types.h"

struct domain;
struct vcpu;

#define WATCHDOGS 2

struct domain_watchdogs {           /* SCHEDOP_watchdog */
    struct timer timers[WATCHDOGS];
    uint8_t used;                   /* a bit each */
};

void watchdogs_stop(struct domain *d);      /* the domain ends */
void vcpu_stop_polling(struct vcpu *v);     /* forget SCHEDOP_poll: its timer and its ports */

#endif
