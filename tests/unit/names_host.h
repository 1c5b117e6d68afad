/* SPDX-License-Identifier: MIT */
/* The order of names in XenStore: the shorter one first, of equal sizes by their bytes. */
#ifndef TESTS_UNIT_NAMES_HOST_H
#define TESTS_UNIT_NAMES_HOST_H

static inline bool stands_before(const char *a, const char *b)
{
    size_t size = strlen(a), other = strlen(b);

    return size != other ? size < other : strcmp(a, b) < 0;
}

#endif
