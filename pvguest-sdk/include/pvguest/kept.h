/* SPDX-License-Identifier: MIT */
/*
 * An instruction that a paravirtual kernel should not have, and has on purpose:
 *
 *     asm volatile(PV_KEPT("for random numbers, not for time") "rdtsc" : ...);
 *
 * domus-scan then lists it as kept, with the reason, and does not count it. The word goes with the
 * debugging information (section .debug_pvguest_kept: the instruction's address, the reason, a NUL)
 * and costs the kernel nothing. lib/entry.asm has the same for NASM.
 */
#ifndef PVGUEST_KEPT_H
#define PVGUEST_KEPT_H

#define PV_KEPT(reason)                                                                            \
    "771: .pushsection .debug_pvguest_kept, \"\", @progbits\n\t"                                   \
    ".quad 771b\n\t.asciz \"" reason "\"\n\t.popsection\n\t"

#endif
