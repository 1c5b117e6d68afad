/* SPDX-License-Identifier: MIT */
/*
 * Round trips from user mode: a system call, a software interrupt, a page fault. The measuring loop itself runs in user
 * mode (bench_user_code in entry.asm), in tables of its own as a process has, and leaves its samples in a page.
 */
#include "bench.h"

#include <xen/callback.h>

#define USER_CODE 0x400000UL        /* bench_user_code, read-only */
#define USER_DATA 0x401000UL        /* samples: three kinds of SAMPLES each, at its start; its end is the stack */

static uint64_t *tables[4], *data;

static long make_user_space(void)
{
    static uint64_t *code;

    for (unsigned int i = 0; i < 4; i++)
        tables[i] = new_page();
    code = new_page();
    data = new_page();
    memcpy(code, bench_user_code, (size_t)(bench_user_code_end - bench_user_code));
    tables[0][(USER_CODE >> 12) & 511] = (virt_to_mfn(code) << PAGE_SHIFT) | PROT_EXEC | PTE_USER;
    tables[0][(USER_DATA >> 12) & 511] = (virt_to_mfn(data) << PAGE_SHIFT) | PROT_RW | PTE_USER;
    tables[1][USER_CODE >> 21] = (virt_to_mfn(tables[0]) << PAGE_SHIFT) | PROT_TABLE;
    tables[2][0] = (virt_to_mfn(tables[1]) << PAGE_SHIFT) | PROT_TABLE;
    tables[3][0] = (virt_to_mfn(tables[2]) << PAGE_SHIFT) | PROT_TABLE;
    for (unsigned int i = 0; i < 4; i++)
        set_readonly(tables[i], true);
    pt_pin(4, virt_to_mfn(tables[3]));
    pt_new_user_base(virt_to_mfn(tables[3]));
    return pt_flush();
}

void measure_user_mode(void)
{
    struct callback_register syscall = { .type = CALLBACKTYPE_syscall, .address = (unsigned long)bench_syscall };
    long error = make_user_space();

    error = error ? error : HYPERVISOR_callback_op(CALLBACKOP_register, &syscall);
    error = error ? error : set_trap_gate(0x80, 3, false, bench_int80);
    error = error ? error : set_trap_gate(TRAP_PF, 0, false, bench_user_fault);
    if (error) {
        report_refused("user mode", "system call round trip", "-", error);
        return;
    }
    bench_run_user(USER_CODE, USER_DATA + PAGE_SIZE - 16);
    traps_init();
    report("user mode", "system call round trip", "hypercall", median(data, SAMPLES));
    report("user mode", "int 0x80 round trip", "trap", median(data + SAMPLES, SAMPLES));
    report("user mode", "page fault round trip", "trap", median(data + 2 * SAMPLES, SAMPLES));
}
