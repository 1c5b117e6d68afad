/* SPDX-License-Identifier: MIT */
/* The inside of a grant table, shared by domain/grants.c (entries, handles, life) and
 * calls/grant_ops.c (the hypercall). */
#ifndef DOMUS_DOMAIN_GRANT_TABLE_H
#define DOMUS_DOMAIN_GRANT_TABLE_H

#include "domain/grants.h"
#include "lib/fail.h"
#include <xen/grant_table.h>

/* What we know about one entry that is in use: the guest can rewrite its own table at any time, but
 * not this. */
struct active {
    /* valid while readers + writers > 0; holds a reference, and a writable one if writers > 0 */
    mfn_t frame;
    uint16_t readers, writers;      /* mappings and running copies of each kind */
    domid_t peer;                   /* the only domain that may use the entry now */
    bool orphaned;                  /* its domain is gone, the users are counted (grants_retire) */
};

/* One mapping that this domain has of somebody's grant; its number is the guest's handle. */
struct mapping_record {
    struct domain *owner;           /* who granted it, with a reference; NULL: a free record */
    uint32_t ref;                   /* the entry; of a free record: the next free one */
    /* GNTMAP_* as given to map; host_map and device_map: the half still stands */
    uint32_t flags;
};

#define ENTRIES_PER_FRAME   (PAGE_SIZE / sizeof(struct grant_entry_v1))
/* pages of struct active for one shared frame, as a power of two */
#define ACTIVE_ORDER        1
#define HANDLES_PER_FRAME   (PAGE_SIZE / sizeof(struct mapping_record))
#define NO_HANDLE           (~0u)
_Static_assert(ENTRIES_PER_FRAME * sizeof(struct active) == PAGE_SIZE << ACTIVE_ORDER,
               "two pages of active entries a frame");

/*
 * A shared frame of a table; all zero: it went when the domain had ended and nobody used an entry
 * of it.
 */
struct grant_slot {
    struct grant_entry_v1 *shared;
    struct active *active;
    uint32_t used;                          /* entries */
};

/*
 * The lock is held for every change of frames, slots (with the entries in them), retired,
 * maptrack_frames, maptrack and free_handle. The limits (max_) never change. A record in use is
 * read and written without it (RING0_LOCK); release_cursor is only used when the domain is dying.
 */
struct grant_table {
    spinlock_t lock;
    uint32_t frames, max_frames;            /* shared frames */
    struct grant_slot *slots;               /* max_frames of them */
    uint32_t retired;                       /* slots below it go with their last user */
    uint32_t maptrack_frames, max_maptrack_frames;
    struct mapping_record **maptrack;       /* max_maptrack_frames pointers */
    uint32_t free_handle;                   /* head of the free records, or NO_HANDLE */
    uint32_t release_cursor;                /* grants_release_mappings: handles below it are done */
};

static inline struct active *active_of(const struct grant_table *gt, uint32_t ref)
{
    return &gt->slots[ref / ENTRIES_PER_FRAME].active[ref % ENTRIES_PER_FRAME];
}

/* The record of a handle below the end of the maptrack, in use or free. */
static inline struct mapping_record *record_of(const struct grant_table *gt, uint32_t handle)
{
    return &gt->maptrack[handle / HANDLES_PER_FRAME][handle % HANDLES_PER_FRAME];
}

/*
 * All of these answer with a GNTST_* status. One that is not okay comes from here: the reason is
 * written down as with fail(). What stands in another domain's entries is not told: the reference
 * is all that the refused one knows of them.
 */
/* Begin to use entry `ref` of `owner` for domain `peer`: marks it in the shared table and holds its
 * frame. */
int16_t grant_acquire(struct domain *owner, uint32_t ref, domid_t peer, bool writable,
                      mfn_t *frame) must_check;
void grant_release(struct domain *owner, uint32_t ref, bool writable);

/* Does a domain use so much of domains that are gone that it shall not map more? */
bool grants_holds_too_much(const struct domain *d);

/* A new record in the table of the mapping domain; NO_HANDLE: none left. The caller fills it in. */
uint32_t handle_alloc(struct grant_table *gt);
void handle_free(struct grant_table *gt, uint32_t handle);
/* The record of a handle in use, or NULL. */
struct mapping_record *handle_record(struct grant_table *gt, uint32_t handle);

#endif
