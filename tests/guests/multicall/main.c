/* SPDX-License-Identifier: MIT */
/*
 * A multicall runs its entries in order, gives each its own result, and does not stop at an entry
 * that fails; it does not nest, and a bad list is -EFAULT. Idea: XSA-213 (iret inside a multicall);
 * the batching queue of the SDK relies on order.
 */
#include "../lib/test.h"

#define ENTRIES 40

static struct multicall_entry calls[ENTRIES];

static void call(unsigned int i, unsigned long op, unsigned long a, unsigned long b)
{
    memset(&calls[i], 0xa5, sizeof(calls[i]));
    calls[i].op = op;
    calls[i].args[0] = a;
    calls[i].args[1] = b;
}

static void results_are_each_its_own(void)
{
    long version = HYPERVISOR_xen_version(XENVER_version, NULL);

    for (unsigned int i = 0; i < ENTRIES; i++)
        call(i, i % 3 ? __HYPERVISOR_xen_version : 63, XENVER_version, 0);
    CHECK_IS(HYPERVISOR_multicall(calls, ENTRIES), 0);
    for (unsigned int i = 0; i < ENTRIES; i++)
        CHECK_IS(calls[i].result, i % 3 ? version : -ENOSYS);
}

/* The same page is granted two values in a row through its page-table entry: the last one must
 * stand. */
static void order_is_kept(void)
{
    char *page = alloc_zeroed_page();
    uint64_t mfn = virt_to_mfn(page);

    NEED(page != NULL);
    call(0, __HYPERVISOR_update_va_mapping, (unsigned long)page, mfn << PAGE_SHIFT | PROT_RO);
    calls[0].args[2] = UVMF_INVLPG;
    call(1, __HYPERVISOR_update_va_mapping, (unsigned long)page, mfn << PAGE_SHIFT | PROT_RW);
    calls[1].args[2] = UVMF_INVLPG;
    CHECK_IS(HYPERVISOR_multicall(calls, 2), 0);
    CHECK_IS(calls[0].result, 0);
    CHECK_IS(calls[1].result, 0);
    CHECK_IS(try_write8(page, 1), 0);
    free_page(page);
}

static void arguments_are_checked(void)
{
    CHECK_IS(HYPERVISOR_multicall(calls, 0), 0);
    CHECK_IS(HYPERVISOR_multicall((struct multicall_entry *)0x1000, 1), -EFAULT);
    CHECK_IS(HYPERVISOR_multicall((struct multicall_entry *)0xffff800000000000UL, 1), -EFAULT);
    CHECK_IS(HYPERVISOR_multicall((struct multicall_entry *)0x800000000000UL, 1), -EFAULT);

    call(0, __HYPERVISOR_multicall, (unsigned long)&calls[2], 1);
    call(2, __HYPERVISOR_xen_version, XENVER_version, 0);
    CHECK_IS(HYPERVISOR_multicall(calls, 1), 0);
    CHECK((long)calls[0].result < 0);
    CHECK_IS(calls[2].result, 0xa5a5a5a5a5a5a5a5UL);
}

/* IRET in a list goes where its frame says, and what stands behind it in the list is not done
 * (XSA-213). */
static void iret_ends_the_list(void)
{
    char *page = alloc_zeroed_page();
    uint64_t mfn = virt_to_mfn(page), rax;

    NEED(page != NULL);
    call(0, __HYPERVISOR_xen_version, XENVER_version, 0);
    call(1, __HYPERVISOR_iret, 0, 0);
    call(2, __HYPERVISOR_update_va_mapping, (unsigned long)page, mfn << PAGE_SHIFT | PROT_RO);
    calls[2].args[2] = UVMF_INVLPG;
    asm volatile("mov %%rsp, %%rbx\n\tpush $0xe02b\n\tpush %%rbx\n\tpush $0x202\n\tpush "
                 "$0xe030\n\tlea 1f(%%rip), %%rcx\n\tpush %%rcx\n\t"
                 "push $0\n\tpush $0\n\tpush $0\n\tpush $0x4321\n\tmov %[number], "
                 "%%eax\n\tsyscall\n\tud2\n1:"
                 : "=a"(rax)
                 : [number] "i"(__HYPERVISOR_multicall), "D"(calls), "S"(3ul)
                 : "rbx", "rcx", "rdx", "r11", "memory", "cc");
    CHECK_IS(rax, 0x4321);
    CHECK_IS(calls[0].result, HYPERVISOR_xen_version(XENVER_version, NULL));
    CHECK_IS(calls[2].result, 0xa5a5a5a5a5a5a5a5UL);
    CHECK_IS(try_write8(page, 1), 0);
    free_page(page);
}

/* A list in memory that can be read only: the first call is done, its result has no place, and the
 * rest is not done. */
static void results_need_room(void)
{
    static struct multicall_entry list[4096 / sizeof(struct multicall_entry)]
        __attribute__((aligned(4096)));
    char *page = alloc_zeroed_page();
    uint64_t mfn = virt_to_mfn(page);

    NEED(page != NULL);
    list[0] = (struct multicall_entry){ .op = __HYPERVISOR_xen_version };
    list[1] = (struct multicall_entry){ .op = __HYPERVISOR_update_va_mapping,
                                        .args = { (unsigned long)page, mfn << PAGE_SHIFT | PROT_RO,
                                                  UVMF_INVLPG } };
    NEED(page_set_readonly(list, true) == 0);
    CHECK_IS(HYPERVISOR_multicall(list, 2), -EFAULT);
    CHECK_IS(try_write8(page, 1), 0);
    NEED(page_set_readonly(list, false) == 0);
    free_page(page);
}

void test_main(void)
{
    results_are_each_its_own();
    order_is_kept();
    arguments_are_checked();
    iret_ends_the_list();
    results_need_room();
}
