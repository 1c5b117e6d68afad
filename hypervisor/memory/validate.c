/* SPDX-License-Identifier: MIT */
/*
 * A frame becomes a page table: each entry takes the references it needs, from the first to the
 * last; then the table is valid.
 *
 * frame.cursor is how far we came. The walk stops there in three cases: at the end; at an entry
 * that is not allowed (what was taken is queued for undoing); or when the budget is spent, and then
 * the frame is left parked, as the essay in pagetype.c says. The recursion goes down the four
 * levels of the hardware and no deeper, since each level's tables are of another type.
 */
#include "memory/entry.h"
#include "memory/tlb.h"
#include "machine/budget.h"
#include "lib/fail.h"

#define STRIDE 32                   /* level-1 entries between two looks at the budget */

static int walk_l1(struct walk *w, struct frame *f, uint64_t *table)
{
    unsigned int i = f->cursor;
    int error = 0;

    for (;;) {
        unsigned int end = (i / STRIDE + 1) * STRIDE, start = i;

        for (i = skip_empty(table, i); i < end; i = skip_empty(table, i + 1)) {
            uint64_t e = table[i];

            if (likely(l1_get_common(w, e))) {
                e = loadable(e);
            } else if (e) {
                error = entry_get(w, 1, &e);
                spend(COST_ENTRY);
            }
            if (unlikely(error))
                break;
            table[i] = e;
        }
        f->cursor = (uint16_t)i;
        spend((int)(MIN(i, end) - start + 8) * COST_ENTRY);
        if (error || i == 512) return error;
        if (spent()) return -ERESTART;
    }
}

static int walk_upper(struct walk *w, struct frame *f, unsigned int level, uint64_t *table)
{
    spend(COST_SCAN);
    while ((f->cursor = (uint16_t)skip_empty(table, f->cursor)) < 512) {
        uint64_t e = table[f->cursor];

        /* an empty one would be taken, too, but slowly */
        if (e && !(level == 4 && l4_slot_is_ours(f->cursor))) {
            int error = entry_get(w, level, &e);

            if (error) return error;
            table[f->cursor] = e;
        }
        f->cursor++;
        spend(COST_TYPE);
        if (spent()) return -ERESTART;
    }
    return 0;
}

/* The caller has just had PT_NEW from pt_get_type: the frame's first two references are his once
 * the table is valid. */
static int validate(struct walk *w, struct frame *f, enum frame_type level)
{
    /* a table's entries may name its owner's frames only */
    struct walk own = { w->owner, w->owner };
    uint64_t *table = map_frame(mfn_of(f));
    int error = level == FRAME_L1 ? walk_l1(&own, f, table) : walk_upper(&own, f, level, table);

    if (error == -ERESTART) return error;                   /* parked */
    if (error) {
        error = entry_refused(error, level, &table[f->cursor], table[f->cursor]);
        frame_finish(f, pt_reject(f, tlb_stamp()));
        return error;
    }
    if (level == FRAME_L4)
        hv_fill_l4(table);
    pt_commit(f);
    return 0;
}

int table_get(struct walk *w, mfn_t m, enum frame_type level)
{
    struct frame *f = frame_of(m);
    enum pt_result r;

    if (!mfn_valid(m) || f->owner != w->owner)
        return fail_frame(-EINVAL, "the table is not a frame of this domain", m, level);
    r = pt_get_type(f, level);
    if (r == PT_OK) return 0;
    if (r != PT_NEW) return frame_type_error(r, mfn_of(f), level);
    race_point();
    /* after this nobody can write to it by an old translation (I9) */
    if (f->cursor == 0)
        tlb_flush_stale(f->flush_stamp);
    return validate(w, f, level);
}

int mmu_get_table(struct domain_memory *d, mfn_t m, enum frame_type level)
{
    struct walk w = { d, d };
    int error;

    /* It is one already. Whose, one may ask only of a frame that one holds. */
    if (likely(mfn_valid(m) && pt_get_same(frame_of(m), level))) {
        if (likely(frame_of(m)->owner == d)) return 0;
        mmu_put_table(m);
    }
    /* it may be a table's frame that waits there */
    error = mmu_undo(d);
    if (error) return error;
    spin_lock(&d->pagetable_lock);
    error = table_get(&w, m, level);
    spin_unlock(&d->pagetable_lock);
    return error;
}

void mmu_put_table(mfn_t m)
{
    struct domain_memory *d = frame_of(m)->owner;

    if (likely(pt_put_not_last(frame_of(m)))) return;
    spin_lock(&d->pagetable_lock);
    frame_put_type(m);
    spin_unlock(&d->pagetable_lock);
}

int mmu_pin(struct domain_memory *d, mfn_t m, enum frame_type level)
{
    int error = mmu_get_table(d, m, level);

    if (error) return error;
    if (pt_pin(frame_of(m))) return 0;                      /* our references are the pin's now */
    mmu_put_table(m);
    return fail_frame(-EINVAL, "the table is pinned already", m, 0);
}

int mmu_unpin(struct domain_memory *d, mfn_t m)
{
    int error = frame_get(m, d);

    if (error) return error;
    if (pt_unpin(frame_of(m)))
        mmu_put_table(m);
    else
        error = fail_frame(-EINVAL, "the frame is not pinned", m, 0);
    frame_put(m);
    return error;
}
