/* SPDX-License-Identifier: MIT */
/* Single instructions, by their bytes, on a machine of its own (interpret_host.h). */
#ifndef TESTS_UNIT_INTERPRET_STEPS_H
#define TESTS_UNIT_INTERPRET_STEPS_H

#include "interpret_host.h"

enum { CODE = 0xa000, DATA = 0xb000, MORE = 0xc000, STACK = 0xf000, SIZE = 0x40000 };

static struct host_machine machine;
static struct vcpu *vcpu;

static inline void start(unsigned int cpl)
{
    if (vcpu)
        machine_end(vcpu);
    vcpu = machine_start(&machine, &host_ops, SIZE);
    enter_long_mode(vcpu, cpl);
    vcpu->rip = CODE;
    vcpu->general[RSP] = STACK;
}

/* Of all tests. */
static inline int end(void **state)
{
    machine_end(vcpu);
    return 0;
}

static inline enum step step_bytes(const uint8_t *bytes, size_t count)
{
    memcpy(machine.memory + CODE, bytes, count);
    vcpu->rip = CODE;
    return interpret_one(vcpu);
}
#define STEP(...) step_bytes((const uint8_t[]){ __VA_ARGS__ }, sizeof (uint8_t[]){ __VA_ARGS__ })

/* The instruction took exception `vector`; its error code is the lowest word of the frame. */
static inline void assert_exception(enum step step, unsigned int vector)
{
    assert_int_equal(step, STEP_EXCEPTION);
    assert_int_equal(vcpu->rip, HANDLERS + 16 * vector);
    assert_int_equal(vcpu->cpl, 0);
}

static inline void assert_error(enum step step, unsigned int vector, uint64_t error)
{
    assert_exception(step, vector);
    assert_int_equal(get(vcpu, vcpu->general[RSP]), error);
}

#endif
