/* SPDX-License-Identifier: MIT */
/*
 * The hypervisor's address space, built at boot (lib/layout.h is its plan), and who owns each
 * frame in the beginning:
 *
 *   RAM that nobody uses        the heap
 *   our image, boot modules     nobody; modules join the heap when boot has read them
 *   holes below the top of RAM  special_io: device registers, firmware tables; the control domain
 *                               may map them
 *   all below 1 MiB             likewise, RAM or not, but for the page where the other CPUs start
 *   the M2P's own frames        special_xen, read-only
 *
 * Before there is a heap, memory comes from the end of the biggest piece of free RAM below 4 GiB,
 * and stays ours.
 */
#include "memory/paging.h"
#include "memory/entry.h"
#include "memory/frame.h"
#include "memory/heap.h"
#include "memory/tlb.h"
#include "lib/printk.h"
#include "lib/string.h"

#define BIG_PAGE   (1UL << 21)
#define LOW_MEMORY (1UL << 20)
/* U=1 in the upper levels; the leaf decides */
#define HV_TABLE   (PTE_PRESENT | PTE_WRITE | PTE_USER | PTE_ACCESSED)

uint64_t *hv_l4;
maddr_t hv_cr3;

/* machine addresses, of what early memory is left; end 0: the heap is ready */
static uint64_t early_start, early_end;
/* Whole pages that the heap does not get: the image, the modules, and early memory, in as few
 * pieces as alignment lets it be. */
static struct { uint64_t start, end; } used[1 + BOOT_MAX_MODULES + 4];
static unsigned int used_count;
static uint64_t ioremap_next = IOREMAP_VIRT;

/* ---- ranges of RAM that are free at boot ---- */

static void use(uint64_t start, uint64_t end)
{
    used[used_count].start = start & PAGE_MASK;
    used[used_count++].end = ROUND_UP(end, PAGE_SIZE);
}

static void find_used(const struct boot_info *info)
{
    use((uint64_t)image_start - IMAGE_VIRT, (uint64_t)image_end - IMAGE_VIRT);
    for (uint32_t m = 0; m < info->module_count; m++)
        use(info->modules[m].start, info->modules[m].end);
}

/* The first range at or after *start, page-aligned and not below 1 MiB; false: no more. */
static bool next_free(const struct boot_info *info, uint64_t *start, uint64_t *end)
{
    uint64_t at = MAX(ROUND_UP(*start, PAGE_SIZE), LOW_MEMORY);

again:
    for (uint32_t r = 0; r < info->region_count; r++) {
        const struct region *ram = &info->regions[r];
        uint64_t from = MAX(at, ROUND_UP(ram->start, PAGE_SIZE)), to = ram->end & PAGE_MASK;

        if (ram->type != 1 || from >= to)
            continue;
        for (unsigned int u = 0; u < used_count; u++) {
            if (from >= used[u].start && from < used[u].end) {
                at = used[u].end;
                goto again;
            }
            if (used[u].start >= from)
                to = MIN(to, used[u].start);
        }
        *start = from;
        *end = to;
        return true;
    }
    return false;
}

static void find_early_memory(const struct boot_info *info)
{
    uint64_t start = 0, end;

    for (; next_free(info, &start, &end); start = end) {
        uint64_t to = MIN(end, BOOT_DIRECTMAP), bytes = to - MIN(start, to);

        if (bytes > early_end - early_start) {
            early_start = start;
            early_end = to;
        }
    }
}

/* From its end downwards. */
static void *early_alloc(uint64_t bytes, uint64_t alignment)
{
    uint64_t at = (early_end - bytes) & ~(alignment - 1), end = ROUND_UP(at + bytes, PAGE_SIZE);

    if (bytes > early_end - early_start || at < early_start)
        panic("too little memory for the frame table");
    if (used[used_count - 1].start == end)
        used[used_count - 1].start = at;
    else
        use(at, end);
    early_end = at;
    return memset(maddr_to_virt(MADDR(at)), 0, bytes);
}

/* ---- our tables ---- */

static uint64_t *new_table(void)
{
    return early_end ? early_alloc(PAGE_SIZE, PAGE_SIZE) : hv_alloc_pages(0);
}

uint64_t *hv_entry(uint64_t va, unsigned int level)
{
    uint64_t *table = hv_l4;

    for (unsigned int l = 4; ; l--) {
        uint64_t *e = &table[va >> (PAGE_SHIFT + 9 * (l - 1)) & 511];

        if (l == level) return e;
        if (!(*e & PTE_PRESENT)) {
            uint64_t *next = new_table();

            if (!next) return NULL;
            *e = virt_to_maddr(next).a | HV_TABLE;
        }
        table = maddr_to_virt(MADDR(*e & PTE_MFN_MASK));
    }
}

static void map_big(uint64_t va, uint64_t machine, uint64_t bytes, uint64_t flags)
{
    for (uint64_t at = 0; at < bytes; at += BIG_PAGE)
        *hv_entry(va + at, 2) = (machine + at) | flags | PTE_PS;
}

void *ioremap(maddr_t start, size_t bytes, bool keep)
{
    /* RING0_LOCK: for MSI-X this is not boot's alone */
    uint64_t va = ioremap_next, first = start.a >> PAGE_SHIFT,
             last = (start.a + bytes - 1) >> PAGE_SHIFT;

    if (bytes == 0 || last - first >= 1 << 18) return NULL;
    for (uint64_t m = first; m <= last; m++, ioremap_next += PAGE_SIZE) {
        uint64_t *e = hv_entry(ioremap_next, 1);

        if (!e) return NULL;
        *e = mfn_to_maddr(MFN(m)).a | HV_RW | PTE_PCD | PTE_PWT;
        if (keep)
            mfn_reserve(MFN(m));
    }
    return (void *)(va + (start.a & (PAGE_SIZE - 1)));
}

void hv_fill_l4(uint64_t *l4)
{
    memcpy(l4 + HV_SLOT_FIRST, hv_l4 + HV_SLOT_FIRST, HV_SLOT_COUNT * sizeof(*l4));
    l4[M2P_SLOT] = 0;
}

void hv_show_m2p(mfn_t l4)
{
    ((uint64_t *)map_frame(l4))[M2P_SLOT] = hv_l4[M2P_SLOT];
}

/* ---- boot ---- */

static void make_l4(void)
{
    hv_l4 = early_alloc(PAGE_SIZE, PAGE_SIZE);
    hv_cr3 = virt_to_maddr(hv_l4);
    memcpy(hv_l4 + HV_SLOT_FIRST, boot_l4 + HV_SLOT_FIRST, HV_SLOT_COUNT * sizeof(*hv_l4));
}

static void map_high_memory(const struct boot_info *info)
{
    for (uint32_t r = 0; r < info->region_count; r++) {
        uint64_t from = MAX(info->regions[r].start & ~(BIG_PAGE - 1), BOOT_DIRECTMAP);
        uint64_t to = MIN(ROUND_UP(info->regions[r].end, BIG_PAGE), DIRECTMAP_SIZE);

        if (info->regions[r].type == 1)
            map_big(DIRECTMAP_VIRT + from, from, to - MIN(from, to), HV_RW);
    }
}

static void find_top(const struct boot_info *info)
{
    for (uint32_t r = 0; r < info->region_count; r++)
        if (info->regions[r].type == 1)
            max_frame = MAX(max_frame, MIN(info->regions[r].end, DIRECTMAP_SIZE) >> PAGE_SHIFT);
}

static void own_by(mfn_t m, struct domain_memory *owner, uint64_t state)
{
    struct frame *f = frame_of(m);

    f->owner = owner;
    f->state = state;
}

/* Everything that no RAM region covers belongs to special_io, and has no reference to take another
 * from: each entry goes check_device_page's way. So does RAM below 1 MiB: kernels look for what the
 * firmware left there as if it were a device's. */
static void own_holes(const struct boot_info *info)
{
    for (uint64_t n = 0; n < max_frame; n++)
        own_by(MFN(n), &special_io, 0);
    for (uint32_t r = 0; r < info->region_count; r++) {
        const struct region *ram = &info->regions[r];
        uint64_t first = ROUND_UP(MAX(ram->start, LOW_MEMORY), PAGE_SIZE) >> PAGE_SHIFT,
                 end = MIN(ram->end >> PAGE_SHIFT, max_frame);

        for (uint64_t n = first; n < end && ram->type == 1; n++)
            own_by(MFN(n), NULL, 0);
    }
}

static void make_m2p(void)
{
    /* whole pages, for guests see all of each */
    uint64_t bytes = ROUND_UP(max_frame * sizeof(*m2p_table), BIG_PAGE);

    m2p_table = early_alloc(bytes, BIG_PAGE);
    memset(m2p_table, 0xff, bytes);
    /* Not global: guest user mode must not find it in the TLB. */
    map_big(M2P_VIRT, virt_to_maddr(m2p_table).a, bytes,
            PTE_PRESENT | PTE_USER | PTE_ACCESSED | PTE_NX);
}

static void make_frame_table(void)
{
    uint64_t bytes = max_frame * sizeof(struct frame);

    map_big(FRAMETABLE_VIRT, virt_to_maddr(early_alloc(bytes, BIG_PAGE)).a, bytes, HV_RW);
}

void memory_init(const struct boot_info *info)
{
    uint64_t start = 0, end;

    find_top(info);
    find_used(info);
    find_early_memory(info);
    make_l4();
    map_high_memory(info);
    make_m2p();
    make_frame_table();
    /* the L4 slots exist from now on */
    if (!hv_entry(WINDOW_VIRT, 2) || !hv_entry(IOREMAP_VIRT, 2))
        panic("no tables");
    early_end = 0;
    load_cr3(hv_cr3);

    domain_memory_init(&special_io);
    domain_memory_init(&special_xen);
    own_holes(info);
    for (uint64_t at = 0; at < max_frame * sizeof(*m2p_table); at += PAGE_SIZE)
        own_by(virt_to_mfn((char *)m2p_table + at), &special_xen,
               FRAME_SHARED | FRAME_TOTAL_ONE | FRAME_TYPED_ONE | FRAME_VALID |
                   (uint64_t)FRAME_READONLY << FRAME_TYPE_SHIFT);
    heap_init();
    for (; next_free(info, &start, &end); start = end)
        heap_add(start >> PAGE_SHIFT, MIN(end >> PAGE_SHIFT, max_frame));
    entry_init();
    printk("memory: %lu MiB free, frame table %lu KiB\n", heap_free_count() >> 8,
           max_frame * sizeof(struct frame) >> 10);
}

void heap_give(uint64_t start, uint64_t end)
{
    heap_add(MAX(ROUND_UP(start, PAGE_SIZE), LOW_MEMORY) >> PAGE_SHIFT,
             (end & PAGE_MASK) >> PAGE_SHIFT);
}
