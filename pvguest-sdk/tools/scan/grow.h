/* SPDX-License-Identifier: MIT */
/* Arrays that grow, and memory that is there or ends the program: what is allocated is bounded by
 * the size of the file that is read (limits.h). */
#ifndef SCAN_GROW_H
#define SCAN_GROW_H

#include <stdio.h>
#include <stdlib.h>

static inline void *needed(void *memory)
{
    if (!memory) {
        fputs("domus-scan: no memory left\n", stderr);
        exit(2);
    }
    return memory;
}

/* Room for one more behind an array's `count` elements: it doubles when the count is a power of
 * two. */
static inline void *with_room(void *array, size_t count, size_t size)
{
    if (count & (count - 1)) return array;
    return needed(reallocarray(array, count ? count * 2 : 1, size));
}

/* A new last element, not initialized; counts it. */
#define GROW(array, count) \
    ((array) = with_room((array), (count), sizeof(*(array))), &(array)[(count)++])

#endif
