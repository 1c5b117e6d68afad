/* SPDX-License-Identifier: MIT */
/*
 * The hypercalls that change page-table entries: mmu_update (by machine address, in batches, in any
 * of the domain's tables), update_va_mapping (by virtual address, one level-1 entry of the current
 * tables, with a flush).
 *
 * A batch takes the table's lock for BATCH requests at a time and keeps a reference of the table it
 * works on, since most batches stay in one table. Requests are copied before they are looked at.
 */
#include "domain/flush.h"
#include "memory/access.h"
#include "memory/entry.h"
#include "calls/foreign.h"
#include "entry/hypercall.h"
#include "lib/fail.h"

#define BATCH 32

/* The kinds of requests are two bits of their addresses. Nothing is translated: these are the
 * same. */
_Static_assert((OP(MMU_NORMAL_PT_UPDATE) | OP(MMU_PT_UPDATE_NO_TRANSLATE)) == 3, "2 bits");

/* The table that the last request was about; its type reference is held while entries != NULL. */
struct target { mfn_t frame; unsigned int level; uint64_t *entries; };

static inline void drop_target(struct target *t)
{
    if (t->entries && unlikely(!pt_put_not_last(frame_of(t->frame))))
        frame_put_type(t->frame);
    t->entries = NULL;
}

/* Is the frame a valid table of w->owner's? Then take a type reference. The lock keeps "valid" true
 * meanwhile. */
static inline bool take_target(struct target *t, struct walk *w, mfn_t m)
{
    struct frame *f = frame_of(m);
    enum frame_type level;

    drop_target(t);
    if (!mfn_valid(m) || f->owner != w->owner) return false;
    level = frame_type(f);
    if (!frame_is_table(level) || !pt_get_same(f, level)) return false;
    *t = (struct target){ m, level, map_frame(m) };
    if (likely(f->owner == w->owner)) return true;
    drop_target(t);                                 /* it changed hands in between */
    return false;
}

/* The address is in no table: then it must be memory that the guest may write, and the request is a
 * plain store. */
static int plain_store(struct walk *w, uint64_t address, uint64_t value)
{
    mfn_t m = maddr_to_mfn(MADDR(address));
    int error = frame_get_writable(m, w->owner);

    if (error) return error;
    __atomic_store_n((uint64_t *)maddr_to_virt(MADDR(address)), value, __ATOMIC_RELEASE);
    frame_put_writable(m);
    return 0;
}

static int update_one(struct walk *w, struct target *t, uint64_t ptr, uint64_t value)
{
    uint64_t address = ptr & ~7UL;
    bool preserve = (ptr & 3) == OP(MMU_PT_UPDATE_PRESERVE_AD);
    mfn_t m = maddr_to_mfn(MADDR(address));
    unsigned int slot = (unsigned int)(address & (PAGE_SIZE - 1)) / 8;

    if (unlikely(ptr & 4)) return fail(-EINVAL, "the entry's address is not aligned");
    if (!(t->entries && mfn_eq(t->frame, m)) && !take_target(t, w, m))
        return plain_store(w, address, value);
    if (t->level == 4 && l4_slot_is_ours(slot))
        return fail(-EINVAL, "the level-4 slot is the hypervisor's");
    return entry_update(w, t->level, &t->entries[slot], value, preserve);
}

static int update_m2p(struct domain_memory *frames, uint64_t ptr, uint64_t pfn)
{
    mfn_t m = maddr_to_mfn(MADDR(ptr));
    /* XSA-22: of the caller's own frames only */
    int error = frame_get(m, frames);

    if (error) return error;
    m2p_set(m, pfn);
    frame_put(m);
    return 0;
}

/* What the refused one was about, where nobody has said it: an entry of a table of this level (0: a
 * plain store), or its address. */
static cold int request_refused(int error, unsigned int level, const struct mmu_update *u)
{
    uint64_t address = u->ptr & ~7UL;

    if ((u->ptr & 3) == OP(MMU_MACHPHYS_UPDATE) || u->ptr & 4) return about_value(error, u->ptr);
    return entry_refused(error, level, maddr_to_virt(MADDR(address)), u->val);
}

static int perform(struct walk *w, const struct mmu_update *batch, unsigned int count,
                   unsigned int *done)
{
    struct target t = { .entries = NULL };
    unsigned int i;
    int error = 0;

    spin_lock(&w->owner->pagetable_lock);
    for (i = 0; i < count; i++) {
        if ((batch[i].ptr & 3) == OP(MMU_MACHPHYS_UPDATE))
            error = update_m2p(w->frames, batch[i].ptr, batch[i].val);
        else
            error = update_one(w, &t, batch[i].ptr, batch[i].val);
        if (unlikely(error))
            break;
        ++*done;
        spend(COST_TYPE);
        /* a later request may want what is being undone */
        if (unlikely(!list_empty(&w->owner->undoing) || spent()))
            break;
    }
    if (unlikely(error))
        error = request_refused(error, t.entries ? t.level : 0, &batch[i]);
    drop_target(&t);
    spin_unlock(&w->owner->pagetable_lock);
    return error;
}

/* All requests from *done on. 0, an error of request number *done, or -ERESTART before it. */
static int run_updates(struct walk *w, uint64_t requests, unsigned int count, unsigned int *done)
{
    struct mmu_update batch[BATCH];
    int error;

    for (;;) {
        unsigned int n = MIN(count - *done, BATCH);
        uint64_t from = requests + *done * sizeof(batch[0]);

        error = foreign_undo(w);
        /* n == 0: a continuation that had nothing left but the undoing */
        if (error || n == 0) return error;
        if (copy_from_guest(batch, VADDR(from), n * sizeof(batch[0]))) {
            /* up to the unreadable one, all are performed */
            n = 1;
            if (read_guest(&batch[0], from)) return fail(-EFAULT, "the list of updates");
        }
        error = perform(w, batch, n, done);
        if (error && error != -ERESTART) return error;
        if (error == 0 && *done == count) return undo_if_any(w->owner);
        if (error || spent()) return -ERESTART;
    }
}

long do_mmu_update(uint64_t requests, unsigned int count, uint64_t done_va, unsigned int domid)
{
    unsigned int done = 0;
    int error = foreign_list(run_updates, requests, count, done_va, domid, &done);

    if (error != -ERESTART) return error;
    return hypercall_continue(mmu_update, requests + done * sizeof(struct mmu_update),
                              (count - done) | PREEMPTED, done_va, domid);
}

/* ---- by virtual address ---- */

static int flush_as_asked(struct vcpu *v, uint64_t va, uint64_t flags)
{
    uint64_t kind = flags & UVMF_FLUSHTYPE_MASK, scope = flags & ~UVMF_FLUSHTYPE_MASK, mask;

    if (kind == UVMF_NONE) return 0;
    if (kind != UVMF_TLB_FLUSH && kind != UVMF_INVLPG)
        return fail(-EINVAL, "no such kind of flush");
    if (scope == UVMF_LOCAL)
        mask = 1UL << v->id;
    else if (scope == UVMF_ALL)
        mask = ~0UL;
    else if (read_guest_u64(&mask, scope))
        return fail(-EFAULT, "the bitmap of vCPUs to flush");
    if (kind == UVMF_TLB_FLUSH)
        tlb_flush_vcpus(v->domain, mask);
    else
        tlb_flush_page_vcpus(v->domain, mask, va);
    return 0;
}

static int update_by_va(struct walk *w, uint64_t va, uint64_t entry, uint64_t flags)
{
    struct vcpu *v = current;
    uint64_t *slot;
    int error = foreign_undo(w);

    if (error) return error;
    spin_lock(&w->owner->pagetable_lock);
    slot = mmu_walk(&v->tables, va);
    error = slot ? entry_update(w, 1, slot, entry, false)
                 : fail(-EINVAL, "no level-1 table behind the address");
    spin_unlock(&w->owner->pagetable_lock);
    return error ? about_value(error, va) : flush_as_asked(v, va, flags);
}

long do_update_va_mapping(unsigned long va, uint64_t entry, unsigned long flags)
{
    struct domain_memory *owner = current->tables.owner;
    struct walk w = { owner, owner };
    int error = update_by_va(&w, va, entry, flags);

    return error == -ERESTART ? hypercall_continue(update_va_mapping, va, entry, flags) : error;
}

long do_update_va_mapping_otherdomain(unsigned long va, uint64_t entry, unsigned long flags,
                                      unsigned int domid)
{
    struct walk w;
    int error = foreign_begin(&w, (uint16_t)domid);

    if (error) return error;
    error = update_by_va(&w, va, entry, flags);
    foreign_end(&w);
    if (error != -ERESTART) return error;
    return hypercall_continue(update_va_mapping_otherdomain, va, entry, flags, domid);
}
