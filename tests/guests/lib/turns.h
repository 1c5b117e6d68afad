/* SPDX-License-Identifier: MIT */
/*
 * Two vCPUs (vcpus.h) that take turns by a word in memory; each gives way while it waits. The
 * second has the gates of the probes (probe.h).
 *
 * A test that wants it says `machine: smp` in its first comment: dom0 has as many vCPUs as the
 * machine has CPUs.
 */
#ifndef TURNS_H
#define TURNS_H

#include "probe.h"
#include "vcpus.h"

/* Starts vCPU 1 at fn, which must never return. SKIPs the test if there is no vCPU 1. */
void second_vcpu(void (*fn)(unsigned long id));

extern volatile uint64_t turn;                  /* whose it is: 0 or 1 */
void wait_for_turn(uint64_t mine);              /* gives way until it is mine */
void give_turn(uint64_t me);                    /* to the other, and waits until it comes back */

#endif
