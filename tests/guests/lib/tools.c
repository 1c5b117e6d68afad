/* SPDX-License-Identifier: MIT */
/* Small tools that several micro-guests share: traps, page-table entries, frames that are not ours. See test.h. */
#include "test.h"

uint64_t trap_error, trap_address;

int trap_in(void (*fn)(void *arg), void *arg)
{
    trap_error = trap_address = 0;
    return catch_trap(fn, arg, &trap_error, &trap_address);
}

uint64_t *new_table(void)
{
    uint64_t *table = alloc_zeroed_page();

    NEED(table != NULL);
    NEED(page_set_readonly(table, true) == 0);
    return table;
}

uint64_t entry_address(const void *va, unsigned int level)
{
    const uint64_t *entry = pt_walk((unsigned long)va, level);

    NEED(entry != NULL);
    return virt_to_machine(entry);
}

long write_entry(uint64_t machine_address, uint64_t value)
{
    struct mmu_update update = { .ptr = machine_address | MMU_NORMAL_PT_UPDATE, .val = value };
    unsigned int done = 0;

    return HYPERVISOR_mmu_update(&update, 1, &done, DOMID_SELF);
}

long mmuext_mfn(unsigned int command, unsigned long mfn)
{
    struct mmuext_op op = { .cmd = command, .arg1.mfn = mfn };

    return HYPERVISOR_mmuext_op(&op, 1, NULL, DOMID_SELF);
}

/*
 * The M2P names the guest's own number for each of its frames. A frame whose entry leads back to one of our pages that
 * is really elsewhere, or to no page of ours, is somebody else's. Low memory is skipped: it may be a device's.
 */
unsigned long foreign_mfn(void)
{
    const unsigned long *m2p = (const unsigned long *)MACH2PHYS_VIRT_START;
    unsigned long last = (unsigned long)HYPERVISOR_memory_op(XENMEM_maximum_ram_page, NULL);

    for (unsigned long mfn = last; mfn > 0x1000; mfn--) {
        uint64_t pfn;
        if (try_read64(&m2p[mfn], &pfn) == 0 && (pfn >= nr_pages || p2m[pfn] != mfn))
            return mfn;
    }
    return INVALID_MFN;
}

uint64_t next_random(uint64_t *state)
{
    uint64_t x = *state;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return *state = x;
}
