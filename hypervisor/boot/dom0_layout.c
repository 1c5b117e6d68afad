/* SPDX-License-Identifier: MIT */
/*
 * The first domain's layout. The room for tables depends on the end, which depends on the room for
 * tables: repeated until it holds, which is soon, as each round adds a 512th of what the last one
 * added. Sums saturate (abi/sums.h): what leaves the address space ends it.
 */
#include "boot/dom0_layout.h"
#include "lib/types.h"

#define REGION   (4ul << 20)
#define SLACK    (512ul << 10)

static uint64_t pages_of(uint64_t bytes)
{
    return rounded_up(bytes, PAGE_SIZE) >> PAGE_SHIFT;
}

/* How many tables below an L4 a range needs. */
static uint64_t tables_for(uint64_t start, uint64_t end)
{
    uint64_t count = 0;

    for (unsigned int shift = 21; shift <= 39; shift += 9)
        count += ((end - 1) >> shift) - (start >> shift) + 1;
    return count;
}

static uint64_t behind(uint64_t va, uint64_t pages)
{
    return sum_of(va, product_of(pages, PAGE_SIZE));
}

/* One thing behind the other, with the room for tables that there is. */
static void lay_out(const struct elf_facts *elf, uint64_t archive_pages, struct dom0_layout *l)
{
    bool own_p2m = elf->init_p2m != ELF_NONE;
    uint64_t size;

    l->archive_va = rounded_up(elf->end, PAGE_SIZE);
    l->p2m_va = behind(l->archive_va, elf->module_unmapped ? 0 : archive_pages);
    l->info_va = behind(l->p2m_va, own_p2m ? 0 : l->p2m_pages);
    if (own_p2m)
        l->p2m_va = elf->init_p2m;
    l->tables_va = behind(l->info_va, 1);
    l->stack_va = behind(l->tables_va, l->tables_room);
    size = sum_of(behind(l->stack_va, 1), SLACK);
    l->end_va = size == BEYOND ? BEYOND
                               : sum_of(elf->virt_base, rounded_up(size - elf->virt_base, REGION));
}

int dom0_layout(const struct elf_facts *elf, uint64_t archive_size, uint64_t pages,
                struct dom0_layout *l, const char **why)
{
    uint64_t archive_pages = pages_of(archive_size), base = elf->virt_base, needed = 0, list,
             region;
    bool own_p2m = elf->init_p2m != ELF_NONE;

    *l = (struct dom0_layout){ .p2m_pages = pages_of(product_of(pages, 8)) };
    list = product_of(l->p2m_pages, PAGE_SIZE);
    *why = "its kernel, archive and frame list, one after the other from its note VIRT_BASE on, "
           "leave the addresses of a guest";
    do {
        l->tables_room = needed;
        lay_out(elf, archive_pages, l);
        if (!guest_may_map(base, l->end_va - base) || l->end_va == BEYOND) return -EINVAL;
        needed = 1 + tables_for(base, l->end_va);
        if (!own_p2m)
            continue;
        if (!guest_may_map(l->p2m_va, list) || (l->p2m_va < l->end_va && base < l->p2m_va + list)) {
            *why = "its frame list, where its note INIT_P2M wants it, leaves the addresses of a "
                   "guest or is in its kernel's way";
            return -EINVAL;
        }
        needed += tables_for(l->p2m_va, l->p2m_va + list);
    } while (needed > l->tables_room);
    region = (l->end_va - base) >> PAGE_SHIFT;
    l->p2m_pfn = own_p2m ? region : (l->p2m_va - base) >> PAGE_SHIFT;
    l->archive_pfn = elf->module_unmapped ? region + (own_p2m ? l->p2m_pages : 0)
                                          : (l->archive_va - base) >> PAGE_SHIFT;
    *why = "its memory (dom0_mem=) is too small for its kernel and archive";
    return sum_of(region, sum_of(l->p2m_pages, archive_pages)) > pages ? -ENOMEM : 0;
}
