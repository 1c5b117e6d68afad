/* SPDX-License-Identifier: MIT */
/* dom0's prompt: a line's commands, words, quotes and options.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include "dom0/xl/words.h"

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

static struct words_options found;

/* The word that is refused; NULL: none. */
static const char *take(const char *text, const char *known, int *count)
{
    *count = split(text);
    return words_take_options(count, word, known, &found);
}

static void options_anywhere(void **state)
{
    int count;

    assert_null(take("shutdown -wa one --force", "w=wait a=all f=force", &count));
    assert_non_null(words_option(&found, 'w'));
    assert_non_null(words_option(&found, 'a'));
    assert_string_equal(words_option(&found, 'f'), "");
    assert_int_equal(count, 2);
    assert_string_equal(word[1], "one");
    /* As often as one likes. */
    assert_null(take("shutdown -wwwwwwwwww -", "w=wait a=all", &count));
    assert_non_null(words_option(&found, 'w'));
    assert_null(words_option(&found, 'a'));
    assert_int_equal(count, 2);                             /* A bare - is no option. */
    assert_string_equal(take("shutdown one -wx", "w=wait", &count), "-wx");
    assert_string_equal(take("list --long", "", &count), "--long");
    assert_null(take("shutdown -w -- -a", "w a", &count));  /* Behind -- there are none. */
    assert_int_equal(count, 2);
    assert_string_equal(word[1], "-a");
    assert_null(words_option(&found, 'a'));
}

/* A long one is known by all of its name, and not by its first letter. */
static void long_options(void **state)
{
    int count;

    assert_null(take("list --long", "v=verbose l=long", &count));
    assert_non_null(words_option(&found, 'l'));
    assert_null(words_option(&found, 'v'));
    assert_string_equal(take("list --lon", "l=long", &count), "--lon");
    assert_string_equal(take("list --longer", "l=long", &count), "--longer");
    assert_string_equal(take("list --long=1", "l=long", &count), "--long=1");
    assert_string_equal(take("list --p", "p", &count), "--p");
    assert_string_equal(take("list --=x", "p", &count), "--=x");
    assert_string_equal(take("list -=", "l=long", &count), "-=");
    assert_string_equal(take("list -:", "f:file", &count), "-:");
    assert_string_equal(take("list -o", "l=long", &count), "-o");
}

static void options_with_an_argument(void **state)
{
    static const char *const forms[] = {
        "c -qf guest.cfg", "c -qfguest.cfg", "c -q --file guest.cfg", "c --file=guest.cfg -q",
    };
    int count;

    for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
        assert_null(take(forms[i], "q f:file n:", &count));
        assert_string_equal(words_option(&found, 'f'), "guest.cfg");
        assert_string_equal(words_option(&found, 'q'), "");
        assert_null(words_option(&found, 'n'));
        assert_int_equal(count, 1);
    }
    assert_null(take("c -f -q", "q f:file", &count));
    assert_string_equal(words_option(&found, 'f'), "-q");
    assert_null(take("c -fone -f two", "f:file", &count));
    assert_string_equal(words_option(&found, 'f'), "two");          /* The last counts. */
    assert_string_equal(take("c -f", "f:file", &count), "-f");
    assert_string_equal(take("c --file", "f:file", &count), "--file");
    /* No command has as many. */
    assert_string_equal(take("c -abcdefghi", "a b c d e f g h i", &count), "-abcdefghi");
    assert_int_equal(found.count, WORDS_MOST_OPTIONS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_and_comments),
        cmocka_unit_test(quotes_hold_words_together),
        cmocka_unit_test(commands_of_a_line),
        cmocka_unit_test(options_anywhere),
        cmocka_unit_test(long_options),
        cmocka_unit_test(options_with_an_argument),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
