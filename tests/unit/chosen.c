/* SPDX-License-Identifier: MIT */
/* Linked into every unit test: with TEST=NAME in the environment, only the test function of that
 * name is run (or those that match it: * and ?). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

__attribute__((constructor)) static void choose(void)
{
    const char *name = getenv("TEST");

    if (name)
        cmocka_set_test_filter(name);
}
