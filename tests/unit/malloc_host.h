/* SPDX-License-Identifier: MIT */
/*
 * Memory that runs out when a test says so: included before everything else (a test's cflags), it
 * gives the code under test an allocator whose n-th next allocation fails. The test sets
 * `allocations_until_failure`; 0 again says that it has.
 */
#ifndef TESTS_UNIT_MALLOC_HOST_H
#define TESTS_UNIT_MALLOC_HOST_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

extern unsigned allocations_until_failure;

static inline bool allocation_fails(void)
{
    return allocations_until_failure && --allocations_until_failure == 0;
}

static inline void *malloc_or_fail(size_t size)
{
    return allocation_fails() ? NULL : malloc(size);
}
static inline void *calloc_or_fail(size_t count, size_t size)
{
    return allocation_fails() ? NULL : calloc(count, size);
}
static inline void *realloc_or_fail(void *at, size_t size)
{
    return allocation_fails() ? NULL : realloc(at, size);
}

static inline char *strdup_or_fail(const char *text)
{
    return allocation_fails() ? NULL : strcpy(malloc(strlen(text) + 1), text);
}

#undef strdup
#define strdup strdup_or_fail
#define malloc malloc_or_fail
#define calloc calloc_or_fail
#define realloc realloc_or_fail

#endif
