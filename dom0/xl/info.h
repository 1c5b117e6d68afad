/* SPDX-License-Identifier: MIT */
/*
 * What the machine and its domains look like: the tables behind `xl list`, `xl info`, `xl dmesg`.
 */
#ifndef DOM0_XL_INFO_H
#define DOM0_XL_INFO_H

#include "dom0/base.h"
#include <pvguest/xen.h>
#include <xen/domctl.h>

/* The domains of these names (dom0's too), or all when there are none. `verbose`: what makes each
 * of them unique, too. */
void info_list(int count, char **word, bool verbose);
void info_list_long(int count, char **word);    /* details.c */

/* What dom0 has done for each domain: seconds of its own, turns of each kind (dom0/turns.h), and
 * what it holds for it. */
void info_service(void);

/* "(null)": a domain that is not this toolstack's. It holds until the caller sleeps. */
const char *info_name(domid_t domid);

/* The domain of that number or the next one; is it among the names; its UUID, printed. */
bool info_next(domid_t from, struct xen_domctl_getdomaininfo *info);
bool info_is_named(const struct xen_domctl_getdomaininfo *info, int count, char **word);
void info_uuid(const xen_domain_handle_t handle);

/* 0 or a negative errno of the hypervisor's. `topology`: also where the CPUs sit. */
int info_machine(bool topology);
void info_version(void);
int info_log(bool clear);                       /* `clear`: and forget what was shown. */

#endif
