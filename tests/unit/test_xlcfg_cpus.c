/* SPDX-License-Identifier: MIT */
/*
 * Where a guest's vCPUs may run, and how much of the CPUs they get at most: lists of CPUs, as
 * xl.cfg(5) and xl(1) have them, read and printed, and the keys cpus and cap.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include "dom0/config/config.h"

static struct config config;
static struct problem problem;
static struct config_warnings warnings;

/* Lines to be had in a configuration that is complete otherwise; the first of them is line 2. */
static int parse_lines(const char *lines)
{
    char text[2000];

    snprintf(text, sizeof(text), "name='a';kernel='k'\n%s", lines);
    return config_parse(text, strlen(text), "", &config, &problem, &warnings);
}

/* Of xl.cfg(5)'s forms of a list: which CPUs they are. */
static void lists_of_cpus(void **state)
{
    static const struct { const char *text; uint64_t cpus;
    } good[] = {
        { "all", CPUS_ALL },
        { "0", 0x1 },
        { "2", 0x4 },
        { "63", 1ull << 63 },
        { "0-3", 0xf },
        { "0-63", CPUS_ALL },
        { "0-3,^1", 0xd },
        { "^1,0-3", 0xf },                      /* The later part has the last word. */
        { "0-3,5,^1", 0x2d },
        { "all,^5", CPUS_ALL & ~(1ull << 5) },
        { "all,^5-8", CPUS_ALL & ~(0xfull << 5) },
        { "^5,all", CPUS_ALL },
        { "3-8,^5", 0x1d8 },
        { "1,1,1", 0x2 },
        { "4-4", 0x10 },
        { "0, 2", 0x5 },
        { ",1,,2,", 0x6 },
        { "1,64", 0x2 },                        /* There can be no such one here. */
        { "1,99999999999999999999999", 0x2 },
        { "60-99", 0xfull << 60 },
        { "all,^64", CPUS_ALL },
    };
    static const struct { const char *text, *says;
    } bad[] = {
        { "", "no CPU" },
        { ",", "no CPU" },
        { "64", "no CPU that there could be is left" },
        { "0,^0", "no CPU that there could be is left" },
        { "all,^0-63", "no CPU" },
        { "^all", "^all" },
        { "x", "CPUs are all, numbers" },
        { "-1", "CPUs are all, numbers" },
        { "1 ,2", "a comma" },
        { "0x1", "a comma" },
        { "alles", "a comma" },
        { "1-", "a range of CPUs" },
        { "3-2", "a range of CPUs" },
        { "1--2", "a range of CPUs" },
        { "1-2-3", "a comma" },
        { "^^1", "CPUs are all, numbers" },
        { "node:0", "nodes are not told apart" },
        { "all,^nodes:0-1", "nodes are not told apart" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        uint64_t cpus = 0;
        const char *why = cpus_parse(good[i].text, &cpus);

        if (why || cpus != good[i].cpus)
            fail_msg("'%s': %lx, %s", good[i].text, (unsigned long)cpus, why ? why : "taken");
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        uint64_t cpus = 5;
        const char *why = cpus_parse(bad[i].text, &cpus);

        if (!why || !strstr(why, bad[i].says) || cpus != 5)
            fail_msg("'%s': %s", bad[i].text, why ? why : "taken");
    }
}

static void lists_of_cpus_printed(void **state)
{
    static const struct { uint64_t cpus, there; const char *text;
    } cases[] = {
        { CPUS_ALL, 0x3, "all" }, { 0x3, 0x3, "all" },       { 0x1, 0x3, "0" },
        { 0x2, 0x3, "1" },        { 0x4, 0x3, "none" },      { 0x7, 0xf, "0-2" },
        { 0x2d, 0xff, "0,2-3,5" }, { 1, 1, "all" },
        { CPUS_ALL & ~1ull, CPUS_ALL, "1-63" },
        { 0x8000000000000001, CPUS_ALL, "0,63" },
    };
    char text[CPUS_TEXT];

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        cpus_print(cases[i].cpus, cases[i].there, text, sizeof(text));
        assert_string_equal(text, cases[i].text);
    }
    cpus_print(0x5555555555555555, CPUS_ALL, text, sizeof(text));       /* The longest one. */
    assert_string_equal(text + strlen(text) - 9, ",58,60,62");
}

/* cap=, and cpus= for all vCPUs or for each. */
static void where_and_how_much(void **state)
{
    assert_int_equal(parse_lines(""), 0);
    assert_int_equal(config.cap, 0);
    for (unsigned i = 0; i < CONFIG_MAX_VCPUS; i++)
        assert_true(config.cpus[i] == 0);
    assert_int_equal(parse_lines("vcpus=2\ncap=200\n\ncpus='0-3,^1'"), 0);
    assert_int_equal(config.cap, 200);
    assert_int_equal(config.at.cpus.line, 5);
    for (unsigned i = 0; i < CONFIG_MAX_VCPUS; i++)
        assert_true(config.cpus[i] == 0xd);
    assert_int_equal(parse_lines("cpus=2"), 0);
    assert_true(config.cpus[0] == 0x4 && config.cpus[31] == 0x4);
    assert_int_equal(parse_lines("vcpus=3\ncpus=['2', '3-8,^5']"), 0);
    assert_true(config.cpus[0] == 0x4 && config.cpus[1] == 0x1d8 && !config.cpus[2]);
    assert_int_equal(parse_lines("cpus=[2, 3]\ncpus+=['all']"), 0);
    assert_true(config.cpus[0] == 0x4 && config.cpus[1] == 0x8 && config.cpus[2] == CPUS_ALL);
    assert_int_equal(parse_lines("cpus=[]\nmaxvcpus=4\ncap=400"), 0);
    assert_true(!config.cpus[0]);
    assert_true(!config.cpus_soft[0]);
    assert_int_equal(parse_lines("cpus='0-3'\ncpus_soft=['1', '2-3']"), 0);
    assert_true(config.cpus[0] == 0xf && config.cpus_soft[0] == 0x2 && config.cpus_soft[1] == 0xc);
    assert_true(!config.cpus_soft[2] && config.cpus[2] == 0xf);
    assert_int_equal(parse_lines("cpus_soft='x'"), -EINVAL);
    assert_non_null(strstr(problem.text, "cpus_soft, 'x'"));
    assert_int_equal(parse_lines("cpus_soft=[['1']]"), -EINVAL);
    assert_non_null(strstr(problem.text, "in the list cpus_soft stands a list"));
}

static void as_many_lists_as_vcpus(void **state)
{
    char text[400] = "cpus=[";

    for (unsigned i = 0; i < CONFIG_MAX_VCPUS; i++)
        strcat(text, "1,");
    strcat(text, "]");
    assert_int_equal(parse_lines(text), 0);
    assert_true(config.cpus[31] == 0x2);
    strcpy(text + strlen(text) - 1, "1]");
    assert_int_equal(parse_lines(text), -EINVAL);
    assert_string_equal(problem.text, "cpus has a place for each of at most 32 vCPUs");
}

static void mistakes_name_their_line(void **state)
{
    static const struct { const char *text; unsigned line; const char *says;
    } cases[] = {
        { "cap = 3201", 2, "0 to 3200" },
        { "cap = -1", 2, "'-' has no meaning here" },
        { "cap = '-1'", 2, "0 to 3200" },
        { "vcpus = 2\ncap = 201", 3, "cap must be 0 to 200" },
        { "cap = 101\n", 2, "cap must be 0 to 100" },
        { "cpus = '0-'", 2, "cpus, '0-': a range" },
        { "cpus = [ '0',\n'0,^0' ]", 3, "cpus, '0,^0': no CPU" },
        { "cpus = [ '0',\n[ 1 ] ]", 3, "stands a list" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_int_equal(parse_lines(cases[i].text), -EINVAL);
        if (problem.at.line != cases[i].line || !strstr(problem.text, cases[i].says))
            fail_msg("%s -> line %u: %s, not %s", cases[i].text, problem.at.line, problem.text,
                     cases[i].says);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_of_cpus),
        cmocka_unit_test(lists_of_cpus_printed),
        cmocka_unit_test(where_and_how_much),
        cmocka_unit_test(as_many_lists_as_vcpus),
        cmocka_unit_test(mistakes_name_their_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
