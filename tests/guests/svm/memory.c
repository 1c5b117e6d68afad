/* SPDX-License-Identifier: MIT */
/* What such a processor reaches: what the tables map, which are page tables of ours like others. */
#include "parts.h"

enum { ELSEWHERE = 0xa000 };
#define FAULT_PRESENT 1u
#define FAULT_WRITE 2u

/* Reads, or writes RCX to, guest-physical ELSEWHERE: RAX, or the fault's error code. */
static void load_elsewhere(void)
{
    vm_long(SAME("\x48\x8b\x04\x25\0\xa0\0\0\xf4"));    /* mov rax, [a000h]; hlt */
    CHECK_IS(vm_run(), 0);
}
static void store_elsewhere(uint64_t value)
{
    vm_long(SAME("\x48\x89\x0c\x25\0\xa0\0\0\xf4"));    /* mov [a000h], rcx; hlt */
    run.general[VM_RCX] = value;
    CHECK_IS(vm_run(), 0);
}
static void must_fault(uint32_t error)
{
    CHECK_IS(run.exit, DOMUS_EXIT_NESTED_FAULT);
    CHECK_IS(run.info[0] & 3, error);
    CHECK_IS(run.info[1], ELSEWHERE);
    CHECK_IS(run.rip, CODE);
}

static void no_table_of_ours(uint64_t frame)
{
    vm_long(SAME("\xf4"));
    run.tables = frame;
    CHECK_IS(vm_run_once(), -EINVAL);
}

static void bad_tables(void)
{
    no_table_of_ours(virt_to_mfn(vm.page[0]));          /* written by us */
    no_table_of_ours(virt_to_mfn(vm.l3));               /* another level's */
    no_table_of_ours(foreign_mfn());
    no_table_of_ours(0);
    no_table_of_ours(~0ul);
    no_table_of_ours(1ul << 52 | virt_to_mfn(vm.l4));
    no_table_of_ours((uint64_t)HYPERVISOR_memory_op(XENMEM_maximum_ram_page, NULL) + 1);
}

/* Not pinned, not even looked at before: it is, for as long as it is used. */
static void table_for_once(void)
{
    uint64_t *l4 = alloc_zeroed_page();

    l4[0] = (uint64_t)virt_to_mfn(vm.l3) << PAGE_SHIFT | PROT_TABLE;
    vm_long(SAME("\xf4"));
    run.tables = virt_to_mfn(l4);
    CHECK_IS(vm_run_once(), -EINVAL);                   /* we can write it */
    NEED(page_set_readonly(l4, true) == 0);
    for (int i = 0; i < 3; i++) {
        vm_long(SAME("\xf4"));
        run.tables = virt_to_mfn(l4);
        CHECK_IS(vm_run(), 0);
        CHECK_IS(run.exit, DOMUS_EXIT_HALT);
    }
    NEED(page_set_readonly(l4, false) == 0);            /* nobody keeps it */
    l4[0] = 0;
    free_page(l4);
}

/* Our own address space will do: nothing is at 0. The hypervisor's slots are not there for it. */
static void our_own_tables(void)
{
    vm_real(SAME("\xf4"));
    run.tables = kernel_root_mfn;
    CHECK_IS(vm_run(), 0);
    CHECK_IS(run.exit, DOMUS_EXIT_NESTED_FAULT);
    CHECK_IS(run.info[1], CODE);
}

/* Its page tables lead to where a kernel of 48 bits of physical address would find ours. */
static void the_hypervisor_is_not_there(void)
{
    static const uint64_t at[] = { 0x810000000000, 0x818000000000, 0x820000000000,
                                   0x828000000000, 0x828000200000, 0x830000000000,
                                   0x830000100000, 0x87fffffff000, 0x880000000000 };

    for (unsigned int i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
        /* with 4 KiB pages of its own: DATA's is the one that leads elsewhere */
        vm_long(SAME("\x48\x8b\x04\x25\0\0\x20\0\xf4"));        /* mov rax, [200000h] */
        ((uint64_t *)vm_at(TABLES + 0x2000))[1] = 0xb000 | 3;
        memset(vm_at(0xb000), 0, PAGE_SIZE);
        ((uint64_t *)vm_at(0xb000))[0] = at[i] | 3;
        CHECK_IS(vm_run(), 0);
        /* TCG's CPUs have 40 bits of physical address: then its own fault, without a gate */
        CHECK(run.exit == DOMUS_EXIT_NESTED_FAULT || run.exit == DOMUS_EXIT_SHUTDOWN);
        ((uint64_t *)vm_at(TABLES + 0x2000))[1] = 0;
        CHECK_IS(run.general[VM_RAX], 0);
    }
}

static void readers_and_writers(void)
{
    uint64_t *page = (uint64_t *)vm_at(ELSEWHERE);

    *page = 0x1234567;
    load_elsewhere();
    CHECK_IS(run.exit, DOMUS_EXIT_HALT);
    CHECK_IS(run.general[VM_RAX], 0x1234567);
    NEED(vm_map(ELSEWHERE, virt_to_mfn(page), VM_RO) == 0);
    load_elsewhere();
    CHECK_IS(run.exit, DOMUS_EXIT_HALT);
    store_elsewhere(1);
    must_fault(FAULT_PRESENT | FAULT_WRITE);
    CHECK_IS(*page, 0x1234567);
    NEED(vm_map(ELSEWHERE, 0, 0) == 0);
    load_elsewhere();
    must_fault(0);
    store_elsewhere(1);
    must_fault(FAULT_WRITE);
    NEED(vm_map(ELSEWHERE, virt_to_mfn(page), VM_RW) == 0);
}

/* Page tables and descriptor pages are seen, not written; what can be written becomes neither. */
static void tables_stay_tables(void)
{
    uint64_t *page = alloc_zeroed_page();
    unsigned long frame = virt_to_mfn(page);

    CHECK_IS(vm_map(ELSEWHERE, foreign_mfn(), VM_RW), -EINVAL);
    CHECK_IS(vm_map(ELSEWHERE, foreign_mfn(), VM_RO), -EINVAL);
    CHECK_IS(vm_map(ELSEWHERE, virt_to_mfn(vm.l1), VM_RW), -EINVAL);
    CHECK_IS(vm_map(ELSEWHERE, virt_to_mfn(vm.l4), VM_RW), -EINVAL);
    NEED(vm_map(ELSEWHERE, virt_to_mfn(vm.l1), VM_RO) == 0);
    load_elsewhere();
    CHECK_IS(run.exit, DOMUS_EXIT_HALT);
    CHECK_IS(run.general[VM_RAX] & ~0xffful, (uint64_t)virt_to_mfn(vm.page[0]) << PAGE_SHIFT);
    store_elsewhere((uint64_t)foreign_mfn() << PAGE_SHIFT | VM_RW);
    must_fault(FAULT_PRESENT | FAULT_WRITE);

    NEED(page_set_readonly(page, true) == 0);
    CHECK_IS(HYPERVISOR_set_gdt(&frame, 512), 0);
    CHECK_IS(vm_map(ELSEWHERE, frame, VM_RW), -EINVAL);
    NEED(vm_map(ELSEWHERE, frame, VM_RO) == 0);
    store_elsewhere(0x0000890000000000);
    must_fault(FAULT_PRESENT | FAULT_WRITE);
    CHECK_IS(HYPERVISOR_set_gdt(NULL, 0), 0);
    NEED(vm_map(ELSEWHERE, frame, VM_RW) == 0);
    CHECK_IS(mmuext_mfn(MMUEXT_PIN_L1_TABLE, frame), -EINVAL);
    CHECK_IS(mmuext_mfn(MMUEXT_PIN_L4_TABLE, frame), -EINVAL);
    CHECK_IS(HYPERVISOR_set_gdt(&frame, 512), -EINVAL);
    store_elsewhere(0x5555);
    CHECK_IS(run.exit, DOMUS_EXIT_HALT);
    CHECK_IS(*page, 0x5555);
    NEED(vm_map(ELSEWHERE, virt_to_mfn(vm_at(ELSEWHERE)), VM_RW) == 0);
    NEED(page_set_readonly(page, false) == 0);
    free_page(page);
}

/* A frame given back while it is mapped there stays, is still ours, and goes with the entry. */
static void given_back(void)
{
    uint64_t *page = alloc_zeroed_page();
    unsigned long pfn = virt_to_pfn(page);
    xen_pfn_t frame = virt_to_mfn(page);
    struct xen_memory_reservation r = { .nr_extents = 1, .domid = DOMID_SELF };
    domid_t us = DOMID_SELF;
    long before = HYPERVISOR_memory_op(XENMEM_current_reservation, &us);

    set_xen_guest_handle(r.extent_start, &frame);
    *page = 0xabcdef;
    NEED(vm_map(ELSEWHERE, frame, VM_RW) == 0);
    NEED(write_entry(entry_address(page, 1), 0) == 0);
    CHECK_IS(HYPERVISOR_memory_op(XENMEM_decrease_reservation, &r), 1);
    CHECK_IS(HYPERVISOR_memory_op(XENMEM_current_reservation, &us), before);
    load_elsewhere();
    CHECK_IS(run.general[VM_RAX], 0xabcdef);
    store_elsewhere(0xfedcba);
    load_elsewhere();
    CHECK_IS(run.general[VM_RAX], 0xfedcba);
    CHECK_IS(HYPERVISOR_domus_op(DOMUS_audit, NULL), 0);
    NEED(vm_map(ELSEWHERE, virt_to_mfn(vm_at(ELSEWHERE)), VM_RW) == 0);
    CHECK_IS(HYPERVISOR_memory_op(XENMEM_current_reservation, &us), before - 1);
    load_elsewhere();
    CHECK(run.general[VM_RAX] != 0xfedcba);
    frame = pfn;
    NEED(HYPERVISOR_memory_op(XENMEM_populate_physmap, &r) == 1);
    p2m[pfn] = frame;
    NEED(HYPERVISOR_update_va_mapping((unsigned long)page, (uint64_t)frame << PAGE_SHIFT | PROT_RW,
                                      UVMF_INVLPG) == 0);
    free_page(page);
}

void memory_rules(void)
{
    bad_tables();
    table_for_once();
    our_own_tables();
    the_hypervisor_is_not_there();
    readers_and_writers();
    tables_stay_tables();
    given_back();
}
