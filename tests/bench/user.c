/* SPDX-License-Identifier: MIT */
/* Rows about user mode: small programs in page tables of their own measure their own round trips
 * into the kernel. Last of all rows: they replace the SDK's entries by shorter ones. */
#include "bench.h"

#define USER_CODE  0x10000000UL
#define USER_STACK 0x10001000UL
#define USER_DATA  0x10002000UL

extern char bench_syscall[], bench_int80[], bench_user_fault[];
extern char user_nothing[], user_nothing_end[], user_syscall[], user_syscall_end[], user_int80[],
    user_int80_end[], user_fault[], user_fault_end[];
void bench_enter_user(uint64_t rip, uint64_t rsp);

static char *code;
static uint64_t *samples, baseline;
static char kernel_stack[8192] __attribute__((aligned(16)));

static void run(const char *name, const char *program, const char *end)
{
    memset(code, 0xcc, PAGE_SIZE);
    memcpy(code, program, (size_t)(end - program));
    bench_enter_user(USER_CODE, USER_STACK + PAGE_SIZE);
    if (name == NULL) {
        baseline = median(samples);
        return;
    }
    /* The reads of the TSC cost in user mode what they cost there: `nothing` measured it. */
    report(name, ONLY, median(samples) - baseline);
}

static void make_user_space(void)
{
    uint64_t *l4 = bench_table(), *l3 = bench_table(), *l2 = bench_table(),
             *l1 = alloc_zeroed_page();
    char *stack = alloc_zeroed_page();

    code = alloc_zeroed_page();
    samples = alloc_zeroed_page();
    l1[USER_CODE >> 12 & 511] = virt_to_machine(code) | PROT_EXEC | PTE_USER;
    l1[USER_STACK >> 12 & 511] = virt_to_machine(stack) | PROT_RW | PTE_USER;
    l1[USER_DATA >> 12 & 511] = virt_to_machine(samples) | PROT_RW | PTE_USER;
    must(page_set_readonly(l1, true), "page_set_readonly");
    must(mmuext(MMUEXT_PIN_L4_TABLE, virt_to_mfn(l4)), "pin");
    must(mmuext(MMUEXT_PIN_L3_TABLE, virt_to_mfn(l3)), "pin");
    must(mmuext(MMUEXT_PIN_L2_TABLE, virt_to_mfn(l2)), "pin");
    must(write_entry(virt_to_machine(&l2[USER_CODE >> 21 & 511]), table_entry(l1)), "L2");
    must(write_entry(virt_to_machine(&l3[USER_CODE >> 30 & 511]), table_entry(l2)), "L3");
    must(write_entry(virt_to_machine(&l4[0]), table_entry(l3)), "L4");
    must(mmuext(MMUEXT_NEW_USER_BASEPTR, virt_to_mfn(l4)), "user base");
}

void bench_user(void)
{
    struct callback_register callback = { .type = CALLBACKTYPE_syscall,
                                          .flags = CALLBACKF_mask_events,
                                          .address = (unsigned long)bench_syscall };

    group("user mode");
    make_user_space();
    set_kernel_stack((unsigned long)kernel_stack + sizeof(kernel_stack));
    must(HYPERVISOR_callback_op(CALLBACKOP_register, &callback), "syscall callback");
    must(set_trap_gate(0x80, 3, true, bench_int80), "gate");
    must(set_trap_gate(TRAP_PF, 0, true, bench_user_fault), "gate");
    run(NULL, user_nothing, user_nothing_end);
    run("user syscall round trip", user_syscall, user_syscall_end);
    run("user int 0x80 round trip", user_int80, user_int80_end);
    run("user page fault round trip", user_fault, user_fault_end);
}
