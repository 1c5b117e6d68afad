/* SPDX-License-Identifier: MIT */
/* A domain as the toolstack sees it: XEN_DOMCTL_getdomaininfo and XEN_SYSCTL_getdomaininfolist. */
#include "control/domctl.h"
#include "domain/domain.h"
#include "domain/schedule.h"
#include "lib/string.h"
#include "machine/budget.h"

/* instructions: found, told of and written down; and what each of its vCPUs adds */
#define COST_DOMAIN       500
#define COST_DOMAINS_VCPU 100

static uint32_t state_flags(struct domain *d, uint32_t online, uint32_t blocked, bool running)
{
    return (domain_is_dying(d) ? XEN_DOMINF_dying : 0) |
           (d->shutdown_code >= 0
                ? XEN_DOMINF_shutdown | (uint32_t)d->shutdown_code << XEN_DOMINF_shutdownshift
                : 0) |
           (d->toolstack_pauses ? XEN_DOMINF_paused : 0) |
           (online && blocked == online ? XEN_DOMINF_blocked : 0) |
           (running ? XEN_DOMINF_running : 0);
}

void domain_info(struct domain *d, struct xen_domctl_getdomaininfo *info)
{
    uint32_t blocked = 0;
    bool running = false;
    struct vcpu *v;

    spend((int)(COST_DOMAIN + d->vcpu_count * COST_DOMAINS_VCPU));
    memset(info, 0, sizeof(*info));
    info->domain = d->id;
    info->max_vcpu_id = XEN_INVALID_MAX_VCPU_ID;
    info->cpu_time = d->cpu_time_ns;
    for_each_vcpu (v, d) {
        info->max_vcpu_id = v->id;
        info->cpu_time += vcpu_cpu_time(v);
        info->nr_online_vcpus += v->sched.state != VCPU_DOWN;
        blocked += v->sched.state == VCPU_BLOCKED;
        running |= v->sched.runstate.state == RUNSTATE_running;
    }
    info->flags = state_flags(d, info->nr_online_vcpus, blocked, running);
    info->tot_pages = d->memory.page_count;
    info->max_pages = d->memory.max_pages;
    info->shr_pages = (uint64_t)MAX(d->orphans, 0);
    info->shared_info_frame = d->shared_frame.n;
    info->ssidref = d->ssidref;
    memcpy(info->handle, d->handle, sizeof(info->handle));
    info->gpaddr_bits = 52;
}
