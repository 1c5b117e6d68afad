/* SPDX-License-Identifier: MIT */
/*
 * Debug registers of a guest: set_debugreg and get_debugreg, and `mov` to and from them by
 * emulation. The hardware's belong to whoever runs; domain/switch.c changes them with the vCPU.
 *
 * A breakpoint must not lie in our part of the address space (XSA-444), and bits that the CPU
 * reserves would make loading the register fault (XSA-12), so both are refused or normalised
 * here, once.
 */
#include "emulate/privileged.h"
#include "domain/domain.h"
#include "entry/hypercall.h"
#include "lib/fail.h"
#include "machine/io.h"
#include "memory/access.h"

#define DR6_RESERVED_0   0x1000ul       /* the bit that reads as 0 */
#define DR7_RESERVED_0   0xffff27fful   /* what may be set: the others below bit 32 read as 0 */
#define DR7_GENERAL_DETECT 0x2000ul
/* of each breakpoint's two bits of kind: are they 10? */
#define DR7_ON_IO(dr7)   ((dr7) >> 17 & ~((dr7) >> 16) & 0x1111)

static int set_control(struct vcpu *v, uint64_t value)
{
    if (value >> 32) return fail(-EINVAL, "the upper half of DR7 must be 0");
    if (value & DR7_GENERAL_DETECT)
        return fail(-EPERM, "no trap of who touches the debug registers");
    value = (value & DR7_RESERVED_0) | DR7_FIXED;
    if ((value & DR7_ENABLED) && DR7_ON_IO(value))
        return fail(-EPERM, "no breakpoints on I/O ports");
    /* The addresses are in the hardware only while a breakpoint is on. */
    if ((value & DR7_ENABLED) && !(v->hw.debugreg[7] & DR7_ENABLED))
        for (unsigned int n = 0; n < 4; n++)
            write_dr(n, v->hw.debugreg[n]);
    if ((value | v->hw.debugreg[7]) & DR7_ENABLED)
        write_dr(7, value);
    v->hw.debugreg[7] = value;
    return 0;
}

unsigned int debugreg_number(const struct vcpu *v, unsigned int reg)
{
    return reg != 4 && reg != 5 ? reg : v->hw.guest_cr4 & CR4_DE ? NO_DEBUGREG : reg + 2;
}

long do_set_debugreg(int reg, unsigned long value)
{
    struct vcpu *v = current;
    unsigned int n = debugreg_number(v, reg);

    switch (n) {
    case 0: case 1: case 2: case 3:
        if (!guest_range_ok(value, 8))
            return fail(-EPERM, "not an address where a guest may have a breakpoint");
        v->hw.debugreg[n] = value;
        if (v->hw.debugreg[7] & DR7_ENABLED)
            write_dr(n, value);
        return 0;
    case 6:
        if (value >> 32) return fail(-EINVAL, "the upper half of DR6 must be 0");
        v->hw.debugreg[6] = (value | DR6_FIXED) & ~DR6_RESERVED_0;
        return 0;
    case 7:
        return set_control(v, value);
    default:
        return fail(-ENODEV, "there is no such debug register");
    }
}

long do_get_debugreg(int reg)
{
    unsigned int n = debugreg_number(current, reg);

    return n <= 7 ? (long)current->hw.debugreg[n]
                  : fail(-ENODEV, "there is no debug register of that number");
}
