/* SPDX-License-Identifier: MIT */
/*
 * mmu_update writes entries of our page tables at every level, in order, says how many it did,
 * keeps accessed and dirty bits when asked; an entry may only name what is ours and may not make a
 * table writable; nothing stays half done. Idea: XSA-22 (M2P of foreign frames), 109, 113
 * (references after failed calls), 148 (PSE), 182.
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
    CHECK_IS(HYPERVISOR_mmu_update((struct mmu_update *)0xffff830000000000UL, 1, &done, DOMID_SELF),
             -EFAULT);
    /* Linux trusts the count after every error: it skips that many entries, and one. */
    done = 99;
    CHECK_REFUSED(HYPERVISOR_mmu_update(updates, 1, &done, 4242));
    CHECK_IS(done, 0);
}

static void accessed_and_dirty(void)
{
    uint64_t at = entry_address(page, 1);
    struct mmu_update update = { .ptr = at,
                                 .val = mfn << PAGE_SHIFT | PTE_PRESENT | PTE_WRITE | PTE_NX };

    CHECK_IS(HYPERVISOR_mmu_update(&update, 1, NULL, DOMID_SELF), 0);
    CHECK_IS(mmuext_mfn(MMUEXT_TLB_FLUSH_LOCAL, 0), 0);
    *(volatile uint64_t *)page = 5;
    CHECK_IS(*pt_walk((unsigned long)page, 1) & (PTE_ACCESSED | PTE_DIRTY),
             PTE_ACCESSED | PTE_DIRTY);
    update.ptr |= MMU_PT_UPDATE_PRESERVE_AD;
    CHECK_IS(HYPERVISOR_mmu_update(&update, 1, NULL, DOMID_SELF), 0);
    CHECK_IS(*pt_walk((unsigned long)page, 1) & (PTE_ACCESSED | PTE_DIRTY),
             PTE_ACCESSED | PTE_DIRTY);
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
    /* l2 is still writable to us */
    CHECK_REFUSED(write_entry(slot, table_entry(l3)));
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

/* A table that goes and its page that becomes writable, in one list: the second request finds the
 * first one done. */
static void gone_within_a_list(void)
{
    uint64_t *l3 = new_table(), *l2 = new_table();
    uint64_t slot = (uint64_t)kernel_root_mfn << PAGE_SHIFT | (SPARE_VA >> 39 & 511) * 8;
    struct mmu_update list[2] = { { slot, 0 },
                                  { entry_address(l3, 1), virt_to_machine(l3) | PROT_RW } };
    unsigned int done = 0;

    CHECK_IS(write_entry(slot, table_entry(l3)), 0);
    CHECK_IS(write_entry(virt_to_machine(&l3[511]), table_entry(l2)), 0);
    CHECK_REFUSED(HYPERVISOR_mmu_update(&list[1], 1, &done, DOMID_SELF));
    CHECK_IS(HYPERVISOR_mmu_update(list, 2, &done, DOMID_SELF), 0);
    CHECK_IS(done, 2);
    CHECK_IS(mmuext_mfn(MMUEXT_TLB_FLUSH_LOCAL, 0), 0);
    CHECK_IS(try_write64(l3, 0), 0);
    CHECK_IS(page_set_readonly(l2, false), 0);
    free_page(l3);
    free_page(l2);
}

/* What is in no table is stored as it is, if it is ours to write: not into a descriptor table, and
 * only where an entry could be. */
static void plain_stores(void)
{
    uint64_t *gdt = alloc_zeroed_page(), before;
    unsigned long frame = virt_to_mfn(gdt);
    struct mmu_update keep = { virt_to_machine(&page[9]) | MMU_PT_UPDATE_PRESERVE_AD, 0x7000 };

    NEED(gdt);
    page[8] = page[10] = 3;
    CHECK_IS(write_entry(virt_to_machine(&page[9]), 0x1234567890abcdefUL), 0);
    CHECK_IS(page[9], 0x1234567890abcdefUL);
    page[9] = 0xff;
    CHECK_IS(HYPERVISOR_mmu_update(&keep, 1, NULL, DOMID_SELF), 0);
    CHECK_IS(page[9], 0x7000);              /* no entry, so nothing to keep */
    CHECK(page[8] == 3 && page[10] == 3);
    before = page[9];
    if (on_domus())                     /* Xen rounds down */
        CHECK_REFUSED(write_entry(virt_to_machine(&page[9]) + 4, 5));
    CHECK_IS(page[9], before);
    NEED(page_set_readonly(gdt, true) == 0);
    CHECK_IS(HYPERVISOR_set_gdt(&frame, 512), 0);
    /* a call gate */
    CHECK_REFUSED(write_entry(virt_to_machine(&gdt[5]), 0x0000ec0000330000UL));
    CHECK_IS(gdt[5], 0);
    CHECK_IS(HYPERVISOR_set_gdt(NULL, 0), 0);
    CHECK_IS(page_set_readonly(gdt, false), 0);
    free_page(gdt);
}

/* A list that is too long for one turn is done in several, and counted as one. */
static void a_long_list(void)
{
    enum { MANY = 40000 };
    struct mmu_update *list = alloc_pages(8);
    uint64_t at = entry_address(page, 1);
    unsigned int done = 7;

    NEED(list && MANY * sizeof(*list) <= PAGE_SIZE << 8);
    for (unsigned int i = 0; i < MANY; i++)
        list[i] = (struct mmu_update){ at, mfn << PAGE_SHIFT | (i & 1 ? PROT_RW : PROT_RO) };
    CHECK_IS(HYPERVISOR_mmu_update(list, MANY, &done, DOMID_SELF), 0);
    CHECK_IS(done, MANY);
    list[MANY - 5].val = PTE_MFN_MASK | PROT_RW;
    CHECK_REFUSED(HYPERVISOR_mmu_update(list, MANY, &done, DOMID_SELF));
    CHECK_IS(done, MANY - 5);
    CHECK_IS(write_entry(at, mfn << PAGE_SHIFT | PROT_RW), 0);
    free_pages(list, 8);
}

static void not_ours(void)
{
    uint64_t at = entry_address(page, 1);
    unsigned long foreign = foreign_mfn();
    struct mmu_update update = { .ptr = (mfn << PAGE_SHIFT) | MMU_MACHPHYS_UPDATE,
                                 .val = virt_to_pfn(page) };

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
    /* our own L4, writable */
    CHECK_REFUSED(write_entry(at, (uint64_t)kernel_root_mfn << PAGE_SHIFT | PROT_RW));
    /* reading it is fine */
    CHECK_IS(write_entry(at, (uint64_t)kernel_root_mfn << PAGE_SHIFT | PROT_RO), 0);
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
    gone_within_a_list();
    plain_stores();
    a_long_list();
    not_ours();
    reserved_slots();
}
