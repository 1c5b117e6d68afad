/* SPDX-License-Identifier: MIT */
/*
 * XENMEM_exchange: scattered frames for contiguous ones, or the reverse; a driver's way to memory
 * that a device can reach.
 *
 * Done in chunks of the larger extent's size. For each chunk: read both lists into our memory and
 * look at every frame; get the new frames; and only then, when nothing can fail any more, give
 * them, take the old ones and tell the guest. nr_exchanged in the guest's structure is the
 * progress; it is checked each time it is read, like everything that the guest can change meanwhile
 * (XSA-212).
 */
#include "calls/reservation.h"
#include "memory/access.h"
#include "memory/heap.h"
#include "entry/hypercall.h"
#include "lib/fail.h"

#define CHUNK_FRAMES (1UL << MAX_EXTENT_ORDER)

/* One chunk, in a page of ours each: the frames that go, the pfns and the frames of the extents
 * that come. */
struct chunk {
    uint64_t out_pfn[CHUNK_FRAMES], in_frame[CHUNK_FRAMES], out_frame[CHUNK_FRAMES];
    uint64_t in_extents, out_extents, in_held, out_held;
};
#define CHUNK_ORDER 2                   /* 16 KiB */

static int check(const struct xen_memory_exchange *x)
{
    uint64_t frames;

    if (x->in.extent_order > MAX_EXTENT_ORDER || x->out.extent_order > MAX_EXTENT_ORDER)
        return fail(-EPERM, "extents of more than 2 MiB");
    if ((x->in.extent_order || x->out.extent_order) && !current->domain->privileged)
        return fail(-EPERM, "contiguous memory is for a domain that drives devices");
    if (x->in.nr_extents > ~0UL >> 16 || x->out.nr_extents > ~0UL >> 16)
        return fail(-EINVAL, "absurdly many extents");
    frames = x->in.nr_extents << x->in.extent_order;
    if (frames != x->out.nr_extents << x->out.extent_order)
        return fail(-EINVAL, "not as much out as in");
    if (x->in.domid != x->out.domid) return fail(-EINVAL, "in and out of different domains");
    if (x->nr_exchanged > x->in.nr_extents) return fail(-EINVAL, "more done than there is");
    if (x->nr_exchanged << x->in.extent_order &
        ((1UL << MAX(x->in.extent_order, x->out.extent_order)) - 1))
        return fail(-EINVAL, "progress within an extent");
    return 0;
}

static int hold_old_frame(struct domain *d, struct chunk *c, mfn_t m)
{
    const struct frame *f = frame_of(m);
    int error = frame_get(m, &d->memory);

    if (error) return error;
    c->in_frame[c->in_held++] = m.n;
    /* the allotment's and ours; so there are none of a type */
    if (!(f->state & FRAME_ALLOCATED) || frame_total(f) != 2)
        return fail_frame(-EINVAL, "the frame is mapped, pinned or granted", m, 0);
    return 0;
}

/* Everything that may fail. What is held afterwards is in the chunk, whatever the result. */
static int prepare(struct domain *d, const struct xen_memory_exchange *x, uint64_t in_list,
                   uint64_t out_list, struct chunk *c)
{
    uint64_t *in_first = c->out_frame;          /* which is free until the new ones come */
    int error = 0;

    if (copy_from_guest(c->out_pfn, VADDR(out_list), c->out_extents * sizeof(uint64_t)))
        return fail(-EFAULT, "the list of new extents");
    if (copy_from_guest(in_first, VADDR(in_list), c->in_extents * sizeof(uint64_t)))
        return fail(-EFAULT, "the list of old extents");
    for (uint64_t i = 0; i < c->in_extents; i++) {
        for (uint64_t j = 0; j < 1UL << x->in.extent_order && !error; j++)
            error = hold_old_frame(d, c, MFN(in_first[i] + j));
        if (error) return error;
    }
    for (uint64_t i = 0; i < c->out_extents; i++) {
        mfn_t m = domain_alloc_frames(&d->memory, x->out.extent_order,
                                      XENMEMF_get_address_bits(x->out.mem_flags), true);

        if (mfn_eq(m, INVALID_MFN)) return fail(-ENOMEM, "no contiguous memory");
        c->out_frame[c->out_held++] = m.n;
    }
    return 0;
}

static void take_back(struct domain *d, const struct xen_memory_exchange *x, struct chunk *c)
{
    for (uint64_t i = 0; i < c->in_held; i++)
        frame_put(MFN(c->in_frame[i]));
    for (uint64_t i = 0; i < c->out_held; i++)
        for (uint64_t j = 0; j < 1UL << x->out.extent_order; j++)
            if (domain_free_frame(&d->memory, MFN(c->out_frame[i] + j)))
                return; /* cannot be: nobody knows of the frame yet */
}

static void commit(struct domain *d, const struct xen_memory_exchange *x, struct chunk *c)
{
    for (uint64_t i = 0; i < c->in_held; i++) {
        /* cannot be: looked at, and nobody was here since (RING0_LOCK: else these must be frames
         * that nobody can get any more, before the new ones are given) */
        if (domain_free_frame(&d->memory, MFN(c->in_frame[i]))) return;
        frame_put(MFN(c->in_frame[i]));
    }
    for (uint64_t i = 0; i < c->out_extents; i++)
        for (uint64_t j = 0; j < 1UL << x->out.extent_order; j++)
            m2p_set(MFN(c->out_frame[i] + j), c->out_pfn[i] + j);
}

static int exchange_chunk(struct domain *d, const struct xen_memory_exchange *x, uint64_t frames,
                          struct chunk *c)
{
    uint64_t first = x->nr_exchanged << x->in.extent_order;
    uint64_t in_list = (uint64_t)(x->in.extent_start.p + x->nr_exchanged);
    uint64_t out_list = (uint64_t)(x->out.extent_start.p + (first >> x->out.extent_order));
    int error;

    c->in_extents = frames >> x->in.extent_order;
    c->out_extents = frames >> x->out.extent_order;
    c->in_held = c->out_held = 0;
    error = prepare(d, x, in_list, out_list, c);
    if (error) {
        take_back(d, x, c);
        return error;
    }
    commit(d, x, c);
    if (copy_to_guest(VADDR(out_list), c->out_frame, c->out_extents * sizeof(uint64_t)))
        return fail(-EFAULT, "the list of new extents");
    return 0;
}

long memory_exchange(struct memory_call *call, uint64_t arg)
{
    struct xen_memory_exchange x;
    struct chunk *c = NULL;
    struct domain *d;
    int error;

    if (read_guest(&x, arg)) return fail(-EFAULT, "the exchange");
    error = check(&x);
    if (error) return error;
    d = domain_named(x.in.domid, RESERVATION_OF, &error);
    if (!d) return error;
    c = hv_alloc_pages(CHUNK_ORDER);
    if (!c)
        error = fail(-ENOMEM, "no memory for the lists");

    while (!error && x.nr_exchanged < x.in.nr_extents) {
        uint64_t frames = 1UL << MAX(x.in.extent_order, x.out.extent_order);

        error = exchange_chunk(d, &x, frames, c);
        if (!error)
            x.nr_exchanged += frames >> x.in.extent_order;
        spend((int)frames * 4 * COST_FRAME);
        if (!error && x.nr_exchanged < x.in.nr_extents && spent())
            error = -ERESTART;
    }
    hv_free_pages(c, CHUNK_ORDER);
    domain_put(d);
    if (write_guest_u64(arg + offsetof(struct xen_memory_exchange, nr_exchanged), x.nr_exchanged))
        return fail(-EFAULT, "the exchange");
    return error == -ERESTART ? hypercall_continue(memory_op, OP(XENMEM_exchange), arg) : error;
}
