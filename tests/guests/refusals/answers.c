/* SPDX-License-Identifier: MIT */
/*
 * Calls that are in order, but for this: their answer goes where their argument was, and that can be read and not written. Each says
 * so. What it has done stays done, as on Xen.
 */
#include "refusals.h"

#include <xen/physdev.h>
#include <xen/platform.h>
#include <xen/sysctl.h>
#include <xen/vcpu.h>

/* An operation and its argument, in a page that cannot be written. */
#define ANSWER_REFUSED(hypercall, operation, ...) do { \
    void *page_ = unwritable(__VA_ARGS__); \
    CHECK_IS(hypercall(operation, page_), -EFAULT); \
    CHECK_IS(last_error(), -EFAULT); \
    unwritable_end(page_); } while (0)
#define WHOLE(...) &(__VA_ARGS__), sizeof(__VA_ARGS__)

static long grant_table_op_of_one(unsigned int command, void *argument)
{
    return HYPERVISOR_grant_table_op(command, argument, 1);
}

static void ports_and_grants(void)
{
    struct evtchn_alloc_unbound alloc = { .dom = DOMID_SELF, .remote_dom = DOMID_SELF };

    ANSWER_REFUSED(HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound, WHOLE(alloc));
    NEED(HYPERVISOR_event_channel_op(EVTCHNOP_alloc_unbound, &alloc) == 0);
    ANSWER_REFUSED(HYPERVISOR_event_channel_op, EVTCHNOP_bind_interdomain,
                   WHOLE((struct evtchn_bind_interdomain){ .remote_dom = own_domid(), .remote_port = alloc.port }));
    ANSWER_REFUSED(HYPERVISOR_event_channel_op, EVTCHNOP_status, WHOLE((struct evtchn_status){ .dom = DOMID_SELF, .port = alloc.port }));
    ANSWER_REFUSED(HYPERVISOR_event_channel_op, EVTCHNOP_bind_virq, WHOLE((struct evtchn_bind_virq){ .virq = VIRQ_DEBUG }));
    ANSWER_REFUSED(HYPERVISOR_event_channel_op, EVTCHNOP_bind_ipi, WHOLE((struct evtchn_bind_ipi){ .vcpu = 0 }));
    ANSWER_REFUSED(grant_table_op_of_one, GNTTABOP_setup_table, WHOLE((struct gnttab_setup_table){ .dom = DOMID_SELF }));
    ANSWER_REFUSED(grant_table_op_of_one, GNTTABOP_query_size, WHOLE((struct gnttab_query_size){ .dom = DOMID_SELF }));
    ANSWER_REFUSED(grant_table_op_of_one, GNTTABOP_get_version, WHOLE((struct gnttab_get_version){ .dom = DOMID_SELF }));
    ANSWER_REFUSED(grant_table_op_of_one, GNTTABOP_set_version, WHOLE((struct gnttab_set_version){ .version = 1 }));
}

static long of_this_vcpu(unsigned int command, void *argument) { return HYPERVISOR_vcpu_op(command, 0, argument); }

/* The interrupt is there afterwards: it can be unmapped. */
static void interrupts(void)
{
    struct physdev_map_pirq map = { .domid = DOMID_SELF, .type = MAP_PIRQ_TYPE_GSI, .index = 9, .pirq = 9 };
    struct physdev_unmap_pirq unmap = { .domid = DOMID_SELF, .pirq = 9 };
    struct evtchn_bind_pirq bind = { .pirq = 9 };

    ANSWER_REFUSED(HYPERVISOR_physdev_op, PHYSDEVOP_map_pirq, WHOLE(map));
    ANSWER_REFUSED(HYPERVISOR_physdev_op, PHYSDEVOP_irq_status_query, WHOLE((struct physdev_irq_status_query){ .irq = 9 }));
    CHECK_IS(HYPERVISOR_physdev_op(PHYSDEVOP_unmap_pirq, &unmap), 0);
    ANSWER_REFUSED(HYPERVISOR_physdev_op, PHYSDEVOP_get_free_pirq, WHOLE((struct physdev_get_free_pirq){ 0 }));
    NEED(HYPERVISOR_physdev_op(PHYSDEVOP_map_pirq, &map) == 0);
    ANSWER_REFUSED(HYPERVISOR_event_channel_op, EVTCHNOP_bind_pirq, WHOLE(bind));
    CHECK_IS(HYPERVISOR_event_channel_op(EVTCHNOP_bind_pirq, &bind), -EEXIST);
    ANSWER_REFUSED(of_this_vcpu, VCPUOP_get_runstate_info, WHOLE((struct vcpu_runstate_info){ 0 }));
}

/* The operation is in the argument, too. */
static long control(unsigned int unused, void *argument) { return HYPERVISOR_domctl(argument); }
static long system(unsigned int unused, void *argument) { return HYPERVISOR_sysctl(argument); }
static long platform(unsigned int unused, void *argument) { return HYPERVISOR_platform_op(argument); }

static void the_control_plane(domid_t there)
{
    ANSWER_REFUSED(control, 0, WHOLE((struct xen_domctl){ .cmd = XEN_DOMCTL_getdomaininfo, .domain = there,
                                                          .interface_version = XEN_DOMCTL_INTERFACE_VERSION }));
    ANSWER_REFUSED(system, 0, WHOLE((struct xen_sysctl){ .cmd = XEN_SYSCTL_physinfo, .interface_version = XEN_SYSCTL_INTERFACE_VERSION }));
    ANSWER_REFUSED(platform, 0, WHOLE((struct xen_platform_op){ .cmd = XENPF_get_cpuinfo, .interface_version = XENPF_INTERFACE_VERSION }));
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
    ports_and_grants();
    interrupts();
    the_control_plane((domid_t)there);
    a_context();
    domain_unmake((domid_t)there);
}
