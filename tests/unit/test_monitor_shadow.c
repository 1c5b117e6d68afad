/* SPDX-License-Identifier: MIT */
/*
 * The monitor's shadow tables against a model of what the hypervisor holds, and one of what the
 * guest's tables say: updates are visible when the queue is flushed, a table is read-only for good,
 * and what the guest's tables do not say any more is in no tree that is used. The tests follow each
 * other: the trees stay.
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
#include "pvguest-sdk/monitor/machine.h"
#include "pvguest-sdk/monitor/interpret.h"
#include "pvguest-sdk/monitor/shadow.h"

enum { MOST = 4096, SPACES = 20, TABLES = 512, LEAVES = 1024, ROOTS = 2 * SPACES,
       WINDOW_SLOT = 400 };
#define MIB2 (2ul << 20)
#define ALL  0ull, ~0ull                        /* for shadow_review */
#define SLOT(number) ((uint64_t)(number) << 39)
#define BITS (PTE_PRESENT | PTE_USER | PTE_ACCESSED | PTE_DIRTY)

static struct { uint64_t *at; uint64_t value; } queued[MOST];
static unsigned queue, sets, tlb_flushes, invlpgs, bases, pages_left, made_readonly, made_writable;
static void *handed[TABLES + ROOTS];
static unsigned handed_out;
static uint64_t invalidated, base, pinned[ROOTS];
static unsigned pins, flush_fails, readonly_fails;     /* at that call from now on */

void *alloc_pages(unsigned int order)
{
    void *at = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    mprotect((char *)at + 4096, 4096, PROT_NONE);       /* nobody looks behind it */
    handed[handed_out++ % (TABLES + ROOTS)] = at;
    return pages_left && pages_left-- ? at : NULL;
}
void *alloc_zeroed_page(void)
{
    return alloc_pages(0);
}
int page_set_readonly(void *va, bool readonly)
{
    for (unsigned i = 0; i < 512 * ROOTS && !readonly; i++)     /* a table in use stays one */
        assert_false(i % 512 != WINDOW_SLOT && ((uint64_t *)pinned[i / 512])[i % 512]);
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
    pinned[pins++ % ROOTS] = mfn << 12;
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

/* What the CPU would find there, by any root; 0: nothing. */
static uint64_t entry_by(uint64_t root, uint64_t address)
{
    const uint64_t *table = (const uint64_t *)root;

    for (unsigned shift = 39; shift > 12; shift -= 9) {
        uint64_t entry = table[address >> shift & 511];
        if (!entry) return 0;
        assert_int_equal(entry & ~PTE_MFN_MASK, PROT_TABLE);
        table = (const uint64_t *)(entry & PTE_MFN_MASK);
    }
    return table[address >> 12 & 511];
}

/* The guest's tables: what they say of a page is a number of one of ours and these bits. */
enum { SAYS_WRITE = 1, SAYS_CODE = 2, SAYS = 4 };
static struct { uint64_t address, says; } guest[2 * LEAVES + 64];
static unsigned guest_pages, peeks, judged;
static uint64_t only;                           /* unless 0: that is all they say of all pages */
static struct machine machine;

static uint64_t *says_of(uint64_t address)
{
    unsigned i = 0;

    while (i < guest_pages && guest[i].address != address)
        i++;
    assert_true(i < sizeof(guest) / sizeof(*guest));
    if (i == guest_pages)
        guest[guest_pages++].address = address;
    return &guest[i].says;
}
uint64_t peek(struct vcpu *vcpu, uint64_t linear, struct way *way)
{
    assert_ptr_equal(vcpu, &machine.vcpu);
    peeks++;
    return only ? only : *says_of(linear);
}
static _Alignas(4096) uint8_t page[4][4096];
static uint64_t right(uint64_t says, bool code)
{
    uint64_t at = (uintptr_t)page[(says >> 12) + (code && says & SAYS_CODE ? 2 : 0)];

    if (!says) return 0;
    return at | BITS | (code && says & SAYS_CODE ? 0 : PTE_NX) |
           (says & SAYS_WRITE ? PTE_WRITE : 0);
}
uint64_t shadow_right(struct machine *m, unsigned int which, uint64_t address, uint64_t seen,
                      bool code)
{
    judged++;
    return right(seen, code && which == SHADOW_KERNEL);
}

static uint64_t entry_at(unsigned which, uint64_t address)      /* of the one in use */
{
    assert_int_equal(shadow_use(&machine, which), 0);
    assert_int_equal(queue, 0);
    return entry_by(base, address);
}
static int map(unsigned which, uint64_t address, bool code)
{
    uint64_t says = only ? only : *says_of(address);

    return shadow_map(which, address, right(says, code), says);
}
static void is_mapped(unsigned which, uint64_t address)
{
    if (!only)
        *says_of(address) = SAYS;
    assert_int_equal(map(which, address, false), 0);
    assert_int_equal(entry_at(which, address), right(only ? only : SAYS, false));
    assert_int_equal(queue, 0);
}

static void made_of_read_only_pages(void **state)
{
    static const unsigned too_few[] = { 0, TABLES - 1, TABLES + ROOTS - 1 };

    for (unsigned i = 0; i < 3; i++) {
        pages_left = too_few[i];
        assert_int_equal(shadow_init(), -ENOMEM);
    }
    pages_left = ~0u;
    readonly_fails = 100;
    assert_int_equal(shadow_init(), -EPERM);
    flush_fails = 1;
    assert_int_equal(shadow_init(), -EINVAL);
    pages_left = TABLES + ROOTS;
    made_readonly = made_writable = pins = handed_out = 0;
    assert_int_equal(shadow_init(), 0);
    assert_int_equal(made_readonly, TABLES + ROOTS);
    assert_int_equal(made_writable, 0);
    assert_int_equal(pins, ROOTS);
    for (unsigned i = 0; i < ROOTS * ROOTS; i++)
        assert_true(i / ROOTS == i % ROOTS || pinned[i / ROOTS] != pinned[i % ROOTS]);
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
        assert_int_equal(shadow_use(&machine, which), 0);
        assert_int_equal(base, pinned[which]);
        assert_int_equal(shadow_use(&machine, which), 0);
        assert_int_equal(bases, i + 1);
        assert_int_equal(tlb_flushes, i + 1);           /* the other's are gone */
    }
    flush_fails = 1;
    assert_int_equal(shadow_use(&machine, SHADOW_USER), -EINVAL);
}

static void an_address_is_mapped(void **state)
{
    uint64_t fills = shadow_counters.fills, *says = says_of(0x1234000);

    is_mapped(SHADOW_KERNEL, 0x1234000);
    assert_int_equal(entry_at(SHADOW_USER, 0x1234000), 0);
    assert_int_equal(entry_at(SHADOW_KERNEL, 0x1235000), 0);
    assert_int_equal(sets, 4);
    assert_int_equal(map(SHADOW_KERNEL, 0x1234000, false), 1);
    assert_int_equal(sets, 4);
    assert_int_equal(invlpgs, 0);
    *says = SAYS | SAYS_WRITE | 1 << 12;
    assert_int_equal(map(SHADOW_KERNEL, 0x1234000, false), 0);
    assert_int_equal(entry_at(SHADOW_KERNEL, 0x1234000), right(*says, false));
    assert_int_equal(invlpgs, 1);
    assert_int_equal(invalidated, 0x1234000);
    is_mapped(SHADOW_KERNEL, 0x1400000);                /* the same tables, but for the last */
    assert_int_equal(sets, 7);
    assert_int_equal(shadow_counters.fills, fills + 3);
    flush_fails = 1;
    assert_int_equal(map(SHADOW_KERNEL, 0x1236000, false), -EINVAL);
    assert_int_equal(sets, 7);
    *says_of(0x1236000) = SAYS;
    flush_fails = 2;
    assert_int_equal(map(SHADOW_KERNEL, 0x1236000, false), -EINVAL);
    assert_int_equal(sets, 8);
    pt_flush();
}

/* Bits that a hypervisor adds are none that matter. */
static void a_hypervisor_adds_bits(void **state)
{
    is_mapped(SHADOW_USER, 0x7777000);
    pt_set(queued[0].at ? (uintptr_t)queued[0].at : 0, entry_at(SHADOW_USER, 0x7777000) | PTE_G);
    pt_flush();
    assert_int_equal(map(SHADOW_USER, 0x7777000, false), 1);
    shadow_doubt();
    assert_int_equal(entry_at(SHADOW_USER, 0x7777000), right(SAYS, false) | PTE_G);
}

/* At once, there and nowhere else; what is as it was stays, though it was asked for. */
static void an_address_is_reviewed(void **state)
{
    for (uint64_t at = 0x40000000; at < 0x40800000; at += 0x100000) {
        is_mapped(SHADOW_KERNEL, at);
        is_mapped(SHADOW_USER, at);
    }
    for (uint64_t at = 0x40000000; at < 0x40800000; at += 0x200000)
        *says_of(at) = SAYS | 1 << 12;
    peeks = tlb_flushes = 0;
    shadow_review(&machine, 0x40200000, 0x400000);
    assert_int_equal(tlb_flushes, 2);
    assert_int_equal(peeks, 8);
    shadow_review(&machine, 0x40a00000, MIB2);
    assert_int_equal(peeks, 8);
    pt_flush();
    for (unsigned which = 0; which < 2; which++)
        for (uint64_t at = 0x40000000; at < 0x40800000; at += 0x100000)
            assert_int_equal(!entry_by(pinned[which], at), at == 0x40200000 || at == 0x40400000);
    shadow_review(&machine, 0x40000000, 1 << 30);
    for (unsigned which = 0; which < 2; which++)
        for (uint64_t at = 0x40000000; at < 0x40800000; at += 0x100000)
            assert_int_equal(!entry_at(which, at), !(at & 0x100000));
    *says_of(~0xfffull) = SAYS;                         /* the last page of all */
    assert_int_equal(map(SHADOW_KERNEL, ~0xfffull, false), 0);
    *says_of(~0xfffull) = 0;
    shadow_review(&machine, -MIB2, MIB2);
    assert_int_equal(entry_at(SHADOW_KERNEL, ~0xfffull), 0);
}

/* With CR3 all of them, each tree when it is used next. */
static void all_is_reviewed(void **state)
{
    is_mapped(SHADOW_KERNEL, 0x40000000);
    is_mapped(SHADOW_USER, 0x40000000);
    is_mapped(SHADOW_USER, 0x40003000);
    *says_of(0x40000000) = SAYS | 1 << 12;
    tlb_flushes = judged = 0;
    shadow_load(0);                                     /* the same root again */
    assert_int_equal(entry_at(SHADOW_USER, 0x40000000), 0);
    assert_int_equal(entry_at(SHADOW_USER, 0x40003000), right(SAYS, false));
    assert_int_equal(tlb_flushes, 1);
    assert_int_equal(judged, 1);                        /* of the others the same is said */
    peeks = 0;
    assert_int_equal(shadow_use(&machine, SHADOW_USER), 0);
    assert_int_equal(peeks, 0);
    assert_int_equal(entry_by(pinned[SHADOW_KERNEL], 0x40000000), right(SAYS, false));
    assert_int_equal(entry_at(SHADOW_KERNEL, 0x40000000), 0);
    shadow_load(0);
    tlb_flushes = 0;
    shadow_use(&machine, SHADOW_KERNEL);
    assert_int_equal(tlb_flushes, 0);                   /* nothing went */
}

/* What was seen when it was filled last counts, though it is seen again. */
static void there_and_back(void **state)
{
    uint64_t *says = says_of(0x40004000);

    is_mapped(SHADOW_USER, 0x40004000);
    *says = SAYS | 1 << 12;                             /* the guest, without INVLPG */
    assert_int_equal(map(SHADOW_USER, 0x40004000, false), 0);
    *says = SAYS;
    shadow_load(0);
    assert_int_equal(entry_at(SHADOW_USER, 0x40004000), 0);
    is_mapped(SHADOW_USER, 0x40004000);
}

/* It may allow less than would be right, and not more; and it may be what is executed there. */
static void what_may_stay(void **state)
{
    static const struct { uint64_t before, now; bool code, stays; } c[] = {
        { SAYS, SAYS | SAYS_WRITE, false, true }, { SAYS | SAYS_WRITE, SAYS, false, false },
        { SAYS | SAYS_CODE, SAYS | SAYS_CODE | SAYS_WRITE, true, true },
        { SAYS | SAYS_CODE, SAYS, true, false }, { SAYS | SAYS_CODE, SAYS, false, true },
        { SAYS, SAYS | SAYS_CODE, false, true }, { SAYS, 0, false, false },
    };

    for (unsigned i = 0; i < sizeof(c) / sizeof(*c); i++) {
        uint64_t was = right(c[i].before, c[i].code);
        *says_of(0x40005000) = c[i].before;
        map(SHADOW_KERNEL, 0x40005000, c[i].code);
        assert_int_equal(entry_at(SHADOW_KERNEL, 0x40005000), was);
        *says_of(0x40005000) = c[i].now;
        shadow_load(0);
        if (entry_at(SHADOW_KERNEL, 0x40005000) != (c[i].stays ? was : 0))
            fail_msg("case %u", i);
    }
}

/* What is right by the same tables has changed: each entry is judged, in all spaces, once. */
static void a_doubt(void **state)
{
    shadow_load(0x1000);
    is_mapped(SHADOW_USER, 0x40006000);
    shadow_load(0);
    entry_at(SHADOW_USER, 0);
    judged = 0;
    shadow_doubt();
    entry_at(SHADOW_USER, 0);
    assert_true(judged > 1);
    judged = 0;
    shadow_load(0x1000);
    entry_at(SHADOW_USER, 0);
    assert_int_equal(judged, 1);
    shadow_load(0x1000);
    entry_at(SHADOW_USER, 0);
    assert_int_equal(judged, 1);
    shadow_load(0);
}

/* Each has its own trees as long as it is among the last; who is new has the oldest's. */
static void spaces_are_kept(void **state)
{
    uint64_t at = 0x40007000, base_of[SPACES + 1];

    for (uint64_t i = 0; i < SPACES; i++) {
        shadow_load(0x100000 + i * 4096);
        *says_of(at) = SAYS;
        map(SHADOW_USER, at, false);
        assert_int_equal(entry_at(SHADOW_USER, at), right(SAYS, false));
        base_of[i] = base;
        for (uint64_t other = 0; other < i; other++)
            assert_int_not_equal(base, base_of[other]);
    }
    peeks = judged = 0;
    shadow_load(0x100000);
    assert_int_equal(entry_at(SHADOW_USER, at), right(SAYS, false));
    assert_int_equal(base, base_of[0]);
    assert_int_equal(judged, 0);
    *says_of(at) = SAYS | 1 << 12;                      /* in one that is new */
    shadow_load(0x7777000);
    assert_int_equal(entry_at(SHADOW_USER, at), 0);
    assert_int_equal(base, base_of[1]);
    shadow_load(0x102000);
    assert_int_equal(entry_at(SHADOW_USER, at), 0);     /* and what was said there is not */
    assert_int_equal(base, base_of[2]);
    shadow_load(0x101000);
    entry_at(SHADOW_USER, at);
    assert_int_equal(base, base_of[3]);
    for (uint64_t i = 0; i < 5000; i++) {               /* thousands */
        uint64_t says = SAYS | (i & 1) << 12;
        *says_of(at) = says;
        shadow_load(0x1000000 + i * 4096);
        assert_true(entry_at(SHADOW_USER, at) == 0 || entry_at(SHADOW_USER, at) ==
                    right(says, false));
        map(SHADOW_USER, at, false);
        assert_int_equal(entry_at(SHADOW_USER, at), right(says, false));
    }
}

static void as_many_as_are_noted(void **state)
{
    only = SAYS;
    shadow_load(1);
    shadow_doubt();
    only = 0;
    guest_pages = 0;
    entry_at(SHADOW_USER, 0);                           /* none is left */
    only = SAYS;
    for (uint64_t i = 0; i < LEAVES; i++)               /* in no order */
        is_mapped(SHADOW_USER, 0x40000000 + i * 77 % LEAVES * 4096);
    for (uint64_t i = 0; i < LEAVES; i++)
        assert_int_equal(entry_at(SHADOW_USER, 0x40000000 + i * 4096), right(SAYS, false));
    tlb_flushes = 0;
    is_mapped(SHADOW_USER, 0x40000000 + LEAVES * 4096ull);
    assert_int_equal(tlb_flushes, 1);
    for (uint64_t i = 0; i < LEAVES; i++)
        assert_int_equal(entry_at(SHADOW_USER, 0x40000000 + i * 4096), 0);
    only = 0;
}

/* All trees begin anew, of blank tables. */
static void no_table_is_left(void **state)
{
    uint64_t resets = shadow_counters.resets;
    unsigned slot = 1;

    only = SAYS;
    is_mapped(SHADOW_KERNEL, 0x7000);
    for (; shadow_counters.resets == resets; slot++) {
        assert_true(slot < 200);
        tlb_flushes = made_writable = sets = 0;
        is_mapped(SHADOW_USER, SLOT(slot) + 0x5000);
    }
    assert_in_range(made_writable, TABLES - 2, TABLES);
    assert_true(tlb_flushes >= 1);
    assert_int_equal(shadow_counters.resets, resets + 1);
    assert_int_equal(entry_at(SHADOW_KERNEL, 0x7000), 0);
    for (unsigned i = 1; i < slot - 1; i++)
        assert_int_equal(entry_at(SHADOW_USER, SLOT(i) + 0x5000), 0);
    for (unsigned i = 0; i < 512 * ROOTS; i++)
        assert_int_equal(!((uint64_t *)pinned[i / 512])[i % 512],
                         pinned[i / 512] != base || i % 512 != slot - 1);
    is_mapped(SHADOW_KERNEL, 0x8000);
    assert_int_equal(entry_at(SHADOW_KERNEL, 0x7000), 0);       /* its table was made blank */
    peeks = 0;
    shadow_review(&machine, ALL);
    assert_int_equal(peeks, 2);                         /* of before nothing is known */
    only = 0;
}

/* Writable, or read-only again. */
static void tables_that_cannot_be_made_blank(void **state)
{
    for (unsigned call = TABLES - 1; call <= TABLES; call++) {
        int error = 0;
        readonly_fails = call;
        for (unsigned slot = 1; error >= 0; slot++) {
            assert_true(slot < 400);
            error = shadow_map(SHADOW_USER, SLOT(slot % 250), right(SAYS, false), SAYS);
        }
        assert_int_equal(error, -EPERM);
        assert_int_equal(readonly_fails, 0);
        for (unsigned i = 0; i < TABLES; i++) {         /* with which no monitor goes on */
            mprotect(handed[i], 4096, PROT_READ | PROT_WRITE);
            memset(handed[i], 0, 4096);
            mprotect(handed[i], 4096, PROT_READ);
        }
    }
}

/* Its tables are not pruned, and the slot of all roots around it is nobody else's. */
static void a_window(void **state)
{
    uint64_t resets = shadow_counters.resets, at = SLOT(WINDOW_SLOT) + MIB2 + 0x5000;

    only = SAYS;
    for (unsigned slot = 1; shadow_counters.resets == resets; slot++)
        map(SHADOW_USER, SLOT(slot), false);
    assert_int_equal(shadow_window(SLOT(WINDOW_SLOT) + MIB2), 0);
    assert_false(shadow_may(SLOT(WINDOW_SLOT)));
    assert_true(shadow_may(SLOT(399)) && shadow_may(SLOT(401)));
    shadow_window_page(5, page[1], BITS | PTE_WRITE);
    pt_flush();
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < ROOTS; i++)            /* those of the kernel's */
            assert_int_equal(entry_by(pinned[i], at),
                             i % 2 ? 0 : (uintptr_t)page[1] | BITS | PTE_WRITE);
        shadow_review(&machine, ALL);
        shadow_doubt();
        shadow_load(0x33333000);
        resets = shadow_counters.resets;
        for (unsigned slot = 1; shadow_counters.resets < resets + 2; slot++)
            map(SHADOW_USER, SLOT(slot % 250), false);
    }
    for (unsigned i = 1; i < 3; i++) {
        flush_fails = i;
        assert_int_equal(shadow_window(SLOT(WINDOW_SLOT) + MIB2), -EINVAL);
    }
    only = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(made_of_read_only_pages), cmocka_unit_test(what_may_be_in_one),
        cmocka_unit_test(one_base_at_a_time), cmocka_unit_test(an_address_is_mapped),
        cmocka_unit_test(a_hypervisor_adds_bits), cmocka_unit_test(an_address_is_reviewed),
        cmocka_unit_test(all_is_reviewed), cmocka_unit_test(there_and_back),
        cmocka_unit_test(what_may_stay), cmocka_unit_test(a_doubt),
        cmocka_unit_test(spaces_are_kept), cmocka_unit_test(as_many_as_are_noted),
        cmocka_unit_test(no_table_is_left), cmocka_unit_test(tables_that_cannot_be_made_blank),
        cmocka_unit_test(a_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
