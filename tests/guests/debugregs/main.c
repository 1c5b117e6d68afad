/* SPDX-License-Identifier: MIT */
/*
 * Debug registers are the guest's, through hypercalls: a breakpoint on its own data and code fires
 * as #DB with DR6 telling which; one on the hypervisor's addresses, reserved bits and unknown
 * registers are refused, and ones everywhere hang nothing. Idea: XSA-12 (DR7 reserved bits),
 * XSA-444 (breakpoints in the hypervisor's range), XSA-265 (#DB and MOV SS).
 */
#include "../lib/test.h"

static volatile uint64_t watched;

static void breakpoint_fires(void)
{
    CHECK_IS(HYPERVISOR_set_debugreg(0, (unsigned long)&watched), 0);
    CHECK_IS(HYPERVISOR_get_debugreg(0), (unsigned long)&watched);
    /* DR7: breakpoint 0 local, on writes, 8 bytes. */
    CHECK_IS(HYPERVISOR_set_debugreg(7, 0x1 | 0x400 | 1ul << 16 | 2ul << 18), 0);
    CHECK_IS(TRAP_IN(watched = 1), TRAP_DB);
    CHECK_IS(HYPERVISOR_get_debugreg(6) & 0xf, 1);
    CHECK_IS(HYPERVISOR_set_debugreg(6, 0), 0);

    /* A hypercall that writes the watched place must not bring the hypervisor down; whether the
     * guest hears of it is its choice. */
    void ask(void *unused) { (void)HYPERVISOR_xen_version(XENVER_get_features, ADDRESS(&watched)); }
    (void)trap_in(ask, NULL);
    CHECK_IS(HYPERVISOR_set_debugreg(7, 0), 0);
    CHECK_IS(TRAP_IN(watched = 2), -1);
}

/* MOV SS defers the #DB to after the next instruction; with `syscall` there it would hit the
 * hypervisor's first one. */
static void moving_to_the_stack_segment(void)
{
    static uint16_t selector;

    asm volatile("mov %%ss, %0" : "=r" (selector));
    CHECK_IS(HYPERVISOR_set_debugreg(1, (unsigned long)&selector), 0);
    CHECK_IS(HYPERVISOR_set_debugreg(7, 0x4 | 0x400 | 3ul << 20 | 1ul << 22), 0);
    void move_and_call(void *unused)
    {
        asm volatile("mov %0, %%ss; syscall"
                     :
                     : "m"(selector), "a"(__HYPERVISOR_xen_version), "D"(0), "S"(0)
                     : "rcx", "r11", "memory");
    }
    int vector = trap_in(move_and_call, NULL);
    CHECK(vector == -1 || vector == TRAP_DB);
    void move_and_int(void *unused)
    {
        asm volatile("mov %0, %%ss; int3" : : "m"(selector) : "memory");
    }
    vector = trap_in(move_and_int, NULL);
    CHECK(vector == TRAP_BP || vector == TRAP_DB);
    CHECK_IS(HYPERVISOR_set_debugreg(7, 0), 0);
    CHECK(HYPERVISOR_xen_version(XENVER_version, NULL) > 0);
}

static unsigned long read_cr4(void)
{
    unsigned long value;

    asm volatile("mov %%cr4, %0" : "=r" (value));
    return value;
}

static void write_cr4(unsigned long value)
{
    asm volatile("mov %0, %%cr4" : : "r" (value));
}

static void bad_values_are_refused(void)
{
    static const unsigned long hidden[] = { 0xffff800000000000UL, 0xffff82d040200000UL,
                                            0xffff87ffffffffffUL };

    for (unsigned int i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++)
        for (int reg = 0; reg < 4; reg++)
            CHECK_REFUSED(HYPERVISOR_set_debugreg(reg, hidden[i]));
    CHECK_REFUSED(HYPERVISOR_set_debugreg(0, 0x800000000000UL));
    CHECK_IS(HYPERVISOR_set_debugreg(8, 0), -ENODEV);
    CHECK_IS(HYPERVISOR_set_debugreg(-1, 0), -ENODEV);
    CHECK_IS(HYPERVISOR_get_debugreg(8), -ENODEV);
    CHECK_IS(HYPERVISOR_get_debugreg(-1), -ENODEV);
    CHECK_IS(HYPERVISOR_set_debugreg(7, 1ul << 32), -EINVAL);
    CHECK_IS(HYPERVISOR_set_debugreg(7, ~0UL), -EINVAL);
    CHECK_IS(HYPERVISOR_set_debugreg(6, 1ul << 32), -EINVAL);
    CHECK_IS(HYPERVISOR_set_debugreg(7, 0x2000), -EPERM);   /* general detect */
    CHECK_IS(HYPERVISOR_get_debugreg(7) & 0x2000, 0);
    CHECK_IS(HYPERVISOR_set_debugreg(6, 0xffffffff), 0);
    CHECK_IS(HYPERVISOR_get_debugreg(6) & 0x1000, 0);
    CHECK_IS(HYPERVISOR_set_debugreg(6, 0), 0);
    CHECK_IS(HYPERVISOR_set_debugreg(7, 0), 0);
}

/* Accesses to ports, which CR4.DE allows: without it such a breakpoint may stand there, but not be
 * on. */
static void breakpoints_on_ports(void)
{
    unsigned long cr4 = read_cr4();

    write_cr4(cr4 & ~(1ul << 3));
    CHECK_IS(HYPERVISOR_set_debugreg(7, 2ul << 16), 0);
    CHECK_IS(HYPERVISOR_get_debugreg(7), 0x400 | 2ul << 16);
    CHECK_IS(HYPERVISOR_set_debugreg(7, 2ul << 16 | 1), -EPERM);
    CHECK_IS(HYPERVISOR_get_debugreg(7), 0x400 | 2ul << 16);
    CHECK_IS(HYPERVISOR_set_debugreg(7, 0), 0);
    write_cr4(cr4);
}

/* 4 and 5 are other names of 6 and 7, unless the guest's CR4.DE says that they are none. */
static void two_names_of_one_register(void)
{
    unsigned long cr4 = read_cr4();

    write_cr4(cr4 & ~(1ul << 3));
    CHECK_IS(HYPERVISOR_set_debugreg(4, 0xf), 0);
    CHECK_IS(HYPERVISOR_get_debugreg(6), 0xffff0fff);
    CHECK_IS(HYPERVISOR_get_debugreg(4), 0xffff0fff);
    CHECK_IS(HYPERVISOR_set_debugreg(6, 0), 0);
    CHECK_IS(HYPERVISOR_set_debugreg(5, 0x300), 0);
    CHECK_IS(HYPERVISOR_get_debugreg(7), 0x700);
    CHECK_IS(HYPERVISOR_get_debugreg(5), 0x700);
    CHECK_IS(HYPERVISOR_set_debugreg(5, 0x2000), -EPERM);
    write_cr4(cr4 | 1ul << 3);
    for (int reg = 4; reg < 6; reg++) {
        CHECK_IS(HYPERVISOR_set_debugreg(reg, 0), -ENODEV);
        CHECK_IS(HYPERVISOR_get_debugreg(reg), -ENODEV);
    }
    CHECK_IS(HYPERVISOR_get_debugreg(7), 0x700);
    write_cr4(cr4);
    CHECK_IS(HYPERVISOR_set_debugreg(7, 0), 0);
}

static void by_instruction(void)
{
    uint64_t value = 0;

    CHECK_IS(HYPERVISOR_set_debugreg(2, 0x12345000), 0);
    asm volatile("mov %%dr2, %0" : "=r" (value));           /* trapped and emulated */
    CHECK_IS(value, 0x12345000);
    asm volatile("mov %0, %%dr2" : : "r" (0x54321000UL));
    CHECK_IS(HYPERVISOR_get_debugreg(2), 0x54321000);
}

void test_main(void)
{
    breakpoint_fires();
    moving_to_the_stack_segment();
    bad_values_are_refused();
    breakpoints_on_ports();
    two_names_of_one_register();
    by_instruction();
}
