/* SPDX-License-Identifier: MIT */
/* Events on the host: whether they are masked. */
#ifndef TESTS_UNIT_MASKED_HOST_H
#define TESTS_UNIT_MASKED_HOST_H

#include <stdbool.h>

static bool masked;

bool events_save(void)
{
    bool was = masked;

    masked = true;
    return was;
}

void events_restore(bool was)
{
    masked = was;
}

#endif
