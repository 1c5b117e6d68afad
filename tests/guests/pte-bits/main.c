/* SPDX-License-Identifier: MIT */
/*
 * Every bit of a page-table entry, at every level, by every way in: mmu_update (plain, and with
 * accessed and dirty bits kept), update_va_mapping, a store to a read-only L1, and a table filled
 * beforehand that becomes one by a pin; into an empty entry, into one that maps the same frame
 * (where only flags change, and a short cut is taken), and of an entry that is not present. For
 * each: is it taken or refused, and what does the entry read afterwards. A bit that one of the ways
 * forgets to look at is a hole.
 *
 * The bits of the address are tried by what they name then: a frame of ours by accident, another's,
 * none at all. By design another answer than Xen's: cacheability and PAT of RAM (bits 3, 4, 7 of an
 * L1) are refused; Xen lets a domain with devices have them. Xen keeps notes of its own in bit 52,
 * sets G of user pages and A of tables; what is read back is compared without these there. Idea:
 * XSA-148 (a short cut that forgot PSE), 402, 273.
 */
#include "../lib/test.h"

#include <pvguest/bits.h>

#define BIT(n)  (1UL << (n))
#define FLAG_G  BIT(8)
/* slot 1 of the L4: a tree of our own, with free slots at each level */
#define SPARE_VA 0x0000008000000000UL

enum way { NORMAL, KEEP_AD, BY_VA, STORE, PIN, WAYS };
enum kind { INTO_EMPTY, SAME_FRAME, ABSENT, STILL_ABSENT, KINDS };
static const char *const way_names[] = { "mmu_update", "mmu_update, A and D kept",
                                         "update_va_mapping", "a store", "a pin" };
static const char *const kind_names[] = { "into an empty entry", "over the same frame",
                                          "not present",
                                          "not present over the same frame, not present" };

/* At each level: a slot of a valid table that nobody uses, a page that becomes such a table, and
 * what an entry may name. */
static struct level { uint64_t *slot, *fresh, target; } levels[5];
static unsigned int storing;                /* the level, for store() */

/* ---- what is right ---- */

/* May this entry be? Address bits are not its business. */
static bool flags_allowed(unsigned int level, uint64_t entry)
{
    uint64_t refused = level == 1 ? BIT(3) | BIT(4) | BIT(7) : BIT(3) | BIT(4) | BIT(7) | BIT(8);

    return !(entry & PTE_PRESENT) || !(entry & refused);
}

static bool allowed(unsigned int level, uint64_t entry)
{
    unsigned long mfn = (entry & PTE_MFN_MASK) >> PAGE_SHIFT;

    if (!(entry & PTE_PRESENT)) return true;
    return flags_allowed(level, entry) && mfn == levels[level].target >> PAGE_SHIFT;
}

static uint64_t reads_as(uint64_t before, uint64_t entry, enum way way)
{
    if (entry & PTE_PRESENT)
        entry = (entry | PTE_USER) & ~FLAG_G;
    return way == KEEP_AD ? entry | (before & (PTE_ACCESSED | PTE_DIRTY)) : entry;
}

/* Bits that Xen uses as it likes. */
static uint64_t liberties(unsigned int level)
{
    return on_domus() ? 0 : FLAG_G | PTE_USER | BIT(52) | (level > 1 ? PTE_ACCESSED : 0);
}

/* ---- the ways in ---- */

static long update(unsigned int level, uint64_t entry, bool keep)
{
    struct mmu_update op = { virt_to_machine(levels[level].slot) |
                                 (keep ? MMU_PT_UPDATE_PRESERVE_AD : MMU_NORMAL_PT_UPDATE),
                             entry };

    return HYPERVISOR_mmu_update(&op, 1, NULL, DOMID_SELF);
}

/* The address whose L1 entry the slot is. */
static unsigned long slot_va(void)
{
    return SPARE_VA + ((unsigned long)levels[1].slot & ~PAGE_MASK) / 8 * PAGE_SIZE;
}

static long pin(unsigned int level)
{
    return mmuext_mfn(MMUEXT_PIN_L1_TABLE + level - 1, virt_to_mfn(levels[level].fresh));
}

/* The entry in a page of zeroes; it reads through *seen while it is a table. */
static long by_pin(unsigned int level, uint64_t entry, uint64_t *seen)
{
    uint64_t *fresh = levels[level].fresh;
    long result;

    fresh[5] = entry;
    NEED(page_set_readonly(fresh, true) == 0);
    result = pin(level);
    *seen = fresh[5];
    if (result == 0)
        NEED(mmuext_mfn(MMUEXT_UNPIN_TABLE, virt_to_mfn(fresh)) == 0);
    NEED(page_set_readonly(fresh, false) == 0);
    fresh[5] = 0;
    return result;
}

static bool way_exists(enum way way, unsigned int level, enum kind kind)
{
    if (way == BY_VA) return level == 1;
    return way != PIN || (kind != SAME_FRAME && kind != STILL_ABSENT);
}

static void store(void *entry)
{
    *(volatile uint64_t *)levels[storing].slot = (uint64_t)entry;
}

static bool by_store(unsigned int level, uint64_t entry)
{
    storing = level;
    return trap_in(store, (void *)entry) == -1;
}

static bool taken(enum way way, unsigned int level, uint64_t entry, uint64_t *seen)
{
    bool result;

    switch (way) {
    case NORMAL: result = update(level, entry, false) == 0; break;
    case KEEP_AD: result = update(level, entry, true) == 0; break;
    case BY_VA: result = HYPERVISOR_update_va_mapping(slot_va(), entry, UVMF_INVLPG) == 0; break;
    case STORE: result = by_store(level, entry); break;
    default: return by_pin(level, entry, seen) == 0;
    }
    *seen = READ_ONCE(*levels[level].slot);
    return result;
}

/* ---- one of the table ---- */

static void try_one(enum way way, unsigned int level, enum kind kind, unsigned int bit)
{
    bool absent = kind == ABSENT || kind == STILL_ABSENT;
    uint64_t before = kind == SAME_FRAME ? levels[level].target | PTE_PRESENT | PTE_ACCESSED |
                                               PTE_DIRTY | PTE_WRITE | PTE_USER
                      : kind == STILL_ABSENT ? levels[level].target
                                             : 0;
    uint64_t entry = (levels[level].target | (absent ? 0 : PTE_PRESENT | PTE_WRITE)) ^ BIT(bit),
             seen = ~0UL, wanted;
    bool yes = allowed(level, entry) && !(way == STORE && level > 1);

    if (absent && (entry & PTE_PRESENT))
        return;                                                     /* of the other kinds */
    NEED(update(level, before, false) == 0);
    /* a page that was refused stays as it was */
    before = way == PIN ? entry : *levels[level].slot;
    wanted = yes ? reads_as(before, entry, way) : before;
    if (taken(way, level, entry, &seen) != yes)
        test_failure(__FILE__, __LINE__, "L%u, bit %u, %s by %s: %s", level, bit, kind_names[kind],
                     way_names[way], yes ? "refused" : "taken");
    else if ((seen ^ wanted) & ~liberties(level))
        test_failure(__FILE__, __LINE__, "L%u, bit %u, %s by %s: reads %lx, not %lx", level, bit,
                     kind_names[kind], way_names[way], seen, wanted);
    else
        test_passed();
    NEED(update(level, 0, false) == 0);
}

/* dom0 may map what is not RAM as a device's: only a frame that is somebody's, or that no CPU has,
 * is surely refused. Another frame of ours, if it happens to hold a table or zeroes, is rightly
 * taken as a table. */
static bool judged(unsigned int level, unsigned int bit)
{
    unsigned long mfn = (levels[level].target ^ BIT(bit)) >> PAGE_SHIFT;

    if (!on_domus() && level == 1 && (bit == 3 || bit == 4 || bit == 7))
        return false;                                               /* the difference by design */
    if (bit < 12 || bit > 51) return true;
    if (level > 1) return !is_ours(mfn);
    return bit > 47 || (mfn < (unsigned long)HYPERVISOR_memory_op(XENMEM_maximum_ram_page, NULL) &&
                        !is_ours(mfn) && !is_dom0());
}

static void whole_table(void)
{
    for (unsigned int level = 1; level <= 4; level++)
        for (enum way way = 0; way < WAYS; way++)
            for (enum kind kind = 0; kind < KINDS; kind++)
                for (unsigned int bit = 0; bit < 64; bit++)
                    if (way_exists(way, level, kind) && judged(level, bit))
                        try_one(way, level, kind, bit);
}

/* ---- the tree ---- */

static uint64_t *empty_table(unsigned int level)
{
    uint64_t *table = new_table();

    NEED(mmuext_mfn(MMUEXT_PIN_L1_TABLE + level - 1, virt_to_mfn(table)) == 0);
    return table;
}

static void make_levels(void)
{
    uint64_t *table[5];

    for (unsigned int level = 1; level <= 4; level++) {
        table[level] = empty_table(level);
        levels[level].slot = &table[level][level == 1 ? 7 : 5];
        levels[level].fresh = alloc_zeroed_page();
        NEED(levels[level].fresh);
        levels[level].target = (uint64_t)virt_to_mfn(level == 1 ? alloc_zeroed_page()
                                                                : empty_table(level - 1))
                               << PAGE_SHIFT;
    }
    /* update_va_mapping finds its entry by the tables in force. */
    NEED(write_entry(virt_to_machine(&table[3][0]), virt_to_machine(table[2]) | PROT_TABLE) == 0);
    NEED(write_entry(virt_to_machine(&table[2][0]), virt_to_machine(table[1]) | PROT_TABLE) == 0);
    NEED(write_entry((uint64_t)kernel_root_mfn << PAGE_SHIFT | (SPARE_VA >> 39) * 8,
                     virt_to_machine(table[3]) | PROT_TABLE) == 0);
}

void test_main(void)
{
    make_levels();
    whole_table();
}
