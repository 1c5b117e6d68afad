/* SPDX-License-Identifier: MIT */
/*
 * A processor is set up: what its registers hold then, bit by bit, as the manuals have the bits and
 * not by the names that the file under test uses; descriptors and TSS are read as the CPU reads
 * them. Privileged instructions fault (faults_host.h); selectors are taken note of, not loaded.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <setjmp.h>
#include <asm/prctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>
#undef fail                                     /* the hypervisor has one, too */
#include "faults_host.h"
#include "lib/printk.h"
#include "machine/cpu.h"
#include "machine/segments.h"
#include "steps_host.h"

/* Where the assembler's part would be. */
const char syscall_entry[1] = "", syscall32_entry[1] = "";

static struct { uint32_t last_leaf, features_c, features_b, xstate, area; } model;
static _Alignas(4096) struct cpu_stacks stacks;
/* Where each byte of its address is another. */
#define CPU_AT 0x5a89abcd1000
static struct cpu *cpu;
static uint64_t selectors[6], cs, msrs[8];      /* es, cs, ss, ds, fs, gs */
static const uint32_t msr_numbers[8] = {
    0xc0000101, 0xc0000102, 0xc0000080, 0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, 0x277,
};
static uint64_t sysenter_cs;

int log_level = LOG_WARN;
static char logged[200];
void printk_at(int level, const char *format, ...)
{
    va_list args;

    assert_int_equal(level, LOG_WARN);
    va_start(args, format);
    vsnprintf(logged, sizeof(logged), format, args);
    va_end(args);
}

/* An Intel CPU answers for a leaf behind its last one as for the last. */
struct cpuid_regs host_cpuid(uint32_t leaf, uint32_t subleaf)
{
    assert_int_equal(subleaf, 0);
    switch (MIN(leaf, MAX(model.last_leaf, 1u))) {
    case 0: return (struct cpuid_regs){ .a = model.last_leaf, .b = ~0u, .c = ~0u, .d = ~0u };
    case 1: return (struct cpuid_regs){ ~0u, ~model.features_c, model.features_c, ~0u };
    case 7: return (struct cpuid_regs){ 0, model.features_b, ~model.features_b, 0 };
    case 13:
        return (struct cpuid_regs){ model.xstate, hardware_xcr0 ? model.area : 576, 0xffff, 0 };
    }
    return (struct cpuid_regs){ ~0u, ~0u, ~0u, ~0u };
}

static uint64_t *msr_of(uint32_t number)
{
    if (number == 0x174) return &sysenter_cs;
    for (unsigned int i = 0; i < ARRAY_SIZE(msr_numbers); i++)
        if (msr_numbers[i] == number) return &msrs[i];
    return NULL;
}
uint64_t host_rdmsr(uint32_t number)
{
    return *msr_of(number);
}
void host_wrmsr(uint32_t number, uint64_t value)
{
    assert_non_null(msr_of(number));
    *msr_of(number) = value;
    if (number == 0xc0000101)
        step("gs base with selector %lx. ", selectors[5]);
}
uint64_t host_rdtsc(void)
{
    return 0;
}
uint64_t host_read_cr0(void)
{
    return hardware_cr[0];
}

/* --- selectors --- */

#define TRAP_FLAG 0x100

/* Those behind the first, which alone faults, are taken note of one by one. */
static bool takes_selector(greg_t *r)
{
    const uint8_t *at = (const uint8_t *)r[REG_RIP];
    unsigned int rex = (*at & 0xf0) == 0x40 ? *at++ : 0;

    if (*at != 0x8e) return false;
    selectors[at[1] >> 3 & 7] = (uint16_t)*register_of(r, (at[1] & 7u) + (rex & 1 ? 8 : 0));
    r[REG_RIP] += (rex != 0) + 2;
    return true;
}

static void after_instruction(int number, siginfo_t *info, void *context)
{
    greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
    const uint8_t *at;

    while (takes_selector(r))
        ;
    at = (const uint8_t *)r[REG_RIP];
    if (at[0] == 0x0f)                          /* LTR */
        r[REG_EFL] &= ~TRAP_FLAG;
}

static void fault(int number, siginfo_t *info, void *context)
{
    greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
    const uint8_t *at = (const uint8_t *)r[REG_RIP];
    const uint64_t *stack = (const uint64_t *)r[REG_RSP];

    if (at[0] == 0x48 && at[1] == 0xcb) {       /* LRETQ */
        r[REG_RIP] = (greg_t)stack[0];
        cs = stack[1];
        r[REG_RSP] += 16;
        step("cs. ");
    } else if (takes_selector(r)) {
        r[REG_EFL] |= TRAP_FLAG;
        after_instruction(number, info, context);
    } else {
        privileged_faults(number, info, context);
    }
}

static void note(const char *what, uint64_t number, uint64_t value)
{
    if (strcmp(what, "cr"))
        step("%s. ", what);
    else
        step("cr%lu. ", number);
    if (!strcmp(what, "tr"))
        assert_true(value == 0xe040 && cs == 0xe008 && selectors[2] == 0xe010);
}

/* cmocka has its own handlers: a test begins with this. */
static void begin(void)
{
    struct sigaction on_fault = { .sa_sigaction = fault, .sa_flags = SA_SIGINFO },
                     on_step = { .sa_sigaction = after_instruction, .sa_flags = SA_SIGINFO };

    sigaction(SIGSEGV, &on_fault, NULL);
    sigaction(SIGTRAP, &on_step, NULL);
    stored = note;
    memset(cpu, 0, sizeof(*cpu));
    memset(&stacks, 0, sizeof(stacks));
    memset(selectors, 0xee, sizeof(selectors));
    memset(msrs, 0, sizeof(msrs));
    memset(&model, 0, sizeof(model));
    cs = 0;
    sysenter_cs = 0x99;
    msrs[1] = 0x77;
    msrs[2] = 0x500;                            /* LME, LMA: as boot left it */
    hardware_cr[0] = 0x8000000d;                /* PG, TS, EM, PE */
    hardware_cr[4] = hardware_xcr0 = 0;
    hardware_ldt = hardware_tr = 0x88;
    host_cr4 = xsave_mask = xsave_size = 0;
    *steps = '\0';
}

/* --- registers --- */

#define SET_UP "ldt. cs. tr. gs base with selector 0. cr0. cr4. "

static void the_least_cpu(void **state)
{
    begin();
    model.last_leaf = 1;
    model.features_b = ~0u;                     /* of a leaf that it has not */
    cpu_init(cpu, &stacks);
    done(SET_UP);
    /* PG, AM, WP, NE, MP, PE; no more EM and TS */
    assert_int_equal(hardware_cr[0], 0x80050023);
    /* OSXMMEXCPT, OSFXSR, PGE, MCE, PAE, DE */
    assert_int_equal(hardware_cr[4], 0x6e8);
    assert_true(host_cr4 == 0x6e8 && cpu->loaded_cr4 == 0x6e8);
    assert_true(xsave_mask == 0 && xsave_size == 0 && hardware_xcr0 == 0);
    assert_false(cpu_has_smap());
    assert_true(msrs[0] == (uint64_t)cpu && cpu->self == cpu);
    assert_int_equal(msrs[1], 0);               /* the guest's GS base */
    assert_int_equal(msrs[2], 0xd01);           /* and NXE, SCE */
    assert_int_equal(msrs[3], 0xe023e00800000000);
    assert_int_equal(msrs[4], (uint64_t)syscall_entry);
    assert_int_equal(msrs[5], (uint64_t)syscall32_entry);
    assert_int_equal(msrs[6], 0x57700);         /* AC, RF, NT, IOPL, DF, IF, TF */
    assert_int_equal(msrs[7], 0x50100070406);
    assert_int_equal(sysenter_cs, 0);
    for (unsigned int i = 0; i < ARRAY_SIZE(selectors); i++)
        assert_int_equal(selectors[i], i == 1 ? 0xeeeeeeeeeeeeeeee : i == 2 ? 0xe010 : 0);
    assert_true(cs == 0xe008 && hardware_ldt == 0 && hardware_tr == 0xe040);
}

/* Each feature, and nothing that is there beside it. */
static void features(void **state)
{
    static const struct { uint32_t leaf, c, b; uint64_t cr4; } rows[] = {
        { 7, 0, 0, 0 },
        { 7, 0, 1u << 0, 1u << 16 },            /* FSGSBASE */
        { 7, 0, 1u << 7, 1u << 20 },            /* SMEP */
        { 7, 0, 1u << 20, 1u << 21 },           /* SMAP */
        { 13, 1u << 26, 0, 1u << 18 },          /* XSAVE */
        { 13, ~(1u << 26), ~(1u << 0 | 1u << 7 | 1u << 20), 0 },
        { 6, 0, ~0u, 0 },
        { 13, ~0u, ~0u, 0x350000 },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
        bool xsave = rows[i].cr4 >> 18 & 1;

        begin();
        model.last_leaf = rows[i].leaf;
        model.features_c = rows[i].c;
        model.features_b = rows[i].b;
        model.xstate = 0xffff;
        model.area = 2696;
        cpu_init(cpu, &stacks);
        done(xsave ? SET_UP "xcr0. " : SET_UP);
        assert_true(hardware_cr[4] == (rows[i].cr4 | 0x6e8) && host_cr4 == hardware_cr[4]);
        assert_int_equal(cpu->loaded_cr4, host_cr4);
        assert_true(hardware_xcr0 == (xsave ? 0xe7 : 0) && xsave_mask == hardware_xcr0);
        assert_int_equal(xsave_size, xsave ? 2696 : 0);     /* of what is on, not of all */
        assert_true(cpu_has_smap() == (rows[i].cr4 >> 21 & 1));
    }
    model.xstate = 0x207;                       /* with PKRU, which is not for guests */
    cpu_init(cpu, &stacks);
    assert_true(hardware_xcr0 == 7 && xsave_mask == 7);
}

/* --- descriptors and stacks --- */

static uint64_t descriptor(unsigned int selector)
{
    return stacks.gdt[(selector & 0xfff) / 8];
}

static uint64_t field(unsigned int selector, unsigned int first, unsigned int bits)
{
    return descriptor(selector) >> first & ((1ul << bits) - 1);
}

/* type: with S; of the whole address space, in pages. */
static void is_flat(unsigned int selector, unsigned int type, unsigned int dpl, bool of_64_bits)
{
    assert_int_equal(field(selector, 40, 5), type);
    assert_int_equal(field(selector, 45, 2), dpl);
    assert_int_equal(field(selector, 47, 1), 1);
    assert_int_equal(field(selector, 52, 4), of_64_bits ? 0xa : 0xc);       /* G, D or L */
    assert_true(field(selector, 0, 16) == 0xffff && field(selector, 48, 4) == 0xf);
    assert_true(field(selector, 16, 24) == 0 && field(selector, 56, 8) == 0);
}

static void descriptors(void **state)
{
    uint64_t base;

    begin();
    cpu_init(cpu, &stacks);
    is_flat(0xe008, 0x1b, 0, true);
    is_flat(0xe010, 0x13, 0, false);
    is_flat(0xe023, 0x1b, 3, false);
    is_flat(0xe02b, 0x13, 3, false);
    is_flat(0xe033, 0x1b, 3, true);
    base = field(0xe040, 16, 24) | field(0xe040, 56, 8) << 24 | descriptor(0xe048) << 32;
    assert_true(base == (uint64_t)&cpu->tss && descriptor(0xe048) >> 32 == 0);
    assert_int_equal(field(0xe040, 0, 16) | field(0xe040, 48, 4) << 16, 103);
    assert_true(field(0xe040, 40, 8) == 0x89 && field(0xe040, 52, 4) == 0);
    for (unsigned int i = 0; i < 512; i++)      /* and no others */
        assert_true((stacks.gdt[i] != 0) == (i < 10 && (0x376 >> i & 1)));
    /* the whole table, of which our page is the last */
    assert_int_equal(hardware_gdt.limit, 15 * 4096 - 1);
    assert_int_equal(hardware_gdt.base, (uint64_t)stacks.gdt - 14 * 4096);
    assert_ptr_equal(cpu->gdt_page, stacks.gdt);
    hardware_gdt.limit = 0;
    hardware_gdt.base = hardware_ldt = 1;
    cpu_own_descriptors(cpu);
    assert_true(hardware_gdt.limit == 15 * 4096 - 1 && hardware_ldt == 0);
    assert_int_equal(hardware_gdt.base, (uint64_t)stacks.gdt - 14 * 4096);
}

/* As the CPU reads it: by offsets. */
static uint64_t in_tss(unsigned int offset)
{
    uint64_t word;

    memcpy(&word, (const char *)&cpu->tss + offset, sizeof(word));
    return word;
}

static void its_stacks(void **state)
{
    begin();
    cpu_init(cpu, &stacks);
    assert_int_equal(sizeof(cpu->tss), 104);
    assert_int_equal(cpu->stack_top, (uint64_t)stacks.main + 16384);
    for (unsigned int i = 0; i < 4; i++) {
        uint64_t *top = (uint64_t *)(void *)(stacks.ist[i] + 4096) - 2;

        assert_int_equal(in_tss(36 + 8 * i), (uint64_t)top);
        assert_true(top[0] == (uint64_t)cpu && (uint64_t)top % 16 == 0);
    }
    for (unsigned int i = 4; i < 7; i++)
        assert_int_equal(in_tss(36 + 8 * i), 0);
    assert_int_equal(cpu->tss.iomap_base, 104);      /* behind its end: no port */
    assert_int_equal(cpu->timers.lock.rank, LOCK_TIMERS);
}

/* --- NMIs --- */

static void tells(const char *what)
{
    logged[0] = '\0';
    nmi_tell();
    assert_string_equal(logged, what);
    logged[0] = '\0';
    nmi_tell();                                 /* once */
    assert_string_equal(logged, "");
}

static void nmis(void **state)
{
    begin();
    cpu->id = 5;
    cpu->self = cpu;
    syscall(SYS_arch_prctl, ARCH_SET_GS, cpu);
    tells("");
    cpu->nmis[0] = 3;
    cpu->nmi_rip = 0x1234;
    tells("CPU 5: NMIs: 3 in guests, 0 in the hypervisor, the last at 1234");
    cpu->nmis[1] = 2;
    tells("CPU 5: NMIs: 0 in guests, 2 in the hypervisor, the last at 1234");
    cpu->nmis[0]++;
    cpu->nmis[1] += 4;
    cpu->nmi_rip = 0x99;
    tells("CPU 5: NMIs: 1 in guests, 4 in the hypervisor, the last at 99");
}

/* --- MSRs that may be absent --- */

static void msrs_that_may_be_absent(void **state)
{
    uint64_t value = 5;

    begin();
    msrs[7] = 0x1234567890abcdef;
    assert_true(rdmsr_safe(0x277, &value) && value == 0x1234567890abcdef);
    assert_false(rdmsr_safe(0x278, &value));
    assert_int_equal(value, 0);
    assert_true(wrmsr_safe(0x277, 0xfedcba9876543210) && msrs[7] == 0xfedcba9876543210);
    assert_false(wrmsr_safe(0x278, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_least_cpu),
        cmocka_unit_test(features),
        cmocka_unit_test(descriptors),
        cmocka_unit_test(its_stacks),
        cmocka_unit_test(nmis),
        cmocka_unit_test(msrs_that_may_be_absent),
    };

    cpu = mmap((void *)CPU_AT, sizeof(*cpu), PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (cpu == MAP_FAILED) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
