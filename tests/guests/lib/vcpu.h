/* SPDX-License-Identifier: MIT */
/*
 * A second vCPU of this guest: it runs C on a stack of its own, with the gates of the probes (probe.h) and events masked. The two take
 * turns by a word in memory, and each gives way while it waits.
 *
 * A test that wants it says `machine: smp` in its first comment: dom0 has as many vCPUs as the machine has CPUs.
 */
#ifndef VCPU_H
#define VCPU_H

#include "probe.h"

/* Starts vCPU 1 at fn, with these changes to its context (NULL: none). It must never return. SKIPs the test if there is no vCPU 1. */
void second_vcpu(void (*fn)(void), void (*adjust)(struct vcpu_guest_context *context));

extern volatile uint64_t turn;                  /* whose it is: 0 or 1 */
void wait_for_turn(uint64_t mine);              /* gives way until it is mine */
void give_turn(uint64_t me);                    /* to the other, and waits until it comes back */

#endif
