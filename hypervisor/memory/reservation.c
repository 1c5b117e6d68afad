/* SPDX-License-Identifier: MIT */
/*
 * How much memory a domain has: increase, decrease, populate. The guest names extents of 2^order frames in a list; one extent is
 * done at a time, its list element read or written at its own address each time (advisory 29: a range checked once, then left
 * behind). The result is the number of extents done, also when the next one could not be.
 */
#include "memory/reservation.h"
#include "memory/access.h"
#include "entry/hypercall.h"
#include "lib/fail.h"

int reservation_domain(domid_t id, struct domain **d)
{
    *d = current->domain;
    if (id == DOMID_SELF || id == (*d)->id) return 0;
    if (!(*d)->privileged) return fail(-EPERM, "another domain's memory is the control domain's business");
    *d = domain_get(id);
    if (!*d) return fail(-ESRCH, "no such domain");
    if (!(*d)->dying) return 0;
    domain_put(*d);
    return fail(-ESRCH, "the domain is being destroyed");
}

void reservation_put(struct domain *d)
{
    if (d != current->domain) domain_put(d);
}

/* populate: *frame comes in as the pfn the guest will know the extent by, and goes out as its machine frame. */
static int add_extent(struct domain *d, const struct xen_memory_reservation *r, bool populate, uint64_t *frame)
{
    uint64_t pfn = *frame;
    mfn_t m = domain_alloc_frames(d, r->extent_order, XENMEMF_get_address_bits(r->mem_flags));

    if (mfn_eq(m, INVALID_MFN)) return fail(-ENOMEM, "no memory left, or over the domain's limit");
    for (uint64_t i = 0; populate && i < 1UL << r->extent_order; i++) m2p_set(MFN(m.n + i), pfn + i);
    *frame = m.n;
    return 0;
}

static int remove_extent(struct domain *d, const struct xen_memory_reservation *r, uint64_t frame)
{
    for (uint64_t i = 0; i < 1UL << r->extent_order; i++) {
        int error = domain_free_frame(d, MFN(frame + i));

        if (error) return error;
    }
    return 0;
}

static int one_extent(unsigned int op, struct domain *d, const struct xen_memory_reservation *r, uint64_t at)
{
    uint64_t frame = 0;
    int error;

    if (op == OP(XENMEM_increase_reservation) && !r->extent_start.p) return add_extent(d, r, false, &frame);
    if (op != OP(XENMEM_increase_reservation) && read_guest_u64(&frame, at)) return fail(-EFAULT, "the list of extents");
    if (op == OP(XENMEM_decrease_reservation)) return remove_extent(d, r, frame);
    error = add_extent(d, r, op == OP(XENMEM_populate_physmap), &frame);
    if (error) return error;
    return write_guest_u64(at, frame) ? fail(-EFAULT, "the list of extents: that one is lost to the guest") : 0;
}

long memory_reservation(unsigned int op, uint64_t start, uint64_t arg)
{
    struct xen_memory_reservation r;
    uint64_t done = start;
    struct domain *d;
    int error;

    if (read_guest(&r, arg)) return fail(-EFAULT, "the reservation");
    if (start >= r.nr_extents || r.nr_extents > ~0UL >> MEMOP_EXTENT_SHIFT) return (long)start;
    error = reservation_domain(r.domid, &d);
    if (error) return error;
    if (r.extent_order > MAX_EXTENT_ORDER) error = fail(-EINVAL, "extents of more than 2 MiB");     /* advisories 31, 158 */

    while (!error && done < r.nr_extents) {
        error = one_extent(op, d, &r, (uint64_t)r.extent_start.p + done * sizeof(xen_pfn_t));
        if (!error) done++;
        if (!error && done < r.nr_extents && (r.extent_order || done % 32 == 0) && preempt_check()) error = -ERESTART;
    }
    reservation_put(d);
    if (error == -ERESTART) return hypercall_continue(__HYPERVISOR_memory_op, 2, op | done << MEMOP_EXTENT_SHIFT, arg);
    return (long)done;
}
