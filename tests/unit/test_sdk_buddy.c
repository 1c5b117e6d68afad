/* SPDX-License-Identifier: MIT */
/*
 * The SDK's page allocator and its lists: blocks do not overlap and are aligned; everything freed
 * becomes whole again, however it was cut; odd ranges are all used.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "pvguest-sdk/lib/buddy.h"

#define PAGES 1000

static struct buddy buddy;
static uint8_t state[PAGES];
static char *memory;

static int set_up(void **unused)
{
    memory = memory ? memory : malloc(PAGES * 4096);
    buddy_init(&buddy, memory, state, PAGES);
    return memory ? 0 : -1;
}

static void odd_ranges_are_all_used(void **unused)
{
    unsigned int count = 0;

    buddy_free_range(&buddy, 3, 997);
    assert_int_equal(buddy.free, 994);
    while (buddy_alloc(&buddy, 0) != ~0UL)
        count++;
    assert_int_equal(count, 994);
    assert_int_equal(buddy.free, 0);
}

static void blocks_are_aligned_and_apart(void **unused)
{
    unsigned char owner[PAGES] = { 0 };

    buddy_free_range(&buddy, 1, PAGES);
    for (unsigned int i = 1; i < 100; i++) {
        unsigned int order = i % 4;
        unsigned long page = buddy_alloc(&buddy, order);

        assert_true(page != ~0UL);
        assert_int_equal(page & ((1UL << order) - 1), 0);
        for (unsigned long k = 0; k < 1UL << order; k++) {
            assert_int_equal(owner[page + k], 0);
            owner[page + k] = (unsigned char)i;
        }
    }
    assert_int_equal(owner[0], 0);
}

static void freed_blocks_join(void **unused)
{
    unsigned long pages[200];
    unsigned int orders[200];

    buddy_free_range(&buddy, 0, 512);
    assert_int_equal(buddy_alloc(&buddy, 9), 0);
    buddy_free(&buddy, 0, 9);
    srand(1);
    for (int round = 0; round < 50; round++) {
        unsigned int n = 0;

        for (; n < 200; n++) {
            orders[n] = (unsigned int)rand() % 5;
            pages[n] = buddy_alloc(&buddy, orders[n]);
            if (pages[n] == ~0UL)
                break;
            memset(memory + pages[n] * 4096, 0xff, 4096UL << orders[n]);
        }
        while (n) {
            unsigned int i = (unsigned int)rand() % n--;

            buddy_free(&buddy, pages[i], orders[i]);
            pages[i] = pages[n];
            orders[i] = orders[n];
        }
        assert_int_equal(buddy.free, 512);
        assert_int_equal(buddy_alloc(&buddy, 9), 0);
        assert_int_equal(buddy_alloc(&buddy, 0), ~0UL);
        buddy_free(&buddy, 0, 9);
    }
}

/* The state begins as nothing: what was in it before is no block. And a range is cut into the
 * largest blocks there are. */
static void ranges_are_cut_well(void **unused)
{
    memset(state, 3, sizeof(state));
    buddy_init(&buddy, memory, state, PAGES);
    assert_int_equal(buddy_alloc(&buddy, 0), ~0UL);
    buddy_free(&buddy, 8, 1);                   /* beside it no block is, whatever was said there */
    assert_int_equal(buddy_alloc(&buddy, 2), ~0UL);
    assert_int_equal(buddy_alloc(&buddy, 1), 8);
    for (unsigned int i = 0; i < PAGES; i++)
        assert_int_equal(state[i], 0);
    buddy_free_range(&buddy, 4, 100);
    assert_int_equal(state[4], 3);              /* 4, 8, 16, 32, then 64 to 96, and 4 more */
    assert_int_equal(state[8], 4);
    assert_int_equal(state[16], 5);
    assert_int_equal(state[32], 6);
    assert_int_equal(state[64], 6);
    assert_int_equal(state[96], 3);
    assert_int_equal(buddy.free, 96);
    buddy_free_range(&buddy, 100, 101);
    buddy_free_range(&buddy, 50, 50);
    assert_int_equal(buddy.free, 97);
    assert_int_equal(state[100], 1);
    /* The last page of all, whose other half would be behind the end. */
    buddy_init(&buddy, memory, state, 999);
    buddy_free_range(&buddy, 998, 999);
    assert_int_equal(state[998], 1);
    assert_int_equal(buddy_alloc(&buddy, 0), 998);
    assert_int_equal(buddy_alloc(&buddy, BUDDY_ORDERS - 1), ~0UL);
    assert_int_equal(buddy_alloc(&buddy, BUDDY_ORDERS), ~0UL);
}

/* A run of free pages is taken whole, however many blocks it is; what is left is whole, too. */
static void the_longest_run_is_taken(void **unused)
{
    unsigned long pages;

    assert_int_equal(buddy_take_longest(&buddy, &pages), ~0UL);
    assert_int_equal(pages, 0);
    buddy_free_range(&buddy, 3, 60);
    buddy_free_range(&buddy, 61, 200);
    buddy_free_range(&buddy, 900, PAGES);
    assert_int_equal(buddy_take_longest(&buddy, &pages), 61);
    assert_int_equal(pages, 139);
    assert_int_equal(buddy.free, 57 + 100);
    for (unsigned int i = 61; i < 200; i++)
        assert_int_equal(state[i], 0);
    memset(memory + 61 * 4096, 0xff, 139 * 4096);       /* theirs: nobody's links are in it */
    assert_int_equal(buddy_take_longest(&buddy, &pages), 900);
    assert_int_equal(pages, 100);
    buddy_free_range(&buddy, 60, 200);                  /* joins with what is before it */
    assert_int_equal(buddy_take_longest(&buddy, &pages), 3);
    assert_int_equal(pages, 197);
    assert_int_equal(buddy.free, 0);
    assert_int_equal(buddy_alloc(&buddy, 0), ~0UL);
}

/* The largest blocks there are: nothing joins to more than that. */
static void the_largest_blocks(void **unused)
{
    static struct buddy large;
    unsigned long pages = 4UL << (BUDDY_ORDERS - 1);
    uint8_t *states = malloc(pages);
    char *area = malloc(pages * 4096);
    unsigned int blocks = 0;

    buddy_init(&large, area, states, pages);
    buddy_free_range(&large, 0, pages);
    assert_int_equal(large.free, pages);
    while (buddy_alloc(&large, BUDDY_ORDERS - 1) != ~0UL)
        blocks++;
    assert_int_equal(blocks, 4);
    free(states);
    free(area);
}

struct item { int value; struct list link; };

static void lists_keep_order(void **unused)
{
    LIST(head);
    struct item items[5], *item, *following;
    int expected = 0;

    assert_true(list_empty(&head));
    assert_null(list_first(&head, struct item, link));
    for (int i = 0; i < 5; i++) {
        items[i].value = i;
        list_append(&head, &items[i].link);
    }
    list_for_each(item, &head, link)
        assert_int_equal(item->value, expected++);
    assert_int_equal(expected, 5);
    list_for_each_safe(item, following, &head, link) {
        if (item->value & 1)
            list_remove(&item->link);
    }
    list_remove(&items[1].link);        /* twice is harmless */
    list_push(&head, &items[3].link);
    assert_int_equal(list_first(&head, struct item, link)->value, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(odd_ranges_are_all_used, set_up),
        cmocka_unit_test_setup(blocks_are_aligned_and_apart, set_up),
        cmocka_unit_test_setup(freed_blocks_join, set_up),
        cmocka_unit_test_setup(ranges_are_cut_well, set_up),
        cmocka_unit_test_setup(the_longest_run_is_taken, set_up),
        cmocka_unit_test(the_largest_blocks),
        cmocka_unit_test(lists_keep_order),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    free(memory);
    return failed;
}
