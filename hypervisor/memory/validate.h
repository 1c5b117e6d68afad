/* SPDX-License-Identifier: MIT */
/*
 * Page tables become valid and stop being it: the walks that take and drop the references of a table's entries.
 * Lock: the owner's pagetable_lock is held by every caller.
 */
#ifndef DOMUS_MEMORY_VALIDATE_H
#define DOMUS_MEMORY_VALIDATE_H

#include "memory/mmu.h"
#include "memory/paging.h"

/* Who speaks: table entries of `owner`'s tables may name frames of `frames` (usually the same; another for dom0's foreign mappings). */
struct mapping { struct domain *owner, *frames; };

/* Take the references that entry *e of a table of this level needs and bring it into the form hardware may load (U=1...).
 * 0, -EINVAL, -EBUSY, -ERESTART (level > 1 only). */
int entry_get(const struct mapping *m, unsigned int level, uint64_t *e) must_check;
void entry_put(struct domain *owner, unsigned int level, uint64_t e);

#endif
