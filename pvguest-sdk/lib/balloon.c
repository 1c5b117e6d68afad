/* SPDX-License-Identifier: MIT */
/*
 * The balloon: a page's frame goes back to the hypervisor, and a page without one gets one. The P2M
 * is ours, so we write it; the M2P is written by the hypervisor, which is told the pfn. Whoever
 * calls it owns the page, so nobody else changes its entry.
 */
#include <pvguest/balloon.h>
#include <pvguest/hypercalls.h>
#include <pvguest/mm.h>
#include <pvguest/refuse.h>

/* One frame: back (its mfn in *frame) or here (the pfn, which becomes its mfn). How many it was, or
 * the error. */
static int reservation(unsigned int command, xen_pfn_t *frame)
{
    struct xen_memory_reservation op = { .nr_extents = 1, .domid = DOMID_SELF };

    set_xen_guest_handle(op.extent_start, frame);
    return (int)HYPERVISOR_memory_op(command, &op);
}

int balloon_give(void *page)
{
    xen_pfn_t frame = virt_to_mfn(page);
    /* While it is mapped, it is not free. */
    int error = map_page((unsigned long)page, 0, 0, DOMID_SELF), given;

    if (error) return error;
    given = reservation(XENMEM_decrease_reservation, &frame);
    if (given == 1) {
        p2m[virt_to_pfn(page)] = INVALID_MFN;
        return 0;
    }
    map_page((unsigned long)page, virt_to_mfn(page), PROT_RW, DOMID_SELF);
    return given < 0 ? given : refused(-EINVAL);
}

int balloon_take(void *page)
{
    unsigned long pfn = virt_to_pfn(page);
    xen_pfn_t frame = pfn;
    int taken = reservation(XENMEM_populate_physmap, &frame);

    if (taken != 1) return taken < 0 ? taken : refused(-ENOMEM);
    p2m[pfn] = frame;
    return map_page((unsigned long)page, frame, PROT_RW, DOMID_SELF);
}
