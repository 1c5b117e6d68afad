/* SPDX-License-Identifier: MIT */
/*
 * Selectors. A guest's GDT has 15 pages in its vCPU's window: 14 are the guest's, the 15th
 * (selectors from 0xe000) is ours and the same in every GDT, so it is always there whatever the
 * guest does. The FLAT_RING3_* ones are the ABI's. Shared with assembly: numbers only.
 */
#ifndef DOMUS_MACHINE_SEGMENTS_H
#define DOMUS_MACHINE_SEGMENTS_H

#define HV_CS   0xe008      /* ring 0, 64-bit code */
#define HV_DS   0xe010      /* ring 0 data; SYSCALL loads it into SS */
/*      0xe023 FLAT_RING3_CS32, 0xe02b FLAT_RING3_DS, 0xe033 FLAT_RING3_CS64:
 *      <xen/arch-x86/xen-x86_64.h> */
#define HV_TSS  0xe040      /* 16 bytes */
#define HV_LDT  0xe050      /* 16 bytes: the current vCPU's LDT, rewritten when that changes */

/* FIRST_RESERVED_GDT_PAGE: the 15th page of every GDT is ours */
#define GUEST_GDT_PAGES 14
#define GDT_BYTES (15 * 4096)       /* the limit of every GDT is this minus 1 */

#endif
