/* SPDX-License-Identifier: MIT */
/* The frame around a micro-guest: counts its checks, says its outcome, asks Domus for an audit,
 * powers off. See test.h. */
#include "test.h"

#include <abi/domus.h>

static unsigned int passed, failed;
static char first_failure[160];

static void say_result(const char *outcome, const char *format, va_list arguments)
{
    static char words[200];

    vsnprintf(words, sizeof(words), format, arguments);
    printk("RESULT %s %s\n", outcome, words);
    poweroff();
}

void test_skip(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say_result("SKIP", format, arguments);
    __builtin_unreachable();
}

void test_error(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say_result("ERROR", format, arguments);
    __builtin_unreachable();
}

static void end_of_test(const char *outcome, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say_result(outcome, format, arguments);
}

void test_passed(void)
{
    passed++;
}

void test_failure(const char *file, int line, const char *format, ...)
{
    char words[120];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(words, sizeof(words), format, arguments);
    va_end(arguments);
    printk("%s:%d: %s\n", file, line, words);
    if (failed++ == 0)
        snprintf(first_failure, sizeof(first_failure), "%s:%d: %s", file, line, words);
}

bool on_domus(void)
{
    struct domus_last_error error;

    return HYPERVISOR_domus_op(DOMUS_last_error, &error) != -ENOSYS;
}

/* Recounts every reference in the machine and compares: what a test broke quietly shows here. */
static void audit(void)
{
    static struct domus_audit result;
    long violations;

    if (!is_dom0() || !on_domus()) return;
    violations = HYPERVISOR_domus_op(DOMUS_audit, &result);
    if (violations != 0)
        test_failure("audit", 0, "%ld violations, first mfn %lx: %s", violations,
                     result.first_bad_mfn, result.first_bad);
}

void guest_main(void)
{
    test_main();
    audit();
    if (failed)
        end_of_test("FAILURE", "%u of %u: %s", failed, failed + passed, first_failure);
    end_of_test("SUCCESS", "%u checks", passed);
}
