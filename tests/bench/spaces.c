/* SPDX-License-Identifier: MIT */
/* Rows about whole address spaces: attach a table, pin and unpin, switch, and the sequence of a
 * fork. */
#include "bench.h"

#define SPARE_VA 0x0000008000000000UL       /* slot 1 of the L4, unused */

static uint64_t *l4, *l3, *l2, *l1, *full, *data;
static uint64_t attach_at;
static unsigned long old_root, next_root;
static uint64_t *gdt;
static struct multicall_entry calls[8];

static void attach_detach(void)
{
    (void)write_entry(attach_at, table_entry(full));
    (void)write_entry(attach_at, 0);
}

static void pin_tree(void)
{
    (void)mmuext(MMUEXT_PIN_L4_TABLE, virt_to_mfn(l4));
}
static void unpin_tree(void)
{
    (void)mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(l4));
}
static void pin_full(void)
{
    (void)mmuext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(full));
}
static void unpin_full(void)
{
    (void)mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(full));
}

/* Two address spaces take turns, so that every switch is one. */
static void other_root(void)
{
    next_root = next_root == old_root ? virt_to_mfn(l4) : old_root;
}
static void new_base(void)
{
    (void)mmuext(MMUEXT_NEW_BASEPTR, next_root);
}
static void write_cr3(void)
{
    asm volatile("mov %0, %%cr3" : : "r"(next_root << PAGE_SHIFT) : "memory");
}

static struct mmuext_op both_bases[2];

/* What a kernel does to change processes, in one multicall. */
static void fill_switch(void)
{
    other_root();
    both_bases[0] = (struct mmuext_op){ .cmd = MMUEXT_NEW_BASEPTR, .arg1.mfn = next_root };
    both_bases[1] = (struct mmuext_op){ .cmd = MMUEXT_NEW_USER_BASEPTR, .arg1.mfn = next_root };
    calls[0] = (struct multicall_entry){ .op = __HYPERVISOR_mmuext_op,
                                         .args = { (unsigned long)both_bases, 2, 0, DOMID_SELF } };
    calls[1] = (struct multicall_entry){ .op = __HYPERVISOR_stack_switch,
                                         .args = { 0xe02b, (unsigned long)l4 } };
    for (unsigned int i = 0; i < 3; i++)
        calls[2 + i] = (struct multicall_entry){ .op = __HYPERVISOR_update_descriptor,
                                                 .args = { virt_to_machine(&gdt[8 + i]),
                                                           0x00cff3000000ffffUL } };
    calls[5] = (struct multicall_entry){ .op = __HYPERVISOR_set_segment_base,
                                         .args = { SEGBASE_FS, 0x2000 } };
}

static void context_switch(void)
{
    (void)HYPERVISOR_multicall(calls, 6);
}

/*
 * Fork as a PV kernel does it: fill a child's 256 entries, make its four tables read-only, pin,
 * switch there and back, unpin, make the tables writable again. The guest's own share (filling) is
 * part of the row, as in the reference.
 */
static void fork_like(void)
{
    uint64_t *tables[] = { l1, l2, l3, l4 };

    for (unsigned int i = 0; i < 256; i++)
        l1[i] = virt_to_machine(data) | PROT_RO;
    for (int i = 0; i < 4; i++)
        (void)HYPERVISOR_update_va_mapping((unsigned long)tables[i],
                                           virt_to_machine(tables[i]) | PROT_RO, UVMF_INVLPG);
    (void)mmuext(MMUEXT_PIN_L4_TABLE, virt_to_mfn(l4));
    (void)mmuext(MMUEXT_NEW_BASEPTR, virt_to_mfn(l4));
    (void)mmuext(MMUEXT_NEW_BASEPTR, old_root);
    (void)mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(l4));
    for (int i = 0; i < 4; i++)
        (void)HYPERVISOR_update_va_mapping((unsigned long)tables[i],
                                           virt_to_machine(tables[i]) | PROT_RW, UVMF_INVLPG);
}

static void make_tree(void)
{
    const uint64_t *kernel = mfn_to_virt(kernel_root_mfn);

    l4 = alloc_zeroed_page();
    l3 = alloc_zeroed_page();
    l2 = alloc_zeroed_page();
    l1 = alloc_zeroed_page();
    l1[0] = virt_to_machine(data) | PROT_RO;
    l2[0] = table_entry(l1);
    l3[0] = table_entry(l2);
    l4[0] = table_entry(l3);
    /* the kernel's half, beyond the hypervisor's slots */
    for (unsigned int i = 272; i < 512; i++)
        if (kernel[i] & PTE_PRESENT)
            l4[i] = (kernel[i] & PTE_MFN_MASK) | PROT_TABLE;
}

static void set_tree_readonly(bool readonly)
{
    uint64_t *tables[] = { l1, l2, l3, l4 };

    for (int i = 0; i < 4; i++)
        must(page_set_readonly(tables[i], readonly), "page_set_readonly");
}

void bench_spaces(void)
{
    unsigned long frame;

    group("address spaces");
    old_root = kernel_root_mfn;
    data = alloc_zeroed_page();
    full = alloc_zeroed_page();
    for (unsigned int i = 0; i < 512; i++)
        full[i] = virt_to_machine(data) | PROT_RO;
    must(page_set_readonly(full, true), "page_set_readonly");
    must(pt_populate(SPARE_VA), "pt_populate");
    attach_at = virt_to_machine(pt_walk(SPARE_VA, 2) + 1);
    measure("attach + detach a full L1 (one L2 entry)", CALL, 1, NULL, attach_detach);

    make_tree();
    set_tree_readonly(true);
    measure("pin, per table, four levels, one entry each", CALL, 4, unpin_tree, pin_tree);
    measure("unpin, per table, four levels, one entry each", CALL, 4, pin_tree, unpin_tree);
    unpin_tree();
    measure("pin, per table, full of 512", CALL, 1, unpin_full, pin_full);
    measure("unpin, per table, full of 512", CALL, 1, pin_full, unpin_full);
    unpin_full();
    set_tree_readonly(false);
    measure("fork-like: fill 256 PTEs, make tables read-only, pin, switch, switch back, unpin, "
            "make writable",
            CALL, 1, NULL, fork_like);

    set_tree_readonly(true);
    pin_tree();
    measure("address-space switch (NEW_BASEPTR / mov to cr3)", CALL, 1, other_root, new_base);
    measure("address-space switch (NEW_BASEPTR / mov to cr3)", TRAP, 1, other_root, write_cr3);
    gdt = bench_table();
    frame = virt_to_mfn(gdt);
    must(HYPERVISOR_set_gdt(&frame, 16), "set_gdt");
    measure("context switch: multicall of both base pointers, stack, 3 descriptors, FS base", CALL,
            1, fill_switch, context_switch);
    must(mmuext(MMUEXT_NEW_BASEPTR, old_root), "back to the first tables");
    must(mmuext(MMUEXT_NEW_USER_BASEPTR, 0), "no user base");
    unpin_tree();
    set_tree_readonly(false);
}
