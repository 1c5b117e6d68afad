/* SPDX-License-Identifier: MIT */
/* Small tools that several micro-guests share: traps, page-table entries, frames that are not ours.
 * See test.h. */
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

/* Does the M2P say that this frame is one of ours? Each of our frames names our number for it, and
 * p2m leads back. */
bool is_ours(unsigned long mfn)
{
    uint64_t pfn;

    return try_read64((const unsigned long *)MACH2PHYS_VIRT_START + mfn, &pfn) == 0 &&
           pfn < nr_pages && p2m[pfn] == mfn;
}

/*
 * The first frame above 1 MiB inside a run of many that are not ours: the hypervisor's, or another
 * domain's. Single odd frames are skipped, they may be holes of the firmware's memory map, which
 * dom0 may map as a device's.
 */
unsigned long foreign_mfn(void)
{
    unsigned long last = (unsigned long)HYPERVISOR_memory_op(XENMEM_maximum_ram_page, NULL),
                  run = 0;

    for (unsigned long mfn = 0x100; mfn < last; mfn++) {
        run = is_ours(mfn) ? 0 : run + 1;
        if (run == 64) return mfn - 32;
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

uint64_t number_option(const char *name, uint64_t otherwise)
{
    char value[24];

    return command_option(name, value, sizeof(value)) ? strtoul(value, NULL, 0) : otherwise;
}
