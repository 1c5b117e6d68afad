/* SPDX-License-Identifier: MIT */
/*
 * The auditor: forget all counters, walk everything that can hold a reference, and compare (I1 to
 * I4 of pagetype.c). Slow on purpose, and simple: it shares no code with what it checks, except the
 * meaning of an entry's bits.
 *
 * It counts for some frames at a time, in as much memory as can be had at once, and walks
 * everything again for the next ones: so it needs no block that grows with the machine, and none at
 * all if there is none.
 *
 * Holders of references: the allotment, pins, tables half way (the frame's own), entries of tables,
 * base pointers, descriptor windows, grants in use, registered vcpu_info pages, CPUs on which a
 * guest's virtual machine runs, and we for pages of ours that a guest may see. RING0_LOCK: guests
 * run meanwhile, but only ring 0 changes any of this.
 */
#include "control/audit.h"
#include "domain/domain.h"
#include "domain/grants.h"
#include "lib/printk.h"
#include "lib/string.h"
#include "memory/entry.h"
#include "memory/heap.h"
#include "memory/window.h"
#include "svm/svm.h"

#define SPARE 2048                          /* frames a round, if there is no memory for more */

struct count { uint32_t total, typed; };
static struct count *counts;                /* of frames first to end - 1, those of this round */
static uint64_t first, end;
static struct domus_audit *report;

static bool counted(mfn_t m)
{
    return m.n >= first && m.n < end;
}

/* Of a frame of RAM. */
static int owner_id(struct domain_memory *m)
{
    if (m == &special_xen) return DOMID_XEN;
    return m ? domain_of(m)->id : -1;
}

static void violation(mfn_t m, const char *what, uint64_t found, uint64_t expected)
{
    const struct frame *f = frame_of(m);
    int owner = mfn_valid(m) ? owner_id(f->owner) : -1;

    if (report->violations++ < 10)
        printk("audit: frame %lx of d%d, state %lx: %s (%lu, should be %lu)\n", m.n, owner,
               f->state, what, found, expected);
    if (report->violations > 1) return;
    report->first_bad_mfn = m.n;
    snprintf(report->first_bad, sizeof(report->first_bad), "%s (%lu, should be %lu)", what, found,
             expected);
}

/* Somebody holds a reference of m; of that type, unless FRAME_NONE. */
static void hold(mfn_t m, enum frame_type t)
{
    if (!counted(m)) return;
    counts[m.n - first].total++;
    if (t == FRAME_NONE) return;
    counts[m.n - first].typed++;
    if (frame_type(frame_of(m)) != t)
        violation(m, "is referred to as another type (I1, I2)", frame_type(frame_of(m)), t);
}

static void look_at_entry(mfn_t table, unsigned int level, uint64_t e)
{
    mfn_t m = pte_mfn(e);

    if (!(e & PTE_PRESENT) || (level == 1 && mfn_is_io(m))) return;
    if (!(e & PTE_USER) && counted(table))
        violation(table, "has an entry without U=1 (I8)", e, e | PTE_USER);
    if (level > 1)
        hold(m, level - 1);
    else
        hold(m, e & PTE_WRITE ? FRAME_WRITABLE : FRAME_NONE);
}

/* The first `cursor` entries of a table half way hold references, all of a valid one. */
static void look_at_table(mfn_t m, const struct frame *f)
{
    unsigned int level = frame_type(f), entries = f->state & FRAME_VALID ? 512 : f->cursor;
    const uint64_t *table = map_frame(m);

    for (unsigned int i = 0; i < entries; i++)
        if (!(level == 4 && l4_slot_is_ours(i)))
            look_at_entry(m, level, table[i]);
        else if (counted(m) && (f->state & FRAME_VALID) && table[i] != hv_l4[i] &&
                 !(i == M2P_SLOT && table[i] == 0))
            violation(m, "has another entry in our slots (I8)", table[i], hv_l4[i]);
}

static void look_at_frame(mfn_t m, struct frame *f)
{
    if (f->state & FRAME_ALLOCATED)
        hold(m, FRAME_NONE);
    if (f->state & (FRAME_PINNED | FRAME_SHARED))
        hold(m, frame_type(f));
    if (!frame_is_table(frame_type(f)) || !frame_typed(f)) return;
    report->typed += counted(m);
    if (!(f->state & FRAME_VALID))
        hold(m, frame_type(f)); /* half way: the frame's own */
    look_at_table(m, f);
}

static void segdesc_seen(mfn_t m)
{
    hold(m, FRAME_SEGDESC);
    report->typed += counted(m);
}
static void grant_seen(mfn_t m, bool writable)
{
    hold(m, writable ? FRAME_WRITABLE : FRAME_NONE);
}

static void table_seen(mfn_t m)
{
    hold(m, FRAME_L4);
}

static void look_at_vcpu(const struct vcpu *v)
{
    if (v->tables.kernel_cr3)
        hold(base_table(v->tables.kernel_cr3), FRAME_L4);
    if (v->tables.user_cr3)
        hold(base_table(v->tables.user_cr3), FRAME_L4);
    if (!mfn_eq(v->events.info_frame, INVALID_MFN))
        hold(v->events.info_frame, FRAME_WRITABLE);
    window_for_each_frame(&v->window, segdesc_seen);
}

static void look_at_domain(const struct domain *d)
{
    struct vcpu *v;

    for_each_vcpu (v, d)
        look_at_vcpu(v);
    grants_for_each_hold(d, grant_seen);
}

static void compare(mfn_t m, const struct frame *f)
{
    uint64_t total = frame_total(f), typed = frame_typed(f);
    const struct count *c = &counts[m.n - first];

    report->frames++;
    if (typed > total)
        violation(m, "has more type references than references (I4)", typed, total);
    if (typed != c->typed)
        violation(m, "type references (I3)", typed, c->typed);
    if (total != c->total)
        violation(m, "references (I3)", total, c->total);
    if (total && !f->owner)
        violation(m, "has references and no owner", total, 0);
}

static void compare_domain(const struct domain *d)
{
    uint64_t owned = 0;

    for (uint64_t n = 0; n < max_frame; n++) {
        const struct frame *f = frame_of(MFN(n));

        if (f->owner == &d->memory && frame_total(f) && !(f->state & FRAME_SHARED))
            owned++;
    }
    if (owned == d->memory.page_count) return;
    report->violations++;
    printk("audit: d%d owns %lu frames, its books say %lu\n", d->id, owned, d->memory.page_count);
}

/* What is found of frames first to end - 1. */
static void look_at_all(void)
{
    const struct domain *d;

    for (uint64_t n = 0; n < max_frame; n++)
        if (!mfn_is_io(MFN(n)) && frame_total(frame_of(MFN(n))))
            look_at_frame(MFN(n), frame_of(MFN(n)));
    list_for_each (d, &domain_list, all_domains)
        look_at_domain(d);
    list_for_each (d, &destroyed_list, all_domains)
        look_at_domain(d);
    svm_for_each_table(table_seen);
    for (uint64_t n = first; n < end; n++)
        if (!mfn_is_io(MFN(n)) && !(frame_of(MFN(n))->state & FRAME_FREE))
            compare(MFN(n), frame_of(MFN(n)));
}

uint64_t memory_audit(struct domus_audit *result)
{
    static struct count spare[SPARE];
    const struct domain *d;
    struct count *block = NULL;
    unsigned int order = 0;
    size_t bytes;

    while (order < HEAP_MAX_ORDER && PAGE_SIZE << order < max_frame * sizeof(*counts))
        order++;
    while (PAGE_SIZE << order > sizeof(spare) && (block = hv_alloc_pages(order)) == NULL)
        order--;
    bytes = block ? PAGE_SIZE << order : sizeof(spare);
    counts = block ? block : spare;
    memset(result, 0, sizeof(*result));
    result->first_bad_mfn = ~0UL;
    report = result;
    for (first = 0; first < max_frame; first = end) {
        end = MIN(first + bytes / sizeof(*counts), max_frame);
        memset(counts, 0, bytes);
        look_at_all();
    }
    list_for_each (d, &domain_list, all_domains)
        compare_domain(d);
    if (block)
        hv_free_pages(block, order);
    result->free = heap_free_count();
    return result->violations;
}
