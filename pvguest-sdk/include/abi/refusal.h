/* SPDX-License-Identifier: MIT */
/*
 * A refusal: one place in the code that says no, and how often it has. Every such place of the
 * hypervisor, the SDK, the drivers and dom0 has a record of this form in the section "refusals" of
 * its image, so that they can be counted from outside: the tests look for these records in a
 * machine's memory when it has ended, and a place that no test reaches is a failure
 * (tests/README.md).
 *
 * The record says by itself what it is, because a guest's pages lie anywhere in the machine: the
 * magic number finds it, its size and alignment keep it within one page.
 */
#ifndef ABI_REFUSAL_H
#define ABI_REFUSAL_H

#include <abi/types.h>

#define REFUSAL_MAGIC 0x6c61737566655221ul      /* "!Refusal" */

struct refusal {
    _Alignas(64) uint64_t magic;
    const char *why;                /* a sentence, or NULL */
    uint32_t line;
    uint32_t count;                 /* times taken; not exact when two CPUs take it at once */
    /* from the repository's root; one that does not fit does not compile */
    char file[40];
};

_Static_assert(sizeof(struct refusal) == 64, "a record never crosses a page");

/* Declares this place's record. why: a literal, or NULL. */
#define REFUSAL(name, why) static struct refusal name __attribute__((section("refusals"), used)) = \
    { REFUSAL_MAGIC, (why), __LINE__, 0, __FILE__ }

#endif
