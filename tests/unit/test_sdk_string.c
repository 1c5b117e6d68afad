/* SPDX-License-Identifier: MIT */
/*
 * The SDK's strings, numbers and formatter, against what the C standard says; the formatter also
 * against the host's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <pvguest/string.h>
#include "moves_host.h"

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
    check("0xabc (null) [abc] [  abc] [abc  ] [ab]", "%p %s [%s] [%5s] [%-5s] [%.2s]",
          (void *)0xabc, NULL, "abc", "abc", "abc", "abc");
    check("x   y %", "%c %3c %%", 'x', 'y');
    char zero[8];
    assert_int_equal(snprintf(zero, sizeof(zero), "a%cb", 0), 3);       /* a letter like others */
    assert_memory_equal(zero, "a\0b", 4);
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

/* --- against the C library of the host, which has the same names --- */

int host_snprintf(char *buffer, size_t size, const char *format, ...) asm("snprintf");
unsigned long host_strtoul(const char *s, char **end, int base) asm("strtoul");
long host_strtol(const char *s, char **end, int base) asm("strtol");

static void nothing_more(void)
{
}

static void moves_of_every_size(void **state)
{
    check_moves(nothing_more);
    assert_true(memcmp("ab\200", "ab\1", 3) > 0 && memcmp("ab\1", "ab\200", 3) < 0);
    assert_int_equal(memcmp("ab\200", "ab\1", 2), 0);
    assert_ptr_equal(memchr("a\200", 0x180, 2) ? (const void *)1 : NULL, (const void *)1);
    assert_null(memchr("abc", 'c', 2));
}

static void comparisons_at_their_ends(void **state)
{
    char small[4];

    assert_true(strcmp("", "a") < 0 && strcmp("a", "") > 0 && strcmp("", "") == 0);
    assert_true(strcmp("\200", "\1") > 0 && strncmp("\200", "\1", 1) > 0);
    assert_true(strcasecmp("A\200", "a\1") > 0 && strcasecmp("ab", "aB\1") < 0 &&
                strcasecmp("[", "{") != 0);
    assert_int_equal(strncmp("a", "a\0b", 5), 0);
    assert_int_equal(strncmp("a", "b", 0), 0);
    assert_string_equal(strstr("aab", "ab"), "ab");
    assert_string_equal(strstr("abc", ""), "abc");
    assert_string_equal(strstr("abc", "c"), "c");
    assert_string_equal(strrchr("abc", 0), "");
    assert_null(strrchr("abc", 'x'));
    assert_int_equal(strnlen("abc", 10), 3);
    assert_int_equal(strnlen("abc", 3), 3);
    assert_int_equal(strnlen("abc", 0), 0);
    assert_int_equal(strlcpy(small, "abc", 4), 3);
    assert_string_equal(small, "abc");
    assert_int_equal(strlcpy(small, "abcd", 4), 4);
    assert_string_equal(small, "abc");
    assert_int_equal(strlcpy(small, "xyz", 0), 3);
    assert_string_equal(small, "abc");
    assert_int_equal(strlcpy(small, "xyz", 1), 3);
    assert_string_equal(small, "");
    assert_int_equal(strlcat(small, "ab", 4), 2);
    assert_int_equal(strlcat(small, "c", 4), 3);
    assert_int_equal(strlcat(small, "d", 4), 4);
    assert_string_equal(small, "abc");
    memcpy(small, "wxyz", 4);
    assert_int_equal(strlcat(small, "d", 4), 5);        /* not a string at all: left alone */
    assert_int_equal(memcmp(small, "wxyz", 4), 0);
}

static void numbers_as_the_library_has_them(void **state)
{
    static const char *const texts[] = {
        "",
        " ",
        "0",
        "00",
        "7",
        "8",
        "9",
        "a",
        "z",
        "Z",
        "10",
        "-10",
        "+10",
        "- 10",
        "--1",
        "+-1",
        " \t\n\v\f\r12",
        "\00112",
        "0x",
        "0X1F",
        "0x1g",
        "-0x10",
        "08",
        "077",
        "0b1",
        "18446744073709551615",
        "18446744073709551616",
        "-18446744073709551615",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775808",
        "-9223372036854775809",
        "999999999999999999999",
        "1777777777777777777777",
        "2000000000000000000000",
        "ffffffffffffffff",
        "10000000000000000",
        "zzzzzzzzzzzz",
        "3w5e11264sgsf",
        "12:",
        "12/",
        "1`",
        "1{",
        "1@",
        "1[",
        "0xG",
        "0x ",
        "- 0x1",
    };
    static const int bases[] = { 0, 2, 8, 10, 11, 16, 35, 36 };

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        for (size_t b = 0; b < sizeof bases / sizeof *bases; b++) {
            char *end, *host_end;
            unsigned long value = strtoul(texts[i], &end, bases[b]),
                          expected = host_strtoul(texts[i], &host_end, bases[b]);

            if (value != expected || end != host_end)
                fail_msg("strtoul(\"%s\", %d): %lx at %td, not %lx at %td", texts[i], bases[b],
                         value, end - texts[i], expected, host_end - texts[i]);
            long positive = strtol(texts[i], &end, bases[b]),
                 wanted = host_strtol(texts[i], &host_end, bases[b]);

            if (positive != wanted || end != host_end)
                fail_msg("strtol(\"%s\", %d): %ld at %td, not %ld at %td", texts[i], bases[b],
                         positive, end - texts[i], wanted, host_end - texts[i]);
        }
    assert_int_equal(strtoul("12", NULL, 10), 12);
}

/* Every combination of flags, width, precision and length that the header promises. */
static void formats_as_the_library_has_them(void **state)
{
    static const char *const flags[] = { "",   "-",  "0",  "+",  " ",  "#", "-0",
                                         "+0", "+-", " 0", "#0", "-#", "+ " };
    static const char *const widths[] = { "",   "1",   "5",    "12",   ".0",  ".1",
                                          ".5", "5.3", "12.5", "3.12", "10.0" };
    static const char *const lengths[] = { "hh", "h", "", "l", "ll", "z", "j", "t" };
    static const char kinds[] = "diuxXo";
    static const long values[] = { 0,     1,     -1,        9,         10,        15,
                                   16,    127,   128,       255,       -128,      32768,
                                   65535, 65536, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN };

    for (size_t f = 0; f < sizeof flags / sizeof *flags; f++)
        for (size_t w = 0; w < sizeof widths / sizeof *widths; w++)
            for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++)
                for (size_t k = 0; k < sizeof kinds - 1; k++)
                    for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
                        char format[32], got[80], expected[80];

                        /* there precision and prefix share a zero; see below */
                        if (kinds[k] == 'o' && strchr(flags[f], '#'))
                            continue;
                        host_snprintf(format, sizeof format, "<%%%s%s%s%c>", flags[f], widths[w],
                                      lengths[l], kinds[k]);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
                        int size = snprintf(got, sizeof got, format, values[v]);
                        int wanted = host_snprintf(expected, sizeof expected, format, values[v]);
#pragma GCC diagnostic pop

                        if (size != wanted || strcmp(got, expected))
                            fail_msg("%s of %ld: %s, not %s", format, values[v], got, expected);
                    }
    check("[   a] [a   ] [a]", "[%4c] [%-4c] [%.0c]", 'a', 'a', 'a');
    check("[  ab] [ab  ] [  ab] []", "[%4s] [%-4s] [%4.2s] [%.0s]", "ab", "ab", "abc", "abc");
    check("[    0x1] [0x00001] [0x1    ]", "[%7p] [%07p] [%-7p]", (void *)1, (void *)1, (void *)1);
    check("[a b]", "[%s%*s]", "a", 2, "b");
    check("[ab  ] [0042]", "[%*s] [%.*d]", -4, "ab", 4, 42);
    check("100% y", "100%% %y");
    check("cut", "cut%");
    check("cut", "cut%5");
}

static char through[8000];
static size_t through_length, pieces;

static void take(const char *bytes, size_t length)
{
    assert_in_range(length, 0, 512);
    memcpy(through + through_length, bytes, length);
    through_length += length;
    pieces++;
}

static void print_through(const char *format, ...)
{
    va_list arguments;

    through_length = pieces = 0;
    va_start(arguments, format);
    vprintf_through(take, format, arguments);
    va_end(arguments);
}

/* Nothing is cut, neither in the middle nor the end of its line. */
static void lines_of_any_length(void **state)
{
    static char text[4000], expected[8000];

    for (int length = 0; length < 4000; length += length < 1100 ? 1 : 97) {
        memset(text, 'a' + length % 26, (size_t)length);
        text[length] = 0;
        snprintf(expected, sizeof(expected), "<%d> %s!\n", length, text);
        print_through("<%d> %s!\n", length, text);
        assert_int_equal(through_length, strlen(expected));
        assert_memory_equal(through, expected, through_length);
        assert_int_equal(pieces, through_length ? (through_length + 511) / 512 : 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory),
        cmocka_unit_test(strings),
        cmocka_unit_test(numbers),
        cmocka_unit_test(formats),
        cmocka_unit_test(cutting),
        cmocka_unit_test(moves_of_every_size),
        cmocka_unit_test(comparisons_at_their_ends),
        cmocka_unit_test(numbers_as_the_library_has_them),
        cmocka_unit_test(formats_as_the_library_has_them),
        cmocka_unit_test(lines_of_any_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
