/* SPDX-License-Identifier: MIT */
/*
 * Buddy allocator over an array of equal pages: free blocks of 2^order pages, aligned to their
 * size, in a list per order; two free halves become one block again. Links are inside the free
 * pages, one byte of state a page outside. Pure: it knows a base address and numbers, so the unit
 * tests run it over an array on the host.
 */
#ifndef LIB_BUDDY_H
#define LIB_BUDDY_H

#include <stdint.h>
#include <pvguest/list.h>

#define BUDDY_ORDERS 16             /* blocks up to 2^15 pages: 128 MiB */

struct buddy {
    char *base;                     /* address of page 0, which need not be free, nor mapped */
    /* per page: order + 1 for the first page of a free block, else 0 */
    uint8_t *state;
    unsigned long pages;            /* size of state[] */
    unsigned long free;             /* pages free now */
    struct list lists[BUDDY_ORDERS];
};

/* All pages in use; state is cleared. */
void buddy_init(struct buddy *buddy, void *base, uint8_t *state, unsigned long pages);
/* First page of 2^order free ones; ~0UL when there are none. */
unsigned long buddy_alloc(struct buddy *buddy, unsigned int order);
void buddy_free(struct buddy *buddy, unsigned long page, unsigned int order);
/* Any range of pages becomes free. */
void buddy_free_range(struct buddy *buddy, unsigned long first, unsigned long end);
/* The longest run of free pages, taken: its first page, and *pages of them; ~0UL: none is free. */
unsigned long buddy_take_longest(struct buddy *buddy, unsigned long *pages);

#endif
