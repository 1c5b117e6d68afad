/* SPDX-License-Identifier: MIT */
/*
 * The SDK's page allocator and its lists: blocks do not overlap and are aligned; everything freed becomes whole again,
 * however it was cut; odd ranges are all used.
 * sources: pvguest-sdk/lib/buddy.c
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
        cmocka_unit_test(lists_keep_order),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    free(memory);
    return failed;
}
