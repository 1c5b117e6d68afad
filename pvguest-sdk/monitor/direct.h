/* SPDX-License-Identifier: MIT */
/* The guest on the real CPU, in the user mode of the monitor's domain, until something happens that
 * is the monitor's to deal with. */
#ifndef MONITOR_DIRECT_H
#define MONITOR_DIRECT_H

#include <stdbool.h>
#include <stdint.h>

struct vcpu;

/* beside the vectors of exceptions; the last is not the CPU's, but translate.h's */
enum { EXIT_EVENT = 256, EXIT_SYSCALL = 257, EXIT_REPLACED = 258 };

struct direct_exit {
    unsigned int vector;
    uint64_t error, address;            /* the CPU's error code; of a page fault where */
};

/* Handlers and the stack on which exceptions of user mode arrive. A negative errno. */
int direct_init(void);
/* Runs, on the shadow tables that are in use; the processor's registers are then as they are at the
 * exit: of an int3 and a system call behind the instruction, of a fault at it. */
struct direct_exit direct_run(struct vcpu *vcpu);

#endif
