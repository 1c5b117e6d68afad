/* SPDX-License-Identifier: MIT */
/* domctl, sysctl, platform_op and console_io with arguments that are wrong. */
#include "refusals.h"

#include <xen/platform.h>
#include <xen/sched.h>
#include <xen/sysctl.h>

static struct xen_domctl op;

static long control(uint32_t command, domid_t domain)
{
    op.cmd = command;
    op.domain = domain;
    return domctl(&op);
}

/* ---- making a domain ---- */

static long make(domid_t number, struct xen_domctl_createdomain configuration)
{
    op.u.createdomain = configuration;
    if (!configuration.grant_opts)
        op.u.createdomain.grant_opts = XEN_DOMCTL_GRANT_version(1);
    if (!configuration.max_vcpus)
        op.u.createdomain.max_vcpus = 1;
    return control(XEN_DOMCTL_createdomain, number);
}

static void bad_domains(domid_t there)
{
    CHECK_IS(make(0, (struct xen_domctl_createdomain){ .flags = XEN_DOMCTL_CDF_hvm }), -EINVAL);
    CHECK_IS(make(0, (struct xen_domctl_createdomain){ .max_vcpus = 33 }), -EINVAL);
    CHECK_IS(make(0, (struct xen_domctl_createdomain){ .grant_opts = XEN_DOMCTL_GRANT_version(2) }),
             -EINVAL);
    CHECK_IS(make(0, (struct xen_domctl_createdomain){ .vmtrace_size = 4096 }), -EINVAL);
    CHECK_IS(make(0, (struct xen_domctl_createdomain){ .iommu_opts = 1 }), -EINVAL);
    CHECK_IS(make(0, (struct xen_domctl_createdomain){ .cpupool_id = 1 }), -EINVAL);
    CHECK_IS(make(0, (struct xen_domctl_createdomain){ .arch.emulation_flags = 1 }), -EINVAL);
    CHECK_IS(make(0, (struct xen_domctl_createdomain){ .arch.misc_flags = 0x80 }), -EINVAL);
    CHECK_IS(make(2000, (struct xen_domctl_createdomain){ .max_vcpus = 1 }), -EINVAL);
    CHECK_IS(make(there, (struct xen_domctl_createdomain){ .max_vcpus = 1 }), -EEXIST);
    CHECK_IS(control(XEN_DOMCTL_getdomaininfo, there + 1), -ESRCH);
    CHECK_IS(control(XEN_DOMCTL_getdomaininfo, DOMID_IO), -EINVAL);
    CHECK_IS(control(XEN_DOMCTL_pausedomain, there + 1), -ESRCH);
}

/* As many domains as there can be, none of which has memory. */
static void too_many_domains(void)
{
    static domid_t made[1024];
    struct xen_domctl_createdomain least = { .max_grant_frames = 1, .max_maptrack_frames = 1 };
    unsigned int count = 0;
    long error;

    while ((error = make(0, least)) == 0 && count < 1024)
        made[count++] = op.domain;
    CHECK_IS(error, -ENOSPC);
    CHECK(count > 1000);
    while (count)
        domain_unmake(made[--count]);
}

static void bad_lives(domid_t there)
{
    op.u.max_vcpus.max = 2;
    CHECK_IS(control(XEN_DOMCTL_max_vcpus, there), -EINVAL);
    CHECK_IS(control(XEN_DOMCTL_pausedomain, DOMID_SELF), -EINVAL);
    CHECK_IS(control(XEN_DOMCTL_unpausedomain, DOMID_SELF), -EINVAL);
    CHECK_IS(control(XEN_DOMCTL_destroydomain, DOMID_SELF), -EINVAL);
    op.u.hypercall_init.gmfn = foreign_mfn();
    CHECK_IS(control(XEN_DOMCTL_hypercall_init, there), -EACCES);
    op.u.getpageframeinfo3.num = 1025;
    CHECK_IS(control(XEN_DOMCTL_getpageframeinfo3, there), -E2BIG);
    op.u.getpageframeinfo3.num = 1;
    op.u.getpageframeinfo3.array.p = NOWHERE;
    CHECK_IS(control(XEN_DOMCTL_getpageframeinfo3, there), -EFAULT);
    op.u.irq_permission = (struct xen_domctl_irq_permission){ .pirq = 9, .allow_access = 1 };
    CHECK_IS(control(XEN_DOMCTL_irq_permission, there), -EOPNOTSUPP);
    op.u.iomem_permission = (struct xen_domctl_iomem_permission){ .first_mfn = 0xfee00,
                                                                  .nr_mfns = 1,
                                                                  .allow_access = 1 };
    CHECK_IS(control(XEN_DOMCTL_iomem_permission, there), -EOPNOTSUPP);
    op.u.ioport_permission = (struct xen_domctl_ioport_permission){ .first_port = 0xcf8,
                                                                    .nr_ports = 8,
                                                                    .allow_access = 1 };
    CHECK_IS(control(XEN_DOMCTL_ioport_permission, there), -EOPNOTSUPP);
    op.u.address_size.size = 32;
    CHECK_IS(control(XEN_DOMCTL_set_address_size, there), -EINVAL);
    op.u.scheduler_op = (struct xen_domctl_scheduler_op){ .sched_id = XEN_SCHEDULER_RTDS,
                                                          .cmd = XEN_DOMCTL_SCHEDOP_getinfo };
    CHECK_IS(control(XEN_DOMCTL_scheduler_op, there), -EINVAL);
    op.u.scheduler_op = (struct xen_domctl_scheduler_op){ .sched_id = XEN_SCHEDULER_CREDIT,
                                                          .cmd = XEN_DOMCTL_SCHEDOP_getvcpuinfo };
    CHECK_REFUSED(control(XEN_DOMCTL_scheduler_op, there));
    CHECK_IS(control(XEN_DOMCTL_debug_op + 1000, there), -ENOSYS);
}

/* ---- vCPUs of a domain ---- */

static void bad_vcpus(domid_t there)
{
    static vcpu_guest_context_t context;
    static uint8_t map;                     /* no CPU */

    op.u.vcpucontext.vcpu = 0;
    op.u.vcpucontext.ctxt.p = &context;
    CHECK_IS(control(XEN_DOMCTL_setvcpucontext, DOMID_SELF), -EINVAL);
    CHECK_IS(control(XEN_DOMCTL_getvcpucontext, there), -ENODATA);
    op.u.vcpucontext.ctxt.p = NULL;
    CHECK_IS(control(XEN_DOMCTL_setvcpucontext, there), -EINVAL);
    op.u.vcpucontext.ctxt.p = NOWHERE;
    CHECK_IS(control(XEN_DOMCTL_setvcpucontext, there), -EFAULT);
    op.u.vcpucontext.vcpu = 1;
    CHECK_IS(control(XEN_DOMCTL_getvcpucontext, there), -EINVAL);

    op.u.vcpucontext.vcpu = 0;
    op.u.vcpucontext.ctxt.p = &context;
    context.event_callback_eip = 1UL << 50;
    CHECK_IS(control(XEN_DOMCTL_setvcpucontext, there), -EINVAL);
    context.event_callback_eip = 0;
    /* its base pointer is no frame of the domain's */
    CHECK_REFUSED(control(XEN_DOMCTL_setvcpucontext, there));

    op.u.getvcpuinfo.vcpu = 1;
    CHECK_IS(control(XEN_DOMCTL_getvcpuinfo, there), -EINVAL);
    op.u.vcpuaffinity = (struct xen_domctl_vcpuaffinity){ .vcpu = 1,
                                                          .flags = XEN_VCPUAFFINITY_HARD };
    CHECK_IS(control(XEN_DOMCTL_getvcpuaffinity, there), -EINVAL);
    op.u.vcpuaffinity = (struct xen_domctl_vcpuaffinity){ .vcpu = 0 };
    CHECK_IS(control(XEN_DOMCTL_getvcpuaffinity, there), -EINVAL);
    op.u.vcpuaffinity = (struct xen_domctl_vcpuaffinity){ .flags = XEN_VCPUAFFINITY_HARD,
                                                          .cpumap_hard = { { NOWHERE }, 8 } };
    CHECK_IS(control(XEN_DOMCTL_getvcpuaffinity, there), -EFAULT);
    CHECK_IS(control(XEN_DOMCTL_setvcpuaffinity, there), -EFAULT);
    op.u.vcpuaffinity.cpumap_hard.bitmap.p = &map;
    CHECK_IS(control(XEN_DOMCTL_setvcpuaffinity, there), -EINVAL);
    op.u.vcpuaffinity.cpumap_hard.nr_bits = 4097;
    CHECK_IS(control(XEN_DOMCTL_getvcpuaffinity, there), -E2BIG);
    op.u.vcpuextstate = (struct xen_domctl_vcpuextstate){ .vcpu = 0 };
    CHECK_IS(control(XEN_DOMCTL_getvcpuextstate, DOMID_SELF), -EINVAL);
    CHECK_IS(control(XEN_DOMCTL_setvcpuextstate, DOMID_SELF), -EINVAL);
    op.u.sendtrigger = (struct xen_domctl_sendtrigger){ .trigger = XEN_DOMCTL_SENDTRIGGER_NMI,
                                                        .vcpu = 1 };
    CHECK_IS(control(XEN_DOMCTL_sendtrigger, there), -ESRCH);
    op.u.sendtrigger = (struct xen_domctl_sendtrigger){ .trigger = XEN_DOMCTL_SENDTRIGGER_POWER };
    CHECK_IS(control(XEN_DOMCTL_sendtrigger, there), -EINVAL);
    op.u.sendtrigger = (struct xen_domctl_sendtrigger){ .trigger = XEN_DOMCTL_SENDTRIGGER_INIT };
    CHECK_IS(control(XEN_DOMCTL_sendtrigger, there), -ENOSYS);
}

/* ---- the machine ---- */

static long ask(struct xen_sysctl *s, uint32_t command)
{
    s->cmd = command;
    s->interface_version = XEN_SYSCTL_INTERFACE_VERSION;
    return HYPERVISOR_sysctl(s);
}

static void bad_sysctls(void)
{
    static struct xen_sysctl s;

    CHECK_IS(HYPERVISOR_sysctl(NOWHERE), -EFAULT);
    s.cmd = XEN_SYSCTL_physinfo;
    s.interface_version = XEN_SYSCTL_INTERFACE_VERSION + 1;
    CHECK_IS(HYPERVISOR_sysctl(&s), -EACCES);
    CHECK_IS(ask(&s, 1000), -ENOSYS);
    s.u.getdomaininfolist = (struct xen_sysctl_getdomaininfolist){ .max_domains = 4,
                                                                   .buffer.p = NOWHERE };
    CHECK_IS(ask(&s, XEN_SYSCTL_getdomaininfolist), -EFAULT);
    s.interface_version = XEN_SYSCTL_INTERFACE_VERSION | 1u << 31;  /* as if it had given way */
    s.u.getdomaininfolist.num_domains = 1;
    CHECK_IS(HYPERVISOR_sysctl(&s), -EFAULT);
    s.u.readconsole = (struct xen_sysctl_readconsole){ .count = 64, .buffer.p = NOWHERE };
    CHECK_IS(ask(&s, XEN_SYSCTL_readconsole), -EFAULT);
    s.u.debug_keys = (struct xen_sysctl_debug_keys){ .nr_keys = 1, .keys.p = NOWHERE };
    CHECK_IS(ask(&s, XEN_SYSCTL_debug_keys), -EFAULT);
    s.u.cputopoinfo = (struct xen_sysctl_cputopoinfo){ .num_cpus = 1, .cputopo.p = NOWHERE };
    CHECK_IS(ask(&s, XEN_SYSCTL_cputopoinfo), -EFAULT);
}

static long platform(struct xen_platform_op *p, uint32_t command)
{
    p->cmd = command;
    p->interface_version = XENPF_INTERFACE_VERSION;
    return HYPERVISOR_platform_op(p);
}

static void bad_platforms(void)
{
    static struct xen_platform_op p;

    CHECK_IS(HYPERVISOR_platform_op(NOWHERE), -EFAULT);
    p.interface_version = XENPF_INTERFACE_VERSION + 1;
    CHECK_IS(HYPERVISOR_platform_op(&p), -EACCES);
    CHECK_IS(platform(&p, 1000), -ENOSYS);
    p.u.settime64 = (struct xenpf_settime64){ .secs = 1000, .nsecs = 1000000000 };
    CHECK_IS(platform(&p, XENPF_settime64), -EINVAL);
    p.u.settime64 = (struct xenpf_settime64){ .secs = 1000, .system_time = 1000000000001 };
    CHECK_IS(platform(&p, XENPF_settime64), -EINVAL);
    p.u.settime64 = (struct xenpf_settime64){ .secs = 1000, .mbz = 1 };
    CHECK_IS(platform(&p, XENPF_settime64), -EINVAL);
    p.u.firmware_info.type = XEN_FW_DISK_INFO;
    CHECK_IS(platform(&p, XENPF_firmware_info), -ESRCH);
    p.u.getidletime = (struct xenpf_getidletime){ .cpumap_bitmap.p = NOWHERE,
                                                  .cpumap_nr_cpus = 1,
                                                  .idletime.p = NOWHERE };
    CHECK_IS(platform(&p, XENPF_getidletime), -EFAULT);
}

static void bad_texts(void)
{
    CHECK_IS(HYPERVISOR_console_io(CONSOLEIO_write, 0x80000000u, NOWHERE), -E2BIG);
    CHECK_IS(HYPERVISOR_console_io(CONSOLEIO_write, 16, NOWHERE), -EFAULT);
    CHECK_IS(HYPERVISOR_console_io(2, 0, NOWHERE), -ENOSYS);
}

/* What was typed has no place; that is known as soon as there is something. */
static void bad_places(void)
{
    char letter;
    uint64_t until = now_ns() + 30 * NS_PER_S;
    long result;

    CHECK_IS(HYPERVISOR_console_io(CONSOLEIO_read, 1, NOWHERE), 0);
    printk("TYPE text\n");
    do
        result = HYPERVISOR_console_io(CONSOLEIO_read, 1, NOWHERE);
    while (result == 0 && now_ns() < until);
    CHECK_IS(result, -EFAULT);
    while (HYPERVISOR_console_io(CONSOLEIO_read, 1, &letter) == 0 && now_ns() < until)
        ;
    CHECK_IS(letter, 'e');
}

void refused_control(void)
{
    int there = domain_make(16);

    NEED(there > 0);
    CHECK_IS(HYPERVISOR_domctl(NOWHERE), -EFAULT);
    op.cmd = XEN_DOMCTL_getdomaininfo;
    op.interface_version = XEN_DOMCTL_INTERFACE_VERSION + 1;
    CHECK_IS(HYPERVISOR_domctl(&op), -EACCES);
    bad_domains((domid_t)there);
    bad_lives((domid_t)there);
    bad_vcpus((domid_t)there);
    bad_sysctls();
    bad_platforms();
    bad_texts();
    bad_places();
    domain_unmake((domid_t)there);
    too_many_domains();
}
