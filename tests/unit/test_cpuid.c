/* SPDX-License-Identifier: MIT */
/*
 * What a guest is told about the CPU: on a host that says yes to every question, and on one that
 * says no, with the registers of AVX-512, of AVX, of SSE, and without XSAVE. The masks are the
 * bits' numbers in the manuals.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <setjmp.h>
#include <asm/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>
#undef fail                                     /* the hypervisor has one, too */
#include "domain/cr4.h"
#include "domain/time.h"
#include "emulate/cpu_policy.h"
#include "emulate/privileged.h"

#define KHZ    2345678
#define NOT_XSAVE_LEAF1 ~0xc000000u             /* XSAVE, OSXSAVE */

static struct cpu cpu;
static struct vcpu vcpu;
static struct domain domain;
static struct cpu_policy chosen;
static uint32_t host_bits, only_leaf, last_leaf, last_extended_leaf;

uint64_t host_cr4, xsave_mask, max_frame;
uint32_t xsave_size = 0xa88;

uint64_t tsc_khz(void)
{
    return KHZ;
}

struct cpuid_regs host_cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_regs r = { host_bits, host_bits, host_bits, host_bits };

    if (subleaf > 1 || (only_leaf && leaf && leaf != only_leaf) || (leaf > 0xd && subleaf))
        r = (struct cpuid_regs){ subleaf * 4, subleaf * 4 + 1, subleaf * 4 + 2, subleaf * 4 + 3 };
    if (leaf == 0)
        r.a = last_leaf;
    if (leaf == 0x80000000)
        r.a = last_extended_leaf;
    return r;
}

static int set_up(void **state)
{
    domain.cpu_policy = NULL;
    vcpu = (struct vcpu){ .in_kernel = true, .domain = &domain };
    cpu.self = &cpu;
    cpu.running = &vcpu;
    syscall(SYS_arch_prctl, ARCH_SET_GS, &cpu);
    host_bits = ~0u;
    only_leaf = 0;
    last_leaf = 0x20;
    last_extended_leaf = 0x80000020;
    host_cr4 = ~0ul;
    xsave_mask = 0xe7;
    max_frame = 0x100000;
    return 0;
}

static void is(uint32_t leaf, uint32_t subleaf, struct cpuid_regs expected)
{
    struct cpuid_regs r = cpuid_policy(leaf, subleaf);

    if (memcmp(&r, &expected, sizeof(r)) != 0)
        print_error("leaf %x/%x: %x %x %x %x\n", leaf, subleaf, r.a, r.b, r.c, r.d);
    assert_memory_equal(&r, &expected, sizeof(r));
}
#define IS(leaf, subleaf, ...) is((leaf), (subleaf), (struct cpuid_regs){ __VA_ARGS__ })

static void every_feature(void **state)
{
    IS(0, 0, 0xd, ~0u, ~0u, ~0u);
    IS(1, 0, ~0u, 0xff00, 0xfed83203, 0xf89c3f5);
    IS(2, 0, ~0u, ~0u, ~0u, ~0u);
    IS(4, 0, ~0u, ~0u, ~0u, ~0u);
    IS(4, 1, ~0u, ~0u, ~0u, ~0u);
    IS(7, 0, 0, 0xf1af0329, 0x405f42, 0x4010);
    IS(7, 1, 0);
    IS(0x80000000, 0, 0x80000008, ~0u, ~0u, ~0u);
    IS(0x80000001, 0, ~0u, ~0u, 0x2109e1, 0xebd1cbf5);
    for (uint32_t leaf = 0x80000002; leaf <= 0x80000006; leaf++)
        IS(leaf, 0, ~0u, ~0u, ~0u, ~0u);
    IS(0x80000007, 0, 0, 0, 0, 0x100);
    IS(0x80000008, 0, 0x30ff, 5, 0, 0);
}

static void no_feature(void **state)
{
    host_bits = 0;
    IS(1, 0, 0, 0, 0x88000000, 0);              /* hypervisor, and what a kernel may choose */
    IS(7, 0, 0, 1, 0, 0);
    IS(0x80000001, 0, 0);
    IS(0x80000007, 0, 0);
    IS(0x80000008, 0, 0x3000, 0, 0, 0);
    host_cr4 = ~CR4_FSGSBASE;
    IS(7, 0, 0);
}

static void what_xsave_keeps(void **state)
{
    static const struct { uint64_t mask; uint32_t leaf1, leaf7b, leaf7c, extended; } hosts[] = {
        { 0xe7, 0xfed83203, 0xf1af0329, 0x405f42, 0x2109e1 },
        { 0x1e7, 0xfed83203, 0xf1af0329, 0x405f42, 0x2109e1 },
        { 0x67, 0xfed83203, 0x218c0329, 0x400700, 0x2109e1 },       /* AVX-512 is all or none */
        { 0xc7, 0xfed83203, 0x218c0329, 0x400700, 0x2109e1 },
        { 0xa7, 0xfed83203, 0x218c0329, 0x400700, 0x2109e1 },
        { 7, 0xfed83203, 0x218c0329, 0x400700, 0x2109e1 },
        { 0xb, 0xced82203, 0x218c0309, 0x400100, 0x2001e1 },
        { 0, 0xced82203 & NOT_XSAVE_LEAF1, 0x218c0309, 0x400100, 0x2001e1 },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(hosts); i++) {
        xsave_mask = hosts[i].mask;
        assert_int_equal(cpuid_policy(1, 0).c, hosts[i].leaf1);
        assert_int_equal(cpuid_policy(7, 0).b, hosts[i].leaf7b);
        assert_int_equal(cpuid_policy(7, 0).c, hosts[i].leaf7c);
        assert_int_equal(cpuid_policy(0x80000001, 0).c, hosts[i].extended);
    }
}

/* OSXSAVE: to the kernel always, to its processes as CR4 says. */
static void osxsave(void **state)
{
    static const struct { bool kernel; uint64_t cr4; bool seen; } looks[] = {
        { true, 0, true }, { true, CR4_OSXSAVE, true },
        { false, ~CR4_OSXSAVE, false }, { false, CR4_OSXSAVE, true },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(looks); i++) {
        vcpu.in_kernel = looks[i].kernel;
        vcpu.hw.guest_cr4 = looks[i].cr4;
        assert_int_equal(cpuid_policy(1, 0).c, looks[i].seen ? 0xfed83203 : 0xf6d83203);
    }
}

static void leaves_that_are_none(void **state)
{
    static const uint32_t none[] = {
        3, 5, 6, 8, 9, 0xa, 0xb, 0xc, 0xe, 0x20, 0x3fffffff, 0x40000006, 0x400000ff, 0x40000100,
        0x7fffffff, 0x80000009, 0x80000020, 0xffffffff,
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(none); i++)
        for (uint32_t subleaf = 0; subleaf < 4; subleaf++)
            IS(none[i], subleaf, 0);
    last_leaf = 4;
    last_extended_leaf = 0x80000002;
    IS(0, 0, 4, ~0u, ~0u, ~0u);
    IS(4, 0, ~0u, ~0u, ~0u, ~0u);
    IS(7, 0, 0);
    IS(0x80000000, 0, 0x80000002, ~0u, ~0u, ~0u);
    IS(0x80000002, 0, ~0u, ~0u, ~0u, ~0u);
    IS(0x80000003, 0, 0);
}

static void xsave_areas(void **state)
{
    xsave_mask = 0xe7 | 1ul << 62 | 1ul << 32;
    only_leaf = 0xd;
    last_leaf = 0xd;
    IS(0xd, 0, 0xe7, ~0u, 0xa88, 0x40000001);
    IS(0xd, 1, 7, 0, 0, 0);
    for (uint32_t i = 2; i < 70; i++) {
        if (i == 2 || (i >= 5 && i <= 7) || i == 32 || i == 62)
            IS(0xd, i, i * 4, i * 4 + 1, i * 4 + 2, i * 4 + 3);
        else
            IS(0xd, i, 0);
    }
    xsave_mask = 0;
    for (uint32_t i = 0; i < 4; i++)
        IS(0xd, i, 0);
}

static void leaves_of_our_own(void **state)
{
    IS(0x40000000, 0, 0x40000005, 0x566e6558, 0x65584d4d, 0x4d4d566e);      /* XenVMMXenVMM */
    IS(0x40000001, 0, 0x40011, 0, 0, 0);
    IS(0x40000002, 0, 1, 0x40000000, 1, 0);
    IS(0x40000003, 0, 6, 0, KHZ, 0);
    IS(0x40000003, 1, 0);
    IS(0x40000003, 2, KHZ, 0, 0, 0);
    IS(0x40000003, 3, 0);
    IS(0x40000004, 0, 0);
    IS(0x40000005, 0, 0, 33, 0, 0);
    IS(0x40000005, 1, 0);
    max_frame = 0xfffff;
    IS(0x40000005, 0, 0, 32, 0, 0);
    only_leaf = 0x80000007;                     /* the TSC is invariant */
    IS(0x40000003, 0, 2, 0, KHZ, 0);
    host_bits = ~0x100u;
    IS(0x40000003, 0, 0, 0, KHZ, 0);
    host_bits = ~0u;
    only_leaf = 0x80000001;                     /* there is RDTSCP */
    IS(0x40000003, 0, 4, 0, KHZ, 0);
    host_bits = ~(1u << 27);
    IS(0x40000003, 0, 0, 0, KHZ, 0);
}

/* ---- less of it, as the toolstack chose ---- */

static void choose(uint32_t leaf, uint32_t subleaf, uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    domain.cpu_policy = &chosen;
    chosen.leaf[chosen.count++] = (xen_cpuid_leaf_t){ leaf, subleaf, a, b, c, d };
}
#define ALONE XEN_CPUID_NO_SUBLEAF
#define XSAVE_BIT   (1u << 26)
#define OSXSAVE_BIT (1u << 27)

static void what_was_chosen(void **state)
{
    chosen.count = 0;
    choose(0, ALONE, 0xa, 11, 12, 13);
    choose(1, ALONE, 0x12345, ~0u, 3 | XSAVE_BIT, 5);
    choose(2, ALONE, 21, 22, 23, 24);
    choose(4, 0, 41, 42, 43, 44);
    choose(4, 1, 45, 46, 47, 48);
    choose(7, 0, ~0u, 0x28, 0, 0);
    choose(0xd, 0, 0, 0, 0, 0);
    choose(0xd, 1, 1, ~0u, ~0u, ~0u);
    choose(0x80000000, ALONE, 0x80000020, 81, 82, 83);
    choose(0x80000001, ALONE, 0, 0, 1, 1u << 29);
    choose(0x80000002, ALONE, 'A', 'B', 'C', 'D');
    IS(0, 0, 0xa, 11, 12, 13);                      /* the lower limit; a name */
    IS(1, 0, 0x12345, 0xff00, 3 | XSAVE_BIT | OSXSAVE_BIT, 5);
    vcpu.in_kernel = false;                         /* which has not switched it on */
    IS(1, 0, 0x12345, 0xff00, 3 | XSAVE_BIT, 5);
    vcpu.in_kernel = true;
    IS(2, 0, 21, 22, 23, 24);
    IS(4, 0, 41, 42, 43, 44);
    IS(4, 1, 45, 46, 47, 48);
    IS(4, 2, 0);                                    /* nothing was said of it */
    IS(7, 0, 0, 0x28, 0, 0);
    IS(0xd, 0, 0xe7, ~0u, 0xa88, 0);                /* the machine's own sizes */
    IS(0xd, 1, 1, 0, 0, 0);
    IS(0xd, 2, 0);
    IS(0x80000000, 0, 0x80000008, 81, 82, 83);
    IS(0x80000001, 0, ~0u, ~0u, 1, 1u << 29);
    IS(0x80000002, 0, 'A', 'B', 'C', 'D');
    IS(0x80000008, 0, 0);
    IS(0x40000000, 0, 0x40000005, 0x566e6558, 0x65584d4d, 0x4d4d566e);      /* XenVMMXenVMM */
    chosen.leaf[1].c &= ~XSAVE_BIT;
    IS(1, 0, 0x12345, 0xff00, 3, 5);
    chosen.leaf[1].c = 2;
    IS(1, 0, 0x12345, 0xff00, 2, 5);
    IS(0xd, 0, 0);
    IS(0xd, 1, 0);
    chosen.count = 1;
    IS(0xd, 0, 0);
    IS(1, 0, 0);
}

static void bits_of_cr4(void **state)
{
    assert_int_equal(cr4_fixed(), 0x660);
    assert_int_equal(cr4_guest_mask(), 0x5000c);
    host_cr4 = 0;
    assert_int_equal(cr4_fixed(), 0x660);
    assert_int_equal(cr4_guest_mask(), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_feature, set_up),
        cmocka_unit_test_setup(no_feature, set_up),
        cmocka_unit_test_setup(what_xsave_keeps, set_up),
        cmocka_unit_test_setup(osxsave, set_up),
        cmocka_unit_test_setup(leaves_that_are_none, set_up),
        cmocka_unit_test_setup(xsave_areas, set_up),
        cmocka_unit_test_setup(leaves_of_our_own, set_up),
        cmocka_unit_test_setup(what_was_chosen, set_up),
        cmocka_unit_test_setup(bits_of_cr4, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
