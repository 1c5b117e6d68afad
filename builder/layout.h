/* SPDX-License-Identifier: MIT */
/*
 * Where things lie in a new guest's memory. Pure arithmetic.
 *
 * From virt_base upwards, one page-aligned thing after the other (<xen/xen.h>, "Start-of-day memory
 * layout"): kernel, ramdisk, p2m list, start_info, XenStore ring, console ring, page tables, stack;
 * then at least 512 KiB, up to a multiple of 4 MiB. A kernel with INIT_P2M gets its list at that
 * address instead, one with MOD_START_PFN its ramdisk by frame number only; both then take frames
 * behind the region.
 *
 * The image is one that image_parse() has let pass; sizes may be any numbers. What comes out lies
 * in a guest's part of the address space, nothing on top of anything else. dom0 has no use for the
 * pages of the two rings.
 */
#ifndef BUILDER_LAYOUT_H
#define BUILDER_LAYOUT_H

#include "builder/image.h"
#include <xen/xen.h>

struct layout {
    uint64_t base, end;                 /* The region mapped at the start: virtual addresses. */
    uint64_t pages;                     /* Of the guest, in all. */
    uint64_t ramdisk_va;                /* 0: not mapped. */
    uint64_t ramdisk_pfn, ramdisk_pages;
    uint64_t p2m_va, p2m_pfn, p2m_pages;
    /* Virtual addresses of whole pages. */
    uint64_t start_info, store, console, tables, stack;
    uint64_t table_count;
    char why[200];                      /* The sentence of a refusal, but for -ENOMEM. */
};

/*
 * 0; -ENOMEM: `pages` do not hold it; -ERANGE: the region leaves the guest's part of the address
 * space (then *needed says how many pages it would take, as far as that was counted);
 * -EADDRNOTAVAIL: the list of INIT_P2M does, or is no whole pages; -EADDRINUSE: that list lies in
 * the region.
 */
int layout_make(const struct image *image, uint64_t ramdisk_size, uint64_t pages,
                struct layout *layout, uint64_t *needed);

static inline uint64_t layout_pfn(const struct layout *layout, uint64_t va)
{
    return (va - layout->base) / PAGE_BYTES;
}

/* What the guest is told of it, in a start_info of zeroes; the rest is its builder's. */
void layout_start_info(const struct layout *layout, const struct image *image,
                       uint64_t ramdisk_size, const char *command_line, struct start_info *info);
/* The first registers of its kernel, in a context of zeroes; root: the L4's frame. */
void layout_context(const struct layout *layout, const struct image *image, uint64_t root,
                    struct vcpu_guest_context *context);

#endif
