/* SPDX-License-Identifier: MIT */
/* What is printed when ring 0, or a guest, is in trouble. */
#ifndef DOMUS_MACHINE_DUMP_H
#define DOMUS_MACHINE_DUMP_H

#include "lib/types.h"
#include <xen/xen.h>

void print_registers(const struct cpu_user_regs *regs, uint64_t cr3);
/* rip 0: in whoever asks */
void print_stack_trace(uint64_t rip, uint64_t frame_pointer);

#endif
