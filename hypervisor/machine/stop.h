/* SPDX-License-Identifier: MIT */
/* All CPUs stop, and each says where it was (machine/stop.c). */
#ifndef DOMUS_MACHINE_STOP_H
#define DOMUS_MACHINE_STOP_H

#include "lib/types.h"
#include <xen/xen.h>

/* The other CPUs are stopped by NMI wherever they are, and say one after the other what they did.
 * Once, by panic(). */
void cpus_stop(void);
bool machine_stopping(void);
/* an NMI came to this CPU, and the machine is stopping */
void cpu_stopped(const struct cpu_user_regs *regs) __attribute__((noreturn));

#endif
