/* SPDX-License-Identifier: MIT */
/*
 * mmuext_op: a pinned table stays a table until it is unpinned, at each level; a new base pointer
 * must be a pinned or valid L4; flushes flush; clear and copy touch only ordinary pages of ours.
 * Idea: XSA-32 (unchecked frames in mmuext), 45 (preemption of pin), 252, 299.
 */
#include "../lib/test.h"

static uint64_t *l4, *l3, *l2, *l1, *page;

static uint64_t table_entry(const uint64_t *table)
{
    return virt_to_machine(table) | PROT_TABLE;
}

static void each_level_pins(void)
{
    static const unsigned int pin[] = { MMUEXT_PIN_L1_TABLE, MMUEXT_PIN_L2_TABLE,
                                        MMUEXT_PIN_L3_TABLE, MMUEXT_PIN_L4_TABLE };
    uint64_t *tables[4];

    page = alloc_zeroed_page();
    l1 = new_table();
    l2 = new_table();
    l3 = new_table();
    l4 = new_table();
    tables[0] = l1, tables[1] = l2, tables[2] = l3, tables[3] = l4;
    NEED(page != NULL);
    for (int i = 0; i < 4; i++) {
        CHECK_IS(mmuext_mfn(pin[i], virt_to_mfn(tables[i])), 0);
        CHECK_REFUSED(mmuext_mfn(pin[i], virt_to_mfn(tables[i])));          /* pinned already */
        /* of another type */
        CHECK_REFUSED(mmuext_mfn(pin[(i + 1) % 4], virt_to_mfn(tables[i])));
        CHECK_REFUSED(page_set_readonly(tables[i], false));
    }
    CHECK_IS(
        write_entry(virt_to_machine(&l1[0]), (uint64_t)virt_to_mfn(page) << PAGE_SHIFT | PROT_RW),
        0);
    CHECK_IS(write_entry(virt_to_machine(&l2[0]), table_entry(l1)), 0);
    CHECK_IS(write_entry(virt_to_machine(&l3[0]), table_entry(l2)), 0);
    CHECK_IS(write_entry(virt_to_machine(&l4[0]), table_entry(l3)), 0);
}

static void bad_frames_do_not_pin(void)
{
    uint64_t *ordinary = alloc_zeroed_page();
    static const unsigned int commands[] = { MMUEXT_PIN_L1_TABLE,    MMUEXT_PIN_L2_TABLE,
                                             MMUEXT_PIN_L3_TABLE,    MMUEXT_PIN_L4_TABLE,
                                             MMUEXT_UNPIN_TABLE,     MMUEXT_NEW_BASEPTR,
                                             MMUEXT_NEW_USER_BASEPTR };

    for (unsigned int i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        /* writable to us, not pinned */
        CHECK_REFUSED(mmuext_mfn(commands[i], virt_to_mfn(ordinary)));
        CHECK_REFUSED(mmuext_mfn(commands[i], foreign_mfn()));
        CHECK_REFUSED(mmuext_mfn(commands[i], 0xfee00));                    /* a device */
        CHECK_REFUSED(mmuext_mfn(commands[i], ~0UL));
        CHECK_REFUSED(mmuext_mfn(commands[i], 1UL << 52));
    }
    /* A table that maps itself writable, and one that names a table of the wrong level. */
    ordinary[0] = virt_to_machine(ordinary) | PROT_RW;
    NEED(page_set_readonly(ordinary, true) == 0);
    CHECK_REFUSED(mmuext_mfn(MMUEXT_PIN_L1_TABLE, virt_to_mfn(ordinary)));
    CHECK_REFUSED(mmuext_mfn(MMUEXT_PIN_L2_TABLE, virt_to_mfn(ordinary)));
    CHECK_IS(page_set_readonly(ordinary, false), 0);
    ordinary[0] = table_entry(l1);
    NEED(page_set_readonly(ordinary, true) == 0);
    CHECK_REFUSED(mmuext_mfn(MMUEXT_PIN_L3_TABLE, virt_to_mfn(ordinary)));
    CHECK_REFUSED(mmuext_mfn(MMUEXT_PIN_L4_TABLE, virt_to_mfn(ordinary)));
    CHECK_IS(page_set_readonly(ordinary, false), 0);
    free_page(ordinary);
}

/* An address space of our own: a copy of the kernel's L4 with our tree in slot 0. */
static void base_pointers(void)
{
    const uint64_t *old = (const uint64_t *)mfn_to_virt(kernel_root_mfn);
    uint64_t value;

    for (unsigned int i = 272; i < 512; i++)
        if (old[i] & PTE_PRESENT)
            CHECK_IS(write_entry(virt_to_machine(&l4[i]), (old[i] & PTE_MFN_MASK) | PROT_TABLE), 0);
    *page = 0x4711;
    CHECK_IS(mmuext_mfn(MMUEXT_NEW_BASEPTR, virt_to_mfn(l4)), 0);
    CHECK_IS(try_read64((void *)0, &value), 0);
    CHECK_IS(value, 0x4711);
    /* the M2P is seen in any base that is the kernel's */
    CHECK(is_ours(virt_to_mfn(page)));
    CHECK_REFUSED(mmuext_mfn(MMUEXT_NEW_BASEPTR, virt_to_mfn(l3)));         /* not an L4 */
    CHECK_IS(mmuext_mfn(MMUEXT_NEW_BASEPTR, kernel_root_mfn), 0);
    CHECK_IS(try_read64((void *)0, &value), -EFAULT);
    uint64_t *for_users = new_table();
    CHECK_IS(mmuext_mfn(MMUEXT_NEW_USER_BASEPTR, virt_to_mfn(for_users)), 0);
    /* Xen shows user mode the M2P unless asked not to */
    if (on_domus())
        CHECK_IS(for_users[256], 0);
    CHECK_IS(mmuext_mfn(MMUEXT_NEW_USER_BASEPTR, virt_to_mfn(l4)), 0);
    CHECK_IS(page_set_readonly(for_users, false), 0);
    free_page(for_users);
    CHECK_IS(mmuext_mfn(MMUEXT_NEW_USER_BASEPTR, kernel_root_mfn), 0);
    CHECK_IS(mmuext_mfn(MMUEXT_NEW_USER_BASEPTR, 0), 0);                    /* none */
}

static void flushes(void)
{
    struct mmuext_op op = { .cmd = MMUEXT_INVLPG_LOCAL, .arg1.linear_addr = (unsigned long)page };
    unsigned long mask = 1;

    CHECK_IS(HYPERVISOR_mmuext_op(&op, 1, NULL, DOMID_SELF), 0);
    op.cmd = MMUEXT_INVLPG_ALL;
    CHECK_IS(HYPERVISOR_mmuext_op(&op, 1, NULL, DOMID_SELF), 0);
    op.cmd = MMUEXT_INVLPG_MULTI;
    set_xen_guest_handle(op.arg2.vcpumask, &mask);
    CHECK_IS(HYPERVISOR_mmuext_op(&op, 1, NULL, DOMID_SELF), 0);
    set_xen_guest_handle(op.arg2.vcpumask, (void *)0x1000);
    CHECK_REFUSED(HYPERVISOR_mmuext_op(&op, 1, NULL, DOMID_SELF));
    op.cmd = MMUEXT_INVLPG_LOCAL;
    /* not canonical: no harm, whatever the answer */
    op.arg1.linear_addr = 0x800000000000UL;
    (void)HYPERVISOR_mmuext_op(&op, 1, NULL, DOMID_SELF);
    op.arg1.linear_addr = 0xffff82d080000000UL;
    (void)HYPERVISOR_mmuext_op(&op, 1, NULL, DOMID_SELF);
    CHECK_IS(mmuext_mfn(MMUEXT_TLB_FLUSH_LOCAL, 0), 0);
    CHECK_IS(mmuext_mfn(MMUEXT_TLB_FLUSH_ALL, 0), 0);
    CHECK_REFUSED(mmuext_mfn(1000, 0));
    CHECK_IS(HYPERVISOR_mmuext_op((struct mmuext_op *)0x1000, 1, NULL, DOMID_SELF), -EFAULT);
    CHECK_REFUSED(HYPERVISOR_mmuext_op(&op, 1, NULL, 4242));
}

/* An entry that has changed is seen after each kind of flush, whatever the TLB has kept. */
static void what_a_flush_does(void)
{
    static const unsigned int commands[] = { MMUEXT_TLB_FLUSH_LOCAL, MMUEXT_TLB_FLUSH_MULTI,
                                             MMUEXT_TLB_FLUSH_ALL,   MMUEXT_INVLPG_LOCAL,
                                             MMUEXT_INVLPG_MULTI,    MMUEXT_INVLPG_ALL };
    uint64_t *second = alloc_zeroed_page(), at = entry_address(page, 1),
             frame[2] = { virt_to_mfn(page), virt_to_mfn(second) };
    unsigned long mask = 1;

    page[0] = 100, second[0] = 101;
    for (unsigned int i = 0; i < 12; i++) {
        struct mmuext_op op = { .cmd = commands[i / 2] };

        if (i / 2 >= 3)
            op.arg1.linear_addr = (unsigned long)page;
        if (i / 2 % 3 == 1)
            set_xen_guest_handle(op.arg2.vcpumask, &mask);
        CHECK_IS(*(volatile uint64_t *)page, 100 + (i & 1));
        CHECK_IS(write_entry(at, frame[!(i & 1)] << PAGE_SHIFT | PROT_RW), 0);
        CHECK_IS(HYPERVISOR_mmuext_op(&op, 1, NULL, DOMID_SELF), 0);
        CHECK_IS(*(volatile uint64_t *)page, 100 + !(i & 1));
    }
    free_page(second);
}

static void clear_and_copy(void)
{
    uint64_t *other = alloc_zeroed_page();
    struct mmuext_op copy = { .cmd = MMUEXT_COPY_PAGE,
                              .arg1.mfn = virt_to_mfn(other),
                              .arg2.src_mfn = virt_to_mfn(page) };

    page[7] = 99;
    CHECK_IS(HYPERVISOR_mmuext_op(&copy, 1, NULL, DOMID_SELF), 0);
    CHECK_IS(other[7], 99);
    CHECK_IS(mmuext_mfn(MMUEXT_CLEAR_PAGE, virt_to_mfn(other)), 0);
    CHECK_IS(other[7], 0);
    CHECK_REFUSED(mmuext_mfn(MMUEXT_CLEAR_PAGE, virt_to_mfn(l1)));          /* a page table */
    CHECK_REFUSED(mmuext_mfn(MMUEXT_CLEAR_PAGE, foreign_mfn()));
    copy.arg1.mfn = virt_to_mfn(l2);
    CHECK_REFUSED(HYPERVISOR_mmuext_op(&copy, 1, NULL, DOMID_SELF));
    copy.arg1.mfn = virt_to_mfn(other);
    copy.arg2.src_mfn = foreign_mfn();
    CHECK_REFUSED(HYPERVISOR_mmuext_op(&copy, 1, NULL, DOMID_SELF));
    free_page(other);
}

/* A list that is too long for one turn is done in several, and counted as one; also when it ends
 * early. */
static void a_long_list(void)
{
    enum { MANY = 2000 };
    struct mmuext_op *list = alloc_pages(4);
    uint64_t *cleared = alloc_zeroed_page();
    unsigned int done = 7;

    NEED(list && cleared && MANY * sizeof(*list) <= PAGE_SIZE << 4);
    for (unsigned int i = 0; i < MANY; i++)
        list[i] = (struct mmuext_op){ .cmd = MMUEXT_CLEAR_PAGE, .arg1.mfn = virt_to_mfn(cleared) };
    CHECK_IS(HYPERVISOR_mmuext_op(list, MANY, &done, DOMID_SELF), 0);
    CHECK_IS(done, MANY);
    list[MANY - 5].arg1.mfn = ~0UL;
    CHECK_REFUSED(HYPERVISOR_mmuext_op(list, MANY, &done, DOMID_SELF));
    CHECK_IS(done, MANY - 5);
    CHECK_IS(HYPERVISOR_mmuext_op(list, 0, &done, DOMID_SELF), 0);
    CHECK_IS(done, 0);
    free_pages(list, 4);
    free_page(cleared);
}

static void unpinned_tables_are_pages_again(void)
{
    uint64_t *tables[] = { l4, l3, l2, l1 };

    for (int i = 0; i < 4; i++)
        CHECK_IS(mmuext_mfn(MMUEXT_UNPIN_TABLE, virt_to_mfn(tables[i])), 0);
    for (int i = 0; i < 4; i++) {
        CHECK_REFUSED(mmuext_mfn(MMUEXT_UNPIN_TABLE, virt_to_mfn(tables[i])));
        CHECK_IS(page_set_readonly(tables[i], false), 0);
        free_page(tables[i]);
    }
}

void test_main(void)
{
    each_level_pins();
    bad_frames_do_not_pin();
    base_pointers();
    flushes();
    what_a_flush_does();
    clear_and_copy();
    a_long_list();
    unpinned_tables_are_pages_again();
}
