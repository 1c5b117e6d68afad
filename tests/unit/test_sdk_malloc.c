/* SPDX-License-Identifier: MIT */
/*
 * The SDK's malloc, under names of its own: objects apart from each other and aligned, sizes that
 * overflow, memory that runs out, and pointers that are none.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <pvguest/console.h>
#include <pvguest/events.h>
#include <pvguest/mm.h>
#include "masked_host.h"

static jmp_buf panicked;
static bool may_panic;

void panic(const char *format, ...)
{
    assert_true(may_panic);
    longjmp(panicked, 1);
}

/* --- pages: a stack of them, so that each area is fresh --------------------------------------- */

#define PAGES 8192u

static _Alignas(4096) uint8_t memory[PAGES * 4096];
static unsigned int next_page, live, last_order, freed_order;
static bool none;

void *alloc_pages(unsigned int order)
{
    uint8_t *at = memory + next_page * 4096;

    if (none) return NULL;
    next_page += 1u << order;
    assert_true(next_page <= PAGES);
    memset(at, 0xa5, 4096u << order);
    last_order = order;
    live++;
    return at;
}

void free_pages(void *va, unsigned int order)
{
    freed_order = order;
    live--;
}

/* --- tests ------------------------------------------------------------------------------------ */

/* Every size, each filled to its last byte: what one holds no other has touched. */
static void apart_and_aligned(void **state)
{
    static uint8_t *object[1200];

    for (unsigned int round = 0; round < 3; round++) {
        for (unsigned int i = 0; i < 1200; i++) {
            unsigned int size = i * 3;

            object[i] = malloc(size);
            assert_true(object[i] && (uintptr_t)object[i] % 16 == 0);
            memset(object[i], (int)(i + round), size);
        }
        for (unsigned int i = 0; i < 1200; i++)
            for (unsigned int j = 0; j < i * 3; j++)
                assert_int_equal(object[i][j], (uint8_t)(i + round));
        for (unsigned int i = 0; i < 1200; i++)
            free(object[(i * 7) % 1200]);
        assert_false(masked);
        if (round == 1)
            live = 0;                    /* from here on: what is small comes from what was freed */
    }
    assert_int_equal(live, 0);
}

static void whole_pages_are_whole(void **state)
{
    static const struct { size_t size; unsigned int order; } cases[] = {
        { 2033, 0 }, { 4080, 0 }, { 4081, 1 }, { 8176, 1 }, { 8177, 2 }, { 100000, 5 },
    };

    for (unsigned int i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t *at = malloc(cases[i].size);

        assert_int_equal(last_order, cases[i].order);
        memset(at, 1, cases[i].size);
        freed_order = 99;
        free(at);
        assert_int_equal(freed_order, cases[i].order);
    }
    freed_order = 99;
    free(malloc(2032));                         /* the largest that is small */
    assert_int_equal(freed_order, 99);
}

/* What was a flood of one size serves any other afterwards: at most a page of each size stays. */
static void pages_come_back(void **state)
{
    static uint8_t *object[2000], *kept[100];
    unsigned int before = live;

    for (size_t size = 16; size <= 2032; size = 2 * size + 16) {
        unsigned int count = size < 500 ? 2000 : 200;

        for (unsigned int i = 0; i < count; i++) {
            object[i] = malloc(size);
            memset(object[i], (int)i, size);
        }
        for (unsigned int i = 0; i < count; i++)
            free(object[(i * 7) % count]);              /* from everywhere */
    }
    assert_true(live <= before + 7);
    /* One that stays keeps its page, and what it holds; the others' come back. */
    for (unsigned int i = 0; i < 2000; i++) {
        object[i] = malloc(100);
        memset(object[i], (int)i, 100);
    }
    for (unsigned int i = 0; i < 2000; i++) {
        if (i % 200 == 0)
            kept[i / 200] = object[i];
        else
            free(object[i]);
    }
    assert_true(live <= before + 7 + 10);
    for (unsigned int i = 0; i < 10; i++) {
        for (unsigned int j = 0; j < 100; j++)
            assert_int_equal(kept[i][j], (uint8_t)(i * 200));
        free(kept[i]);
    }
    assert_true(live <= before + 7);
    /* The last page of a size is not given and taken again with every object. */
    free(malloc(1000));
    before = next_page;
    for (unsigned int i = 0; i < 100; i++)
        free(malloc(1000));
    assert_int_equal(next_page, before);
}

static void sizes_that_overflow(void **state)
{
    assert_null(malloc(SIZE_MAX));
    assert_null(malloc(SIZE_MAX - 15));
    assert_null(malloc((1ul << 40) - 15));
    assert_null(calloc(1ul << 33, 1ul << 33));
    assert_null(calloc(SIZE_MAX, 2));
    assert_null(realloc(NULL, SIZE_MAX));
}

static void no_memory(void **state)
{
    uint8_t *small = malloc(20), *at;

    none = true;
    assert_null(malloc(5000));
    while ((at = malloc(20)))                   /* those of the last page */
        assert_true(at >= memory);
    assert_false(masked);
    assert_null(calloc(1, 20));
    assert_null(strdup("twenty letters and more"));
    memcpy(small, "keep", 5);
    assert_null(realloc(small, 5000));
    assert_string_equal((char *)small, "keep");
    none = false;
    free(small);
}

static void the_comforts(void **state)
{
    uint8_t *at = malloc(40), *bigger;
    char *copy;

    memset(at, 0xff, 40);
    free(at);
    at = calloc(10, 4);
    for (unsigned int i = 0; i < 40; i++)
        assert_int_equal(at[i], 0);
    memcpy(at, "0123456789012345678901234567890123456789", 40);
    freed_order = 99;
    bigger = realloc(at, 3000);
    assert_memory_equal(bigger, "0123456789012345678901234567890123456789", 40);
    at = realloc(bigger, 5);
    assert_memory_equal(at, "01234", 5);
    assert_int_equal(freed_order, 0);           /* the page of the bigger one */
    free(at);
    at = realloc(NULL, 7);
    assert_non_null(at);
    free(at);
    free(NULL);
    copy = strdup("a copy");
    assert_string_equal(copy, "a copy");
    free(copy);
}

static bool free_panics(void *at)
{
    may_panic = true;
    if (setjmp(panicked)) {
        may_panic = false;
        return true;
    }
    free(at);
    may_panic = false;
    return false;
}

static void pointers_that_are_none(void **state)
{
    uint8_t *small = malloc(20), *large = malloc(5000), own[64] = { 0 };

    assert_true(free_panics(own + 32));
    free(small);
    assert_true(free_panics(small));
    free(large);
    assert_true(free_panics(large));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(apart_and_aligned), cmocka_unit_test(whole_pages_are_whole),
        cmocka_unit_test(pages_come_back),
        cmocka_unit_test(sizes_that_overflow),
        cmocka_unit_test(no_memory), cmocka_unit_test(the_comforts),
        cmocka_unit_test(pointers_that_are_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
