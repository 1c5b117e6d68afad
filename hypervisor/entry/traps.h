/* SPDX-License-Identifier: MIT */
/* What the entry code shows to the rest of ring 0 about faults of ring 0 itself. */
#ifndef DOMUS_ENTRY_TRAPS_H
#define DOMUS_ENTRY_TRAPS_H

#include "lib/types.h"
#include <xen/xen.h>

void print_stack_trace(uint64_t rip, uint64_t frame_pointer);
void print_registers(const struct cpu_user_regs *regs, uint64_t cr3);
/* entry.asm: the instruction that enters a guest, and faults where its frame is bad */
extern const char guest_iretq[];
void idle_once(void);                       /* entry.asm: wait for one interrupt */
int load_gs_selector(uint16_t selector);    /* entry.asm: the guest's GS; 0 or -1 */

#endif
