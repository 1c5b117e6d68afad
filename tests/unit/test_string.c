/* SPDX-License-Identifier: MIT */
/*
 * Ring 0's copies, of every size and at every distance, also onto themselves and backward: what the compiler's code after them
 * relies on too is that the direction flag is clear.
 * sources: hypervisor/lib/string.c
 * cflags: -include tests/unit/sdk_names.h
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "lib/string.h"

static void direction_is_up(void)
{
    unsigned long flags;

    __asm__ volatile("pushfq; pop %0" : "=r"(flags));
    assert_int_equal(flags & 1 << 10, 0);
}

static void moves_of_every_size(void **state)
{
    for (size_t from = 0; from < 20; from++)
        for (size_t to = 0; to < 20; to++)
            for (size_t n = 0; n < 40; n++) {
                unsigned char bytes[64], other[64];

                for (size_t i = 0; i < 64; i++)
                    bytes[i] = other[i] = (unsigned char)(i * 7 + 3);
                assert_ptr_equal(memmove(bytes + to, bytes + from, n), bytes + to);
                direction_is_up();
                for (size_t i = 0; i < 64; i++)
                    assert_int_equal(bytes[i], i >= to && i < to + n ? other[i - to + from] : other[i]);
                assert_ptr_equal(memcpy(bytes + to, other + from, n), bytes + to);
                for (size_t i = 0; i < n; i++)
                    assert_int_equal(bytes[to + i], other[from + i]);
                for (size_t i = 0; i < 64; i++)
                    bytes[i] = other[i];
                assert_ptr_equal(memset(bytes + to, 0x1a5, n), bytes + to);
                for (size_t i = 0; i < 64; i++)
                    assert_int_equal(bytes[i], i >= to && i < to + n ? 0xa5 : other[i]);
                assert_int_equal(memcmp(bytes, bytes, n), 0);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(moves_of_every_size) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
