/* SPDX-License-Identifier: MIT */
/* Rows about exceptions and returns in the kernel, with handlers of a few instructions
 * (entries.asm). */
#include "bench.h"

extern char bench_int3_plain[], bench_int3_hypercall[], bench_fault[];
void bench_do_fault(void);
void bench_do_iret(void);

static void breakpoint(void)
{
    asm volatile("int3");
}

static void plain_iretq(void)
{
    asm volatile("mov %%rsp, %%rdx\n\tmov %%ss, %%ecx\n\tpush %%rcx\n\tpush %%rdx\n\tpushf\n\tmov "
                 "%%cs, %%ecx\n\tpush %%rcx\n\t"
                 "lea 1f(%%rip), %%rcx\n\tpush %%rcx\n\tiretq\n1:"
                 :
                 :
                 : "rcx", "rdx", "memory", "cc");
}

void bench_traps(void)
{
    group("exceptions");
    measure("iret hypercall, kernel to kernel", ONLY, 1, NULL, bench_do_iret);
    measure("plain iretq, kernel to kernel", ONLY, 1, NULL, plain_iretq);
    must(set_trap_gate(TRAP_BP, 3, true, bench_int3_plain), "gate");
    measure("int3 in kernel, handler, plain iretq", ONLY, 1, NULL, breakpoint);
    must(set_trap_gate(TRAP_BP, 3, true, bench_int3_hypercall), "gate");
    measure("int3 in kernel, handler, iret hypercall", ONLY, 1, NULL, breakpoint);
    must(set_trap_gate(TRAP_PF, 0, true, bench_fault), "gate");
    measure("page fault in kernel, handler, iret hypercall", ONLY, 1, NULL, bench_do_fault);
    traps_init();
}
