/* SPDX-License-Identifier: MIT */
/*
 * Privileged operations of guests, emulated (entry/trap.h: who calls in), and the policies for
 * CPUID, MSRs and I/O ports.
 *
 * Guest kernel and guest user mode are both ring 3, so what a kernel may do and a process may not
 * is decided here and not by the hardware (XSA-105): emulate_privileged asks v->in_kernel
 * before anything else.
 */
#ifndef DOMUS_EMULATE_PRIVILEGED_H
#define DOMUS_EMULATE_PRIVILEGED_H

#include "entry/trap.h"
#include "machine/io.h"

/* The instruction is done: step over it. A guest that single-steps gets its #DB here, because the
 * CPU never ran it. */
void emulate_finish(struct vcpu *v, unsigned int length);

/* ---- emulate/cpuid.c ---- */
struct cpuid_regs cpuid_policy(uint32_t leaf, uint32_t subleaf);   /* what current may see */

/* ---- emulate/msr.c: true when the guest may; false is #GP ---- */
bool msr_read(struct vcpu *v, uint32_t msr, uint64_t *value);
bool msr_write(struct vcpu *v, uint32_t msr, uint64_t value);

/* ---- emulate/ports.c: size 1, 2, 4; false is #GP ---- */
bool port_access_allowed(const struct vcpu *v, uint16_t port, unsigned int size);
uint32_t port_in(struct vcpu *v, uint16_t port, unsigned int size);
void port_out(struct vcpu *v, uint16_t port, unsigned int size, uint32_t value);

/* debugreg.c. 4 and 5 are other names of 6 and 7, unless the guest's CR4.DE says that they are
 * none. */
#define NO_DEBUGREG 8u
unsigned int debugreg_number(const struct vcpu *v, unsigned int reg);

#endif
