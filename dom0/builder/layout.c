/* SPDX-License-Identifier: MIT */
/*
 * Lays out a new guest's memory (layout.h). The one circle in it: the page tables map the region, and are part of it;
 * it is gone round until the number of tables stays the same.
 */
#include "dom0/builder/layout.h"

#define SLACK (512u * 1024)             /* Behind the stack, for the kernel's first needs. */
#define REGION (4u * 1024 * 1024)

static uint64_t round_up(uint64_t value, uint64_t unit) {
    return (value + unit - 1) / unit * unit;
}

/* Tables of one level (1: page tables proper) that cover [start, end). */
static uint64_t tables_for(uint64_t start, uint64_t end, unsigned level) {
    unsigned shift = 12 + 9 * level;

    return ((end - 1) >> shift) - (start >> shift) + 1;
}

static uint64_t count_tables(const struct layout *layout, bool own_p2m_range) {
    uint64_t count = 1;                 /* The L4. */

    for (unsigned level = 1; level <= 3; level++) {
        count += tables_for(layout->base, layout->end, level);
        if (own_p2m_range)              /* Counted as if it shared no table with the region: some may stay unused. */
            count += tables_for(layout->p2m_va, layout->p2m_va + layout->p2m_pages * PAGE_BYTES, level);
    }
    return count;
}

/* Takes whole pages at the cursor; returns where they begin. */
static uint64_t take(uint64_t *cursor, uint64_t pages) {
    uint64_t at = *cursor;

    *cursor += pages * PAGE_BYTES;
    return at;
}

int layout_make(const struct image *image, uint64_t ramdisk_size, uint64_t pages, struct layout *layout,
                uint64_t *needed) {
    bool own_p2m_range = image->init_p2m != IMAGE_ABSENT;
    uint64_t cursor, pfn, before;

    memset(layout, 0, sizeof(*layout));
    layout->base = image->virt_base;
    layout->pages = pages;
    layout->ramdisk_pages = round_up(ramdisk_size, PAGE_BYTES) / PAGE_BYTES;
    layout->p2m_pages = round_up(pages * sizeof(uint64_t), PAGE_BYTES) / PAGE_BYTES;
    layout->p2m_va = own_p2m_range ? image->init_p2m : 0;
    do {
        before = layout->table_count;
        cursor = round_up(image->high, PAGE_BYTES);
        if (layout->ramdisk_pages && !image->module_by_pfn)
            layout->ramdisk_va = take(&cursor, layout->ramdisk_pages);
        if (!own_p2m_range)
            layout->p2m_va = take(&cursor, layout->p2m_pages);
        layout->start_info = take(&cursor, 1);
        layout->store = take(&cursor, 1);
        layout->console = take(&cursor, 1);
        layout->tables = take(&cursor, layout->table_count);
        layout->stack = take(&cursor, 1);
        layout->end = layout->base + round_up(cursor + SLACK - layout->base, REGION);
        layout->table_count = count_tables(layout, own_p2m_range);
    } while (layout->table_count != before);

    pfn = (layout->end - layout->base) / PAGE_BYTES;
    layout->p2m_pfn = own_p2m_range ? pfn : layout_pfn(layout, layout->p2m_va);
    if (own_p2m_range)
        pfn += layout->p2m_pages;
    layout->ramdisk_pfn = image->module_by_pfn ? pfn : layout_pfn(layout, layout->ramdisk_va);
    if (image->module_by_pfn)
        pfn += layout->ramdisk_pages;
    *needed = pfn;
    return pfn <= pages ? 0 : -ENOMEM;
}
