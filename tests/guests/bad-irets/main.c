/* SPDX-License-Identifier: MIT */
/*
 * The iret hypercall with a frame that the CPU refuses: the exception is the guest's own, as if the
 * first instruction there had made it. Its vector and error code are the CPU's (the selector, bit 2
 * with one of the LDT), its frame says where the guest wanted to go, and it comes through the
 * guest's gate for that vector, not by the failsafe callback. Frames to user mode and to kernel
 * mode. Idea: Intel SDM vol. 2, IRET, "64-Bit Mode Exceptions"; an answer that lost the code.
 * A descriptor in a page of the LDT that is not there is a page fault, of the hypercall as of a
 * load.
 */
#include "../lib/user.h"

#define CODE64   0x00affb000000ffffUL
#define CODE32   0x00cffb000000ffffUL
#define CODE0    0x00af9b000000ffffUL
#define DATA     0x00cff3000000ffffUL
#define PRESENT  (1UL << 47)
#define SEL(n)   ((n) << 3 | 3)
#define LDT(n)   (SEL(n) | 4)
#define HV_CODE  0xe00bUL                   /* the hypervisors' own segments begin here; of DPL 0 */
#define BEYOND   0x800000000000UL

enum { NOTHING = 40, GOOD_CODE, GOOD_DATA, ABSENT_CODE, ABSENT_DATA, READ_ONLY };

static union probe_stack stack;
static struct probe *const p = &stack.probe;
static uint64_t *gdt, *ldt;

static void go(uint64_t cs, uint64_t rip, uint64_t rsp, uint64_t ss, uint64_t flags)
{
    probe_user_cs = cs;
    probe_user_rip = rip;
    probe_user_rsp = rsp;
    probe_user_ss = ss;
    p->flags = flags;
    p->way = way_user;
    probe_run(p);
}

static const struct bad {
    const char *what;
    uint64_t cs, ss, rip;
    int64_t vector;
    uint64_t error;
} bad[] = {
    { "CS without a descriptor", SEL(NOTHING), FLAT_USER_SS, USER_CODE, TRAP_GP,
      SEL(NOTHING) & ~3 },
    { "CS of data", SEL(GOOD_DATA), FLAT_USER_SS, USER_CODE, TRAP_GP, SEL(GOOD_DATA) & ~3 },
    { "CS not present", SEL(ABSENT_CODE), FLAT_USER_SS, USER_CODE, TRAP_NP, SEL(ABSENT_CODE) & ~3 },
    { "CS behind the GDT's part", SEL(1500), FLAT_USER_SS, USER_CODE, TRAP_GP, SEL(1500) & ~3 },
    { "CS behind the whole GDT", 0xfff3, FLAT_USER_SS, USER_CODE, TRAP_GP, 0xfff0 },
    { "CS null", 3, FLAT_USER_SS, USER_CODE, TRAP_GP, 0 },
    { "CS of ring 0", HV_CODE, FLAT_USER_SS, USER_CODE, TRAP_GP, HV_CODE & ~3 },
    { "CS of the LDT, nothing", LDT(5), FLAT_USER_SS, USER_CODE, TRAP_GP, LDT(5) & ~3 },
    { "CS of the LDT, absent", LDT(ABSENT_CODE), FLAT_USER_SS, USER_CODE, TRAP_NP,
      LDT(ABSENT_CODE) & ~3 },
    { "CS of the LDT, behind it", LDT(600), FLAT_USER_SS, USER_CODE, TRAP_GP, LDT(600) & ~3 },
    { "SS without a descriptor", FLAT_USER_CS64, SEL(NOTHING), USER_CODE, TRAP_GP,
      SEL(NOTHING) & ~3 },
    { "SS of code", FLAT_USER_CS64, SEL(GOOD_CODE), USER_CODE, TRAP_GP, SEL(GOOD_CODE) & ~3 },
    { "SS read-only", FLAT_USER_CS64, SEL(READ_ONLY), USER_CODE, TRAP_GP, SEL(READ_ONLY) & ~3 },
    { "SS not present", FLAT_USER_CS64, SEL(ABSENT_DATA), USER_CODE, TRAP_SS,
      SEL(ABSENT_DATA) & ~3 },
    { "SS null", FLAT_USER_CS64, 3, USER_CODE, TRAP_GP, 0 },
    { "SS of ring 0", FLAT_USER_CS64, HV_CODE + 8, USER_CODE, TRAP_GP, HV_CODE + 8 - 3 },
    { "SS of the LDT, nothing", FLAT_USER_CS64, LDT(5), USER_CODE, TRAP_GP, LDT(5) & ~3 },
    { "SS of the LDT, absent", FLAT_USER_CS64, LDT(ABSENT_DATA), USER_CODE, TRAP_SS,
      LDT(ABSENT_DATA) & ~3 },
    { "CS before SS", SEL(NOTHING), SEL(ABSENT_DATA), USER_CODE, TRAP_GP, SEL(NOTHING) & ~3 },
    { "RIP beyond", FLAT_USER_CS64, FLAT_USER_SS, BEYOND, TRAP_GP, 0 },
    { "RIP at the other end", FLAT_USER_CS64, FLAT_USER_SS, ~0UL - BEYOND, TRAP_GP, 0 },
    { "good, of the LDT", LDT(GOOD_CODE), LDT(GOOD_DATA), USER_CODE, TRAP_BP, 0 },
    { "good, of the GDT", SEL(GOOD_CODE), SEL(GOOD_DATA), USER_CODE, TRAP_BP, 0 },
};

/* Says which one it was, where it is not as it should be. QEMU has #NP for an SS that is not
 * present, where the manual has #SS. */
static void compare(const struct bad *b, uint64_t cs, uint64_t rip, uint64_t ss, uint64_t rsp)
{
    bool through = b->vector == TRAP_BP,
         vector = p->vector == b->vector || (b->vector == TRAP_SS && p->vector == TRAP_NP);
    bool right = vector && (through || (p->error & 0xffffffff) == b->error) &&
                 p->rip == rip + through && (p->cs & 0xffff) == cs &&
                 (p->ss & 0xffff) == (ss | 3) && p->frame_rsp == rsp;

    if (right)
        test_passed();
    else
        test_failure(__FILE__, __LINE__,
                     "%s, from CS %lx: vector %ld error %lx at %lx:%lx, stack %lx:%lx", b->what, cs,
                     (long)p->vector, p->error, p->cs, p->rip, p->ss, p->frame_rsp);
}

static void to_user_mode(void)
{
    for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        go(bad[i].cs, bad[i].rip, USER_STACK + 0xf00, bad[i].ss, 2);
        compare(&bad[i], bad[i].cs, bad[i].rip, bad[i].ss, USER_STACK + 0xf00);
    }
}

/* RPL 0 in CS stays in the kernel, whose stack is the frame's. */
static void to_kernel_mode(void)
{
    uint64_t here = (unsigned long)&stack + PROBE_STACK - 0x1000;

    for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint64_t cs = bad[i].cs & ~3ul, ss = bad[i].ss & ~3ul,
                 rip = bad[i].rip == USER_CODE ? (unsigned long)way_int3_at : bad[i].rip;

        go(cs, rip, here, ss, 2);
        compare(&bad[i], cs, rip, ss, here);
    }
}

/* By SYSRET the selectors are the flat ones, whatever the frame says; but not to an address that it
 * cannot go to. */
static void by_sysret(void)
{
    probe_user_how = VGCF_in_syscall;
    go(SEL(NOTHING), USER_CODE, USER_STACK + 0xf00, SEL(ABSENT_DATA), 2);
    CHECK_IS(p->vector, TRAP_BP);
    CHECK_IS(p->cs & 0xffff, FLAT_USER_CS64);
    CHECK_IS(p->ss & 0xffff, FLAT_USER_SS);
    go(FLAT_USER_CS64, BEYOND, USER_STACK + 0xf00, FLAT_USER_SS, 2);
    CHECK_IS(p->vector, TRAP_GP);
    CHECK_IS(p->error, 0);
    CHECK_IS(p->rip, BEYOND);
    go(FLAT_USER_CS32, USER_CODE, USER_STACK + 0xf00, FLAT_USER_SS, 2);
    CHECK_IS(p->vector, TRAP_BP);
    CHECK_IS(p->cs & 0xffff, FLAT_USER_CS32);
    probe_user_how = 0;
}

/* What is odd in a frame, but not for the CPU. */
static void frames_that_pass(void)
{
    go(FLAT_USER_CS64, USER_CODE, BEYOND, FLAT_USER_SS, 2);
    CHECK_IS(p->vector, TRAP_BP);
    CHECK_IS(p->frame_rsp, BEYOND);
    /* IOPL 3 and VM are nobody's */
    go(FLAT_USER_CS64, USER_CODE, USER_STACK, FLAT_USER_SS, 0x8d5 | 0x3000 | 0x20000);
    CHECK_IS(p->vector, TRAP_BP);
    CHECK_IS(p->frame_flags & 0x23dd5, 0x8d5);
    /* all but TF, RF and NT */
    go(FLAT_USER_CS64, USER_CODE, USER_STACK, FLAT_USER_SS, ~0ul & ~0x14100ul);
    CHECK_IS(p->vector, TRAP_BP);
    CHECK_IS(p->frame_flags & ~0x240cd7ul & 0xffffffff, 0x202 & ~0xcd7);
    /* selectors have 16 bits */
    go(SEL(GOOD_CODE) | 0xffff0000ul, USER_CODE, USER_STACK, 0xabcd0000ul | SEL(GOOD_DATA), 2);
    CHECK_IS(p->vector, TRAP_BP);
    CHECK_IS(p->cs & 0xffff, SEL(GOOD_CODE));
    CHECK_IS(p->ss & 0xffff, SEL(GOOD_DATA));
}

/* The descriptor is in a page of the LDT that is not there: a page fault, at its address. */
static void absent_descriptors(void)
{
    char *two = vspace_alloc(2);
    struct mmuext_op op = { .cmd = MMUEXT_SET_LDT,
                            .arg1.linear_addr = (unsigned long)two,
                            .arg2.nr_ents = 1024 };

    NEED(two && HYPERVISOR_update_va_mapping((unsigned long)two, virt_to_machine(ldt) | PROT_RO,
                                             UVMF_INVLPG) == 0);
    NEED(HYPERVISOR_mmuext_op(&op, 1, NULL, DOMID_SELF) == 0);
    go(LDT(GOOD_CODE), USER_CODE, USER_STACK + 0xf00, LDT(GOOD_DATA), 2);
    CHECK_IS(p->vector, TRAP_BP);
    go(LDT(600), USER_CODE, USER_STACK + 0xf00, FLAT_USER_SS, 2);
    CHECK_IS(p->vector, TRAP_PF);
    CHECK_IS(fault_address(), two + 600 * 8);
    CHECK_IS(p->rip, USER_CODE);
    CHECK_IS(p->cs & 0xffff, LDT(600));
    go(FLAT_USER_CS64, USER_CODE, USER_STACK + 0xf00, LDT(700), 2);
    CHECK_IS(p->vector, TRAP_PF);
    CHECK_IS(fault_address(), two + 700 * 8);
    /* The same of a load: mov $LDT(800), %eax; mov %eax, %gs. */
    user_code("\xb8\x07\x19\0\0\x8e\xe8", 7);
    go(FLAT_USER_CS64, USER_CODE, USER_STACK + 0xf00, FLAT_USER_SS, 2);
    CHECK_IS(p->vector, TRAP_PF);
    CHECK_IS(fault_address(), two + 800 * 8);
    CHECK_IS(p->rip, USER_CODE + 5);
    op.arg2.nr_ents = 0;
    NEED(HYPERVISOR_mmuext_op(&op, 1, NULL, DOMID_SELF) == 0);
    NEED(HYPERVISOR_update_va_mapping((unsigned long)two, 0, UVMF_INVLPG) == 0);
    vspace_free(two, 2);
}

static void build_tables(void)
{
    unsigned long frame;
    struct mmuext_op op = { .cmd = MMUEXT_SET_LDT, .arg2.nr_ents = 512 };

    gdt = alloc_zeroed_page();
    ldt = alloc_zeroed_page();
    NEED(gdt && ldt);
    gdt[GOOD_CODE] = ldt[GOOD_CODE] = CODE64;
    gdt[GOOD_DATA] = ldt[GOOD_DATA] = DATA;
    gdt[ABSENT_CODE] = ldt[ABSENT_CODE] = CODE64 & ~PRESENT;
    gdt[ABSENT_DATA] = ldt[ABSENT_DATA] = DATA & ~PRESENT;
    gdt[READ_ONLY] = DATA & ~(1UL << 41);
    NEED(page_set_readonly(gdt, true) == 0);
    NEED(page_set_readonly(ldt, true) == 0);
    frame = virt_to_mfn(gdt);
    NEED(HYPERVISOR_set_gdt(&frame, 512) == 0);
    op.arg1.linear_addr = (unsigned long)ldt;
    NEED(HYPERVISOR_mmuext_op(&op, 1, NULL, DOMID_SELF) == 0);
}

void test_main(void)
{
    build_tables();
    (void)user_space();
    user_code("", 0);                       /* int3 everywhere */
    set_kernel_stack((unsigned long)&stack + PROBE_STACK);
    probe_gates(true);
    to_user_mode();
    to_kernel_mode();
    frames_that_pass();
    by_sysret();
    absent_descriptors();
    probe_gates(false);
    user_space_end();
}
