/* SPDX-License-Identifier: MIT */
/*
 * One entry of a guest's page table: what it may be (entry.c), and the walks over all entries of a table that make it valid or stop it
 * being so (validate.c, undo.c). Private to memory/ and emulate/ptwrite.c.
 *
 * Lock: the pagetable_lock of the tables' owner is held by every caller.
 */
#ifndef DOMUS_MEMORY_ENTRY_H
#define DOMUS_MEMORY_ENTRY_H

#include "memory/mmu.h"
#include "memory/paging.h"

/*
 * What one operation is about: tables of `owner`, whose entries may name frames of `frames` (itself; another domain, special_io, special_xen for
 * the control domain's foreign mappings). steps: entries looked at; walks give way (-ERESTART) beyond WALK_STEPS.
 */
struct walk {
    struct domain *owner, *frames;
    unsigned int steps;
};
#define WALK_STEPS 2048

/* Take the references that entry *e of a table of this level needs, and bring it into the form that hardware may load (U=1, no G).
 * 0, -EINVAL, -EBUSY, -ERESTART (level > 1 only). */
int entry_get(struct walk *w, unsigned int level, uint64_t *e) must_check;
void entry_put(unsigned int level, uint64_t e);

/* Replace the entry in *slot of a valid table. preserve: accessed and dirty bits survive (MMU_PT_UPDATE_PRESERVE_AD). */
int entry_update(struct walk *w, unsigned int level, uint64_t *slot, uint64_t new, bool preserve) must_check;
/* The same for an atomic read-modify-write: only if the slot still holds `expected` (in *seen what it does hold): -EAGAIN. Level 1. */
int entry_compare_update(struct walk *w, uint64_t *slot, uint64_t expected, uint64_t new, uint64_t *seen) must_check;

/* A type reference of a table, validating it if it is the first. -EINVAL, -EBUSY, -ERESTART. */
int table_get(struct walk *w, mfn_t m, enum frame_type level) must_check;

/* An L4's slots that are ours: not the guest's to write. */
static inline bool l4_slot_is_ours(unsigned int slot) { return slot - HV_SLOT_FIRST < HV_SLOT_COUNT; }

void entry_init(void);          /* asks the CPU what it is vulnerable to and how many address bits it has */

#endif
