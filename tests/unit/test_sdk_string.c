/* SPDX-License-Identifier: MIT */
/*
 * The SDK's strings, numbers and formatter, against what the C standard says; the formatter also against the host's.
 * sources: pvguest-sdk/lib/string.c pvguest-sdk/lib/printf.c
 * cflags: -include tests/unit/sdk_names.h -Wno-format
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <pvguest/string.h>

static void memory(void **state)
{
    char buffer[32] = "0123456789";

    memmove(buffer + 2, buffer, 10);
    assert_int_equal(memcmp(buffer, "010123456789", 12), 0);
    memmove(buffer, buffer + 2, 10);
    assert_int_equal(memcmp(buffer, "0123456789", 10), 0);
    assert_true(memcmp("a\377", "a\1", 2) > 0);
    assert_int_equal(memcmp("x", "y", 0), 0);
    assert_ptr_equal(memchr(buffer, '7', 10), buffer + 7);
    assert_null(memchr(buffer, 'x', 10));
    memset(buffer, 'z', 3);
    assert_int_equal(memcmp(buffer, "zzz3", 4), 0);
}

static void strings(void **state)
{
    char buffer[8] = "", words[] = "one two,,three", *rest = words;

    assert_int_equal(strlcpy(buffer, "0123456789", sizeof(buffer)), 10);
    assert_string_equal(buffer, "0123456");
    assert_int_equal(strlcpy(buffer, "ab", sizeof(buffer)), 2);
    assert_int_equal(strlcat(buffer, "cdefghij", sizeof(buffer)), 10);
    assert_string_equal(buffer, "abcdefg");
    assert_true(strcmp("a", "b") < 0 && strcmp("b", "a") > 0 && strcmp("ab", "a") > 0);
    assert_int_equal(strncmp("abc", "abd", 2), 0);
    assert_true(strncmp("abc", "abd", 3) < 0);
    assert_int_equal(strcasecmp("MeM", "mEm"), 0);
    assert_string_equal(strchr("a/b/c", '/'), "/b/c");
    assert_string_equal(strrchr("a/b/c", '/'), "/c");
    assert_null(strchr("abc", '/'));
    assert_string_equal(strchr("abc", 0), "");
    assert_string_equal(strstr("one two", "tw"), "two");
    assert_null(strstr("one two", "twx"));
    assert_int_equal(strnlen("abc", 2), 2);
    assert_string_equal(strsep(&rest, " ,"), "one");
    assert_string_equal(strsep(&rest, " ,"), "two");
    assert_string_equal(strsep(&rest, " ,"), "");
    assert_string_equal(strsep(&rest, " ,"), "three");
    assert_null(strsep(&rest, " ,"));
}

static void numbers(void **state)
{
    char *end;

    assert_int_equal(strtoul("  42x", &end, 10), 42);
    assert_string_equal(end, "x");
    assert_int_equal(strtoul("0x1f", NULL, 0), 31);
    assert_int_equal(strtoul("0x1f", NULL, 16), 31);
    assert_int_equal(strtoul("017", NULL, 0), 15);
    assert_int_equal(strtoul("0xg", &end, 0), 0);
    assert_string_equal(end, "xg");
    strtoul("zz", &end, 10);
    assert_string_equal(end, "zz");
    assert_true(strtoul("99999999999999999999999", NULL, 10) == UINT64_MAX);
    assert_int_equal(strtol("-12", NULL, 10), -12);
    assert_true(strtol("-9223372036854775808", NULL, 10) == INT64_MIN);
    assert_true(strtol("9223372036854775808", NULL, 10) == INT64_MAX);
}

static void check(const char *wanted, const char *format, ...)
{
    char buffer[128];
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(buffer, sizeof(buffer), format, arguments);
    va_end(arguments);
    assert_string_equal(buffer, wanted);
    assert_int_equal(length, strlen(wanted));
}

static void formats(void **state)
{
    check("-5 5 +5  5 00005 5    |", "%d %i %+d % d %05d %-5d|", -5, 5, 5, 5, 5, 5);
    check("4294967295 ffffffff FFFF 0xff 0", "%u %x %X %#x %#x", -1, -1, 0xffff, 255, 0);
    check("18446744073709551615 -9223372036854775808", "%lu %ld", UINT64_MAX, INT64_MIN);
    check("ff -1 ffff 200", "%hhx %hhd %hx %hu", 0x1ff, 0xff, 0x1ffff, 200);
    check("1234 5 6 7", "%zu %td %jd %lld", (size_t)1234, (ptrdiff_t)5, (intmax_t)6, 7LL);
    check("0xabc (null) [abc] [  abc] [abc  ] [ab]", "%p %s [%s] [%5s] [%-5s] [%.2s]", (void *)0xabc, NULL, "abc", "abc",
          "abc", "abc");
    check("x   y %", "%c %3c %%", 'x', 'y');
    check("  007 -0042   12", "%5.3d %05d %*d", 7, -42, 4, 12);
    check("12   |", "%*d|", -5, 12);
    check("00ff 000000ff", "%04x %08lx", 255, 255UL);
    check("17 017", "%o %#o", 15, 15);
}

static void cutting(void **state)
{
    char buffer[5] = "????";

    assert_int_equal(snprintf(buffer, sizeof(buffer), "%s", "0123456789"), 10);
    assert_string_equal(buffer, "0123");
    assert_int_equal(snprintf(NULL, 0, "%d", 12345), 5);
    assert_int_equal(snprintf(buffer, 1, "abc"), 3);
    assert_string_equal(buffer, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory), cmocka_unit_test(strings), cmocka_unit_test(numbers), cmocka_unit_test(formats),
        cmocka_unit_test(cutting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
