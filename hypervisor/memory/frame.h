/* SPDX-License-Identifier: MIT */
/*
 * Frames of RAM by their numbers: the frame table, references, types, owners, and the
 * machine-to-physical table.
 *
 * The rule for everybody: before you use a frame that a guest named, take a reference (or a type);
 * when you are done, put it. A function that returns 0 has taken what its name says; one that
 * returns an error has taken nothing.
 */
#ifndef DOMUS_MEMORY_FRAME_H
#define DOMUS_MEMORY_FRAME_H

#include "lib/layout.h"
#include "memory/owned.h"
#include "memory/pagetype.h"

extern uint64_t max_frame;              /* one more than the highest frame of RAM */

#define frame_table ((struct frame *)FRAMETABLE_VIRT)
static inline struct frame *frame_of(mfn_t m)
{
    return &frame_table[m.n];
}
static inline mfn_t mfn_of(const struct frame *f)
{
    return MFN(f - frame_table);
}

/* Not RAM, or RAM below 1 MiB: above the frame table, or where the owner is special_io. Entries
 * that map it hold no references. */
static inline bool mfn_valid(mfn_t m)
{
    return m.n < max_frame;
}
static inline bool mfn_is_io(mfn_t m)
{
    return !mfn_valid(m) || frame_of(m)->owner == &special_io;
}
/* I/O memory that the hypervisor keeps to itself: the APICs, where CPUs start */
bool mfn_is_ours(mfn_t m);
void mfn_reserve(mfn_t m);              /* make that true, at boot */

/* The direct map: every frame of RAM has a ring-0 address, by arithmetic alone. */
static inline void *map_frame(mfn_t m)
{
    return (void *)(DIRECTMAP_VIRT + (m.n << PAGE_SHIFT));
}
static inline void *maddr_to_virt(maddr_t m)
{
    return (void *)(DIRECTMAP_VIRT + m.a);
}
static inline maddr_t virt_to_maddr(const void *p)      /* of the direct map or of our image */
{
    return MADDR((uint64_t)p - ((uint64_t)p >= DIRECTMAP_VIRT ? DIRECTMAP_VIRT : IMAGE_VIRT));
}
static inline mfn_t virt_to_mfn(const void *p)
{
    return maddr_to_mfn(virt_to_maddr(p));
}

/* Total references: the frame stays and stays its owner's. -EINVAL: not RAM or not owner's.
 * frame_try_get: for who only looks. */
int frame_get(mfn_t m, struct domain_memory *owner) must_check;
bool frame_try_get(mfn_t m, struct domain_memory *owner) must_check;
void frame_put(mfn_t m);

/* A reference and a type reference. Only for types that need no walk: FRAME_WRITABLE,
 * FRAME_SEGDESC, FRAME_READONLY; page tables are mmu.h's. -EINVAL, -EBUSY (half way in or out
 * of being a page table). */
int frame_get_type(mfn_t m, struct domain_memory *owner, enum frame_type t) must_check;
void frame_put_type(mfn_t m);
static inline int must_check frame_get_writable(mfn_t m, struct domain_memory *owner)
{
    return frame_get_type(m, owner, FRAME_WRITABLE);
}
static inline void frame_put_writable(mfn_t m)
{
    frame_put_type(m);
}

/* To the end of another of its owner's lists. */
void frame_move(struct frame *f, struct list *to);

/* What is left to do after a transition: PT_LAST frees the frame, PT_UNDO queues the table.
 * (validate.c, undo.c) */
void frame_finish(struct frame *f, enum pt_result r);
/* PT_REFUSED, PT_BUSY, PT_FULL as an errno; level: of the page table that it was to be, or 0 */
int frame_type_error(enum pt_result r, mfn_t m, unsigned int level);

/* Frames for domains: contiguous, aligned, zeroed, in the domain's allotment. INVALID_MFN: none
 * left, or over max_pages (swapping: d is about to give as many back). M2P is the caller's. */
mfn_t domain_alloc_frames(struct domain_memory *d, unsigned int order, unsigned int address_bits,
                          bool swapping);
/* The same in three parts, for many frames: entered in d's books but nobody's yet; each cleared;
 * d's. Or back in the heap. */
mfn_t frames_reserve(struct domain_memory *d, unsigned int order, unsigned int address_bits,
                     bool swapping);
/* Of the free frames as many are kept for d as it lacks to have `pages`, until it is given them or
 * disclaims. -EINVAL: it has a claim, or so many, or may not; -ENOMEM: there are not so many. */
int frames_claim(struct domain_memory *d, uint64_t pages) must_check;
void frames_disclaim(struct domain_memory *d);
void frame_clear(mfn_t m);
void frames_give(struct domain_memory *d, mfn_t m, unsigned int order);
void frames_unreserve(struct domain_memory *d, mfn_t m, unsigned int order);
/* Out of the allotment; free once nothing refers to it. -EINVAL not owned, -EBUSY pinned. */
int domain_free_frame(struct domain_memory *d, mfn_t m) must_check;

/* The frame stays for those who have it mapped, as special_xen's instead of its owner's. */
void frame_disown(struct frame *f);

/* Show a page of ours (from hv_alloc_pages(0)) to a guest: d owns its frame until unshare, and can
 * map it, but never use it as a table, return it, or keep it: unshare takes it back. Total
 * references that d's mappings still hold keep the page from being reused; unshare_hv_frame frees
 * it (now or when the last mapping goes); do not touch the page afterwards. */
void share_hv_frame(void *page, struct domain_memory *d);
void unshare_hv_frame(void *page);

/* The machine-to-physical table, which guests read at M2P_VIRT (and change through
 * MMU_MACHPHYS_UPDATE). We use the direct map's alias: the guests' one is read-only and
 * user-accessible, which SMAP forbids us. */
#define M2P_INVALID (~0UL)
extern uint64_t *m2p_table;
static inline void m2p_set(mfn_t m, uint64_t pfn)
{
    if (m.n < max_frame)
        m2p_table[m.n] = pfn;
}

#endif
