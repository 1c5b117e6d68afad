/* SPDX-License-Identifier: MIT */
/*
 * When a domain that has ended is started again. To build it is dom0's work and dom0's time, and
 * how often it ends is the guest's choice: so it waits until it has lived, or waited, ten times as
 * long as its building took. One that does what a guest should never waits. Nor does one that the
 * operator has asked to reboot. Pure; times are ns of system time.
 */
#ifndef DOM0_GUESTS_RESTART_H
#define DOM0_GUESTS_RESTART_H

#include "dom0/base.h"

struct life {
    uint64_t build_ns;                  /* What it took to build it. */
    uint64_t started, ended;
    unsigned short_lives;               /* In a row, this one included. */
    bool asked;                         /* The operator has. */
};

/* Built since then. `before`: the life that this one follows; NULL: the operator's will. */
void life_begin(struct life *life, const struct life *before, uint64_t since, uint64_t now);
void life_end(struct life *life, uint64_t now);

/* So many short lives in a row are a domain that cannot live. */
bool life_is_hopeless(const struct life *life);

/* From when on it may be built again. */
uint64_t life_due(const struct life *life);

#endif
