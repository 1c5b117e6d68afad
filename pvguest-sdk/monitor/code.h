/* SPDX-License-Identifier: MIT */
/*
 * The mode `trap`: what of the guest runs directly, in the user mode of the monitor's domain.
 */
#ifndef MONITOR_CODE_H
#define MONITOR_CODE_H

#include <stdbool.h>
#include <stdint.h>

struct machine;

/* A page of code that is written to is code no more. */
void code_forget(struct machine *machine, uint64_t number);
/* The guest has changed how an address (or `all`) is translated. */
void shadow_invalidated(struct machine *machine, uint64_t address, bool all);

#endif
