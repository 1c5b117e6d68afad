/* SPDX-License-Identifier: MIT */
/*
 * Windows: each vCPU has 32 pages in our part of the address space, where the CPU finds its GDT and
 * LDT.
 *
 *   window + 0      14 pages: the guest's GDT frames (or a page of zeros)
 *   window + 14 pages   2 pages: ours, the reserved part: selectors 0xe000.., with flat segments
 *                       and this CPU's TSS
 *   window + 16 pages  16 pages: the guest's LDT, mapped lazily by ldt_fault
 * GDTR.base is the window, its limit GDT_LIMIT; LDTR's descriptor is in the reserved part
 * (written by window_load_ldt).
 */
#ifndef DOMUS_MEMORY_WINDOW_H
#define DOMUS_MEMORY_WINDOW_H

#include "lib/types.h"
#include "machine/segments.h"
#include "memory/owned.h"

#define GDT_LIMIT       (15 * 4096 - 1)
#define GDT_ENTRIES_MAX (GUEST_GDT_PAGES * 512)
#define LDT_WINDOW      (16 * 4096UL)           /* offset of the LDT in a window */
#define LDT_ENTRIES_MAX 8192
#define WINDOWS         32768                   /* that there can be */

struct vcpu_window {
    uint64_t base;                  /* ring-0 VA of 16 GDT pages, then 16 LDT pages */
    uint64_t *entries;              /* theirs, in a table of ours */
    mfn_t gdt_frames[GUEST_GDT_PAGES];
    uint32_t gdt_entries;
    uint64_t ldt_base;              /* guest linear address */
    uint32_t ldt_entries;
};

int window_create(struct vcpu_window *w) must_check;    /* sets w->base; -ENOMEM */
void window_destroy(struct vcpu_window *w);             /* puts its GDT and LDT frames */
/* page 14: the reserved GDT page of the CPU that its vCPU will run on */
void window_set_cpu_page(struct vcpu_window *w, const void *page);

/* The guest's GDT: takes SEGDESC references of the frames, which are owner's, then drops the old
 * ones. entries <= GDT_ENTRIES_MAX. For set_gdt and contexts. */
int window_set_gdt(struct vcpu_window *w, struct domain_memory *owner, const uint64_t *frames,
                   uint32_t entries) must_check;
/* drops the mapped pages; if its vCPU is current, window_load_ldt is to follow */
int window_set_ldt(struct vcpu_window *w, uint64_t base, uint32_t entries) must_check;

/* A #PF from ring 0 or 3 at cr2 within the LDT window of current, whose tables are t: map the page
 * behind it. True: retry the access. False: a real fault, for the guest at (ldt_base + offset). */
bool ldt_fault(struct vcpu_window *w, const struct vcpu_tables *t, uint64_t cr2);

/* The frames behind the window that hold a FRAME_SEGDESC reference each, for the auditor. */
void window_for_each_frame(const struct vcpu_window *w, void (*seen)(mfn_t m));

/* The CPU's LDT register, for a vCPU that is to run: its GDT (window) is loaded. */
void window_load_ldt(const struct vcpu_window *w);

#define DESC_PRESENT    (1UL << 47)
#define DESC_DPL3       (3UL << 45)
#define DESC_CODE_DATA  (1UL << 44)
#define DESC_CODE       (1UL << 43)
#define DESC_TYPE       (15UL << 40)
#define DESC_LONG       (1UL << 53)
#define DESC_DEFAULT    (1UL << 54)

/*
 * May a guest have this in its GDT or LDT? Code and data segments are harmless whatever their base
 * and limit: paging protects us. Their privilege is made 3 for the guest. TSS, LDT and gates could
 * lead into ring 0. A not-present descriptor only faults.
 */
static inline bool descriptor_ok(uint64_t *descriptor)
{
    uint64_t d = *descriptor;

    if (!(d & DESC_PRESENT)) return true;
    /* reserved type 0 faults as well */
    if (!(d & DESC_CODE_DATA)) return (d & DESC_TYPE) == 0;
    /* L and D together are reserved */
    if ((d & DESC_CODE) && (d & DESC_LONG) && (d & DESC_DEFAULT)) return false;
    *descriptor = d | DESC_DPL3;
    return true;
}

/* all of a page that is about to become FRAME_SEGDESC */
bool segdesc_page_ok(mfn_t m);
/* If not: -EINVAL, and which descriptor it is. */
int segdesc_refused(mfn_t m) must_check cold;

#endif
