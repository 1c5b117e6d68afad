/* SPDX-License-Identifier: MIT */
/* Which not-present entries a CPU with L1TF can make use of: memory/l1tf.h, number by number.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include "memory/l1tf.h"

#define ADDRESS_36 0x0000000ffffff000ul
#define ADDRESS_46 0x00003ffffffff000ul
#define ADDRESS_52 0x000ffffffffff000ul
#define PS 0x80ul
#define NX (1ul << 63)
#define RAM_END 0x3ffe0000ul                        /* As of a machine of 1 GiB. */

static bool safe(unsigned level, uint64_t e)
{
    return l1tf_safe(e, level, ADDRESS_46, RAM_END);
}

static void an_address_of_ram_is_not_safe(void **state)
{
    for (unsigned level = 1; level <= 4; level++) {
        assert_false(safe(level, 0x1000));
        assert_false(safe(level, RAM_END - 0x1000));
        assert_false(safe(level, 0x12345000 | NX | 0x7fe));
        assert_false(safe(level, 0x12345000 | PS));
        assert_false(safe(level, 0xa0000));         /* A hole below the end counts as RAM. */
    }
}

static void nothing_with_flags_is_safe(void **state)
{
    for (unsigned level = 1; level <= 4; level++) {
        assert_true(safe(level, 0));
        assert_true(safe(level, NX | 0x76 | 0x7ful << 52));
    }
    assert_true(safe(1, PS));                       /* PAT */
    assert_false(safe(2, PS));                      /* the first 2 MiB */
    assert_false(safe(3, PS));
    assert_false(safe(4, PS));
}

static void the_size_is_that_of_the_level(void **state)
{
    assert_true(safe(1, RAM_END));
    assert_false(safe(2, RAM_END));                 /* its 2 MiB begin below */
    assert_false(safe(2, 0x3fffffff & ADDRESS_46));
    assert_true(safe(2, 0x40000000));
    assert_true(safe(2, 0x40000000 | PS | 0x1000)); /* PAT of a large page is address bit 12 */
    assert_true(safe(3, 0x40000000));
    assert_false(safe(3, 0x3fe00000));
    assert_true(l1tf_safe(0x40000000, 2, ADDRESS_46, 0x40000000));
    assert_false(l1tf_safe(0x40000000, 3, ADDRESS_46, 0x40001000));
    assert_false(safe(4, 0x40000000));
    assert_false(safe(4, 0x7fffffffff & ADDRESS_46));
    assert_true(safe(4, 0x8000000000));
}

/* Bits that the CPU does not have do not take an address out of RAM. */
static void bits_above_the_cpu_do_not_count(void **state)
{
    assert_false(l1tf_safe(0x000f000012345000, 1, ADDRESS_46, RAM_END));
    assert_true(l1tf_safe(0x0000200012345000, 1, ADDRESS_46, RAM_END));
    assert_false(l1tf_safe(0x0000200012345000, 1, ADDRESS_36, RAM_END));
    assert_true(l1tf_safe(0x000f000012345000, 1, ADDRESS_52, RAM_END));
    /* all that is left of it is 0 */
    assert_true(l1tf_safe(0x000ff00000000000, 1, ADDRESS_36, RAM_END));
}

/* Linux inverts the address of a page that nobody may touch, and the offset in a swap entry. */
static void what_linux_writes_is_safe(void **state)
{
    for (uint64_t pfn = 0; pfn < RAM_END >> 12; pfn += 0x1fff) {
        assert_true(safe(1, (~(pfn << 12) & ADDRESS_52) | 0x100));
        assert_true(safe(2, (~(pfn << 12) & ADDRESS_52) | 0x180));
        /* type 0, offset = pfn, from bit 9 on */
        assert_true(safe(1, ~(pfn << 9) & ((1ul << 58) - 1) & ~0x1fful));
    }
    /* But for RAM in the upper half of what the CPU can address. */
    assert_false(l1tf_safe(~0x12345000ul & ADDRESS_52, 1, ADDRESS_36, 0xff0000000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_of_ram_is_not_safe),
        cmocka_unit_test(nothing_with_flags_is_safe),
        cmocka_unit_test(the_size_is_that_of_the_level),
        cmocka_unit_test(bits_above_the_cpu_do_not_count),
        cmocka_unit_test(what_linux_writes_is_safe),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
