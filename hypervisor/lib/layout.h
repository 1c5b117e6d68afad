/* SPDX-License-Identifier: MIT */
/*
 * The hypervisor's part of every address space: L4 slots 256 to 271, 0xffff800000000000 to
 * 0xffff87ffffffffff (the range is the ABI's: <xen/arch-x86/xen-x86_64.h>). All sixteen slots are
 * the same in every L4, so they are copied into a guest's L4 when it is validated and need no care
 * afterwards. Everything but the M2P is U=0.
 */
#ifndef DOMUS_LIB_LAYOUT_H
#define DOMUS_LIB_LAYOUT_H

#define HV_SLOT_FIRST       256
#define HV_SLOT_COUNT       16
/* the only one that guests can see, and only in kernel mode */
#define M2P_SLOT            256
#define HV_START            0xffff800000000000
#define HV_END              0xffff880000000000

/* slot 256: machine-to-physical table, read-only, guests read it (U=1) */
#define M2P_VIRT            0xffff800000000000
#define FRAMETABLE_VIRT     0xffff810000000000  /* slot 258: struct frame of every machine frame */
/* slot 259: per vCPU 16 pages of GDT, then 16 pages of LDT */
#define WINDOW_VIRT         0xffff818000000000
/* slot 260: device registers we use ourselves (APICs, MSI-X tables) */
#define IOREMAP_VIRT        0xffff820000000000
#define IMAGE_VIRT          0xffff828000000000  /* slot 261: this program */
/* slots 262-271: all of RAM, maddr m at DIRECTMAP_VIRT + m */
#define DIRECTMAP_VIRT      0xffff830000000000
#define DIRECTMAP_SIZE      0x0000050000000000

#define WINDOW_PAGES        32                  /* per vCPU */
#define WINDOW_SIZE         (WINDOW_PAGES * 4096UL)

#endif
