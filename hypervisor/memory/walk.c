/* SPDX-License-Identifier: MIT */
/*
 * Software walks of guests' page tables, by the direct map: to find the level-1 entry behind a
 * virtual address. Valid tables name valid tables of the same domain, so a walk needs no checks
 * below its root; while nobody changes the domain's tables (its pagetable_lock, or its vCPUs
 * do not run) what it finds stays.
 */
#include "memory/entry.h"
#include "memory/access.h"

uint64_t *mmu_walk(const struct vcpu_tables *t, uint64_t va)
{
    mfn_t table = base_table(t->kernel_cr3);

    if (!guest_range_ok(va, 1) || !t->kernel_cr3) return NULL;
    for (unsigned int level = 4; level > 1; level--) {
        const uint64_t *entries = map_frame(table);
        uint64_t e = entries[va >> (PAGE_SHIFT + 9 * (level - 1)) & 511];

        if (!(e & PTE_PRESENT)) return NULL;
        table = pte_mfn(e);
    }
    return (uint64_t *)map_frame(table) + (va >> PAGE_SHIFT & 511);
}
