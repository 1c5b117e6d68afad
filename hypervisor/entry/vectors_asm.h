/* SPDX-License-Identifier: MIT */
/* The labels of entry.asm that the IDT and the CPU's registers point to, and the stacks that some
 * of them need. */
#ifndef DOMUS_ENTRY_VECTORS_ASM_H
#define DOMUS_ENTRY_VECTORS_ASM_H

#define VECTOR_STUB_SIZE 16
extern const char vector_stubs[], debug_entry[], nmi_entry[], double_fault_entry[],
    machine_check_entry[];
extern const char syscall_entry[], syscall32_entry[];

enum { IST_DOUBLE_FAULT = 1, IST_NMI, IST_DEBUG, IST_MACHINE_CHECK, IST_COUNT = 4 };

#endif
