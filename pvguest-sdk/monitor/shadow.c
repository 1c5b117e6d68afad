/* SPDX-License-Identifier: MIT */
/*
 * Tables are read-only pages of ours from the beginning, and stay hooked in when what they map is
 * forgotten: only the entries that were filled are cleared. When there is no table left, both trees
 * are pruned at their roots, and all tables made blank.
 */
#include <pvguest/errno.h>
#include <pvguest/mm.h>
#include <pvguest/refuse.h>
#include <pvguest/string.h>
#include "shadow.h"

enum { TABLES = 192, LEAVES = 2048, SLOTS = 512 };
/* Of an entry, a bit that is ours to use: the guest's page is a large one. */
#define PART_OF_LARGE 0x200ul

enum { HYPERVISOR_SLOT = 256, HYPERVISOR_SLOTS = 16 };

struct shadow_counters shadow_counters;

static struct shadow {
    uint64_t *root;
    uint64_t leaf[LEAVES];              /* machine addresses of filled entries */
    unsigned int leaves;
    bool stale;                         /* to be emptied before it is used */
} shadows[SHADOWS];

static uint64_t *tables[TABLES];
static unsigned int taken, kept;        /* the first of them are the window's */
static bool giants;                     /* some are parts of pages larger than 2 MiB */
static unsigned int in_use = SHADOWS;   /* which one the hypervisor has */
static uint64_t *window;                /* the table of its entries, or NULL */
static unsigned int window_slot;

static unsigned int slot_of(uint64_t address, unsigned int level)
{
    return address >> (12 + 9 * (level - 1)) & (SLOTS - 1);
}

bool shadow_may(uint64_t address)
{
    unsigned int slot = slot_of(address, 4);

    return slot - HYPERVISOR_SLOT >= HYPERVISOR_SLOTS && !(window && slot == window_slot);
}

int shadow_init(void)
{
    for (unsigned int i = 0; i < TABLES + SHADOWS; i++) {
        uint64_t *page = alloc_zeroed_page();
        int error = page ? page_set_readonly(page, true) : refused(-ENOMEM);
        if (error) return error;
        if (i < TABLES)
            tables[i] = page;
        else
            shadows[i - TABLES].root = page;
    }
    for (unsigned int i = 0; i < SHADOWS; i++)
        pt_pin(4, virt_to_mfn(shadows[i].root));
    return pt_flush();
}

static void empty(struct shadow *shadow)
{
    for (unsigned int i = 0; i < shadow->leaves; i++)
        pt_set(shadow->leaf[i], 0);
    shadow->leaves = 0;
    shadow->stale = false;
    shadow_counters.flushes++;
}

static int make_blank(uint64_t *table)
{
    int error = page_set_readonly(table, false);

    if (error) return error;
    memset(table, 0, PAGE_SIZE);
    return page_set_readonly(table, true);
}

/* Everything goes, down to the roots. */
static int prune(void)
{
    int error;

    for (unsigned int i = 0; i < SHADOWS; i++) {
        empty(&shadows[i]);
        for (unsigned int slot = 0; slot < SLOTS; slot++)
            if (shadow_may((uint64_t)slot << 39) && shadows[i].root[slot])
                pt_set(virt_to_machine(&shadows[i].root[slot]), 0);
    }
    pt_flush_tlb();
    error = pt_flush();
    for (unsigned int i = kept; i < taken && !error; i++)
        error = make_blank(tables[i]);
    taken = kept;
    shadow_counters.resets++;
    return error;
}

/* The level-1 table for an address, with all above it hooked in; NULL: no tables left. */
static uint64_t *table_for(const struct shadow *shadow, uint64_t address, bool create)
{
    uint64_t *table = shadow->root;

    for (unsigned int level = 4; level > 1; level--) {
        uint64_t entry = table[slot_of(address, level)], *lower;
        if (entry) {
            table = mfn_to_virt((entry & PTE_MFN_MASK) >> PAGE_SHIFT);
            continue;
        }
        if (!create || taken == TABLES) return NULL;
        lower = tables[taken++];
        pt_set(virt_to_machine(&table[slot_of(address, level)]),
               (uint64_t)virt_to_mfn(lower) << PAGE_SHIFT | PROT_TABLE);
        table = lower;
    }
    return table;
}

int shadow_window(uint64_t address)
{
    window = table_for(&shadows[SHADOW_KERNEL], address, true);
    window_slot = slot_of(address, 4);
    kept = taken;
    return pt_flush();
}

void shadow_window_page(unsigned int number, const void *page, uint64_t bits)
{
    pt_set(virt_to_machine(&window[number]), (uint64_t)virt_to_mfn(page) << PAGE_SHIFT | bits);
}

int shadow_map(unsigned int which, uint64_t address, const void *page, uint64_t bits,
               uint64_t size)
{
    struct shadow *shadow = &shadows[which];
    uint64_t *table, *entry, value = (uint64_t)virt_to_mfn(page) << PAGE_SHIFT | bits;
    int error;

    if (size > PAGE_SIZE)
        value |= PART_OF_LARGE;
    giants |= size > PAGE_SIZE * SLOTS;

    if (shadow->leaves == LEAVES)
        shadow->stale = true;
    if (shadow->stale)
        empty(shadow);
    table = table_for(shadow, address, true);
    if (!table) {
        error = prune();
        if (error) return error;
        table = table_for(shadow, address, true);
    }
    error = pt_flush();                         /* the tables, before what is in them */
    if (error) return error;
    entry = &table[slot_of(address, 1)];
    if (*entry == value) return 1;
    if (*entry) {
        pt_set(virt_to_machine(entry), value);
        pt_invlpg(address);
    } else {
        pt_set(virt_to_machine(entry), value);
        shadow->leaf[shadow->leaves++] = virt_to_machine(entry);
    }
    shadow_counters.fills++;
    return pt_flush();
}

/* Of 2 MiB: the entry itself, and the other parts of large pages, which may be the same one. */
static void forget_in(const uint64_t *table, uint64_t address)
{
    bool any = false;

    for (unsigned int slot = 0; slot < SLOTS; slot++) {
        if (!table[slot] || (slot != slot_of(address, 1) && !(table[slot] & PART_OF_LARGE)))
            continue;
        pt_set(virt_to_machine(&table[slot]), 0);
        any = true;
    }
    if (any)
        pt_flush_tlb();
}

void shadow_forget(uint64_t address)
{
    if (giants) {
        shadow_forget_all();
        return;
    }
    for (unsigned int i = 0; i < SHADOWS && shadow_may(address); i++) {
        const uint64_t *table = table_for(&shadows[i], address, false);
        if (table)
            forget_in(table, address);
    }
}

void shadow_forget_all(void)
{
    for (unsigned int i = 0; i < SHADOWS; i++)
        shadows[i].stale = shadows[i].leaves > 0;
}

int shadow_use(unsigned int which)
{
    if (shadows[which].stale) {
        empty(&shadows[which]);
        pt_flush_tlb();
    }
    if (which != in_use)
        pt_new_user_base(virt_to_mfn(shadows[which].root));
    in_use = which;
    return pt_flush();
}
