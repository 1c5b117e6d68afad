/* SPDX-License-Identifier: MIT */
/*
 * Frames by number: pagetype.c's transitions with the hardware added (flushes), owners checked, and
 * frames given to domains and taken back. Lists and counts of a domain's frames are under its
 * memory.lock; references need no lock.
 *
 * A frame counts as its owner's memory until it is really free: one that was given back but is
 * still mapped somewhere must not make room for another. Frames that outlive their domain, because
 * others have them mapped, become special_xen's (domain_relinquish_memory), so frame.owner never
 * points to a domain that is gone.
 */
#include "memory/frame.h"
#include "memory/heap.h"
#include "memory/tlb.h"
#include "memory/window.h"
#include "machine/budget.h"
#include "lib/fail.h"
#include "lib/string.h"

uint64_t max_frame;
uint64_t *m2p_table;
struct domain_memory special_io, special_xen;

void domain_memory_init(struct domain_memory *d)
{
    spin_lock_init(&d->lock, LOCK_MEMORY);
    spin_lock_init(&d->pagetable_lock, LOCK_PAGETABLES);
    list_init(&d->pages);
    list_init(&d->undoing);
}

/* ---- pages of devices that are ours ---- */

static mfn_t reserved[32];
static unsigned int reserved_count;

void mfn_reserve(mfn_t m)
{
    if (!mfn_is_ours(m) && reserved_count < ARRAY_SIZE(reserved))
        reserved[reserved_count++] = m;
}

bool mfn_is_ours(mfn_t m)
{
    for (unsigned int i = 0; i < reserved_count; i++)
        if (mfn_eq(reserved[i], m)) return true;
    return false;
}

/* ---- the end of a frame ---- */

/* Out of its owner's books. */
static void leave(struct frame *f)
{
    struct domain_memory *d = f->owner;

    spin_lock(&d->lock);
    list_remove(&f->link);
    if (!(f->state & FRAME_SHARED))
        d->page_count--;
    spin_unlock(&d->lock);
}

static void frame_free(struct frame *f)
{
    leave(f);
    f->owner = NULL;
    f->state = 0;
    m2p_set(mfn_of(f), M2P_INVALID);
    heap_free_frames(mfn_of(f), 0);
    spend(COST_FRAME);
}

void frame_move(struct frame *f, struct list *to)
{
    struct domain_memory *d = f->owner;

    spin_lock(&d->lock);
    list_remove(&f->link);
    list_append(to, &f->link);
    spin_unlock(&d->lock);
}

void frame_finish(struct frame *f, enum pt_result r)
{
    if (r == PT_LAST)
        frame_free(f);
    else if (r == PT_UNDO)
        frame_move(f, &f->owner->undoing);     /* mmu_undo's */
}

/* ---- references ---- */

bool frame_try_get(mfn_t m, struct domain_memory *owner)
{
    if (!mfn_valid(m) || !pt_get(frame_of(m))) return false;
    if (frame_of(m)->owner == owner) return true;
    frame_put(m);
    return false;
}

int frame_get(mfn_t m, struct domain_memory *owner)
{
    struct frame *f = frame_of(m);

    if (!mfn_valid(m) || !pt_get(f))
        return fail_frame(-EINVAL, "no such frame of RAM, or too many references", m, 0);
    /* looked at behind the get: now it cannot change any more */
    if (f->owner != owner) {
        frame_put(m);
        return fail_frame(-EINVAL, "the frame belongs to another domain", m, 0);
    }
    return 0;
}

void frame_put(mfn_t m)
{
    struct frame *f = frame_of(m);

    if (pt_put(f, tlb_stamp()) == PT_LAST)
        frame_free(f);
}

int frame_type_error(enum pt_result r, mfn_t m, unsigned int level)
{
    if (r == PT_BUSY)
        return fail_frame(-EBUSY, "the frame is on its way out of being a page table", m, level);
    if (r == PT_FULL) return fail_frame(-EINVAL, "too many references", m, level);
    return fail_frame(-EINVAL, "the frame is in use as another type, or is nobody's", m, level);
}

/* First reference of a simple type: flush who could still have the other one, look if there is
 * something to look at, commit. */
static int make_true(struct frame *f, enum frame_type t)
{
    race_point();
    tlb_flush_stale(f->flush_stamp);
    if (t == FRAME_SEGDESC)
        spend(COST_DESCRIPTORS);
    if (t == FRAME_SEGDESC && !segdesc_page_ok(mfn_of(f))) {
        frame_finish(f, pt_reject(f, tlb_stamp()));
        return segdesc_refused(mfn_of(f));
    }
    pt_commit(f);
    return 0;
}

int frame_get_type(mfn_t m, struct domain_memory *owner, enum frame_type t)
{
    struct frame *f = frame_of(m);
    enum pt_result r;

    /* The first look keeps a foreign frame from even a moment of a new type; the second is the one
     * that counts. */
    if (!mfn_valid(m) || f->owner != owner)
        return fail_frame(-EINVAL, "the frame is not RAM, or another domain's", m, 0);
    r = pt_get_type(f, t);
    if (unlikely(r != PT_OK && r != PT_NEW)) return frame_type_error(r, mfn_of(f), 0);
    if (unlikely(f->owner != owner)) {
        frame_finish(f, r == PT_NEW ? pt_reject(f, tlb_stamp()) : pt_put_type(f, tlb_stamp()));
        return fail_value(-EINVAL, "the frame changed hands", m.n);
    }
    return r == PT_NEW ? make_true(f, t) : 0;
}

void frame_put_type(mfn_t m)
{
    struct frame *f = frame_of(m);
    enum pt_result r = pt_put_type(f, tlb_stamp());

    if (unlikely(r != PT_OK))
        frame_finish(f, r);
}

/* ---- frames for domains ---- */

/* Enter `count` frames in d's books before they are there, within d's limit unless the same number
 * is about to go (exchange). */
static bool account(struct domain_memory *d, uint64_t count, bool swapping)
{
    bool ok;

    spin_lock(&d->lock);
    /* XSA-385 */
    ok = !d->closed && (swapping || (d->page_count <= d->max_pages &&
                                    count <= d->max_pages - d->page_count));
    if (ok)
        d->page_count += count;
    spin_unlock(&d->lock);
    return ok;
}

static void unaccount(struct domain_memory *d, uint64_t count)
{
    spin_lock(&d->lock);
    d->page_count -= count;
    spin_unlock(&d->lock);
}

mfn_t frames_reserve(struct domain_memory *d, unsigned int order, unsigned int address_bits,
                     bool swapping)
{
    uint64_t mine = swapping ? 0 : MIN(d->claimed, 1UL << order);
    mfn_t m;

    if (!account(d, 1UL << order, swapping)) return INVALID_MFN;
    heap_let_go(mine);                          /* to ourselves (RING0_LOCK) */
    m = heap_alloc_frames(order, address_bits);
    if (mfn_eq(m, INVALID_MFN)) {
        heap_keep(mine);
        unaccount(d, 1UL << order);
        return m;
    }
    d->claimed -= mine;
    return m;
}

void frames_disclaim(struct domain_memory *d)
{
    heap_let_go(d->claimed);
    d->claimed = 0;
}

int frames_claim(struct domain_memory *d, uint64_t pages)
{
    if (d->claimed || d->closed || pages <= d->page_count || pages > d->max_pages)
        return fail(-EINVAL, "one claim, of more pages than it has and no more than it may have");
    if (!heap_keep(pages - d->page_count)) return fail(-ENOMEM, "there is less memory than that");
    d->claimed = pages - d->page_count;
    return 0;
}

void frames_unreserve(struct domain_memory *d, mfn_t m, unsigned int order)
{
    unaccount(d, 1UL << order);
    heap_free_frames(m, order);
}

void frame_clear(mfn_t m)
{
    memset(map_frame(m), 0, PAGE_SIZE);
    m2p_set(m, M2P_INVALID);
    spend(COST_CLEAR);
}

void frames_give(struct domain_memory *d, mfn_t m, unsigned int order)
{
    spin_lock(&d->lock);
    for (uint64_t i = 0; i < 1UL << order; i++) {
        struct frame *f = frame_of(MFN(m.n + i));

        pt_allocate(f, d);
        list_append(&d->pages, &f->link);
    }
    spin_unlock(&d->lock);
    spend(COST_ENTRY << order);
}

mfn_t domain_alloc_frames(struct domain_memory *d, unsigned int order, unsigned int address_bits,
                          bool swapping)
{
    mfn_t m = frames_reserve(d, order, address_bits, swapping);

    if (mfn_eq(m, INVALID_MFN)) return m;
    /* what was in it was another's */
    for (uint64_t i = 0; i < 1UL << order; i++)
        frame_clear(MFN(m.n + i));
    frames_give(d, m, order);
    return m;
}

/* What still uses the frame keeps it, a pin, too (XSA-252: no implicit unpin): it goes with
 * the last of them, and to be given back once more until then is nothing new. As on Xen. */
int domain_free_frame(struct domain_memory *d, mfn_t m)
{
    int error = frame_get(m, d);

    spend(3 * COST_ENTRY);                      /* three references; what is mapped is not freed */
    if (error) return error;
    if (pt_release(frame_of(m)))
        frame_put(m);                           /* the allotment's */
    else if (frame_of(m)->state & FRAME_SHARED)
        error = fail_frame(-EBUSY, "the frame is ours, and never in the domain's allotment", m, 0);
    frame_put(m);                               /* ours */
    return error;
}

/* ---- our pages, shown to guests ---- */

static void join(struct frame *f, struct domain_memory *d)
{
    spin_lock(&d->lock);
    f->owner = d;
    list_append(&d->pages, &f->link);
    if (!(f->state & FRAME_SHARED))
        d->page_count++;
    spin_unlock(&d->lock);
}

void frame_disown(struct frame *f)
{
    leave(f);
    join(f, &special_xen);
}

/* Our reference keeps the type for as long as the page is shared: a guest cannot make it a
 * table. */
void share_hv_frame(void *page, struct domain_memory *d)
{
    struct frame *f = frame_of(virt_to_mfn(page));
    uint64_t state = FRAME_SHARED | FRAME_TOTAL_ONE | FRAME_TYPED_ONE | FRAME_VALID |
                     (uint64_t)FRAME_WRITABLE << FRAME_TYPE_SHIFT;

    f->state = FRAME_SHARED;                    /* nobody can take a reference yet */
    join(f, d);
    __atomic_store_n(&f->state, state, __ATOMIC_RELEASE);
}

/* Mappings that are left (the control domain's, say) keep the frame, but not as a domain's that may
 * be gone soon. */
void unshare_hv_frame(void *page)
{
    struct frame *f = frame_of(virt_to_mfn(page));

    frame_disown(f);
    frame_put_type(mfn_of(f));
}
