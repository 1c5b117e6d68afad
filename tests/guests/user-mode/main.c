/* SPDX-License-Identifier: MIT */
/*
 * User mode: its own page tables, into which the kernel does not appear; system calls, software
 * interrupts and faults arrive on the kernel stack named by stack_switch, and know that they came
 * from user mode; a hypercall number in user mode is only a system call of the guest. Idea:
 * XSA-213, XSA-7; the 64-bit ABI runs kernel and user in the same ring, so page tables alone keep
 * them apart.
 */
#include "../lib/user.h"

static void *context[5];                    /* for __builtin_setjmp: the way back into the test */
static struct trap_frame seen;
static bool from_user;
static char kernel_stack[16384] __attribute__((aligned(16)));

/* Any entry from user mode ends the experiment: note it and return to where the test stands. */
static bool note(struct trap_frame *frame)
{
    if (!frame_from_user(frame)) return false;
    seen = *frame;
    from_user = true;
    __builtin_longjmp(context, 1);
}

static void system_call(struct trap_frame *frame)
{
    (void)note(frame);
}

/* Runs these bytes in user mode until they come back to the kernel by any way. */
static void run_user(const void *bytes, size_t length, uint64_t rsp)
{
    struct user_context user = {
        .rip = USER_CODE, .rsp = rsp, .rflags = 0x202, .rdi = 0x1111, .rsi = 0x2222
    };

    from_user = false;
    user_code(bytes, length);
    memset(&seen, 0, sizeof(seen));
    if (__builtin_setjmp(context) == 0)
        enter_user_mode(&user);
    events_unmask_all();
    CHECK(from_user);
}
#define RUN(...) \
    do { \
        static const unsigned char bytes_[] = { __VA_ARGS__ }; \
        run_user(bytes_, sizeof(bytes_), USER_STACK + 0xff8); \
    } while (0)

static void calls_and_faults(void)
{
    /* mov $18, %eax (console_io's number); syscall */
    RUN(0xb8, 18, 0, 0, 0, 0x0f, 0x05);
    CHECK_IS(seen.vector, TRAP_FRAME_SYSCALL);
    CHECK_IS(seen.rax, 18);
    CHECK_IS(seen.rdi, 0x1111);
    CHECK_IS(seen.rsi, 0x2222);
    CHECK_IS(seen.rip, USER_CODE + 7);
    CHECK_IS(seen.rsp, USER_STACK + 0xff8);

    RUN(0xcc);                                              /* int3 */
    CHECK_IS(seen.vector, TRAP_BP);
    CHECK_IS(seen.rip, USER_CODE + 1);
    RUN(0xcd, 0x80);                                        /* int $0x80: no gate */
    CHECK_IS(seen.vector, TRAP_GP);
    CHECK_IS(seen.error, 0x80 * 8 | 2);
    RUN(0xfa);                                              /* cli */
    CHECK_IS(seen.vector, TRAP_GP);
    RUN(0x0f, 0x06);                                        /* clts: emulated for the kernel only */
    CHECK_IS(seen.vector, TRAP_GP);
    RUN(0x0f, 0x20, 0xd8);                                  /* mov %cr3, %rax */
    CHECK_IS(seen.vector, TRAP_GP);
    RUN(0x0f, 0x0b);                                        /* ud2 */
    CHECK_IS(seen.vector, TRAP_UD);
    RUN(0x31, 0xc9, 0xf7, 0xf1);                            /* div by zero */
    CHECK_IS(seen.vector, TRAP_DE);
    RUN(0xf4);                                              /* hlt */
    CHECK_IS(seen.vector, TRAP_GP);
}

static void memory_is_apart(void)
{
    RUN(0xc7, 0x04, 0x25, 0x00, 0x30, 0x00, 0x20, 1, 0, 0, 0);     /* movl $1, 0x20003000 */
    CHECK_IS(seen.vector, TRAP_PF);
    CHECK_IS(fault_address(), 0x20003000);
    CHECK_IS(seen.error & (PF_PRESENT | PF_WRITE | PF_USER), PF_WRITE | PF_USER);
    /* mov %al, USER_CODE: read-only */
    RUN(0x88, 0x04, 0x25, 0x00, 0x00, 0x00, 0x10);
    CHECK_IS(seen.vector, TRAP_PF);
    CHECK_IS(seen.error & (PF_PRESENT | PF_WRITE | PF_USER), PF_PRESENT | PF_WRITE | PF_USER);
    /* movabs IMAGE_BASE, %rax: the kernel is not there */
    RUN(0x48, 0xa1, 0, 0, 0, 0x80, 0xff, 0xff, 0xff, 0xff);
    CHECK_IS(seen.vector, TRAP_PF);
    CHECK_IS(fault_address(), IMAGE_BASE);
    CHECK(seen.error & PF_USER);
    /* movabs 0xffff830000000000, %rax: the hypervisor */
    RUN(0x48, 0xa1, 0, 0, 0, 0, 0, 0x83, 0xff, 0xff);
    CHECK_IS(seen.vector, TRAP_PF);
}

/* A store to a page table is done for the kernel only, even if user mode has the same page at the
 * same address. */
static void tables_are_the_kernels(unsigned long root)
{
    uint64_t *table = new_table(), *page = alloc_zeroed_page(),
             value = virt_to_machine(page) | PROT_RO;
    unsigned int slot = (unsigned long)table >> 39 & 511;
    const uint64_t *kernel = (const uint64_t *)mfn_to_virt(kernel_root_mfn);
    /* movabs table, %rax; movq $0, (%rax) */
    unsigned char code[] = { 0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0x48, 0xc7, 0x00, 0, 0, 0, 0 };

    NEED(page && write_entry(virt_to_machine(table), value) == 0 &&
         mmuext_mfn(MMUEXT_PIN_L1_TABLE, virt_to_mfn(table)) == 0);
    value = *table;
    NEED(write_entry(((uint64_t)root << PAGE_SHIFT) + slot * 8,
                     (kernel[slot] & PTE_MFN_MASK) | PROT_TABLE) == 0);
    memcpy(code + 2, &table, sizeof(table));
    run_user(code, sizeof(code), USER_STACK + 0xff8);
    CHECK_IS(seen.vector, TRAP_PF);
    CHECK_IS(seen.error & (PF_PRESENT | PF_WRITE | PF_USER), PF_PRESENT | PF_WRITE | PF_USER);
    CHECK_IS(fault_address(), (unsigned long)table);
    CHECK_IS(*table, value);
    *(volatile uint64_t *)table = 0;                        /* and for the kernel it is */
    CHECK_IS(*table, 0);
    NEED(write_entry(((uint64_t)root << PAGE_SHIFT) + slot * 8, 0) == 0);
    CHECK_IS(mmuext_mfn(MMUEXT_UNPIN_TABLE, virt_to_mfn(table)), 0);
}

static void odd_ways_in(void)
{
    uint64_t flags;

    /* NT set, then syscall: the flag must not follow into ring 0, nor hurt the kernel. */
    RUN(0x9c, 0x81, 0x0c, 0x24, 0x00, 0x40, 0, 0, 0x9d, 0x0f, 0x05);
    CHECK_IS(seen.vector, TRAP_FRAME_SYSCALL);
    CHECK_IS(seen.rflags & 0x4000, 0x4000);
    asm volatile("pushf; pop %0" : "=r" (flags));
    CHECK_IS(flags & 0x4000, 0);
    /* AC set; then a stack pointer that is nobody's. */
    RUN(0x9c, 0x81, 0x0c, 0x24, 0x00, 0x00, 4, 0, 0x9d, 0x0f, 0x05);
    CHECK_IS(seen.vector, TRAP_FRAME_SYSCALL);
    CHECK_IS(seen.rflags & 0x40000, 0x40000);
    asm volatile("pushf; pop %0" : "=r" (flags));
    CHECK_IS(flags & 0x40000, 0);
    run_user("\x0f\x05", 2, 0xffff830000000000UL);
    CHECK_IS(seen.vector, TRAP_FRAME_SYSCALL);
    run_user("\x0f\x05", 2, 0x800000000000UL);
    CHECK_IS(seen.vector, TRAP_FRAME_SYSCALL);
    /* Single step: one trap, in user mode. */
    RUN(0x9c, 0x81, 0x0c, 0x24, 0x00, 0x01, 0, 0, 0x9d, 0x90, 0x90);
    CHECK_IS(seen.vector, TRAP_DB);
}

void test_main(void)
{
    unsigned long root = user_space();

    set_kernel_stack((unsigned long)kernel_stack + sizeof(kernel_stack));
    NEED(set_syscall_handler(system_call, true) == 0);
    for (unsigned int vector = 0; vector < 20; vector++)
        if (vector != TRAP_NMI && vector != TRAP_DF)
            set_trap_handler(vector, note);
    calls_and_faults();
    memory_is_apart();
    tables_are_the_kernels(root);
    odd_ways_in();
    user_space_end();
}
