/* SPDX-License-Identifier: MIT */
/*
 * Page tables of the running kernel: looking at them, and single changes at once. Batches:
 * pt_queue.c. All tables are our own pages, mapped read-only somewhere, so a walk is plain loads;
 * an entry names an mfn, and the M2P brings us back to an address. One vCPU at a time hooks tables
 * in: two would take the same entry.
 */
#include <pvguest/hypercalls.h>
#include <pvguest/mm.h>
#include <pvguest/refuse.h>
#include <pvguest/spinlock.h>
#include <pvguest/string.h>

/* All vCPUs forget an address at once. */
#define FORGOTTEN (UVMF_INVLPG | (several_cpus ? UVMF_ALL : UVMF_LOCAL))

static unsigned int slot_of(unsigned long va, unsigned int level)
{
    return va >> (PAGE_SHIFT + 9 * (level - 1)) & 511;
}

const uint64_t *pt_walk_from(unsigned long root_mfn, unsigned long va, unsigned int level)
{
    const uint64_t *table = mfn_to_virt(root_mfn);

    for (unsigned int at = 4; at > level; at--) {
        uint64_t entry = table[slot_of(va, at)];

        if (!(entry & PTE_PRESENT)) return NULL;
        table = mfn_to_virt((entry & PTE_MFN_MASK) >> PAGE_SHIFT);
    }
    return &table[slot_of(va, level)];
}

const uint64_t *pt_walk(unsigned long va, unsigned int level)
{
    return pt_walk_from(kernel_root_mfn, va, level);
}

int page_set_readonly(void *va, bool readonly)
{
    uint64_t entry = (uint64_t)virt_to_mfn(va) << PAGE_SHIFT | (readonly ? PROT_RO : PROT_RW);

    /* Stale writable TLB entries are the hypervisor's worry when the page becomes a table; the
     * flush is for our own. */
    return (int)HYPERVISOR_update_va_mapping((unsigned long)va, entry, FORGOTTEN);
}

/* Hooks a fresh, empty table into the entry at `level`. */
static int add_table(const uint64_t *entry)
{
    void *table = alloc_zeroed_page();
    int error;

    if (!table) return refused(-ENOMEM);
    error = page_set_readonly(table, true);
    if (!error) {
        pt_set(virt_to_machine(entry), (uint64_t)virt_to_mfn(table) << PAGE_SHIFT | PROT_TABLE);
        error = pt_flush();
    }
    if (error) {
        page_set_readonly(table, false);
        free_page(table);
    }
    return error;
}

int pt_populate(unsigned long va)
{
    static struct spinlock lock;
    bool masked;
    int error = 0;

    if (pt_walk(va, 1)) return 0;
    masked = spin_lock(&lock);
    for (unsigned int level = 4; level > 1 && !error; level--) {
        const uint64_t *entry = pt_walk(va, level);

        if (!(*entry & PTE_PRESENT))
            error = add_table(entry);
    }
    spin_unlock(&lock, masked);
    return error;
}

int map_page(unsigned long va, unsigned long mfn, uint64_t prot, domid_t owner)
{
    uint64_t entry = prot ? (uint64_t)mfn << PAGE_SHIFT | prot : 0;
    int error = pt_populate(va);

    if (error) return error;
    if (owner == DOMID_SELF) return (int)HYPERVISOR_update_va_mapping(va, entry, FORGOTTEN);
    return (int)HYPERVISOR_update_va_mapping_otherdomain(va, entry, FORGOTTEN, owner);
}
