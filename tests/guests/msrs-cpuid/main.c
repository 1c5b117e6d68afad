/* SPDX-License-Identifier: MIT */
/*
 * What a guest kernel is told by RDMSR and CPUID, number by number, and what it may write: every
 * MSR that is answered, the exact value where it is ours to choose, and #GP for all others; every
 * CPUID feature that a guest may have is there if the CPU has it, and no other one. Guest user mode
 * gets none of the MSRs. Idea: XSA-293 and 333; the leaves are compared with the CPU's own, which
 * CPUID without the prefix still shows.
 * also on: max,-xsave; qemu64; max,-smap,-smep,-fsgsbase,-umip
 */
#include "../lib/user.h"
#include <xen/arch-x86/cpuid.h>

enum {
#define XEN_CPUFEATURE(name, value) FEATURE_##name = value,
#include <xen/arch-x86/cpufeatureset.h>
};

static union probe_stack stack;
static struct probe *const p = &stack.probe;

static int64_t rdmsr(uint32_t index, uint64_t *value)
{
    p->way = way_rdmsr;
    p->registers[RCX] = 0xdead00000000UL | index;       /* the upper half does not count */
    p->registers[RAX] = p->registers[RDX] = ~0UL;
    (void)probe_run(p);
    *value = p->registers[RDX] << 32 | (uint32_t)p->registers[RAX];
    if (p->vector == PROBE_THROUGH) {
        CHECK_IS(p->registers[RAX] >> 32, 0);
        CHECK_IS(p->registers[RDX] >> 32, 0);
    }
    return p->vector;
}

static int64_t wrmsr(uint32_t index, uint64_t value)
{
    p->way = way_wrmsr;
    p->registers[RCX] = index;
    p->registers[RAX] = 0xdead00000000UL | (uint32_t)value;
    p->registers[RDX] = 0xbeef00000000UL | value >> 32;
    return probe_run(p);
}

/* ---- MSRs ---- */

#define READS(index, wanted) \
    do { \
        uint64_t value_; \
        CHECK_IS(rdmsr(index, &value_), PROBE_THROUGH); \
        CHECK_IS(value_, wanted); \
    } while (0)
#define UNREADABLE(index) \
    do { \
        uint64_t value_; \
        CHECK_IS(rdmsr(index, &value_), TRAP_GP); \
    } while (0)

/* What reads the same value may be written again; another may not. */
static void constant(uint32_t index, uint64_t value)
{
    READS(index, value);
    CHECK_IS(wrmsr(index, value), PROBE_THROUGH);
    CHECK_IS(wrmsr(index, value ^ 2), TRAP_GP);
    READS(index, value);
}

static void of_every_hypervisor(void)
{
    uint64_t value, efer;

    CHECK_IS(rdmsr(0xc0000080, &efer), PROBE_THROUGH);
    CHECK_IS(efer & 0x500, 0x500);                      /* EFER: long mode */
    CHECK_IS(efer & 0x1000, 0);                         /* SVME is nobody's to see */
    CHECK_IS(wrmsr(0xc0000080, efer), PROBE_THROUGH);
    CHECK_IS(rdmsr(0x1b, &value), PROBE_THROUGH);       /* the APIC's base */
    CHECK_IS(value & 0x100, 0x100);
    /* Segment bases: each is its own, and a bad one is refused. */
    for (uint32_t i = 0; i < 3; i++) {
        CHECK_IS(wrmsr(0xc0000100 + i, 0x10000000 * (i + 1)), PROBE_THROUGH);
        CHECK_IS(wrmsr(0xc0000100 + i, 0x800000000000UL), TRAP_GP);
    }
    for (uint32_t i = 0; i < 3; i++)
        READS(0xc0000100 + i, 0x10000000 * (i + 1));
    for (uint32_t i = 0; i < 3; i++)
        CHECK_IS(wrmsr(0xc0000100 + i, 0xffffffffffff0000UL), PROBE_THROUGH);
    READS(0xc0000101, 0xffffffffffff0000UL);
    CHECK_IS(wrmsr(0xc0000100, 0), PROBE_THROUGH);
    CHECK_IS(wrmsr(0xc0000101, 0), PROBE_THROUGH);
    /* LSTAR and its like: the way into ring 0 */
    UNREADABLE(0xc0000082);
    for (uint32_t index = 0xc0000081; index <= 0xc0000084; index++)
        CHECK_IS(wrmsr(index, 0), TRAP_GP);
    CHECK_IS(wrmsr(0x174, 0), TRAP_GP);
    CHECK_IS(wrmsr(0x12345678, 0), TRAP_GP);
    if (wrmsr(0xc0000103, 0x1234) == PROBE_THROUGH) {   /* TSC_AUX */
        READS(0xc0000103, 0x1234);
        p->way = way_rdtscp;                            /* the CPU itself has it */
        if (probe_run(p) == PROBE_THROUGH)
            CHECK_IS(p->registers[RCX], 0x1234);
        CHECK_IS(wrmsr(0xc0000103, 1UL << 32), TRAP_GP);
        READS(0xc0000103, 0x1234);
    }
}

static void of_domus(void)
{
    uint64_t before, after, pat, value;

    CHECK_IS(rdmsr(0x10, &before), PROBE_THROUGH);      /* the TSC goes on, and is not written */
    CHECK_IS(rdmsr(0x10, &after), PROBE_THROUGH);
    CHECK(before && after > before);
    CHECK_IS(wrmsr(0x10, after), TRAP_GP);
    constant(0x1b, 0xfee00900);
    CHECK_IS(rdmsr(0x277, &pat), PROBE_THROUGH);
    CHECK(pat != 0);
    constant(0x277, pat);
    /* part of the ABI: what the bits of an entry mean */
    CHECK_IS(pat, 0x50100070406);
    constant(0x179, 0);                                 /* no machine-check banks */
    constant(0x17a, 0);
    constant(0xc0010055, 0);
    READS(0xc0010015, 1UL << 24);
    CHECK_IS(wrmsr(0xc0010015, 0x55), PROBE_THROUGH);   /* dropped */
    READS(0xc0010015, 1UL << 24);
    for (uint32_t index = 0xc0010000; index <= 0xc0010007; index++) {
        READS(index, 0);
        CHECK_IS(wrmsr(index, 0x12345), PROBE_THROUGH);
        READS(index, 0);
    }
    UNREADABLE(0xc0010008);
    UNREADABLE(0xc000ffff);
    /* the microcode's revision is asked for so */
    CHECK_IS(wrmsr(0x8b, 0), PROBE_THROUGH);
    CHECK_IS(wrmsr(0x8b, 1), TRAP_GP);
    if (rdmsr(0x1a0, &value) == PROBE_THROUGH)
        CHECK_IS(value & 0x1800, 0x1800);
    if (rdmsr(0xc0011029, &value) == PROBE_THROUGH)
        CHECK_IS(value & ~2UL, 0);
    UNREADABLE(0x174);
    UNREADABLE(0xc0000084);
    UNREADABLE(0x48);
    UNREADABLE(0x3a);
}

/* Without a handler for #GP a kernel that reads an MSR gets 0, on both hypervisors: the note in
 * <xen/arch-x86/xen.h>. */
static void before_there_are_handlers(void)
{
    uint64_t value;

    NEED(HYPERVISOR_set_trap_table(NULL) == 0);
    CHECK_IS(rdmsr(0x12345678, &value), PROBE_THROUGH);
    CHECK_IS(value, 0);
    probe_gates(true);
}

static void of_user_mode(void)
{
    static const uint8_t read[] = { 0x0f, 0x32 }, write[] = { 0x0f, 0x30 },
                         timed[] = { 0x0f, 0x01, 0xd1 };

    probe_user_rip = USER_CODE;
    probe_user_rsp = USER_STACK + 0xff8;
    p->way = way_user;
    p->registers[RCX] = 0xc0000100;
    user_code(read, sizeof(read));
    CHECK_IS(probe_run(p), TRAP_GP);
    p->registers[RCX] = 0xc0000100;
    user_code(write, sizeof(write));
    CHECK_IS(probe_run(p), TRAP_GP);
    p->registers[RCX] = p->registers[RDX] = 0;
    p->registers[RAX] = 1;
    user_code(timed, sizeof(timed));                    /* xsetbv */
    CHECK(probe_run(p) == TRAP_GP || p->vector == TRAP_UD);
}

/* ---- CPUID ---- */

struct leaf { uint32_t r[4]; };
enum { A, B, C, D };

static struct leaf native(uint32_t leaf, uint32_t sub)
{
    struct leaf l;
    asm volatile("cpuid"
                 : "=a"(l.r[0]), "=b"(l.r[1]), "=c"(l.r[2]), "=d"(l.r[3])
                 : "0"(leaf), "2"(sub));
    return l;
}

static struct leaf told(uint32_t leaf, uint32_t sub)
{
    struct leaf l;
    asm volatile("ud2a; .ascii \"xen\"; cpuid"
                 : "=a"(l.r[0]), "=b"(l.r[1]), "=c"(l.r[2]), "=d"(l.r[3])
                 : "0"(leaf), "2"(sub));
    return l;
}

#define W(name) FEATURE_##name
/* In words of 32 features: leaf 1 D and C, 80000001 D and C, D.1 A, 7 B and C, 80000007 D, 80000008
 * B, 7 D. */
static const struct { uint32_t leaf, sub; unsigned int which;
} words[] = {
    { 1, 0, D }, { 1, 0, C }, { 0x80000001, 0, D }, { 0x80000001, 0, C }, { 0xd, 1, A },
    { 7, 0, B }, { 7, 0, C }, { 0x80000007, 0, D }, { 0x80000008, 0, B }, { 7, 0, D },
};
static const uint16_t everybody[] = {
    W(FPU),     W(DE),        W(TSC),        W(MSR),         W(PAE),
    W(CX8),     W(APIC),      W(CMOV),       W(PAT),         W(CLFLUSH),
    W(MMX),     W(FXSR),      W(SSE),        W(SSE2),        W(SS),
    W(MCE),     W(MCA),       W(SSE3),       W(PCLMULQDQ),   W(SSSE3),
    W(CX16),    W(SSE4_1),    W(SSE4_2),     W(MOVBE),       W(POPCNT),
    W(AESNI),   W(RDRAND),    W(SYSCALL),    W(NX),          W(MMXEXT),
    W(FFXSR),   W(RDTSCP),    W(LM),         W(3DNOWEXT),    W(3DNOW),
    W(LAHF_LM), W(ABM),       W(SSE4A),      W(MISALIGNSSE), W(3DNOWPREFETCH),
    W(TBM),     W(FSGSBASE),  W(BMI1),       W(BMI2),        W(ERMS),
    W(RDSEED),  W(ADX),       W(CLFLUSHOPT), W(CLWB),        W(SHA),
    W(GFNI),    W(RDPID),     W(ITSC),       W(CLZERO),      W(RSTR_FP_ERR_PTRS),
    W(FSRM),    W(SERIALIZE),
};
static const uint16_t with_xsave[] = { W(XSAVE), W(OSXSAVE), W(XSAVEOPT), W(XSAVEC), W(XGETBV1) };
static const uint16_t with_avx[] = { W(AVX),  W(FMA),  W(F16C), W(XOP),
                                     W(FMA4), W(AVX2), W(VAES), W(VPCLMULQDQ) };
/* QEMU has none of AVX-512. */

static void put(uint32_t *set, const uint16_t *list, unsigned int n)
{
    while (n--)
        set[list[n] / 32] |= 1u << list[n] % 32;
}
#define PUT(set, list) put(set, list, sizeof(list) / sizeof(list[0]))

static void features(void)
{
    uint32_t allowed[10] = { 0 };
    bool xsave = native(1, 0).r[C] >> 26 & 1, avx = xsave && (native(1, 0).r[C] >> 28 & 1);

    PUT(allowed, everybody);
    if (xsave)
        PUT(allowed, with_xsave);
    if (avx)
        PUT(allowed, with_avx);
    for (unsigned int w = 0; w < 10; w++) {
        uint32_t is = told(words[w].leaf, words[w].sub).r[words[w].which],
                 has = native(words[w].leaf, words[w].sub).r[words[w].which];
        uint32_t wanted = has & allowed[w];

        /* the hypervisor says so itself; QEMU may, too */
        if (w == 1)
            wanted = (wanted & ~(1u << 27)) | 1u << 31 | (xsave ? 1u << 27 : 0);
        if (w == 2) {                                   /* those of leaf 1 again, on AMD's CPUs */
            uint32_t again = has & 0x0183f3ff & allowed[0];

            wanted |= again;
        }
        if (is != wanted)
            test_failure(__FILE__, __LINE__,
                         "leaf %x.%x register %u: %08x, not %08x (the CPU's is %08x)",
                         words[w].leaf, words[w].sub, words[w].which, is, wanted, has);
        else
            test_passed();
    }
}

static void same(uint32_t leaf, uint32_t sub, unsigned int which, uint32_t mask, uint32_t wanted)
{
    uint32_t is = told(leaf, sub).r[which];

    if ((is & mask) == wanted)
        test_passed();
    else
        test_failure(__FILE__, __LINE__, "leaf %x.%x register %u: %08x, not %08x under %08x", leaf,
                     sub, which, is, wanted, mask);
}

static void empty(uint32_t leaf, uint32_t sub)
{
    for (unsigned int i = 0; i < 4; i++)
        same(leaf, sub, i, ~0u, 0);
}

static void leaves(void)
{
    uint32_t last = native(0, 0).r[A] < 0xd ? native(0, 0).r[A] : 0xd,
             extended = native(0x80000000, 0).r[A];

    if (extended > 0x80000008)
        extended = 0x80000008;
    same(0, 0, A, ~0u, last);
    same(0x80000000, 0, A, ~0u, extended);
    for (unsigned int i = 1; i < 4; i++) {
        same(0, 0, i, ~0u, native(0, 0).r[i]);          /* the maker */
        same(0x80000000, 0, i, ~0u, native(0x80000000, 0).r[i]);
        same(0x80000002, 0, i, ~0u, native(0x80000002, 0).r[i]);
    }
    same(1, 0, A, ~0u, native(1, 0).r[A]);
    same(1, 0, B, ~0u, native(1, 0).r[B] & 0xff00);
    same(7, 0, A, ~0u, 0);
    for (uint32_t sub = 0; sub < 4; sub++)
        for (unsigned int i = 0; i < 4; i++)
            same(4, sub, i, ~0u, last >= 4 ? native(4, sub).r[i] : 0);
    for (uint32_t leaf = 5; leaf <= 0xc; leaf++)
        if (leaf != 7)
            empty(leaf, 0);
    empty(3, 0);
    empty(7, 1);
    empty(last + 1, 0);
    empty(0x1f, 0);
    empty(0x80000009, 0);
    empty(0x8000001f, 0);
    empty(0xc0000000, 0);
    empty(0x40000100, 0);
    same(0x80000007, 0, D, ~0u, native(0x80000007, 0).r[D] & 0x100);
    for (unsigned int i = 0; i < 3; i++)
        same(0x80000007, 0, i, ~0u, 0);
    same(0x80000008, 0, A, ~0u, (native(0x80000008, 0).r[A] & 0xff) | 48 << 8);
    same(0x80000008, 0, C, ~0u, 0);
    same(0x80000008, 0, D, ~0u, 0);
}

static void xsave_leaves(void)
{
    if (!(native(1, 0).r[C] >> 26 & 1)) {
        for (uint32_t sub = 0; sub < 4; sub++)
            empty(0xd, sub);
        return;
    }
    uint32_t have = native(0xd, 0).r[A] & 0xe7;

    same(0xd, 0, A, ~0u, have);
    same(0xd, 0, D, ~0u, 0);
    /* all of XCR0 is on: the largest area is that of today */
    same(0xd, 0, C, ~0u, native(0xd, 0).r[B]);
    same(0xd, 0, B, ~0u, native(0xd, 0).r[B]);
    for (unsigned int i = 1; i < 4; i++)
        same(0xd, 1, i, ~0u, 0);
    for (uint32_t sub = 2; sub < 70; sub++)
        for (unsigned int i = 0; i < 4; i++)
            same(0xd, sub, i, ~0u, sub < 32 && (have >> sub & 1) ? native(0xd, sub).r[i] : 0);
}

static void hypervisor_leaves(void)
{
    same(0x40000000, 0, A, ~0u, 0x40000000 + XEN_CPUID_MAX_NUM_LEAVES);
    same(0x40000000, 0, B, ~0u, 0x566e6558);
    same(0x40000000, 0, C, ~0u, 0x65584d4d);
    same(0x40000000, 0, D, ~0u, 0x4d4d566e);
    same(0x40000001, 0, A, ~0u, 4 << 16 | 17);
    for (unsigned int i = 1; i < 4; i++)
        same(0x40000001, 0, i, ~0u, 0);
    same(0x40000002, 0, A, ~0u, 1);
    same(0x40000002, 0, B, ~0u, 0x40000000);
    same(0x40000002, 0, C, ~0u, 1);
    bool itsc = native(0x80000007, 0).r[D] >> 8 & 1, rdtscp = native(0x80000001, 0).r[D] >> 27 & 1;
    same(0x40000003, 0, A, 6, (itsc ? 2 : 0) | (rdtscp ? 4 : 0));
    uint64_t khz = told(0x40000003, 0).r[C],
             hz = (uint64_t)(1000000000ULL << 32) / shared_info.vcpu_info[0].time.tsc_to_system_mul;
    int8_t shift = shared_info.vcpu_info[0].time.tsc_shift;
    hz = shift < 0 ? hz << -shift : hz >> shift;
    CHECK(khz > hz / 1000 - 100 && khz < hz / 1000 + 100);
    same(0x40000003, 2, A, ~0u, (uint32_t)khz);
    empty(0x40000003, 1);
    empty(0x40000003, 3);
    empty(0x40000004, 0);
    unsigned long frames = (unsigned long)HYPERVISOR_memory_op(XENMEM_maximum_ram_page, NULL);
    same(0x40000005, 0, B, ~0u, 64 - (uint32_t)__builtin_clzl(frames - 1) + 12);
    empty(0x40000005, 1);
}

void test_main(void)
{
    (void)user_space();
    set_kernel_stack((unsigned long)&stack + PROBE_STACK);
    p->flags = 2;
    if (on_domus()) {
        features();
        leaves();
        xsave_leaves();
        hypervisor_leaves();
    }
    probe_gates(true);
    of_every_hypervisor();
    if (on_domus())
        of_domus();
    before_there_are_handlers();
    of_user_mode();
    probe_gates(false);
    user_space_end();
}
