/* SPDX-License-Identifier: MIT */
/*
 * What a debug build says of a refused call: the hypervisor's words if they are about this call,
 * else its name and errno; once for the same, and nothing of what is refused while it is said.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <setjmp.h>
#include <cmocka.h>
#include <pvguest/console.h>
#include <pvguest/debug.h>
#include <pvguest/errno.h>
#include <pvguest/string.h>
#include <abi/domus.h>
#include "pvguest-sdk/lib/entry.h"

static struct domus_last_error last;            /* what the hypervisor answers */
static long answer;
static char said[1000];
static unsigned int asked, traces;
static unsigned long calls_from;                /* the frame of who is refused */

long host_hypercall(unsigned long nr, unsigned long a, unsigned long b, unsigned long c,
                    unsigned long d, unsigned long e)
{
    assert_true(nr == 55 && a == DOMUS_last_error);
    assert_int_equal(pvguest_hush, 1);          /* whether it is there is only asked */
    asked++;
    if (!answer)
        memcpy((void *)b, &last, sizeof(last));
    return answer;
}

const char *errno_name(long error)
{
    return error == -22 ? "EINVAL" : "E?";
}

/* The console's own calls may be refused. */
void printk(const char *format, ...)
{
    size_t length = strlen(said);
    va_list args;

    va_start(args, format);
    vsnprintf(said + length, sizeof(said) - length, format, args);
    va_end(args);
    pvguest_refused(18, -5);
}

void print_callers(unsigned long frame_pointer)
{
    assert_int_equal(*(unsigned long *)frame_pointer, calls_from);
    traces++;
    strlcpy(said + strlen(said), " HERE\n", 7);
}

static void __attribute__((noinline)) is_refused(unsigned int hypercall, long error,
                                                 const char *want)
{
    unsigned int had = traces;

    *said = '\0';
    calls_from = (unsigned long)__builtin_frame_address(0);
    pvguest_refused(hypercall, error);
    assert_string_equal(said, want);
    assert_int_equal(traces - had, *want != '\0');
}

#define SAYS(words) "pvguest: refused: " words "\npvguest:   called at HERE\n"

static void in_its_own_words(void **state)
{
    last = (struct domus_last_error){ .hypercall = 26, .error = -22, .words = "mmuext_op: why" };
    answer = 0;
    is_refused(26, -22, SAYS("mmuext_op: why"));
    is_refused(26, -22, "");                    /* the same again */
    is_refused(26, -1, SAYS("mmuext_op: -1 E?"));       /* those were about another */
    is_refused(17, -22, SAYS("xen_version: -22 EINVAL"));
    is_refused(26, -22, SAYS("mmuext_op: why"));
    is_refused(63, -22, SAYS("an unknown hypercall: -22 EINVAL"));
    is_refused(64, -22, "");                    /* there are no such numbers: the same words */
    is_refused(1000, -1, SAYS("an unknown hypercall: -1 E?"));
    assert_int_equal(asked, 8);
}

static void where_nobody_tells(void **state)
{
    answer = -38;
    is_refused(26, -22, SAYS("mmuext_op: -22 EINVAL (this hypervisor does not tell guests why; "
                             "its log may)"));
    answer = -14;
    is_refused(26, -22, SAYS("mmuext_op: -22 EINVAL"));
}

static void what_is_only_asked(void **state)
{
    answer = -14;
    asked = 0;
    pvguest_hush = 1;
    is_refused(26, -22, "");
    pvguest_hush = 0;
    is_refused(26, -2, SAYS("mmuext_op: -2 E?"));
    assert_int_equal(asked, 1);
}

/* From elsewhere it is said anew. */
static void by_somebody_else(void **state)
{
    *said = '\0';
    calls_from = (unsigned long)__builtin_frame_address(0);
    pvguest_refused(26, -2);
    assert_string_equal(said, SAYS("mmuext_op: -2 E?"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_its_own_words),
        cmocka_unit_test(where_nobody_tells),
        cmocka_unit_test(what_is_only_asked),
        cmocka_unit_test(by_somebody_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
