/* SPDX-License-Identifier: MIT */
/*
 * Tables that have ceased to be tables give up what their entries hold, from the queue domain.undoing, a few at a time; and the last of all
 * undoing, when a domain ends. Why a queue: the essay in pagetype.c.
 */
#include "memory/entry.h"
#include "memory/tlb.h"
#include "entry/hypercall.h"
#include "lib/fail.h"

/* All entries below the cursor, from the top down, until done or out of steps. True: done. */
static bool undo_entries(struct frame *f, unsigned int *steps)
{
    unsigned int level = frame_type(f);
    const uint64_t *table = map_frame(mfn_of(f));

    while (f->cursor > 0) {
        unsigned int slot = --f->cursor;

        if (table[slot] && !(level == 4 && l4_slot_is_ours(slot))) entry_put(level, table[slot]);
        if (++*steps > WALK_STEPS) break;
    }
    return f->cursor == 0;
}

static void undo_some(struct domain *d)
{
    unsigned int steps = 0;

    while (!list_empty(&d->undoing) && steps < WALK_STEPS) {
        struct frame *f = list_entry(d->undoing.next, struct frame, link);

        if (!undo_entries(f, &steps)) return;
        spin_lock(&d->memory_lock);
        list_remove(&f->link);
        list_add_tail(&f->link, &d->pages);
        spin_unlock(&d->memory_lock);
        frame_finish(f, pt_undone(f, tlb_stamp()));
    }
}

int mmu_undo(struct domain *d)
{
    while (unlikely(!list_empty(&d->undoing))) {
        spin_lock(&d->pagetable_lock);
        undo_some(d);
        spin_unlock(&d->pagetable_lock);
        if (!list_empty(&d->undoing) && preempt_check()) return -ERESTART;
    }
    return 0;
}

/* ---- the end of a domain ---- */

/* Drop what the domain itself holds on one of its frames: the pin, a parked validation, the allotment. */
static void let_go(struct domain *d, struct frame *f)
{
    mfn_t m = mfn_of(f);

    if (frame_get(m, d)) return;                        /* cannot happen: it is on the list, so it has references */
    if (pt_unpin(f)) mmu_put_table(m);
    spin_lock(&d->pagetable_lock);
    if (frame_is_parked(f)) frame_finish(f, pt_abandon(f, tlb_stamp()));
    spin_unlock(&d->pagetable_lock);
    if (pt_release(f)) {
        spin_lock(&d->memory_lock);
        d->page_count--;
        spin_unlock(&d->memory_lock);
        frame_put(m);
    }
    frame_put(m);
}

/*
 * Frames that others still have mapped stay, ours in name only, and are freed when the last mapping goes. They move to the tail: each round
 * trip of the list lets all go that can, and page_count, the size of the allotment, says when none is left.
 */
int domain_relinquish_memory(struct domain *d)
{
    unsigned int count = 0;

    for (;;) {
        int error = mmu_undo(d);
        struct list *l;

        if (error) return error;
        if (d->page_count == 0) return 0;
        spin_lock(&d->memory_lock);
        l = d->pages.next;
        list_remove(l);
        list_add_tail(l, &d->pages);
        spin_unlock(&d->memory_lock);
        let_go(d, list_entry(l, struct frame, link));
        if (++count % 64 == 0 && preempt_check()) return -ERESTART;
    }
}
