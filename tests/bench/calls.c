/* SPDX-License-Identifier: MIT */
/* Calls that do little: what entering and leaving the hypervisor costs, and the small services of a context switch. */
#include "bench.h"

#include <xen/physdev.h>
#include <xen/version.h>

static void null_call(void)
{
    must(HYPERVISOR_xen_version(XENVER_version, NULL));
}

static void forced_cpuid(void)
{
    unsigned int leaf = 0x40000000, b, c = 0, d;

    asm volatile("ud2a; .ascii \"xen\"; cpuid" : "+a" (leaf), "=b" (b), "+c" (c), "=d" (d));
}

static void multicall_nulls(void)
{
    static struct multicall_entry calls[16];

    for (unsigned int i = 0; i < 16; i++)
        calls[i] = (struct multicall_entry){ .op = __HYPERVISOR_xen_version, .args = { XENVER_version } };
    must(HYPERVISOR_multicall(calls, 16));
}

static void taskswitch(void) { must(HYPERVISOR_fpu_taskswitch(0)); }
static void clts(void) { asm volatile("clts"); }
static void stack(void) { must(HYPERVISOR_stack_switch(FLAT_KERNEL_SS, (unsigned long)hypercall_page)); }
static void timer(void) { must(HYPERVISOR_set_timer_op(0)); }
static void segment_base(void) { must(HYPERVISOR_set_segment_base(SEGBASE_FS, 0x1000)); }

static void write_msr(void)
{
    asm volatile("wrmsr" : : "c" (0xc0000100), "a" (0x1000), "d" (0));     /* MSR_FS_BASE */
}

static void read_msr(void)
{
    unsigned int low, high;

    asm volatile("rdmsr" : "=a" (low), "=d" (high) : "c" (0xc0000080));    /* MSR_EFER */
}

static void read_cr0(void)
{
    unsigned long value;

    asm volatile("mov %%cr0, %0" : "=r" (value));
}

/* in, out, cli and sti trap to the emulator once the kernel asked for I/O privilege; without it they are #GP. */
static long ask_iopl(void)
{
    struct physdev_set_iopl iopl = { .iopl = 1 };

    return HYPERVISOR_physdev_op(PHYSDEVOP_set_iopl, &iopl);
}

static void port_in(void)
{
    unsigned char value;

    asm volatile("inb $0x80, %0" : "=a" (value));
}

static void cli(void) { asm volatile("cli"); }

static void mask_events(void)
{
    shared_info.vcpu_info[0].evtchn_upcall_mask = 1;
    asm volatile("" : : : "memory");
    shared_info.vcpu_info[0].evtchn_upcall_mask = 0;
}

/* A GDT of one page. Entry 8 is written over and over with a data descriptor of ring 3. */
#define DESCRIPTOR 0x00cff3000000ffffUL
static unsigned long gdt_frame;
static uint64_t *gdt;

static long make_gdt(void)
{
    if (!gdt) {
        gdt = new_page();
        set_readonly(gdt, true);
        gdt_frame = virt_to_mfn(gdt);
    }
    return HYPERVISOR_set_gdt(&gdt_frame, 512);
}

static void drop_gdt(void) { HYPERVISOR_set_gdt(NULL, 0); }
static void set_gdt(void) { must(HYPERVISOR_set_gdt(&gdt_frame, 512)); }
static void descriptor(void) { must(HYPERVISOR_update_descriptor((gdt_frame << PAGE_SHIFT) + 8 * 8, DESCRIPTOR)); }

#define CALL(name_, form_, run_) { .group = "calls", .name = name_, .form = form_, .units = 1, .run = run_ }
const struct operation call_operations[] = {
    CALL("null call (xen_version; forced-prefix CPUID)", "hypercall", null_call),
    CALL("null call (xen_version; forced-prefix CPUID)", "trap", forced_cpuid),
    { .group = "calls", .name = "null call in a multicall of 16", .form = "hypercall", .units = 16, .run = multicall_nulls },
    CALL("clear TS (fpu_taskswitch; clts)", "hypercall", taskswitch),
    CALL("clear TS (fpu_taskswitch; clts)", "trap", clts),
    CALL("set FS base (set_segment_base; wrmsr)", "hypercall", segment_base),
    CALL("set FS base (set_segment_base; wrmsr)", "trap", write_msr),
    CALL("rdmsr EFER", "trap", read_msr),
    CALL("mov from cr0", "trap", read_cr0),
    { .group = "calls", .name = "in from a permitted port", .form = "trap", .units = 1, .prepare = ask_iopl, .run = port_in },
    { .group = "calls", .name = "mask events (a store, and its undoing; cli)", .form = "hypercall", .units = 1, .run = mask_events },
    { .group = "calls", .name = "mask events (a store, and its undoing; cli)", .form = "trap", .units = 1, .prepare = ask_iopl, .run = cli },
    { .group = "calls", .name = "update_descriptor", .form = "hypercall", .units = 1, .prepare = make_gdt, .run = descriptor, .cleanup = drop_gdt },
    { .group = "calls", .name = "set_gdt", .form = "hypercall", .units = 1, .prepare = make_gdt, .run = set_gdt, .cleanup = drop_gdt },
    CALL("stack_switch", "hypercall", stack),
    CALL("set_timer_op", "hypercall", timer),
    { .name = NULL },
};
