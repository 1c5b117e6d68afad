/* SPDX-License-Identifier: MIT */
/* Events on the host: whether they are masked, and how often they were. */
#ifndef TESTS_UNIT_MASKED_HOST_H
#define TESTS_UNIT_MASKED_HOST_H

#include <stdbool.h>

static bool masked;
static unsigned int maskings;

bool events_save(void)
{
    bool was = masked;

    masked = true;
    maskings++;
    return was;
}

void events_restore(bool was)
{
    masked = was;
}

#endif
