/* SPDX-License-Identifier: MIT */
/*
 * Memory that is lent back to the hypervisor: a page keeps its pfn and its address, and has no
 * frame for a while.
 */
#ifndef PVGUEST_BALLOON_H
#define PVGUEST_BALLOON_H

/*
 * Gives away the frame of a page from alloc_page(), whose contents are lost. The page is not mapped
 * and its p2m entry is INVALID_MFN until balloon_take(). -EBUSY when the frame is in use elsewhere
 * (mapped a second time, granted): the page stays as it was, on which its owner can still rely.
 * Other errors are the hypervisor's (XENMEM_decrease_reservation).
 */
int balloon_give(void *page);

/*
 * A frame for such a page again: another one, with contents that mean nothing. -ENOMEM when the
 * domain may not have one more, or the machine has none (XENMEM_populate_physmap).
 */
int balloon_take(void *page);

#endif
