/* SPDX-License-Identifier: MIT */
/*
 * The auditor: books that are right have no violations; each kind of wrong book has, and the first
 * is described. However little memory there is to count in.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#undef fail                                     /* the hypervisor has one, too */
#include "memory/mmu.h"
#include "memory/entry.h"
#include "memory/heap.h"
#include "memory/window.h"
#include "control/audit.h"
#include "domain/grants.h"
#include "lib/printk.h"

_Alignas(4096) char host_ram[HOST_FRAMES * 4096ul],
    host_frames[HOST_FRAMES * sizeof(struct frame)], host_m2p[HOST_FRAMES * 8];

/* --- the machine: 8,000 frames of which a domain owns some --- */

uint64_t max_frame = 8000;
struct domain_memory special_io, special_xen;
struct list domain_list, destroyed_list;
static uint64_t our_l4[512];
uint64_t *hv_l4 = our_l4;
static struct domain guest;
static struct vcpu vcpu;
static unsigned int said;
static unsigned int largest_order;              /* that can be had */
static unsigned int allocated_order, freed_order;

void printk_at(int level, const char *format, ...)
{
    said++;
}
uint64_t heap_free_count(void)
{
    return 17;
}

void *hv_alloc_pages(unsigned int order)
{
    if (order > largest_order) return NULL;
    allocated_order = order;
    return calloc(4096, 1ul << order);
}

void hv_free_pages(void *block, unsigned int order)
{
    freed_order = order;
    free(block);
}

static struct { uint64_t frame; bool writable; } grants[4];
static unsigned int grant_count;

void grants_for_each_hold(const struct domain *d, void (*seen)(mfn_t frame, bool writable))
{
    for (unsigned int i = 0; d == &guest && i < grant_count; i++)
        seen(MFN(grants[i].frame), grants[i].writable);
}

static uint64_t descriptors;

void window_for_each_frame(const struct vcpu_window *w, void (*seen)(mfn_t m))
{
    if (descriptors)
        seen(MFN(descriptors));
}

static uint64_t run_table;

void svm_for_each_table(void (*seen)(mfn_t m))
{
    if (run_table)
        seen(MFN(run_table));
}

static struct frame *frame(uint64_t n)
{
    return frame_of(MFN(n));
}
static uint64_t *table(uint64_t n)
{
    return map_frame(MFN(n));
}

/* It has so many references of both kinds. */
static void book(uint64_t n, enum frame_type type, uint64_t total, uint64_t typed, uint64_t flags)
{
    frame(n)->state = total | typed << 27 | (uint64_t)type << FRAME_TYPE_SHIFT | flags;
    frame(n)->owner = &guest.memory;
}

#define OWN   FRAME_ALLOCATED
#define TABLE (FRAME_ALLOCATED | FRAME_VALID)
#define ENTRY(n, flags) ((uint64_t)(n) << 12 | PTE_PRESENT | PTE_USER | (flags))

/* An L4 that the vCPU runs on and that is pinned, an L3, an L2, an L1; the L1 maps a writable page
 * and reads one and itself. */
enum {
    L4 = 3000,
    L3 = 7999,
    L2 = 1,
    L1 = 4097,
    DATA = 4096,
    READ = 2047,
    INFO = 2048,
    GDT = 5000,
    HALF = 6000,
    SHARED = 6100,
    UNUSED = 6150
};

static int set_up(void **state)
{
    memset(host_frames, 0, sizeof(host_frames));
    memset(host_ram, 0, sizeof(host_ram));
    memset(our_l4, 0, sizeof(our_l4));
    list_init(&domain_list);
    list_init(&destroyed_list);
    guest = (struct domain){
        .id = 3, .vcpu_count = 1, .memory.page_count = 11, .vcpus = { &vcpu }
    };
    list_append(&domain_list, &guest.all_domains);
    vcpu = (struct vcpu){ .tables.kernel_cr3 = L4 << 12,
                          .events.info_frame = MFN(INFO) };
    for (unsigned int i = 256; i < 272; i++)
        hv_l4[i] = table(L4)[i] = i << 12 | 1;
    table(L4)[0] = ENTRY(L3, PTE_WRITE);
    table(L3)[5] = ENTRY(L2, PTE_WRITE);
    table(L2)[511] = ENTRY(L1, PTE_WRITE);
    table(L1)[1] = ENTRY(DATA, PTE_WRITE);
    table(L1)[2] = ENTRY(READ, 0);
    table(L1)[511] = ENTRY(L1, 0);
    table(L1)[3] = ENTRY(9000, PTE_WRITE);                 /* no RAM */
    book(L4, FRAME_L4, 3, 2, TABLE | FRAME_PINNED);
    book(L3, FRAME_L3, 2, 1, TABLE);
    book(L2, FRAME_L2, 2, 1, TABLE);
    book(L1, FRAME_L1, 3, 1, TABLE);
    /* mapped, granted for reading, and for both */
    book(DATA, FRAME_WRITABLE, 5, 2, OWN | FRAME_VALID);
    book(READ, FRAME_NONE, 2, 0, OWN);
    book(INFO, FRAME_WRITABLE, 2, 1, OWN | FRAME_VALID);
    book(GDT, FRAME_SEGDESC, 2, 1, OWN | FRAME_VALID);
    book(HALF, FRAME_L2, 2, 1, OWN);                    /* its first two entries are looked at */
    frame(HALF)->cursor = 2;
    table(HALF)[2] = ENTRY(READ, 0);
    book(SHARED, FRAME_READONLY, 1, 1, FRAME_SHARED | FRAME_VALID);
    book(6200, FRAME_NONE, 0, 0, FRAME_FREE);
    frame(6200)->owner = NULL;
    book(UNUSED, FRAME_L1, 1, 0, OWN | FRAME_VALID);    /* what it was last, and is no more */
    table(UNUSED)[0] = ENTRY(READ, 0);
    for (unsigned int i = 0; i < 3; i++)                /* behind a table is none of it */
        table((uint64_t[]){ L4, L2, L1 }[i] + 1)[0] |= ENTRY(READ, 0);
    book(6300, FRAME_NONE, 1, 0, OWN);
    frame(5999)->owner = &special_io;
    frame(5999)->state = 5;                             /* nobody looks */
    grants[0] = (typeof(grants[0])){ DATA, false };
    grants[1] = (typeof(grants[0])){ DATA, false };
    grants[2] = (typeof(grants[0])){ DATA, true };
    grant_count = 3;
    frame(DATA)->state--;
    frame(DATA)->state++;
    descriptors = GDT;
    run_table = 0;
    largest_order = 13;
    allocated_order = freed_order = said = 0;
    return 0;
}

static struct domus_audit result;

static uint64_t audit(void)
{
    return memory_audit(&result);
}

/* The same is found with all memory that is wanted, with little, and with none. */
static void all_ways(uint64_t violations, uint64_t first, const char *what)
{
    static const unsigned int orders[] = { 13, 3, 0 };

    for (unsigned int i = 0; i < 3; i++) {
        largest_order = orders[i];
        allocated_order = freed_order = said = 0;
        assert_int_equal(audit(), violations);
        assert_int_equal(result.violations, violations);
        assert_int_equal(result.first_bad_mfn, first);
        assert_non_null(strstr(result.first_bad, what));
        assert_int_equal(allocated_order, i == 0 ? 4 : i == 1 ? 3 : 0);
        assert_int_equal(freed_order, allocated_order);
        assert_int_equal(said, violations < 10 ? violations : 10);
    }
}

static void books_that_are_right(void **state)
{
    all_ways(0, ~0ul, "");
    assert_int_equal(result.typed, 6);                  /* five tables, a page of descriptors */
    assert_int_equal(result.frames, 8000 - 2);          /* all but what is free or no RAM */
    assert_int_equal(result.free, 17);
}

static void references_that_are_not_there(void **state)
{
    frame(READ)->state++;
    all_ways(1, READ, "references (I3) (3, should be 2)");
    frame(READ)->state -= 2;
    all_ways(1, READ, "references (I3) (1, should be 2)");
}

static void the_first_frame(void **state)
{
    book(0, FRAME_NONE, 1, 0, OWN);
    guest.memory.page_count++;
    all_ways(0, ~0ul, "");
    frame(0)->state++;
    all_ways(1, 0, "references (I3) (2, should be 1)");
}

/* No more is taken for the count than its frames want. */
static void a_machine_of_one_frame(void **state)
{
    max_frame = 1;
    guest.memory.page_count = 0;
    assert_int_equal(audit(), 0);
    assert_true(result.frames == 1 && allocated_order == 0 && freed_order == 0);
    max_frame = 8000;
}

/* A table that a CPU holds for a guest's virtual machine. */
static void tables_of_machines_that_run(void **state)
{
    run_table = L4;
    all_ways(2, L4, "type references (I3) (2, should be 3)");
    book(L4, FRAME_L4, 4, 3, TABLE | FRAME_PINNED);
    all_ways(0, ~0ul, "");
}

static void types_that_are_not_there(void **state)
{
    book(DATA, FRAME_WRITABLE, 5, 1, OWN | FRAME_VALID);
    all_ways(1, DATA, "type references (I3) (1, should be 2)");
    book(DATA, FRAME_WRITABLE, 5, 6, OWN | FRAME_VALID);
    all_ways(2, DATA, "more type references than references (I4) (6, should be 5)");
    set_up(NULL);
    grant_count = 2;
    grants[1].writable = true;                          /* now one less reads */
    frame(DATA)->state--;
    all_ways(0, ~0ul, "");
    frame(DATA)->state++;
    all_ways(1, DATA, "references (I3)");
}

static void a_table_that_is_mapped_writable(void **state)
{
    table(L1)[511] |= PTE_WRITE;
    all_ways(2, L1, "is referred to as another type (I1, I2)");
    table(L1)[511] &= ~PTE_WRITE;
    vcpu.events.info_frame = MFN(L2);                          /* as the shared page of a vCPU */
    all_ways(5, L2, "another type");                      /* and the real one is no longer held */
    vcpu.events.info_frame = MFN(INFO);
    descriptors = READ;
    assert_true(audit() >= 3);
}

static void entries_of_tables(void **state)
{
    table(L1)[2] &= ~PTE_USER;
    all_ways(1, L1, "has an entry without U=1 (I8)");
    table(L1)[2] |= PTE_USER;
    for (unsigned int i = 256; i < 272; i++) {
        table(L4)[i] ^= 1 << 12;
        all_ways(1, L4, "has another entry in our slots (I8)");
        table(L4)[i] = 0;                               /* a user table does not show the M2P */
        if (i == 256)
            all_ways(0, ~0ul, "");
        else
            all_ways(1, L4, "our slots");
        table(L4)[i] = hv_l4[i];
    }
    table(HALF)[1] = ENTRY(READ, 0);
    assert_true(audit() >= 1);
    table(HALF)[1] = 0;
    frame(HALF)->cursor = 3;                            /* one more has been looked at than holds */
    assert_true(audit() >= 1);
}

/* Of a table half way, forth or back, only what was looked at counts; our slots are not in it
 * yet. */
static void tables_half_way(void **state)
{
    static const enum frame_type types[] = { FRAME_L2, FRAME_L4 };

    for (unsigned int i = 0; i < 2; i++)
        for (unsigned int undoing = 0; undoing < 2; undoing++) {
            book(HALF, types[i], 2, 1, OWN | (undoing ? FRAME_UNDOING : 0));
            frame(HALF)->cursor = i ? 400 : 2;
            table(HALF)[i ? 400 : 2] = ENTRY(READ, 0);
            table(HALF)[i ? 2 : 400] = 0;
            all_ways(0, ~0ul, "");
            table(HALF)[i ? 399 : 1] = ENTRY(READ, 0);
            assert_true(audit() >= 1);
            table(HALF)[i ? 399 : 1] = 0;
        }
}

static void owners_and_their_books(void **state)
{
    struct domus_audit before;

    frame(6500)->owner = &guest.memory;                 /* without a reference it is none of it */
    all_ways(0, ~0ul, "");
    frame(6500)->owner = NULL;
    frame(6300)->owner = NULL;
    audit();
    before = result;
    assert_int_equal(before.violations, 2);             /* nobody's, and the domain owns one less */
    assert_non_null(strstr(before.first_bad, "has references and no owner"));
    frame(6300)->owner = &guest.memory;
    guest.memory.page_count++;
    all_ways(1, ~0ul, "");
    guest.memory.page_count--;
    /* destroyed: what it holds counts, its books do not */
    list_remove(&guest.all_domains);
    list_append(&destroyed_list, &guest.all_domains);
    guest.memory.page_count = 0;
    all_ways(0, ~0ul, "");
}

static void many_are_counted_and_ten_described(void **state)
{
    for (uint64_t n = 100; n < 130; n++)
        book(n, FRAME_NONE, 1, 0, 0);
    guest.memory.page_count += 30;
    all_ways(30, 100, "references (I3) (1, should be 0)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(books_that_are_right, set_up),
        cmocka_unit_test_setup(references_that_are_not_there, set_up),
        cmocka_unit_test_setup(the_first_frame, set_up),
        cmocka_unit_test_setup(a_machine_of_one_frame, set_up),
        cmocka_unit_test_setup(tables_of_machines_that_run, set_up),
        cmocka_unit_test_setup(types_that_are_not_there, set_up),
        cmocka_unit_test_setup(a_table_that_is_mapped_writable, set_up),
        cmocka_unit_test_setup(entries_of_tables, set_up),
        cmocka_unit_test_setup(tables_half_way, set_up),
        cmocka_unit_test_setup(owners_and_their_books, set_up),
        cmocka_unit_test_setup(many_are_counted_and_ten_described, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
