/* SPDX-License-Identifier: MIT */
/*
 * Whose tables and whose frames a call is about: the `foreigndom` argument of mmu_update and
 * mmuext_op. Private to memory/.
 */
#ifndef DOMUS_CALLS_FOREIGN_H
#define DOMUS_CALLS_FOREIGN_H

#include "domain/domain.h"
#include "memory/entry.h"

/* Fill *w for the caller: low 16 bits: the domain whose frames are meant (DOMID_SELF, a number,
 * DOMID_IO, DOMID_XEN); upper 16: 1 + the number of the domain whose tables, 0: the caller's own.
 * 0, -ESRCH, -EPERM. After 0, foreign_end(w). */
int foreign_begin(struct walk *w, uint32_t foreigndom) must_check;
void foreign_put(struct domain_memory *owner);

static inline void foreign_end(struct walk *w)
{
    const struct domain_memory *self = &current->domain->memory;

    if (unlikely(w->frames != self))
        foreign_put(w->frames);
    if (unlikely(w->owner != self))
        foreign_put(w->owner);
}

#endif
