/* SPDX-License-Identifier: MIT */
/*
 * What a guest is told about the CPU. On hardware that cannot trap CPUID, guest user space sees the
 * real leaves; kernels ask through the forced-emulation prefix and see these: no feature that a PV
 * guest cannot use (virtualisation, large and global pages, PCIDs, SMEP, SMAP, protection keys,
 * x2APIC), and the hypervisor's own leaves at 0x40000000. Machine checks are there as on Xen, for
 * Linux complains without, but with no banks (msr.c).
 *
 * The masks are allow-lists: a feature that a future CPU invents stays hidden until somebody
 * thought about it.
 */
#include "emulate/cpu_policy.h"
#include "domain/domain.h"
#include "emulate/privileged.h"
#include "machine/cpu.h"
#include "machine/io.h"
#include "memory/frame.h"
#include <xen/arch-x86/cpuid.h>

/* Feature names as in <xen/arch-x86/cpufeatureset.h>: WORD * 32 + bit. */
enum {
#define XEN_CPUFEATURE(name, value) FEATURE_##name = value,
#include <xen/arch-x86/cpufeatureset.h>
};
#define F(name) (1u << (FEATURE_##name & 31))

#define LEAF1_ECX \
    (F(SSE3) | F(PCLMULQDQ) | F(SSSE3) | F(FMA) | F(CX16) | F(SSE4_1) | F(SSE4_2) | F(MOVBE) | \
     F(POPCNT) | F(AESNI) | F(XSAVE) | F(AVX) | F(F16C) | F(RDRAND))
#define LEAF1_EDX \
    (F(FPU) | F(DE) | F(TSC) | F(MSR) | F(PAE) | F(CX8) | F(APIC) | F(CMOV) | F(PAT) | \
     F(CLFLUSH) | F(MMX) | F(FXSR) | F(SSE) | F(SSE2) | F(SS) | F(MCE) | F(MCA))
#define LEAF7_EBX \
    (F(BMI1) | F(AVX2) | F(BMI2) | F(ERMS) | F(RDSEED) | F(ADX) | F(CLFLUSHOPT) | F(CLWB) | \
     F(SHA) | AVX512_EBX)
#define AVX512_EBX \
    (F(AVX512F) | F(AVX512DQ) | F(AVX512_IFMA) | F(AVX512CD) | F(AVX512BW) | F(AVX512VL))
#define LEAF7_ECX (F(GFNI) | F(VAES) | F(VPCLMULQDQ) | F(RDPID) | AVX512_ECX)
#define AVX512_ECX \
    (F(AVX512_VBMI) | F(AVX512_VBMI2) | F(AVX512_VNNI) | F(AVX512_BITALG) | F(AVX512_VPOPCNTDQ))
#define LEAF7_EDX (F(FSRM) | F(SERIALIZE))
/* Instructions on the registers of AVX: none of them where XSAVE does not keep those (then the CPU
 * has no AVX). */
#define AVX_LEAF1_ECX (F(AVX) | F(FMA) | F(F16C))
#define AVX_LEAF7_ECX (F(VAES) | F(VPCLMULQDQ))
#define AVX_EXT1_ECX  (F(XOP) | F(FMA4))
#define EXT1_ECX \
    (F(LAHF_LM) | F(ABM) | F(SSE4A) | F(MISALIGNSSE) | F(3DNOWPREFETCH) | F(XOP) | F(FMA4) | F(TBM))
#define EXT1_EDX \
    (F(SYSCALL) | F(NX) | F(MMXEXT) | F(FFXSR) | F(RDTSCP) | F(LM) | F(3DNOWEXT) | F(3DNOW))
#define EXT8_EBX  (F(CLZERO) | F(RSTR_FP_ERR_PTRS))
#define XSAVE_EAX (F(XSAVEOPT) | F(XSAVEC) | F(XGETBV1))
#define AMD_COMMON_EDX 0x0183f3ffu      /* extended leaf 1 repeats these bits of leaf 1 on AMD */
#define INVARIANT_TSC F(ITSC)

#define MAX_LEAF     0xd
#define MAX_EXT_LEAF 0x80000008u
#define XEN_VERSION  (4u << 16 | 17)

static struct cpuid_regs hypervisor_leaf(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_regs r = { 0 };
    switch (leaf) {
    case XEN_CPUID_LEAF(0):
        r = (struct cpuid_regs){ XEN_CPUID_LEAF(XEN_CPUID_MAX_NUM_LEAVES), XEN_CPUID_SIGNATURE_EBX,
                                 XEN_CPUID_SIGNATURE_ECX, XEN_CPUID_SIGNATURE_EDX };
        break;
    case XEN_CPUID_LEAF(1):
        r.a = XEN_VERSION;
        break;
    /* one hypercall page, its MSR (which PV guests do not use), features */
    case XEN_CPUID_LEAF(2):
        r.a = 1;
        r.b = 0x40000000;
        r.c = XEN_CPUID_FEAT1_MMU_PT_UPDATE_PRESERVE_AD;
        break;
    case XEN_CPUID_LEAF(3):         /* time: the TSC is real, never emulated */
        if (subleaf == 0) {
            r.a = ((cpuid(0x80000007, 0).d & INVARIANT_TSC) ? 2 : 0) |
                  (cpuid(0x80000001, 0).d & F(RDTSCP) ? 4 : 0);
            r.c = (uint32_t)tsc_khz();
        } else if (subleaf == 2) {
            r.a = (uint32_t)tsc_khz();
        }
        break;
    case XEN_CPUID_LEAF(5):         /* how many bits a machine address can have */
        if (subleaf == 0)
            r.b = 64 - (uint32_t)__builtin_clzll(max_frame) + PAGE_SHIFT;
        break;
    default:
        break;
    }
    return r;
}

static struct cpuid_regs xsave_leaf(uint32_t subleaf)
{
    struct cpuid_regs host = cpuid(0xd, subleaf);
    if (!xsave_mask) return (struct cpuid_regs){ 0 };
    if (subleaf == 0)
        return (struct cpuid_regs){ (uint32_t)xsave_mask, host.b, xsave_size,
                                    (uint32_t)(xsave_mask >> 32) };
    if (subleaf == 1) return (struct cpuid_regs){ host.a & XSAVE_EAX, 0, 0, 0 };
    return subleaf < 63 && (xsave_mask >> subleaf & 1) ? host : (struct cpuid_regs){ 0 };
}

/* OSXSAVE: a guest's user mode sees what its kernel chose; the kernel itself what it may choose, as
 * on Xen, for old ones look before. */
static void hide_features(uint32_t leaf, struct cpuid_regs *r)
{
    bool avx = xsave_mask & 4, avx512 = (xsave_mask & 0xe0) == 0xe0;
    switch (leaf) {
    case 1:
        /* CLFLUSH size; there is no APIC, so all have the same id */
        r->b &= 0xff00;
        r->c = (r->c & LEAF1_ECX & (avx ? ~0u : ~AVX_LEAF1_ECX)) | F(HYPERVISOR) | F(OSXSAVE);
        if (!xsave_mask)
            r->c &= ~(F(XSAVE) | F(OSXSAVE));
        if (!current->in_kernel && !(current->hw.guest_cr4 & CR4_OSXSAVE))
            r->c &= ~F(OSXSAVE);
        r->d &= LEAF1_EDX;
        break;
    case 7:
        r->a = 0;                                               /* no further subleaves */
        r->b &= LEAF7_EBX & (avx512 ? ~0u : ~AVX512_EBX) & (avx ? ~0u : ~F(AVX2));
        r->b |= host_cr4 & CR4_FSGSBASE ? F(FSGSBASE) : 0;
        r->c &= LEAF7_ECX & (avx512 ? ~0u : ~AVX512_ECX) & (avx ? ~0u : ~AVX_LEAF7_ECX);
        r->d &= LEAF7_EDX;
        break;
    case 0x80000001:
        r->c &= EXT1_ECX & (avx ? ~0u : ~AVX_EXT1_ECX);
        r->d = (r->d & EXT1_EDX) | (r->d & AMD_COMMON_EDX & LEAF1_EDX);
        break;
    case 0x80000007: *r = (struct cpuid_regs){ .d = r->d & INVARIANT_TSC }; break;
    /* 4 levels */
    case 0x80000008:
        *r = (struct cpuid_regs){ .a = (r->a & 0xff) | 48 << 8, .b = r->b & EXT8_EBX };
        break;
    default: break;
    }
}

/* The highest leaf of a range that host and policy have. */
static uint32_t last_leaf(uint32_t range, uint32_t limit)
{
    return MIN(cpuid(range, 0).a, limit);
}

struct cpuid_regs cpuid_offered(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_regs none = { 0 };
    if (leaf >> 8 == XEN_CPUID_FIRST_LEAF >> 8) return hypervisor_leaf(leaf, subleaf);
    if (leaf >= 0x80000000 ? leaf > last_leaf(0x80000000, MAX_EXT_LEAF)
                           : leaf > last_leaf(0, MAX_LEAF))
        return none;
    if (leaf == 0xd) return xsave_leaf(subleaf);
    if (leaf == 7 && subleaf != 0) return none;
    /* serial number, MONITOR, thermal, cache access, PMU, topology: not the guest's */
    if ((leaf == 3) || (leaf >= 5 && leaf <= 6) || (leaf >= 8 && leaf <= 0xc)) return none;

    struct cpuid_regs r = cpuid(leaf, subleaf);
    if (leaf == 0)
        r.a = last_leaf(0, MAX_LEAF);
    else if (leaf == 0x80000000)
        r.a = last_leaf(0x80000000, MAX_EXT_LEAF);
    hide_features(leaf, &r);
    return r;
}

/* ---- what the toolstack chose of it ---- */

const struct cpuid_word cpuid_words[CPUID_WORDS] = {
    { 1, 0, 3 },          { 1, 0, 2 },          { 0x80000001, 0, 3 },   { 0x80000001, 0, 2 },
    { 0xd, 1, 0 },        { 7, 0, 1 },          { 7, 0, 2 },            { 0x80000007, 0, 3 },
    { 0x80000008, 0, 1 }, { 7, 0, 3 },          { 7, 1, 0 },            { 0x80000021, 0, 0 },
    { 7, 1, 1 },          { 7, 2, 3 },          { 7, 1, 2 },            { 7, 1, 3 },
};

uint32_t *cpuid_register(struct cpuid_regs *r, uint32_t number)
{
    uint32_t *const registers[] = { &r->a, &r->b, &r->c, &r->d };

    return registers[number];
}

const xen_cpuid_leaf_t *cpu_policy_find(const struct cpu_policy *p, uint32_t leaf,
                                        uint32_t subleaf)
{
    for (uint32_t i = 0; i < p->count; i++)
        if (p->leaf[i].leaf == leaf && (p->leaf[i].subleaf == subleaf ||
                                        p->leaf[i].subleaf == XEN_CPUID_NO_SUBLEAF))
            return &p->leaf[i];
    return NULL;
}

/* XSAVE itself may be among what was not chosen, and then nothing is told of it. */
static bool has_xsave(const struct cpu_policy *p)
{
    const xen_cpuid_leaf_t *features = cpu_policy_find(p, 1, 0);

    return features && (features->c & F(XSAVE));
}

/* Features: those that both have. Limits: the lower one. Names and models, and the caches: as the
 * toolstack says, so that they stay when a guest moves. All other is the machine's. */
struct cpuid_regs cpuid_chosen(const struct cpu_policy *p, uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_regs r = cpuid_offered(leaf, subleaf), chosen;
    const xen_cpuid_leaf_t *l;

    if (!p || leaf >> 8 == XEN_CPUID_FIRST_LEAF >> 8) return r;
    l = cpu_policy_find(p, leaf, subleaf);
    if (!l || (leaf == 0xd && !has_xsave(p))) return (struct cpuid_regs){ 0 };
    chosen = (struct cpuid_regs){ l->a, l->b, l->c, l->d };
    if (leaf == 1) {
        r.a = chosen.a;
        chosen.c |= has_xsave(p) ? F(OSXSAVE) : 0;
    }
    for (unsigned int i = 0; i < CPUID_WORDS; i++)
        if (cpuid_words[i].leaf == leaf && cpuid_words[i].subleaf == subleaf)
            *cpuid_register(&r, cpuid_words[i].reg) &= *cpuid_register(&chosen, cpuid_words[i].reg);
    if (leaf == 0 || leaf == 0x80000000)
        chosen.a = MIN(chosen.a, r.a);
    return leaf == 0 || leaf == 2 || leaf == 4 ||
                   (leaf >= 0x80000000 && leaf <= 0x80000006 && leaf != 0x80000001)
               ? chosen
               : r;
}

struct cpuid_regs cpuid_policy(uint32_t leaf, uint32_t subleaf)
{
    return cpuid_chosen(current->domain->cpu_policy, leaf, subleaf);
}
