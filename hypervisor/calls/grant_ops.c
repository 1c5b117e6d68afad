/* SPDX-License-Identifier: MIT */
/*
 * grant_table_op (<xen/grant_table.h>): the operations of version 1. Every request has a status of
 * its own, 0 or negative (XSA-316); the hypercall itself fails only when the requests cannot
 * be read or written.
 *
 * Refused with -ENOSYS: version 2 and its status frames, transfers, swaps, cache flushes (the
 * reasons: CONTRIBUTING.md, decision 2).
 */
#include "calls/named.h"
#include "domain/flush.h"
#include "domain/grant_table.h"
#include "entry/hypercall.h"
#include "lib/fail.h"
#include "lib/string.h"
#include "memory/access.h"
#include "memory/frame.h"
#include "memory/mmu.h"
#include "memory/paging.h"

/* Requests are an array in the guest's memory. So many at a time are read, performed and answered;
 * between two batches we look what else is waiting. Unmaps of a batch share one TLB flush. */
#define BATCH 16
#define OPERATION_BITS 12
#define COST_GRANT 1000             /* a mapping, its end, or a copy without its bytes */

union requests {
    struct gnttab_map_grant_ref map[BATCH];
    struct gnttab_unmap_grant_ref unmap[BATCH];
    struct gnttab_unmap_and_replace replace[BATCH];
    struct gnttab_copy copy[BATCH];
};

/* ---- map ---- */

static uint64_t pte_flags(uint32_t gntmap)
{
    uint64_t available = (uint64_t)(gntmap >> _GNTMAP_guest_avail0 & 7) << 9;
    return PTE_PRESENT | PTE_USER | available | (gntmap & GNTMAP_readonly ? 0 : PTE_WRITE);
}

static void put_mapping(mfn_t frame, bool writable)
{
    if (writable)
        frame_put_writable(frame);
    else
        frame_put(frame);
}

/* The half for the CPU: a page-table entry with references of its own, whose frame the grant holds
 * already. */
static int16_t map_for_cpu(struct domain *owner, const struct gnttab_map_grant_ref *op, mfn_t frame,
                           bool writable)
{
    struct domain_memory *from = &owner->memory;
    if (writable ? frame_get_writable(frame, from) : frame_get(frame, from))
        return refuse(GNTST_general_error, "too many references to the frame");
    int16_t status = mmu_map_grant(&current->tables, op->host_addr, frame, pte_flags(op->flags),
                                   op->flags & GNTMAP_contains_pte);
    if (status == GNTST_okay) return status;
    put_mapping(frame, writable);
    return (int16_t)about_value(status, op->host_addr);
}

/*
 * A mapping has two halves, for the CPU and for devices, each a user of the grant by itself; the
 * one for devices is nothing else, since there is no IOMMU to be told. *frame: what both are of.
 * Nothing stands when it fails.
 */
static int16_t map_halves(struct domain *owner, const struct gnttab_map_grant_ref *op, mfn_t *frame)
{
    bool writable = !(op->flags & GNTMAP_readonly), cpu = op->flags & GNTMAP_host_map,
         device = op->flags & GNTMAP_device_map;
    int16_t status = device ? grant_acquire(owner, op->ref, current->domain->id, writable, frame)
                            : GNTST_okay;
    if (status != GNTST_okay || !cpu) return status;
    status = grant_acquire(owner, op->ref, current->domain->id, writable, frame);
    if (status == GNTST_okay) {
        status = map_for_cpu(owner, op, *frame, writable);
        if (status == GNTST_okay) return GNTST_okay;
        grant_release(owner, op->ref, writable);
    }
    if (device)
        grant_release(owner, op->ref, writable);
    return status;
}

/* Everything that can fail happens before the handle's record is published, and is taken back in
 * reverse order. RING0_LOCK: else who guesses the handle could unmap it half published. */
static int16_t map_granted(struct domain *owner, struct gnttab_map_grant_ref *op)
{
    struct grant_table *gt = current->domain->grants;
    mfn_t frame;
    if (grants_holds_too_much(current->domain))
        return refuse(GNTST_no_space, "too many mappings left of domains that are gone");
    uint32_t handle = handle_alloc(gt);
    if (handle == NO_HANDLE) return refuse(GNTST_no_space, "no mapping handles left");
    int16_t status = map_halves(owner, op, &frame);
    if (status != GNTST_okay) {
        handle_free(gt, handle);
        return status;
    }
    struct mapping_record *r = record_of(gt, handle);
    r->ref = op->ref;
    r->flags = op->flags;
    /* with the caller's reference: from here on the handle is in use */
    r->owner = owner;
    op->handle = handle;
    op->dev_bus_addr = mfn_to_maddr(frame).a;
    return GNTST_okay;
}

static void map_one(struct gnttab_map_grant_ref *op)
{
    op->handle = NO_HANDLE;
    if (!(op->flags & (GNTMAP_host_map | GNTMAP_device_map))) {
        op->status = refuse(GNTST_bad_gntref, "a mapping is for the CPU, for devices, or both");
        return;
    }
    struct domain *owner = op->dom == DOMID_SELF ? NULL : domain_get(op->dom);
    if (!owner) {
        op->status = refuse_value(GNTST_bad_domain, "there is no such domain", op->dom);
        return;
    }
    op->status = map_granted(owner, op);
    if (op->status == GNTST_okay) return;
    (void)about_value(op->status, op->ref);
    domain_put(owner);
}

/* ---- unmap ---- */

/* What has ended of a mapping; the half for the CPU is out of the page table, and may still be in a
 * TLB. */
struct unmapped {
    struct domain *owner;
    mfn_t frame;
    uint32_t ref, handle;
    bool writable, by_cpu, by_device, last;     /* last: no half stands any more, the handle goes */
};

/* First half: what is to end leaves the page table, and cannot be ended again. A half whose address
 * is 0 stays, and so does one that has ended already. u->owner stays NULL if nothing was unmapped.
 * RING0_LOCK: the record is looked at and changed without one of its own: two vCPUs that unmap one
 * handle at once would both end it. */
static int16_t unmap_begin(uint32_t handle, uint64_t host_addr, uint64_t dev_bus_addr,
                           uint64_t new_addr, struct unmapped *u)
{
    struct grant_table *gt = current->domain->grants;
    struct mapping_record *r = handle_record(gt, handle);
    u->owner = NULL;
    if (!r) return refuse_value(GNTST_bad_handle, "no mapping has this handle", handle);
    u->frame = active_of(r->owner->grants, r->ref)->frame;      /* in use: it cannot change */
    u->ref = r->ref;
    u->handle = handle;
    u->writable = !(r->flags & GNTMAP_readonly);
    u->by_cpu = host_addr && (r->flags & GNTMAP_host_map);
    u->by_device = dev_bus_addr && (r->flags & GNTMAP_device_map);
    if (u->by_device && dev_bus_addr != mfn_to_maddr(u->frame).a)
        return refuse_value(GNTST_bad_dev_addr, "the bus address is not the mapping's",
                            dev_bus_addr);
    if (u->by_cpu) {
        int16_t status = mmu_unmap_grant(&current->tables, host_addr, u->frame, pte_flags(r->flags),
                                         r->flags & GNTMAP_contains_pte, new_addr);
        if (status != GNTST_okay) return status;
    }
    r->flags &= ~((u->by_cpu ? GNTMAP_host_map : 0u) | (u->by_device ? GNTMAP_device_map : 0u));
    if (u->by_cpu || u->by_device)
        u->owner = r->owner;
    u->last = !(r->flags & (GNTMAP_host_map | GNTMAP_device_map));
    if (u->last)
        r->owner = NULL; /* not on the free list yet */
    return GNTST_okay;
}

/* Second half, after one TLB flush for all of them. */
static void unmap_finish(struct unmapped *batch, uint32_t count)
{
    bool flush = false;
    for (uint32_t i = 0; i < count; i++)
        flush |= batch[i].by_cpu;
    if (flush)
        tlb_flush_domain(current->domain);
    race_point();
    for (uint32_t i = 0; i < count; i++) {
        struct unmapped *u = &batch[i];
        if (u->by_cpu)
            put_mapping(u->frame, u->writable);
        if (u->by_cpu)
            grant_release(u->owner, u->ref, u->writable);
        if (u->by_device)
            grant_release(u->owner, u->ref, u->writable);
        if (!u->last)
            continue;
        handle_free(current->domain->grants, u->handle);
        domain_put(u->owner);
    }
}

/* Of either kind; true: something was unmapped. */
static bool unmap_one(union requests *requests, uint32_t i, bool replace, struct unmapped *ended)
{
    struct gnttab_unmap_and_replace *r = &requests->replace[i];
    struct gnttab_unmap_grant_ref *u = &requests->unmap[i];
    if (replace)
        r->status = unmap_begin(r->handle, r->host_addr, 0, r->new_addr, ended);
    else
        u->status = unmap_begin(u->handle, u->host_addr, u->dev_bus_addr, 0, ended);
    return ended->owner;
}

/* ---- copy ---- */

/* One side of a copy: a frame held for its duration. */
struct copy_side {
    /* with a reference; NULL: ourselves, for a frame named by number */
    struct domain *owner;
    mfn_t frame;
};

/* Whose frame it is, named by number or by a grant. */
static inline int16_t copy_side_find(struct copy_side *side, const struct gnttab_copy_ptr *ptr,
                                     bool by_ref)
{
    side->owner = NULL;
    if (!by_ref && ptr->domid == DOMID_SELF) return GNTST_okay;
    side->owner = domain_get_self_or(ptr->domid);
    if (likely(side->owner)) return GNTST_okay;
    return refuse_value(GNTST_bad_domain, "there is no such domain", ptr->domid);
}

static inline __attribute__((always_inline)) int16_t copy_side_get(
    struct copy_side *side, const struct gnttab_copy_ptr *ptr, bool writable)
{
    if (side->owner)
        return grant_acquire(side->owner, ptr->u.ref, current->domain->id, writable, &side->frame);
    struct domain_memory *own = &current->domain->memory;
    mfn_t m = side->frame = MFN(ptr->u.gmfn);
    if (!(writable ? frame_get_writable(m, own) : frame_get(m, own))) return GNTST_okay;
    if (!writable || !frame_try_get(m, own))
        return refuse_frame(GNTST_bad_page, "not a frame of this domain", m);
    frame_put(m);
    return refuse_frame(GNTST_general_error,
                        "the frame cannot be written: it is a page table or a descriptor page", m);
}

static inline __attribute__((always_inline)) void copy_side_put(const struct copy_side *side,
                                                                const struct gnttab_copy_ptr *ptr,
                                                                bool writable)
{
    if (side->owner)
        grant_release(side->owner, ptr->u.ref, writable);
    else
        put_mapping(side->frame, writable);
}

static int16_t copy_bytes(const struct gnttab_copy *op, mfn_t from, mfn_t to)
{
    if (op->source.offset + op->len > (int)PAGE_SIZE || op->dest.offset + op->len > (int)PAGE_SIZE)
        return refuse(GNTST_bad_copy_arg, "the copy crosses a page boundary");
    spend(COST_CLEAR);
    memmove((char *)map_frame(to) + op->dest.offset, (char *)map_frame(from) + op->source.offset,
            op->len);
    return GNTST_okay;
}

static inline int16_t copy_between(const struct gnttab_copy *op, struct copy_side *from,
                                   struct copy_side *to)
{
    if ((from->owner && !(op->flags & GNTCOPY_source_gref)) ||
        (to->owner && !(op->flags & GNTCOPY_dest_gref)))
        return refuse(GNTST_permission_denied,
                      "only own frames are named by number, and by DOMID_SELF");
    int16_t status = copy_side_get(from, &op->source, false);
    if (status != GNTST_okay) return (int16_t)about_value(status, op->source.u.ref);
    status = copy_side_get(to, &op->dest, true);
    if (status == GNTST_okay) {
        status = copy_bytes(op, from->frame, to->frame);
        copy_side_put(to, &op->dest, true);
    } else {
        status = (int16_t)about_value(status, op->dest.u.ref);
    }
    copy_side_put(from, &op->source, false);
    return status;
}

/* Who is meant is judged before what of theirs, and how much of it last: the order in which Xen
 * finds several mistakes. */
static __attribute__((noinline)) int16_t copy_one(const struct gnttab_copy *op)
{
    struct copy_side from, to;
    int16_t status = copy_side_find(&from, &op->source, op->flags & GNTCOPY_source_gref);
    if (status != GNTST_okay) return status;
    status = copy_side_find(&to, &op->dest, op->flags & GNTCOPY_dest_gref);
    if (status == GNTST_okay) {
        status = copy_between(op, &from, &to);
        if (to.owner)
            domain_put(to.owner);
    }
    if (from.owner)
        domain_put(from.owner);
    return status;
}

/* ---- batches ---- */

/* 0: an operation that is not done in batches. */
static size_t size_of_request(uint32_t cmd)
{
    switch (cmd) {
    case OP(GNTTABOP_map_grant_ref):     return sizeof(struct gnttab_map_grant_ref);
    case OP(GNTTABOP_unmap_grant_ref):   return sizeof(struct gnttab_unmap_grant_ref);
    case OP(GNTTABOP_unmap_and_replace): return sizeof(struct gnttab_unmap_and_replace);
    case OP(GNTTABOP_copy):              return sizeof(struct gnttab_copy);
    default:                             return 0;
    }
}

/*
 * As many of the requests as the budget allows, at least one; how many. With a mapping of its last
 * page a dead domain may go, with all its structures, and that takes as long as an entry may: so
 * such a mapping is the last of its batch.
 */
static uint32_t perform(uint32_t cmd, union requests *requests, uint32_t count)
{
    struct unmapped ended[BATCH];
    uint32_t n = 0, i = 0;
    bool dead = false;
    do {
        if (cmd == OP(GNTTABOP_copy))
            requests->copy[i].status = copy_one(&requests->copy[i]);
        else if (cmd == OP(GNTTABOP_map_grant_ref))
            map_one(&requests->map[i]);
        else if (unmap_one(requests, i, cmd == OP(GNTTABOP_unmap_and_replace), &ended[n]))
            dead = ended[n++].owner->life == DOMAIN_DESTROYED;
        spend(COST_GRANT);
    } while (++i < count && !dead && !spent());
    unmap_finish(ended, n);
    return i;
}

static long perform_all(uint32_t cmd, size_t size, uint64_t arg, uint32_t count)
{
    union requests requests;
    while (count) {
        uint32_t n = MIN(count, BATCH);
        if (copy_from_guest(&requests, VADDR(arg), n * size))
            return fail(-EFAULT, "the requests cannot be read");
        n = perform(cmd, &requests, n);
        if (copy_to_guest(VADDR(arg), &requests, n * size))
            return fail(-EFAULT, "the requests cannot be answered");
        arg += n * size;
        count -= n;
        if (count && spent()) return hypercall_continue(grant_table_op, cmd, arg, count);
    }
    return 0;
}

/* ---- the table itself ---- */

#define TABLES_OF (NAMED_CONTROL | NAMED_IF_THERE | NAMED_LIVING)

/* The domain whose table is asked about: the caller's own, or any for the control domain. *status
 * says why NULL. */
static struct domain *table_owner(domid_t id, int16_t *status)
{
    int error;
    struct domain *d = domain_named(id, TABLES_OF, &error);
    *status = GNTST_okay;
    if (d && d->grants) return d;
    if (d)
        domain_put(d);
    if (!d && error == -EPERM)
        *status = refuse_value(GNTST_permission_denied, "another domain's grant table", id);
    else
        *status = refuse_value(GNTST_bad_domain, "no such domain, or it has no grant table", id);
    return NULL;
}

static int write_frame_list(struct domain *d, const struct gnttab_setup_table *op)
{
    if (op->nr_frames > d->grants->max_frames)
        return refuse(GNTST_general_error, "beyond the limit of the domain's grant table");
    for (uint32_t i = 0; i < op->nr_frames; i++) {
        mfn_t frame;
        if (i >= d->grants->frames && spent()) return -ERESTART;
        if (grants_shared_frame(d, i, &frame))
            return refuse(GNTST_general_error, "no memory for so many frames");
        spend(COST_ENTRY);
        if (write_guest_u64((uint64_t)op->frame_list.p + i * sizeof(uint64_t), frame.n))
            return refuse(GNTST_bad_virt_addr, "the frame list cannot be written");
    }
    return GNTST_okay;
}

/* The table has what frames were added when it gives way: the rest is added when the guest asks
 * again. */
static int setup_table(struct domain *caller, struct gnttab_setup_table *op)
{
    if (!guest_range_ok((uint64_t)op->frame_list.p, op->nr_frames * sizeof(uint64_t)))
        return fail(-EFAULT, "the frame list is nowhere");
    struct domain *d = table_owner(op->dom, &op->status);
    if (!d) return 0;
    int status = write_frame_list(d, op);
    domain_put(d);
    if (status == -ERESTART) return status;
    op->status = (int16_t)status;
    return 0;
}

static int query_size(struct domain *caller, struct gnttab_query_size *op)
{
    struct domain *d = table_owner(op->dom, &op->status);
    if (!d) return 0;
    op->nr_frames = d->grants->frames;
    op->max_nr_frames = d->grants->max_frames;
    domain_put(d);
    return 0;
}

static int get_version(struct domain *caller, struct gnttab_get_version *op)
{
    int error;
    struct domain *d = domain_named(op->dom, TABLES_OF, &error);
    if (!d) return error;
    domain_put(d);
    op->version = 1;
    return 0;
}

/* The answer is the version that stands, whatever was asked. */
static int set_version(struct domain *caller, uint64_t arg)
{
    struct gnttab_set_version op;
    if (read_guest(&op, arg)) return UNREADABLE;
    uint32_t asked = op.version;
    op.version = 1;
    int error = ANSWER(arg, &op);
    if (error || asked == 1) return error;
    if (asked == 2) return fail(-ENOSYS, "version 2 is not offered");
    return fail(-EINVAL, "there is no such version");
}

/* --- not offered: a call that is wrong on Xen is wrong here; one that is right has nobody --- */

static int transfer(struct domain *caller, const struct gnttab_transfer *op)
{
    return fail(-ENOSYS, "transfers are not offered");
}

static int swap_grant_ref(struct domain *caller, const struct gnttab_swap_grant_ref *op)
{
    return fail(-ENOSYS, "swaps are not offered");
}

static int cache_flush(struct domain *caller, const struct gnttab_cache_flush *op)
{
    if (op->op & ~(GNTTAB_CACHE_CLEAN | GNTTAB_CACHE_INVAL)) return fail(-EINVAL, "no such flush");
    if (op->offset >= PAGE_SIZE || op->offset + op->length > (int)PAGE_SIZE)
        return fail(-EINVAL, "a flush not within one page");
    return fail(-ENOSYS, "cache flushes are not offered");
}

static int get_status_frames(struct domain *caller, const struct gnttab_get_status_frames *op)
{
    if (!guest_range_ok((uint64_t)op->frame_list.p, op->nr_frames * sizeof(uint64_t)))
        return fail(-EFAULT, "the frame list is nowhere");
    return fail(-ENOSYS, "version 2 is not offered");
}

static const struct operation operations[] = {
    ROW(GNTTABOP_setup_table, domain, gnttab_setup_table, setup_table),
    ROW(GNTTABOP_query_size, domain, gnttab_query_size, query_size),
    ROW(GNTTABOP_get_version, domain, gnttab_get_version, get_version),
    ROW_AT(GNTTABOP_set_version, domain, set_version),
    ROW(GNTTABOP_transfer, domain, gnttab_transfer, transfer),
    ROW(GNTTABOP_swap_grant_ref, domain, gnttab_swap_grant_ref, swap_grant_ref),
    ROW(GNTTABOP_cache_flush, domain, gnttab_cache_flush, cache_flush),
    ROW(GNTTABOP_get_status_frames, domain, gnttab_get_status_frames, get_status_frames),
};

long do_grant_table_op(unsigned int cmd, uint64_t arg, unsigned int count)
{
    size_t size = size_of_request(cmd);
    long result;
    if (count > INT32_MAX) return fail(-EINVAL, "an absurd number of requests");
    if (cmd >> OPERATION_BITS) return fail(-EINVAL, "more than an operation's number");
    if (size) return perform_all(cmd, size, arg, count);
    switch (cmd) {
    case OP(GNTTABOP_setup_table): case OP(GNTTABOP_query_size):
    case OP(GNTTABOP_get_status_frames):
        if (count != 1) return fail(-EINVAL, "one request at a time");
        break;
    case OP(GNTTABOP_transfer): case OP(GNTTABOP_swap_grant_ref): case OP(GNTTABOP_cache_flush):
        if (count == 0) return fail(-ENOSYS, "it is not offered, and nothing was asked");
    }
    result = operation_call(operations, ARRAY_SIZE(operations), cmd, current->domain, arg, NULL);
    return result == -ERESTART ? hypercall_continue(grant_table_op, cmd, arg, count) : result;
}
