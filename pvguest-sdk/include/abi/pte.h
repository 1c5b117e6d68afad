/* SPDX-License-Identifier: MIT */
/*
 * Bits of page-table entries (Intel SDM vol. 3, 4.5), for ring 0 and for guests; the short names
 * but for kernels with such of their own (<pvguest/names.h>).
 */
#ifndef ABI_PTE_H
#define ABI_PTE_H

#define PVGUEST_PTE_PRESENT  0x001UL
#define PVGUEST_PTE_WRITE    0x002UL
#define PVGUEST_PTE_USER     0x004UL
#define PVGUEST_PTE_PWT      0x008UL
#define PVGUEST_PTE_PCD      0x010UL
#define PVGUEST_PTE_ACCESSED 0x020UL
#define PVGUEST_PTE_DIRTY    0x040UL
#define PVGUEST_PTE_PS       0x080UL    /* levels 2 and 3: a large page; level 1: PAT */
#define PVGUEST_PTE_G        0x100UL
#define PVGUEST_PTE_NX       (1UL << 63)
#define PVGUEST_PTE_MFN_MASK 0x000ffffffffff000UL

#ifndef PVGUEST_PREFIXED
#define PTE_PRESENT  PVGUEST_PTE_PRESENT
#define PTE_WRITE    PVGUEST_PTE_WRITE
#define PTE_USER     PVGUEST_PTE_USER
#define PTE_PWT      PVGUEST_PTE_PWT
#define PTE_PCD      PVGUEST_PTE_PCD
#define PTE_ACCESSED PVGUEST_PTE_ACCESSED
#define PTE_DIRTY    PVGUEST_PTE_DIRTY
#define PTE_PS       PVGUEST_PTE_PS
#define PTE_G        PVGUEST_PTE_G
#define PTE_NX       PVGUEST_PTE_NX
#define PTE_MFN_MASK PVGUEST_PTE_MFN_MASK
#endif

#endif
