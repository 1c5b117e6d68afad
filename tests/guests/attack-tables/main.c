/* SPDX-License-Identifier: MIT */
/*
 * An attacker tries to write a page table or descriptor page of its own: by a second mapping made
 * before or after the page became a table, by a superpage, through an upper level, by a grant to
 * itself, by clear and copy, by the shared-info and vCPU areas, by tables that contain themselves,
 * by a table used at two levels, and by races of pin and unpin against mappings. Idea: XSA-148,
 * 182, 185, 240, 286, 299; invariant I2.
 */
#include "../lib/test.h"

#define SPARE_VA 0x0000008000000000UL

static uint64_t *table, *page;
/* the L1 entry of SPARE_VA + 4096, for second mappings */
static uint64_t spare_entry;

static long map_second(uint64_t entry)
{
    return write_entry(spare_entry, entry);
}

static void a_second_mapping(void)
{
    uint64_t mfn = virt_to_mfn(table);

    /* Made before: the page cannot become a table, read-only or not elsewhere. */
    CHECK_IS(map_second(mfn << PAGE_SHIFT | PROT_RW), 0);
    CHECK_REFUSED(mmuext_mfn(MMUEXT_PIN_L1_TABLE, mfn));
    CHECK_IS(map_second(mfn << PAGE_SHIFT | PROT_RO), 0);
    CHECK_IS(mmuext_mfn(MMUEXT_PIN_L1_TABLE, mfn), 0);
    /* Made after. */
    CHECK_REFUSED(map_second(mfn << PAGE_SHIFT | PROT_RW));
    CHECK_REFUSED(page_set_readonly(table, false));
    /* any one more bit must not open it either */
    for (unsigned int bit = 0; bit < 63; bit++)
        if (map_second((mfn << PAGE_SHIFT | PROT_RO) ^ 1UL << bit) == 0 &&
            (bit == 1 || (bit >= 12 && bit < 40))) {
            uint64_t now = *pt_walk(SPARE_VA + PAGE_SIZE, 1);
            CHECK(!(now & PTE_WRITE) || (now & PTE_MFN_MASK) >> PAGE_SHIFT != mfn);
        }
    CHECK_IS(map_second(0), 0);
    CHECK_IS(mmuext_mfn(MMUEXT_TLB_FLUSH_LOCAL, 0), 0);
}

static void superpages_and_wrong_levels(void)
{
    const uint64_t *l2 = pt_walk(SPARE_VA, 2), *l3 = pt_walk(SPARE_VA, 3),
                   *l4 = pt_walk(SPARE_VA, 4);
    uint64_t mfn = virt_to_mfn(table), aligned = mfn & ~511UL;

    NEED(l2 && l3 && l4);
    CHECK_REFUSED(write_entry(virt_to_machine(l2 + 5), aligned << PAGE_SHIFT | PROT_RW | 0x80));
    CHECK_REFUSED(
        write_entry(virt_to_machine(l2 + 5), mfn << PAGE_SHIFT | PROT_RW | PTE_USER | 0x80));
    CHECK_REFUSED(write_entry(virt_to_machine(l3 + 5), aligned << PAGE_SHIFT | PROT_RW | 0x80));
    CHECK_REFUSED(write_entry(virt_to_machine(l4 + 1), aligned << PAGE_SHIFT | PROT_RW | 0x80));
    /* An L1 as an L2: its entries would be tables, its pages writable tables. */
    CHECK_REFUSED(write_entry(virt_to_machine(l3 + 5), mfn << PAGE_SHIFT | PROT_TABLE));
    CHECK_REFUSED(write_entry(virt_to_machine(l4 + 5), mfn << PAGE_SHIFT | PROT_TABLE));
    /* Tables that contain themselves or their parents (linear page tables). */
    CHECK_REFUSED(
        write_entry(virt_to_machine(l2 + 5), (virt_to_machine(l2) & PTE_MFN_MASK) | PROT_TABLE));
    CHECK_REFUSED(
        write_entry(virt_to_machine(l2 + 5), (virt_to_machine(l3) & PTE_MFN_MASK) | PROT_TABLE));
    CHECK_REFUSED(
        write_entry(virt_to_machine(l4 + 5), (virt_to_machine(l4) & PTE_MFN_MASK) | PROT_TABLE));
    /* Read-only and at the top Xen may allow one, for NetBSD; Domus never does. */
    long linear = write_entry(virt_to_machine(l4 + 5),
                              ((virt_to_machine(l4) & PTE_MFN_MASK) | PROT_TABLE) & ~PTE_WRITE);
    if (on_domus())
        CHECK_REFUSED(linear);
    if (linear == 0)
        CHECK_IS(write_entry(virt_to_machine(l4 + 5), 0), 0);
}

static void by_clear_copy_and_grant(void)
{
    uint64_t mfn = virt_to_mfn(table), before = table[1];
    struct mmuext_op copy = { .cmd = MMUEXT_COPY_PAGE,
                              .arg1.mfn = mfn,
                              .arg2.src_mfn = virt_to_mfn(page) };
    int ref = grant_access(own_domid(), mfn, false);
    struct grant_map map;

    CHECK_REFUSED(mmuext_mfn(MMUEXT_CLEAR_PAGE, mfn));
    CHECK_REFUSED(HYPERVISOR_mmuext_op(&copy, 1, NULL, DOMID_SELF));
    CHECK_REFUSED(grant_map(own_domid(), (grant_ref_t)ref, false, &map));
    CHECK_REFUSED(grant_copy_to(own_domid(), (grant_ref_t)ref, 0, page, 8));
    CHECK_IS(grant_end_access((grant_ref_t)ref), 0);
    CHECK_IS(table[1], before);
    /* A descriptor table over a page table, and the other way round. */
    CHECK_REFUSED(HYPERVISOR_set_gdt(&mfn, 16));
    CHECK_REFUSED(HYPERVISOR_update_descriptor(virt_to_machine(&table[1]), 0));
}

/* A grant mapping of our own page that is writable keeps the page from becoming a table as any
 * other mapping does. */
static void a_grant_made_before(void)
{
    uint64_t *granted = alloc_zeroed_page();
    int ref = grant_page(own_domid(), granted, false);
    struct grant_map map;

    NEED(granted && ref > 0);
    CHECK_IS(grant_map(own_domid(), (grant_ref_t)ref, false, &map), 0);
    CHECK_IS(page_set_readonly(granted, true), 0);
    CHECK_REFUSED(mmuext_mfn(MMUEXT_PIN_L1_TABLE, virt_to_mfn(granted)));
    CHECK_IS(grant_unmap(&map), 0);
    CHECK_IS(mmuext_mfn(MMUEXT_PIN_L1_TABLE, virt_to_mfn(granted)), 0);
    CHECK_IS(mmuext_mfn(MMUEXT_UNPIN_TABLE, virt_to_mfn(granted)), 0);
    CHECK_IS(page_set_readonly(granted, false), 0);
    CHECK_IS(grant_end_access((grant_ref_t)ref), 0);
    free_page(granted);
}

/* The frame becomes a table and stops being one, while entries to it are made in both kinds: one of
 * them always loses. */
static void to_and_fro(void)
{
    uint64_t mfn = virt_to_mfn(table);

    CHECK_IS(mmuext_mfn(MMUEXT_UNPIN_TABLE, mfn), 0);
    for (int i = 0; i < 50; i++) {
        struct mmuext_op pin = { .cmd = MMUEXT_PIN_L1_TABLE, .arg1.mfn = mfn };
        struct mmu_update write = { .ptr = spare_entry, .val = mfn << PAGE_SHIFT | PROT_RW };
        struct multicall_entry calls[2] = {
            { .op = __HYPERVISOR_mmuext_op, .args = { (unsigned long)&pin, 1, 0, DOMID_SELF } },
            { .op = __HYPERVISOR_mmu_update, .args = { (unsigned long)&write, 1, 0, DOMID_SELF } },
        };
        struct multicall_entry swap = calls[0];

        if (i & 1) {
            calls[0] = calls[1];
            calls[1] = swap;
        }
        CHECK_IS(HYPERVISOR_multicall(calls, 2), 0);
        CHECK_IS(calls[0].result, 0);
        CHECK((long)calls[1].result < 0);
        (void)map_second(0);
        (void)mmuext_mfn(MMUEXT_UNPIN_TABLE, mfn);
    }
    CHECK_IS(mmuext_mfn(MMUEXT_TLB_FLUSH_LOCAL, 0), 0);
}

void test_main(void)
{
    table = new_table();
    page = alloc_zeroed_page();
    NEED(page && pt_populate(SPARE_VA + PAGE_SIZE) == 0);
    spare_entry = virt_to_machine(pt_walk(SPARE_VA + PAGE_SIZE, 1));
    a_second_mapping();
    superpages_and_wrong_levels();
    by_clear_copy_and_grant();
    a_grant_made_before();
    to_and_fro();
    CHECK_IS(page_set_readonly(table, false), 0);
}
