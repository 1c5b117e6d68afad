/* SPDX-License-Identifier: MIT */
/*
 * Configurations as Xen's own library reads them: each of xlcfg.txt is read by libxlutil and by ours, and compared
 * (xlu_host.h, which also has the list of what is meant to differ).
 * sources: dom0/toolstack/settings.c
 * cflags: -D_GNU_SOURCE
 * libraries: xlutil
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>
#include "xlu_host.h"

#define CORPUS "tests/unit/xlcfg.txt"
#define LEAST 150u                      /* So many there are to be. */

static char corpus[128 * 1024];

/* Texts that a file of text cannot hold. */
static const struct { const char *name, *text; } odd[] = {
    { "lines end with CRLF", "name = 'a'\r\nmemory = 5\r\n# x\r\ndisk = [ 'a',\r\n 'b' ]\r\n" },
    { "a carriage return elsewhere", "name = 'a'\rmemory = 5" },
    { "CRLF, and a mistake in line 2", "a = 1\r\nb = %\r\n" },
    { "a tab in a string", "extra = 'a\tb'\tmemory=5" },
    { "bytes above 127 in a string", "name = 'M\xc3\xbcnchen \xff'" },
    { "a byte above 127 outside", "name = \xc3\xbc" },
    { "a form feed outside", "a = 1\fb = 2" },
    { "no text", "" },
    { "no end of the last line", "a = 1\nb = 'x'" },
    { "a comment without its end", "a = 1\n# b" },
    { "a string without its end", "a = 'x" },
    { "a backslash without its end", "a = 'x\\" },
    { "a key without its end", "a = 1\nb" },
    { "an assignment without its end", "a = 1\nb =" },
    { "a list without its end", "a = [ 1,\n[ 2" },
};

static void alike(const char *name, const char *text, size_t size) {
    if (!read_alike(text, size, NULL))
        fail_msg("'%s' is not read alike", name);
}

/* The configurations of a file: each begins with a line "%% name". */
static void all_of_the_corpus(void **state) {
    FILE *file = fopen(CORPUS, "r");
    unsigned count = 0;
    char *at, *next;

    assert_non_null(file);
    corpus[fread(corpus, 1, sizeof(corpus) - 1, file)] = '\0';
    fclose(file);
    for (at = strstr(corpus, "\n%% "); at; at = next, count++) {
        char *text = strchr(at + 1, '\n');

        assert_non_null(text);
        next = strstr(text, "\n%% ");
        *text++ = '\0';
        alike(at + 4, text, next ? (size_t)(next + 1 - text) : strlen(text));
    }
    print_message("%u configurations, of which both refuse %lu; numbered characters in %lu\n", count, refused_by_both, numbered);
    assert_true(count >= LEAST);
}

static void odd_bytes(void **state) {
    for (size_t i = 0; i < ARRAY_COUNT(odd); i++)
        alike(odd[i].name, odd[i].text, strlen(odd[i].text));
}

static bool refused_for(const char *text, size_t size, const char *why) {
    memset(&ours, 0, sizeof(ours));
    return settings_read(&ours, text, size, false, &our_problem) == -EINVAL && strstr(our_problem.text, why);
}

/* What is too large is refused by a sentence; just below it both read alike. */
static void sizes(void **state) {
    static char text[SETTINGS_MOST_BYTES * 4];
    const size_t longest = SETTINGS_MOST_BYTES - sizeof("a") - 1;
    size_t size = 0;

    memset(text, 'x', sizeof(text));
    memcpy(text, "a='", 3);
    text[longest + 3] = '\'';
    alike("a string as long as can be", text, longest + 4);
    text[longest + 3] = 'x';
    text[longest + 4] = '\'';
    assert_true(refused_for(text, longest + 5, "too large"));
    for (unsigned i = 0; i <= SETTINGS_MOST; i++)
        size += (size_t)sprintf(text + size, "k%u=%u\n", i, i);
    assert_true(refused_for(text, size, "keys"));
    assert_int_equal(our_problem.line, SETTINGS_MOST + 1);
    alike("as many keys as can be", text, (size_t)(strstr(text, "\nk256=") - text));
    size = (size_t)sprintf(text, "a=[");
    for (unsigned i = 1; i < SETTINGS_MOST_VALUES; i++)
        size += (size_t)sprintf(text + size, "1,");
    text[size] = ']';
    alike("as many values as can be", text, size + 1);
    memcpy(text + size, "1]", 2);
    assert_true(refused_for(text, size + 2, "values"));
    alike("lists in lists", "a=[[[[[[[[]]]]]]]]", 18);
    assert_true(refused_for("a=[[[[[[[[[]]]]]]]]]", 20, "lists in each other"));
    assert_true(refused_for("a='x\0y'", 7, "NUL"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_of_the_corpus),
        cmocka_unit_test(odd_bytes),
        cmocka_unit_test(sizes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
