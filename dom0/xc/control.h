/* SPDX-License-Identifier: MIT */
/*
 * The hypervisor's control operations (<xen/domctl.h>, <xen/sysctl.h>) as functions. All return 0
 * or a negative errno.
 */
#ifndef DOM0_XC_CONTROL_H
#define DOM0_XC_CONTROL_H

#include "dom0/base.h"
#include "dom0/xc/build.h"
#include <pvguest/xen.h>
#include <xen/domctl.h>
#include <xen/sysctl.h>

/* Interface versions are filled in here. */
int control_domain(struct xen_domctl *op);
int control_system(struct xen_sysctl *op);

/*
 * Without memory. What a guest has mapped of others outlives them, so by default it may have as
 * much as a few disks and cards need: GUEST_MAPTRACK_FRAMES pages of handles.
 */
int domain_create(const struct build_request *request, const xen_domain_handle_t handle,
                  domid_t *domid);
int domain_destroy(domid_t domid);
int domain_pause(domid_t domid);
int domain_unpause(domid_t domid);
int domain_set_max_memory(domid_t domid, uint64_t pages);

/* -ESRCH when there is no domain of exactly this number. */
int domain_get_info(domid_t domid, struct xen_domctl_getdomaininfo *info);

int domain_get_vcpu(domid_t domid, unsigned vcpu, struct xen_domctl_getvcpuinfo *info);

/* Its part of the CPUs beside others', 256 if nobody set it: 1 to 65535; and how much of them it
 * gets at most, in percent of one: 0 is as much as there is. */
struct domain_share { unsigned weight, cap; };
int domain_get_share(domid_t domid, struct domain_share *share);
int domain_set_share(domid_t domid, const struct domain_share *share);

/* On which CPUs a vCPU may run, and which of them it prefers: a bit for each. Of those that are set
 * 0 means: as before. -EINVAL: none of them is there. `force`: also where the domain itself has
 * chosen one for a while. */
int domain_get_affinity(domid_t domid, unsigned vcpu, uint64_t *hard, uint64_t *soft);
int domain_set_affinity(domid_t domid, unsigned vcpu, uint64_t hard, uint64_t soft, bool force);

/* XEN_DOMCTL_SENDTRIGGER_*: what a button or a wire would do to a real machine. */
int domain_trigger(domid_t domid, unsigned trigger, unsigned vcpu);

/* `pages` frames from the hypervisor, for pfns 0 ..; frames[] gets the machine frames. -ENOMEM. */
int domain_populate(domid_t domid, unsigned long *frames, uint64_t pages);

/* Free memory of the machine, in pages. */
uint64_t machine_free_pages(void);

/* The CPUs that there are: a bit for each. */
uint64_t machine_cpus(void);

/* An event channel between two other domains' ends: allocated in `domid` for `remote` to bind. */
int domain_alloc_port(domid_t domid, domid_t remote, evtchn_port_t *port);

#endif
