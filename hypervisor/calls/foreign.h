/* SPDX-License-Identifier: MIT */
/*
 * Whose tables and whose frames a call is about: the `foreigndom` argument of mmu_update and
 * mmuext_op; and their lists of requests.
 */
#ifndef DOMUS_CALLS_FOREIGN_H
#define DOMUS_CALLS_FOREIGN_H

#include "domain/domain.h"
#include "memory/access.h"
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

/* What has to be undone comes first. */
static inline int foreign_undo(struct walk *w)
{
    int error = undo_if_any(w->owner);

    return error ? error : undo_if_any(w->frames);
}

#define PREEMPTED 0x80000000u       /* in the count: this is a continuation, *done counts on */

/*
 * Performs a list of `count` requests: `run` does those from number *done on, and answers 0, the
 * error of request *done, or -ERESTART before it: then the call is to be made again without those.
 * The guest hears at done_va, if it wants to, how many are done in all; none is an answer, too:
 * Linux goes on from there after every error.
 */
static inline __attribute__((always_inline)) int foreign_list(
    int (*run)(struct walk *w, uint64_t list, unsigned int count, unsigned int *done),
    uint64_t list, unsigned int count, uint64_t done_va, uint32_t foreigndom, unsigned int *done)
{
    uint32_t before = 0;
    struct walk w = { &current->domain->memory, &current->domain->memory };
    int error;

    if ((count & PREEMPTED) && done_va && read_guest(&before, done_va))
        return fail(-EFAULT, "the count of what is done");
    error = likely(foreigndom == DOMID_SELF) ? 0 : foreign_begin(&w, foreigndom);
    if (likely(!error)) {
        error = run(&w, list, count & ~PREEMPTED, done);
        foreign_end(&w);
    }
    if (done_va && write_guest_u32(done_va, before + *done))
        return fail(-EFAULT, "the count of what is done");
    return error;
}

#endif
