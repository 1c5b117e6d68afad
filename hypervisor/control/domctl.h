/* SPDX-License-Identifier: MIT */
/* domctl in five files: the calls that make and end domains (domctl.c), those about vCPUs
 * (domctl_vcpu.c) and what they are told of the CPU (cpu_policy.c, sysctl shares it), what saving
 * and restoring needs beyond them (domctl_save.c), and what a domain looks like from outside
 * (domain_info.c, likewise). */
#ifndef DOMUS_CONTROL_DOMCTL_H
#define DOMUS_CONTROL_DOMCTL_H

#include "domain/domain.h"
#include <xen/domctl.h>

void domain_info(struct domain *d, struct xen_domctl_getdomaininfo *info);
/* DOMUS_destroy: as much of it as there is time for. */
int domctl_destroy_some(domid_t id);

/* Operations on vCPUs, for domctl's table. */
int domctl_set_context(struct domain *d, const struct xen_domctl_vcpucontext *op);
int domctl_get_context(struct domain *d, const struct xen_domctl_vcpucontext *op);
int domctl_vcpu_info(struct domain *d, struct xen_domctl_getvcpuinfo *op);
int domctl_set_affinity(struct domain *d, const struct xen_domctl_vcpuaffinity *op);
int domctl_get_affinity(struct domain *d, const struct xen_domctl_vcpuaffinity *op);
int domctl_send_trigger(struct domain *d, const struct xen_domctl_sendtrigger *op);

/* What of the CPU a domain is told (cpu_policy.c). */
int domctl_get_policy(struct domain *d, struct xen_domctl_cpu_policy *op);
int domctl_set_policy(struct domain *d, const struct xen_domctl_cpu_policy *op);

/* domctl_save.c */
int domctl_resume(struct domain *d, uint64_t unused);
int domctl_get_xstate(struct domain *d, struct xen_domctl_vcpuextstate *op);
int domctl_set_xstate(struct domain *d, const struct xen_domctl_vcpuextstate *op);
int domctl_get_msrs(struct domain *d, struct xen_domctl_vcpu_msrs *op);
int domctl_set_msrs(struct domain *d, const struct xen_domctl_vcpu_msrs *op);
int domctl_get_extended(struct domain *d, struct xen_domctl_ext_vcpucontext *op);
int domctl_set_extended(struct domain *d, const struct xen_domctl_ext_vcpucontext *op);

#endif
