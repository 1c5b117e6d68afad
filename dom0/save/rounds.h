/* SPDX-License-Identifier: MIT */
/* How often a guest that runs is gone over before it stands still for the rest (save.h). Pure. */
#ifndef DOM0_SAVE_ROUNDS_H
#define DOM0_SAVE_ROUNDS_H

#include "dom0/base.h"

struct save_rounds {
    uint64_t pages;                     /* That the guest had. */
    unsigned number;                    /* Of the last, from 1. */
    /* Pages with their contents: in the last, in the one before it, in all. */
    uint64_t sent, before, total;
};

/* Is it enough? Little was left, or hardly less than the time before, or all has gone that may
 * (SAVE_TIMES) but for the last time. */
bool save_rounds_done(const struct save_rounds *rounds);

#endif
