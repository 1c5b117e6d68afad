/* SPDX-License-Identifier: MIT */
/*
 * The first domain: memory, kernel, archive (as its ramdisk), page tables, start_info, laid out as
 * builder/layout.h says. Page VIRT_BASE + n * 4096 is frame number n.
 *
 * The tables are plain memory while we write them; validating and pinning them at the end makes
 * them page tables.
 */
#include "boot/build_dom0.h"
#include "builder/layout.h"
#include "domain/domain.h"
#include "domain/grants.h"
#include "domain/physdev.h"
#include "entry/hypercall.h"
#include "lib/fail.h"
#include "lib/params.h"
#include "lib/printk.h"
#include "lib/string.h"
#include "machine/acpi.h"
#include "machine/io.h"
#include "memory/frame.h"
#include "memory/heap.h"
#include "memory/mmu.h"
#include "memory/paging.h"

#define PTE_PAGE (PTE_PRESENT | PTE_WRITE | PTE_USER | PTE_ACCESSED | PTE_DIRTY)

struct builder {
    struct domain *d;
    struct image image;
    struct layout at;
    const uint8_t *kernel, *archive;
    uint64_t kernel_size, archive_size, pages;
    uint64_t *p2m;                  /* ours; frames of the guest's pages */
    uint64_t tables_used;
};

static __attribute__((noreturn)) void give_up(const char *why)
{
    log_error("cannot build dom0: %s", why);
    machine_poweroff();
}

/* Everything that can be refused is refused before anything is built. */
static void plan(struct builder *b)
{
    const char *why;
    uint64_t needed;
    int error;

    if (image_parse(b->kernel, b->kernel_size, &b->image, &why) != 0)
        give_up(why);
    if (b->pages > heap_free_count()) {
        log_error("dom0_mem= asks for %lu MiB, %lu MiB are free", b->pages >> 8,
                  heap_free_count() >> 8);
        give_up("not enough free memory");
    }
    error = layout_make(&b->image, b->archive_size, b->pages, &b->at, &needed);
    if (error == -ENOMEM) {
        log_error("its kernel and archive need %lu MiB, dom0_mem= is %lu MiB", (needed + 255) >> 8,
                  b->pages >> 8);
        give_up("too little memory");
    }
    if (error)
        give_up(b->at.why);
}

/* In pieces as large as there are, so that the frames are mostly contiguous. */
static void allocate(struct builder *b)
{
    uint64_t have = 0;

    b->p2m = hv_alloc(b->pages * sizeof(*b->p2m));
    if (!b->p2m)
        give_up("no memory for its frame list");
    for (unsigned int order = 9; have < b->pages;) {
        mfn_t m = (b->pages - have) >> order ? domain_alloc_frames(&b->d->memory, order, 0, false)
                                             : INVALID_MFN;

        if (mfn_eq(m, INVALID_MFN)) {
            if (order-- == 0)
                give_up("not enough free memory");
            continue;
        }
        for (uint64_t i = 0; i < 1ul << order; i++, have++) {
            b->p2m[have] = m.n + i;
            m2p_set(MFN(m.n + i), have);
        }
    }
}

static void *page(const struct builder *b, uint64_t pfn)
{
    return map_frame(MFN(b->p2m[pfn]));
}
static uint64_t pfn_of(const struct builder *b, uint64_t va)
{
    return layout_pfn(&b->at, va);
}

static void copy_to_pfn(const struct builder *b, uint64_t pfn, uint64_t offset, const uint8_t *from,
                        uint64_t n)
{
    for (; n; pfn++, offset = 0) {
        uint64_t piece = MIN(n, PAGE_SIZE - offset);

        memcpy((uint8_t *)page(b, pfn) + offset, from, piece);
        from += piece;
        n -= piece;
    }
}

/* What it does not bring is zero already. */
static void copy_segments(const struct builder *b)
{
    for (unsigned int i = 0; i < b->image.segment_count; i++) {
        const struct image_segment *s = &b->image.segment[i];

        copy_to_pfn(b, pfn_of(b, s->va), s->va & (PAGE_SIZE - 1), s->bytes, s->file_size);
    }
}

/* ---- page tables ---- */

static uint64_t *table_entry(struct builder *b, uint64_t va)
{
    uint64_t *table = page(b, pfn_of(b, b->at.tables));

    for (unsigned int shift = 39; shift > 12; shift -= 9) {
        uint64_t *e = &table[va >> shift & 511];

        if (!*e) {
            if (b->tables_used == b->at.table_count)
                panic("the dom0 builder counted its tables wrong");
            *e = b->p2m[pfn_of(b, b->at.tables) + b->tables_used++] << PAGE_SHIFT | PTE_PAGE;
        }
        table = map_frame(pte_mfn(*e));
    }
    return &table[va >> 12 & 511];
}

static void map_range(struct builder *b, uint64_t va, uint64_t pfn, uint64_t pages)
{
    for (uint64_t i = 0; i < pages; i++)
        *table_entry(b, va + (i << PAGE_SHIFT)) = b->p2m[pfn + i] << PAGE_SHIFT | PTE_PAGE;
}

static void refused(const char *what)
{
    char words[REFUSAL_WORDS];

    refusal_words(current, words, sizeof(words));
    panic("dom0's %s refused: %s", what, words);
}

static mfn_t build_tables(struct builder *b)
{
    mfn_t top = MFN(b->p2m[pfn_of(b, b->at.tables)]);
    int error;

    b->tables_used = 1;
    map_range(b, b->image.virt_base, 0, pfn_of(b, b->at.end));
    if (b->image.init_p2m != IMAGE_ABSENT)
        map_range(b, b->at.p2m_va, b->at.p2m_pfn, b->at.p2m_pages);
    for (uint64_t i = 0; i < b->tables_used; i++)
        *table_entry(b, b->at.tables + (i << PAGE_SHIFT)) &= ~PTE_WRITE;
    do {
        budget_refill();
        error = mmu_pin(&b->d->memory, top, FRAME_L4);
    } while (error == -ERESTART);
    if (error)
        refused("page tables are");
    return top;
}

/* ---- start_info and the first registers ---- */

static void fill_start_info(struct builder *b, const char *command_line)
{
    struct start_info *s = page(b, pfn_of(b, b->at.start_info));

    layout_start_info(&b->at, &b->image, b->archive_size, command_line, s);
    s->shared_info = mfn_to_maddr(b->d->shared_frame).a;
    s->flags |= SIF_PRIVILEGED | SIF_INITDOMAIN;
}

static void set_first_context(struct builder *b, mfn_t top)
{
    struct vcpu *v = vcpu_create(b->d, 0);
    struct vcpu_guest_context *c = hv_alloc(sizeof(*c));
    int error;

    if (!v || !c)
        give_up("no memory for its vCPU");
    layout_context(&b->at, &b->image, top.n, c);
    do {
        budget_refill();
        error = vcpu_set_context(v, c);
    } while (error == -ERESTART);
    if (error)
        refused("first context is");
    hv_free(c, sizeof(*c));
    vcpu_up(v);
}

/* A quarter of the machine, unless the command line says how much. */
static uint64_t memory_pages(void)
{
    return params_dom0_pages(heap_free_count(), heap_total_count() / 4);
}

static void create(struct builder *b)
{
    uint32_t vcpus = params.dom0_max_vcpus ?: cpus_online;
    int error;

    b->d = dom0 = domain_create(0, MIN(vcpus, MAX_VCPUS), true, &error);
    if (!b->d || grants_create(b->d, -1, -1) != 0 ||
        !grants_keep_handles(b->d, GRANTS_CONTROL_MAPTRACK) || physdev_create(b->d) != 0)
        give_up("no memory for its structures");
    b->d->memory.max_pages = params_dom0_max_pages(heap_free_count(), b->pages);
    for (uint32_t i = 1; i < b->d->vcpu_count; i++)
        if (!vcpu_create(b->d, i))
            give_up("no memory for its vCPUs");
}

/* dom0_vcpus_pin */
static void pin(struct domain *d)
{
    struct vcpu *v;

    for_each_vcpu (v, d)
        policy_set_affinity(v, cpu_bit(v->id % cpus_online));
}

void build_dom0(const struct module *kernel, const struct module *archive)
{
    struct builder b = { .pages = memory_pages() };
    mfn_t top;

    b.kernel = maddr_to_virt(MADDR(kernel->start));
    b.kernel_size = kernel->end - kernel->start;
    if (archive) {
        b.archive = maddr_to_virt(MADDR(archive->start));
        b.archive_size = archive->end - archive->start;
    }
    plan(&b);
    create(&b);
    allocate(&b);
    copy_segments(&b);
    copy_to_pfn(&b, b.at.ramdisk_pfn, 0, b.archive, b.archive_size);
    copy_to_pfn(&b, b.at.p2m_pfn, 0, (const uint8_t *)b.p2m, b.pages * 8);
    if (b.image.hypercall_page != IMAGE_ABSENT)
        hypercall_page_fill(page(&b, pfn_of(&b, b.image.hypercall_page)));
    top = build_tables(&b);
    fill_start_info(&b, kernel->line);
    set_first_context(&b, top);
    if (params.dom0_vcpus_pin)
        pin(b.d);
    hv_free(b.p2m, b.pages * sizeof(*b.p2m));
    printk("dom0: %lu MiB, kernel at %lx, entry %lx, %lu page tables", b.pages >> 8, b.image.low,
           b.image.entry, b.tables_used);
}
