/* SPDX-License-Identifier: MIT */
/* Exceptions inside the kernel: the bounce to the guest's handler and both ways back. Handlers are a few instructions. */
#include "bench.h"

static void kernel_iret(void) { bench_kernel_iret(); }
static void int3(void) { asm volatile("int3"); }
static long int3_by_iretq(void) { return set_trap_gate(TRAP_BP, 3, false, bench_int3_iretq); }
static long int3_by_hypercall(void) { return set_trap_gate(TRAP_BP, 3, false, bench_int3_hypercall); }
static long fast_page_fault(void) { return set_trap_gate(TRAP_PF, 0, false, bench_page_fault); }

/* The handler skips the faulting instruction, which is two bytes long. */
static void page_fault(void)
{
    asm volatile("movb (%%rdi), %%al" : : "D" (8UL) : "rax");
}

#define TRAP(name_, form_, prepare_, run_) \
    { .group = "exceptions", .name = name_, .form = form_, .units = 1, .prepare = prepare_, .run = run_, .cleanup = traps_init }
const struct operation trap_operations[] = {
    { .group = "exceptions", .name = "iret hypercall, kernel to kernel", .form = "hypercall", .units = 1, .run = kernel_iret },
    TRAP("int3, handler, return (iret hypercall; plain iretq)", "hypercall", int3_by_hypercall, int3),
    TRAP("int3, handler, return (iret hypercall; plain iretq)", "trap", int3_by_iretq, int3),
    TRAP("page fault, handler, iret hypercall", "trap", fast_page_fault, page_fault),
    { .name = NULL },
};
