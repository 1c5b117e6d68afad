/* SPDX-License-Identifier: MIT */
/* Rows about calls and registers: the empty call, the same alone and in a multicall, and each
 * privileged register by hypercall and by the instruction that traps. */
#include "bench.h"

#define MSR_EFER    0xc0000080
#define MSR_FS_BASE 0xc0000100

static struct multicall_entry calls[16];
static uint64_t *gdt;
static unsigned long gdt_frame;

static void null_call(void)
{
    (void)HYPERVISOR_xen_version(XENVER_version, NULL);
}
static void null_call_raw(void)
{
    (void)hypercall_by_syscall(__HYPERVISOR_xen_version, XENVER_version, 0, 0, 0, 0);
}
static void run_multicall(void)
{
    (void)HYPERVISOR_multicall(calls, 16);
}
static void taskswitch(void)
{
    (void)HYPERVISOR_fpu_taskswitch(0);
}
static void clts(void)
{
    asm volatile("clts");
}
static void set_fs_base(void)
{
    (void)HYPERVISOR_set_segment_base(SEGBASE_FS, 0x1000);
}
static void stack_switch(void)
{
    (void)HYPERVISOR_stack_switch(0xe02b, 0xffffffff80001000UL);
}
static void set_timer(void)
{
    (void)HYPERVISOR_set_timer_op(0x7000000000000000L);
}
static void yield(void)
{
    vcpu_yield();
}
static void update_descriptor(void)
{
    (void)HYPERVISOR_update_descriptor(virt_to_machine(&gdt[5]), 0x00cff3000000ffffUL);
}
static void set_gdt(void)
{
    (void)HYPERVISOR_set_gdt(&gdt_frame, 16);
}
static void set_debugreg(void)
{
    (void)HYPERVISOR_set_debugreg(1, 0x1000);
}
static void move_to_debugreg(void)
{
    asm volatile("mov %0, %%dr1" : : "r"(0x1000UL));
}
static void read_cr3(void)
{
    unsigned long v;
    asm volatile("mov %%cr3, %0" : "=r"(v));
}
static void read_efer(void)
{
    asm volatile("rdmsr" : : "c"(MSR_EFER) : "eax", "edx");
}
static void write_fs_base(void)
{
    asm volatile("wrmsr" : : "c"(MSR_FS_BASE), "a"(0x1000), "d"(0));
}
static void in_port(void)
{
    asm volatile("inb $0x61, %%al" : : : "eax");
}
static void cpuid_prefixed(void)
{
    asm volatile("ud2a; .ascii \"xen\"; cpuid" : : "a"(1), "c"(0) : "ebx", "edx");
}
static void cpuid_plain(void)
{
    unsigned int a = 1, c = 0;
    asm volatile("cpuid" : "+a"(a), "+c"(c) : : "ebx", "edx");
}
static void mask_by_memory(void)
{
    events_mask_all();
}
static void cli(void)
{
    asm volatile("cli");
}

static void fill_multicall(void)
{
    for (int i = 0; i < 16; i++)
        calls[i] = (struct multicall_entry){ .op = __HYPERVISOR_xen_version,
                                             .args = { XENVER_version } };
}

void bench_calls(void)
{
    struct physdev_set_iopl iopl = { .iopl = 1 };

    gdt = bench_table();
    gdt_frame = virt_to_mfn(gdt);
    must(HYPERVISOR_set_gdt(&gdt_frame, 16), "set_gdt");
    must(HYPERVISOR_physdev_op(PHYSDEVOP_set_iopl, &iopl), "set_iopl");

    group("calls and registers");
    measure("null hypercall (XENVER_version)", CALL, 1, NULL, null_call);
    measure("null hypercall, raw syscall", CALL, 1, NULL, null_call_raw);
    measure("multicall of 16 nulls, per call", CALL, 16, fill_multicall, run_multicall);
    measure("clear TS (fpu_taskswitch / clts)", CALL, 1, NULL, taskswitch);
    measure("clear TS (fpu_taskswitch / clts)", TRAP, 1, NULL, clts);
    measure("FS base (set_segment_base / wrmsr)", CALL, 1, NULL, set_fs_base);
    measure("FS base (set_segment_base / wrmsr)", TRAP, 1, NULL, write_fs_base);
    measure("rdmsr EFER", TRAP, 1, NULL, read_efer);
    measure("debug register (set_debugreg / mov to dr1)", CALL, 1, NULL, set_debugreg);
    measure("debug register (set_debugreg / mov to dr1)", TRAP, 1, NULL, move_to_debugreg);
    measure("mov from cr3", TRAP, 1, NULL, read_cr3);
    measure("in from a permitted port", TRAP, 1, NULL, in_port);
    measure("CPUID, forced prefix", TRAP, 1, NULL, cpuid_prefixed);
    measure("CPUID, plain", ONLY, 1, NULL, cpuid_plain);
    measure("mask events (a byte in memory / cli)", CALL, 1, NULL, mask_by_memory);
    measure("mask events (a byte in memory / cli)", TRAP, 1, NULL, cli);
    measure("update_descriptor", CALL, 1, NULL, update_descriptor);
    measure("set_gdt", CALL, 1, NULL, set_gdt);
    measure("stack_switch", CALL, 1, NULL, stack_switch);
    measure("yield, and nobody else waits", CALL, 1, NULL, yield);
    measure("set_timer_op", CALL, 1, NULL, set_timer);
    set_timer();
}
