/* SPDX-License-Identifier: MIT */
/* The longest end of a domain: one that comes behind a long call of another. */
#include "crash.h"
#include <xen/memory.h>
#include <xen/sched.h>

#define CALLS  64
#define IN_LDT 7

/* A long call, and behind it the turn of a vCPU that cannot go on: the end of its domain, and what
 * is told of it. */
void a_crash(unsigned long frame_to_clear)
{
    static struct multicall_entry calls[CALLS];
    static struct vcpu_guest_context context;
    static struct xen_domctl op;
    struct mmuext_op clear = { .cmd = MMUEXT_CLEAR_PAGE, .arg1.mfn = frame_to_clear };
    struct xen_memory_reservation r = { .nr_extents = 1 };
    xen_pfn_t frame = 0;
    domid_t domain;

    op.u.createdomain = (struct xen_domctl_createdomain){ .max_vcpus = 32,
                                                          .max_evtchn_port = 4095,
                                                          .max_grant_frames = 1,
                                                          .max_maptrack_frames = 1,
                                                          .grant_opts = XEN_DOMCTL_GRANT_version(
                                                              1) };
    NEED(control(&op, XEN_DOMCTL_createdomain, 0) == 0);
    r.domid = domain = op.domain;
    op.u.max_vcpus.max = 32;
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
    op.cmd = XEN_DOMCTL_unpausedomain;
    for (unsigned int i = 0; i < CALLS; i++)
        calls[i] = (struct multicall_entry){ .op = __HYPERVISOR_mmuext_op,
                                             .args = { (unsigned long)&clear, 1, 0,
                                                       DOMID_SELF } };
    calls[0] = (struct multicall_entry){ .op = __HYPERVISOR_domctl,
                                         .args = { (unsigned long)&op } };
    calls[1] = (struct multicall_entry){ .op = __HYPERVISOR_sched_op,
                                         .args = { SCHEDOP_yield, 0 } };
    CHECK_IS(HYPERVISOR_multicall(calls, CALLS), 0);
    CHECK_IS((long)calls[0].result, 0);
    do {
        HYPERVISOR_sched_op(SCHEDOP_yield, NULL);
        CHECK_IS(control(&op, XEN_DOMCTL_getdomaininfo, domain), 0);
    } while (!(op.u.getdomaininfo.flags & XEN_DOMINF_shutdown));
    CHECK_IS(control(&op, XEN_DOMCTL_destroydomain, domain), 0);
}
