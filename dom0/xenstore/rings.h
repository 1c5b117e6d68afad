/* SPDX-License-Identifier: MIT */
/*
 * Carries XenStore's messages: over guests' shared rings (rings.c), and inside dom0 itself
 * (local.c).
 */
#ifndef DOM0_XENSTORE_RINGS_H
#define DOM0_XENSTORE_RINGS_H

#include "dom0/xenstore/server.h"

/* The carrier for xenstore_start(): maps and unmaps guests' rings. */
extern const struct xenstore_carrier xenstore_rings;

/* Connects dom0's own XenStore client (<pvguest/xenstore.h>) to the server in the same image. 0 or
 * -ENOMEM. */
int xenstore_local_start(void);

#endif
