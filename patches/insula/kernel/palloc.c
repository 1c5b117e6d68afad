/* SPDX-License-Identifier: MIT */
/* Physical pages, one by one. Pages never used lie above `fresh`; freed ones form a list threaded
 * through themselves. */
#include "kernel.h"

struct free_page { struct free_page *next; };
static struct free_page *freed;
static u64 fresh;

void palloc_init(void)
{
    fresh = PAGE_CEILING(memory_start);
}

void *page_alloc(void)
{
    bool on = interrupts_off();
    void *page = NULL;

    if (freed) {
        page = freed;
        freed = freed->next;
    } else if (fresh < memory_end) {
        page = to_virtual(fresh);
        fresh += PAGE_SIZE;
    }
    if (page)
        page_clear(page);
    interrupts_restore(on);
    return page;
}

void page_free(void *page)
{
    bool on = interrupts_off();
    struct free_page *entry = page;

    entry->next = freed;
    freed = entry;
    interrupts_restore(on);
}
