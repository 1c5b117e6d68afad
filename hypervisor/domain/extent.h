/* SPDX-License-Identifier: MIT */
/* What a memory_op has left half way, in the vCPU that made it (calls/reservation.c). */
#ifndef DOMUS_DOMAIN_EXTENT_H
#define DOMUS_DOMAIN_EXTENT_H

#include "lib/types.h"

struct domain;
struct vcpu;

struct extent {
    struct domain *domain;          /* with a reference; NULL: nothing is left */
    uint64_t command, argument;
    mfn_t first;
    uint32_t order, done;
};

/* It ends; nothing if there is none. Also when v is released. */
void extent_end(struct vcpu *v);

#endif
