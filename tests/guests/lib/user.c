/* SPDX-License-Identifier: MIT */
/* The page tables of user.h, made by hand: an L4 with one path to two pages. */
#include "user.h"

static uint64_t *l4;
static unsigned char *code;
unsigned char *user_stack;

unsigned long user_space(void)
{
    uint64_t *l3 = new_table(), *l2 = new_table(), *l1 = new_table();

    l4 = new_table();
    code = alloc_zeroed_page();
    user_stack = alloc_zeroed_page();
    NEED(code && user_stack);
    NEED(write_entry(virt_to_machine(&l1[USER_CODE >> 12 & 511]),
                     virt_to_machine(code) | PROT_EXEC | PTE_USER) == 0);
    NEED(write_entry(virt_to_machine(&l1[USER_STACK >> 12 & 511]),
                     virt_to_machine(user_stack) | PROT_RW | PTE_USER) == 0);
    NEED(write_entry(virt_to_machine(&l2[USER_CODE >> 21 & 511]),
                     virt_to_machine(l1) | PROT_TABLE) == 0);
    NEED(write_entry(virt_to_machine(&l3[USER_CODE >> 30 & 511]),
                     virt_to_machine(l2) | PROT_TABLE) == 0);
    NEED(write_entry(virt_to_machine(&l4[0]), virt_to_machine(l3) | PROT_TABLE) == 0);
    NEED(mmuext_mfn(MMUEXT_PIN_L4_TABLE, virt_to_mfn(l4)) == 0);
    NEED(mmuext_mfn(MMUEXT_NEW_USER_BASEPTR, virt_to_mfn(l4)) == 0);
    return virt_to_mfn(l4);
}

void user_space_end(void)
{
    NEED(mmuext_mfn(MMUEXT_NEW_USER_BASEPTR, 0) == 0);
    NEED(mmuext_mfn(MMUEXT_UNPIN_TABLE, virt_to_mfn(l4)) == 0);
}

void user_code(const void *bytes, size_t length)
{
    memset(code, 0xcc, PAGE_SIZE);
    memcpy(code, bytes, length);
}
