/* SPDX-License-Identifier: MIT */
/*
 * How much memory a domain has: increase, decrease, populate. The guest names extents of 2^order
 * frames in a list; one extent is done at a time, its list element read or written at its own
 * address each time (XSA-29: a range checked once, then left behind). The result is the number
 * of extents done, also when the next one could not be.
 *
 * An extent of many frames takes longer than one stay in ring 0 may, so frames are cleared or let
 * go in steps. How far the extent has come is kept in the vCPU; only the very call that began it
 * goes on from there, and any other ends it (extent_end).
 */
#include "calls/reservation.h"
#include "memory/access.h"
#include "entry/hypercall.h"
#include "lib/fail.h"

/* ---- one extent ---- */

static void extent_begin(struct domain *d, mfn_t first, unsigned int order)
{
    struct vcpu *v = current;

    v->extent.domain = domain_hold(d);
    v->extent.first = first;
    v->extent.order = order;
    v->extent.done = 0;
}

/* Is this the call whose extent is half way? If not, that one ends. */
static void extent_continue(struct domain *d, const struct xen_memory_reservation *r,
                            uint64_t command, uint64_t argument)
{
    struct vcpu *v = current;

    if (v->extent.domain != d || v->extent.command != command || v->extent.argument != argument ||
        v->extent.order != r->extent_order)
        extent_end(v);
    v->extent.command = command;
    v->extent.argument = argument;
}

/* populate: *frame comes in as the pfn the guest will know the extent by, and goes out as its
 * machine frame. */
static int add_extent(struct domain *d, const struct xen_memory_reservation *r, bool populate,
                      uint64_t *frame)
{
    struct vcpu *v = current;
    uint64_t pfn = *frame;

    if (!v->extent.domain) {
        mfn_t m = frames_reserve(&d->memory, r->extent_order,
                                 XENMEMF_get_address_bits(r->mem_flags), false);

        if (mfn_eq(m, INVALID_MFN))
            return fail(-ENOMEM, "no memory left, or over the domain's limit");
        extent_begin(d, m, r->extent_order);
    }
    while (v->extent.done < 1u << r->extent_order) {
        mfn_t m = MFN(v->extent.first.n + v->extent.done);

        frame_clear(m);                         /* what was in it was another's */
        if (populate)
            m2p_set(m, pfn + v->extent.done);
        v->extent.done++;
        if (spent() && v->extent.done < 1u << r->extent_order) return -ERESTART;
    }
    *frame = v->extent.first.n;
    frames_give(&d->memory, v->extent.first, r->extent_order);
    v->extent.first = INVALID_MFN;
    extent_end(v);
    return 0;
}

static int remove_extent(struct domain *d, const struct xen_memory_reservation *r, uint64_t frame)
{
    struct vcpu *v = current;
    int error = 0;

    if (!v->extent.domain)
        extent_begin(d, INVALID_MFN, r->extent_order);
    while (!error && v->extent.done < 1u << r->extent_order) {
        error = domain_free_frame(&d->memory, MFN(frame + v->extent.done));
        v->extent.done++;
        if (!error && spent() && v->extent.done < 1u << r->extent_order) return -ERESTART;
    }
    extent_end(v);
    return error;
}

static int one_extent(unsigned int op, struct domain *d, const struct xen_memory_reservation *r,
                      uint64_t at)
{
    uint64_t frame = 0;
    int error;

    if (op == OP(XENMEM_increase_reservation) && !r->extent_start.p)
        return add_extent(d, r, false, &frame);
    if (op != OP(XENMEM_increase_reservation) && read_guest_u64(&frame, at))
        return fail(-EFAULT, "the list of extents");
    if (op == OP(XENMEM_decrease_reservation)) return remove_extent(d, r, frame);
    error = add_extent(d, r, op == OP(XENMEM_populate_physmap), &frame);
    if (error) return error;
    return write_guest_u64(at, frame)
               ? fail(-EFAULT, "the list of extents: that one is lost to the guest")
               : 0;
}

long memory_reservation(struct memory_call *c, uint64_t arg)
{
    struct xen_memory_reservation r;
    uint64_t start = c->start, done = start;
    struct domain *d;
    int error;

    /* As on Xen: what cannot be read, and who is not there, has no extents, and that is no
     * error. */
    if (read_guest(&r, arg)) {
        (void)fail(-EFAULT, "the reservation");
        return (long)start;
    }
    if (start >= r.nr_extents || r.nr_extents > ~0UL >> MEMOP_EXTENT_SHIFT) return (long)start;
    d = domain_named(r.domid, RESERVATION_OF, &error);
    if (!d) return error == -ESRCH ? (long)start : error;
    error = 0;
    /* XSA-31, 158 */
    if (r.extent_order > MAX_EXTENT_ORDER)
        error = fail(-EINVAL, "extents of more than 2 MiB");

    while (!error && done < r.nr_extents) {
        extent_continue(d, &r, c->op | done << MEMOP_EXTENT_SHIFT, arg);
        error = one_extent(c->op, d, &r, (uint64_t)r.extent_start.p + done * sizeof(xen_pfn_t));
        spend(COST_FRAME);
        if (!error && ++done < r.nr_extents && spent())
            error = -ERESTART;
    }
    domain_put(d);
    if (error == -ERESTART)
        return hypercall_continue(memory_op, c->op | done << MEMOP_EXTENT_SHIFT, arg);
    return (long)done;
}
