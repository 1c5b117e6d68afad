/* SPDX-License-Identifier: MIT */
/*
 * The words of the house: integers, the three address types, small helpers.
 *
 * A machine frame number, a machine address and a virtual address are all 64-bit integers, and
 * mixing them up is the classic hypervisor bug. So each is a struct of one member: the compiler
 * refuses the mix, and costs nothing. What is left as a number is the guest's own numbering of its
 * frames, which we only keep for it.
 */
#ifndef DOMUS_LIB_TYPES_H
#define DOMUS_LIB_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* machine frame number: what the hardware's page tables hold */
typedef struct { uint64_t n; } mfn_t;
typedef struct { uint64_t a; } maddr_t;   /* machine address in bytes */
/* virtual address, in a guest's or in our part of the address space */
typedef struct { uint64_t a; } vaddr_t;

#define PAGE_SHIFT 12
#define PAGE_SIZE  4096UL
#define PAGE_MASK  (~(PAGE_SIZE - 1))

#define MFN(x)   ((mfn_t){ (uint64_t)(x) })
#define MADDR(x) ((maddr_t){ (uint64_t)(x) })
#define VADDR(x) ((vaddr_t){ (uint64_t)(x) })
#define INVALID_MFN MFN(~0UL)

static inline bool mfn_eq(mfn_t a, mfn_t b)
{
    return a.n == b.n;
}
static inline maddr_t mfn_to_maddr(mfn_t m)
{
    return MADDR(m.n << PAGE_SHIFT);
}
static inline mfn_t maddr_to_mfn(maddr_t m)
{
    return MFN(m.a >> PAGE_SHIFT);
}

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
/* The index, or 0 if a guest's is not below count, by a mask: a CPU that guesses the outcome of the
 * caller's comparison reads nothing behind the table either. unit/test_speculation.py. */
static inline uint64_t index_below(uint64_t index, uint64_t count)
{
    uint64_t mask;

    asm("cmp %2, %1; sbb %0, %0" : "=r"(mask) : "r"(index), "r"(count) : "cc");
    return index & mask;
}
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define ROUND_UP(x, n) (((x) + (n) - 1) & ~((typeof(x))(n) - 1))
#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define must_check  __attribute__((warn_unused_result))
#define aligned(n)  __attribute__((aligned(n)))
#define cold        __attribute__((cold))

/* The ABI's error numbers; and "preempted, continue me", which never reaches a guest. */
#define XEN_ERRNO(name, value) name = value,
enum {
#include <xen/errno.h>
    ERESTART = 85
};

#endif
