/* SPDX-License-Identifier: MIT */
/*
 * Exceptions and upcalls as a guest sees them: the bounce frame (entry/bounce.c), and who handles
 * what (entry/traps.c).
 */
#ifndef DOMUS_ENTRY_TRAP_H
#define DOMUS_ENTRY_TRAP_H

#include "domain/domain.h"
#include "machine/vectors.h"

#define TRAP_SYSCALL 0x100  /* in regs.entry_vector: came by SYSCALL, may leave by SYSRET */

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

/* ---- asked by traps.c, answered in emulate/ ---- */

/*
 * Called for #GP with error code 0 from a guest. True: the instruction was emulated (or a trap for
 * the guest is queued); go back to the guest. False: not ours, deliver the exception. Uses and
 * changes v->regs; v is current.
 */
bool emulate_privileged(struct vcpu *v);
/* Called for #UD: the forced-emulation prefix `ud2a; .ascii "xen"; cpuid`. Same answers. */
bool emulate_forced_cpuid(struct vcpu *v);
/* Page fault of guest kernel code that wrote to a present, read-only page: a store into one of its
 * own L1 tables? True: done (or a fault of its own is queued), resume the guest. */
bool emulate_pt_write(struct vcpu *v, uint64_t cr2);

#endif
