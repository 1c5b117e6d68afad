/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct virtual vm;
struct domus_run run;

static uint64_t table_entry(const void *table)
{
    return (uint64_t)virt_to_mfn(table) << PAGE_SHIFT | PROT_TABLE;
}

void vm_create(void)
{
    uint64_t *tables[4];

    for (int i = 0; i < 4; i++) {
        tables[i] = alloc_zeroed_page();
        NEED(tables[i] != NULL);
    }
    vm = (struct virtual){ tables[0], tables[1], tables[2], tables[3], { 0 } };
    for (int i = 0; i < VM_PAGES; i++) {
        vm.page[i] = alloc_zeroed_page();
        NEED(vm.page[i] != NULL);
        vm.l1[i] = (uint64_t)virt_to_mfn(vm.page[i]) << PAGE_SHIFT | VM_RW;
    }
    vm.l2[0] = table_entry(vm.l1);
    vm.l3[0] = table_entry(vm.l2);
    vm.l4[0] = table_entry(vm.l3);
    for (int i = 0; i < 4; i++)
        NEED(page_set_readonly(tables[i], true) == 0);
    NEED(mmuext_mfn(MMUEXT_PIN_L4_TABLE, virt_to_mfn(vm.l4)) == 0);
}

void *vm_at(uint64_t physical)
{
    return vm.page[physical / PAGE_SIZE] + physical % PAGE_SIZE;
}

long vm_map(uint64_t physical, unsigned long mfn, uint64_t bits)
{
    return write_entry(virt_to_machine(&vm.l1[physical / PAGE_SIZE]),
                       bits ? (uint64_t)mfn << PAGE_SHIFT | bits : 0);
}

enum { CODE_FLAGS = 0x9b, DATA_FLAGS = 0x93, BIG = 0xc00, LONG = 0xa00, TSS = 0x8b };

static void begin(const void *code, size_t size, uint16_t code_bits, uint16_t data_bits,
                  uint32_t limit)
{
    memset(&run, 0, sizeof(run));
    memcpy(vm_at(CODE), code, size);
    memset(vm_at(DATA), 0, PAGE_SIZE);
    run.tables = virt_to_mfn(vm.l4);
    run.rip = CODE;
    run.general[VM_RSP] = STACK;
    for (int i = 0; i < DOMUS_RUN_SEGMENTS; i++)
        run.segment[i] = (struct domus_run_segment){ 16, DATA_FLAGS | data_bits, limit, 0 };
    run.segment[DOMUS_RUN_CS] = (struct domus_run_segment){ 8, CODE_FLAGS | code_bits, limit, 0 };
    run.tr = (struct domus_run_segment){ 0, TSS, 0xffff, 0 };
}

void vm_real(const void *code, size_t size)
{
    begin(code, size, 0, 0, 0xffff);
    for (int i = 0; i < DOMUS_RUN_SEGMENTS; i++)
        run.segment[i].selector = 0;
}

void vm_protected(const void *code, size_t size)
{
    begin(code, size, BIG, BIG, ~0u);
    run.cr0 = 1;
}

/* Its own tables map the first 2 MiB; its IDT has room for 64 gates, its GDT has its two
 * segments. */
void vm_long(const void *code, size_t size)
{
    begin(code, size, LONG, BIG, ~0u);
    *(uint64_t *)vm_at(TABLES) = (TABLES + 0x1000) | 3;
    *(uint64_t *)vm_at(TABLES + 0x1000) = (TABLES + 0x2000) | 3;
    *(uint64_t *)vm_at(TABLES + 0x2000) = 0x83;
    ((uint64_t *)vm_at(GDT))[1] = 0x00af9b000000ffff;
    ((uint64_t *)vm_at(GDT))[2] = 0x00cf93000000ffff;
    memset(vm_at(IDT), 0, PAGE_SIZE);
    run.cr0 = 0x80000001;
    run.cr4 = 0x20;
    run.efer = 0x500;
    run.cr3 = TABLES;
    run.gdtr = (struct domus_run_segment){ .limit = 23, .base = GDT };
    run.idtr = (struct domus_run_segment){ .limit = 64 * 16 - 1, .base = IDT };
}

long vm_run_once(void)
{
    return HYPERVISOR_domus_op(DOMUS_run, &run);
}

long vm_run(void)
{
    long result;

    do
        result = vm_run_once();
    while (result == 0 && run.exit == DOMUS_EXIT_INTERRUPT);
    return result;
}
