/* SPDX-License-Identifier: MIT */
/*
 * Tables are read-only pages of ours from the beginning, and stay hooked in when what they map is
 * forgotten: only the entries that were filled are cleared. When there is no table left, all trees
 * are pruned at their roots, and all tables made blank.
 *
 * Which trees are kept for a CR3 is of no consequence but for time: whatever is in them is compared
 * with the tables just loaded. So an address space that is new gets those used longest ago as they
 * are, for the kernel's entries are mostly the same in all.
 */
#include <pvguest/errno.h>
#include <pvguest/mm.h>
#include <pvguest/refuse.h>
#include <pvguest/string.h>
#include "interpret.h"
#include "machine.h"
#include "shadow.h"

enum { SPACES = 20, TABLES = 512, LEAVES = 1024, SLOTS = 512 };
/* Of an entry, what is compared; a hypervisor adds others. */
#define TOLD (PTE_MFN_MASK | PTE_PRESENT | PTE_WRITE | PTE_NX)

enum { HYPERVISOR_SLOT = 256, HYPERVISOR_SLOTS = 16 };

struct shadow_counters shadow_counters;

static struct shadow {
    uint64_t *root;
    struct leaf {                       /* a filled entry; in order of their addresses */
        uint64_t address, *entry;
        uint64_t seen;                  /* what the guest's tables said together, peek() */
    } leaf[LEAVES];
    unsigned int leaves;
    uint64_t reviewed;                  /* the last time */
} shadows[SPACES][SHADOWS], *const all = shadows[0];

static struct { uint64_t cr3, loaded; } spaces[SPACES];
static unsigned int current;            /* of them */
static uint64_t now, doubted;           /* moments: loads and doubts are counted */

static uint64_t *tables[TABLES];
static unsigned int taken, kept;        /* the first of them are the window's */
static const uint64_t *in_use;          /* the root that the hypervisor has */
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
    for (unsigned int i = 0; i < TABLES + SPACES * SHADOWS; i++) {
        uint64_t *page = alloc_zeroed_page();
        int error = page ? page_set_readonly(page, true) : refused(-ENOMEM);
        if (error) return error;
        if (i < TABLES)
            tables[i] = page;
        else
            all[i - TABLES].root = page;
    }
    for (unsigned int i = 0; i < SPACES * SHADOWS; i++)
        pt_pin(4, virt_to_mfn(all[i].root));
    return pt_flush();
}

static void empty(struct shadow *shadow)
{
    for (unsigned int i = 0; i < shadow->leaves; i++)
        pt_set(virt_to_machine(shadow->leaf[i].entry), 0);
    shadow->leaves = 0;
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
    int error = pt_flush();                     /* half a path may be queued */

    if (error) return error;
    for (unsigned int i = 0; i < SPACES * SHADOWS; i++) {
        struct shadow *shadow = &all[i];
        empty(shadow);
        for (unsigned int slot = 0; slot < SLOTS; slot++)
            if (shadow_may((uint64_t)slot << 39) && shadow->root[slot])
                pt_set(virt_to_machine(&shadow->root[slot]), 0);
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
    int error;

    window = table_for(&shadows[0][SHADOW_KERNEL], address, true);
    window_slot = slot_of(address, 4);
    kept = taken;
    error = pt_flush();
    for (unsigned int i = 1; i < SPACES; i++)
        pt_set(virt_to_machine(&shadows[i][SHADOW_KERNEL].root[window_slot]),
               shadows[0][SHADOW_KERNEL].root[window_slot]);
    return error ? error : pt_flush();
}

void shadow_window_page(unsigned int number, const void *page, uint64_t bits)
{
    pt_set(virt_to_machine(&window[number]), (uint64_t)virt_to_mfn(page) << PAGE_SHIFT | bits);
}

static unsigned int first_from(const struct shadow *shadow, uint64_t address)
{
    unsigned int low = 0, high = shadow->leaves;

    while (low < high) {
        unsigned int middle = (low + high) / 2;
        if (shadow->leaf[middle].address < address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* In order, so that a review goes through the guest's tables one by one. */
static void note(struct shadow *shadow, struct leaf leaf)
{
    unsigned int at = first_from(shadow, leaf.address);

    for (unsigned int i = *leaf.entry ? at : shadow->leaves++; i > at; i--)
        shadow->leaf[i] = shadow->leaf[i - 1];
    shadow->leaf[at] = leaf;
}

int shadow_map(unsigned int which, uint64_t address, uint64_t value, uint64_t seen)
{
    struct shadow *shadow = &shadows[current][which];
    uint64_t *table, *entry;
    int error;

    if (shadow->leaves == LEAVES) {
        empty(shadow);
        pt_flush_tlb();
    }
    table = table_for(shadow, address, true);
    if (!table) {
        error = prune();
        if (error) return error;
        table = table_for(shadow, address, true);
    }
    error = pt_flush();                         /* the tables, before what is in them */
    if (error) return error;
    entry = &table[slot_of(address, 1)];
    if (!((*entry ^ value) & TOLD)) return 1;
    note(shadow, (struct leaf){ address, entry, seen });
    pt_set(virt_to_machine(entry), value);
    if (*entry & PTE_PRESENT)
        pt_invlpg(address);
    shadow_counters.fills++;
    return pt_flush();
}

void shadow_load(uint64_t cr3)
{
    current = 0;
    for (unsigned int i = 0; i < SPACES && spaces[current].cr3 != cr3; i++)
        if (spaces[i].cr3 == cr3 || spaces[i].loaded < spaces[current].loaded)
            current = i;
    spaces[current].cr3 = cr3;
    spaces[current].loaded = ++now;
}

void shadow_doubt(void)
{
    doubted = spaces[current].loaded = ++now;
}

/* By what the guest's tables say now. It may allow less. */
static bool is_right(struct machine *machine, unsigned int which, struct leaf *leaf, uint64_t seen)
{
    uint64_t entry = *leaf->entry,
             right = shadow_right(machine, which, leaf->address, seen, !(entry & PTE_NX));

    leaf->seen = seen;
    return !((entry ^ right) & TOLD & ~(right & PTE_WRITE));
}

/* What the guest's tables do not say any more goes. */
static void review(struct machine *machine, unsigned int which, uint64_t from, uint64_t size)
{
    struct shadow *shadow = &shadows[current][which];
    unsigned int at = first_from(shadow, from), left = at;
    struct way way = { 0 };

    for (; at < shadow->leaves && shadow->leaf[at].address - from < size; at++) {
        struct leaf leaf = shadow->leaf[at];
        uint64_t seen = peek(&machine->vcpu, leaf.address, &way);
        shadow_counters.reviews++;
        if ((seen == leaf.seen && shadow->reviewed >= doubted) ||
            is_right(machine, which, &leaf, seen))
            shadow->leaf[left++] = leaf;
        else
            pt_set(virt_to_machine(leaf.entry), 0);
    }
    if (left == at) return;
    pt_flush_tlb();
    while (at < shadow->leaves)
        shadow->leaf[left++] = shadow->leaf[at++];
    shadow->leaves = left;
}

void shadow_review(struct machine *machine, uint64_t from, uint64_t size)
{
    for (unsigned int which = 0; which < SHADOWS; which++)
        review(machine, which, from, size);
}

int shadow_use(struct machine *machine, unsigned int which)
{
    struct shadow *shadow = &shadows[current][which];

    if (shadow->reviewed < spaces[current].loaded)
        review(machine, which, 0, ~0ull);
    shadow->reviewed = now;
    if (shadow->root != in_use) {
        pt_new_user_base(virt_to_mfn(shadow->root));
        pt_flush_tlb();                         /* Xen's user entries are global ones */
    }
    in_use = shadow->root;
    return pt_flush();
}
