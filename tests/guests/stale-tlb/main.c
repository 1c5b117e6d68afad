/* SPDX-License-Identifier: MIT */
/*
 * A flush precedes reuse (invariant I9). A guest that unmaps a page and does not flush keeps a
 * translation to it in the TLB. With it it must not be able to write a page that became a page
 * table or a descriptor page since, nor see a frame that went back to the hypervisor and out again.
 * The hypervisor has to flush by itself when the guest did not. Idea: XSA-241, 242, 286, 401;
 * QEMU's TLB keeps stale entries just like a CPU's. Then the same with a vCPU on another CPU, and
 * flushes that a guest asks for (second.c).
 * machine: vcpus
 */
#include "stale.h"

/* a second mapping, by an entry that we write without any flush */
static volatile uint64_t *alias;
static uint64_t alias_entry;
#define SECRET 0x5ca1ab1e5ca1ab1eUL

/* The page's own mapping becomes read-only and the alias goes, and nobody flushes. Both were used
 * just before. */
static void unmap_quietly(uint64_t *page, uint64_t word)
{
    uint64_t frame = (uint64_t)virt_to_mfn(page) << PAGE_SHIFT;

    NEED(write_entry(alias_entry, frame | PROT_RW) == 0);
    NEED(mmuext_mfn(MMUEXT_TLB_FLUSH_LOCAL, 0) == 0);
    alias[7] = 0;
    page[7] = word;
    struct mmu_update quiet[2] = { { entry_address(page, 1), frame | PROT_RO },
                                   { alias_entry, 0 } };
    NEED(HYPERVISOR_mmu_update(quiet, 2, NULL, DOMID_SELF) == 0);
}

void use_again(uint64_t *page)
{
    NEED(write_entry(entry_address(page, 1), (uint64_t)virt_to_mfn(page) << PAGE_SHIFT | PROT_RW) ==
         0);
    NEED(mmuext_mfn(MMUEXT_TLB_FLUSH_LOCAL, 0) == 0);
}

static void becomes_a_table(unsigned int pin)
{
    uint64_t *page = alloc_zeroed_page();

    unmap_quietly(page, 0);
    CHECK_IS(mmuext_mfn(pin, virt_to_mfn(page)), 0);
    CHECK_IS(TRAP_IN(alias[7] = 0x1234), 14);
    CHECK_IS(page[7], 0);
    CHECK_IS(mmuext_mfn(MMUEXT_UNPIN_TABLE, virt_to_mfn(page)), 0);
    use_again(page);
    free_page(page);
}

static void becomes_a_descriptor_page(void)
{
    uint64_t *page = alloc_zeroed_page();
    unsigned long frame = virt_to_mfn(page);

    unmap_quietly(page, 0);
    CHECK_IS(HYPERVISOR_set_gdt(&frame, 512), 0);
    CHECK_IS(TRAP_IN(alias[7] = 0x0000890000000000UL), 14);
    CHECK_IS(page[7], 0);
    CHECK_IS(HYPERVISOR_set_gdt(NULL, 0), 0);
    use_again(page);
    free_page(page);
}

/* Give the frame back with a live translation to it, and have frames until it comes back: it must
 * come out clean and unreachable. */
static void goes_and_comes_back(void)
{
    uint64_t *page = alloc_zeroed_page();
    unsigned long pfn = virt_to_pfn(page);
    xen_pfn_t frame = virt_to_mfn(page);
    struct xen_memory_reservation r = { .nr_extents = 1, .domid = DOMID_SELF };

    set_xen_guest_handle(r.extent_start, &frame);
    unmap_quietly(page, SECRET);
    NEED(write_entry(entry_address(page, 1), 0) == 0);
    CHECK_IS(HYPERVISOR_memory_op(XENMEM_decrease_reservation, &r), 1);
    frame = pfn;
    CHECK_IS(HYPERVISOR_memory_op(XENMEM_populate_physmap, &r), 1);
    CHECK_IS(TRAP_IN((void)alias[7]), 14);
    p2m[pfn] = frame;
    NEED(HYPERVISOR_update_va_mapping((unsigned long)page, (uint64_t)frame << PAGE_SHIFT | PROT_RW,
                                      UVMF_INVLPG) == 0);
    /* Xen scrubs what a domain leaves behind, not what it gives back */
    if (on_domus())
        CHECK_IS(page[7], 0);
    free_page(page);
}

void test_main(void)
{
    alias = vspace_alloc(1);
    NEED(alias != NULL);
    alias_entry = entry_address(ADDRESS(alias), 1);
    for (int round = 0; round < 3; round++) {
        becomes_a_table(MMUEXT_PIN_L1_TABLE);
        becomes_a_table(MMUEXT_PIN_L4_TABLE);
        becomes_a_descriptor_page();
        goes_and_comes_back();
    }
    with_a_second_vcpu();
}
