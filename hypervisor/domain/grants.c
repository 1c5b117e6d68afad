/* SPDX-License-Identifier: MIT */
/*
 * Grant tables: entries and handles.
 *
 * The shared table is the guest's to write, at any moment, while we read it. So an entry is read
 * once, as one 64-bit word (flags, peer, frame), judged, and marked in use by a
 * compare-and-exchange of that very word (XSA-500). From then on only our own record of it
 * (struct active) counts, until the last user is gone and the marks are taken off again.
 *
 * Order when a use ends (XSA-218): the mapping leaves the page table, the TLB is flushed, the
 * frame's references are put, and only then do the marks go, which tell the guest that it has its
 * page back.
 */
#include "domain/grant_table.h"
#include "lib/fail.h"
#include "machine/budget.h"
#include "lib/printk.h"
#include "memory/frame.h"
#include "memory/heap.h"

/* of its handles, for domains that are gone; then it maps no more */
#define ORPHANS_PART 8
/* a guest that keeps changing the entry under us gets an error, not our time (XSA-295) */
#define MARK_ATTEMPTS 5

/* ---- the table ---- */

static int add_shared_frame(struct domain *d, struct grant_table *gt)
{
    void *page = hv_alloc_pages(0);
    struct active *active = hv_alloc_pages(ACTIVE_ORDER);
    if (!page || !active) {
        hv_free_pages(page, 0);
        hv_free_pages(active, ACTIVE_ORDER);
        return fail(-ENOMEM, "no memory for another grant table frame");
    }
    share_hv_frame(page, &d->memory);
    gt->slots[gt->frames].shared = page;
    gt->slots[gt->frames++].active = active;
    return 0;
}

int grants_shared_frame(struct domain *d, uint32_t index, mfn_t *frame)
{
    struct grant_table *gt = d->grants;
    int error = 0;
    spin_lock(&gt->lock);
    while (index >= gt->frames && !error)
        error = add_shared_frame(d, gt);
    if (!error)
        *frame = virt_to_mfn(gt->slots[index].shared);
    spin_unlock(&gt->lock);
    return error;
}

/* What createdomain asked for, within what we keep pointers for; negative: the default. */
static uint32_t limit(int32_t asked, uint32_t usual, int32_t most)
{
    return asked < 0 ? usual : (uint32_t)MAX(1, MIN(asked, most));
}

int grants_create(struct domain *d, int32_t max_frames, int32_t max_maptrack_frames)
{
    struct grant_table *gt = hv_alloc(sizeof(*gt));
    mfn_t unused;
    if (gt) {
        spin_lock_init(&gt->lock, LOCK_GRANTS);
        gt->max_frames = limit(max_frames, GRANTS_DEFAULT_FRAMES, GRANTS_MAX_FRAMES);
        gt->max_maptrack_frames = limit(max_maptrack_frames, GRANTS_DEFAULT_MAPTRACK,
                                        GRANTS_MAX_MAPTRACK);
        gt->free_handle = NO_HANDLE;
        gt->slots = hv_alloc(gt->max_frames * sizeof(*gt->slots));
        gt->maptrack = hv_alloc(gt->max_maptrack_frames * sizeof(*gt->maptrack));
        d->grants = gt;
        if (gt->slots && gt->maptrack && grants_shared_frame(d, 0, &unused) == 0) return 0;
        grants_free(d);
    }
    return fail(-ENOMEM, "no memory for a grant table");
}

static void free_slot(struct grant_slot *slot)
{
    if (!slot->shared) return;
    unshare_hv_frame(slot->shared);
    hv_free_pages(slot->active, ACTIVE_ORDER);
    *slot = (struct grant_slot){ 0 };
    spend(2 * COST_FRAME);
}

void grants_free(struct domain *d)
{
    struct grant_table *gt = d->grants;
    if (!gt) return;
    d->grants = NULL;
    for (uint32_t i = 0; i < gt->frames; i++)
        free_slot(&gt->slots[i]);
    hv_free(gt->slots, gt->max_frames * sizeof(*gt->slots));
    hv_free(gt->maptrack, gt->max_maptrack_frames * sizeof(*gt->maptrack));
    hv_free(gt, sizeof(*gt));
}

/* ---- what is left of a domain that has ended ---- */

/*
 * Whoever still has a grant mapped keeps its frame, that frame of the table, and the domain's
 * structure: memory that is on nobody's account any more. So it is counted against him, a mapping
 * as one, and from a number on he maps nothing more: who has a friend start again and again would
 * have all memory in the end. The table has shrunk to what is used by then, so that one stands for
 * little.
 */
static void count_orphans(domid_t holder, int32_t more)
{
    struct domain *d = domain_get(holder);  /* to be found until it has let go of everything */
    if (!d) return;
    __atomic_add_fetch(&d->orphans, more, __ATOMIC_RELAXED);
    domain_put(d);
}

/*
 * The order of locks: a holder is looked up outside the table's, where one that lets go may come
 * first.
 */
static void orphan_entries(struct grant_table *gt, struct grant_slot *slot)
{
    for (uint32_t i = 0; i < ENTRIES_PER_FRAME && slot->used; i++) {
        struct active *a = &slot->active[i];
        spin_lock(&gt->lock);
        int32_t users = a->readers + a->writers;
        domid_t holder = a->peer;
        a->orphaned = users;
        spin_unlock(&gt->lock);
        if (users)
            count_orphans(holder, users);
    }
    spend(ENTRIES_PER_FRAME * COST_ENTRY);
}

int grants_retire(struct domain *d)
{
    struct grant_table *gt = d->grants;
    if (!gt) return 0;
    while (gt->retired < gt->frames) {
        struct grant_slot *slot = &gt->slots[gt->retired];
        if (slot->used)
            orphan_entries(gt, slot);
        spin_lock(&gt->lock);
        gt->retired++;
        if (!slot->used)
            free_slot(slot);
        spin_unlock(&gt->lock);
        if (spent()) return -ERESTART;
    }
    return 0;
}

bool grants_holds_too_much(const struct domain *d)
{
    uint32_t handles = (uint32_t)(d->grants->max_maptrack_frames * HANDLES_PER_FRAME);
    return !d->privileged && d->orphans >= (int32_t)(handles / ORPHANS_PART);
}

/* ---- entries ---- */

static struct grant_entry_v1 *shared_entry(const struct grant_table *gt, uint32_t ref)
{
    return &gt->slots[ref / ENTRIES_PER_FRAME].shared[ref % ENTRIES_PER_FRAME];
}

/* A shared entry as one word: flags in bits 0-15, peer in 16-31, frame in 32-63. */
union entry_word {
    struct grant_entry_v1 entry;
    uint64_t word;
};

/* Set GTF_reading, and GTF_writing if asked, in an entry that grants what is wanted; *frame is what
 * it named at that instant. */
static int16_t mark_entry(struct grant_entry_v1 *shared, domid_t peer, bool writable, mfn_t *frame)
{
    uint64_t *place = (uint64_t *)(void *)shared;
    for (int attempt = 0; attempt < MARK_ATTEMPTS; attempt++) {
        union entry_word old = { .word = __atomic_load_n(place, __ATOMIC_RELAXED) }, new = old;
        if ((old.entry.flags & GTF_type_mask) != GTF_permit_access || old.entry.domid != peer)
            return refuse(GNTST_general_error, "the entry does not grant access to this domain");
        if (writable && (old.entry.flags & GTF_readonly))
            return refuse(GNTST_general_error, "the entry grants reading only");
        new.entry.flags |= writable ? GTF_reading | GTF_writing : GTF_reading;
        race_point();
        if (__atomic_compare_exchange_n(place, &old.word, new.word, false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_RELAXED)) {
            *frame = MFN(old.entry.frame);
            return GNTST_okay;
        }
    }
    return refuse(GNTST_general_error, "the entry keeps changing");
}

static void unmark_entry(struct grant_entry_v1 *shared, uint16_t flags)
{
    race_point();
    __atomic_fetch_and(&shared->flags, (uint16_t)~flags, __ATOMIC_SEQ_CST);
}

/* The first user of any kind, or the first writer, so there is none yet: take the marks, then the
 * frame. */
static int16_t acquire_first(struct domain *owner, struct grant_entry_v1 *shared, struct active *a,
                             domid_t peer, bool writable)
{
    bool idle = !a->readers;
    mfn_t frame = INVALID_MFN;
    int16_t status = mark_entry(shared, peer, writable, &frame);
    if (status != GNTST_okay) return status;
    /* whatever the guest wrote there since: the users share one frame */
    if (!idle)
        frame = a->frame;
    if (idle && frame_get(frame, &owner->memory)) {
        unmark_entry(shared, GTF_reading | GTF_writing);
        return refuse(GNTST_bad_page,
                      "the entry names a frame that the granting domain does not own");
    }
    if (writable && frame_get_writable(frame, &owner->memory)) {
        if (idle)
            frame_put(frame);
        unmark_entry(shared, idle ? GTF_reading | GTF_writing : GTF_writing);
        return refuse(
            GNTST_general_error,
            "the granted frame cannot be written: it is a page table or a descriptor page");
    }
    a->frame = frame;
    a->peer = peer;
    return GNTST_okay;
}

int16_t grant_acquire(struct domain *owner, uint32_t ref, domid_t peer, bool writable, mfn_t *frame)
{
    struct grant_table *gt = owner->grants;
    int16_t status = GNTST_okay;
    if (!gt || domain_is_dying(owner))
        return refuse(GNTST_bad_domain, "the domain grants nothing, or is being destroyed");
    spin_lock(&gt->lock);
    if (ref >= gt->frames * ENTRIES_PER_FRAME) {
        spin_unlock(&gt->lock);
        return refuse_value(GNTST_bad_gntref, "beyond the end of the grant table", ref);
    }
    struct active *a = active_of(gt, ref);
    bool idle = !a->readers && !a->writers;
    if (!idle && a->peer != peer)
        status = refuse(GNTST_general_error, "another domain uses the entry");
    else if (a->readers == UINT16_MAX || a->writers == UINT16_MAX)
        status = refuse(GNTST_general_error, "the entry is in use 65535 times");
    else if (idle || (writable && !a->writers))
        status = acquire_first(owner, shared_entry(gt, ref), a, peer, writable);
    if (status == GNTST_okay) {
        gt->slots[ref / ENTRIES_PER_FRAME].used += idle;
        (*(writable ? &a->writers : &a->readers))++;
        *frame = a->frame;
    }
    spin_unlock(&gt->lock);
    return status;
}

void grant_release(struct domain *owner, uint32_t ref, bool writable)
{
    struct grant_table *gt = owner->grants;
    spin_lock(&gt->lock);
    struct active *a = active_of(gt, ref);
    struct grant_entry_v1 *shared = shared_entry(gt, ref);
    mfn_t frame = a->frame;
    (*(writable ? &a->writers : &a->readers))--;
    if (writable && !a->writers) {
        frame_put_writable(frame);
        unmark_entry(shared, GTF_writing);
    }
    domid_t peer = a->peer;
    bool orphaned = a->orphaned;
    if (!a->readers && !a->writers) {
        struct grant_slot *slot = &gt->slots[ref / ENTRIES_PER_FRAME];
        frame_put(frame);
        unmark_entry(shared, GTF_reading);
        if (--slot->used == 0 && ref / ENTRIES_PER_FRAME < gt->retired)
            free_slot(slot);
    }
    spin_unlock(&gt->lock);
    if (orphaned)
        count_orphans(peer, -1);
}

/* ---- handles ---- */

/* A page more of free records, chained from the lowest up. Under the lock. */
static void add_maptrack_frame(struct grant_table *gt)
{
    lock_needed(&gt->lock);
    if (gt->maptrack_frames == gt->max_maptrack_frames) return;
    struct mapping_record *page = hv_alloc_pages(0);
    if (!page) return;
    uint32_t first = (uint32_t)(gt->maptrack_frames * HANDLES_PER_FRAME);
    for (uint32_t i = 0; i < HANDLES_PER_FRAME; i++)
        page[i].ref = i + 1 < HANDLES_PER_FRAME ? first + i + 1 : gt->free_handle;
    gt->maptrack[gt->maptrack_frames++] = page;
    gt->free_handle = first;
}

uint32_t handle_alloc(struct grant_table *gt)
{
    spin_lock(&gt->lock);
    if (gt->free_handle == NO_HANDLE)
        add_maptrack_frame(gt);
    uint32_t handle = gt->free_handle;
    if (handle != NO_HANDLE)
        gt->free_handle = record_of(gt, handle)->ref;
    spin_unlock(&gt->lock);
    return handle;
}

void handle_free(struct grant_table *gt, uint32_t handle)
{
    spin_lock(&gt->lock);
    record_of(gt, handle)->owner = NULL;
    record_of(gt, handle)->ref = gt->free_handle;
    gt->free_handle = handle;
    spin_unlock(&gt->lock);
}

struct mapping_record *handle_record(struct grant_table *gt, uint32_t handle)
{
    if (handle >= gt->maptrack_frames * HANDLES_PER_FRAME || !record_of(gt, handle)->owner)
        return NULL;
    return record_of(gt, handle);
}

bool grants_keep_handles(struct domain *d, uint32_t frames)
{
    struct grant_table *gt = d->grants;
    bool grows = true;
    spin_lock(&gt->lock);
    while (gt->maptrack_frames < frames && grows) {
        uint32_t had = gt->maptrack_frames;
        add_maptrack_frame(gt);
        grows = gt->maptrack_frames > had;
    }
    spin_unlock(&gt->lock);
    return grows;
}

/* The page tables that hold the mappings are undone by domain_relinquish_memory; here only the
 * grants are given back. None of its vCPUs runs any more, so nobody else has a record. */
int grants_release_mappings(struct domain *d)
{
    struct grant_table *gt = d->grants;
    if (!gt) return 0;
    for (; gt->release_cursor < gt->maptrack_frames * HANDLES_PER_FRAME; gt->release_cursor++) {
        struct mapping_record *r = record_of(gt, gt->release_cursor);
        if (r->owner) {
            struct domain *owner = r->owner;
            if (r->flags & GNTMAP_host_map)
                grant_release(owner, r->ref, !(r->flags & GNTMAP_readonly));
            if (r->flags & GNTMAP_device_map)
                grant_release(owner, r->ref, !(r->flags & GNTMAP_readonly));
            r->owner = NULL;
            domain_put(owner);
            spend(COST_FRAME);
        }
        spend(COST_ENTRY);
        if (spent()) {
            gt->release_cursor++;
            return -ERESTART;
        }
    }
    while (gt->maptrack_frames) {
        hv_free_pages(gt->maptrack[--gt->maptrack_frames], 0);
        spend(COST_FRAME);
        if (spent()) return -ERESTART;
    }
    return 0;
}

/* ---- for the auditor and the debug keys ---- */

void grants_for_each_hold(const struct domain *d, void (*seen)(mfn_t frame, bool writable))
{
    const struct grant_table *gt = d->grants;
    for (uint32_t i = 0; gt && i < gt->frames * ENTRIES_PER_FRAME; i++) {
        if (!gt->slots[i / ENTRIES_PER_FRAME].used)
            continue;
        const struct active *a = active_of(gt, i);
        if (a->readers || a->writers)
            seen(a->frame, false);
        if (a->writers)
            seen(a->frame, true);
    }
}

void grants_dump(struct domain *d)
{
    const struct grant_table *gt = d->grants;
    uint32_t used = 0;
    if (!gt) return;
    printk("d%u: grant table of %u frames (limit %u), %u maptrack frames (limit %u), %u mappings of"
           " domains that are gone", d->id, gt->frames, gt->max_frames, gt->maptrack_frames,
           gt->max_maptrack_frames, (unsigned int)d->orphans);
    for (uint32_t i = 0; i < gt->frames * ENTRIES_PER_FRAME; i++) {
        if (!gt->slots[i / ENTRIES_PER_FRAME].used)
            continue;
        const struct active *a = active_of(gt, i);
        if ((a->readers || a->writers) && used++ < DUMP_LINES)
            printk("  ref %u: frame %lx used by d%u, %u readers, %u writers", i, a->frame.n,
                   a->peer, a->readers, a->writers);
    }
    if (used > DUMP_LINES)
        printk("  and %u more", used - DUMP_LINES);
}
