/* SPDX-License-Identifier: MIT */
/*
 * Page tables of processes: what a page has in it when it becomes a table, in which order it is
 * flushed, made read-only and pinned, and that what cannot be done leaves a page behind.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <pvguest/mm.h>

enum { SLOTS = 512, KERNEL_SLOT = 272 };

static _Alignas(4096) uint64_t kernel[SLOTS], page[SLOTS];
unsigned long kernel_root_mfn;
static char steps[80];
static unsigned int flushes, refused_flush;     /* so many; that one fails */
static bool refuse_readonly;

int pt_flush(void)
{
    strcat(steps, "flush ");
    return ++flushes == refused_flush ? -22 : 0;
}

int page_set_readonly(void *va, bool readonly)
{
    assert_ptr_equal(va, page);
    strcat(steps, readonly ? "readonly " : "writable ");
    return refuse_readonly ? -12 : 0;
}

void pt_pin(unsigned int level, unsigned long mfn)
{
    assert_true(level == 4 && mfn == virt_to_mfn(page));
    strcat(steps, "pin ");
}

void pt_unpin(unsigned long mfn)
{
    fail();
}

static int set_up(void **state)
{
    memset(page, 0xaa, sizeof(page));           /* what somebody left */
    for (unsigned int i = 0; i < SLOTS; i++)
        kernel[i] = 1000 + i;
    kernel_root_mfn = virt_to_mfn(kernel);
    *steps = '\0';
    flushes = refused_flush = 0;
    refuse_readonly = false;
    return 0;
}

static void tables_are_empty(void **state)
{
    assert_int_equal(pt_make_table(page), 0);
    for (unsigned int i = 0; i < SLOTS; i++)
        assert_int_equal(page[i], 0);
    assert_string_equal(steps, "flush readonly ");      /* what is queued may be about this page */
    set_up(state);
    refused_flush = 1;
    assert_int_equal(pt_make_table(page), -22);
    assert_string_equal(steps, "flush ");
    set_up(state);
    refuse_readonly = true;
    assert_int_equal(pt_make_table(page), -12);
}

static void roots_may_have_the_kernel(void **state)
{
    for (unsigned int of_kernel = 0; of_kernel < 2; of_kernel++) {
        set_up(state);
        assert_int_equal(pt_make_root(page, of_kernel), 0);
        for (unsigned int i = 0; i < SLOTS; i++)
            assert_int_equal(page[i], of_kernel && i >= KERNEL_SLOT ? kernel[i] : 0);
        assert_string_equal(steps, "flush readonly pin flush ");
    }
}

static void roots_that_cannot_be_made(void **state)
{
    refused_flush = 1;
    assert_int_equal(pt_make_root(page, true), -22);
    assert_string_equal(steps, "flush ");
    set_up(state);
    refuse_readonly = true;
    assert_int_equal(pt_make_root(page, true), -12);
    assert_string_equal(steps, "flush readonly ");
    set_up(state);
    refused_flush = 2;
    assert_int_equal(pt_make_root(page, true), -22);
    assert_string_equal(steps, "flush readonly pin flush writable ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(tables_are_empty, set_up),
        cmocka_unit_test_setup(roots_may_have_the_kernel, set_up),
        cmocka_unit_test_setup(roots_that_cannot_be_made, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
