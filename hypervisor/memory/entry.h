/* SPDX-License-Identifier: MIT */
/*
 * One entry of a guest's page table: what it may be (entry.c), and the walks over all entries of a
 * table that make it valid or stop it being so (validate.c, undo.c). Private to memory/ and
 * emulate/ptwrite.c.
 *
 * Lock: the pagetable_lock of the tables' owner is held by every caller.
 */
#ifndef DOMUS_MEMORY_ENTRY_H
#define DOMUS_MEMORY_ENTRY_H

#include "memory/mmu.h"
#include "memory/paging.h"
#include "memory/tlb.h"

/*
 * What one operation is about: tables of `owner`, whose entries may name frames of `frames`
 * (itself; another domain, special_io, special_xen for the control domain's foreign mappings).
 */
struct walk { struct domain_memory *owner, *frames; };

/* Take the references that entry *e of a table of this level needs, and bring it into the form that
 * hardware may load (U=1, no G). 0, -EINVAL, -EBUSY, -ERESTART (level > 1 only: the budget is
 * spent). */
int entry_get(struct walk *w, unsigned int level, uint64_t *e) must_check;
void entry_put(unsigned int level, uint64_t e);
/* A refusal that came with `error` was about this entry: what is in *slot of a table of this level,
 * or was to be. Returns the error. */
int entry_refused(int error, unsigned int level, const uint64_t *slot, uint64_t e) must_check cold;

/* The queue is empty nearly always. */
static inline int undo_if_any(struct domain_memory *d)
{
    return likely(list_empty(&d->undoing)) ? 0 : mmu_undo(d);
}

/* Replace the entry in *slot of a valid table. preserve: accessed and dirty bits survive
 * (MMU_PT_UPDATE_PRESERVE_AD). */
int entry_update(struct walk *w, unsigned int level, uint64_t *slot, uint64_t new,
                 bool preserve) must_check;
/* The same for an atomic read-modify-write: only if the slot still holds `expected` (in *seen what
 * it does hold): -EAGAIN. Level 1. Of a refusal the caller says what it was about. */
int entry_compare_update(struct walk *w, uint64_t *slot, uint64_t expected, uint64_t new,
                         uint64_t *seen) must_check;

/* A type reference of a table, validating it if it is the first. -EINVAL, -EBUSY, -ERESTART. */
int table_get(struct walk *w, mfn_t m, enum frame_type level) must_check;

/*
 * ---- the common cases of level 1, inline ---- An ordinary entry of an ordinary frame: RAM of
 * w->frames with plain flags, whose type need not change. False: entry_get decides.
 */
/* bits 9-11 and 52-62: the guest's own, for CR4.PKE is never set */
#define PTE_AVAILABLE   0x7ff0000000000e00UL
#define TABLE_ALLOWED \
    (PTE_PRESENT | PTE_WRITE | PTE_USER | PTE_ACCESSED | PTE_DIRTY | PTE_AVAILABLE | \
     PTE_MFN_MASK | PTE_NX)
#define L1_ALLOWED      (TABLE_ALLOWED | PTE_G | PTE_PWT | PTE_PCD)

static inline bool l1_get_common(const struct walk *w, uint64_t e)
{
    struct frame *f = frame_of(pte_mfn(e));

    if (((e ^ PTE_PRESENT) & (PTE_PRESENT | ~(TABLE_ALLOWED | PTE_G))) || !mfn_valid(pte_mfn(e)) ||
        f->owner != w->frames)
        return false;
    if (!(e & PTE_WRITE ? pt_get_same(f, FRAME_WRITABLE) : pt_get(f))) return false;
    /* looked at again: now it cannot change any more */
    if (likely(f->owner == w->frames)) return true;
    frame_finish(f, e & PTE_WRITE ? pt_put_plain(f, tlb_stamp()) : pt_put(f, tlb_stamp()));
    return false;
}

/* Any level-1 entry that holds its references. */
static inline void l1_put(uint64_t e)
{
    struct frame *f = frame_of(pte_mfn(e));
    enum pt_result r;

    if (!(e & PTE_PRESENT) || unlikely(mfn_is_io(pte_mfn(e)))) return;
    r = e & PTE_WRITE ? pt_put_plain(f, tlb_stamp()) : pt_put(f, tlb_stamp());
    if (unlikely(r != PT_OK))
        frame_finish(f, r);
}

/* What goes into the table: accessible to ring 3, flushed by each CR3 load. */
static inline uint64_t loadable(uint64_t e)
{
    return (e | PTE_USER) & ~PTE_G;
}

/* Most tables are mostly empty: from i (or below i) on, pass over empty groups of eight. */
static inline bool eight_empty(const uint64_t *e)
{
    return !(e[0] | e[1] | e[2] | e[3] | e[4] | e[5] | e[6] | e[7]);
}

static inline unsigned int skip_empty(const uint64_t *table, unsigned int i)
{
    while (i % 8 == 0 && i < 512 && eight_empty(table + i))
        i += 8;
    return i;
}

static inline unsigned int skip_empty_below(const uint64_t *table, unsigned int i)
{
    while (i % 8 == 0 && i > 0 && eight_empty(table + i - 8))
        i -= 8;
    return i;
}

/* An L4's slots that are ours: not the guest's to write. */
static inline bool l4_slot_is_ours(unsigned int slot)
{
    return slot - HV_SLOT_FIRST < HV_SLOT_COUNT;
}

/* asks the CPU what it is vulnerable to and how many address bits it has */
void entry_init(void);

#endif
