/* SPDX-License-Identifier: MIT */
/* sysctl about what CPUs can do (cpu_policy.c). */
#ifndef DOMUS_CONTROL_CPU_POLICY_H
#define DOMUS_CONTROL_CPU_POLICY_H

#include "domain/domain.h"
#include <xen/sysctl.h>

int sysctl_featureset(struct domain *caller, struct xen_sysctl_cpu_featureset *op);
int sysctl_policy(struct domain *caller, struct xen_sysctl_cpu_policy *op);

#endif
