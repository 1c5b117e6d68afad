/* SPDX-License-Identifier: MIT */
/* The corner of the address space that the page-table operations play in. */
#include "bench.h"

#include <pvguest/console.h>
#include <pvguest/sched.h>

uint64_t *lab_l1;
uint64_t lab_l1_machine, lab_l2_entry;
unsigned long lab_frame[2];

uint64_t *new_page(void)
{
    uint64_t *page = alloc_zeroed_page();

    if (!page) {
        printk("bench: out of memory\n");
        crash();
    }
    return page;
}

void set_readonly(void *page, bool readonly)
{
    must(HYPERVISOR_update_va_mapping((unsigned long)page, (virt_to_mfn(page) << PAGE_SHIFT) | (readonly ? PROT_RO : PROT_RW),
                                      UVMF_INVLPG | UVMF_LOCAL));
}

void lab_init(void)
{
    if (pt_populate(LAB_VA) != 0 || pt_flush() != 0) {
        printk("bench: no page tables for the laboratory\n");
        crash();
    }
    lab_l1_machine = virt_to_machine(pt_walk(LAB_VA, 1));
    lab_l1 = mfn_to_virt(lab_l1_machine >> PAGE_SHIFT);
    lab_l2_entry = virt_to_machine(pt_walk(LAB_VA, 2)) + sizeof(uint64_t);
    for (unsigned int i = 0; i < 2; i++)
        lab_frame[i] = virt_to_mfn(new_page());
}
