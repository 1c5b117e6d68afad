/* SPDX-License-Identifier: MIT */
/* The longest ends of domains: one that comes behind a long call of another, and many in a row. */
#include "crash.h"
#include <xen/memory.h>
#include <xen/sched.h>

#define IN_LDT 7
#define MANY_CRASH 12

static struct xen_domctl op;

/* One that ends at its first turn: a selector is in an LDT that there is not. It is paused. */
static domid_t doomed(uint32_t vcpus)
{
    static struct vcpu_guest_context context;
    struct xen_memory_reservation r = { .nr_extents = 1 };
    xen_pfn_t frame = 0;
    domid_t domain;

    op.u.createdomain = (struct xen_domctl_createdomain){ .max_vcpus = vcpus,
                                                          .max_evtchn_port = 4095,
                                                          .max_grant_frames = 1,
                                                          .max_maptrack_frames = 1,
                                                          .grant_opts = XEN_DOMCTL_GRANT_version(
                                                              1) };
    NEED(control(&op, XEN_DOMCTL_createdomain, 0) == 0);
    r.domid = domain = op.domain;
    op.u.max_vcpus.max = vcpus;
    CHECK_IS(control(&op, XEN_DOMCTL_max_vcpus, domain), 0);
    op.u.max_mem.max_memkb = 64;
    CHECK_IS(control(&op, XEN_DOMCTL_max_mem, domain), 0);
    set_xen_guest_handle(r.extent_start, &frame);
    CHECK_IS(HYPERVISOR_memory_op(XENMEM_populate_physmap, &r), 1);
    context.flags = VGCF_in_kernel | VGCF_online;
    context.user_regs.ds = IN_LDT;     /* there is none, nor a failsafe callback */
    context.user_regs.cs = FLAT_KERNEL_CS;
    context.user_regs.ss = FLAT_KERNEL_SS;
    context.user_regs.rflags = ~0ul;
    for (unsigned int i = 0; i < 15; i++)
        ((uint64_t *)&context.user_regs)[i] = ~0ul >> 4;
    context.user_regs.rip = 0x7ffffffffffful;
    context.user_regs.rsp = ~0ul;
    context.ctrlreg[3] = xen_pfn_to_cr3(frame);
    op.u.vcpucontext.vcpu = 0;
    set_xen_guest_handle(op.u.vcpucontext.ctxt, &context);
    CHECK_IS(control(&op, XEN_DOMCTL_setvcpucontext, domain), 0);
    return domain;
}

static void ends(domid_t domain)
{
    do {
        HYPERVISOR_sched_op(SCHEDOP_yield, NULL);
        CHECK_IS(control(&op, XEN_DOMCTL_getdomaininfo, domain), 0);
    } while (!(op.u.getdomaininfo.flags & XEN_DOMINF_shutdown));
    CHECK_IS(control(&op, XEN_DOMCTL_destroydomain, domain), 0);
}

/* A long call, and behind it the turn of a vCPU that cannot go on: the end of its domain, and what
 * is told of it. */
void a_crash(unsigned long frame_to_clear)
{
    static struct multicall_entry calls[CALLS];
    struct mmuext_op clear = { .cmd = MMUEXT_CLEAR_PAGE, .arg1.mfn = frame_to_clear };
    domid_t domain = doomed(32);

    op.cmd = XEN_DOMCTL_unpausedomain;
    for (unsigned int i = 0; i < CALLS; i++)
        calls[i] = (struct multicall_entry){ .op = __HYPERVISOR_mmuext_op,
                                             .args = { address(&clear), 1, 0, DOMID_SELF } };
    calls[0] = (struct multicall_entry){ .op = __HYPERVISOR_domctl, .args = { address(&op) } };
    calls[1] = (struct multicall_entry){ .op = __HYPERVISOR_sched_op,
                                         .args = { SCHEDOP_yield, 0 } };
    CHECK_IS(HYPERVISOR_multicall(calls, CALLS), 0);
    CHECK_IS((long)calls[0].result, 0);
    ends(domain);
}

/* All have had less of the CPU than we: they come one behind the other, and no guest in between. */
void many_crashes(void)
{
    static struct multicall_entry calls[MANY_CRASH + 1];
    static struct xen_domctl unpause[MANY_CRASH];

    for (unsigned int i = 0; i < MANY_CRASH; i++) {
        unpause[i] = (struct xen_domctl){ .cmd = XEN_DOMCTL_unpausedomain,
                                          .interface_version = XEN_DOMCTL_INTERFACE_VERSION,
                                          .domain = doomed(1) };
        calls[i] = (struct multicall_entry){ .op = __HYPERVISOR_domctl,
                                             .args = { address(&unpause[i]) } };
    }
    calls[MANY_CRASH] = (struct multicall_entry){ .op = __HYPERVISOR_sched_op,
                                                  .args = { SCHEDOP_yield, 0 } };
    for (uint64_t end = now_ns() + 100 * NS_PER_MS; now_ns() < end;)
        ;
    CHECK_IS(HYPERVISOR_multicall(calls, MANY_CRASH + 1), 0);
    for (unsigned int i = 0; i < MANY_CRASH; i++)
        ends(unpause[i].domain);
}
