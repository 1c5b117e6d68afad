/* SPDX-License-Identifier: MIT */
/*
 * Privileged instructions fault on the host; here is what they would have done. RDMSR and WRMSR
 * work on msr_of(), CLTS and moves of control and debug registers on hardware_cr and hardware_dr,
 * XSETBV on hardware_xcr0, LGDT, LLDT and LTR on hardware_gdt, hardware_ldt and hardware_tr; a
 * selector that cannot be loaded goes on at its fixup, and so does who asks for an MSR that is not
 * there (msr_of is NULL). Each store is told to `stored`, if there is one. catch_faults() begins
 * it; what it needs of the table of fixups is at the beginning of the test's own section of that
 * name, so the test is linked first.
 */
#ifndef TESTS_UNIT_FAULTS_HOST_H
#define TESTS_UNIT_FAULTS_HOST_H

#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

static uint64_t hardware_cr[8], hardware_dr[8], hardware_xcr0;
static struct { uint16_t limit; uint64_t base; } __attribute__((packed)) hardware_gdt;
static uint64_t hardware_ldt, hardware_tr;
static uint64_t *msr_of(uint32_t number);       /* the test's own */
static void (*stored)(const char *what, uint64_t number, uint64_t value);

struct host_fixup { uint64_t at, to; };
extern const struct host_fixup host_fixups[];
__asm__(".pushsection .fixups, \"a\"\nhost_fixups:\n.popsection");

static greg_t *register_of(greg_t *r, unsigned int number)
{
    static const int registers[16] = {
        REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
        REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
    };
    return &r[registers[number]];
}

static void store(const char *what, uint64_t *to, uint64_t number, uint64_t value)
{
    *to = value;
    if (stored)
        stored(what, number, value);
}

/* The address of a memory operand, whose ModRM byte `at` is; *length of it all. */
static uint64_t operand_at(greg_t *r, const uint8_t *at, unsigned int rex, unsigned int *length)
{
    unsigned int mod = *at >> 6, rm = *at & 7, n = 1;
    uint64_t address;
    int32_t wide = 0;

    if (rm == 4) {                              /* SIB: a base alone is all there is */
        if ((at[1] >> 3 & 7) != 4)
            abort();
        rm = at[1] & 7;
        n++;
    }
    if (mod == 0 && rm == 5)
        abort();
    address = (uint64_t)*register_of(r, rm + (rex & 1 ? 8 : 0));
    if (mod == 1)
        address += (uint64_t)(int64_t)(int8_t)at[n++];
    if (mod == 2) {
        memcpy(&wide, at + n, 4);
        address += (uint64_t)(int64_t)wide;
        n += 4;
    }
    *length = n;
    return address;
}

/* 0x0f and what follows; how long it is. 0: it goes on at its fixup. */
static unsigned int performed(greg_t *r, const uint8_t *at, unsigned int rex)
{
    greg_t *operand = register_of(r, (at[1] & 7u) + (rex & 1 ? 8 : 0));
    unsigned int number = at[1] >> 3 & 7, length;
    uint64_t value = (uint64_t)r[REG_RDX] << 32 | (uint32_t)r[REG_RAX];

    if ((at[0] == 0x30 || at[0] == 0x32) && !msr_of((uint32_t)r[REG_RCX])) return 0;
    switch (at[0]) {
    case 0x00:
        if (at[1] < 0xd0 || at[1] > 0xdf)
            abort();
        store(number == 2 ? "ldt" : "tr", number == 2 ? &hardware_ldt : &hardware_tr, 0,
              (uint16_t)*operand);
        return 2;
    case 0x01:
        if (at[1] == 0xd1) {
            store("xcr0", &hardware_xcr0, 0, value);
            return 2;
        }
        if (number != 2)
            abort();
        memcpy(&hardware_gdt, (void *)operand_at(r, at + 1, rex, &length), sizeof(hardware_gdt));
        return 1 + length;
    case 0x06: store("clts", &hardware_cr[0], 0, hardware_cr[0] & ~8ul); return 1;
    case 0x20: *operand = (greg_t)hardware_cr[number]; return 2;
    case 0x22: store("cr", &hardware_cr[number], number, (uint64_t)*operand); return 2;
    case 0x23: store("dr", &hardware_dr[number], number, (uint64_t)*operand); return 2;
    case 0x30: store("msr", msr_of((uint32_t)r[REG_RCX]), (uint32_t)r[REG_RCX], value); return 1;
    case 0x32:
        r[REG_RAX] = (uint32_t)*msr_of((uint32_t)r[REG_RCX]);
        r[REG_RDX] = (greg_t)(*msr_of((uint32_t)r[REG_RCX]) >> 32);
        return 1;
    default: abort();
    }
}

static void privileged_faults(int number, siginfo_t *info, void *context)
{
    greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
    const uint8_t *at = (const uint8_t *)r[REG_RIP];
    unsigned int rex = (*at & 0xf0) == 0x40 ? *at++ : 0;
    unsigned int length = *at == 0x0f ? performed(r, at + 1, rex) : 0;

    if (*at == 0xcd && stored) {
        stored("int", at[1], 0);
        length = 1;
    }
    if (length) {
        r[REG_RIP] += (rex != 0) + 1 + length;
        return;
    }
    for (const struct host_fixup *f = host_fixups; *at == 0x8e || *at == 0x0f; f++)
        if (f->at == (uint64_t)r[REG_RIP]) {
            r[REG_RIP] = (greg_t)f->to;
            return;
        }
    abort();
}

static inline void catch_faults(void)
{
    struct sigaction action = { .sa_sigaction = privileged_faults, .sa_flags = SA_SIGINFO };

    sigaction(SIGSEGV, &action, NULL);
}

#endif
