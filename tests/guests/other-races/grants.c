/* SPDX-License-Identifier: MIT */
/*
 * Grants across domains: we map, copy and unmap those of the hands and of the mayfly, while the
 * hands' entries are ended and given again (as their kernels would, in the tables), and ours, which
 * the hands map. All pages granted hold one word all over. What is mapped of a mayfly stays.
 */
#include "neighbours.h"

#define MAPS 8
/* no handles: nothing is mapped there; it is being mapped or unmapped */
#define FREE (~0UL)
#define BUSY (~1UL)

grant_ref_t own_refs[REFS];

static struct { void *va; volatile uint64_t handle; } maps[MAPS];
static grant_entry_v1_t *own_table;
static uint64_t *own_pages[PATTERNS];

void grants_begin(void)
{
    own_table = (grant_entry_v1_t *)grant_frames(DOMID_SELF, 1);
    for (unsigned int i = 0; i < PATTERNS; i++) {
        own_pages[i] = alloc_page();
        NEED(own_pages[i] != NULL);
        fill_page(own_pages[i]);
    }
    for (unsigned int i = 0; i < REFS; i++) {
        int ref = grant_page(neighbours[i % HANDS].other.id, own_pages[i % PATTERNS], i & 2);

        NEED(ref > 0);
        own_refs[i] = (grant_ref_t)ref;
    }
    for (unsigned int i = 0; i < MAPS; i++) {
        maps[i].va = vspace_alloc(1);
        maps[i].handle = FREE;
        NEED(maps[i].va != NULL);
    }
}

static bool claim(unsigned int i, uint64_t what)
{
    return __atomic_compare_exchange_n(&maps[i].handle, &what, BUSY, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_SEQ_CST);
}

static void map(struct racer *r, unsigned int i)
{
    struct gnttab_map_grant_ref op = { .ref = FIRST_REF + any(r, REFS),
                                       .dom = neighbours[any(r, HANDS + 1)].other.id,
                                       .host_addr = (unsigned long)maps[i].va,
                                       .flags = GNTMAP_host_map |
                                                (any(r, 2) ? GNTMAP_readonly : 0) };

    if (!claim(i, FREE)) return;
    MUST(r, HYPERVISOR_grant_table_op(GNTTABOP_map_grant_ref, &op, 1) == 0);
    note(r, op.status);
    maps[i].handle = op.status == GNTST_okay ? op.handle : FREE;
}

static void unmap(struct racer *r, unsigned int i)
{
    uint64_t handle = maps[i].handle;
    struct gnttab_unmap_grant_ref op = { .host_addr = (unsigned long)maps[i].va,
                                         .handle = (grant_handle_t)handle };

    if (handle >= BUSY || !claim(i, handle)) return;
    MUST(r, HYPERVISOR_grant_table_op(GNTTABOP_unmap_grant_ref, &op, 1) == 0 && op.status == 0);
    note(r, op.status);
    maps[i].handle = FREE;
}

static void copy(struct racer *r)
{
    struct gnttab_copy op = { .len = 256, .flags = GNTCOPY_source_gref | GNTCOPY_dest_gref };

    op.source.domid = neighbours[any(r, HANDS + 1)].other.id;
    op.dest.domid = neighbours[any(r, HANDS + 1)].other.id;
    op.source.u.ref = FIRST_REF + any(r, REFS);
    op.dest.u.ref = FIRST_REF + any(r, REFS);
    op.source.offset = (uint16_t)(any(r, 15) * 256);
    op.dest.offset = (uint16_t)(any(r, 15) * 256);
    MUST(r, HYPERVISOR_grant_table_op(GNTTABOP_copy, &op, 1) == 0);
    note(r, op.status);
}

/* Ended is ended, and then it is given again: one of the hands', or one of ours. Each racer has
 * its own. */
static void end_and_give(struct racer *r)
{
    grant_entry_v1_t *table = any(r, 3) ? neighbours[any(r, HANDS)].table : own_table,
                     *entry = &table[table == own_table ? own_refs[r->id]
                                                        : FIRST_REF + (any(r, 2) ? REFS : 0) +
                                                              r->id];

    for (unsigned int times = any(r, 100); times; times--) {
        uint16_t flags = entry->flags, end = 0;

        linger(r, 20000);
        if (flags & (GTF_reading | GTF_writing) ||
            !__atomic_compare_exchange_n(&entry->flags, &flags, end, false, __ATOMIC_SEQ_CST,
                                         __ATOMIC_SEQ_CST)) {
            note(r, -1);
            continue;
        }
        for (unsigned int wait = any(r, 20000); wait; wait--)
            MUST(r, entry->flags == 0);
        __atomic_store_n(&entry->flags, flags, __ATOMIC_SEQ_CST);
        note(r, 0);
    }
}

static void look(struct racer *r, unsigned int i)
{
    uint64_t word;

    if (try_read64((uint64_t *)maps[i].va + any(r, 512), &word) == 0)
        MUST(r, word == OTHER_PATTERN);
    MUST(r, own_pages[any(r, PATTERNS)][any(r, 512)] == OTHER_PATTERN);
}

void grants_race(struct racer *r)
{
    unsigned int i = any(r, MAPS);

    switch (any(r, 8)) {
    case 0: case 1: map(r, i); break;
    case 2: case 3: unmap(r, i); break;
    case 4:
        for (unsigned int times = any(r, 50); times; times--)
            copy(r);
        break;
    case 5: end_and_give(r); break;
    default: look(r, i); break;
    }
}

void grants_unmap(void)
{
    struct racer nobody = { 0 };

    for (unsigned int i = 0; i < MAPS; i++) {
        unmap(&nobody, i);
        CHECK_IS(maps[i].handle, FREE);
    }
    CHECK_IS(nobody.wrongs, 0);
}

/* The hands have gone; nobody uses ours. */
void grants_end(void)
{
    for (unsigned int i = 0; i < REFS; i++)
        CHECK_IS(grant_end_access(own_refs[i]), 0);
    for (unsigned int i = 0; i < PATTERNS; i++)
        CHECK_IS(words_other_than(own_pages[i], OTHER_PATTERN), 0);
}
