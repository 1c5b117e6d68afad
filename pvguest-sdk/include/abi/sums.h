/* SPDX-License-Identifier: MIT */
/*
 * Sums of numbers that somebody else chose: a kernel's headers and notes, a configuration, a
 * command line. They saturate. What does not fit in 64 bits is BEYOND and stays it through every
 * further sum, product and rounding; so a computation is written down plainly and judged once, at
 * its end, by comparing it with what is allowed. Nothing is subtracted before.
 *
 * Both builders of domains, dom0's and the hypervisor's, read the same kernels and share this.
 */
#ifndef ABI_SUMS_H
#define ABI_SUMS_H

#include <abi/types.h>

#define BEYOND UINT64_MAX
#define PAGE_BYTES 4096u

/* What a guest may map, in the two halves of the address space; the ABI's:
 * <xen/arch-x86/xen-x86_64.h>. */
#define GUEST_LOW_END    0x0000800000000000ul
#define GUEST_HIGH_START 0xffff880000000000ul
#define GUEST_RANGES     "below 0x800000000000 or from 0xffff880000000000 on"

static inline uint64_t sum_of(uint64_t a, uint64_t b)
{
    uint64_t sum;

    return __builtin_add_overflow(a, b, &sum) ? BEYOND : sum;
}

static inline uint64_t product_of(uint64_t a, uint64_t b)
{
    uint64_t product;

    return __builtin_mul_overflow(a, b, &product) ? BEYOND : product;
}

/* Up to a whole multiple of unit, a power of two. */
static inline uint64_t rounded_up(uint64_t value, uint64_t unit)
{
    uint64_t sum = sum_of(value, unit - 1);

    return sum == BEYOND ? BEYOND : sum & ~(unit - 1);
}

/* Is [offset, offset + size) within `whole` bytes? */
static inline bool lies_within(uint64_t offset, uint64_t size, uint64_t whole)
{
    return sum_of(offset, size) <= whole && sum_of(offset, size) != BEYOND;
}

/* Do these bytes lie in one of the two halves of a guest's address space? Its very last page is
 * nobody's: there its end is 0. */
static inline bool guest_may_map(uint64_t start, uint64_t size)
{
    uint64_t end = sum_of(start, size);

    return end != BEYOND && (end <= GUEST_LOW_END || start >= GUEST_HIGH_START);
}

#endif
