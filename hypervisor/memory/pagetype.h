/* SPDX-License-Identifier: MIT */
/*
 * The state of one frame of RAM and its transitions. Pure: no hardware, no page tables, no
 * allocator; the essay is in pagetype.c. Callers are memory/frame.c and memory/validate.c (which
 * add the hardware) and the unit test.
 */
#ifndef DOMUS_MEMORY_PAGETYPE_H
#define DOMUS_MEMORY_PAGETYPE_H

#include "lib/types.h"
#include <abi/list.h>

struct domain_memory;

enum frame_type {
    FRAME_NONE,                 /* only counted: mapped read-only, or not at all */
    FRAME_L1, FRAME_L2, FRAME_L3, FRAME_L4,     /* a page table of that level */
    FRAME_SEGDESC,              /* a page of a GDT or LDT in use */
    FRAME_WRITABLE,             /* mapped writable somewhere */
    FRAME_READONLY,             /* ours, shown to a guest: never writable, never a table */
};

/*
 * struct frame.state, one word so that every transition is one compare-and-exchange:
 *   bits 0-26 total references   27-53 type references   54-56 type   57.. the flags below
 */
#define FRAME_TOTAL_ONE     (1UL << 0)
#define FRAME_TOTAL_MASK    ((1UL << 27) - 1)
#define FRAME_TYPED_ONE     (1UL << 27)
#define FRAME_TYPED_MASK    (FRAME_TOTAL_MASK << 27)
#define FRAME_TYPE_SHIFT    54
#define FRAME_TYPE_MASK     (7UL << FRAME_TYPE_SHIFT)
/* the type is in force: more references of it may be taken, even the first again (no table's) */
#define FRAME_VALID         (1UL << 57)
#define FRAME_UNDOING       (1UL << 58) /* a table whose entries' references are being dropped */
#define FRAME_PINNED        (1UL << 59) /* the guest's pin holds one reference of both kinds */
/* in its owner's allotment, which holds one total reference */
#define FRAME_ALLOCATED     (1UL << 60)
#define FRAME_FREE          (1UL << 61) /* head of a free block of the heap */
/* a page of ours shown to its owner; one reference of both kinds is ours */
#define FRAME_SHARED        (1UL << 62)

struct frame {
    uint64_t state;
    /* stable while the total is not 0; NULL: the hypervisor's own, or free */
    struct domain_memory *owner;
    struct list link;           /* owner's list of pages (or tables to undo), or the heap's */
    /* table being validated or undone: entries [0, cursor) hold references */
    uint16_t cursor;
    uint8_t order;              /* heap: of the free block */
    /* TLB clock when the type, or the frame, was last let go (memory/tlb.h) */
    uint32_t flush_stamp;
};

static inline uint64_t frame_total(const struct frame *f)
{
    return f->state & FRAME_TOTAL_MASK;
}
static inline uint64_t frame_typed(const struct frame *f)
{
    return (f->state & FRAME_TYPED_MASK) >> 27;
}
static inline enum frame_type frame_type(const struct frame *f)
{
    return (f->state & FRAME_TYPE_MASK) >> FRAME_TYPE_SHIFT;
}
static inline bool frame_is_table(enum frame_type t)
{
    return t >= FRAME_L1 && t <= FRAME_L4;
}

enum pt_result {
    PT_OK,                      /* done */
    /* get_type: you hold the first reference; make it true, then pt_commit or pt_reject */
    PT_NEW,
    PT_REFUSED,                 /* it is in use as something else */
    /* its entries are being undone, or somebody else makes it valid right now */
    PT_BUSY,
    PT_FULL,                    /* a counter would overflow */
    /* put_type, reject: that was the last; queue the table for undoing */
    PT_UNDO,
    /* put: that was the last reference of all; the frame is free to reuse */
    PT_LAST,
};

/* `now`: the TLB clock, remembered when a type or a frame is let go. */
/* one total reference; false: none left, or full */
static inline bool pt_get(struct frame *f) must_check;
static inline enum pt_result pt_put(struct frame *f, uint32_t now) must_check;  /* PT_OK, PT_LAST */
/* both kinds at once */
enum pt_result pt_get_type(struct frame *f, enum frame_type t) must_check;
/* both kinds: PT_OK, PT_UNDO, PT_LAST */
enum pt_result pt_put_type(struct frame *f, uint32_t now) must_check;
/* the type is true now */
void pt_commit(struct frame *f);
/* it is not, or nobody wishes it any more (a parked validation): PT_OK, PT_UNDO, PT_LAST */
enum pt_result pt_reject(struct frame *f, uint32_t now) must_check;
/* the last entry is undone: PT_OK, PT_LAST */
enum pt_result pt_undone(struct frame *f, uint32_t now) must_check;
/* the caller's two references become the pin's; false: is pinned already */
bool pt_pin(struct frame *f) must_check;
/* the pin's two references become the caller's; false: was not pinned */
bool pt_unpin(struct frame *f) must_check;
/* a frame without state is given to an owner */
void pt_allocate(struct frame *f, struct domain_memory *owner);
/* out of the allotment, its reference is the caller's; false: not in it */
bool pt_release(struct frame *f) must_check;

/* The frequent cases, short: a type that is in force already (false: ask pt_get_type); a put of a
 * type that is no table's, or that is not the last (false: nothing done). */
static inline bool pt_get_same(struct frame *f, enum frame_type t) must_check;
/* PT_OK, PT_LAST */
static inline enum pt_result pt_put_plain(struct frame *f, uint32_t now) must_check;
static inline bool pt_put_not_last(struct frame *f) must_check;

/* A table that validation left half way, for the next one who wants it: nobody but the frame itself
 * holds its references. */
static inline bool frame_is_parked(const struct frame *f)
{
    return frame_is_table(frame_type(f)) && frame_typed(f) &&
           !(f->state & (FRAME_VALID | FRAME_UNDOING));
}

/* ---- hot: inline ---- */

/* counters stop short of their fields: room for code that takes two */
#define FRAME_TOTAL_FULL (FRAME_TOTAL_MASK - 16)

static inline bool pt_swap(struct frame *f, uint64_t *old, uint64_t new)
{
    return __atomic_compare_exchange_n(&f->state, old, new, false, __ATOMIC_ACQ_REL,
                                       __ATOMIC_RELAXED);
}

static inline bool pt_get(struct frame *f)
{
    uint64_t old = __atomic_load_n(&f->state, __ATOMIC_RELAXED);

    do {
        /* 0, or full */
        if ((old & FRAME_TOTAL_MASK) - 1 >= FRAME_TOTAL_FULL - 1) return false;
    } while (unlikely(!pt_swap(f, &old, old + FRAME_TOTAL_ONE)));
    return true;
}

/* One more of a frame that has some, for who cannot be told that there are no more: into that
 * room. */
static inline void pt_hold(struct frame *f)
{
    __atomic_add_fetch(&f->state, FRAME_TOTAL_ONE, __ATOMIC_RELAXED);
}

static inline enum pt_result pt_put(struct frame *f, uint32_t now)
{
    uint64_t old = __atomic_load_n(&f->state, __ATOMIC_RELAXED);

    do {
        /* before it can be anybody else's */
        if ((old & FRAME_TOTAL_MASK) == 1)
            f->flush_stamp = now;
    } while (unlikely(!pt_swap(f, &old, old - FRAME_TOTAL_ONE)));
    return (old & FRAME_TOTAL_MASK) == 1 ? PT_LAST : PT_OK;
}

static inline bool pt_get_same(struct frame *f, enum frame_type t)
{
    uint64_t old = __atomic_load_n(&f->state, __ATOMIC_RELAXED);

    do {
        if ((old & (FRAME_TYPE_MASK | FRAME_VALID)) !=
            ((uint64_t)t << FRAME_TYPE_SHIFT | FRAME_VALID))
            return false;
        if ((old & FRAME_TOTAL_MASK) >= FRAME_TOTAL_FULL) return false;
    } while (unlikely(!pt_swap(f, &old, old + FRAME_TOTAL_ONE + FRAME_TYPED_ONE)));
    return true;
}

static inline enum pt_result pt_put_plain(struct frame *f, uint32_t now)
{
    uint64_t old = __atomic_load_n(&f->state, __ATOMIC_RELAXED), new;

    do {
        new = old - FRAME_TOTAL_ONE - FRAME_TYPED_ONE;
        if ((new & FRAME_TYPED_MASK) == 0)
            f->flush_stamp = now;
    } while (unlikely(!pt_swap(f, &old, new)));
    return (new & FRAME_TOTAL_MASK) == 0 ? PT_LAST : PT_OK;
}

static inline bool pt_put_not_last(struct frame *f)
{
    uint64_t old = __atomic_load_n(&f->state, __ATOMIC_RELAXED);

    do {
        if ((old & FRAME_TYPED_MASK) == FRAME_TYPED_ONE) return false;
    } while (unlikely(!pt_swap(f, &old, old - FRAME_TOTAL_ONE - FRAME_TYPED_ONE)));
    return true;
}

#endif
