/* SPDX-License-Identifier: MIT */
/* Grants to ourselves: entries that all vCPUs give and take back, mappings that any of them undoes.
 * All pages granted hold one word all over, so that no copy changes anything. */
#include "races.h"
#include "../lib/other.h"

#define REFS  (RACERS + 3)      /* those from RACERS on are given and ended by anybody */
#define PAGES 4
#define MAPS  8
#define WORD  0x6a09e667f3bcc908UL
/* no handles: nothing is mapped there; it is being mapped or unmapped */
#define FREE  (~0UL)
#define BUSY  (~1UL)

static volatile grant_entry_v1_t *table;
static grant_ref_t refs[REFS];
static uint64_t *pages[PAGES];
/* Where something may be mapped, and by which handle. */
static struct { void *va; volatile uint64_t handle; } maps[MAPS];
/* Who gives and ends all the time: one at once, whose entry the others copy by half of the time. */
static volatile unsigned int giver;
static volatile bool giving;

void grants_begin(void)
{
    struct gnttab_setup_table setup = { .dom = DOMID_SELF, .nr_frames = 1 };
    unsigned long frame;

    set_xen_guest_handle(setup.frame_list, &frame);
    NEED(HYPERVISOR_grant_table_op(GNTTABOP_setup_table, &setup, 1) == 0 &&
         setup.status == GNTST_okay);
    table = map_frames(&frame, 1, PROT_RW, DOMID_SELF, NULL);
    NEED(!IS_ERR(ADDRESS(table)));
    for (int i = 0; i < PAGES; i++) {
        pages[i] = alloc_page();
        NEED(pages[i] != NULL);
        for (unsigned int word = 0; word < 512; word++)
            pages[i][word] = WORD;
    }
    for (unsigned int i = 0; i < REFS; i++) {
        int ref = grant_page(own_domid(), pages[0], false);

        NEED(ref > 0);
        refs[i] = (grant_ref_t)ref;
    }
    for (int i = 0; i < MAPS; i++) {
        maps[i].va = vspace_alloc(1);
        maps[i].handle = FREE;
        NEED(maps[i].va != NULL);
    }
}

/* Taken back, unless it is in use. */
static bool end_access(grant_ref_t ref)
{
    uint16_t flags = table[ref].flags;

    return !(flags & (GTF_reading | GTF_writing)) &&
           __atomic_compare_exchange_n(&table[ref].flags, &flags, 0, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_SEQ_CST);
}

/* Two vCPUs may do it at once: then the entry is one's or the other's. */
static bool give(struct racer *r, grant_ref_t ref)
{
    uint16_t none = 0;

    if (table[ref].flags) return false;
    table[ref].frame = (uint32_t)virt_to_mfn(pages[any(r, PAGES)]);
    return __atomic_compare_exchange_n(&table[ref].flags, &none,
                                       GTF_permit_access | (any(r, 3) ? 0 : GTF_readonly), false,
                                       __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

static grant_ref_t some_ref(struct racer *r)
{
    return refs[any(r, 2) ? giver : any(r, REFS)];
}

/* One that nobody else gives, and that others use meanwhile, for a moment each: ended is ended. */
static void give_and_end(struct racer *r, grant_ref_t ref)
{
    giver = (unsigned int)r->id;
    for (int i = 0; i < 100; i++) {
        if (!table[ref].flags)
            note(r, give(r, ref) - 1);
        linger(r, 20000);
        if (!end_access(ref))
            continue;
        for (unsigned int wait = any(r, 20000); wait; wait--)
            MUST(r, table[ref].flags == 0);
    }
    note(r, give(r, ref) - 1);
}

static bool claim(unsigned int i, uint64_t what)
{
    return __atomic_compare_exchange_n(&maps[i].handle, &what, BUSY, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_SEQ_CST);
}

/* Never over another mapping: that would go with its entry, and its handle could not end it. */
static void map(struct racer *r, unsigned int i)
{
    struct gnttab_map_grant_ref op = { .ref = refs[RACERS + any(r, REFS - RACERS)],
                                       .dom = own_domid(),
                                       .host_addr = (unsigned long)maps[i].va,
                                       .flags = GNTMAP_host_map |
                                                (any(r, 2) ? GNTMAP_readonly : 0) };

    if (!claim(i, FREE)) return;
    MUST(r, HYPERVISOR_grant_table_op(GNTTABOP_map_grant_ref, &op, 1) == 0);
    note(r, op.status);
    maps[i].handle = op.status == GNTST_okay ? op.handle : FREE;
}

static int16_t unmap_op(struct racer *r, unsigned int i, uint64_t handle)
{
    struct gnttab_unmap_grant_ref op = { .host_addr = (unsigned long)maps[i].va,
                                         .handle = (grant_handle_t)handle };

    MUST(r, HYPERVISOR_grant_table_op(GNTTABOP_unmap_grant_ref, &op, 1) == 0);
    note(r, op.status);
    return op.status;
}

/* Sometimes one that another vCPU may be about to undo too; then one of them comes too late. */
static void unmap(struct racer *r, unsigned int i)
{
    uint64_t handle = maps[i].handle;

    if (!any(r, 4)) {
        (void)unmap_op(r, i, handle);
    } else if (handle < BUSY && claim(i, handle)) {
        (void)unmap_op(r, i, handle);
        maps[i].handle = FREE;
    }
}

static void copy(struct racer *r)
{
    struct gnttab_copy op = { .len = 256, .flags = GNTCOPY_source_gref | GNTCOPY_dest_gref };

    op.source.domid = op.dest.domid = own_domid();
    op.source.u.ref = some_ref(r);
    op.dest.u.ref = some_ref(r);
    op.source.offset = (uint16_t)(any(r, 15) * 256);
    op.dest.offset = (uint16_t)(any(r, 15) * 256);
    MUST(r, HYPERVISOR_grant_table_op(GNTTABOP_copy, &op, 1) == 0);
    note(r, op.status);
}

static void look(struct racer *r, unsigned int i)
{
    uint64_t word;

    if (try_read64((uint64_t *)maps[i].va + any(r, 512), &word) == 0)
        MUST(r, word == WORD);
    MUST(r, pages[any(r, PAGES)][any(r, 512)] == WORD);
}

void grants_race(struct racer *r)
{
    unsigned int i = any(r, MAPS);

    switch (any(r, 9)) {
    case 0: case 1: map(r, i); break;
    case 2: case 3: unmap(r, i); break;
    case 4:
        for (unsigned int times = any(r, 50); times; times--)
            copy(r);
        break;
    case 5: look(r, i); break;
    case 6:
        if (__atomic_exchange_n(&giving, true, __ATOMIC_ACQUIRE)) return;
        give_and_end(r, refs[r->id]);
        __atomic_store_n(&giving, false, __ATOMIC_RELEASE);
        break;
    case 7: note(r, give(r, refs[RACERS + any(r, REFS - RACERS)]) - 1); break;
    default: note(r, end_access(refs[RACERS + any(r, REFS - RACERS)]) - 1); break;
    }
}

/* Every mapping can be undone, and then nobody uses any of the grants. */
void grants_end(void)
{
    struct racer nobody = { 0 };
    uint64_t word;

    for (unsigned int i = 0; i < MAPS; i++) {
        CHECK(maps[i].handle != BUSY);
        if (maps[i].handle != FREE)
            (void)unmap_op(&nobody, i, maps[i].handle);
        CHECK_IS(try_read64(maps[i].va, &word), -EFAULT);
    }
    for (unsigned int i = 0; i < REFS; i++) {
        CHECK_IS(table[refs[i]].flags & (GTF_reading | GTF_writing), 0);
        CHECK(end_access(refs[i]));
    }
    for (int i = 0; i < PAGES; i++)
        CHECK_IS(words_other_than(pages[i], WORD), 0);
}
