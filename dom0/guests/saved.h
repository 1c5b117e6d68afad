/* SPDX-License-Identifier: MIT */
/*
 * Saving a guest to a partition (or the whole disk), and making one of what is there. Both sleep,
 * and take the toolstack's lock for as long as they must: saving leaves others their turn, as long
 * as it takes; restoring is as building.
 */
#ifndef DOM0_GUESTS_SAVED_H
#define DOM0_GUESTS_SAVED_H

#include "dom0/guests/domains.h"

/* It ends there, or, with `go_on`, goes on here. `over`: what is there may be a saved guest, which
 * is lost. 0, or a negative errno and the problem: then it goes on, and nothing is there. */
int saved_save(const char *name, const char *target, bool go_on, bool over,
               struct problem *problem);

/* 0, or a negative errno and the problem: then nothing is left of it. What was saved stays. `file`:
 * a configuration in the boot archive instead of the one that was saved with it, or NULL. */
int saved_restore(const char *file, const char *target, bool paused, struct domain **made,
                  struct problem *problem);

#endif
