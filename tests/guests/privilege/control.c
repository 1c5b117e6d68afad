/* SPDX-License-Identifier: MIT */
/* The control domain's: domains (domctl), the machine (sysctl), the platform (platform_op). */
#include "privilege.h"

#include <xen/domctl.h>
#include <xen/platform.h>
#include <xen/sysctl.h>

/* ---- domctl ---- */

static struct xen_domctl op;                /* each call's own; cleared for the next one */

static long domctl(uint32_t command, domid_t target)
{
    long result;

    op.cmd = command;
    op.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    op.domain = target;
    result = HYPERVISOR_domctl(&op);
    if (command != XEN_DOMCTL_createdomain)
        memset(&op, 0, sizeof(op));
    return result;
}

TRY(XEN_DOMCTL_createdomain)
{
    long result;

    op.u.createdomain.max_vcpus = 1;
    op.u.createdomain.max_evtchn_port = 100;
    op.u.createdomain.max_grant_frames = op.u.createdomain.max_maptrack_frames = 1;
    op.u.createdomain.grant_opts = XEN_DOMCTL_GRANT_version(1);
    result = domctl(XEN_DOMCTL_createdomain, 0);
    if (result == 0)
        CHECK_IS(destroy(op.domain), 0);
    memset(&op, 0, sizeof(op));
    return result;
}

TRY(XEN_DOMCTL_destroydomain)
{
    return domctl(XEN_DOMCTL_destroydomain, disposable(target));
}
TRY(XEN_DOMCTL_pausedomain)
{
    return domctl(XEN_DOMCTL_pausedomain, target);
}
TRY(XEN_DOMCTL_unpausedomain)
{
    return domctl(XEN_DOMCTL_unpausedomain, target);
}
TRY(XEN_DOMCTL_getdomaininfo)
{
    return domctl(XEN_DOMCTL_getdomaininfo, target);
}
TRY(XEN_DOMCTL_settimeoffset)
{
    return domctl(XEN_DOMCTL_settimeoffset, target);
}
TRY(XEN_DOMCTL_getvcpuinfo)
{
    return domctl(XEN_DOMCTL_getvcpuinfo, target);
}
TRY(XEN_DOMCTL_sendtrigger)
{
    return domctl(XEN_DOMCTL_sendtrigger, target);
}
TRY(XEN_DOMCTL_get_address_size)
{
    return domctl(XEN_DOMCTL_get_address_size, target);
}
TRY(XEN_DOMCTL_setdomainhandle)
{
    return domctl(XEN_DOMCTL_setdomainhandle, target);
}
TRY(XEN_DOMCTL_irq_permission)
{
    return domctl(XEN_DOMCTL_irq_permission, target);
}

TRY(XEN_DOMCTL_iomem_permission)
{
    op.u.iomem_permission.nr_mfns = 1;
    return domctl(XEN_DOMCTL_iomem_permission, target);
}

TRY(XEN_DOMCTL_ioport_permission)
{
    op.u.ioport_permission.first_port = 0x80;
    op.u.ioport_permission.nr_ports = 1;
    return domctl(XEN_DOMCTL_ioport_permission, target);
}

TRY(XEN_DOMCTL_set_address_size)
{
    op.u.address_size.size = 64;
    return domctl(XEN_DOMCTL_set_address_size, target);
}

TRY(XEN_DOMCTL_max_mem)
{
    op.u.max_mem.max_memkb = 32 << 10;
    return domctl(XEN_DOMCTL_max_mem, target);
}

TRY(XEN_DOMCTL_max_vcpus)
{
    op.u.max_vcpus.max = 1;
    return domctl(XEN_DOMCTL_max_vcpus, target);
}

TRY(XEN_DOMCTL_scheduler_op)
{
    struct xen_sysctl which = { .cmd = XEN_SYSCTL_sched_id,
                                .interface_version = XEN_SYSCTL_INTERFACE_VERSION };

    CHECK_IS(HYPERVISOR_sysctl(&which), is_dom0() ? 0 : -EPERM);
    op.u.scheduler_op.sched_id = which.u.sched_id.sched_id;
    op.u.scheduler_op.cmd = XEN_DOMCTL_SCHEDOP_getinfo;
    return domctl(XEN_DOMCTL_scheduler_op, target);
}

TRY(XEN_DOMCTL_hypercall_init)
{
    op.u.hypercall_init.gmfn = frame_of(target);
    return domctl(XEN_DOMCTL_hypercall_init, target);
}

TRY(XEN_DOMCTL_getpageframeinfo3)
{
    static xen_pfn_t frame;

    frame = frame_of(target);
    op.u.getpageframeinfo3.num = 1;
    set_xen_guest_handle(op.u.getpageframeinfo3.array, &frame);
    return domctl(XEN_DOMCTL_getpageframeinfo3, target);
}

static long affinity(uint32_t command, domid_t target)
{
    static uint8_t cpus[8];

    cpus[0] = 1;
    op.u.vcpuaffinity.flags = XEN_VCPUAFFINITY_HARD;
    op.u.vcpuaffinity.cpumap_hard.nr_bits = 64;
    set_xen_guest_handle(op.u.vcpuaffinity.cpumap_hard.bitmap, cpus);
    return domctl(command, target);
}

TRY(XEN_DOMCTL_setvcpuaffinity)
{
    return affinity(XEN_DOMCTL_setvcpuaffinity, target);
}
TRY(XEN_DOMCTL_getvcpuaffinity)
{
    return affinity(XEN_DOMCTL_getvcpuaffinity, target);
}

static struct vcpu_guest_context context;

/* An empty table of level 4 will do for a vCPU that never runs. */
TRY(XEN_DOMCTL_setvcpucontext)
{
    unsigned long root = table_of(target);
    struct mmuext_op pin = { .cmd = MMUEXT_PIN_L4_TABLE, .arg1.mfn = root };

    (void)HYPERVISOR_mmuext_op(&pin, 1, NULL, target);
    memset(&context, 0, sizeof(context));
    context.flags = VGCF_in_kernel;
    context.user_regs.cs = FLAT_KERNEL_CS;
    context.user_regs.ss = context.kernel_ss = FLAT_KERNEL_SS;
    context.ctrlreg[3] = xen_pfn_to_cr3(root);
    set_xen_guest_handle(op.u.vcpucontext.ctxt, &context);
    return domctl(XEN_DOMCTL_setvcpucontext, target);
}

TRY(XEN_DOMCTL_getvcpucontext)
{
    set_xen_guest_handle(op.u.vcpucontext.ctxt, &context);
    return domctl(XEN_DOMCTL_getvcpucontext, target);
}

TRY(XEN_DOMCTL_gettscinfo)
{
    return domctl(XEN_DOMCTL_gettscinfo, target);
}
TRY(XEN_DOMCTL_settscinfo)
{
    return domctl(XEN_DOMCTL_settscinfo, target);
}

static long nodes(uint32_t command, domid_t target)
{
    static uint8_t map[8];

    map[0] = 1;
    op.u.nodeaffinity.nodemap.nr_bits = 64;
    set_xen_guest_handle(op.u.nodeaffinity.nodemap.bitmap, map);
    return domctl(command, target);
}

TRY(XEN_DOMCTL_setnodeaffinity)
{
    return nodes(XEN_DOMCTL_setnodeaffinity, target);
}
TRY(XEN_DOMCTL_getnodeaffinity)
{
    return nodes(XEN_DOMCTL_getnodeaffinity, target);
}

#define LEAVES 256

/* What it has can be given to it; that it has, a domU does not know, and says nothing. */
static long policy(uint32_t command, domid_t target)
{
    static xen_cpuid_leaf_t leaves[LEAVES];
    static xen_msr_entry_t msrs[8];
    long result;

    op.u.cpu_policy.nr_leaves = LEAVES;
    op.u.cpu_policy.nr_msrs = 8;
    set_xen_guest_handle(op.u.cpu_policy.leaves, leaves);
    set_xen_guest_handle(op.u.cpu_policy.msrs, msrs);
    op.cmd = XEN_DOMCTL_get_cpu_policy;
    op.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    op.domain = target;
    result = HYPERVISOR_domctl(&op);
    if (result == 0) return domctl(command, target);
    memset(&op, 0, sizeof(op));
    return command == XEN_DOMCTL_set_cpu_policy ? domctl(command, target) : result;
}

TRY(XEN_DOMCTL_get_cpu_policy)
{
    return policy(XEN_DOMCTL_get_cpu_policy, target);
}
TRY(XEN_DOMCTL_set_cpu_policy)
{
    return policy(XEN_DOMCTL_set_cpu_policy, target);
}

TRY(XEN_DOMCTL_getvcpuextstate)
{
    return domctl(XEN_DOMCTL_getvcpuextstate, target);
}

/* Two words alone: there is no state, and none is set. */
TRY(XEN_DOMCTL_setvcpuextstate)
{
    static uint64_t none[2];

    op.u.vcpuextstate.size = sizeof(none);
    set_xen_guest_handle(op.u.vcpuextstate.buffer, none);
    return domctl(XEN_DOMCTL_setvcpuextstate, target);
}

TRY(XEN_DOMCTL_get_vcpu_msrs)
{
    return domctl(XEN_DOMCTL_get_vcpu_msrs, target);
}

/* None, which all machines have. */
TRY(XEN_DOMCTL_set_vcpu_msrs)
{
    return domctl(XEN_DOMCTL_set_vcpu_msrs, target);
}

TRY(XEN_DOMCTL_get_ext_vcpucontext)
{
    return domctl(XEN_DOMCTL_get_ext_vcpucontext, target);
}

TRY(XEN_DOMCTL_set_ext_vcpucontext)
{
    op.u.ext_vcpucontext.size = sizeof(op.u.ext_vcpucontext);
    return domctl(XEN_DOMCTL_set_ext_vcpucontext, target);
}

TRY(XEN_DOMCTL_resumedomain)
{
    struct sched_remote_shutdown end = { .domain_id = target, .reason = SHUTDOWN_suspend };

    (void)HYPERVISOR_sched_op(SCHEDOP_remote_shutdown, &end);
    return domctl(XEN_DOMCTL_resumedomain, target);
}

/* ---- sysctl ---- */

static long sysctl(struct xen_sysctl *request, uint32_t command)
{
    request->cmd = command;
    request->interface_version = XEN_SYSCTL_INTERFACE_VERSION;
    return HYPERVISOR_sysctl(request);
}

TRY(XEN_SYSCTL_physinfo)
{
    struct xen_sysctl s = { 0 };
    return sysctl(&s, XEN_SYSCTL_physinfo);
}
TRY(XEN_SYSCTL_sched_id)
{
    struct xen_sysctl s = { 0 };
    return sysctl(&s, XEN_SYSCTL_sched_id);
}
TRY(XEN_SYSCTL_availheap)
{
    struct xen_sysctl s = { 0 };
    return sysctl(&s, XEN_SYSCTL_availheap);
}

TRY(XEN_SYSCTL_readconsole)
{
    char text[64];
    struct xen_sysctl s = { .u.readconsole = { .count = sizeof(text) } };

    set_xen_guest_handle(s.u.readconsole.buffer, text);
    return sysctl(&s, XEN_SYSCTL_readconsole);
}

TRY(XEN_SYSCTL_getdomaininfolist)
{
    struct xen_domctl_getdomaininfo info[1];
    struct xen_sysctl s = { .u.getdomaininfolist = { .max_domains = 1 } };

    set_xen_guest_handle(s.u.getdomaininfolist.buffer, info);
    return sysctl(&s, XEN_SYSCTL_getdomaininfolist);
}

TRY(XEN_SYSCTL_debug_keys)
{
    char key = 'm';
    struct xen_sysctl s = { .u.debug_keys = { .nr_keys = 1 } };

    set_xen_guest_handle(s.u.debug_keys.keys, &key);
    return sysctl(&s, XEN_SYSCTL_debug_keys);
}

TRY(XEN_SYSCTL_cputopoinfo)
{
    struct xen_sysctl_cputopo cpu[1];
    struct xen_sysctl s = { .u.cputopoinfo = { .num_cpus = 1 } };

    set_xen_guest_handle(s.u.cputopoinfo.cputopo, cpu);
    return sysctl(&s, XEN_SYSCTL_cputopoinfo);
}

TRY(XEN_SYSCTL_numainfo)
{
    struct xen_sysctl_meminfo memory[1];
    struct xen_sysctl s = { .u.numainfo = { .num_nodes = 1 } };

    set_xen_guest_handle(s.u.numainfo.meminfo, memory);
    return sysctl(&s, XEN_SYSCTL_numainfo);
}

TRY(XEN_SYSCTL_getcpuinfo)
{
    struct xen_sysctl_cpuinfo cpu[1];
    struct xen_sysctl s = { .u.getcpuinfo = { .max_cpus = 1 } };

    set_xen_guest_handle(s.u.getcpuinfo.info, cpu);
    return sysctl(&s, XEN_SYSCTL_getcpuinfo);
}

TRY(XEN_SYSCTL_cpupool_op)
{
    uint8_t cpus[8];
    struct xen_sysctl s = { .u.cpupool_op = { .op = XEN_SYSCTL_CPUPOOL_OP_INFO } };

    s.u.cpupool_op.cpumap.nr_bits = 64;
    set_xen_guest_handle(s.u.cpupool_op.cpumap.bitmap, cpus);
    return sysctl(&s, XEN_SYSCTL_cpupool_op);
}

TRY(XEN_SYSCTL_scheduler_op)
{
    struct xen_sysctl which = { 0 };
    struct xen_sysctl s = { .u.scheduler_op = { .cmd = XEN_SYSCTL_SCHEDOP_getinfo } };

    (void)sysctl(&which, XEN_SYSCTL_sched_id);
    s.u.scheduler_op.sched_id = which.u.sched_id.sched_id;
    return sysctl(&s, XEN_SYSCTL_scheduler_op);
}

TRY(XEN_SYSCTL_pcitopoinfo)
{
    physdev_pci_device_t device[1] = { { 0 } };
    uint32_t node[1];
    struct xen_sysctl s = { .u.pcitopoinfo = { .num_devs = 1 } };

    set_xen_guest_handle(s.u.pcitopoinfo.devs, device);
    set_xen_guest_handle(s.u.pcitopoinfo.nodes, node);
    return sysctl(&s, XEN_SYSCTL_pcitopoinfo);
}

TRY(XEN_SYSCTL_get_cpu_featureset)
{
    uint32_t words[64];
    struct xen_sysctl s = { .u.cpu_featureset = { .index = XEN_SYSCTL_cpu_featureset_pv,
                                                  .nr_features = 64 } };

    set_xen_guest_handle(s.u.cpu_featureset.features, words);
    return sysctl(&s, XEN_SYSCTL_get_cpu_featureset);
}

TRY(XEN_SYSCTL_get_cpu_policy)
{
    struct xen_sysctl s = { .u.cpu_policy = { .index = XEN_SYSCTL_cpu_policy_pv_default } };

    return sysctl(&s, XEN_SYSCTL_get_cpu_policy);   /* how many leaves there can be */
}

/* ---- platform_op ---- */

static long platform(struct xen_platform_op *request, uint32_t command)
{
    request->cmd = command;
    request->interface_version = XENPF_INTERFACE_VERSION;
    return HYPERVISOR_platform_op(request);
}

/* dom0 sets what is; a domU would make it a minute later. */
static uint64_t wanted_time(void)
{
    return wall_clock_ns() / NS_PER_S + (is_dom0() ? 0 : 60);
}

TRY(XENPF_settime32)
{
    struct xen_platform_op p = { .u.settime32 = { .secs = (uint32_t)wanted_time(),
                                                  .system_time = now_ns() } };

    return platform(&p, XENPF_settime32);
}

TRY(XENPF_settime64)
{
    struct xen_platform_op p = { .u.settime64 = { .secs = wanted_time(),
                                                  .system_time = now_ns() } };

    return platform(&p, XENPF_settime64);
}

TRY(XENPF_getidletime)
{
    uint8_t cpus = 1;
    uint64_t idle[8];
    struct xen_platform_op p = { .u.getidletime = { .cpumap_nr_cpus = 8 } };

    set_xen_guest_handle(p.u.getidletime.cpumap_bitmap, &cpus);
    set_xen_guest_handle(p.u.getidletime.idletime, idle);
    return platform(&p, XENPF_getidletime);
}

TRY(XENPF_get_cpuinfo)
{
    struct xen_platform_op p = { .u.pcpu_info = { .xen_cpuid = 0 } };

    return platform(&p, XENPF_get_cpuinfo);
}

TRY(XENPF_firmware_info)
{
    struct xen_platform_op p = { .u.firmware_info = { .type = XEN_FW_DISK_INFO } };

    return platform(&p, XENPF_firmware_info);
}

/* To suspend, which is refused; to switch off is not asked for. */
TRY(XENPF_enter_acpi_sleep)
{
    struct xen_platform_op p = { .u.enter_acpi_sleep = { .sleep_state = 3 } };

    return platform(&p, XENPF_enter_acpi_sleep);
}
