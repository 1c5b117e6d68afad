/* SPDX-License-Identifier: MIT */
/*
 * The SDK's memory at start of day: whatever the builder left, the direct map that is made of it is
 * walked entry by entry; what is free is given to the allocator and nothing else; and blocks that
 * are one in the machine, too, or are as they were.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <sys/mman.h>
#include <cmocka.h>
#include <pvguest/bits.h>
#include <pvguest/console.h>
#include <pvguest/hypercalls.h>
#include "pvguest-sdk/lib/buddy.h"

#define MOST (262144ul + 2000)
#define MFN(pfn) ((pfn) * 3 + 7)                /* no two neighbours are neighbours */

struct start_info *start_info;
static struct start_info si;
static jmp_buf panicked;
static char steps[400];
static long refuse_at;                          /* the how-manieth hypercall or flush fails */

static long may_fail(void)
{
    return refuse_at && !--refuse_at ? -22 : 0;
}
void panic(const char *format, ...)
{
    longjmp(panicked, 1);
}

/* --- the machine's frames: what was written into those that became tables --- */

static uint64_t *content[3 * MOST + 8], *window;
static unsigned long window_mfn;

long host_hypercall(unsigned long nr, unsigned long va, unsigned long entry, unsigned long flags,
                    unsigned long d, unsigned long e)
{
    unsigned long mfn = (entry & PTE_MFN_MASK) >> 12;

    assert_int_equal(nr, __HYPERVISOR_update_va_mapping);
    if (may_fail()) return -22;
    assert_true((entry & ~PTE_MFN_MASK) == PROT_RW && flags == UVMF_INVLPG);
    if (!window)
        window_mfn = MFN(NOWHERE);
    window = (uint64_t *)va;
    if (!content[window_mfn])
        content[window_mfn] = malloc(4096);
    memcpy(content[window_mfn], window, 4096);
    window_mfn = mfn;
    if (content[mfn])
        memcpy(window, content[mfn], 4096);
    return 0;
}

/* --- the builder's entries behind its things, and the queue of updates --- */

static uint64_t spare[6];
static unsigned long spare_from, buddy_pages;
const uint64_t *pt_walk(unsigned long va, unsigned int level)
{
    unsigned long n = (va - IMAGE_BASE) / 4096 - spare_from;

    assert_int_equal(level, 1);
    return n < 5 ? &spare[n] : NULL;
}
static uint64_t root_entry, root_value;
void pt_set(uint64_t entry, uint64_t value)
{
    unsigned long n = (entry - (uint64_t)spare) / 8;

    if (n < 6) {
        assert_int_equal(value, 0);
        spare[n] = 0;
    } else {
        root_entry = entry;
        root_value = value;
    }
}
int pt_populate(unsigned long va)
{
    assert_int_equal(va, MAP_BASE);
    assert_true(buddy_pages > 0);               /* it needs pages */
    strcat(steps, "maps ");
    return (int)may_fail();
}
void pt_flush_tlb(void)
{
    strcat(steps, "tlb ");
}
int pt_flush(void)
{
    strcat(steps, "flush ");
    return (int)may_fail();
}

/* --- the allocator --- */

static struct buddy *buddy;
static void *base;
static uint8_t *states;
static unsigned long given[MOST / 64 + 1], blocks_out;
static bool masked, no_pages;
void buddy_init(struct buddy *b, void *at, uint8_t *state, unsigned long pages)
{
    buddy = b;
    base = at;
    states = state;
    buddy_pages = pages;
}
void buddy_free_range(struct buddy *b, unsigned long first, unsigned long end)
{
    assert_true(first <= end && end <= nr_pages);
    for (; first < end; first++) {
        assert_int_equal(given[first / 64] >> first % 64 & 1, 0);
        given[first / 64] |= 1ul << first % 64;
    }
}
unsigned long buddy_alloc(struct buddy *b, unsigned int order)
{
    assert_true(masked && b == buddy);
    assert_in_range(order, 0, 15);
    if (no_pages) return ~0ul;
    blocks_out++;
    return 0x100;
}
void buddy_free(struct buddy *b, unsigned long page, unsigned int order)
{
    assert_true(masked && b == buddy && page == 0x100 && order == 2);
    blocks_out--;
}
static unsigned long run_taken;
unsigned long buddy_take_longest(struct buddy *b, unsigned long *taken)
{
    assert_true(masked && b == buddy);
    *taken = run_taken;
    return run_taken ? 0x80 : ~0ul;
}
static bool was_masked;
bool events_save(void)
{
    masked = true;
    return was_masked;
}
void events_restore(bool before)
{
    assert_int_equal(before, was_masked);
    masked = false;
}

static const void *module;
static size_t module_size;
const void *boot_module(size_t *length)
{
    *length = module_size;
    return module;
}

/* --- start of day --- */

static unsigned long list[MOST];                /* the p2m, as if it were in the image's window */

static int set_up(void **state)
{
    for (unsigned long i = 0; i < 3 * MOST + 8; i++) {
        free(content[i]);
        content[i] = NULL;
    }
    memset(given, 0, sizeof(given));
    memset(spare, 0, sizeof(spare));
    *steps = '\0';
    window = NULL;
    refuse_at = 0;
    module = NULL;
    module_size = 0;
    root_entry = root_value = 0;
    no_pages = was_masked = false;
    memset(&si, 0, sizeof(si));
    start_info = &si;
    for (unsigned long i = 0; i < MOST; i++)
        list[i] = MFN(i);
    si.mfn_list = (unsigned long)list;
    si.pt_base = IMAGE_BASE + 8 * 4096;
    si.nr_pt_frames = 2;                        /* up to page 10 */
    si.store_mfn = MFN(400);
    si.console.domU.mfn = MFN(401);
    return 0;
}

static uint64_t entry_of(uint64_t table, unsigned int slot)
{
    uint64_t *at = content[(table & PTE_MFN_MASK) >> 12];

    assert_non_null(at);
    return at[slot];
}

/* The page's number in the direct map: its entry, or 0; each table on the way is one that nobody
 * can write, and its pages are those behind the image. */
static void direct_map_is(unsigned long first_table, unsigned long end_tables)
{
    assert_int_equal(root_entry, (MFN(8ul) << 12) + (DIRECT_BASE >> 39 & 511) * 8);
    assert_int_equal(root_value, MFN(first_table) << 12 | PROT_TABLE);
    for (unsigned int i3 = 0; i3 < 512; i3++) {
        uint64_t e3 = entry_of(root_value, i3);

        for (unsigned int i2 = 0; e3 && i2 < 512; i2++) {
            uint64_t e2 = entry_of(e3, i2);

            assert_true((e3 & ~PTE_MFN_MASK) == PROT_TABLE);
            assert_true(!e2 || (e2 & ~PTE_MFN_MASK) == PROT_TABLE);
            for (unsigned int i1 = 0; i1 < 512; i1++) {
                unsigned long pfn = ((unsigned long)i3 * 512 + i2) * 512 + i1;
                bool is_table = pfn >= first_table && pfn < end_tables;
                uint64_t want = pfn < image_pages || pfn >= nr_pages || list[pfn] == INVALID_MFN
                                    ? 0 : MFN(pfn) << 12 | (is_table ? PROT_RO : PROT_RW);

                if (e2)
                    assert_int_equal(entry_of(e2, i1), want);
                else
                    assert_true(pfn < image_pages || pfn >= nr_pages);
            }
        }
        if (!e3)
            assert_true((unsigned long)i3 << 18 >= nr_pages || (i3 + 1ul) << 18 <= image_pages);
    }
}

static void starts(unsigned long pages, unsigned long image, unsigned long holes, bool dom0)
{
    unsigned long l1 = ((pages - 1) >> 9) - (image >> 9) + 1;
    unsigned long l2 = ((pages - 1) >> 18) - (image >> 18) + 1;
    unsigned long end = image + 1 + l2 + l1, free = end + (pages + 4095) / 4096;

    si.nr_pages = pages;
    si.flags = dom0 ? SIF_INITDOMAIN : 0;
    spare_from = image;
    for (unsigned int i = 0; i < 5; i++)
        spare[i] = i < 4 ? 0x1023 : 0x1022;             /* the last one is not present */
    for (unsigned long i = 0; i < holes; i++)
        list[free + 100 + 7 * i] = INVALID_MFN;
    mm_init();
    assert_true(p2m == list && nr_pages == pages && kernel_root_mfn == MFN(8));
    assert_int_equal(image_pages, image);
    assert_string_equal(steps, "tlb flush flush maps ");
    assert_true(!spare[0] && !spare[3] && spare[4] == 0x1022);
    assert_int_equal(window_mfn, MFN(NOWHERE));         /* the scratch page is its own again */
    direct_map_is(image, end);
    assert_true(base == (void *)DIRECT_BASE && buddy_pages == pages);
    assert_ptr_equal(states, DIRECT_BASE + end * 4096);
    for (unsigned long pfn = 0; pfn < pages; pfn++)
        assert_int_equal(given[pfn / 64] >> pfn % 64 & 1,
                         pfn >= free && list[pfn] != INVALID_MFN &&
                             (dom0 || (pfn != 400 && pfn != 401)));
}

static void small_and_large(void **state)
{
    static const unsigned long sizes[] = { 600, 1024, 1025, 5000, 262144, 262145, MOST };

    for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++)
        for (unsigned int dom0 = 0; dom0 < 2; dom0++) {
            set_up(NULL);
            si.nr_pages = sizes[i];
            start_info = &si;
            starts(sizes[i], 10, i & 1 ? 5 : 0, dom0);
        }
}

/* Whatever lies last is the end of the image: start_info, the p2m, the tables, the module. */
static void what_the_builder_left(void **state)
{
    si.nr_pt_frames = 600;
    starts(5000, 608, 0, true);
    set_up(NULL);
    module = (void *)(IMAGE_BASE + 20 * 4096);
    module_size = 4097;
    starts(5000, 22, 0, true);
    set_up(NULL);
    module = (void *)(IMAGE_BASE + 20 * 4096);
    module_size = 4096;
    starts(5000, 21, 0, false);
    set_up(NULL);
    si.nr_pt_frames = 0;                                /* the image itself: six pages */
    si.pt_base = IMAGE_BASE + 8 * 4096;
    starts(5000, 8, 0, false);
}

static bool ends(unsigned long pages, long at)
{
    set_up(NULL);
    si.nr_pages = pages;
    spare_from = 10;
    refuse_at = at;
    if (setjmp(panicked)) return true;
    mm_init();
    return false;
}

static void too_small_or_refused(void **state)
{
    /* 10 of the image, 3 tables, a page of states, and one at least */
    for (unsigned long pages = 11; pages < 20; pages++)
        assert_int_equal(ends(pages, 0), pages <= 14);
    for (long at = 1; at < 7; at++)             /* a flush, three tables, scratch, the root */
        assert_int_equal(ends(600, at), at <= 7);
    assert_true(ends(600, 7));                  /* and the tables at MAP_BASE */
    assert_true(ends(600, 8));
    assert_false(ends(600, 9));
}

static void pages(void **state)
{
    starts(600, 10, 0, true);
    for (unsigned int i = 0; i < 2; i++) {
        was_masked = i;
        assert_ptr_equal(alloc_pages(15), DIRECT_BASE + 0x100000);
        assert_null(alloc_pages(16));
        assert_null(alloc_pages(~0u));
        assert_false(masked);
    }
    free_pages((void *)(DIRECT_BASE + 0x100000), 2);
    assert_false(masked);
    assert_int_equal(blocks_out, 1);
    buddy->free = 77;
    assert_int_equal(free_page_count(), 77);
    no_pages = true;
    assert_null(alloc_zeroed_page());
    no_pages = false;
    memset((void *)(DIRECT_BASE + 0x100000), 0x77, 4097);
    char *page = alloc_zeroed_page();
    assert_true(page == (char *)DIRECT_BASE + 0x100000 && page[4096] == 0x77);
    for (unsigned int i = 0; i < 4096; i++)
        assert_int_equal(page[i], 0);
}

/* A run is the caller's but for its end, which stays; a run that is no longer stays whole. */
static void a_run(void **state)
{
    unsigned long taken;

    starts(600, 10, 0, true);
    memset(given, 0, sizeof(given));
    run_taken = 100;
    assert_ptr_equal(take_memory(36, &taken), DIRECT_BASE + 0x80000);
    assert_int_equal(taken, 64);
    assert_false(masked);
    for (unsigned long i = 0; i < 600; i++)
        assert_int_equal(given[i / 64] >> i % 64 & 1, i >= 0x80 + 64 && i < 0x80 + 100);
    for (unsigned long keep = 100; keep < 102; keep++) {
        memset(given, 0, sizeof(given));
        assert_null(take_memory(keep, &taken));
        for (unsigned long i = 0; i < 600; i++)
            assert_int_equal(given[i / 64] >> i % 64 & 1, i >= 0x80 && i < 0x80 + 100);
    }
    run_taken = 0;
    memset(given, 0, sizeof(given));
    assert_null(take_memory(0, &taken));
    assert_null(take_memory(7, &taken));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(small_and_large, set_up),
        cmocka_unit_test_setup(what_the_builder_left, set_up),
        cmocka_unit_test_setup(too_small_or_refused, set_up),
        cmocka_unit_test_setup(pages, set_up),
        cmocka_unit_test_setup(a_run, set_up),
    };

    mmap((void *)DIRECT_BASE, 2048 * 4096, PROT_READ | PROT_WRITE,
         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
