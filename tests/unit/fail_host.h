/* SPDX-License-Identifier: MIT */
/* Refusals of ring 0 on the host: counted at their places, and what the last was about. */
#ifndef TESTS_UNIT_FAIL_HOST_H
#define TESTS_UNIT_FAIL_HOST_H

#include "lib/fail.h"

static struct {
    unsigned int level, slot;
    uint64_t frame, value;
    bool entry;
    const char *why;
} about;

int fail_at(int error, struct refusal *place)
{
    place->count++;
    about.why = place->why;
    return error;
}
int fail_frame_at(int error, struct refusal *place, mfn_t m, unsigned int level)
{
    about.frame = m.n;
    about.level = level;
    return fail_at(error, place);
}
int fail_value_at(int error, struct refusal *place, uint64_t value)
{
    about.value = value;
    return fail_at(error, place);
}
int expected_at(int error, struct refusal *place)
{
    return fail_at(error, place);
}
int16_t about_status(int status)
{
    return (int16_t)status;
}
int about_value(int error, uint64_t value)
{
    about.value = value;
    return error;
}
int about_entry(int error, mfn_t table, unsigned int level, unsigned int slot, uint64_t value)
{
    if (!about.entry) {
        about.frame = table.n;
        about.level = level;
        about.slot = slot;
        about.value = value;
        about.entry = true;
    }
    return error;
}
#ifndef HAS_HYPERCALLS                          /* the test is of entry/hypercall.c */
int refuse_others(int error)
{
    return error;
}
#endif

#endif
