/* SPDX-License-Identifier: MIT */
/*
 * Exceptions and upcalls as a guest sees them: the bounce frame (entry/bounce.c), and who handles
 * what (entry/traps.c).
 */
#ifndef DOMUS_ENTRY_TRAP_H
#define DOMUS_ENTRY_TRAP_H

#include "domain/domain.h"

enum {
    TRAP_DIVIDE = 0,
    TRAP_DEBUG = 1,
    TRAP_NMI = 2,
    TRAP_BREAKPOINT = 3,
    TRAP_OVERFLOW = 4,
    TRAP_BOUNDS = 5,
    TRAP_INVALID_OP = 6,
    TRAP_NO_DEVICE = 7,
    TRAP_DOUBLE_FAULT = 8,
    TRAP_INVALID_TSS = 10,
    TRAP_NO_SEGMENT = 11,
    TRAP_STACK = 12,
    TRAP_GP = 13,
    TRAP_PAGE_FAULT = 14,
    TRAP_FPU = 16,
    TRAP_ALIGNMENT = 17,
    TRAP_MACHINE_CHECK = 18,
    TRAP_SIMD = 19,
};
#define TRAP_SYSCALL 0x100  /* in regs.entry_vector: came by SYSCALL, may leave by SYSRET */

#define PF_PRESENT  1u      /* page-fault error code: the entry was present (a protection fault) */
#define PF_WRITE    2u
#define PF_USER     4u
#define PF_RESERVED 8u
#define PF_FETCH    16u

#define NO_ERROR_CODE (-1)

/*
 * Make v (current) see an exception: its registers are saved on its kernel stack as the ABI says
 * and it goes on at the handler of its trap table. Done at once: finish changing v->regs first.
 * error: the code, or NO_ERROR_CODE. A guest without a handler, or with a bad kernel stack, is
 * ended with a sentence.
 */
void inject_trap(struct vcpu *v, unsigned int vector, int error);
/* sets arch.cr2; U bit made right here */
void inject_page_fault(struct vcpu *v, uint64_t address, uint32_t code);

/* Enter the guest's kernel at a callback (events, syscall, NMI); frame as for an exception without
 * error code. */
void bounce_callback(struct vcpu *v, const struct guest_callback *callback);

void bounce_failsafe(struct vcpu *v);

#endif
