/* SPDX-License-Identifier: MIT */
/*
 * Memory at start of day: learn what the builder made, build the direct map, hand the rest to the
 * page allocator.
 *
 * The builder's page tables map the image, the p2m list, start_info, the module and themselves at
 * IMAGE_BASE, and some spare room behind. All other pages are known by number only. To reach them
 * we need page tables, which need pages: the first pages behind the builder's become the tables of
 * the direct map. Each is filled through one scratch mapping, which is gone before the tree is
 * hooked into the root: the hypervisor accepts as a page table only what nobody can write.
 */
#include <pvguest/bits.h>
#include <pvguest/console.h>
#include <pvguest/hypercalls.h>
#include <pvguest/mm.h>
#include <pvguest/spinlock.h>
#include <pvguest/start.h>
#include <pvguest/string.h>
#include "buddy.h"

unsigned long *p2m;
unsigned long nr_pages, image_pages, kernel_root_mfn;

static struct buddy buddy;
static struct spinlock buddy_lock;
static uint64_t scratch[512] __attribute__((aligned(PAGE_SIZE)));

/* The direct map's tables: one L3, then the L2s, then the L1s, in consecutive pfns. */
static struct {
    unsigned long l3, l2, l1, end;              /* pfns */
    /* number of the first table, counted from DIRECT_BASE */
    unsigned long first_l2, first_l1;
} tables;

/* ---- what is there ---- */

static unsigned long window_end(const void *start, size_t length)
{
    unsigned long end = (unsigned long)start + length;

    return end > IMAGE_BASE ? PAGE_UP(end - IMAGE_BASE) >> PAGE_SHIFT : 0;
}

/* Pages below this number hold something of the builder's. Its boot stack is not among them: we
 * have left it. */
static unsigned long find_image_pages(void)
{
    const struct start_info *si = start_info;
    unsigned long pages = window_end(image_end, 0);
    size_t length;
    const void *module = boot_module(&length);

    pages = MAX(pages, window_end(si, PAGE_SIZE));
    pages = MAX(pages, window_end(p2m, nr_pages * sizeof(*p2m)));
    pages = MAX(pages, window_end((const void *)si->pt_base, si->nr_pt_frames * PAGE_SIZE));
    if (module)
        pages = MAX(pages, window_end(module, length));
    return pages;
}

/* The builder maps spare room behind its things. Those pages shall live in the direct map, and
 * nowhere else. */
static void unmap_spare_room(void)
{
    const uint64_t *entry;

    for (unsigned long va = IMAGE_BASE + image_pages * PAGE_SIZE; va >= IMAGE_BASE;
         va += PAGE_SIZE) {
        entry = pt_walk(va, 1);
        if (!entry || !(*entry & PTE_PRESENT))
            break;
        pt_set(virt_to_machine(entry), 0);
    }
    pt_flush_tlb();
    if (pt_flush())
        panic("pvguest: cannot unmap the spare boot pages\n");
}

/* ---- the direct map ---- */

static uint64_t direct_map_entry(unsigned long pfn)
{
    if (pfn < image_pages || pfn >= nr_pages || p2m[pfn] == INVALID_MFN) return 0;
    return p2m[pfn] << PAGE_SHIFT | (pfn >= tables.l3 && pfn < tables.end ? PROT_RO : PROT_RW);
}

static void write_table(unsigned long table_pfn, const uint64_t *entries)
{
    if (HYPERVISOR_update_va_mapping((unsigned long)scratch, p2m[table_pfn] << PAGE_SHIFT | PROT_RW,
                                     UVMF_INVLPG))
        panic("pvguest: cannot map a page for the direct map\n");
    memcpy(scratch, entries, PAGE_SIZE);
}

/* A table of `count` entries that point to consecutive tables from `target`, the first in slot
 * `first` of all tables. */
static void write_upper_tables(unsigned long pfn, unsigned long number, unsigned long target,
                               unsigned long first, unsigned long count)
{
    static uint64_t entries[512];

    for (unsigned long slot = 0; slot < 512; slot++) {
        unsigned long child = number * 512 + slot;

        entries[slot] = child >= first && child < first + count
                        ? p2m[target + child - first] << PAGE_SHIFT | PROT_TABLE : 0;
    }
    write_table(pfn, entries);
}

static void build_direct_map(void)
{
    static uint64_t entries[512];
    unsigned long last = nr_pages - 1, own_mfn = virt_to_mfn(scratch);
    unsigned long l1_count, l2_count;

    tables.first_l1 = image_pages >> 9;
    tables.first_l2 = image_pages >> 18;
    l1_count = (last >> 9) - tables.first_l1 + 1;
    l2_count = (last >> 18) - tables.first_l2 + 1;
    tables.l3 = image_pages;
    tables.l2 = tables.l3 + 1;
    tables.l1 = tables.l2 + l2_count;
    tables.end = tables.l1 + l1_count;
    if (tables.end >= nr_pages)
        panic("pvguest: %lu pages are too few\n", nr_pages);

    for (unsigned long i = 0; i < l1_count; i++) {
        for (unsigned long slot = 0; slot < 512; slot++)
            entries[slot] = direct_map_entry((tables.first_l1 + i) * 512 + slot);
        write_table(tables.l1 + i, entries);
    }
    for (unsigned long i = 0; i < l2_count; i++)
        write_upper_tables(tables.l2 + i, tables.first_l2 + i, tables.l1, tables.first_l1,
                           l1_count);
    write_upper_tables(tables.l3, 0, tables.l2, tables.first_l2, l2_count);
    if (HYPERVISOR_update_va_mapping((unsigned long)scratch, own_mfn << PAGE_SHIFT | PROT_RW,
                                     UVMF_INVLPG))
        panic("pvguest: scratch page\n");

    /* One store hooks the whole tree in, and the hypervisor validates all of it. */
    pt_set(((uint64_t)kernel_root_mfn << PAGE_SHIFT) + (DIRECT_BASE >> 39 & 511) * 8,
           p2m[tables.l3] << PAGE_SHIFT | PROT_TABLE);
    if (pt_flush())
        panic("pvguest: the direct map was refused\n");
}

/* ---- the page allocator ---- */

static bool is_reserved(unsigned long pfn)
{
    if (p2m[pfn] == INVALID_MFN) return true;
    if (is_dom0()) return false;
    return p2m[pfn] == start_info->store_mfn || p2m[pfn] == start_info->console.domU.mfn;
}

static void init_allocator(void)
{
    unsigned long state_pages = PAGE_UP(nr_pages) >> PAGE_SHIFT;
    unsigned long first = tables.end + state_pages;

    if (first >= nr_pages)
        panic("pvguest: %lu pages are too few\n", nr_pages);
    buddy_init(&buddy, (void *)DIRECT_BASE, pfn_to_virt(tables.end), nr_pages);
    while (first < nr_pages) {
        unsigned long end = first;

        while (end < nr_pages && !is_reserved(end))
            end++;
        buddy_free_range(&buddy, first, end);
        first = end + 1;
    }
}

void mm_init(void)
{
    p2m = (unsigned long *)start_info->mfn_list;
    nr_pages = start_info->nr_pages;
    image_pages = ~0UL;         /* for now everything that we can reach is in the image window */
    kernel_root_mfn = virt_to_mfn((void *)start_info->pt_base);
    image_pages = find_image_pages();
    unmap_spare_room();
    build_direct_map();
    init_allocator();
    /* A kernel that makes further roots copies the slots of this one. What map_frames() hands out
     * must be in all of them, so its slot exists before there is a second. */
    if (pt_populate(MAP_BASE))
        panic("pvguest: no page tables for mappings\n");
}

void *alloc_pages(unsigned int order)
{
    bool masked = spin_lock(&buddy_lock);
    unsigned long pfn = order < BUDDY_ORDERS ? buddy_alloc(&buddy, order) : ~0UL;

    spin_unlock(&buddy_lock, masked);
    return pfn == ~0UL ? NULL : pfn_to_virt(pfn);
}

void free_pages(void *va, unsigned int order)
{
    bool masked = spin_lock(&buddy_lock);

    buddy_free(&buddy, virt_to_pfn(va), order);
    spin_unlock(&buddy_lock, masked);
}

void *take_memory(unsigned long keep, unsigned long *pages)
{
    bool masked = spin_lock(&buddy_lock);
    unsigned long first = buddy_take_longest(&buddy, pages), kept = MIN(keep, *pages);

    *pages -= kept;
    if (kept)
        buddy_free_range(&buddy, first + *pages, first + *pages + kept);
    spin_unlock(&buddy_lock, masked);
    return *pages ? pfn_to_virt(first) : NULL;
}

void *alloc_zeroed_page(void)
{
    void *page = alloc_page();

    if (page)
        memset(page, 0, PAGE_SIZE);
    return page;
}

unsigned long free_page_count(void)
{
    return buddy.free;
}
