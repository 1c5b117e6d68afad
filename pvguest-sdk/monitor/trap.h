/* SPDX-License-Identifier: MIT */
/* Trap and emulate: the guest runs directly, and what comes of that is dealt with. */
#ifndef MONITOR_TRAP_H
#define MONITOR_TRAP_H

#include <stdbool.h>
#include "interpret.h"

struct machine;

/* Exits by cause. */
struct trap_counters {
    uint64_t exits, events, system_calls, page_faults, privileged, patched, reflected;
    uint64_t blocks, validations, emptied;                      /* translate.c's */
};
extern struct trap_counters trap_counters;

/* A negative errno: it cannot be done here. */
int trap_init(void);
/* Whether what is at RIP can run directly now. */
bool runs_directly(const struct machine *machine);
/* Runs it until something happens, and deals with that: what the interpreter says of the
 * instruction, if it was asked, else STEP_DONE. */
enum step run_directly(struct machine *machine);
/* So that the guest's clock ticks while it runs: it comes back then, or a moment later. */
void set_alarm(struct machine *machine);

#endif
