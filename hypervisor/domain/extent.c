/* SPDX-License-Identifier: MIT */
#include "domain/extent.h"
#include "domain/domain.h"
#include "memory/frame.h"

/* Frames that were on their way go back. `first` is INVALID_MFN when frames were being let go: what
 * went is gone. */
void extent_end(struct vcpu *v)
{
    struct domain *d = v->extent.domain;

    if (!d) return;
    if (!mfn_eq(v->extent.first, INVALID_MFN))
        frames_unreserve(&d->memory, v->extent.first, v->extent.order);
    v->extent.domain = NULL;
    domain_put(d);
}
