/* SPDX-License-Identifier: MIT */
/*
 * The SDK's pages on the host: as sdk_host.h, but a page has a number of its own in the machine
 * (p2m), and the two windows lie where a host program can have memory. What is in neither window is
 * in the page NOWHERE.
 */
#ifndef TESTS_UNIT_SDK_PAGES_HOST_H
#define TESTS_UNIT_SDK_PAGES_HOST_H

#include "tests/unit/sdk_host.h"
#include <pvguest/start.h>

#undef IMAGE_BASE
#undef DIRECT_BASE
#undef virt_to_mfn
#undef mfn_to_virt
#define IMAGE_BASE  0x680000000000UL
#define DIRECT_BASE 0x200000000000UL
#define NOWHERE     3UL

static inline void *host_page(unsigned long pfn)
{
    return (void *)((pfn < image_pages ? IMAGE_BASE : DIRECT_BASE) + (pfn << PAGE_SHIFT));
}
static inline unsigned long host_pfn(const void *va)
{
    unsigned long at = (unsigned long)va;

    return at >= IMAGE_BASE && at < IMAGE_BASE + (1UL << 40) ? (at - IMAGE_BASE) >> PAGE_SHIFT
           : at >= DIRECT_BASE && at < DIRECT_BASE + (1UL << 40)
               ? (at - DIRECT_BASE) >> PAGE_SHIFT : NOWHERE;
}
#define pfn_to_virt(pfn) host_page(pfn)
#define virt_to_pfn(va)  host_pfn(va)
#define virt_to_mfn(va)  (p2m[host_pfn(va)])
#define image_end        ((char *)(IMAGE_BASE + 5 * PAGE_SIZE + 1))    /* six pages */

#endif
