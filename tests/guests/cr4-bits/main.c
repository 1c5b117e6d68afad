/* SPDX-License-Identifier: MIT */
/*
 * What a guest chooses in its CR4 is what its instructions find, in its kernel and in its user
 * mode: FSGSBASE decides whether there are RDFSBASE and its like, OSXSAVE whether there is XSETBV
 * and what CPUID says of it, TSD whether user mode may read the TSC, DE whether debug registers 4
 * and 5 have names. What it may not choose stays as it is. XGETBV and XSAVE are there whenever the
 * hypervisor has them. Idea: XSA-293 (a guest's CR4 made of the CPU's, and instructions that a
 * kernel thinks nobody has).
 */
#include "../lib/user.h"

#define TSD      (1UL << 2)
#define DE       (1UL << 3)
#define FSGSBASE (1UL << 16)
#define OSXSAVE  (1UL << 18)
#define CHOICE   (TSD | DE | FSGSBASE | OSXSAVE)
#define FOR_GOOD 0x660UL
#define ALWAYS   0UL                    /* depends on no bit */
#define CPUID_OSXSAVE (1UL << 27)

static union probe_stack stack;
static struct probe *const p = &stack.probe;
static uint8_t image[4096] __attribute__((aligned(64)));

/* The traps, where the bit is off and where it is on; PROBE_THROUGH in user mode means that it came
 * to the int3 behind. */
static const struct row {
    const char *name;
    uint64_t bit;
    int64_t kernel_off, kernel_on, user_off, user_on;
    uint64_t rax;
    uint8_t bytes[7];
    unsigned int length;
} rows[] = {
    { "rdfsbase",
      FSGSBASE,
      TRAP_UD,
      PROBE_THROUGH,
      TRAP_UD,
      PROBE_THROUGH,
      0,
      { 0xf3, 0x48, 0x0f, 0xae, 0xc0 },
      5 },
    { "rdgsbase",
      FSGSBASE,
      TRAP_UD,
      PROBE_THROUGH,
      TRAP_UD,
      PROBE_THROUGH,
      0,
      { 0xf3, 0x48, 0x0f, 0xae, 0xc8 },
      5 },
    { "wrfsbase",
      FSGSBASE,
      TRAP_UD,
      PROBE_THROUGH,
      TRAP_UD,
      PROBE_THROUGH,
      0x1234,
      { 0xf3, 0x48, 0x0f, 0xae, 0xd0 },
      5 },
    { "wrgsbase",
      FSGSBASE,
      TRAP_UD,
      PROBE_THROUGH,
      TRAP_UD,
      PROBE_THROUGH,
      0x1234,
      { 0xf3, 0x48, 0x0f, 0xae, 0xd8 },
      5 },
    { "xsetbv", OSXSAVE, TRAP_UD, PROBE_THROUGH, TRAP_UD, TRAP_GP, 3, { 0x0f, 0x01, 0xd1 }, 3 },
    { "xgetbv",
      ALWAYS,
      PROBE_THROUGH,
      PROBE_THROUGH,
      PROBE_THROUGH,
      PROBE_THROUGH,
      0,
      { 0x0f, 0x01, 0xd0 },
      3 },
    { "xsave",
      ALWAYS,
      PROBE_THROUGH,
      PROBE_THROUGH,
      PROBE_THROUGH,
      PROBE_THROUGH,
      0,
      { 0x48, 0x0f, 0xae, 0x27 },
      4 },
    { "rdtsc", TSD, PROBE_THROUGH, PROBE_THROUGH, PROBE_THROUGH, TRAP_GP, 0, { 0x0f, 0x31 }, 2 },
    { "rdtscp",
      TSD,
      PROBE_THROUGH,
      PROBE_THROUGH,
      PROBE_THROUGH,
      TRAP_GP,
      0,
      { 0x0f, 0x01, 0xf9 },
      3 },
    { "mov dr4", DE, PROBE_THROUGH, TRAP_UD, TRAP_GP, TRAP_GP, 0, { 0x0f, 0x21, 0xe0 }, 3 },
    { "mov dr6",
      ALWAYS,
      PROBE_THROUGH,
      PROBE_THROUGH,
      TRAP_GP,
      TRAP_GP,
      0,
      { 0x0f, 0x21, 0xf0 },
      3 },
};

static void set_cr4(uint64_t value)
{
    asm volatile("mov %0, %%cr4" : : "r"(value));
}

static uint64_t get_cr4(void)
{
    uint64_t value;

    asm volatile("mov %%cr4, %0" : "=r" (value));
    return value;
}

/* Does the instruction, here or there; what trap it raises. The gates are the probe's own only
 * meanwhile. */
static int64_t run(const struct row *row, bool user)
{
    int64_t vector;

    memset(p->registers, 0, sizeof(p->registers));
    p->registers[RAX] = row->rax;
    p->registers[RDI] = user ? USER_STACK : (unsigned long)image;
    user_code(row->bytes, row->length);
    p->way = user ? way_user : probe_instruction(row->bytes, row->length);
    probe_gates(true);
    vector = probe_run(p);
    probe_gates(false);
    return user && vector == TRAP_BP && p->rip == USER_CODE + row->length + 1 ? PROBE_THROUGH
                                                                              : vector;
}

static void try_row(const struct row *row, uint64_t cr4)
{
    for (int user = 0; user < 2; user++) {
        int64_t wanted = user ? (cr4 & row->bit ? row->user_on : row->user_off)
                              : (cr4 & row->bit ? row->kernel_on : row->kernel_off);
        int64_t vector = run(row, user);

        if (vector == wanted &&
            (vector == PROBE_THROUGH || p->rip == (user ? USER_CODE : probe_instruction_at())))
            test_passed();
        else
            test_failure(__FILE__, __LINE__, "%s in %s mode with CR4 %lx: %ld, not %ld (at %lx)",
                         row->name, user ? "user" : "kernel", cr4, (long)vector, (long)wanted,
                         p->rip);
    }
}

/* By the forced-emulation prefix: user mode sees what its kernel chose, the kernel what it may
 * choose. */
static void what_cpuid_says(uint64_t cr4)
{
    static const struct row cpuid = {
        .name = "cpuid", .rax = 1, .bytes = { 0x0f, 0x0b, 'x', 'e', 'n', 0x0f, 0xa2 }, .length = 7
    };

    CHECK_IS(run(&cpuid, false), PROBE_THROUGH);
    CHECK_IS(p->registers[RCX] & CPUID_OSXSAVE, CPUID_OSXSAVE);
    CHECK_IS(run(&cpuid, true), PROBE_THROUGH);
    CHECK_IS(p->registers[RCX] & CPUID_OSXSAVE, cr4 & OSXSAVE ? CPUID_OSXSAVE : 0);
}

static void with(uint64_t cr4)
{
    set_cr4(cr4);
    CHECK_IS(get_cr4(), (cr4 & CHOICE) | FOR_GOOD);
    for (unsigned int i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        try_row(&rows[i], cr4);
    what_cpuid_says(cr4);
}

void test_main(void)
{
    uint32_t a = 1, b, c = 0, d;

    asm volatile("cpuid" : "+a" (a), "=b" (b), "+c" (c), "=d" (d));
    if (!(c & 1u << 26))
        test_skip("this CPU has no XSAVE");
    CHECK_IS(get_cr4(), FOR_GOOD);              /* as it began: nothing is chosen */
    (void)user_space();
    set_kernel_stack((unsigned long)&stack + PROBE_STACK);
    probe_user_rip = USER_CODE;
    probe_user_rsp = USER_STACK + 0xf00;
    p->flags = 2;
    for (unsigned int i = 0; i < 16; i++)
        with((i & 1 ? TSD : 0) | (i & 2 ? DE : 0) | (i & 4 ? FSGSBASE : 0) | (i & 8 ? OSXSAVE : 0));
    with(~0UL);
    with(1UL << 13 | 1UL << 20 | 1UL << 21);    /* VMXE, SMEP, SMAP: nobody's */
    with(0);
    user_space_end();
}
