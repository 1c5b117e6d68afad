/* SPDX-License-Identifier: MIT */
/*
 * What the control domain asks at its longest: maps of as many CPUs as a map may have, a vCPU's
 * whole state, its hypercall page, the log, the line. Each in a list, for that is where a call that
 * is paid for too cheaply shows.
 */
#include "crash.h"
#include <abi/domus.h>
#include <xen/memory.h>
#include <xen/physdev.h>
#include <xen/platform.h>
#include <xen/sysctl.h>

#define MAP_BITS 4096

static struct xen_domctl op;
static struct xen_sysctl query;

static void domctls(uint32_t command, domid_t domain)
{
    CHECK_IS(control(&op, command, domain), 0);
    MANY(__HYPERVISOR_domctl, address(&op));
}

static void sysctls(uint32_t command)
{
    query.cmd = command;
    query.interface_version = XEN_SYSCTL_INTERFACE_VERSION;
    CHECK_IS(HYPERVISOR_sysctl(&query), 0);
    MANY(__HYPERVISOR_sysctl, address(&query));
}

/* ---- maps ---- */

static void maps(domid_t domain)
{
    static uint8_t hard[MAP_BITS / 8] = { 1 }, soft[MAP_BITS / 8] = { 1 };
    static uint64_t idle[64];
    static struct xen_platform_op platform = { .cmd = XENPF_getidletime,
                                               .interface_version = XENPF_INTERFACE_VERSION,
                                               .u.getidletime.cpumap_nr_cpus = MAP_BITS };

    op.u.vcpuaffinity = (struct xen_domctl_vcpuaffinity){
        .flags = XEN_VCPUAFFINITY_HARD | XEN_VCPUAFFINITY_SOFT,
        .cpumap_hard.nr_bits = MAP_BITS, .cpumap_soft.nr_bits = MAP_BITS
    };
    set_xen_guest_handle(op.u.vcpuaffinity.cpumap_hard.bitmap, hard);
    set_xen_guest_handle(op.u.vcpuaffinity.cpumap_soft.bitmap, soft);
    domctls(XEN_DOMCTL_getvcpuaffinity, domain);
    domctls(XEN_DOMCTL_setvcpuaffinity, domain);
    op.u.nodeaffinity.nodemap.nr_bits = MAP_BITS;
    set_xen_guest_handle(op.u.nodeaffinity.nodemap.bitmap, hard);
    domctls(XEN_DOMCTL_getnodeaffinity, domain);
    domctls(XEN_DOMCTL_setnodeaffinity, domain);
    query.u.cpupool_op = (struct xen_sysctl_cpupool_op){ .op = XEN_SYSCTL_CPUPOOL_OP_INFO,
                                                         .cpumap.nr_bits = MAP_BITS };
    set_xen_guest_handle(query.u.cpupool_op.cpumap.bitmap, soft);
    sysctls(XEN_SYSCTL_cpupool_op);
    set_xen_guest_handle(platform.u.getidletime.cpumap_bitmap, hard);
    set_xen_guest_handle(platform.u.getidletime.idletime, idle);
    MANY(__HYPERVISOR_platform_op, address(&platform));
}

/* ---- a vCPU ---- */

static struct vcpu_guest_context context;

/* One with a context, on an empty table; it never runs. */
static domid_t a_vcpu(xen_pfn_t *page)
{
    struct xen_memory_reservation r = { .nr_extents = 1 };
    xen_pfn_t table = 0;
    domid_t domain;

    op.u.createdomain = (struct xen_domctl_createdomain){
        .max_vcpus = 1, .max_grant_frames = 1, .max_maptrack_frames = 1,
        .grant_opts = XEN_DOMCTL_GRANT_version(1)
    };
    NEED(control(&op, XEN_DOMCTL_createdomain, 0) == 0);
    r.domid = domain = op.domain;
    op.u.max_vcpus.max = 1;
    NEED(control(&op, XEN_DOMCTL_max_vcpus, domain) == 0);
    op.u.max_mem.max_memkb = 64;
    NEED(control(&op, XEN_DOMCTL_max_mem, domain) == 0);
    set_xen_guest_handle(r.extent_start, &table);
    NEED(HYPERVISOR_memory_op(XENMEM_populate_physmap, &r) == 1);
    *page = 1;
    set_xen_guest_handle(r.extent_start, page);
    NEED(HYPERVISOR_memory_op(XENMEM_populate_physmap, &r) == 1);
    context.flags = VGCF_in_kernel;
    context.user_regs.cs = FLAT_KERNEL_CS;
    context.user_regs.ss = FLAT_KERNEL_SS;
    context.ctrlreg[3] = xen_pfn_to_cr3(table);
    set_xen_guest_handle(op.u.vcpucontext.ctxt, &context);
    op.u.vcpucontext.vcpu = 0;
    domctls(XEN_DOMCTL_setvcpucontext, domain);
    return domain;
}

static void states(domid_t domain, xen_pfn_t page)
{
    static uint64_t state[2 << 10];

    op.u.vcpucontext.vcpu = 0;
    set_xen_guest_handle(op.u.vcpucontext.ctxt, &context);
    domctls(XEN_DOMCTL_getvcpucontext, domain);
    op.u.vcpuextstate = (struct xen_domctl_vcpuextstate){ .vcpu = 0 };
    CHECK_IS(control(&op, XEN_DOMCTL_getvcpuextstate, domain), 0);
    CHECK(op.u.vcpuextstate.size <= sizeof(state));
    set_xen_guest_handle(op.u.vcpuextstate.buffer, state);
    domctls(XEN_DOMCTL_getvcpuextstate, domain);
    domctls(XEN_DOMCTL_setvcpuextstate, domain);
    op.u.hypercall_init.gmfn = page;
    domctls(XEN_DOMCTL_hypercall_init, domain);
}

/* ---- what was said, and what is to be ---- */

static void keys(void)
{
    static char pressed[32];

    memset(pressed, 'm', sizeof(pressed));
    for (unsigned int i = 0; i < 16; i++) {         /* as much as the log holds */
        query.u.debug_keys.nr_keys = sizeof(pressed);
        set_xen_guest_handle(query.u.debug_keys.keys, pressed);
        query.cmd = XEN_SYSCTL_debug_keys;
        query.interface_version = XEN_SYSCTL_INTERFACE_VERSION;
        CHECK_IS(HYPERVISOR_sysctl(&query), 0);
    }
}

static void the_log(void)
{
    static char text[32 << 10];

    keys();
    query.u.readconsole = (struct xen_sysctl_readconsole){ .count = sizeof(text) };
    set_xen_guest_handle(query.u.readconsole.buffer, text);
    sysctls(XEN_SYSCTL_readconsole);
    CHECK_IS(query.u.readconsole.count, sizeof(text));
}

/* All interrupts' numbers taken: the search for a free one looks at all. */
static void interrupts(void)
{
    static struct physdev_get_free_pirq number = { .type = MAP_PIRQ_TYPE_MSI };
    uint32_t first = 0, count = 0;

    while (HYPERVISOR_physdev_op(PHYSDEVOP_get_free_pirq, &number) == 0) {
        first = count++ ? first : number.pirq;
        NEED(number.pirq == first + count - 1);
    }
    MANY(__HYPERVISOR_physdev_op, PHYSDEVOP_get_free_pirq, address(&number));
    while (count--) {
        struct physdev_unmap_pirq unmap = { .domid = DOMID_SELF, .pirq = (int)(first + count) };

        CHECK_IS(HYPERVISOR_physdev_op(PHYSDEVOP_unmap_pirq, &unmap), 0);
    }
}

void asked_at_length(void)
{
    xen_pfn_t page;
    domid_t domain = a_vcpu(&page);

    maps(domain);
    states(domain, page);
    CHECK_IS(control(&op, XEN_DOMCTL_destroydomain, domain), 0);
    the_log();
    interrupts();
}
