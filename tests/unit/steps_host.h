/* SPDX-License-Identifier: MIT */
/* What was done, in words: the file under test and its surroundings say step(), the test done(). */
#ifndef TESTS_UNIT_STEPS_HOST_H
#define TESTS_UNIT_STEPS_HOST_H

static char steps[4096];

static __attribute__((format(printf, 1, 2))) void step(const char *format, ...)
{
    size_t length = strlen(steps);
    va_list args;

    va_start(args, format);
    vsnprintf(steps + length, sizeof(steps) - length, format, args);
    va_end(args);
}

static void done(const char *want)
{
    assert_string_equal(steps, want);
    *steps = '\0';
}

#endif
