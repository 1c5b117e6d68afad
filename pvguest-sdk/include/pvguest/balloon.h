/* SPDX-License-Identifier: MIT */
/*
 * Memory that is lent back to the hypervisor: a page keeps its pfn and its address, and has no
 * frame for a while.
 */
#ifndef PVGUEST_BALLOON_H
#define PVGUEST_BALLOON_H

/*
 * Gives away the frame of a page from alloc_page(), whose contents are lost. The page is not mapped
 * and its p2m entry is INVALID_MFN until balloon_take(). A frame that is mapped or granted
 * elsewhere, too, is free only when that ends. -EINVAL when the hypervisor does not take the frame;
 * other errors are its own (XENMEM_decrease_reservation). With an error the page is as it was.
 */
int balloon_give(void *page);

/*
 * A frame for such a page again: another one, with contents that mean nothing. -ENOMEM when the
 * domain may not have one more, or the machine has none (XENMEM_populate_physmap).
 */
int balloon_take(void *page);

#endif
