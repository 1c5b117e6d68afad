/* SPDX-License-Identifier: MIT */
/* The domains that dom0 tries its rights on, and frames of theirs, of ours, or of nobody we know.
 * See privilege.h. */
#include "privilege.h"

#include <xen/domctl.h>

#define FRAMES 64u

domid_t victim = DOMID_INVALID;
static xen_pfn_t frames[FRAMES];
static unsigned int used;

static long make_domain(domid_t *domain)
{
    struct xen_domctl op = { .cmd = XEN_DOMCTL_createdomain,
                             .interface_version = XEN_DOMCTL_INTERFACE_VERSION };
    long error;

    op.u.createdomain.max_vcpus = 1;
    op.u.createdomain.max_evtchn_port = 4095;
    op.u.createdomain.max_grant_frames = op.u.createdomain.max_maptrack_frames = -1;
    op.u.createdomain.grant_opts = XEN_DOMCTL_GRANT_version(1);
    error = HYPERVISOR_domctl(&op);
    *domain = op.domain;
    return error;
}

long destroy(domid_t domain)
{
    struct xen_domctl op = { .cmd = XEN_DOMCTL_destroydomain,
                             .interface_version = XEN_DOMCTL_INTERFACE_VERSION,
                             .domain = domain };

    return HYPERVISOR_domctl(&op);
}

domid_t disposable(domid_t target)
{
    domid_t domain;

    return is_dom0() && make_domain(&domain) == 0 ? domain : target;
}

/* An entry in the victim's table of grants, as it would write it: one of its frames, for itself. */
static void grant_to_itself(void)
{
    xen_pfn_t frame;
    struct gnttab_setup_table setup = { .dom = victim, .nr_frames = 1 };
    struct grant_entry_v1 *table;

    set_xen_guest_handle(setup.frame_list, &frame);
    NEED(HYPERVISOR_grant_table_op(GNTTABOP_setup_table, &setup, 1) == 0);
    table = map_frames(&frame, 1, PROT_RW, victim, NULL);
    NEED(setup.status == GNTST_okay && !IS_ERR(table));
    table[NOT_GRANTED] = (struct grant_entry_v1){
        .flags = GTF_permit_access, .domid = victim, .frame = (uint32_t)frames[used++]
    };
    unmap_frames(table, 1);
}

/* A domain with one vCPU, memory, an event channel and a grant; it never runs. */
void make_victim(void)
{
    struct xen_domctl op = { .interface_version = XEN_DOMCTL_INTERFACE_VERSION };
    struct xen_memory_reservation memory = { .nr_extents = FRAMES };
    struct evtchn_alloc_unbound port;

    NEED(make_domain(&victim) == 0);
    op.domain = memory.domid = port.dom = port.remote_dom = victim;
    op.cmd = XEN_DOMCTL_max_vcpus;
    op.u.max_vcpus.max = 1;
    NEED(HYPERVISOR_domctl(&op) == 0);
    op.cmd = XEN_DOMCTL_max_mem;
    op.u.max_mem.max_memkb = 16 << 10;
    NEED(HYPERVISOR_domctl(&op) == 0);
    for (unsigned int i = 0; i < FRAMES; i++)
        frames[i] = i;
    set_xen_guest_handle(memory.extent_start, frames);
    NEED(HYPERVISOR_memory_op(XENMEM_populate_physmap, &memory) == FRAMES);
    NEED(HYPERVISOR_event_channel_op(EVTCHNOP_alloc_unbound, &port) == 0 &&
         port.port == VICTIM_PORT);
    grant_to_itself();
}

unsigned long frame_of(domid_t target)
{
    void *page;

    if (target == DOMID_SELF) {
        NEED(page = alloc_zeroed_page());
        return virt_to_mfn(page);
    }
    if (target != victim) return foreign_mfn();
    NEED(used < FRAMES);
    return frames[used++];
}

void frame_done(domid_t target, unsigned long frame)
{
    if (target == DOMID_SELF)
        free_page(mfn_to_virt(frame));
}

unsigned long table_of(domid_t target)
{
    return target == DOMID_SELF ? virt_to_mfn(new_table()) : frame_of(target);
}

void table_done(domid_t target, unsigned long frame)
{
    if (target != DOMID_SELF) return;
    CHECK_IS(page_set_readonly(mfn_to_virt(frame), false), 0);
    free_page(mfn_to_virt(frame));
}
