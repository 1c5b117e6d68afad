/* SPDX-License-Identifier: MIT */
/* What walks over all domains and their vCPUs, where there are many: the machine's list, each one's
 * counts, the wall clock, all CPUs. */
#include "crash.h"
#include <abi/domus.h>
#include <xen/platform.h>
#include <xen/sysctl.h>

#define CROWD 24

static domid_t member[CROWD];

static void born(void)
{
    static struct xen_domctl op;

    for (unsigned int i = 0; i < CROWD; i++) {
        op.u.createdomain = (struct xen_domctl_createdomain){
            .max_vcpus = 32, .max_grant_frames = 1, .max_maptrack_frames = 1,
            .grant_opts = XEN_DOMCTL_GRANT_version(1)
        };
        NEED(control(&op, XEN_DOMCTL_createdomain, 0) == 0);
        member[i] = op.domain;
        op.u.max_vcpus.max = 32;
        CHECK_IS(control(&op, XEN_DOMCTL_max_vcpus, member[i]), 0);
    }
}

static void listed(void)
{
    static struct xen_sysctl op = { .cmd = XEN_SYSCTL_getdomaininfolist,
                                    .interface_version = XEN_SYSCTL_INTERFACE_VERSION };
    static struct xen_domctl_getdomaininfo infos[CROWD + 4];

    op.u.getdomaininfolist.max_domains = CROWD + 4;
    op.u.getdomaininfolist.num_domains = 7;
    set_xen_guest_handle(op.u.getdomaininfolist.buffer, infos);
    CHECK_IS(HYPERVISOR_sysctl(&op), 0);
    CHECK_IS(op.u.getdomaininfolist.num_domains, CROWD + 1);
    for (unsigned int i = 0; i < CROWD; i++) {
        CHECK_IS(infos[i + 1].domain, member[i]);
        CHECK_IS(infos[i + 1].max_vcpu_id, 31);
    }
}

/* Of each member, and at once. */
static void asked(unsigned long call, unsigned long first, unsigned long second)
{
    static struct multicall_entry calls[CALLS];

    for (unsigned int i = 0; i < CALLS; i++)
        calls[i] = (struct multicall_entry){ .op = call, .args = { first, second } };
    CHECK_IS(HYPERVISOR_multicall(calls, CALLS), 0);
    CHECK_IS((long)calls[CALLS - 1].result, 0);
}

void a_crowd(void)
{
    static struct domus_counters counters;
    static struct xen_domctl info = { .cmd = XEN_DOMCTL_getdomaininfo,
                                      .interface_version = XEN_DOMCTL_INTERFACE_VERSION },
                             end;
    static struct xen_platform_op time = { .cmd = XENPF_settime64,
                                           .interface_version = XENPF_INTERFACE_VERSION };

    born();
    listed();
    info.domain = counters.domid = member[CROWD - 1];
    asked(__HYPERVISOR_domctl, (unsigned long)&info, 0);
    asked(__HYPERVISOR_domus_op, DOMUS_counters, (unsigned long)&counters);
    time.u.settime64.secs = 1700000000;
    asked(__HYPERVISOR_platform_op, (unsigned long)&time, 0);
    for (unsigned int i = 0; i < CROWD; i++)
        CHECK_IS(control(&end, XEN_DOMCTL_destroydomain, member[i]), 0);
}
