/* SPDX-License-Identifier: MIT */
/*
 * A guest's debug registers: what is refused, what is made of what is set, and what is in the
 * hardware of it when: nothing while no breakpoint is on, all of it from the moment that one is.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <setjmp.h>
#include <asm/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>
#undef fail                                     /* the hypervisor has one, too */
#include "emulate/privileged.h"
#include "entry/hypercall.h"
#include "machine/io.h"
#include "lib/layout.h"
#include "fail_host.h"

#define UNTOUCHED 0xddddul

static struct cpu cpu;
static struct vcpu vcpu;
static uint64_t hardware[8];
static unsigned int moves;

/* `mov %reg, %dr` faults here: what it would have done. */
static void move_faults(int number, siginfo_t *info, void *context)
{
    static const int registers[16] = {
        REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
        REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
    };
    greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
    const uint8_t *at = (const uint8_t *)r[REG_RIP];
    bool upper = *at == 0x41;

    at += upper;
    if (at[0] != 0x0f || at[1] != 0x23)
        abort();
    hardware[at[2] >> 3 & 7] = (uint64_t)r[registers[(at[2] & 7) + 8 * upper]];
    r[REG_RIP] += 3 + upper;
    moves++;
}

static int set_up(void **state)
{
    vcpu = (struct vcpu){ .hw.debugreg = { [6] = 0xffff0ff0, [7] = 0x400 } };
    cpu.self = &cpu;
    cpu.running = &vcpu;
    syscall(SYS_arch_prctl, ARCH_SET_GS, &cpu);
    for (unsigned int i = 0; i < 8; i++)
        hardware[i] = UNTOUCHED;
    moves = 0;
    return 0;
}

static void catch_moves(void)
{
    struct sigaction action = { .sa_sigaction = move_faults, .sa_flags = SA_SIGINFO };

    sigaction(SIGSEGV, &action, NULL);
}

static long set(unsigned long reg, uint64_t value)
{
    return do_set_debugreg(reg, value);
}
static long get(unsigned long reg)
{
    return do_get_debugreg(reg);
}

static void addresses(void **state)
{
    static const struct { uint64_t address; long error; } places[] = {
        { 0, 0 },
        { 0x7fffffffeff8, 0 },
        { 0x7ffffffffff8, 0 },
        { 0x7ffffffffff9, -EPERM },
        { 0x800000000000, -EPERM },
        { HV_START, -EPERM },
        { HV_END - 8, -EPERM },
        { HV_END, 0 },
        { -8ul, -EPERM },                       /* its end wraps */
        { -9ul, 0 },
    };

    catch_moves();
    for (unsigned int reg = 0; reg < 4; reg++)
        for (unsigned int i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
            vcpu.hw.debugreg[reg] = 0x5000;
            assert_int_equal(set(reg, places[i].address), places[i].error);
            assert_int_equal(get(reg), places[i].error ? 0x5000 : places[i].address);
            assert_int_equal(hardware[reg], UNTOUCHED);
        }
}

static void status(void **state)
{
    assert_int_equal(set(6, 0), 0);
    assert_int_equal(get(6), 0xffff0ff0);
    assert_int_equal(set(6, 0xffffffff), 0);
    assert_int_equal(get(6), 0xffffefff);
    assert_int_equal(set(6, 1ul << 32), -EINVAL);
    assert_int_equal(get(6), 0xffffefff);
    assert_int_equal(hardware[6], UNTOUCHED);
}

static void control(void **state)
{
    static const struct { uint64_t value, kept; long error; } controls[] = {
        { 0, 0x400, 0 },
        { 0x1ul << 32, 0, -EINVAL },
        { 0x2000, 0, -EPERM },                  /* general detect */
        { 0xffff0000, 0xffff0400, 0 },          /* on what, but none is on */
        { 0xdc00, 0x400, 0 },                   /* reserved bits */
        { 0x300, 0x700, 0 },
        { 0xd10d0001, 0xd10d0401, 0 },
        { 0xdddd00ff, 0xdddd04ff, 0 },
        { 0xffff00ff, 0xffff04ff, 0 },
        { 0x00020001, 0, -EPERM },              /* on I/O: each of the four */
        { 0x00200001, 0, -EPERM },
        { 0x02000001, 0, -EPERM },
        { 0x20000001, 0, -EPERM },
        { 0x20000080, 0, -EPERM },
        { 0x22220300, 0x22220700, 0 },          /* but none is on */
        { 0xeeee0001, 0, -EPERM },
    };

    catch_moves();
    for (unsigned int i = 0; i < sizeof(controls) / sizeof(controls[0]); i++) {
        vcpu.hw.debugreg[7] = 0x400;
        assert_int_equal(set(7, controls[i].value), controls[i].error);
        assert_int_equal(get(7), controls[i].error ? 0x400 : controls[i].kept);
    }
}

/* In the hardware: while a breakpoint is on. */
static void when_it_is_loaded(void **state)
{
    catch_moves();
    for (unsigned int reg = 0; reg < 4; reg++)
        assert_int_equal(set(reg, 0x1000 * (reg + 1)), 0);
    assert_int_equal(set(7, 0xf0300), 0);                   /* none is on */
    for (unsigned int reg = 0; reg < 8; reg++)
        assert_int_equal(hardware[reg], UNTOUCHED);
    assert_int_equal(set(1, 0x2000), 0);
    assert_int_equal(moves, 0);
    assert_int_equal(set(7, 0x1), 0);
    assert_int_equal(moves, 5);
    for (unsigned int reg = 0; reg < 4; reg++)
        assert_int_equal(hardware[reg], 0x1000 * (reg + 1));
    assert_int_equal(hardware[7], 0x401);
    for (unsigned int reg = 0; reg < 4; reg++) {
        assert_int_equal(set(reg, 0x2000 * (reg + 1)), 0);
        assert_int_equal(hardware[reg], 0x2000 * (reg + 1));
        hardware[reg] = UNTOUCHED;
    }
    assert_int_equal(set(7, 0x80), 0);                      /* another: only the control changes */
    assert_int_equal(hardware[7], 0x480);
    for (unsigned int reg = 0; reg < 4; reg++)
        assert_int_equal(hardware[reg], UNTOUCHED);
    assert_int_equal(set(7, 0), 0);                         /* the last is off, there too */
    assert_int_equal(hardware[7], 0x400);
    hardware[7] = UNTOUCHED;
    assert_int_equal(set(7, 0), 0);
    assert_int_equal(hardware[7], UNTOUCHED);
    assert_int_equal(set(7, 0x80), 0);                      /* the highest bit alone */
    assert_int_equal(hardware[0], 0x2000);
}

/* 4 and 5 are 6 and 7, unless CR4.DE says that there are none; above 7 there are none. */
static void names(void **state)
{
    catch_moves();
    for (unsigned int reg = 0; reg < 8; reg++) {
        vcpu.hw.guest_cr4 = ~CR4_DE;
        assert_int_equal(debugreg_number(&vcpu, reg), reg == 4 || reg == 5 ? reg + 2 : reg);
        vcpu.hw.guest_cr4 = CR4_DE;
        assert_int_equal(debugreg_number(&vcpu, reg), reg == 4 || reg == 5 ? NO_DEBUGREG : reg);
    }
    assert_int_equal(set(4, 0), -ENODEV);
    assert_int_equal(get(5), -ENODEV);
    vcpu.hw.guest_cr4 = 0;
    assert_int_equal(set(4, 0xf), 0);
    assert_int_equal(get(6), 0xffff0fff);
    assert_int_equal(set(5, 0x1), 0);
    assert_int_equal(get(7), 0x401);
    assert_int_equal(get(5), 0x401);
    assert_int_equal(set(8, 0), -ENODEV);
    assert_int_equal(get(8), -ENODEV);
    assert_int_equal(get(1000), -ENODEV);
    vcpu.hw.debugreg[3] = 0x33;
    assert_int_equal(get(3), 0x33);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(addresses, set_up),
        cmocka_unit_test_setup(status, set_up),
        cmocka_unit_test_setup(control, set_up),
        cmocka_unit_test_setup(when_it_is_loaded, set_up),
        cmocka_unit_test_setup(names, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
