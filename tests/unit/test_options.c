/* SPDX-License-Identifier: MIT */
/*
 * dom0's command line: its options, quotes where a person and where GRUB puts them, and what is
 * left out.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include "dom0/options.h"

static char left_out[200];

static void complain(const char *word, size_t size)
{
    snprintf(left_out + strlen(left_out), sizeof(left_out) - strlen(left_out), "[%.*s]", (int)size,
             word);
}

static void all_kinds_of_lines(void **state)
{
    static const struct {
        const char *line, *run, *ip;
        int consoles;
        const char *left_out;
    } cases[] = {
        { "", NULL, "", CONSOLES_AS_USUAL, "" },
        { "  ", NULL, "", CONSOLES_AS_USUAL, "" },
        { "ip=10.0.2.10", NULL, "10.0.2.10", CONSOLES_AS_USUAL, "" },
        { "run=list", "list", "", CONSOLES_AS_USUAL, "" },
        { "run=\"list; create a.cfg ip=1\" ip=10.0.2.10", "list; create a.cfg ip=1", "10.0.2.10",
          CONSOLES_AS_USUAL, "" },
        { "\"run=list; consoles=off\" consoles=on", "list; consoles=off", "", CONSOLES_ON, "" },
        { "consoles=off ip=none run=", "", "none", CONSOLES_OFF, "" },
        { "ip=1 ip=2 consoles=on consoles=off", NULL, "2", CONSOLES_OFF, "" },
        { "\"ip=10.0.2.10\"", NULL, "10.0.2.10", CONSOLES_AS_USUAL, "" },
        { "run='list' consoles=\"on\"", "'list'", "", CONSOLES_ON, "" },
        { "consoles=yes", NULL, "", CONSOLES_AS_USUAL, "[consoles=yes]" },
        { "consoles= consoles=onn consoles=o", NULL, "", CONSOLES_AS_USUAL,
          "[consoles=][consoles=onn][consoles=o]" },
        { "ip= ip", NULL, "", CONSOLES_AS_USUAL, "[ip=][ip]" },
        { "ip=01234567890123456789", NULL, "", CONSOLES_AS_USUAL, "[ip=01234567890123456789]" },
        { "ip=0123456789012345678", NULL, "0123456789012345678", CONSOLES_AS_USUAL, "" },
        { "root=/dev/sda1 quiet xip=5 runs=x", NULL, "", CONSOLES_AS_USUAL,
          "[root=/dev/sda1][quiet][xip=5][runs=x]" },
        { "\"a word of its own\" ip=5", NULL, "5", CONSOLES_AS_USUAL, "[a word of its own]" },
        { "run=\"list", NULL, "", CONSOLES_AS_USUAL, "[run=\"list]" },
        { "\"run=list", NULL, "", CONSOLES_AS_USUAL, "[run=list]" },
        { "=", NULL, "", CONSOLES_AS_USUAL, "[=]" },
        { "\"", NULL, "", CONSOLES_AS_USUAL, "[]" },
        { "\"\" run=\"\"", "", "", CONSOLES_AS_USUAL, "[]" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct options options;
        char run[60] = "";

        left_out[0] = '\0';
        options_parse(cases[i].line, &options, complain);
        if (options.run)
            snprintf(run, sizeof(run), "%.*s", (int)options.run_size, options.run);
        if (!options.run != !cases[i].run || (options.run && strcmp(run, cases[i].run)) ||
            strcmp(options.ip, cases[i].ip) || (int)options.consoles != cases[i].consoles ||
            strcmp(left_out, cases[i].left_out))
            fail_msg("%s: run '%s', ip '%s', consoles %d, left out %s", cases[i].line, run,
                     options.ip, (int)options.consoles, left_out);
    }
}

static void who_may_send_guests(void **state)
{
    struct options options;

    left_out[0] = '\0';
    options_parse("migrate=any ip=1 migrate=10.0.2.11", &options, complain);
    assert_string_equal(options.migrate, "10.0.2.11");
    options_parse("migrate= migrate=01234567890123456789", &options, complain);
    assert_string_equal(options.migrate, "");
    assert_string_equal(left_out, "[migrate=][migrate=01234567890123456789]");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(all_kinds_of_lines),
                                        cmocka_unit_test(who_may_send_guests) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
