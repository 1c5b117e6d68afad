/* SPDX-License-Identifier: MIT */
/* Bits of page-table entries (Intel SDM vol. 3, 4.5), for ring 0 and for guests. */
#ifndef ABI_PTE_H
#define ABI_PTE_H

#define PTE_PRESENT  0x001UL
#define PTE_WRITE    0x002UL
#define PTE_USER     0x004UL
#define PTE_PWT      0x008UL
#define PTE_PCD      0x010UL
#define PTE_ACCESSED 0x020UL
#define PTE_DIRTY    0x040UL
#define PTE_PS       0x080UL    /* levels 2 and 3: a large page; level 1: PAT */
#define PTE_G        0x100UL
#define PTE_NX       (1UL << 63)
#define PTE_MFN_MASK 0x000ffffffffff000UL

#endif
