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

/* One frame, there (its pfn in *frame, which becomes its mfn) or back (its mfn). */
static int reservation(unsigned int command, xen_pfn_t *frame, int none)
{
    struct xen_memory_reservation op = { .nr_extents = 1, .domid = DOMID_SELF };
    long done;

    set_xen_guest_handle(op.extent_start, frame);
    done = HYPERVISOR_memory_op(command, &op);
    return done < 0 ? (int)done : done == 1 ? 0 : refused(none);
}

int balloon_give(void *page)
{
    xen_pfn_t frame = virt_to_mfn(page);
    /* While it is mapped, it is not free. */
    int error = map_page((unsigned long)page, 0, 0, DOMID_SELF);

    if (error) return error;
    error = reservation(XENMEM_decrease_reservation, &frame, -EINVAL);
    if (error)
        map_page((unsigned long)page, virt_to_mfn(page), PROT_RW, DOMID_SELF);
    else
        p2m[virt_to_pfn(page)] = INVALID_MFN;
    return error;
}

int balloon_take(void *page)
{
    unsigned long pfn = virt_to_pfn(page);
    xen_pfn_t frame = pfn;
    int error = reservation(XENMEM_populate_physmap, &frame, -ENOMEM);

    if (error) return error;
    p2m[pfn] = frame;
    return map_page((unsigned long)page, frame, PROT_RW, DOMID_SELF);
}
