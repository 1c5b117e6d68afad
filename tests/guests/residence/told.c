/* SPDX-License-Identifier: MIT */
/* What a toolstack asks about a domain at its longest: what 1,024 frames are, and the list of a CPU
 * policy in which nothing is found before its end; and about the machine. */
#include "../lib/vcpus.h"
#include "crash.h"
#include <xen/memory.h>
#include <xen/sysctl.h>

/* The same one, and at once. */
static void often(unsigned long call, unsigned long first, unsigned long second)
{
    static struct multicall_entry calls[32];

    for (unsigned int i = 0; i < 32; i++)
        calls[i] = (struct multicall_entry){ .op = call, .args = { first, second } };
    CHECK_IS(HYPERVISOR_multicall(calls, 32), 0);
    CHECK_IS(calls[31].result, 0);
}

static void frames(domid_t domain, unsigned long frame)
{
    static struct xen_domctl op;
    static xen_pfn_t array[1024];

    for (unsigned int i = 0; i < 1024; i++)
        array[i] = frame;
    op.u.getpageframeinfo3.num = 1024;
    set_xen_guest_handle(op.u.getpageframeinfo3.array, array);
    CHECK_IS(control(&op, XEN_DOMCTL_getpageframeinfo3, domain), 0);
    for (unsigned int i = 0; i < 1024; i++)
        CHECK_IS(array[i], XEN_DOMCTL_PFINFO_NOTAB);
}

static void policy(domid_t domain)
{
    static struct xen_domctl op;
    static xen_cpuid_leaf_t leaves[128];

    for (unsigned int i = 0; i < 128; i++)
        leaves[i] = (xen_cpuid_leaf_t){ .leaf = 0xd, .subleaf = 63 };
    leaves[126] = (xen_cpuid_leaf_t){ .leaf = 0, .subleaf = XEN_CPUID_NO_SUBLEAF, .a = 0xd };
    leaves[127] = (xen_cpuid_leaf_t){ .leaf = 0x80000000, .subleaf = XEN_CPUID_NO_SUBLEAF,
                                      .a = 0x80000008 };
    op.u.cpu_policy.nr_leaves = 128;
    set_xen_guest_handle(op.u.cpu_policy.leaves, leaves);
    CHECK_IS(control(&op, XEN_DOMCTL_set_cpu_policy, domain), 0);
    op.u.cpu_policy.nr_leaves = 128;
    CHECK_IS(control(&op, XEN_DOMCTL_get_cpu_policy, domain), 0);
    op.u.cpu_policy.nr_leaves = 128;
    often(__HYPERVISOR_domctl, (unsigned long)&op, 0);
}

static void machine(domid_t domain)
{
    static struct xen_sysctl op = { .cmd = XEN_SYSCTL_get_cpu_policy,
                                    .interface_version = XEN_SYSCTL_INTERFACE_VERSION };
    static xen_cpuid_leaf_t leaves[128];
    static uint8_t entries[128][20];
    struct xen_foreign_memory_map map = { .domid = domain, .map.nr_entries = 128 };

    op.u.cpu_policy.index = XEN_SYSCTL_cpu_policy_host;
    op.u.cpu_policy.nr_leaves = 128;
    set_xen_guest_handle(op.u.cpu_policy.leaves, leaves);
    often(__HYPERVISOR_sysctl, (unsigned long)&op, 0);
    op.cmd = XEN_SYSCTL_get_cpu_featureset;
    op.u.cpu_featureset = (struct xen_sysctl_cpu_featureset){
        .index = XEN_SYSCTL_cpu_featureset_pv, .nr_features = 0 };
    often(__HYPERVISOR_sysctl, (unsigned long)&op, 0);
    set_xen_guest_handle(map.map.buffer, entries);
    often(__HYPERVISOR_memory_op, XENMEM_set_memory_map, (unsigned long)&map);
}

void told(domid_t domain, unsigned long frame)
{
    frames(domain, frame);
    policy(domain);
    machine(domain);
}
