/* SPDX-License-Identifier: MIT */
/*
 * The iret hypercall returns to where its frame says with every register the frame names, and takes
 * the event mask from the frame's IF; what a guest may not choose (IOPL, NT, VM, an IF of zero)
 * never reaches the CPU. Idea: invariant I7; XSA-7, XSA-44, XSA-136, XSA-202. The frame is struct
 * iret_context of arch-x86/xen-x86_64.h.
 */
#include "../lib/test.h"

#define FREE_FLAGS 0x200cd5UL               /* a guest's own business: CF PF AF ZF SF DF OF ID */

/* CS with RPL 0 is how a 64-bit kernel says "to kernel mode"; RPL 3 would mean its user. Issues the
 * iret hypercall with this frame on the stack; comes back after the `1:`, with rflags and rax as
 * they are then.
 */
static void iret_with(uint64_t how, uint64_t flags_wanted, uint64_t rax_wanted, uint64_t *flags,
                      uint64_t *rax, uint64_t *r11)
{
    asm volatile("mov %%rsp, %%rbx\n\tmov %%ss, %%ecx\n\tmov $0xe030, %%edx\n\t"
                 "push %%rcx\n\tpush %%rbx\n\tpush %[wanted]\n\tpush %%rdx\n\tlea 1f(%%rip), "
                 "%%rcx\n\tpush %%rcx\n\t"
                 "push %[how]\n\tpush $0x77\n\tpush $0x1234\n\tpush %[rax_in]\n\t"
                 "mov %[number], %%eax\n\tsyscall\n\tud2\n1:\tmov %%rax, %[rax_out]\n\tmov %%r11, "
                 "%[r11_out]\n\tpushf\n\tpop %[flags_out]"
                 : [flags_out] "=&r"(*flags), [rax_out] "=&r"(*rax), [r11_out] "=&r"(*r11)
                 : [how] "r"(how), [wanted] "r"(flags_wanted), [rax_in] "r"(rax_wanted),
                   [number] "i"(__HYPERVISOR_iret)
                 : "rax", "rbx", "rcx", "rdx", "r11", "memory", "cc");
}

static void iret_here(uint64_t flags_wanted, uint64_t rax_wanted, uint64_t *flags, uint64_t *rax,
                      uint64_t *r11)
{
    iret_with(0, flags_wanted, rax_wanted, flags, rax, r11);
}

static void registers_come_from_the_frame(void)
{
    uint64_t flags, rax, r11;

    iret_here(0x202, 0xfeedface, &flags, &rax, &r11);
    CHECK_IS(rax, 0xfeedface);
    CHECK_IS(r11, 0x1234);
    CHECK(flags & 0x200);
    iret_here(0x202 | 0x8d5, 1, &flags, &rax, &r11);
    CHECK_IS(flags & 0x8d5, 0x8d5);
    /* but for VGCF_in_syscall, which leaves RCX and R11 to SYSRET */
    for (unsigned int bit = 0; bit < 64; bit++) {
        iret_with(1UL << bit, 0x202, bit, &flags, &rax, &r11);
        CHECK_IS(rax, bit);
        if (1UL << bit != VGCF_in_syscall)
            CHECK_IS(r11, 0x1234);
    }
}

static void mask_comes_from_the_frame(void)
{
    uint64_t flags, rax, r11;

    events_mask_all();
    iret_here(0x202, 0, &flags, &rax, &r11);
    CHECK(!events_masked());
    iret_here(0x002, 0, &flags, &rax, &r11);
    CHECK(events_masked());
    CHECK(flags & 0x200);                   /* the CPU's own IF stays on */
    events_unmask_all();
}

static void forbidden_flags_do_not_pass(void)
{
    uint64_t flags, rax, r11;

    iret_here(0x202 | 0x3000, 0, &flags, &rax, &r11);      /* IOPL 3 */
    CHECK_IS(flags & 0x3000, 0);
    /* NT: the next iretq would fault; Xen lets it pass, it is the guest's */
    iret_here(0x202 | 0x4000, 0, &flags, &rax, &r11);
    if (on_domus())
        CHECK_IS(flags & 0x4000, 0);
    iret_here(0x202 | 0x20000, 0, &flags, &rax, &r11);     /* VM */
    CHECK_IS(flags & 0x20000, 0);
    asm volatile("pushf; andl $~0x4000, (%%rsp); popf" ::: "memory", "cc");
}

/* The flags are those of the frame, whatever they were before. */
static void plain_iretq_works_in_the_kernel(void)
{
    static const uint64_t frames[] = { 0x202, 0x202 | FREE_FLAGS, 0x602,
                                       0x202 | (FREE_FLAGS & ~0x400) };

    for (unsigned int i = 0; i < 8; i++) {
        uint64_t before = i & 1 ? 0x202 | FREE_FLAGS : 0x202, wanted = frames[i / 2], flags = 0;

        asm volatile("mov %%rsp, %%rbx\n\tmov %%ss, %%ecx\n\tpush %%rcx\n\tpush %%rbx\n\tpush "
                     "%[wanted]\n\tmov %%cs, %%edx\n\tpush %%rdx\n\t"
                     "lea 1f(%%rip), %%rcx\n\tpush %%rcx\n\tpush "
                     "%[before]\n\tpopf\n\tiretq\n\tud2\n1:\tpushf\n\tpop %[flags]\n\tcld"
                     : [flags] "=&r"(flags)
                     : [wanted] "r"(wanted), [before] "r"(before)
                     : "rbx", "rcx", "rdx", "memory", "cc");
        CHECK_IS(flags & (0x202 | FREE_FLAGS), wanted);
    }
}

void test_main(void)
{
    registers_come_from_the_frame();
    mask_comes_from_the_frame();
    forbidden_flags_do_not_pass();
    plain_iretq_works_in_the_kernel();
}
