/* SPDX-License-Identifier: MIT */
/* The last stop before a guest runs: reschedule, timers, pending upcalls (entry/exit.c;
 * exit_failed: traps.c). Called by entry.asm only. */
#ifndef DOMUS_ENTRY_EXIT_H
#define DOMUS_ENTRY_EXIT_H

#include "domain/domain.h"

void exit_work(void);               /* work bits, then upcalls; may change current */
/* IRETQ refused the guest's frame: an exception of the guest's, or its end */
void exit_failed(void);

#endif
