/* SPDX-License-Identifier: MIT */
/*
 * Vector registers survive hypercalls, sleep and the event upcall; a new vCPU starts with clean
 * ones; TS is the guest's own (fpu_taskswitch, clts) and raises #NM; broken XSAVE images fault in
 * the guest only. Idea: XSA-52, 53, 54, 62, 165, 172, 267 (leaks and bad XRSTOR input); eager
 * switching makes most of them impossible.
 * also on: max,-xsave
 */
#include "../lib/test.h"

static void set_vectors(uint64_t pattern)
{
    asm volatile("movq %0, %%xmm0; movq %0, %%xmm7; movq %0, %%xmm15; punpcklqdq %%xmm15, %%xmm15"
                 :
                 : "r"(pattern));
}

static bool vectors_hold(uint64_t pattern)
{
    uint64_t a, b, c, d;

    asm volatile("movq %%xmm0, %0; movq %%xmm7, %1; movq %%xmm15, %2; movhlps %%xmm15, %%xmm14; "
                 "movq %%xmm14, %3"
                 : "=r"(a), "=r"(b), "=r"(c), "=r"(d));
    return a == pattern && b == pattern && c == pattern && d == pattern;
}

static void registers_survive(void)
{
    set_vectors(0x0123456789abcdef);
    CHECK(HYPERVISOR_xen_version(XENVER_version, NULL) > 0);
    CHECK(vectors_hold(0x0123456789abcdef));
    for (int i = 0; i < 5; i++) {
        vcpu_poll(NULL, 0, now_ns() + 5 * NS_PER_MS);
        CHECK(vectors_hold(0x0123456789abcdef));
    }
    vcpu_yield();
    CHECK(vectors_hold(0x0123456789abcdef));
}

static void ts_is_ours(void)
{
    CHECK_IS(HYPERVISOR_fpu_taskswitch(1), 0);
    CHECK_IS(TRAP_IN(asm volatile("movq %xmm0, %xmm1")), TRAP_NM);
    /* After #NM Xen has cleared TS for us (the 64-bit ABI). */
    CHECK_IS(TRAP_IN(asm volatile("movq %xmm0, %xmm1")), -1);
    CHECK_IS(HYPERVISOR_fpu_taskswitch(1), 0);
    CHECK_IS(TRAP_IN(asm volatile("clts")), -1);
    CHECK_IS(TRAP_IN(asm volatile("movq %xmm0, %xmm1")), -1);
    CHECK_IS(HYPERVISOR_fpu_taskswitch(0), 0);
}

static void bad_images_fault_here(void)
{
    static uint8_t image[4096] __attribute__((aligned(64)));
    uint64_t seed = 1;
    uint32_t eax = 1, ebx, ecx, edx;

    asm volatile("cpuid" : "+a" (eax), "=b" (ebx), "=c" (ecx), "=d" (edx));
    if (!(ecx & 1u << 27))
        return;                                             /* no OSXSAVE for guests */
    void restore(void *unused) { asm volatile("xrstor %0" : : "m" (image), "a" (~0u), "d" (~0u)); }
    asm volatile("xsave %0" : "+m" (image) : "a" (~0u), "d" (~0u));
    CHECK_IS(trap_in(restore, NULL), -1);
    for (int i = 0; i < 64; i++) {
        uint8_t saved[64];

        memcpy(saved, image + 512, 64);
        for (int j = 0; j < 64; j++)
            image[512 + j] ^= (uint8_t)next_random(&seed);
        int vector = trap_in(restore, NULL);
        if (vector != -1 && vector != TRAP_GP)
            test_failure(__FILE__, __LINE__, "xrstor of a broken header raises %d", vector);
        memcpy(image + 512, saved, 64);
        vcpu_yield();
    }
    CHECK_IS(trap_in(restore, NULL), -1);
    /* MXCSR with a reserved bit: #GP on a CPU, ignored by TCG. */
    image[24 + 3] = 0xff;
    int vector = trap_in(restore, NULL);
    CHECK(vector == TRAP_GP || vector == -1);
    image[24 + 3] = 0;
    CHECK_IS(trap_in(restore, NULL), -1);
    /* XSETBV is the kernel's to try, and wrong values are refused. */
    uint32_t all, high;
    /* OSXSAVE: Xen wants to be asked */
    asm volatile("mov %%cr4, %%rax; or $0x40000, %%rax; mov %%rax, %%cr4" ::: "rax");
    asm volatile("xgetbv" : "=a" (all), "=d" (high) : "c" (0));
    void set_xcr0(void *value)
    {
        asm volatile("xsetbv" : : "c"(0), "a"((uint32_t)(unsigned long)value), "d"(0));
    }
    void set_high(void *value)
    {
        asm volatile("xsetbv" : : "c"(0), "a"(3), "d"((uint32_t)(unsigned long)value));
    }
    void set_xcr1(void *value) { asm volatile("xsetbv" : : "c" (1), "a" (3), "d" (0)); }
    uint32_t there = 0xd;
    ecx = 0;
    asm volatile("cpuid" : "+a" (there), "=b" (ebx), "+c" (ecx), "=d" (edx));
    for (unsigned long value = 0; value < (on_domus() ? 0x400 : 8); value++) {
        bool good = value == 1 || value == 3 || (value == 7 && (there & 4));
        /* AVX-512, protection keys: QEMU has none of the first, guests none of the other */
        if (!(value & 0xe0) && value < 0x100)
            CHECK_IS(trap_in(set_xcr0, (void *)value), good ? -1 : TRAP_GP);
        else
            CHECK_IS(trap_in(set_xcr0, (void *)value), TRAP_GP);
    }
    CHECK_IS(trap_in(set_xcr0, (void *)0xffffffff), TRAP_GP);
    CHECK_IS(trap_in(set_high, (void *)1), TRAP_GP);
    CHECK_IS(trap_in(set_xcr1, NULL), TRAP_GP);
    CHECK_IS(trap_in(set_xcr0, (void *)(unsigned long)all), -1);
}

void test_main(void)
{
    uint64_t first;

    asm volatile("movq %%xmm9, %0" : "=r" (first));
    CHECK_IS(first, 0);
    registers_survive();
    ts_is_ours();
    bad_images_fault_here();
}
