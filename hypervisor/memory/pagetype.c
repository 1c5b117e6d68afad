/* SPDX-License-Identifier: MIT */
/*
 * Page types: how a guest can own its page tables without owning the machine.
 *
 * In direct paging the hardware walks the guest's own tables. There is no second table behind them,
 * so every entry in them must be one that the guest may have: of a frame it owns or was granted. We
 * therefore look at every entry before the hardware can, and the whole art is that an entry, once
 * looked at, stays as it was. Somebody who can write to a table after we checked it owns the
 * machine.
 *
 * So every frame of RAM has a TYPE: it is a page table of one level, or a page of descriptors, or
 * writable memory, and never two of these at once. A guest may make one out of another only when
 * the last use as the first is gone. Two counters make that exact:
 *
 *   total references   how many reasons there are for the frame to stay its owner's: being in the
 *                      owner's allotment (one), each page-table entry that maps it, each grant, a
 *                      pin, an operation of ours that is under way.
 *   type references    how many of these need the frame to BE its type: each writable mapping (type
 *                      "writable"), each entry of a level-2 table that points to it (type "level-1
 *                      table"), each base pointer, a pin...
 *
 * The rules, which tests/unit/test_pagetype.c tries to break and control/audit.c recounts on the
 * live machine:
 *
 *   I1  A frame has one type at a time, and changes it only while its type count is 0.
 *   I2  So no frame that a guest can write is a page table or a descriptor page: mapping it
 *       writable needs a reference of type "writable", and the frame does not have that type while
 *       it is a table. A guest maps its tables read-only, which needs a total reference only.
 *   I3  The type count is the number of references that a walk over all tables finds.
 *   I4  Total references >= type references: get_type takes both at once, put_type drops both at
 *       once.
 *
 * With these, one look at a table is enough. When the first type reference turns a frame into a
 * level-2 table, say, each of its entries is checked and takes a level-1 type reference of the
 * table behind it, which may turn that one into a table first, and so on down. When the last type
 * reference goes, the entries drop theirs again. In between, changes come only through us.
 *
 *
 *                    get_type (first)                  commit
 *     count = 0  ----------------------->  count = 1  -------->  VALID, count >= 1
 *        ^                                 not VALID             any get_type and put_type
 *        |                                 [cursor)                   |
 *        |                                    | reject                | put_type (last)
 *        |            undone                  v                       |
 *        +-------------------------------  UNDOING  <-----------------+
 *                                          count = 1, [cursor)
 *
 * Writable memory goes straight across: nothing is to be checked, only stale translations to be
 * flushed between the first get and its commit. (Type first, then flush, then look: after the flush
 * nobody can write through an old translation, and because the type is already taken nobody can
 * make a new one. Any other order leaves a gap; XSA-401 is that gap.)
 *
 *
 * Half way
 *
 * A table of level 4 can have 512^3 entries below it, so both walks must be able to stop and let
 * somebody else run. Whoever owns the references of a table that is half way through has been the
 * hardest question of this design wherever it was tried (XSA-45, 264, 299, 310: references
 * lost, or dropped twice, when an interrupted operation met another one). The answer here: THE
 * FRAME ITSELF owns them. The frame's one type and one total reference, and the references of its
 * entries [0, cursor), belong to no caller and to no saved state elsewhere, so nobody can lose
 * them.
 *
 *   Validating, stopped ("parked"): the caller goes away with an error "restart" and holds nothing.
 *   Whoever asks for the same type next takes the walk over at the cursor, and with the commit the
 *   frame's two references become his. It makes no difference whether that is the same hypercall
 *   continued, another vCPU, or the destruction of the domain. An entry of which the child is
 *   parked is at the parent's cursor, so it is not counted: it has no reference yet. There are no
 *   partial references anywhere.
 *
 *   Undoing: dropping the last reference never walks. The frame keeps the dropper's two references,
 *   goes on its domain's queue of tables to undo, and that is all; the queue is worked off later,
 *   at every mmu hypercall's beginning and end (memory/undo.c). A child whose last reference goes
 *   meanwhile joins the same queue: there is no recursion to overflow a stack (XSA-240). Until
 *   its turn comes the frame is nothing: it cannot be had as a table, nor as writable memory.
 *
 * A validation that fails is the same thing as a last put: the entries [0, cursor) are undone from
 * the queue. Error paths, aborts and ordinary ends are one walk.
 *
 * The word `state` holds everything that two CPUs could race for, and each transition is one
 * compare-and-exchange on it. The cursor is touched by whoever holds the page-table lock of the
 * frame's owner.
 */
#include "memory/pagetype.h"

static inline uint64_t load(const struct frame *f)
{
    return __atomic_load_n(&f->state, __ATOMIC_RELAXED);
}

static inline enum frame_type type_in(uint64_t state)
{
    return (state & FRAME_TYPE_MASK) >> FRAME_TYPE_SHIFT;
}

static inline uint64_t with_type(uint64_t state, enum frame_type t)
{
    return (state & ~FRAME_TYPE_MASK) | (uint64_t)t << FRAME_TYPE_SHIFT;
}

/*
 * What the first reference of a type makes of the state. Memory that was writable last and is to be
 * writable again needs no flush, and a descriptor page has not changed since it was checked
 * (changing it would have made it writable): both stay valid at count 0.
 */
static inline uint64_t first_of_type(uint64_t old, enum frame_type t)
{
    uint64_t new = old + FRAME_TOTAL_ONE + FRAME_TYPED_ONE;

    return type_in(old) == t ? new : with_type(new, t) & ~FRAME_VALID;
}

enum pt_result pt_get_type(struct frame *f, enum frame_type t)
{
    uint64_t old = load(f), new;

    do {
        uint64_t total = old & FRAME_TOTAL_MASK;

        if (total == 0) return PT_REFUSED;
        /* I4: then the type count is not full either */
        if (total >= FRAME_TOTAL_FULL) return PT_FULL;
        if ((old & FRAME_TYPED_MASK) == 0) {
            new = first_of_type(old, t);
        } else {
            if (type_in(old) != t) return old & FRAME_UNDOING ? PT_BUSY : PT_REFUSED;
            if (!(old & FRAME_VALID)) {
                if (old & FRAME_UNDOING || !frame_is_table(t)) return PT_BUSY;
                /* parked: take the walk over, and its references */
                return PT_NEW;
            }
            new = old + FRAME_TOTAL_ONE + FRAME_TYPED_ONE;
        }
    } while (!pt_swap(f, &old, new));

    if (new & FRAME_VALID) return PT_OK;
    f->cursor = 0;
    return PT_NEW;
}

void pt_commit(struct frame *f)
{
    __atomic_or_fetch(&f->state, FRAME_VALID, __ATOMIC_RELEASE);
}

enum pt_result pt_put_type(struct frame *f, uint32_t now)
{
    uint64_t old = load(f), new;

    do {
        new = old - FRAME_TOTAL_ONE - FRAME_TYPED_ONE;
        if ((new & FRAME_TYPED_MASK) == 0) {
            f->flush_stamp = now;
            if (frame_is_table(type_in(old)))
                new = (old & ~FRAME_VALID) | FRAME_UNDOING;
        }
    } while (!pt_swap(f, &old, new));

    if (new & FRAME_UNDOING) {
        f->cursor = 512;
        return PT_UNDO;
    }
    return (new & FRAME_TOTAL_MASK) == 0 ? PT_LAST : PT_OK;
}

/* Back to nothing, from the state of one type reference that is not valid. */
enum pt_result pt_undone(struct frame *f, uint32_t now)
{
    uint64_t old = load(f), new;

    f->flush_stamp = now;
    do {
        new = with_type(old, FRAME_NONE) - FRAME_TOTAL_ONE - FRAME_TYPED_ONE;
        new &= ~FRAME_UNDOING;
    } while (!pt_swap(f, &old, new));
    return (new & FRAME_TOTAL_MASK) == 0 ? PT_LAST : PT_OK;
}

enum pt_result pt_reject(struct frame *f, uint32_t now)
{
    if (!frame_is_table(frame_type(f)) || f->cursor == 0) return pt_undone(f, now);
    __atomic_or_fetch(&f->state, FRAME_UNDOING, __ATOMIC_ACQ_REL);
    return PT_UNDO;
}

bool pt_pin(struct frame *f)
{
    uint64_t old = __atomic_fetch_or(&f->state, FRAME_PINNED, __ATOMIC_ACQ_REL);

    return !(old & FRAME_PINNED);
}

bool pt_unpin(struct frame *f)
{
    uint64_t old = __atomic_fetch_and(&f->state, ~FRAME_PINNED, __ATOMIC_ACQ_REL);

    return old & FRAME_PINNED;
}

void pt_allocate(struct frame *f, struct domain_memory *owner)
{
    f->owner = owner;
    f->cursor = 0;
    __atomic_store_n(&f->state, FRAME_ALLOCATED | FRAME_TOTAL_ONE, __ATOMIC_RELEASE);
}

bool pt_release(struct frame *f)
{
    uint64_t old = load(f);

    do {
        if (!(old & FRAME_ALLOCATED)) return false;
    } while (!pt_swap(f, &old, old & ~FRAME_ALLOCATED));
    return true;
}
