/* SPDX-License-Identifier: MIT */
/*
 * Windows (window.h has the picture): where the CPU reads a vCPU's descriptors. The guest's GDT and
 * LDT are its own frames, of type FRAME_SEGDESC, so it cannot write them: each descriptor in them
 * was looked at when the page got that type, or came by update_descriptor. The window is U=0: the
 * guest sees its tables where it mapped them itself, read-only.
 *
 * set_gdt and the LDT belong to the vCPU they are of: current, or one that does not run.
 */
#include "memory/window.h"
#include "memory/access.h"
#include "memory/entry.h"
#include "memory/tlb.h"
#include "lib/fail.h"
#include "machine/budget.h"
#include "machine/segments.h"

#define LDT_PAGES   (LDT_ENTRIES_MAX / 512)
#define LDT_FIRST   (LDT_WINDOW / PAGE_SIZE)        /* page of a window */
#define COST_USED   5               /* instructions: 64 windows that are used */
/* the CPU sets "accessed" bits in descriptors; not global: CR3 loads flush */
#define WINDOW_RW   (PTE_PRESENT | PTE_WRITE | PTE_ACCESSED | PTE_DIRTY | PTE_NX)
#define WINDOW_RO   (PTE_PRESENT | PTE_ACCESSED | PTE_NX)

static uint64_t used[WINDOWS / 64];
static spinlock_t window_lock = SPINLOCK(LOCK_WINDOWS);
/* behind GDT pages that a guest has not: null descriptors */
static uint64_t zero_page[512] aligned(PAGE_SIZE);

/* Flushed here only: a window's vCPU is current, or no CPU has it, and whichever has it next loads
 * CR3 first. RING0_LOCK: `used` is written without its lock where window_create fails. */
static void set_page(struct vcpu_window *w, unsigned int page, mfn_t m, uint64_t flags)
{
    w->entries[page] = flags ? mfn_to_maddr(m).a | flags : 0;
    tlb_flush_page(w->base + page * PAGE_SIZE);
}

/* The lowest that is free; WINDOWS: there is none. */
static unsigned int take_slot(void)
{
    unsigned int word = 0, slot = WINDOWS;

    spin_lock(&window_lock);
    while (word < ARRAY_SIZE(used) && !~used[word])
        word++;
    if (word < ARRAY_SIZE(used)) {
        slot = word * 64 + (unsigned int)__builtin_ctzl(~used[word]);
        used[word] |= 1UL << slot % 64;
    }
    spin_unlock(&window_lock);
    spend((int)word * COST_USED);
    return slot;
}

int window_create(struct vcpu_window *w)
{
    unsigned int slot = take_slot();

    if (slot == WINDOWS) return fail(-ENOMEM, "no window for another vCPU");
    w->base = WINDOW_VIRT + slot * WINDOW_SIZE;
    w->entries = hv_entry(w->base, 1);          /* makes the page table, for good */
    if (!w->entries) {
        used[slot / 64] &= ~(1UL << slot % 64);
        w->base = 0;
        return fail(-ENOMEM, "no memory for a window's page table");
    }
    for (unsigned int i = 0; i < WINDOW_PAGES; i++)
        set_page(w, i, virt_to_mfn(zero_page), i < GUEST_GDT_PAGES ? WINDOW_RO : 0);
    return 0;
}

void window_set_cpu_page(struct vcpu_window *w, const void *page)
{
    set_page(w, GUEST_GDT_PAGES, virt_to_mfn(page), WINDOW_RW);
}

void window_destroy(struct vcpu_window *w)
{
    uint64_t slot = (w->base - WINDOW_VIRT) / WINDOW_SIZE;

    if (!w->base) return;
    /* neither can fail with nothing to set */
    if (window_set_gdt(w, NULL, NULL, 0) || window_set_ldt(w, 0, 0)) return;
    set_page(w, GUEST_GDT_PAGES, MFN(0), 0);
    spin_lock(&window_lock);
    used[slot / 64] &= ~(1UL << slot % 64);
    spin_unlock(&window_lock);
    w->base = 0;
}

/* ---- descriptors ---- */

/* The first of a page that is not allowed; 512: all are. */
static unsigned int first_wrong(mfn_t m)
{
    uint64_t *d = map_frame(m);
    unsigned int i = 0;

    while (i < 512 && descriptor_ok(&d[i]))
        i++;
    return i;
}

bool segdesc_page_ok(mfn_t m)
{
    return first_wrong(m) == 512;
}

int segdesc_refused(mfn_t m)
{
    const uint64_t *d = map_frame(m);
    unsigned int i = MIN(first_wrong(m), 511u);

    spend(COST_DESCRIPTORS);        /* looked at twice */
    return about_entry(fail(-EINVAL, "a descriptor in the page is not allowed"), m, 0, i, d[i]);
}

/* ---- GDT ---- */

int window_set_gdt(struct vcpu_window *w, struct domain_memory *owner, const uint64_t *frames,
                   uint32_t entries)
{
    unsigned int pages = (entries + 511) / 512, old = (w->gdt_entries + 511) / 512;

    spend((int)(pages + old) * COST_TYPE);
    for (unsigned int i = 0; i < pages; i++) {
        int error = i && spent() ? -ERESTART
                                 : frame_get_type(MFN(frames[i]), owner, FRAME_SEGDESC);

        /* pages once looked at stay valid: the next try is quick to come as far */
        if (error) {
            while (i-- > 0)
                frame_put_type(MFN(frames[i]));
            return error;
        }
    }
    for (unsigned int i = 0; i < MAX(pages, old); i++) {
        mfn_t before = w->gdt_frames[i];

        if (i < pages) {
            w->gdt_frames[i] = MFN(frames[i]);
            set_page(w, i, MFN(frames[i]), WINDOW_RW);
        } else {
            set_page(w, i, virt_to_mfn(zero_page), WINDOW_RO);
        }
        if (i < old)
            frame_put_type(before);
    }
    w->gdt_entries = entries;
    return 0;
}

/* --- LDT: its pages are mapped one by one, when the CPU first looks for a descriptor there --- */

void window_load_ldt(const struct vcpu_window *w)
{
    uint64_t base = w->base + LDT_WINDOW, limit = w->ldt_entries * 8UL - 1;     /* of 16 bits */
    uint64_t *descriptor = (uint64_t *)(w->base + (HV_LDT & ~7));
    uint16_t selector = w->ldt_entries ? HV_LDT : 0;

    /* SDM vol. 3, 8.2.3: type 2, present, limit in bytes, 64-bit base */
    if (selector) {
        descriptor[0] = limit | (base & 0xffffff) << 16 | 0x82UL << 40 | (base >> 24 & 0xff) << 56;
        descriptor[1] = base >> 32;
    }
    __asm__ volatile("lldt %0" : : "r"(selector) : "memory");
}

int window_set_ldt(struct vcpu_window *w, uint64_t base, uint32_t entries)
{
    if (entries > LDT_ENTRIES_MAX ||
        (entries && ((base & (PAGE_SIZE - 1)) || !guest_range_ok(base, entries * 8UL))))
        return fail_value(-EINVAL,
                          "the LDT is not page-aligned guest memory of at most 8192 entries", base);
    if (entries == w->ldt_entries && (base == w->ldt_base || !entries)) return 0;
    spend(LDT_PAGES * COST_ENTRY);
    for (unsigned int i = LDT_FIRST; i < LDT_FIRST + LDT_PAGES; i++) {
        uint64_t e = w->entries[i];

        if (!e)
            continue;
        set_page(w, i, MFN(0), 0);
        frame_put_type(pte_mfn(e));
    }
    w->ldt_base = entries ? base : 0;
    w->ldt_entries = entries;
    return 0;
}

bool ldt_fault(struct vcpu_window *w, const struct vcpu_tables *t, uint64_t cr2)
{
    uint64_t offset = cr2 - (w->base + LDT_WINDOW);
    unsigned int page = (unsigned int)(LDT_FIRST + offset / PAGE_SIZE);
    bool mapped = false;
    uint64_t *e;

    if (!w->base || offset >= LDT_PAGES * PAGE_SIZE || offset >= w->ldt_entries * 8UL) return false;
    /* mapped: the fault is about something else */
    if (w->entries[page]) return false;
    spin_lock(&t->owner->pagetable_lock);
    e = mmu_walk(t, w->ldt_base + (offset & PAGE_MASK));
    if (e && (*e & PTE_PRESENT) && !mfn_is_io(pte_mfn(*e)) &&
        frame_get_type(pte_mfn(*e), t->owner, FRAME_SEGDESC) == 0) {
        set_page(w, page, pte_mfn(*e), WINDOW_RW);
        mapped = true;
    }
    spin_unlock(&t->owner->pagetable_lock);
    return mapped;
}

void window_for_each_frame(const struct vcpu_window *w, void (*seen)(mfn_t m))
{
    for (unsigned int i = 0; i < (w->gdt_entries + 511) / 512; i++)
        seen(w->gdt_frames[i]);
    for (unsigned int i = LDT_FIRST; w->base && i < LDT_FIRST + LDT_PAGES; i++)
        if (w->entries[i])
            seen(pte_mfn(w->entries[i]));
}
