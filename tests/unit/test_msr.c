/* SPDX-License-Identifier: MIT */
/*
 * What a guest kernel reads of each MSR, and what becomes of what it writes: a table of all that
 * there are, and their neighbours, which there are not.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#undef fail                                     /* the hypervisor has one, too */
#include "emulate/privileged.h"
#include "entry/hypercall.h"

#define TSC        0x123456789abcul
#define HOST(msr)  (0xa5a5000000000000ul | (msr))

static struct vcpu vcpu;
static bool absent;                             /* the CPU has none of those that it may lack */
static uint64_t host_value;                     /* of those */
static unsigned int written;
static struct { unsigned long which, base; } segment;
static long segment_error;

uint64_t host_rdtsc(void)
{
    return TSC;
}
uint64_t host_rdmsr(uint32_t msr)
{
    return msr == MSR_EFER ? ~0ul : HOST(msr);
}

bool rdmsr_safe(uint32_t msr, uint64_t *value)
{
    assert_true(msr == 0x8b || msr == 0x1a0 || msr == 0xc0011029);
    *value = host_value;
    return !absent;
}

bool wrmsr_safe(uint32_t msr, uint64_t value)
{
    assert_int_equal(msr, 0xc0000103);
    assert_true(value <= UINT32_MAX);
    written++;
    return !absent;
}

long do_set_segment_base(unsigned int which, unsigned long base)
{
    segment.which = which;
    segment.base = base;
    return segment_error;
}

static int set_up(void **state)
{
    absent = false;
    host_value = ~0ul;
    written = 0;
    segment_error = 0;
    vcpu = (struct vcpu){ .hw.gs_base_user = 0x7766554433221100, .hw.tsc_aux = 0xfedcba98 };
    return 0;
}

/* Each that can be read, between two that cannot. */
static const struct { uint32_t first, last; uint64_t value; } readable[] = {
    { 0x10, 0x10, TSC },
    { 0x1b, 0x1b, 0xfee00900 },
    { 0x8b, 0x8b, ~0ul },
    { 0x179, 0x17a, 0 },
    { 0x1a0, 0x1a0, ~0ul },
    { 0x277, 0x277, HOST(0x277) },
    { 0xc0000080, 0xc0000080, ~0x1000ul },
    { 0xc0000100, 0xc0000100, HOST(0xc0000100) },
    { 0xc0000101, 0xc0000101, HOST(0xc0000102) },
    { 0xc0000102, 0xc0000102, 0x7766554433221100 },
    { 0xc0000103, 0xc0000103, 0xfedcba98 },
    { 0xc0010000, 0xc0010007, 0 },
    { 0xc0010015, 0xc0010015, 1 << 24 },
    { 0xc0010055, 0xc0010055, 0 },
    { 0xc0011029, 0xc0011029, 2 },
};

static void what_can_be_read(void **state)
{
    uint64_t value;

    for (unsigned int i = 0; i < ARRAY_SIZE(readable); i++) {
        for (uint32_t msr = readable[i].first; msr <= readable[i].last; msr++) {
            value = 0x55;
            assert_true(msr_read(&vcpu, msr, &value));
            assert_int_equal(value, readable[i].value);
        }
        if (i == 0 || readable[i - 1].last + 1 != readable[i].first)
            assert_false(msr_read(&vcpu, readable[i].first - 1, &value));
        if (i + 1 == ARRAY_SIZE(readable) || readable[i].last + 1 != readable[i + 1].first)
            assert_false(msr_read(&vcpu, readable[i].last + 1, &value));
    }
    vcpu.id = 1;
    assert_true(msr_read(&vcpu, 0x1b, &value));
    assert_int_equal(value, 0xfee00800);
    host_value = 0;
    assert_true(msr_read(&vcpu, 0x1a0, &value));
    assert_int_equal(value, 0x1800);
    assert_true(msr_read(&vcpu, 0xc0011029, &value));
    assert_int_equal(value, 0);
}

static void what_the_cpu_lacks(void **state)
{
    static const uint32_t msrs[] = { 0x8b, 0x1a0, 0xc0011029 };
    uint64_t value;

    absent = true;
    for (unsigned int i = 0; i < ARRAY_SIZE(msrs); i++)
        assert_false(msr_read(&vcpu, msrs[i], &value));
    assert_false(msr_write(&vcpu, 0xc0000103, 3));
    assert_int_equal(vcpu.hw.tsc_aux, 0xfedcba98);
}

static void segment_bases(void **state)
{
    static const struct { uint32_t msr; unsigned long which; } bases[] = {
        { 0xc0000100, SEGBASE_FS },
        { 0xc0000101, SEGBASE_GS_KERNEL },
        { 0xc0000102, SEGBASE_GS_USER },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(bases); i++) {
        segment_error = 0;
        assert_true(msr_write(&vcpu, bases[i].msr, 0x1000 + i));
        assert_int_equal(segment.which, bases[i].which);
        assert_int_equal(segment.base, 0x1000 + i);
        segment_error = -EINVAL;
        assert_false(msr_write(&vcpu, bases[i].msr, 0x1000 + i));
    }
}

static void what_can_be_written(void **state)
{
    for (uint32_t msr = 0xc0010000; msr <= 0xc0010007; msr++)
        assert_true(msr_write(&vcpu, msr, ~0ul));
    assert_false(msr_write(&vcpu, 0xc000ffff, 0));
    assert_false(msr_write(&vcpu, 0xc0010008, 0));
    assert_true(msr_write(&vcpu, 0xc0000103, UINT32_MAX));
    assert_int_equal(vcpu.hw.tsc_aux, UINT32_MAX);
    assert_int_equal(written, 1);
    assert_false(msr_write(&vcpu, 0xc0000103, 1ul << 32));
    assert_int_equal(vcpu.hw.tsc_aux, UINT32_MAX);
    assert_true(msr_write(&vcpu, 0x8b, 0));
    assert_false(msr_write(&vcpu, 0x8b, 1));
    assert_false(msr_write(&vcpu, 0x8b, ~0ul));             /* though it reads so */
    assert_true(msr_write(&vcpu, 0xc0010015, 0));
    assert_true(msr_write(&vcpu, 0xc0010015, ~0ul));
    assert_false(msr_write(&vcpu, 0x10, TSC));              /* it goes on meanwhile */
    assert_false(msr_write(&vcpu, 0x10, 0));
}

/* What is there already; but not where there is nothing. */
static void what_is_there_already(void **state)
{
    static const struct { uint32_t msr; uint64_t value; bool there; } same[] = {
        { 0x1b, 0xfee00900, true }, { 0x277, HOST(0x277), true }, { 0xc0000080, ~0x1000ul, true },
        { 0x179, 0, true },         { 0xc0010055, 0, true },      { 0xc0011029, 2, true },
        { 0x9999, 0, false },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(same); i++) {
        assert_int_equal(msr_write(&vcpu, same[i].msr, same[i].value), same[i].there);
        assert_false(msr_write(&vcpu, same[i].msr, same[i].value ^ 1));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_can_be_read, set_up),
        cmocka_unit_test_setup(what_the_cpu_lacks, set_up),
        cmocka_unit_test_setup(segment_bases, set_up),
        cmocka_unit_test_setup(what_can_be_written, set_up),
        cmocka_unit_test_setup(what_is_there_already, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
