/* SPDX-License-Identifier: MIT */
/* Linked into every unit test: with TEST=NAME in the environment, only the test function of that
 * name is run (or those that match it: * and ?). That there is none is a failure. */
#include <fnmatch.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

/* The linker's: who calls the one comes to the other (--wrap, tests/build.mk). */
int __real__cmocka_run_group_tests(const char *group, const struct CMUnitTest *tests, size_t count,
                                   CMFixtureFunction setup, CMFixtureFunction teardown);
int __wrap__cmocka_run_group_tests(const char *group, const struct CMUnitTest *tests, size_t count,
                                   CMFixtureFunction setup, CMFixtureFunction teardown);

static const char *name;
static size_t found;

/* When all groups have had their turn. */
static void was_there(void)
{
    if (found) return;
    fflush(stdout);
    fprintf(stderr, "TEST=%s: no test here has that name\n", name);
    _Exit(1);
}

__attribute__((constructor)) static void choose(void)
{
    name = getenv("TEST");
    if (!name) return;
    cmocka_set_test_filter(name);
    atexit(was_there);
}

int __wrap__cmocka_run_group_tests(const char *group, const struct CMUnitTest *tests, size_t count,
                                   CMFixtureFunction setup, CMFixtureFunction teardown)
{
    for (size_t i = 0; name && i < count; i++)
        found += fnmatch(name, tests[i].name, 0) == 0;
    return __real__cmocka_run_group_tests(group, tests, count, setup, teardown);
}
