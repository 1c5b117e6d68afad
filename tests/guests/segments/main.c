/* SPDX-License-Identifier: MIT */
/*
 * FS and GS bases: set by hypercall and by wrmsr (emulated), seen by %fs: and %gs: accesses, kept
 * across hypercalls and sleep; a non-canonical base is refused and never reaches the CPU. Idea:
 * XSA-193 (non-canonical base by wrmsr faults in ring 0).
 */
#include "../lib/test.h"

#define MSR_FS_BASE        0xc0000100
#define MSR_GS_BASE        0xc0000101
#define MSR_KERNEL_GS_BASE 0xc0000102

static uint64_t cells[2] = { 0x1111, 0x2222 };

static uint64_t at_fs(void)
{
    uint64_t v;
    asm volatile("mov %%fs:0, %0" : "=r"(v));
    return v;
}
static uint64_t at_gs(void)
{
    uint64_t v;
    asm volatile("mov %%gs:0, %0" : "=r"(v));
    return v;
}

struct msr { uint32_t index; uint64_t value; };

static void write_msr(void *argument)
{
    struct msr *msr = argument;
    asm volatile("wrmsr"
                 :
                 : "c"(msr->index), "a"((uint32_t)msr->value), "d"((uint32_t)(msr->value >> 32))
                 : "memory");
}

static void read_msr(void *argument)
{
    struct msr *msr = argument;
    uint32_t low, high;
    asm volatile("rdmsr" : "=a" (low), "=d" (high) : "c" (msr->index));
    msr->value = (uint64_t)high << 32 | low;
}

static void by_hypercall(void)
{
    CHECK_IS(HYPERVISOR_set_segment_base(SEGBASE_FS, (unsigned long)&cells[0]), 0);
    CHECK_IS(HYPERVISOR_set_segment_base(SEGBASE_GS_KERNEL, (unsigned long)&cells[1]), 0);
    CHECK_IS(at_fs(), 0x1111);
    CHECK_IS(at_gs(), 0x2222);
    CHECK_IS(HYPERVISOR_set_segment_base(SEGBASE_GS_USER, (unsigned long)&cells[0]), 0);
    CHECK_IS(at_gs(), 0x2222);
    vcpu_poll(NULL, 0, now_ns() + 20 * NS_PER_MS);
    CHECK_IS(at_fs(), 0x1111);
    CHECK_IS(at_gs(), 0x2222);
}

static void by_msr(void)
{
    struct msr fs = { MSR_FS_BASE, (unsigned long)&cells[1] },
               gs = { MSR_GS_BASE, (unsigned long)&cells[0] }, read = { MSR_FS_BASE, 0 };

    CHECK_IS(trap_in(write_msr, &fs), -1);
    CHECK_IS(at_fs(), 0x2222);
    CHECK_IS(trap_in(read_msr, &read), -1);
    CHECK_IS(read.value, (unsigned long)&cells[1]);
    CHECK_IS(trap_in(write_msr, &gs), -1);
    CHECK_IS(at_gs(), 0x1111);
}

static void non_canonical_is_refused(void)
{
    static const uint64_t bad[] = { 0x800000000000UL, 0xffff7fffffffffffUL, 0x8000000000000000UL };

    for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct msr fs = { MSR_FS_BASE, bad[i] }, gs = { MSR_GS_BASE, bad[i] },
                   other = { MSR_KERNEL_GS_BASE, bad[i] };

        CHECK_REFUSED(HYPERVISOR_set_segment_base(SEGBASE_FS, bad[i]));
        CHECK_REFUSED(HYPERVISOR_set_segment_base(SEGBASE_GS_KERNEL, bad[i]));
        CHECK_REFUSED(HYPERVISOR_set_segment_base(SEGBASE_GS_USER, bad[i]));
        CHECK_IS(trap_in(write_msr, &fs), TRAP_GP);
        CHECK_IS(trap_in(write_msr, &gs), TRAP_GP);
        CHECK_IS(trap_in(write_msr, &other), TRAP_GP);
    }
    CHECK_REFUSED(HYPERVISOR_set_segment_base(77, 0));
    CHECK_IS(at_fs(), 0x2222);
}

/* SEGBASE_GS_USER_SEL names a selector of ours whose base user mode is to have; the kernel's own
 * base stays. A bad one gives 0. */
static void by_selector(void)
{
    static uint64_t gdt[512] __attribute__((aligned(4096)));
    struct msr user = { MSR_KERNEL_GS_BASE, 0 };
    unsigned long frame = virt_to_mfn(gdt);
    uint64_t here;

    gdt[7] = 0x00cff3000000ffffUL | 0x777000UL << 16;
    NEED(page_set_readonly(gdt, true) == 0);
    CHECK_IS(HYPERVISOR_set_gdt(&frame, 512), 0);
    here = at_gs();
    CHECK_IS(HYPERVISOR_set_segment_base(SEGBASE_GS_USER_SEL, 7 << 3 | 3), 0);
    CHECK_IS(trap_in(read_msr, &user), -1);
    CHECK_IS(user.value, 0x777000);
    CHECK_IS(at_gs(), here);
    CHECK_IS(HYPERVISOR_set_segment_base(SEGBASE_GS_USER_SEL, 8 << 3 | 3), 0);
    CHECK_IS(trap_in(read_msr, &user), -1);
    CHECK(user.value != 0x777000 || !on_domus());
    CHECK_IS(at_gs(), here);
    CHECK_IS(HYPERVISOR_set_segment_base(SEGBASE_GS_USER_SEL, 0), 0);
    CHECK_IS(HYPERVISOR_set_gdt(NULL, 0), 0);
    CHECK_IS(page_set_readonly(gdt, false), 0);
}

void test_main(void)
{
    by_hypercall();
    by_msr();
    non_canonical_is_refused();
    by_selector();
}
