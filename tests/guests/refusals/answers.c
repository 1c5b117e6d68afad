/* SPDX-License-Identifier: MIT */
/*
 * Calls that are in order, but for this: their answer goes where their argument was, and that can
 * be read and not written. Each says so. What it has done stays done, as on Xen.
 */
#include "refusals.h"

#include <xen/physdev.h>
#include <xen/platform.h>
#include <xen/sysctl.h>
#include <xen/vcpu.h>

static long events(unsigned int op, void *argument)
{
    return HYPERVISOR_event_channel_op(op, argument);
}

static long grants(unsigned int op, void *argument)
{
    return HYPERVISOR_grant_table_op(op, argument, 1);
}

static long vcpu(unsigned int op, void *argument)
{
    return HYPERVISOR_vcpu_op(op, 0, argument);
}

static long physdev(unsigned int op, void *argument)
{
    return HYPERVISOR_physdev_op(op, argument);
}

/* The control plane's operations are in the argument. */
static long control(unsigned int unused, void *argument)
{
    return HYPERVISOR_domctl(argument);
}
static long machine(unsigned int unused, void *argument)
{
    return HYPERVISOR_sysctl(argument);
}

static long platform(unsigned int unused, void *argument)
{
    return HYPERVISOR_platform_op(argument);
}

/* The call of an operation with its argument in a page that cannot be written. */
#define UNANSWERED(call, op, ...) do { \
    void *page_ = unwritable(&(__VA_ARGS__), sizeof(__VA_ARGS__)); \
    CHECK_IS(call(op, page_), -EFAULT); \
    CHECK_IS(last_error(), -EFAULT); \
    unwritable_end(page_); } while (0)

static void ports(void)
{
    struct evtchn_alloc_unbound alloc = { .dom = DOMID_SELF, .remote_dom = DOMID_SELF };
    struct evtchn_bind_interdomain bind = { .remote_dom = own_domid() };

    UNANSWERED(events, EVTCHNOP_alloc_unbound, alloc);
    NEED(events(EVTCHNOP_alloc_unbound, &alloc) == 0);
    bind.remote_port = alloc.port;
    UNANSWERED(events, EVTCHNOP_bind_interdomain, bind);
    UNANSWERED(events, EVTCHNOP_status,
               (struct evtchn_status){ .dom = DOMID_SELF, .port = alloc.port });
    UNANSWERED(events, EVTCHNOP_bind_virq, (struct evtchn_bind_virq){ .virq = VIRQ_DEBUG });
    UNANSWERED(events, EVTCHNOP_bind_ipi, (struct evtchn_bind_ipi){ .vcpu = 0 });
}

static void the_build_id(void)
{
    UNANSWERED(HYPERVISOR_xen_version, XENVER_build_id, (uint32_t){ 24 });   /* so much room */
}

static void the_grant_table(void)
{
    UNANSWERED(grants, GNTTABOP_setup_table, (struct gnttab_setup_table){ .dom = DOMID_SELF });
    UNANSWERED(grants, GNTTABOP_query_size, (struct gnttab_query_size){ .dom = DOMID_SELF });
    UNANSWERED(grants, GNTTABOP_get_version, (struct gnttab_get_version){ .dom = DOMID_SELF });
    UNANSWERED(grants, GNTTABOP_set_version, (struct gnttab_set_version){ .version = 1 });
}

/* The interrupt is there afterwards: it can be unmapped; so is its port: there is no second one. */
static void interrupts(void)
{
    struct physdev_map_pirq map = { .domid = DOMID_SELF, .index = 9, .pirq = 9 };
    struct physdev_unmap_pirq unmap = { .domid = DOMID_SELF, .pirq = 9 };
    struct evtchn_bind_pirq bind = { .pirq = 9 };

    map.type = MAP_PIRQ_TYPE_GSI;
    UNANSWERED(physdev, PHYSDEVOP_map_pirq, map);
    UNANSWERED(physdev, PHYSDEVOP_alloc_irq_vector, (struct physdev_irq){ .irq = 9 });
    UNANSWERED(physdev, PHYSDEVOP_irq_status_query, (struct physdev_irq_status_query){ .irq = 9 });
    CHECK_IS(physdev(PHYSDEVOP_unmap_pirq, &unmap), 0);
    UNANSWERED(physdev, PHYSDEVOP_get_free_pirq, (struct physdev_get_free_pirq){ 0 });
    NEED(physdev(PHYSDEVOP_map_pirq, &map) == 0);
    UNANSWERED(events, EVTCHNOP_bind_pirq, bind);
    CHECK_IS(events(EVTCHNOP_bind_pirq, &bind), -EEXIST);
}

static void the_control_plane(domid_t there)
{
    UNANSWERED(control, 0,
               (struct xen_domctl){ .cmd = XEN_DOMCTL_getdomaininfo, .domain = there,
                                    .interface_version = XEN_DOMCTL_INTERFACE_VERSION });
    UNANSWERED(machine, 0,
               (struct xen_sysctl){ .cmd = XEN_SYSCTL_physinfo,
                                    .interface_version = XEN_SYSCTL_INTERFACE_VERSION });
    UNANSWERED(platform, 0,
               (struct xen_platform_op){ .cmd = XENPF_get_cpuinfo,
                                         .interface_version = XENPF_INTERFACE_VERSION });
}

/* Here the answer has a place of its own. */
static void a_context(void)
{
    static struct other other;
    struct xen_domctl op = { .cmd = XEN_DOMCTL_getvcpucontext };

    other_begin(&other, OTHER_FREE);
    op.domain = other.id;
    op.u.vcpucontext.ctxt.p = unwritable("", 1);
    CHECK_IS(domctl(&op), -EFAULT);
    CHECK_IS(last_error(), -EFAULT);
    unwritable_end(op.u.vcpucontext.ctxt.p);
    other_end(&other);
}

void refused_answers(void)
{
    int there = domain_make(16);

    NEED(there > 0);
    ports();
    the_build_id();
    the_grant_table();
    UNANSWERED(vcpu, VCPUOP_get_runstate_info, (struct vcpu_runstate_info){ 0 });
    interrupts();
    the_control_plane((domid_t)there);
    a_context();
    domain_unmake((domid_t)there);
}
