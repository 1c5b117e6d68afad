/* SPDX-License-Identifier: MIT */
/*
 * The hypervisor's own address space: what boot calls once, and mappings of device registers.
 *
 * Contract with boot (machine/boot_info.h): boot_l4 is loaded and maps the image and the first
 * 4 GiB of machine memory. memory_init makes hv_l4 with the same and the rest: the direct map of
 * RAM above, the frame table, the M2P, empty tables for windows and ioremap; loads it, and fills
 * the heap.
 */
#ifndef DOMUS_MEMORY_PAGING_H
#define DOMUS_MEMORY_PAGING_H

#include "machine/boot_info.h"
#include "lib/types.h"
#include "lib/layout.h"
#include <abi/pte.h>

void memory_init(const struct boot_info *info);
/* RAM that boot has finished with (modules): the whole pages within join the heap. */
void heap_give(uint64_t start, uint64_t end);

/* the hypervisor's own L4: no guest's part; what a CPU without a guest runs on */
extern uint64_t *hv_l4;
extern maddr_t hv_cr3;          /* its machine address */

/* Map device registers uncached; never unmapped. NULL: no room. Marks the pages ours (guests cannot
 * map them) when `keep`. */
void *ioremap(maddr_t start, size_t bytes, bool keep);

/* The entry for va, in our part of the address space, in a table of `level` (1, or 2 for a big
 * page); the tables above are made as needed, and stay. NULL: no memory. */
uint64_t *hv_entry(uint64_t va, unsigned int level);

/* Write our sixteen slots into a guest's L4 (or the idle one's). */
void hv_fill_l4(uint64_t *l4);

/* Of our own pages. */
#define HV_RW    (PTE_PRESENT | PTE_WRITE | PTE_ACCESSED | PTE_DIRTY | PTE_G | PTE_NX)
#define HV_RO    (PTE_PRESENT | PTE_ACCESSED | PTE_G | PTE_NX)

static inline mfn_t pte_mfn(uint64_t pte)
{
    return MFN((pte & PTE_MFN_MASK) >> PAGE_SHIFT);
}

#endif
