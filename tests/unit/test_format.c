/* SPDX-License-Identifier: MIT */
/*
 * The formats of ring 0 and the SDK, at their edges: widths, signs, the widest numbers, room that
 * ends anywhere, and what is no format.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>
#include "lib/printk.h"

static char said[100];

static int say_in(size_t room, const char *format, ...)
{
    va_list args;
    int wanted;

    memset(said, '#', sizeof(said));
    va_start(args, format);
    wanted = vsnprintf(said, room, format, args);
    va_end(args);
    return wanted;
}

#define IS(want, ...) \
    do { \
        assert_int_equal(say_in(sizeof(said), __VA_ARGS__), sizeof(want) - 1); \
        assert_memory_equal(said, want "\0#", sizeof(want) + 1); \
    } while (0)

static void numbers(void **state)
{
    IS("0 0 0", "%d %u %x", 0, 0u, 0u);
    IS("-1 4294967295 ffffffff", "%d %u %x", -1, ~0u, ~0u);
    IS("-2147483648", "%d", INT32_MIN);
    IS("-9223372036854775808", "%ld", INT64_MIN);
    IS("18446744073709551615 ffffffffffffffff", "%lu %lx", ~0ul, ~0ul);
    IS("18446744073709551615 5", "%llu %zu", ~0ull, (size_t)5);
    IS("abcdef 123456789", "%x %d", 0xabcdef, 123456789);
    IS("9", "%u", 9u);
    IS("10 10", "%u %x", 10u, 16u);
}

static void widths(void **state)
{
    IS("   7|007|7", "%4d|%03d|%1d", 7, 7, 7);
    IS("  -7|-07|-7", "%4d|%03d|%2d", -7, -7, -7);
    IS("12345|12345|0012345", "%4d|%05d|%07d", 12345, 12345, 12345);
    IS("00000000000000ff|000a", "%016lx|%04x", 0xfful, 10u);
    IS("         1", "%10u", 1u);
    IS("000000000000000000000000000001", "%030u", 1u);
}

static void words(void **state)
{
    IS("", "%s", "");
    IS("a word, a letter: x, 100%", "%s, a letter: %c, 100%%", "a word", 'x');
    IS("(null)", "%s", (char *)NULL);
}

/* Harmless; and what comes behind it is said. */
static void what_is_no_format(void **state)
{
    const char *odd = "5 %q %", *odder = "%08", *next = "%y%u";

    assert_int_equal(say_in(sizeof(said), odd), 4);
    assert_string_equal(said, "5 q ");
    assert_int_equal(say_in(sizeof(said), odder), 0);
    assert_string_equal(said, "");
    say_in(sizeof(said), next, 3u);
    assert_string_equal(said, "y3");
}

static void room_ends_anywhere(void **state)
{
    static const char whole[] = "ab-00012 cd %";

    for (size_t room = 0; room < sizeof(whole) + 3; room++) {
        assert_int_equal(say_in(room, "a%c%06d %s %%", 'b', -12, "cd"), sizeof(whole) - 1);
        for (size_t i = 0; i < sizeof(said); i++) {
            size_t end = room < sizeof(whole) ? room : sizeof(whole);

            assert_int_equal(said[i], i + 1 < end ? whole[i] : i + 1 == end ? '\0' : '#');
        }
    }
    assert_int_equal(snprintf(said, 3, "%d", 12345), 5);
    assert_string_equal(said, "12");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers),           cmocka_unit_test(widths),
        cmocka_unit_test(words),             cmocka_unit_test(what_is_no_format),
        cmocka_unit_test(room_ends_anywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
