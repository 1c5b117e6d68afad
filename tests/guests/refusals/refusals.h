/* SPDX-License-Identifier: MIT */
/* The parts of the test: one for each group of hypercalls. */
#ifndef REFUSALS_H
#define REFUSALS_H

#include "../lib/other.h"

#define NOWHERE ((void *)8)         /* an address that nothing is mapped at */

void refused_control(void);         /* domctl, sysctl, platform_op, console_io */
void refused_vcpus(void);           /* vcpu_op, sched_op, nmi_op, callback_op, multicall */
void refused_interrupts(void);      /* physdev_op */

#endif
