/* SPDX-License-Identifier: MIT */
/*
 * domctl (<xen/domctl.h>): the control domain makes, fills, watches and ends domains. The
 * structures and the interface version are Xen 4.17's, so a toolstack built for it can drive Domus.
 *
 * Lock: domctl_lock, taken by trying: who does not get it makes the same call again. No
 * interrupt handler takes it.
 */
#include "control/domctl.h"
#include "calls/named.h"
#include "control/cpus.h"
#include "domain/domain.h"
#include "domain/grants.h"
#include "domain/schedule.h"
#include "domain/time.h"
#include "entry/hypercall.h"
#include "lib/fail.h"
#include "lib/string.h"
#include "memory/access.h"
#include "memory/frame.h"

#define PAGEINFO_MAX 1024           /* frames asked about at once, as on Xen */
#define COST_PAGEINFO 120           /* instructions: one of them looked up, and written */
#define COST_STUBS    7000          /* a hypercall page written */

static spinlock_t domctl_lock = SPINLOCK(LOCK_DOMCTL);

/* ---- creating ---- */

static int check_config(const struct xen_domctl_createdomain *c)
{
    if (c->flags & ~(uint32_t)(XEN_DOMCTL_CDF_xs_domain))
        return fail(-EINVAL, "only plain PV domains: no HVM, no IOMMU, no tracing");
    if (c->max_vcpus < 1 || c->max_vcpus > MAX_VCPUS)
        return fail(-EINVAL, "a domain has 1 to 32 vCPUs");
    if (XEN_DOMCTL_GRANT_version(c->grant_opts) != 1)
        return fail(-EINVAL, "grant tables are of version 1");
    if (c->vmtrace_size || c->iommu_opts || c->cpupool_id)
        return fail(-EINVAL, "no tracing, IOMMU or further CPU pools");
    if (c->arch.emulation_flags || (c->arch.misc_flags & ~XEN_X86_MSR_RELAXED))
        return fail(-EINVAL, "PV domains have no emulated devices");
    return 0;
}

/* The number asked for, or the next free one after the last given out: a number is not used again
 * soon. */
static struct domain *create_numbered(domid_t wanted, uint32_t vcpus, int *error)
{
    static domid_t last;
    uint32_t next;
    if (wanted > 0 && wanted < DOMID_FIRST_RESERVED) {
        if (wanted < MAX_DOMAINS) return domain_create(wanted, vcpus, false, error);
        *error = fail(-EINVAL, "domain numbers go up to 1023");
        return NULL;
    }
    next = domain_free_number(last);
    if (next < MAX_DOMAINS) return domain_create(last = (domid_t)next, vcpus, false, error);
    *error = fail(-ENOSPC, "all domain numbers are in use");
    return NULL;
}

/* The domain as it is has no memory and was never run: destroying it cannot take long. */
static void abandon(struct domain *d)
{
    while (domain_destroy(d) == -ERESTART)
        ;
}

/* -ERESTART: there is more of it. */
static int destroy(struct domain *d, uint64_t unused)
{
    return d == current->domain ? fail(-EINVAL, "not the caller itself") : domain_destroy(d);
}

int domctl_destroy_some(domid_t id)
{
    int error;
    struct domain *d;

    /* another may have stepped back from ring 0 in the middle of what it does to the domain */
    if (!spin_trylock(&domctl_lock)) return expected(-EAGAIN, "a domctl is under way: ask again");
    d = domain_named(id, NAMED_ANY, &error);
    if (d) {
        error = destroy(d, 0);
        domain_put(d);
    }
    spin_unlock(&domctl_lock);
    return error == -ERESTART ? expected(-EAGAIN, "there is more of the domain: ask again") : error;
}

static int create(struct xen_domctl *op)
{
    const struct xen_domctl_createdomain *c = &op->u.createdomain;
    int error = check_config(c);
    if (error) return error;
    struct domain *d = create_numbered(op->domain, c->max_vcpus, &error);
    if (!d) return error;
    memcpy(d->handle, c->handle, sizeof(d->handle));
    d->ssidref = c->ssidref;
    d->events.limit = c->max_evtchn_port >= NR_EVTCHNS ? NR_EVTCHNS : c->max_evtchn_port + 1;
    d->toolstack_pauses = 1;
    domain_pause(d);
    error = grants_create(d, c->max_grant_frames, c->max_maptrack_frames);
    if (error)
        abandon(d);
    else
        op->domain = d->id;
    return error;
}

static int make_vcpus(struct domain *d, const struct xen_domctl_max_vcpus *op)
{
    if (op->max != d->vcpu_count || domain_is_dying(d))
        return fail(-EINVAL, "as many as the domain was created for, while it lives");
    for (uint32_t i = 0; i < op->max; i++) {
        if (d->vcpus[i])
            continue;
        if (i && spent()) return -ERESTART;
        if (!vcpu_create(d, i)) return fail(-ENOMEM, "no memory for a vCPU");
    }
    return 0;
}

/* ---- pausing and ending ---- */

static int pause(struct domain *d, uint64_t unused)
{
    if (d == current->domain) return fail(-EINVAL, "who pauses itself stays so");
    d->toolstack_pauses++;
    domain_pause(d);
    return 0;
}

static int unpause(struct domain *d, uint64_t unused)
{
    if (!d->toolstack_pauses) return fail(-EINVAL, "the domain is not paused");
    if (--d->toolstack_pauses == 0)
        update_domain_time(d);
    d->started |= !d->toolstack_pauses;
    domain_unpause(d);
    return 0;
}

/* ---- memory ---- */

static int set_max_mem(struct domain *d, const struct xen_domctl_max_mem *op)
{
    d->memory.max_pages = op->max_memkb >> (PAGE_SHIFT - 10);
    d->memory.most_pages = MAX(d->memory.most_pages, d->memory.max_pages);
    return 0;
}

static int fill_hypercall_page(struct domain *d, const struct xen_domctl_hypercall_init *op)
{
    mfn_t frame = MFN(op->gmfn);

    if (frame_get_writable(frame, &d->memory))
        return fail_frame(-EACCES, "not a frame of the domain that can be written", frame, 0);
    spend(COST_STUBS);
    hypercall_page_fill(map_frame(frame));
    frame_put_writable(frame);
    return 0;
}

static uint64_t page_info(struct domain *d, mfn_t frame)
{
    static const uint32_t types[] = {
        [FRAME_L1] = XEN_DOMCTL_PFINFO_L1TAB, [FRAME_L2] = XEN_DOMCTL_PFINFO_L2TAB,
        [FRAME_L3] = XEN_DOMCTL_PFINFO_L3TAB, [FRAME_L4] = XEN_DOMCTL_PFINFO_L4TAB,
    };
    if (!frame_try_get(frame, &d->memory)) return XEN_DOMCTL_PFINFO_XTAB;
    const struct frame *f = frame_of(frame);
    uint64_t info = frame_is_table(frame_type(f)) && frame_typed(f) ? types[frame_type(f)]
                                                                    : XEN_DOMCTL_PFINFO_NOTAB;
    if (f->state & FRAME_PINNED)
        info |= XEN_DOMCTL_PFINFO_LPINTAB;
    frame_put(frame);
    return info;
}

/* Each frame number of the array is replaced by what the frame is. Those that are done are no
 * longer in the operation when it is made again for the others. */
static int get_page_info(struct domain *d, struct xen_domctl_getpageframeinfo3 *op)
{
    if (op->num > PAGEINFO_MAX) return fail(-E2BIG, "at most 1024 frames at once");
    for (; op->num; op->num--, op->array.p++) {
        uint64_t va = (uint64_t)op->array.p, frame;
        if (read_guest_u64(&frame, va) || write_guest_u64(va, page_info(d, MFN(frame))))
            return fail(-EFAULT, "the array cannot be read and written");
        spend(COST_PAGEINFO);
        if (spent() && op->num > 1) {
            op->num--;
            op->array.p++;
            return -ERESTART;
        }
    }
    return 0;
}

/* ---- the rest ---- */

static int set_handle(struct domain *d, const struct xen_domctl_setdomainhandle *op)
{
    memcpy(d->handle, op->handle, sizeof(d->handle));
    return 0;
}

/* Without an I/O permission list of its own, no domain but the control domain has any: taking them
 * away is no change. */
static int permission(bool allow)
{
    return allow ? fail(-EOPNOTSUPP, "devices are the control domain's") : 0;
}

static int irq_permission(struct domain *d, const struct xen_domctl_irq_permission *op)
{
    return permission(op->allow_access);
}

static int iomem_permission(struct domain *d, const struct xen_domctl_iomem_permission *op)
{
    return permission(op->allow_access);
}

static int ioport_permission(struct domain *d, const struct xen_domctl_ioport_permission *op)
{
    return permission(op->allow_access);
}

static int set_address_size(struct domain *d, const struct xen_domctl_address_size *op)
{
    return op->size == 64 ? 0 : fail(-EINVAL, "64-bit guests only");
}

static int get_address_size(struct domain *d, struct xen_domctl_address_size *op)
{
    op->size = 64;
    return 0;
}

/* As Xen's credit scheduler: weight 0 leaves it as it is, and a cap of all ones too. */
static int scheduler(struct domain *d, struct xen_domctl_scheduler_op *op)
{
    if (op->sched_id != XEN_SCHEDULER_CREDIT) return fail(-EINVAL, "another scheduler");
    switch (op->cmd) {
    case XEN_DOMCTL_SCHEDOP_putinfo:
        if (op->u.credit.cap != UINT16_MAX)
            domain_set_cap(d, op->u.credit.cap);
        if (op->u.credit.weight)
            domain_set_weight(d, op->u.credit.weight);
        return 0;
    case XEN_DOMCTL_SCHEDOP_getinfo:
        op->u.credit.weight = (uint16_t)d->share.weight;
        op->u.credit.cap = (uint16_t)d->share.cap;
        return 0;
    default:
        return fail(-EINVAL, "weights and caps are of whole domains");
    }
}

static int set_time_offset(struct domain *d, const struct xen_domctl_settimeoffset *op)
{
    d->time.offset_seconds = op->time_offset_seconds;
    update_domain_wallclock(d);
    return 0;
}

/* ---- time and memory that are one and the same for all ---- */

/* Xen's modes; 0 is as the hypervisor likes it */
#define TSC_EMULATED 1u
#define TSC_NATIVE   2u

/* The TSC is the machine's, whatever rate a guest had elsewhere: pvclock tells it ours. */
static int set_tsc(struct domain *d, const struct xen_domctl_tsc_info *op)
{
    if (op->tsc_mode == TSC_EMULATED) return fail(-EOPNOTSUPP, "the TSC is never emulated");
    return op->tsc_mode > TSC_NATIVE ? fail(-EINVAL, "no such mode of the TSC") : 0;
}

static int get_tsc(struct domain *d, struct xen_domctl_tsc_info *op)
{
    *op = (struct xen_domctl_tsc_info){ .tsc_mode = TSC_NATIVE,
                                        .gtsc_khz = (uint32_t)tsc_khz() };
    return 0;
}

#define NODES 1u                    /* a map of them: there is one */

static int set_nodes(struct domain *d, const struct xen_domctl_nodeaffinity *op)
{
    cpumask_t nodes = 0;
    int error = cpu_map_read(&op->nodemap, &nodes);

    return error || (nodes & NODES) ? error : fail(-EINVAL, "none of these nodes is there");
}

static int get_nodes(struct domain *d, struct xen_domctl_nodeaffinity *op)
{
    return cpu_map_write(&op->nodemap, NODES);
}

static const struct operation operations[] = {
    ROW_AT(XEN_DOMCTL_destroydomain, domain, destroy),
    ROW_AT(XEN_DOMCTL_pausedomain, domain, pause),
    ROW_AT(XEN_DOMCTL_unpausedomain, domain, unpause),
    ROW(XEN_DOMCTL_max_vcpus, domain, xen_domctl_max_vcpus, make_vcpus),
    ROW(XEN_DOMCTL_max_mem, domain, xen_domctl_max_mem, set_max_mem),
    ROW(XEN_DOMCTL_hypercall_init, domain, xen_domctl_hypercall_init, fill_hypercall_page),
    ROW(XEN_DOMCTL_getpageframeinfo3, domain, xen_domctl_getpageframeinfo3, get_page_info),
    ROW(XEN_DOMCTL_settimeoffset, domain, xen_domctl_settimeoffset, set_time_offset),
    ROW(XEN_DOMCTL_setdomainhandle, domain, xen_domctl_setdomainhandle, set_handle),
    ROW(XEN_DOMCTL_irq_permission, domain, xen_domctl_irq_permission, irq_permission),
    ROW(XEN_DOMCTL_iomem_permission, domain, xen_domctl_iomem_permission, iomem_permission),
    ROW(XEN_DOMCTL_ioport_permission, domain, xen_domctl_ioport_permission, ioport_permission),
    ROW(XEN_DOMCTL_set_address_size, domain, xen_domctl_address_size, set_address_size),
    ROW(XEN_DOMCTL_get_address_size, domain, xen_domctl_address_size, get_address_size),
    ROW(XEN_DOMCTL_scheduler_op, domain, xen_domctl_scheduler_op, scheduler),
    ROW(XEN_DOMCTL_setvcpucontext, domain, xen_domctl_vcpucontext, domctl_set_context),
    ROW(XEN_DOMCTL_getvcpucontext, domain, xen_domctl_vcpucontext, domctl_get_context),
    ROW(XEN_DOMCTL_getvcpuinfo, domain, xen_domctl_getvcpuinfo, domctl_vcpu_info),
    ROW(XEN_DOMCTL_setvcpuaffinity, domain, xen_domctl_vcpuaffinity, domctl_set_affinity),
    ROW(XEN_DOMCTL_getvcpuaffinity, domain, xen_domctl_vcpuaffinity, domctl_get_affinity),
    ROW(XEN_DOMCTL_settscinfo, domain, xen_domctl_tsc_info, set_tsc),
    ROW(XEN_DOMCTL_gettscinfo, domain, xen_domctl_tsc_info, get_tsc),
    ROW(XEN_DOMCTL_setnodeaffinity, domain, xen_domctl_nodeaffinity, set_nodes),
    ROW(XEN_DOMCTL_getnodeaffinity, domain, xen_domctl_nodeaffinity, get_nodes),
    ROW(XEN_DOMCTL_get_cpu_policy, domain, xen_domctl_cpu_policy, domctl_get_policy),
    ROW(XEN_DOMCTL_set_cpu_policy, domain, xen_domctl_cpu_policy, domctl_set_policy),
    ROW(XEN_DOMCTL_sendtrigger, domain, xen_domctl_sendtrigger, domctl_send_trigger),
    ROW_AT(XEN_DOMCTL_resumedomain, domain, domctl_resume),
    ROW(XEN_DOMCTL_getvcpuextstate, domain, xen_domctl_vcpuextstate, domctl_get_xstate),
    ROW(XEN_DOMCTL_setvcpuextstate, domain, xen_domctl_vcpuextstate, domctl_set_xstate),
    ROW(XEN_DOMCTL_get_ext_vcpucontext, domain, xen_domctl_ext_vcpucontext, domctl_get_extended),
    ROW(XEN_DOMCTL_set_ext_vcpucontext, domain, xen_domctl_ext_vcpucontext, domctl_set_extended),
    ROW(XEN_DOMCTL_get_vcpu_msrs, domain, xen_domctl_vcpu_msrs, domctl_get_msrs),
    ROW(XEN_DOMCTL_set_vcpu_msrs, domain, xen_domctl_vcpu_msrs, domctl_set_msrs),
};

/* Information about a domain: of this number, or of the next higher one there is. */
static int get_info(struct xen_domctl *op)
{
    if (op->domain >= DOMID_FIRST_RESERVED) return fail(-EINVAL, "not the number of a domain");
    struct domain *d = domain_get_from(op->domain);
    if (!d) return expected(-ESRCH, "there is no domain from this number on");
    domain_info(d, &op->u.getdomaininfo);
    op->domain = d->id;
    domain_put(d);
    return 0;
}

static int domctl(struct xen_domctl *op, bool *answers)
{
    if (op->cmd == OP(XEN_DOMCTL_createdomain) || op->cmd == OP(XEN_DOMCTL_getdomaininfo)) {
        *answers = true;
        return op->cmd == OP(XEN_DOMCTL_createdomain) ? create(op) : get_info(op);
    }
    int error;
    struct domain *d = domain_named(op->domain, NAMED_ANY, &error);
    if (!d) return error;
    error = operation_perform(operations, ARRAY_SIZE(operations), op->cmd, d, &op->u, answers);
    domain_put(d);
    return error;
}

long do_domctl(uint64_t arg)
{
    struct xen_domctl op;
    bool answers = false;
    spend(COST_CALL);                       /* it comes and goes, and its domain is found */
    if (read_guest(&op, arg)) return fail(-EFAULT, "the operation cannot be read");
    if (op.interface_version != XEN_DOMCTL_INTERFACE_VERSION)
        return fail(-EACCES, "another version of the domctl interface");
    if (!spin_trylock(&domctl_lock)) return hypercall_continue(domctl, arg);
    int error = domctl(&op, &answers);
    spin_unlock(&domctl_lock);
    answers &= !error || error == -ERESTART || error == -ENOBUFS;       /* that one says how many */
    int answered = answers ? ANSWER(arg, &op) : 0;
    if (answered) return answered;
    return error == -ERESTART ? hypercall_continue(domctl, arg) : error;
}
