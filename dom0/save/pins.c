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

/* What it names are tables of the level below: they have been looked at. The hypervisor would look
 * at all others below it, which may be the whole guest, in one call. */
static bool names_tables(struct guest *guest, const struct tables *tables, unsigned level,
                         const uint64_t *entries)
{
    for (unsigned i = 0; i < ENTRIES; i++) {
        uint64_t mfn = (entries[i] & ENTRY_FRAME) >> 12, pfn;

        if (!(entries[i] & ENTRY_PRESENT))
            continue;
        pfn = guest->hands->pfn_of(guest, mfn);
        if (pfn >= tables->pages || tables->p2m[pfn] != mfn ||
            page_level(type_of(tables, pfn)) != level - 1)
            return refused(false);
    }
    return true;
}

static int check(struct guest *guest, const struct tables *tables, uint64_t pfn,
                 struct problem *problem)
{
    unsigned level = page_level(type_of(tables, pfn));
    uint64_t *entries;
    bool right;

    if (level == 1) return 0;
    entries = guest->hands->map(guest, &tables->p2m[pfn], 1, false);
    if (!entries)
        return problem_set(problem, -ENOMEM, "the new guest's page tables cannot be mapped");
    right = names_tables(guest, tables, level, entries);
    guest->hands->unmap(guest, entries, 1);
    return right ? 0 : problem_set(problem, -EINVAL, "no saved guest that can be had: a page table"
                                   " of level %u, in page %lx, names what is none of the level"
                                   " below", level, (unsigned long)pfn);
}

/* What was not pinned need not be right: who uses it will hear of it. */
static int pin(struct guest *guest, struct tables *tables, uint64_t pfn, struct problem *problem)
{
    uint32_t type = type_of(tables, pfn);
    int error = check(guest, tables, pfn, problem);

    if (error) return error;
    error = guest->hands->pin(guest, page_level(type), tables->p2m[pfn]);
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
