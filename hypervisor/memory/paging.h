/* SPDX-License-Identifier: MIT */
/*
 * The hypervisor's own address space: what boot calls once, and mappings of device registers.
 *
 * Contract with boot: the loader's tables map RAM below 4 GiB at DIRECTMAP_VIRT and our image at IMAGE_VIRT; memory_init then
 * builds the final tables (direct map of all RAM, frame table, M2P, windows, ioremap), switches to them and fills the heap.
 */
#ifndef DOMUS_MEMORY_PAGING_H
#define DOMUS_MEMORY_PAGING_H

#include "lib/types.h"

/* One range of the firmware's map (multiboot2 memory map entries have E820's types: 1 is RAM). */
struct memory_region { uint64_t start, length; uint32_t type, reserved; };
#define MEMORY_RAM 1

/* Ranges of RAM in use at boot that must not enter the heap: our image, the modules, multiboot information. Modules are given
 * to the heap later by heap_give. */
struct boot_range { uint64_t start, end; };

void memory_init(const struct memory_region *map, unsigned int regions, const struct boot_range *used, unsigned int ranges);
void heap_give(uint64_t start, uint64_t end);           /* RAM that boot has finished with, whole pages within */

extern const struct memory_region *memory_map;          /* a copy that stays: XENMEM_machine_memory_map */
extern unsigned int memory_regions;

extern uint64_t *hv_l4;                                 /* the hypervisor's own L4: idle vCPUs run on it */
extern maddr_t hv_cr3;

/* Map device registers uncached; never unmapped. NULL: no room. Marks the pages ours (guests cannot map them) when `keep`. */
void *ioremap(maddr_t start, size_t bytes, bool keep);

/* Map, or with flags 0 unmap, one page in our part of the address space. Flags are page-table bits. Callers: window.c, boot. */
bool hv_map_page(uint64_t va, mfn_t m, uint64_t flags) must_check;

/* Write our sixteen slots into a guest's L4 (or the idle one's). */
void hv_fill_l4(uint64_t *l4);

/* Page-table bits, Intel SDM vol. 3, 4.5. */
#define PTE_P    0x001UL
#define PTE_RW   0x002UL
#define PTE_US   0x004UL
#define PTE_PWT  0x008UL
#define PTE_PCD  0x010UL
#define PTE_A    0x020UL
#define PTE_D    0x040UL
#define PTE_PS   0x080UL        /* L2, L3: a large page; L1: PAT */
#define PTE_G    0x100UL
#define PTE_NX   (1UL << 63)
#define PTE_ADDRESS 0x000ffffffffff000UL
#define HV_RW    (PTE_P | PTE_RW | PTE_A | PTE_D | PTE_G | PTE_NX)
#define HV_RO    (PTE_P | PTE_A | PTE_G | PTE_NX)

static inline mfn_t pte_mfn(uint64_t pte) { return MFN((pte & PTE_ADDRESS) >> PAGE_SHIFT); }

#endif
