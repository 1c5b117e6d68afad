/* SPDX-License-Identifier: MIT */
/*
 * Page tables, and translations that nobody may use any more. Each racer has a page that it makes a
 * table of: it has it mapped writable at a place to which the others write all the time, takes that
 * mapping away without a flush, and pins the page. From then on nobody writes to it but by
 * mmu_update, to a few entries; and what they wrote last, the hypervisor has seen: an entry that no
 * table may have is in none. And each has a place at which it shows one page after another, the
 * next number in each: when it has flushed, nobody finds an older number there.
 */
#include "races.h"

#define SHOWN    3
#define UPDATED  504U           /* the entries from here on are written by mmu_update */
#define NOBODYS  (1UL << 45 | PROT_RW)      /* an entry of a frame that there is not */

static struct {
    /* the page to be a table, and where it is mapped writable */
    uint64_t *table;
    volatile uint64_t *alias;
    uint64_t alias_entry;
    unsigned int pin;
    volatile unsigned int writers;      /* who write there now */
    /* the pages shown, where they are, and the number that everybody finds there, or a later one */
    uint64_t *pages[SHOWN];
    volatile uint64_t *place;
    uint64_t entry;
    volatile uint64_t number;
} all[RACERS];

static volatile unsigned int making, showing;       /* who has begun last */
static volatile bool busy;                          /* one is making a table */

static uint64_t frame_of(const void *page)
{
    return (uint64_t)virt_to_mfn(page) << PAGE_SHIFT;
}

void tables_begin(void)
{
    static const unsigned int pins[RACERS] = { MMUEXT_PIN_L1_TABLE, MMUEXT_PIN_L2_TABLE,
                                               MMUEXT_PIN_L4_TABLE, MMUEXT_PIN_L3_TABLE };

    for (unsigned int i = 0; i < RACERS; i++) {
        all[i].table = new_table();
        all[i].alias = vspace_alloc(1);
        all[i].place = vspace_alloc(1);
        NEED(all[i].alias != NULL && all[i].place != NULL);
        all[i].alias_entry = entry_address(ADDRESS(all[i].alias), 1);
        all[i].entry = entry_address(ADDRESS(all[i].place), 1);
        all[i].pin = pins[i];
        for (unsigned int k = 0; k < SHOWN; k++) {
            all[i].pages[k] = alloc_zeroed_page();
            NEED(all[i].pages[k] != NULL);
        }
        NEED(write_entry(all[i].entry, frame_of(all[i].pages[0]) | PROT_RO) == 0);
    }
}

/* ---- tables ---- */

/* What it may have as an entry; a page only if it is to be a table of level 1. */
static uint64_t some_entry(struct racer *r, unsigned int i)
{
    if (all[i].pin == MMUEXT_PIN_L1_TABLE && any(r, 2))
        return frame_of(all[i].pages[any(r, SHOWN)]) | PROT_RO;
    return any(r, 1000) * 2;
}

/* As long as the mapping is there, or what is left of it in a TLB. Few are such that the page can
 * be no table. */
static void write_to(struct racer *r, unsigned int i)
{
    unsigned int faults = 0;

    __atomic_add_fetch(&all[i].writers, 1, __ATOMIC_SEQ_CST);
    for (unsigned int times = 1 + any(r, 30000); times && faults < 3; times--)
        faults += try_write64(ADDRESS(all[i].alias + any(r, UPDATED)),
                              any(r, 200) ? some_entry(r, i) : NOBODYS) != 0;
    __atomic_sub_fetch(&all[i].writers, 1, __ATOMIC_SEQ_CST);
}

static bool has_nobodys(const uint64_t *table)
{
    for (unsigned int i = 0; i < UPDATED; i++)
        if (table[i] == NOBODYS) return true;
    return false;
}

static bool same(const uint64_t *before, const uint64_t *now)
{
    return memcmp(before, now, UPDATED * sizeof(*now)) == 0;
}

static void make_table(struct racer *r)
{
    static uint64_t pinned[RACERS][UPDATED];
    unsigned int i = (unsigned int)r->id;
    uint64_t *table = all[i].table;
    bool is_one;

    /* fails if somebody has pinned it meanwhile */
    making = i;
    note(r, write_entry(all[i].alias_entry, frame_of(table) | PROT_RW));
    for (unsigned int wait = 5000000; wait && !all[i].writers; wait--) {}
    for (unsigned int word = 0; word < 512; word++)
        (void)try_write64(ADDRESS(all[i].alias + word), 0);
    linger(r, 100);
    MUST(r, write_entry(all[i].alias_entry, 0) == 0);
    is_one = mmuext_mfn(all[i].pin, virt_to_mfn(table)) == 0;
    note(r, is_one ? 0 : -1);
    memcpy(pinned[i], table, sizeof(pinned[i]));
    MUST(r, !is_one || !has_nobodys(pinned[i]));
    for (unsigned int times = any(r, 30); times && is_one; times--)
        MUST(r, same(pinned[i], table));
    note(r, mmuext_mfn(MMUEXT_UNPIN_TABLE, virt_to_mfn(table)));
}

/* Whether it is a table now or not. */
static void update(struct racer *r, unsigned int i)
{
    uint64_t at = virt_to_machine(&all[i].table[UPDATED + any(r, 512 - UPDATED)]);

    note(r, write_entry(at, some_entry(r, i)));
}

/* ---- translations ---- */

static void show(struct racer *r, unsigned int way)
{
    unsigned int i = (unsigned int)r->id;
    uint64_t next = all[i].number + 1, *page = all[i].pages[next % SHOWN],
             entry = frame_of(page) | PROT_RO;
    unsigned long place = (unsigned long)all[i].place;
    struct mmuext_op flush = { .cmd = way % 2 ? MMUEXT_INVLPG_ALL : MMUEXT_TLB_FLUSH_ALL };

    *page = next;
    if (way < 2) {
        flush.arg1.linear_addr = place;
        MUST(r, write_entry(all[i].entry, entry) == 0);
        MUST(r, HYPERVISOR_mmuext_op(&flush, 1, NULL, DOMID_SELF) == 0);
    } else {
        MUST(r, HYPERVISOR_update_va_mapping(
                    place, entry, UVMF_ALL | (way % 2 ? UVMF_INVLPG : UVMF_TLB_FLUSH)) == 0);
    }
    __atomic_store_n(&all[i].number, next, __ATOMIC_RELEASE);
    note(r, 0);
}

static void see(struct racer *r, unsigned int i)
{
    for (unsigned int times = any(r, 200000); times; times--) {
        uint64_t least = __atomic_load_n(&all[i].number, __ATOMIC_ACQUIRE);

        MUST(r, *all[i].place >= least);
    }
}

void tables_race(struct racer *r)
{
    unsigned int i = any(r, racers);

    switch (any(r, 8)) {
    case 0: case 1:
        if (__atomic_exchange_n(&busy, true, __ATOMIC_ACQUIRE)) return;
        make_table(r);
        __atomic_store_n(&busy, false, __ATOMIC_RELEASE);
        break;
    case 2: update(r, i); break;
    case 3: note(r, mmuext_mfn(all[i].pin, virt_to_mfn(all[i].table))); break;
    case 4: note(r, mmuext_mfn(MMUEXT_UNPIN_TABLE, virt_to_mfn(all[i].table))); break;
    default: write_to(r, making); break;
    }
}

void views_race(struct racer *r)
{
    if (any(r, 3)) {
        see(r, showing);
        return;
    }
    showing = (unsigned int)r->id;
    for (unsigned int times = any(r, 50); times; times--) {
        show(r, any(r, 4));
        linger(r, 20000);
    }
}

/* None is a table any more when it is unpinned, and all is ours to write. */
void tables_end(void)
{
    for (unsigned int i = 0; i < RACERS; i++) {
        (void)mmuext_mfn(MMUEXT_UNPIN_TABLE, virt_to_mfn(all[i].table));
        CHECK_REFUSED(mmuext_mfn(MMUEXT_UNPIN_TABLE, virt_to_mfn(all[i].table)));
        CHECK_IS(write_entry(all[i].alias_entry, frame_of(all[i].table) | PROT_RW), 0);
        CHECK_IS(write_entry(all[i].alias_entry, 0), 0);
        CHECK_IS(page_set_readonly(all[i].table, false), 0);
        for (unsigned int k = 0; k < SHOWN; k++)
            CHECK(all[i].pages[k][0] <= all[i].number);
    }
}
