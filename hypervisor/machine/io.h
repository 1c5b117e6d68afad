/* SPDX-License-Identifier: MIT */
/* Instructions that C has no word for: ports, MSRs, control registers, CPUID. */
#ifndef DOMUS_MACHINE_IO_H
#define DOMUS_MACHINE_IO_H

#include "lib/types.h"

/* Of 1, 2 or 4 bytes. */
static inline uint32_t port_read(uint16_t port, unsigned int size)
{
    uint32_t v = 0;
    if (size == 1)
        __asm__ volatile("inb %1, %b0" : "+a"(v) : "Nd"(port));
    else if (size == 2)
        __asm__ volatile("inw %1, %w0" : "+a"(v) : "Nd"(port));
    else
        __asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}
static inline void port_write(uint16_t port, unsigned int size, uint32_t v)
{
    if (size == 1)
        __asm__ volatile("outb %b0, %1" : : "a"(v), "Nd"(port));
    else if (size == 2)
        __asm__ volatile("outw %w0, %1" : : "a"(v), "Nd"(port));
    else
        __asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port));
}
static inline uint8_t inb(uint16_t port)
{
    return (uint8_t)port_read(port, 1);
}
static inline void outb(uint16_t port, uint8_t v)
{
    port_write(port, 1, v);
}

#define MSR_EFER            0xc0000080u
#define MSR_STAR            0xc0000081u
#define MSR_LSTAR           0xc0000082u
#define MSR_CSTAR           0xc0000083u
#define MSR_FMASK           0xc0000084u
#define MSR_FS_BASE         0xc0000100u
#define MSR_GS_BASE         0xc0000101u
#define MSR_KERNEL_GS_BASE  0xc0000102u     /* while in ring 0: the guest's GS base */
#define MSR_TSC_AUX         0xc0000103u     /* what RDTSCP and RDPID give */
#define MSR_APIC_BASE       0x1bu
#define MSR_SYSENTER_CS     0x174u
#define MSR_PAT             0x277u
/* What PAT, PCD and PWT of an entry mean is part of the ABI: WB, WT, UC-, UC, WC, WP, UC, UC. */
#define XEN_MSR_PAT         0x50100070406ul
#define EFER_SCE (1u << 0)
#define EFER_NX  (1u << 11)
#define EFER_SVME (1ul << 12)

/* For MSRs that are known to exist (a fault here is a bug of ours); for others there are the _safe
 * forms. */
static inline uint64_t rdmsr(uint32_t msr)
{
    uint32_t low, high;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return (uint64_t)high << 32 | low;
}
static inline void wrmsr(uint32_t msr, uint64_t v)
{
    __asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)) : "memory");
}
/* false: the CPU has no such MSR (machine/cpu.c) */
bool rdmsr_safe(uint32_t msr, uint64_t *value) must_check;
bool wrmsr_safe(uint32_t msr, uint64_t value) must_check;

static inline uint64_t rdtsc(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

/* After all loads before it, and before all that follows. */
static inline uint64_t rdtsc_ordered(void)
{
    uint64_t tsc;

    __asm__ volatile("lfence" : : : "memory");
    tsc = rdtsc();
    __asm__ volatile("lfence" : : : "memory");
    return tsc;
}

/* a * b / c, of which the result fits into 64 bits. */
static inline uint64_t mul_div(uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t high;
    __asm__("mulq %3; divq %4" : "=&a"(a), "=&d"(high) : "0"(a), "r"(b), "r"(c) : "cc");
    return a;
}

struct cpuid_regs { uint32_t a, b, c, d; };
static inline struct cpuid_regs cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_regs r;
    __asm__ volatile("cpuid"
                     : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d)
                     : "0"(leaf), "2"(subleaf));
    return r;
}

#define CR0_MP (1ul << 1)
#define CR0_EM (1ul << 2)
#define CR0_TS (1ul << 3)
#define CR0_NE (1ul << 5)
#define CR0_WP (1ul << 16)
#define CR0_AM (1ul << 18)
#define CR0_PG (1ul << 31)

#define CR4_TSD        (1ul << 2)
#define CR4_DE         (1ul << 3)
#define CR4_PAE        (1ul << 5)
#define CR4_MCE        (1ul << 6)
#define CR4_PGE        (1ul << 7)
#define CR4_OSFXSR     (1ul << 9)
#define CR4_OSXMMEXCPT (1ul << 10)
#define CR4_FSGSBASE   (1ul << 16)
#define CR4_OSXSAVE    (1ul << 18)
#define CR4_SMEP       (1ul << 20)
#define CR4_SMAP       (1ul << 21)

#define READ_WRITE_CR(n) \
    static inline uint64_t read_cr##n(void) \
    { \
        uint64_t v; \
        __asm__ volatile("mov %%cr" #n ", %0" : "=r"(v)); \
        return v; \
    } \
    static inline void write_cr##n(uint64_t v) \
    { \
        __asm__ volatile("mov %0, %%cr" #n : : "r"(v) : "memory"); \
    }
READ_WRITE_CR(0)
READ_WRITE_CR(2)
READ_WRITE_CR(3)
READ_WRITE_CR(4)

static inline void write_xcr0(uint64_t v)
{
    __asm__ volatile("xsetbv" : : "c"(0), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)));
}

/* What LGDT and LIDT take. */
struct table_pointer { uint16_t limit; uint64_t base; } __attribute__((packed));

/* Debug registers 0 to 3, and 7. */
static inline void write_dr(unsigned int n, uint64_t v)
{
    switch (n) {
    case 0: __asm__ volatile("mov %0, %%dr0" : : "r"(v)); break;
    case 1: __asm__ volatile("mov %0, %%dr1" : : "r"(v)); break;
    case 2: __asm__ volatile("mov %0, %%dr2" : : "r"(v)); break;
    case 3: __asm__ volatile("mov %0, %%dr3" : : "r"(v)); break;
    default: __asm__ volatile("mov %0, %%dr7" : : "r"(v)); break;
    }
}
#define DR6_FIXED   0xffff0ff0ul    /* bits that read as 1 */
#define DR7_FIXED   0x400ul
#define DR7_ENABLED 0xfful          /* of each breakpoint two */

static inline void cpu_relax(void)
{
    __builtin_ia32_pause();
}

#define RFLAGS_CF   (1u << 0)
#define RFLAGS_TF   (1u << 8)
#define RFLAGS_FIXED (1u << 1)      /* always one */
#define RFLAGS_IF   (1u << 9)
#define RFLAGS_DF   (1u << 10)
#define RFLAGS_IOPL (3u << 12)
#define RFLAGS_NT   (1u << 14)
#define RFLAGS_RF   (1u << 16)
#define RFLAGS_AC   (1u << 18)

/* An address that the CPU takes at all: bits 63 to 47 are alike. */
static inline bool is_canonical(uint64_t va)
{
    return (uint64_t)((int64_t)(va << 16) >> 16) == va;
}

#endif
