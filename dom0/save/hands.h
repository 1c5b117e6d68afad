/* SPDX-License-Identifier: MIT */
/* A domain by the hypervisor's calls, as guest.h wants it; and what saving does to its life. */
#ifndef DOM0_SAVE_HANDS_H
#define DOM0_SAVE_HANDS_H

#include "dom0/save/guest.h"

/* Fills in all that is known of it now. 0 or a negative errno. */
int guest_of(domid_t domid, struct guest *guest);

/* It goes on where it suspended itself, as if nothing had been: suspending returns 1. */
int guest_go_on(struct guest *guest);

#endif
