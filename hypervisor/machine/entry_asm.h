/* SPDX-License-Identifier: MIT */
/*
 * What entry/entry.asm gives to C: labels that the IDT and the CPU's registers point to, the stacks
 * that some of them need, and a few instructions that C has not.
 */
#ifndef DOMUS_MACHINE_ENTRY_ASM_H
#define DOMUS_MACHINE_ENTRY_ASM_H

#include "lib/types.h"

#define VECTOR_STUB_SIZE 16
extern const char vector_stubs[], debug_entry[], nmi_entry[], double_fault_entry[],
    machine_check_entry[];
extern const char syscall_entry[], syscall32_entry[];

enum { IST_DOUBLE_FAULT = 1, IST_NMI, IST_DEBUG, IST_MACHINE_CHECK, IST_COUNT = 4 };

/* the instruction that enters a guest, and faults where its frame is bad */
extern const char guest_iretq[];
/* leave ring 0 for current, from an empty stack */
void enter_guest(void) __attribute__((noreturn));
void idle_once(void);                       /* wait for one interrupt */
void interrupts_once(void);                 /* take those that wait */
int load_gs_selector(uint16_t selector);    /* the guest's GS; 0 or -1 */

#endif
