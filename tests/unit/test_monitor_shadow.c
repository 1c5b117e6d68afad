/* SPDX-License-Identifier: MIT */
/*
 * The monitor's shadow tables against a model of what the hypervisor holds: updates are visible
 * when the queue is flushed, a table is read-only for good, and what was forgotten is in neither
 * tree before the guest runs again. The tests follow each other: the trees stay.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <sys/mman.h>
#include <cmocka.h>
#include <pvguest/mm.h>
#include "pvguest-sdk/monitor/shadow.h"

enum { MOST = 4096, TABLES = 192, LEAVES = 2048, LARGE = 0x200,
       WINDOW_SLOT = 400 };
#define MIB2 (2ul << 20)
#define SLOT(number) ((uint64_t)(number) << 39)
#define BITS (PTE_PRESENT | PTE_USER | PTE_ACCESSED | PTE_DIRTY)

static struct { uint64_t *at; uint64_t value; } queued[MOST];
static unsigned queue, sets, tlb_flushes, invlpgs, bases, pages_left, made_readonly, made_writable;
static uint64_t invalidated, base, pinned[2];
static unsigned pins, flush_fails, readonly_fails;     /* at that call from now on */

void *alloc_pages(unsigned int order)
{
    void *at = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    mprotect((char *)at + 4096, 4096, PROT_NONE);       /* nobody looks behind it */
    return pages_left && pages_left-- ? at : NULL;
}
void *alloc_zeroed_page(void)
{
    return alloc_pages(0);
}
int page_set_readonly(void *va, bool readonly)
{
    for (unsigned slot = 0; slot < 512 && !readonly; slot++)    /* a table in use stays one */
        if (slot != WINDOW_SLOT)
            assert_false(((uint64_t *)pinned[0])[slot] || ((uint64_t *)pinned[1])[slot]);
    if (readonly_fails && !--readonly_fails) return -EPERM;
    made_readonly += readonly;
    made_writable += !readonly;
    return mprotect(va, 4096, readonly ? PROT_READ : PROT_READ | PROT_WRITE);
}
void pt_set(uint64_t at, uint64_t value)
{
    assert_true(queue < MOST);
    queued[queue].at = (uint64_t *)at;
    queued[queue++].value = value;
    sets++;
}
void pt_pin(unsigned int level, unsigned long mfn)
{
    assert_int_equal(level, 4);
    pinned[pins++ % 2] = mfn << 12;
}
void pt_new_user_base(unsigned long mfn)
{
    base = mfn << 12;
    bases++;
}
void pt_invlpg(unsigned long va)
{
    invalidated = va;
    invlpgs++;
}
void pt_flush_tlb(void)
{
    tlb_flushes++;
}
int pt_flush(void)
{
    if (flush_fails && !--flush_fails) return -EINVAL;
    for (unsigned i = 0; i < queue; i++) {
        void *page = (void *)((uintptr_t)queued[i].at & ~4095ul);
        mprotect(page, 4096, PROT_READ | PROT_WRITE);
        *queued[i].at = queued[i].value;
        mprotect(page, 4096, PROT_READ);
    }
    queue = 0;
    return 0;
}

/* What the CPU would find there; 0: nothing. */
static uint64_t entry_at(unsigned which, uint64_t address)
{
    const uint64_t *table = (const uint64_t *)pinned[which];

    for (unsigned shift = 39; shift > 12; shift -= 9) {
        uint64_t entry = table[address >> shift & 511];
        if (!entry) return 0;
        assert_int_equal(entry & ~PTE_MFN_MASK, PROT_TABLE);
        table = (const uint64_t *)(entry & PTE_MFN_MASK);
    }
    return table[address >> 12 & 511];
}

static _Alignas(4096) uint8_t page[2][4096];
static uint64_t to(unsigned number, uint64_t bits)
{
    return (uintptr_t)page[number] | bits;
}
static void is_mapped(unsigned which, uint64_t address, uint64_t size)
{
    assert_int_equal(shadow_map(which, address, page[0], BITS, size), 0);
    assert_int_equal(entry_at(which, address), to(0, BITS | (size > 4096 ? LARGE : 0)));
    assert_int_equal(queue, 0);
}

static void made_of_read_only_pages(void **state)
{
    static const unsigned too_few[] = { 0, TABLES - 1, TABLES + 1 };

    for (unsigned i = 0; i < 3; i++) {
        pages_left = too_few[i];
        assert_int_equal(shadow_init(), -ENOMEM);
    }
    pages_left = ~0u;
    readonly_fails = 100;
    assert_int_equal(shadow_init(), -EPERM);
    flush_fails = 1;
    assert_int_equal(shadow_init(), -EINVAL);
    pages_left = TABLES + 2;
    made_readonly = made_writable = pins = 0;
    assert_int_equal(shadow_init(), 0);
    assert_int_equal(made_readonly, TABLES + 2);
    assert_int_equal(made_writable, 0);
    assert_int_equal(pins, 2);
    assert_true(pinned[0] && pinned[1] && pinned[0] != pinned[1]);
}

static void what_may_be_in_one(void **state)
{
    assert_true(shadow_may(0) && shadow_may(SLOT(255)) && shadow_may(SLOT(272)));
    assert_true(shadow_may(SLOT(511)) && shadow_may(SLOT(255) + SLOT(1) - 1));
    assert_false(shadow_may(SLOT(256)) || shadow_may(SLOT(271)) || shadow_may(SLOT(264)));
    assert_false(shadow_may(0xffff800000000000ull) || shadow_may(SLOT(272) - 1));
}

static void one_base_at_a_time(void **state)
{
    for (unsigned i = 0; i < 2; i++) {
        unsigned which = i ? SHADOW_USER : SHADOW_KERNEL;
        assert_int_equal(shadow_use(which), 0);
        assert_int_equal(base, pinned[which]);
        assert_int_equal(shadow_use(which), 0);
        assert_int_equal(bases, i + 1);
    }
    assert_int_equal(tlb_flushes, 0);
    flush_fails = 1;
    assert_int_equal(shadow_use(SHADOW_USER), -EINVAL);
}

static void an_address_is_mapped(void **state)
{
    uint64_t fills = shadow_counters.fills;

    is_mapped(SHADOW_KERNEL, 0x1234000, 4096);
    assert_int_equal(entry_at(SHADOW_USER, 0x1234000), 0);
    assert_int_equal(entry_at(SHADOW_KERNEL, 0x1235000), 0);
    assert_int_equal(sets, 4);
    assert_int_equal(shadow_map(SHADOW_KERNEL, 0x1234000, page[0], BITS, 4096), 1);
    assert_int_equal(sets, 4);
    assert_int_equal(invlpgs, 0);
    assert_int_equal(shadow_map(SHADOW_KERNEL, 0x1234000, page[1], BITS | PTE_WRITE, 4096), 0);
    assert_int_equal(entry_at(SHADOW_KERNEL, 0x1234000), to(1, BITS | PTE_WRITE));
    assert_int_equal(invlpgs, 1);
    assert_int_equal(invalidated, 0x1234000);
    is_mapped(SHADOW_KERNEL, 0x1400000, MIB2);          /* the same tables, but for the last */
    assert_int_equal(sets, 7);
    assert_int_equal(shadow_counters.fills, fills + 3);
    flush_fails = 1;
    assert_int_equal(shadow_map(SHADOW_KERNEL, 0x1236000, page[0], BITS, 4096), -EINVAL);
    assert_int_equal(sets, 7);
    flush_fails = 2;
    assert_int_equal(shadow_map(SHADOW_KERNEL, 0x1236000, page[0], BITS, 4096), -EINVAL);
    assert_int_equal(sets, 8);
    pt_flush();
}

static void an_address_is_forgotten(void **state)
{
    is_mapped(SHADOW_KERNEL, 0x40000000, 4096);
    is_mapped(SHADOW_KERNEL, 0x40001000, 4096);
    is_mapped(SHADOW_KERNEL, 0x40002000, MIB2);
    is_mapped(SHADOW_KERNEL, 0x40200000, MIB2);
    is_mapped(SHADOW_USER, 0x40000000, 4096);
    is_mapped(SHADOW_USER, 0x40003000, 4096);
    tlb_flushes = 0;
    shadow_forget(0x40000000);
    assert_int_equal(tlb_flushes, 2);
    assert_int_equal(shadow_use(SHADOW_KERNEL), 0);
    assert_int_equal(entry_at(SHADOW_KERNEL, 0x40000000), 0);
    assert_int_equal(entry_at(SHADOW_USER, 0x40000000), 0);
    assert_int_equal(entry_at(SHADOW_KERNEL, 0x40001000), to(0, BITS));
    assert_int_equal(entry_at(SHADOW_KERNEL, 0x40002000), 0);   /* perhaps of the same page */
    assert_int_equal(entry_at(SHADOW_KERNEL, 0x40200000), to(0, BITS | LARGE));
    assert_int_equal(entry_at(SHADOW_USER, 0x40003000), to(0, BITS));
    sets = 0;
    shadow_forget(0x40005000);                          /* nothing is there */
    shadow_forget(0x140000000);                         /* not even a table */
    shadow_forget(0xffff800000000000ull);
    assert_int_equal(sets, 0);
    assert_int_equal(tlb_flushes, 2);
}

/* Each tree when it is used next, or filled. */
static void all_is_forgotten(void **state)
{
    uint64_t flushes;

    is_mapped(SHADOW_KERNEL, 0x40000000, 4096);
    is_mapped(SHADOW_USER, 0x40000000, 4096);
    tlb_flushes = 0;
    flushes = shadow_counters.flushes;
    shadow_forget_all();
    assert_int_equal(shadow_use(SHADOW_USER), 0);
    assert_int_equal(tlb_flushes, 1);
    assert_int_equal(entry_at(SHADOW_USER, 0x40000000), 0);
    assert_int_equal(entry_at(SHADOW_USER, 0x40003000), 0);
    assert_int_equal(shadow_use(SHADOW_USER), 0);
    assert_int_equal(tlb_flushes, 1);
    is_mapped(SHADOW_KERNEL, 0x40001000, MIB2);
    assert_int_equal(entry_at(SHADOW_KERNEL, 0x40000000), 0);
    assert_int_equal(shadow_counters.flushes, flushes + 2);
    is_mapped(SHADOW_KERNEL, 0x40002000, 4096);
    assert_int_equal(entry_at(SHADOW_KERNEL, 0x40001000), to(0, BITS | LARGE));
    shadow_forget_all();
    shadow_use(SHADOW_KERNEL);
    tlb_flushes = 0;
    shadow_forget_all();                                /* of nothing nothing is forgotten */
    shadow_use(SHADOW_KERNEL);
    shadow_use(SHADOW_USER);
    assert_int_equal(tlb_flushes, 0);
}

static void as_many_as_are_noted(void **state)
{
    uint64_t flushes = shadow_counters.flushes;

    for (uint64_t i = 0; i < LEAVES; i++)
        is_mapped(SHADOW_USER, 0x40000000 + i * 4096, 4096);
    assert_int_equal(shadow_counters.flushes, flushes);
    is_mapped(SHADOW_USER, 0x40000000 + LEAVES * 4096ull, 4096);
    assert_int_equal(shadow_counters.flushes, flushes + 1);
    for (uint64_t i = 0; i < LEAVES; i++)
        assert_int_equal(entry_at(SHADOW_USER, 0x40000000 + i * 4096), 0);
}

/* Both trees begin anew, of blank tables. */
static void no_table_is_left(void **state)
{
    uint64_t resets = shadow_counters.resets;
    unsigned slot = 1;

    is_mapped(SHADOW_KERNEL, 0x7000, 4096);
    for (; shadow_counters.resets == resets; slot++) {
        assert_true(slot < 70);
        tlb_flushes = made_writable = sets = 0;
        is_mapped(SHADOW_USER, SLOT(slot) + 0x5000, 4096);
    }
    assert_true(sets < 250);                            /* what is there is cleared, no more */
    assert_true(slot > 40);
    assert_in_range(made_writable, TABLES - 2, TABLES);
    assert_true(tlb_flushes >= 1);
    assert_int_equal(shadow_counters.resets, resets + 1);
    assert_int_equal(entry_at(SHADOW_KERNEL, 0x7000), 0);
    for (unsigned i = 1; i < slot - 1; i++)
        assert_int_equal(entry_at(SHADOW_USER, SLOT(i) + 0x5000), 0);
    for (unsigned i = 0; i < 512; i++) {
        assert_int_equal(((uint64_t *)pinned[0])[i], 0);
        assert_int_equal(!((uint64_t *)pinned[1])[i], i != slot - 1);
    }
    is_mapped(SHADOW_KERNEL, 0x8000, 4096);
    assert_int_equal(entry_at(SHADOW_KERNEL, 0x7000), 0);       /* its table was made blank */
    sets = 0;
    shadow_forget_all();
    shadow_use(SHADOW_KERNEL);
    assert_int_equal(sets, 1);                          /* of before nothing is known */
}

/* Writable, or read-only again. */
static void tables_that_cannot_be_made_blank(void **state)
{
    for (unsigned call = TABLES - 1; call <= TABLES; call++) {
        int error = 0;
        readonly_fails = call;
        for (unsigned slot = 1; error >= 0; slot++) {
            assert_true(slot < 200);
            error = shadow_map(SHADOW_USER, SLOT(slot), page[0], BITS, 4096);
        }
        assert_int_equal(error, -EPERM);
        assert_int_equal(readonly_fails, 0);
    }
}

/* Its tables are not pruned, and the slot of the root around it is nobody else's. */
static void a_window(void **state)
{
    uint64_t resets;

    shadow_forget_all();
    resets = shadow_counters.resets;
    for (unsigned slot = 1; shadow_counters.resets == resets; slot++)
        shadow_map(SHADOW_USER, SLOT(slot), page[0], BITS, 4096);
    assert_int_equal(shadow_window(SLOT(WINDOW_SLOT) + MIB2), 0);
    assert_false(shadow_may(SLOT(WINDOW_SLOT)));
    assert_true(shadow_may(SLOT(399)) && shadow_may(SLOT(401)));
    shadow_window_page(5, page[1], BITS | PTE_WRITE);
    pt_flush();
    assert_int_equal(entry_at(SHADOW_KERNEL, SLOT(WINDOW_SLOT) + MIB2 + 0x5000),
                     to(1, BITS | PTE_WRITE));
    shadow_forget(SLOT(WINDOW_SLOT) + MIB2 + 0x5000);
    shadow_forget_all();
    shadow_use(SHADOW_USER);
    shadow_use(SHADOW_KERNEL);
    resets = shadow_counters.resets;
    for (unsigned slot = 1; shadow_counters.resets < resets + 2; slot++)
        shadow_map(SHADOW_USER, SLOT(slot % 200), page[0], BITS, 4096);
    assert_int_equal(entry_at(SHADOW_KERNEL, SLOT(WINDOW_SLOT) + MIB2 + 0x5000),
                     to(1, BITS | PTE_WRITE));
    flush_fails = 1;
    assert_int_equal(shadow_window(SLOT(WINDOW_SLOT) + MIB2), -EINVAL);
}

/* What is part of a page larger than 2 MiB may be anywhere: then all goes. */
static void parts_of_giants(void **state)
{
    is_mapped(SHADOW_USER, SLOT(20), MIB2);
    is_mapped(SHADOW_USER, SLOT(21), 4096);
    shadow_forget(SLOT(20));
    shadow_use(SHADOW_USER);
    assert_int_equal(entry_at(SHADOW_USER, SLOT(21)), to(0, BITS));
    is_mapped(SHADOW_USER, SLOT(20), 1ul << 30);
    shadow_forget(SLOT(22));
    shadow_use(SHADOW_USER);
    assert_int_equal(entry_at(SHADOW_USER, SLOT(20)), 0);
    assert_int_equal(entry_at(SHADOW_USER, SLOT(21)), 0);
    is_mapped(SHADOW_USER, SLOT(21), 4096);
    shadow_forget(SLOT(22));                            /* and it stays so */
    shadow_use(SHADOW_USER);
    assert_int_equal(entry_at(SHADOW_USER, SLOT(21)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(made_of_read_only_pages), cmocka_unit_test(what_may_be_in_one),
        cmocka_unit_test(one_base_at_a_time), cmocka_unit_test(an_address_is_mapped),
        cmocka_unit_test(an_address_is_forgotten), cmocka_unit_test(all_is_forgotten),
        cmocka_unit_test(as_many_as_are_noted), cmocka_unit_test(no_table_is_left),
        cmocka_unit_test(tables_that_cannot_be_made_blank),
        cmocka_unit_test(a_window), cmocka_unit_test(parts_of_giants),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
