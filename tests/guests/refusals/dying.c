/* SPDX-License-Identifier: MIT */
/*
 * A large domain takes long to end, so its end comes in pieces. Between two of them it is dying,
 * and we try to give it what it would never give back: memory, a vCPU's tables, an event port; and
 * to use its grants.
 */
#include "refusals.h"

#include <abi/domus.h>
#include <xen/memory.h>

#define PIECES  128u                /* of 2 MiB */

static domid_t there;
static long populated, context_set, port_made;
static int16_t copied;
static uint64_t target[512] __attribute__((aligned(PAGE_SIZE)));

static bool is_dying(void)
{
    struct xen_domctl op = { .cmd = XEN_DOMCTL_getdomaininfo, .domain = there };

    return domctl(&op) == 0 && op.domain == there && (op.u.getdomaininfo.flags & XEN_DOMINF_dying);
}

static void try_all(void)
{
    static xen_pfn_t frame;
    struct xen_memory_reservation r = { .nr_extents = 1, .domid = there };
    struct xen_domctl set = { .cmd = XEN_DOMCTL_setvcpucontext, .domain = there };
    struct evtchn_alloc_unbound alloc = { .dom = there, .remote_dom = DOMID_SELF };
    struct gnttab_copy copy = { .source = { .u.ref = 8, .domid = there }, .len = 8,
                                .dest = { .domid = DOMID_SELF }, .flags = GNTCOPY_source_gref };

    set_xen_guest_handle(r.extent_start, &frame);
    populated = HYPERVISOR_memory_op(XENMEM_populate_physmap, &r);
    set.u.vcpucontext.ctxt.p = NOWHERE;         /* not even looked at */
    context_set = domctl(&set);
    port_made = HYPERVISOR_event_channel_op(EVTCHNOP_alloc_unbound, &alloc);
    copy.dest.u.gmfn = virt_to_mfn(target);
    (void)HYPERVISOR_grant_table_op(GNTTABOP_copy, &copy, 1);
    copied = copy.status;
}

void refused_to_the_dying(void)
{
    static xen_pfn_t frames[PIECES];
    struct xen_memory_reservation r = { .nr_extents = PIECES, .extent_order = 9 };
    int id = domain_make(PIECES * 512);

    NEED(id > 0);
    r.domid = there = (domid_t)id;
    for (unsigned int i = 0; i < PIECES; i++)
        frames[i] = i * 512;
    set_xen_guest_handle(r.extent_start, frames);
    NEED(HYPERVISOR_memory_op(XENMEM_populate_physmap, &r) == PIECES);
    CHECK_IS(HYPERVISOR_domus_op(DOMUS_destroy, (void *)(unsigned long)id), -EAGAIN);
    try_all();
    NEED(is_dying());
    domain_unmake(there);
    CHECK_IS(populated, 0);                     /* It has had no extent. */
    /* What was refused last is whether all had ended. */
    CHECK(context_set == -EINVAL && port_made == -EINVAL);
    CHECK(copied == GNTST_bad_domain);
}
