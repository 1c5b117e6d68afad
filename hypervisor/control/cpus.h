/* SPDX-License-Identifier: MIT */
/* The CPUs as the control domain sees them (control/cpus.c): maps of them in its memory, and where
 * they sit. */
#ifndef DOMUS_CONTROL_CPUS_H
#define DOMUS_CONTROL_CPUS_H

#include "lib/types.h"
#include "machine/cpu.h"
#include <xen/domctl.h>

/* A guest's map, of as many bits as it says; and into one, with zeros behind ours. Errors: -E2BIG
 * -EFAULT. */
int cpu_map_read(const struct xenctl_bitmap *from, cpumask_t *map) must_check;
int cpu_map_write(const struct xenctl_bitmap *to, cpumask_t map) must_check;

/* Both from 0: the core's number is its socket's. Threads of one core have both in common. */
struct cpu_place { uint32_t core, socket; };

/* Of the CPU with that APIC id. */
struct cpu_place cpu_place(uint32_t apic_id);

#endif
