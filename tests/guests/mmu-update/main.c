/* SPDX-License-Identifier: MIT */
/*
 * mmu_update writes entries of our page tables at every level, in order, says how many it did, keeps accessed and dirty bits
 * when asked; an entry may only name what is ours and may not make a table writable; nothing stays half done.
 * Idea: XSA-22 (M2P of foreign frames), 109, 113 (references after failed calls), 148 (PSE), 182.
 */
#include "../lib/test.h"

#define SPARE_VA 0x0000008000000000UL          /* slot 1 of the L4: nobody is there */

static uint64_t *page, mfn;

static uint64_t table_entry(const uint64_t *table)
{
    return virt_to_machine(table) | PROT_TABLE;
}

static void leaf_entries(void)
{
    uint64_t at = entry_address(page, 1);

    CHECK_IS(write_entry(at, mfn << PAGE_SHIFT | PROT_RO), 0);
    CHECK_IS(mmuext_mfn(MMUEXT_TLB_FLUSH_LOCAL, 0), 0);
    CHECK_IS(try_write64(page, 1), -EFAULT);
    CHECK_IS(write_entry(at, mfn << PAGE_SHIFT | PROT_RW), 0);
    CHECK_IS(try_write64(page, 1), 0);
}

static void counts_what_was_done(void)
{
    uint64_t at = entry_address(page, 1);
    struct mmu_update updates[4];
    unsigned int done = 99;

    for (int i = 0; i < 4; i++)
        updates[i] = (struct mmu_update){ .ptr = at, .val = mfn << PAGE_SHIFT | PROT_RW };
    CHECK_IS(HYPERVISOR_mmu_update(updates, 4, &done, DOMID_SELF), 0);
    CHECK_IS(done, 4);
    updates[2].val = (uint64_t)foreign_mfn() << PAGE_SHIFT | PROT_RW;
    CHECK_REFUSED(HYPERVISOR_mmu_update(updates, 4, &done, DOMID_SELF));
    CHECK_IS(done, 2);
    CHECK_IS(HYPERVISOR_mmu_update(updates, 0, &done, DOMID_SELF), 0);
    CHECK_IS(HYPERVISOR_mmu_update(updates, 1, NULL, DOMID_SELF), 0);
    CHECK_IS(HYPERVISOR_mmu_update((struct mmu_update *)0x1000, 1, &done, DOMID_SELF), -EFAULT);
    CHECK_IS(HYPERVISOR_mmu_update((struct mmu_update *)0xffff830000000000UL, 1, &done, DOMID_SELF), -EFAULT);
    CHECK_REFUSED(HYPERVISOR_mmu_update(updates, 1, &done, 4242));
}

static void accessed_and_dirty(void)
{
    uint64_t at = entry_address(page, 1);
    struct mmu_update update = { .ptr = at, .val = mfn << PAGE_SHIFT | PTE_PRESENT | PTE_WRITE | PTE_NX };

    CHECK_IS(HYPERVISOR_mmu_update(&update, 1, NULL, DOMID_SELF), 0);
    CHECK_IS(mmuext_mfn(MMUEXT_TLB_FLUSH_LOCAL, 0), 0);
    *(volatile uint64_t *)page = 5;
    CHECK_IS(*pt_walk((unsigned long)page, 1) & (PTE_ACCESSED | PTE_DIRTY), PTE_ACCESSED | PTE_DIRTY);
    update.ptr |= MMU_PT_UPDATE_PRESERVE_AD;
    CHECK_IS(HYPERVISOR_mmu_update(&update, 1, NULL, DOMID_SELF), 0);
    CHECK_IS(*pt_walk((unsigned long)page, 1) & (PTE_ACCESSED | PTE_DIRTY), PTE_ACCESSED | PTE_DIRTY);
    update.ptr = at;
    CHECK_IS(HYPERVISOR_mmu_update(&update, 1, NULL, DOMID_SELF), 0);
    CHECK_IS(*pt_walk((unsigned long)page, 1) & (PTE_ACCESSED | PTE_DIRTY), 0);
}

/* Hooking an L3 into the L4 validates the whole tree below it; unhooking releases it. */
static void a_tree_is_validated_at_once(void)
{
    uint64_t *l3 = alloc_zeroed_page(), *l2 = alloc_zeroed_page(), *l1 = alloc_zeroed_page(), value;
    uint64_t slot = (uint64_t)kernel_root_mfn << PAGE_SHIFT | (SPARE_VA >> 39 & 511) * 8;

    NEED(l3 && l2 && l1);
    l1[3] = mfn << PAGE_SHIFT | PROT_RW;
    l2[0] = table_entry(l1);
    l3[0] = table_entry(l2);
    NEED(page_set_readonly(l1, true) == 0 && page_set_readonly(l3, true) == 0);
    CHECK_REFUSED(write_entry(slot, table_entry(l3)));                  /* l2 is still writable to us */
    NEED(page_set_readonly(l2, true) == 0);
    CHECK_IS(write_entry(slot, table_entry(l3)), 0);
    *page = 0x7777;
    CHECK_IS(try_read64((void *)(SPARE_VA + 3 * PAGE_SIZE), &value), 0);
    CHECK_IS(value, 0x7777);
    CHECK_REFUSED(page_set_readonly(l1, false));                        /* I2 */
    CHECK_REFUSED(page_set_readonly(l3, false));

    /* Upper levels by mmu_update: a superpage, a frame of another type, a reserved bit. */
    CHECK_REFUSED(write_entry(virt_to_machine(&l2[1]), mfn << PAGE_SHIFT | PROT_TABLE | 0x80));
    CHECK_REFUSED(write_entry(virt_to_machine(&l2[1]), table_entry(l3)));
    CHECK_REFUSED(write_entry(virt_to_machine(&l2[1]), mfn << PAGE_SHIFT | PROT_TABLE));
    CHECK_REFUSED(write_entry(virt_to_machine(&l3[1]), table_entry(l1)));
    CHECK_REFUSED(write_entry(virt_to_machine(&l2[1]), table_entry(l2)));    /* itself */
    CHECK_IS(l2[1], 0);

    CHECK_IS(write_entry(slot, 0), 0);
    CHECK_IS(mmuext_mfn(MMUEXT_TLB_FLUSH_LOCAL, 0), 0);
    CHECK_IS(try_read64((void *)(SPARE_VA + 3 * PAGE_SIZE), &value), -EFAULT);
    CHECK_IS(page_set_readonly(l1, false), 0);
    CHECK_IS(page_set_readonly(l2, false), 0);
    CHECK_IS(page_set_readonly(l3, false), 0);
    free_page(l1);
    free_page(l2);
    free_page(l3);
}

static void not_ours(void)
{
    uint64_t at = entry_address(page, 1);
    unsigned long foreign = foreign_mfn();
    struct mmu_update update = { .ptr = (mfn << PAGE_SHIFT) | MMU_MACHPHYS_UPDATE, .val = virt_to_pfn(page) };

    CHECK_IS(HYPERVISOR_mmu_update(&update, 1, NULL, DOMID_SELF), 0);
    CHECK_IS(mfn_to_pfn(mfn), virt_to_pfn(page));
    if (foreign != INVALID_MFN) {
        update.ptr = (uint64_t)foreign << PAGE_SHIFT | MMU_MACHPHYS_UPDATE;
        CHECK_REFUSED(HYPERVISOR_mmu_update(&update, 1, NULL, DOMID_SELF));
        CHECK_REFUSED(write_entry((uint64_t)foreign << PAGE_SHIFT, 0));
        CHECK_REFUSED(write_entry(at, (uint64_t)foreign << PAGE_SHIFT | PROT_RO));
    }
    update.ptr = PTE_MFN_MASK | MMU_MACHPHYS_UPDATE;
    CHECK_REFUSED(HYPERVISOR_mmu_update(&update, 1, NULL, DOMID_SELF));
    CHECK_REFUSED(write_entry(PTE_MFN_MASK, 0));
    CHECK_REFUSED(write_entry(at, (uint64_t)kernel_root_mfn << PAGE_SHIFT | PROT_RW));     /* our own L4, writable */
    CHECK_IS(write_entry(at, (uint64_t)kernel_root_mfn << PAGE_SHIFT | PROT_RO), 0);       /* reading it is fine */
    CHECK_IS(write_entry(at, mfn << PAGE_SHIFT | PROT_RW), 0);
}

/* The hypervisor's slots of the L4 are not to be changed. */
static void reserved_slots(void)
{
    for (unsigned int slot = 256; slot < 272; slot++)
        CHECK_REFUSED(write_entry((uint64_t)kernel_root_mfn << PAGE_SHIFT | slot * 8, 0));
}

void test_main(void)
{
    page = alloc_zeroed_page();
    NEED(page != NULL);
    mfn = virt_to_mfn(page);
    leaf_entries();
    counts_what_was_done();
    accessed_and_dirty();
    a_tree_is_validated_at_once();
    not_ours();
    reserved_slots();
}
