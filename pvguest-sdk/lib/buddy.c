/* SPDX-License-Identifier: MIT */
/* The buddy allocator of buddy.h. */
#include "buddy.h"

#define BUDDY_PAGE 4096UL

static struct list *link_of(struct buddy *buddy, unsigned long page)
{
    return (struct list *)(void *)(buddy->base + page * BUDDY_PAGE);
}

static unsigned long page_of(struct buddy *buddy, struct list *link)
{
    return (unsigned long)((char *)link - buddy->base) / BUDDY_PAGE;
}

void buddy_init(struct buddy *buddy, void *base, uint8_t *state, unsigned long pages)
{
    buddy->base = base;
    buddy->state = state;
    buddy->pages = pages;
    buddy->free = 0;
    for (unsigned long page = 0; page < pages; page++)
        state[page] = 0;
    for (unsigned int order = 0; order < BUDDY_ORDERS; order++)
        list_init(&buddy->lists[order]);
}

static void insert_block(struct buddy *buddy, unsigned long page, unsigned int order)
{
    buddy->state[page] = (uint8_t)(order + 1);
    list_push(&buddy->lists[order], link_of(buddy, page));
}

static void remove_block(struct buddy *buddy, unsigned long page)
{
    buddy->state[page] = 0;
    list_remove(link_of(buddy, page));
}

unsigned long buddy_alloc(struct buddy *buddy, unsigned int order)
{
    unsigned int from = order;
    unsigned long page;

    while (from < BUDDY_ORDERS && list_empty(&buddy->lists[from]))
        from++;
    if (from >= BUDDY_ORDERS) return ~0UL;
    page = page_of(buddy, buddy->lists[from].next);
    remove_block(buddy, page);
    while (from > order) {          /* give back the upper half, and again */
        from--;
        insert_block(buddy, page + (1UL << from), from);
    }
    buddy->free -= 1UL << order;
    return page;
}

void buddy_free(struct buddy *buddy, unsigned long page, unsigned int order)
{
    buddy->free += 1UL << order;
    for (; order + 1 < BUDDY_ORDERS; order++) {
        unsigned long other = page ^ (1UL << order);

        if (other >= buddy->pages || buddy->state[other] != order + 1)
            break;
        remove_block(buddy, other);
        page &= ~(1UL << order);
    }
    insert_block(buddy, page, order);
}

void buddy_free_range(struct buddy *buddy, unsigned long first, unsigned long end)
{
    while (first < end) {
        unsigned int order = 0;

        while (order + 1 < BUDDY_ORDERS && !(first & (1UL << order)) &&
               first + (2UL << order) <= end)
            order++;
        buddy_free(buddy, first, order);
        first += 1UL << order;
    }
}

static unsigned long longest_run(const struct buddy *buddy, unsigned long *length)
{
    unsigned long first = 0, longest = ~0UL, page = 0;

    *length = 0;
    while (page < buddy->pages) {
        if (!buddy->state[page]) {
            first = ++page;
            continue;
        }
        page += 1UL << (buddy->state[page] - 1);
        if (page - first > *length) {
            *length = page - first;
            longest = first;
        }
    }
    return longest;
}

unsigned long buddy_take_longest(struct buddy *buddy, unsigned long *pages)
{
    unsigned long first = longest_run(buddy, pages), order;

    for (unsigned long page = first; page < first + *pages; page += 1UL << order) {
        order = buddy->state[page] - 1UL;
        remove_block(buddy, page);
    }
    buddy->free -= *pages;
    return first;
}
