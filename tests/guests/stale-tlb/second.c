/* SPDX-License-Identifier: MIT */
/* The same with a second vCPU, which has the translation in the TLB of its own CPU: what it must
 * not see any more when a call of the first one has returned. */
#include "stale.h"
#include "watcher.h"

#define WORD_A 0xaaaaaaaaaaaaaaaaUL
#define WORD_B 0xbbbbbbbbbbbbbbbbUL

static volatile uint64_t *alias;
static uint64_t alias_entry;
static unsigned int came_back;

static uint64_t frame_of(const void *page)
{
    return (uint64_t)virt_to_mfn(page) << PAGE_SHIFT;
}

/* ---- the guest asks for the flush, of all its vCPUs or of the second by a mask ---- */

static const struct { unsigned long va_flags; unsigned int command; } ways[] = {
    { .va_flags = UVMF_TLB_FLUSH | UVMF_ALL },
    { .va_flags = UVMF_INVLPG | UVMF_ALL },
    { .va_flags = UVMF_TLB_FLUSH | UVMF_MULTI },
    { .va_flags = UVMF_INVLPG | UVMF_MULTI },
    { .command = MMUEXT_TLB_FLUSH_ALL },
    { .command = MMUEXT_INVLPG_ALL },
    { .command = MMUEXT_TLB_FLUSH_MULTI },
    { .command = MMUEXT_INVLPG_MULTI },
};

static void change(unsigned int way, uint64_t entry)
{
    static const uint64_t mask[1] = { 2 };
    unsigned long flags = ways[way].va_flags;
    struct mmuext_op op = { .cmd = ways[way].command };

    if (flags) {
        if (!(flags & UVMF_ALL))
            flags |= (unsigned long)mask;
        CHECK_IS(HYPERVISOR_update_va_mapping((unsigned long)alias, entry, flags), 0);
        return;
    }
    if (op.cmd == MMUEXT_INVLPG_ALL || op.cmd == MMUEXT_INVLPG_MULTI)
        op.arg1.linear_addr = (unsigned long)alias;
    if (op.cmd == MMUEXT_TLB_FLUSH_MULTI || op.cmd == MMUEXT_INVLPG_MULTI)
        set_xen_guest_handle(op.arg2.vcpumask, ADDRESS(mask));
    CHECK_IS(write_entry(alias_entry, entry), 0);
    CHECK_IS(HYPERVISOR_mmuext_op(&op, 1, NULL, DOMID_SELF), 0);
}

static void flushed_by_the_guest(uint64_t *a, uint64_t *b)
{
    uint64_t before;

    for (unsigned int way = 0; way < sizeof(ways) / sizeof(ways[0]); way++) {
        a[7] = WORD_A;
        NEED(write_entry(alias_entry, frame_of(a) | PROT_RW) == 0);
        watcher_use(alias + 7, false);
        change(way, frame_of(b) | PROT_RO);
        CHECK_IS(watcher_look(WORD_B), 0);
        watcher_use(alias + 7, false);
        change(way, 0);
        CHECK_IS(watcher_look(FAULT), 0);

        NEED(write_entry(alias_entry, frame_of(a) | PROT_RW) == 0);
        watcher_use(alias + 7, true);
        change(way, frame_of(a) | PROT_RO);
        before = a[7];
        CHECK_IS(watcher_look(FAULT), 0);
        CHECK_IS(a[7], before);
        change(way, 0);
    }
}

/* A grant's mapping ends, and the flush is the hypervisor's work. */
static void grant_ends(uint64_t *b)
{
    struct grant_map map;
    int ref = grant_page(0, b, false);

    NEED(ref > 0 && grant_map(0, (grant_ref_t)ref, false, &map) == 0);
    watcher_use((uint64_t *)map.va + 7, false);
    CHECK_IS(grant_unmap(&map), 0);
    CHECK_IS(watcher_look(FAULT), 0);
    CHECK_IS(grant_end_access((grant_ref_t)ref), 0);
}

/* ---- nobody asks ---- */

/* The second writes through the alias; both mappings of the page lose their right, or all. */
static void unmap_under_way(uint64_t *page, uint64_t entry)
{
    struct mmu_update quiet[2] = { { entry_address(page, 1), entry }, { alias_entry, 0 } };

    page[7] = 0;
    NEED(write_entry(alias_entry, frame_of(page) | PROT_RW) == 0);
    watcher_use(alias + 7, true);
    NEED(HYPERVISOR_mmu_update(quiet, 2, NULL, DOMID_SELF) == 0);
}

static void nobody_writes(const uint64_t *page)
{
    uint64_t before = ((const volatile uint64_t *)page)[7];

    CHECK_IS(watcher_look(FAULT), 0);
    CHECK_IS(((const volatile uint64_t *)page)[7], before);
}

static void becomes_a_table(uint64_t *page, unsigned int pin)
{
    unmap_under_way(page, frame_of(page) | PROT_RO);
    CHECK_IS(mmuext_mfn(pin, virt_to_mfn(page)), 0);
    nobody_writes(page);
    CHECK_IS(mmuext_mfn(MMUEXT_UNPIN_TABLE, virt_to_mfn(page)), 0);
    use_again(page);
}

/* What the second wrote, a number below 2^32, is a descriptor that is not present. */
static void becomes_a_descriptor_page(uint64_t *page)
{
    unsigned long frame = virt_to_mfn(page);

    unmap_under_way(page, frame_of(page) | PROT_RO);
    CHECK_IS(HYPERVISOR_set_gdt(&frame, 512), 0);
    nobody_writes(page);
    CHECK_IS(HYPERVISOR_set_gdt(NULL, 0), 0);
    use_again(page);
}

static void goes_and_comes_back(uint64_t *page)
{
    unsigned long pfn = virt_to_pfn(page);
    xen_pfn_t frame = virt_to_mfn(page), old = frame;
    struct xen_memory_reservation r = { .nr_extents = 1, .domid = DOMID_SELF };

    set_xen_guest_handle(r.extent_start, &frame);
    unmap_under_way(page, 0);
    CHECK_IS(HYPERVISOR_memory_op(XENMEM_decrease_reservation, &r), 1);
    frame = pfn;
    CHECK_IS(HYPERVISOR_memory_op(XENMEM_populate_physmap, &r), 1);
    p2m[pfn] = frame;
    use_again(page);
    if (frame == old) {
        came_back++;
        nobody_writes(page);
    }
    if (on_domus())                     /* Xen scrubs what a domain leaves behind, no more */
        CHECK_IS(page[7], 0);
    memset(page, 0, PAGE_SIZE);
}

void with_a_second_vcpu(void)
{
    uint64_t *a = alloc_zeroed_page(), *b = alloc_zeroed_page();

    alias = vspace_alloc(1);
    NEED(a && b && alias);
    alias_entry = entry_address(ADDRESS(alias), 1);
    b[7] = WORD_B;
    if (!watcher_start()) return;
    for (int round = 0; round < 5; round++) {
        flushed_by_the_guest(a, b);
        grant_ends(b);
        for (unsigned int level = 0; level < 4; level++)
            becomes_a_table(a, MMUEXT_PIN_L1_TABLE + level);
        becomes_a_descriptor_page(a);
        goes_and_comes_back(a);
    }
    watcher_stop();
    CHECK(came_back > 0);
}
