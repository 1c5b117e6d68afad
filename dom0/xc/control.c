/* SPDX-License-Identifier: MIT */
/*
 * domctl, sysctl and their kin for the toolstack (control.h). One function an operation; no policy.
 * What takes long is asked for piece by piece, and everybody else in dom0 has his turn in between.
 */
#include "dom0/xc/control.h"
#include <abi/domus.h>
#include <pvguest/bits.h>
#include <pvguest/hypercalls.h>
#include <pvguest/thread.h>

#define GUEST_MAPTRACK_FRAMES 8
/* Pages of a new domain asked for at once; between two of these dom0's other threads work. */
#define PIECE 32u

int control_domain(struct xen_domctl *op)
{
    op->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    return (int)HYPERVISOR_domctl(op);
}

int control_system(struct xen_sysctl *op)
{
    op->interface_version = XEN_SYSCTL_INTERFACE_VERSION;
    return (int)HYPERVISOR_sysctl(op);
}

int domain_create(const struct build_request *request, const xen_domain_handle_t handle,
                  domid_t *domid)
{
    /* 0: the next free number. */
    struct xen_domctl op = { .cmd = XEN_DOMCTL_createdomain, .domain = 0 };
    struct xen_domctl more = { .cmd = XEN_DOMCTL_max_vcpus };
    int error;

    op.u.createdomain.max_vcpus = request->vcpus;
    op.u.createdomain.max_evtchn_port = 4095;   /* What two-level events can address. */
    op.u.createdomain.max_grant_frames = request->grant_frames ? (int32_t)request->grant_frames
                                                               : -1;
    op.u.createdomain.max_maptrack_frames = request->maptrack_frames
                                                ? (int32_t)request->maptrack_frames
                                                : GUEST_MAPTRACK_FRAMES;
    op.u.createdomain.grant_opts = XEN_DOMCTL_GRANT_version(1);
    memcpy(op.u.createdomain.handle, handle, sizeof(xen_domain_handle_t));
    error = control_domain(&op);
    if (error) return error;
    *domid = op.domain;
    more.domain = op.domain;
    more.u.max_vcpus.max = request->vcpus;
    error = control_domain(&more);
    if (error)
        domain_destroy(*domid);
    return error;
}

static int simple(uint32_t cmd, domid_t domid)
{
    struct xen_domctl op = { .cmd = cmd, .domain = domid };

    return control_domain(&op);
}

/* By steps, for other threads have work to do meanwhile; on real Xen at once. */
int domain_destroy(domid_t domid)
{
    long error;

    while ((error = HYPERVISOR_domus_op(DOMUS_destroy, (void *)(uintptr_t)domid)) == -EAGAIN)
        thread_yield();
    return error == -ENOSYS ? simple(XEN_DOMCTL_destroydomain, domid) : (int)error;
}

int domain_pause(domid_t domid)
{
    return simple(XEN_DOMCTL_pausedomain, domid);
}

int domain_unpause(domid_t domid)
{
    return simple(XEN_DOMCTL_unpausedomain, domid);
}

int domain_set_max_memory(domid_t domid, uint64_t pages)
{
    struct xen_domctl op = { .cmd = XEN_DOMCTL_max_mem, .domain = domid };

    op.u.max_mem.max_memkb = pages * (PAGE_BYTES / 1024);
    return control_domain(&op);
}

int domain_get_info(domid_t domid, struct xen_domctl_getdomaininfo *info)
{
    struct xen_domctl op = { .cmd = XEN_DOMCTL_getdomaininfo, .domain = domid };
    int error = control_domain(&op);

    if (error) return error;
    /* Xen answers with the next domain when there is a gap. */
    if (op.domain != domid) return refused(-ESRCH);
    *info = op.u.getdomaininfo;
    return 0;
}

int domain_get_vcpu(domid_t domid, unsigned vcpu, struct xen_domctl_getvcpuinfo *info)
{
    struct xen_domctl op = { .cmd = XEN_DOMCTL_getvcpuinfo, .domain = domid };
    int error;

    op.u.getvcpuinfo.vcpu = vcpu;
    error = control_domain(&op);
    *info = op.u.getvcpuinfo;
    return error;
}

/* Of the scheduler that there is: Xen's two kinds of credit have weight and cap in one place and
 * with one meaning. */
static int scheduler_op(domid_t domid, uint32_t cmd, struct xen_domctl_sched_credit *credit)
{
    struct xen_sysctl which = { .cmd = XEN_SYSCTL_sched_id };
    struct xen_domctl op = { .cmd = XEN_DOMCTL_scheduler_op, .domain = domid };
    int error = control_system(&which);

    op.u.scheduler_op.sched_id = which.u.sched_id.sched_id;
    op.u.scheduler_op.cmd = cmd;
    op.u.scheduler_op.u.credit = *credit;
    error = error ? error : control_domain(&op);
    *credit = op.u.scheduler_op.u.credit;
    return error;
}

int domain_get_share(domid_t domid, struct domain_share *share)
{
    struct xen_domctl_sched_credit credit = { 0 };
    int error = scheduler_op(domid, XEN_DOMCTL_SCHEDOP_getinfo, &credit);

    *share = (struct domain_share){ .weight = credit.weight, .cap = credit.cap };
    return error;
}

int domain_set_share(domid_t domid, const struct domain_share *share)
{
    struct xen_domctl_sched_credit credit = { .weight = (uint16_t)share->weight,
                                              .cap = (uint16_t)share->cap };

    return scheduler_op(domid, XEN_DOMCTL_SCHEDOP_putinfo, &credit);
}

static void name_map(struct xenctl_bitmap *map, uint64_t *cpus)
{
    map->nr_bits = 64;
    map->bitmap.p = (uint8_t *)cpus;
}

int domain_get_affinity(domid_t domid, unsigned vcpu, uint64_t *hard, uint64_t *soft)
{
    struct xen_domctl op = { .cmd = XEN_DOMCTL_getvcpuaffinity, .domain = domid };

    op.u.vcpuaffinity.vcpu = vcpu;
    op.u.vcpuaffinity.flags = XEN_VCPUAFFINITY_HARD | XEN_VCPUAFFINITY_SOFT;
    name_map(&op.u.vcpuaffinity.cpumap_hard, hard);
    name_map(&op.u.vcpuaffinity.cpumap_soft, soft);
    return control_domain(&op);
}

int domain_set_affinity(domid_t domid, unsigned vcpu, uint64_t hard, uint64_t soft, bool force)
{
    struct xen_domctl op = { .cmd = XEN_DOMCTL_setvcpuaffinity, .domain = domid };

    op.u.vcpuaffinity.vcpu = vcpu;
    op.u.vcpuaffinity.flags = (hard ? XEN_VCPUAFFINITY_HARD : 0) |
                              (soft ? XEN_VCPUAFFINITY_SOFT : 0) |
                              (force ? XEN_VCPUAFFINITY_FORCE : 0);
    name_map(&op.u.vcpuaffinity.cpumap_hard, &hard);
    name_map(&op.u.vcpuaffinity.cpumap_soft, &soft);
    return control_domain(&op);
}

int domain_trigger(domid_t domid, unsigned trigger, unsigned vcpu)
{
    struct xen_domctl op = { .cmd = XEN_DOMCTL_sendtrigger, .domain = domid };

    op.u.sendtrigger.trigger = trigger;
    op.u.sendtrigger.vcpu = vcpu;
    return control_domain(&op);
}

int domain_populate(domid_t domid, unsigned long *frames, uint64_t pages)
{
    uint64_t done = 0;

    for (uint64_t i = 0; i < pages; i++)
        frames[i] = i;                          /* In: guest frame numbers. Out: machine frames. */
    while (done < pages) {
        uint64_t piece = MIN(pages - done, (uint64_t)PIECE);
        struct xen_memory_reservation reservation = { .nr_extents = piece, .domid = domid };
        long result;

        set_xen_guest_handle(reservation.extent_start, frames + done);
        result = HYPERVISOR_memory_op(XENMEM_populate_physmap, &reservation);
        if (result < 0) return (int)result;
        if (result == 0) return refused(-ENOMEM);
        done += (uint64_t)result;
        thread_yield();
    }
    return 0;
}

uint64_t machine_free_pages(void)
{
    struct xen_sysctl op = { .cmd = XEN_SYSCTL_physinfo };

    return control_system(&op) ? 0 : op.u.physinfo.free_pages;
}

uint64_t machine_cpus(void)
{
    struct xen_sysctl op = { .cmd = XEN_SYSCTL_physinfo };
    int error = control_system(&op);
    unsigned count = error ? 0 : op.u.physinfo.nr_cpus;

    return count < 64 ? (1ull << count) - 1 : ~0ull;
}

int domain_alloc_port(domid_t domid, domid_t remote, evtchn_port_t *port)
{
    struct evtchn_alloc_unbound op = { .dom = domid, .remote_dom = remote };
    int error = (int)HYPERVISOR_event_channel_op(EVTCHNOP_alloc_unbound, &op);

    *port = op.port;
    return error;
}
