/* SPDX-License-Identifier: MIT */
/*
 * Copies by string instructions, ring 0's and the SDK's, of every size and at every distance, also
 * onto themselves and backward: what the compiler's code after them relies on too is that the
 * direction flag is clear.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "lib/string.h"
#include "moves_host.h"

static void direction_is_up(void)
{
    unsigned long flags;

    __asm__ volatile("pushfq; pop %0" : "=r"(flags));
    assert_int_equal(flags & 1 << 10, 0);
}

static void moves_of_every_size(void **state)
{
    check_moves(direction_is_up);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(moves_of_every_size) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
