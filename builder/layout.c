/* SPDX-License-Identifier: MIT */
/*
 * Lays out a new guest's memory (layout.h). The one circle in it: the page tables map the region,
 * and are part of it; it is gone round until the number of tables stays the same. Each round adds a
 * 512th of what the last one added, and a region that leaves the address space ends them, so there
 * are few.
 */
#include "builder/layout.h"
#include "builder/base.h"

#define SLACK (512u * 1024)             /* Behind the stack, for the kernel's first needs. */
#define REGION (4u * 1024 * 1024)

struct range {
    uint64_t start, end;
};

static uint64_t pages_of(uint64_t bytes)
{
    return rounded_up(bytes, PAGE_BYTES) / PAGE_BYTES;
}

/* Tables of one level that cover both ranges: those that each needs, but none twice. */
static uint64_t tables_for(struct range a, struct range b, unsigned shift)
{
    uint64_t a_first = a.start >> shift, a_last = (a.end - 1) >> shift;
    uint64_t b_first = b.start >> shift, b_last = (b.end - 1) >> shift;
    uint64_t first = a_first > b_first ? a_first : b_first,
             last = a_last < b_last ? a_last : b_last;

    return a_last - a_first + 1 + b_last - b_first + 1 - (last >= first ? last - first + 1 : 0);
}

static uint64_t count_tables(struct range region, struct range list)
{
    uint64_t count = 1;                 /* The L4. */

    for (unsigned shift = 21; shift <= 39; shift += 9)
        count += tables_for(region, list, shift);
    return count;
}

/* Takes whole pages behind what is taken of the region; returns the address where they begin. */
static uint64_t take(const struct layout *layout, uint64_t *taken, uint64_t pages)
{
    uint64_t at = sum_of(layout->base, *taken);

    *taken = sum_of(*taken, product_of(pages, PAGE_BYTES));
    return at;
}

/* One thing after the other, with room for as many page tables as there are so far. Returns the
 * size of the region. */
static uint64_t lay_out(struct layout *layout, const struct image *image, bool own_p2m_range)
{
    uint64_t taken = rounded_up(image->high - image->virt_base, PAGE_BYTES);

    if (!image->module_by_pfn && layout->ramdisk_pages)
        layout->ramdisk_va = take(layout, &taken, layout->ramdisk_pages);
    if (!own_p2m_range)
        layout->p2m_va = take(layout, &taken, layout->p2m_pages);
    layout->start_info = take(layout, &taken, 1);
    layout->store = take(layout, &taken, 1);
    layout->console = take(layout, &taken, 1);
    layout->tables = take(layout, &taken, layout->table_count);
    layout->stack = take(layout, &taken, 1);
    return rounded_up(sum_of(taken, SLACK), REGION);
}

/* The list where INIT_P2M wants it. */
static int place_list(struct layout *layout, struct range region, struct range *list)
{
    uint64_t size = product_of(layout->p2m_pages, PAGE_BYTES);

    *list = (struct range){ layout->p2m_va, sum_of(layout->p2m_va, size) };
    if (list->start % PAGE_BYTES || !guest_may_map(list->start, size)) {
        say_why(layout, "the %lu KiB at its INIT_P2M 0x%lx must be whole pages %s",
                layout->p2m_pages * 4, list->start, GUEST_RANGES);
        return refused(-EADDRNOTAVAIL);
    }
    if (list->start < region.end && region.start < list->end) {
        say_why(layout, "the %lu KiB at its INIT_P2M 0x%lx lie in its own region, 0x%lx to 0x%lx",
                layout->p2m_pages * 4, list->start, region.start, region.end);
        return refused(-EADDRINUSE);
    }
    return 0;
}

/* Behind the region come the frames of what is not mapped in it. */
static uint64_t place_frames(struct layout *layout, const struct image *image, bool own_p2m_range)
{
    uint64_t pfn = (layout->end - layout->base) / PAGE_BYTES;

    layout->p2m_pfn = own_p2m_range ? pfn : layout_pfn(layout, layout->p2m_va);
    if (own_p2m_range)
        pfn += layout->p2m_pages;
    layout->ramdisk_pfn = image->module_by_pfn ? pfn : layout_pfn(layout, layout->ramdisk_va);
    return image->module_by_pfn ? sum_of(pfn, layout->ramdisk_pages) : pfn;
}

int layout_make(const struct image *image, uint64_t ramdisk_size, uint64_t pages,
                struct layout *layout, uint64_t *needed)
{
    bool own_p2m_range = image->init_p2m != IMAGE_ABSENT;
    uint64_t before;
    int error;

    memset(layout, 0, sizeof(*layout));
    layout->base = image->virt_base;
    layout->pages = pages;
    layout->ramdisk_pages = pages_of(ramdisk_size);
    layout->p2m_pages = pages_of(product_of(pages, sizeof(uint64_t)));
    layout->p2m_va = own_p2m_range ? image->init_p2m : 0;
    do {
        uint64_t size = lay_out(layout, image, own_p2m_range);
        struct range region, list;

        *needed = size / PAGE_BYTES;
        if (!guest_may_map(layout->base, size)) {
            say_why(layout,
                    "what it needs to start, %lu MiB from its VIRT_BASE 0x%lx on, must lie %s",
                    *needed / 256, layout->base, GUEST_RANGES);
            return refused(-ERANGE);
        }
        layout->end = layout->base + size;
        region = list = (struct range){ layout->base, layout->end };
        error = own_p2m_range ? place_list(layout, region, &list) : 0;
        if (error) return error;
        before = layout->table_count;
        layout->table_count = count_tables(region, list);
    } while (layout->table_count != before);
    *needed = place_frames(layout, image, own_p2m_range);
    return *needed <= pages ? 0 : refused(-ENOMEM);
}

/* ---- what the guest is told ---- */

void layout_start_info(const struct layout *layout, const struct image *image,
                       uint64_t ramdisk_size, const char *command_line, struct start_info *info)
{
    snprintf(info->magic, sizeof(info->magic), "xen-3.0-x86_64");
    info->nr_pages = layout->pages;
    info->pt_base = layout->tables;
    info->nr_pt_frames = layout->table_count;
    info->mfn_list = layout->p2m_va;
    if (image->init_p2m != IMAGE_ABSENT) {
        info->first_p2m_pfn = layout->p2m_pfn;
        info->nr_p2m_frames = layout->p2m_pages;
    }
    if (layout->ramdisk_pages) {
        info->mod_start = image->module_by_pfn ? layout->ramdisk_pfn : layout->ramdisk_va;
        info->mod_len = ramdisk_size;
        info->flags |= image->module_by_pfn ? SIF_MOD_START_PFN : 0;
    }
    snprintf((char *)info->cmd_line, MAX_GUEST_CMDLINE, "%s", command_line);
}

void layout_context(const struct layout *layout, const struct image *image, uint64_t root,
                    struct vcpu_guest_context *context)
{
    context->flags = VGCF_in_kernel;
    context->user_regs.rip = image->entry;
    context->user_regs.rsp = layout->stack + PAGE_BYTES;
    context->user_regs.rsi = layout->start_info;
    /* Interrupts enabled: events are masked in another place. */
    context->user_regs.rflags = 1 << 9;
    context->user_regs.cs = FLAT_KERNEL_CS;
    context->user_regs.ss = FLAT_KERNEL_SS;
    context->kernel_ss = FLAT_KERNEL_SS;
    context->kernel_sp = layout->stack + PAGE_BYTES;
    context->ctrlreg[3] = xen_pfn_to_cr3(root);
}
