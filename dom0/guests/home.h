/* SPDX-License-Identifier: MIT */
/* What XenStore says about a domain itself, as on Xen (xenstore-paths): its home /local/domain/N
 * and /vm/UUID. Devices: devices.c. */
#ifndef DOM0_GUESTS_HOME_H
#define DOM0_GUESTS_HOME_H

#include "dom0/config/config.h"
#include "dom0/xc/build.h"

/* Writes the nodes of a domain that was just built. They sleep; 0 or a negative errno. */
int home_write(const struct config *config, const struct build_result *built);

/* From now on the store talks to the domain. */
int home_introduce(const struct build_result *built);

/* Ends both: the store lets go of the domain's ring, and its nodes are removed. */
void home_release(domid_t domid);

#endif
