/* SPDX-License-Identifier: MIT */
/*
 * To pin a root has the hypervisor look at all that is below it, in one call for which everybody
 * else in dom0 waits: seconds, if a guest's memory is full of page tables. So each table is pinned
 * by itself, those of the lowest level first, and others have their turn in between. Those that
 * were not pinned in the guest's other life are let go when vCPUs hold their roots.
 */
#include "dom0/save/pins.h"

#define OTHER 1u                        /* In a type: it is pinned by us alone. */

static uint32_t type_of(const struct tables *tables, uint64_t pfn)
{
    return (uint32_t)tables->type[pfn] << 24;
}

/* What was not pinned need not be right: who uses it will hear of it. */
static int pin(struct guest *guest, struct tables *tables, uint64_t pfn, struct problem *problem)
{
    uint32_t type = type_of(tables, pfn);
    int error = guest->hands->pin(guest, page_level(type), tables->p2m[pfn]);

    if (!(type & XEN_DOMCTL_PFINFO_LPINTAB)) {
        tables->type[pfn] |= error ? 0 : OTHER;
        return 0;
    }
    return error ? problem_set(problem, error,
                               "the hypervisor refuses its page table in page %lx: %s",
                               (unsigned long)pfn, errno_name(error))
                 : 0;
}

int pin_tables(struct guest *guest, struct tables *tables, struct problem *problem)
{
    int error = 0;

    for (unsigned level = 1; level <= 4; level++)
        for (uint64_t pfn = 0; pfn < tables->pages && !error; pfn++) {
            bool is_one = page_level(type_of(tables, pfn)) == level;

            if (pfn % ENTRIES == 0 || is_one)
                guest->hands->rest();
            error = is_one ? pin(guest, tables, pfn, problem) : 0;
        }
    return error;
}

int unpin_others(struct guest *guest, struct tables *tables, struct problem *problem)
{
    int error = 0;

    for (uint64_t pfn = 0; pfn < tables->pages && !error; pfn++) {
        bool is_one = page_level(type_of(tables, pfn)) && tables->type[pfn] & OTHER;

        if (pfn % ENTRIES == 0 || is_one)
            guest->hands->rest();
        error = is_one ? guest->hands->unpin(guest, tables->p2m[pfn]) : 0;
    }
    return error ? problem_set(problem, error, "the hypervisor keeps a page table pinned: %s",
                               errno_name(error))
                 : 0;
}
