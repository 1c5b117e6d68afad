/* SPDX-License-Identifier: MIT */
/* dom0's prompt: a line's commands, words, quotes and options.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include "dom0/toolstack/words.h"

#define MOST 4

static char line[100];
static char *word[MOST];

static int split(const char *text)
{
    snprintf(line, sizeof(line), "%s", text);
    return words_split(line, word, MOST);
}

static void words_and_comments(void **state)
{
    assert_int_equal(split("  list\tone   two \r"), 3);
    assert_string_equal(word[0], "list");
    assert_string_equal(word[1], "one");
    assert_string_equal(word[2], "two");
    assert_int_equal(split("list a#b # the rest"), 2);
    assert_string_equal(word[1], "a#b");
    assert_int_equal(split(""), 0);
    assert_int_equal(split(" \t"), 0);
    assert_int_equal(split("# nothing"), 0);
    assert_int_equal(split("1 2 3 4"), 4);
    assert_int_equal(split("1 2 3 4 5"), WORDS_TOO_MANY);
}

static void quotes_hold_words_together(void **state)
{
    assert_int_equal(split("create 'a b' \"c d\" extra=\"e f\""), 4);
    assert_string_equal(word[1], "a b");
    assert_string_equal(word[2], "c d");
    assert_string_equal(word[3], "extra=\"e f\"");
    assert_int_equal(split("'name=\"x\"' '' it\"'\"s"), 3);
    assert_string_equal(word[0], "name=\"x\"");
    assert_string_equal(word[1], "");
    assert_string_equal(word[2], "it\"'\"s");
    assert_int_equal(split("echo \"open"), WORDS_UNCLOSED);
    assert_int_equal(split("echo '"), WORDS_UNCLOSED);
    assert_int_equal(split("'a''b'"), 1);               /* Quotes around parts of it stay. */
    assert_string_equal(word[0], "'a''b'");
}

static void commands_of_a_line(void **state)
{
    char *rest = line;

    snprintf(line, sizeof(line), "list; echo 'a;b';create c");
    assert_string_equal(words_command(&rest), "list");
    assert_string_equal(words_command(&rest), " echo 'a;b'");
    assert_string_equal(words_command(&rest), "create c");
    assert_null(rest);
    rest = line;
    snprintf(line, sizeof(line), "echo 'open; list");      /* The words will say what is wrong. */
    assert_string_equal(words_command(&rest), "echo 'open; list");
    assert_null(rest);
}

static void options_anywhere(void **state)
{
    char found[8];
    int count = split("shutdown -wa one --force");

    assert_null(words_take_options(&count, word, "waf", found));
    assert_string_equal(found, "waf");
    assert_int_equal(count, 2);
    assert_string_equal(word[1], "one");
    count = split("shutdown -ww -");
    assert_null(words_take_options(&count, word, "w", found));
    assert_string_equal(found, "w");
    assert_int_equal(count, 2);                             /* A bare - is no option. */
    count = split("shutdown one -wx");
    assert_string_equal(words_take_options(&count, word, "w", found), "-wx");
    count = split("shutdown -- one");
    assert_string_equal(words_take_options(&count, word, "w", found), "--");
    count = split("list --long");
    assert_string_equal(words_take_options(&count, word, "", found), "--long");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_and_comments),
        cmocka_unit_test(quotes_hold_words_together),
        cmocka_unit_test(commands_of_a_line),
        cmocka_unit_test(options_anywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
