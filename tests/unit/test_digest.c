/* SPDX-License-Identifier: MIT */
/* What of a page is remembered: the sum that it is said to be, another for each bit that changes;
 * and the words of the key, as SplitMix64 has them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "dom0/save/digest.h"

#define WORDS (SAVE_PAGE / 8)

static struct digest_key key;
static uint64_t page[WORDS];

static int set_up(void **state)
{
    digest_make_key(&key, 0);
    for (unsigned i = 0; i < WORDS; i++)
        page[i] = i * 0x123456789abcdefful;
    return 0;
}

static void keys(void **state)
{
    struct digest_key other;

    assert_true(key.word[0] == 0xe220a8397b1dcdaful && key.word[1] == 0x6e789e6aa1b965f4ul &&
                key.word[2] == 0x06c45d188009454ful);
    digest_make_key(&other, 1);
    for (unsigned i = 0; i < WORDS; i++)
        assert_int_not_equal(other.word[i], key.word[i]);
}

/* Long multiplication, with digits of 32 bits. */
static void add_product(uint64_t sum[2], uint64_t a, uint64_t b)
{
    uint64_t low = (uint32_t)a * (b & 0xffffffff), mid = (a >> 32) * (uint32_t)b;
    uint64_t mid2 = (uint32_t)a * (b >> 32), high = (a >> 32) * (b >> 32);
    uint64_t carry = ((low >> 32) + (uint32_t)mid + (uint32_t)mid2) >> 32;

    low += (mid << 32) + (mid2 << 32);
    high += (mid >> 32) + (mid2 >> 32) + carry;
    sum[0] += low;
    sum[1] += high + (sum[0] < low);
}

static void the_sum_that_it_is(void **state)
{
    uint64_t sum[2] = { 0, 0 };
    struct digest digest = digest_page(&key, page);

    for (unsigned i = 0; i < WORDS; i += 2)
        add_product(sum, page[i] + key.word[i], page[i + 1] + key.word[i + 1]);
    assert_true(digest.low == sum[0] && digest.high == sum[1]);
    for (unsigned i = 0; i < WORDS; i++)
        page[i] = -key.word[i];
    digest = digest_page(&key, page);
    assert_true(digest_is_none(&digest));
    digest.high = 1;
    assert_false(digest_is_none(&digest));
}

static void each_bit(void **state)
{
    struct digest was = digest_page(&key, page), is;

    for (unsigned bit = 0; bit < SAVE_PAGE * 8; bit++) {
        page[bit / 64] ^= 1ul << bit % 64;
        is = digest_page(&key, page);
        assert_false(digest_same(&was, &is));
        page[bit / 64] ^= 1ul << bit % 64;
    }
    is = digest_page(&key, page);
    assert_true(digest_same(&was, &is));
    is.low++;
    assert_false(digest_same(&was, &is));
    digest_make_key(&key, 1);
    is = digest_page(&key, page);
    assert_true(is.low != was.low && is.high != was.high);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(keys, set_up), cmocka_unit_test_setup(the_sum_that_it_is, set_up),
        cmocka_unit_test_setup(each_bit, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
