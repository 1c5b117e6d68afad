/* SPDX-License-Identifier: MIT */
/* What a domain says to the scheduler: give way, sleep, end. */
#ifndef PVGUEST_SCHED_H
#define PVGUEST_SCHED_H

#include <pvguest/xen.h>

/* SHUTDOWN_poweroff, _reboot, _crash, _suspend. dom0's own powers the machine off. Returns only
 * from a refused suspend. */
void PVGUEST_NAME(shutdown)(unsigned int reason);
void PVGUEST_NAME(poweroff)(void) __attribute__((__noreturn__));
void PVGUEST_NAME(crash)(void) __attribute__((__noreturn__));

/* Let another vCPU run. */
void vcpu_yield(void);
/* Unmask events and sleep until one comes, in one step. Returns with events unmasked. */
void vcpu_block(void);
/* Sleep until one of the ports is pending, or the time timeout_ns (as now_ns() has it; 0: none) is
 * past; works with events masked. */
int vcpu_poll(const uint32_t *ports, unsigned int count, uint64_t timeout_ns);

#endif
