/* SPDX-License-Identifier: MIT */
/*
 * Tables that have ceased to be tables give up what their entries hold, from the queue
 * domain.memory.undoing, a few at a time; and the last of all undoing, when a domain ends. Why a
 * queue: the essay in pagetype.c.
 */
#include "memory/entry.h"
#include "memory/tlb.h"
#include "machine/budget.h"

/* All entries below the cursor, from the top down, until done or the budget is spent. True:
 * done. */
static bool undo_entries(struct frame *f)
{
    unsigned int level = frame_type(f), i = f->cursor;
    const uint64_t *table = map_frame(mfn_of(f));

    while ((i = skip_empty_below(table, i)) > 0) {
        uint64_t e = table[--i];

        if (level == 1)
            l1_put(e);
        else if (e && !(level == 4 && l4_slot_is_ours(i)))
            entry_put(level, e);
        spend(level == 1 ? COST_ENTRY : COST_CHILD);
        if (spent())
            break;
    }
    f->cursor = (uint16_t)i;
    return i == 0;
}

/* RING0_LOCK: the queue's first is taken, and its end looked for, without its lock: two vCPUs of
 * the domain would undo the same table. */
int mmu_undo(struct domain_memory *d)
{
    while (unlikely(!list_empty(&d->undoing))) {
        struct frame *f = list_first(&d->undoing, struct frame, link);

        spin_lock(&d->pagetable_lock);
        if (undo_entries(f)) {
            frame_move(f, &d->pages);
            spend(COST_SCAN);
            frame_finish(f, pt_undone(f, tlb_stamp()));
        }
        spin_unlock(&d->pagetable_lock);
        if (!list_empty(&d->undoing) && spent()) return -ERESTART;
    }
    return 0;
}

/* ---- the end of a domain ---- */

/* Drop what the domain itself holds on one of its frames: the pin, a validation that nobody came
 * back to, the allotment. */
static void let_go(struct domain_memory *d, struct frame *f)
{
    mfn_t m = mfn_of(f);

    pt_hold(f);                     /* it is on the list, so it has references: perhaps all */
    if (pt_unpin(f))
        mmu_put_table(m);
    spin_lock(&d->pagetable_lock);
    if (frame_is_parked(f))
        frame_finish(f, pt_reject(f, tlb_stamp()));
    spin_unlock(&d->pagetable_lock);
    if (pt_release(f))
        frame_put(m);
    frame_put(m);
}

/* One frame goes to the list of those seen, and from there, if nobody else holds it, to the
 * heap. */
static void let_go_next(struct domain_memory *d)
{
    struct frame *f = list_first(&d->pages, struct frame, link);

    frame_move(f, &d->leaving);
    let_go(d, f);
}

/*
 * First every frame is let go; tables that lose their last reference thereby are undone, come back
 * to the list of pages and are seen again. What is left in the end is held by others: mapped by the
 * control domain, or through grants.
 */
int domain_relinquish_memory(struct domain_memory *d)
{
    if (!d->leaving.next)
        list_init(&d->leaving);
    for (;;) {
        int error = mmu_undo(d);

        if (error) return error;
        if (!list_empty(&d->pages))
            let_go_next(d);
        else if (!list_empty(&d->leaving))
            frame_disown(list_first(&d->leaving, struct frame, link));
        else
            return 0;
        spend(COST_FRAME);
        if (spent()) return -ERESTART;
    }
}
