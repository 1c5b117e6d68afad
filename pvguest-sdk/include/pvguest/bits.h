/* SPDX-License-Identifier: MIT */
/* Barriers, and atomic operations on words that another domain or the hypervisor changes too. */
#ifndef PVGUEST_BITS_H
#define PVGUEST_BITS_H

#include <pvguest/names.h>
#include <abi/types.h>

/* The compiler may not move memory accesses across; x86 keeps loads and stores in order by itself
 * except store-load. The macros of <xen/io/ring.h> call them so. */
#define xen_mb()   __asm__ volatile("lock addl $0, -8(%%rsp)" ::: "memory", "cc")
#define xen_rmb()  __asm__ volatile("" ::: "memory")
#define xen_wmb()  xen_rmb()

#ifndef PVGUEST_PREFIXED
#define barrier()  xen_rmb()
#define rmb()      xen_rmb()
#define wmb()      xen_wmb()
#define mb()       xen_mb()
#define cpu_relax() __asm__ volatile("pause" ::: "memory")

/* One access, as written: for memory that others change. */
#define READ_ONCE(x)       (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v)   (*(volatile __typeof__(x) *)&(x) = (v))
/* The same in an order: what stands behind the load is done after it, what stands before the store
 * is done before it. */
#define LOAD_ACQUIRE(x) \
    __atomic_load_n((const volatile __typeof__(x) *)&(x), __ATOMIC_ACQUIRE)
#define STORE_RELEASE(x, v) \
    __atomic_store_n((volatile __typeof__(x) *)&(x), (v), __ATOMIC_RELEASE)

/* Bit `bit` of an array of words, with a lock prefix. test_and_* return what it was. */
static inline void set_bit(unsigned int bit, volatile unsigned long *words)
{
    __atomic_fetch_or(&words[bit / 64], 1UL << (bit % 64), __ATOMIC_SEQ_CST);
}
static inline void clear_bit(unsigned int bit, volatile unsigned long *words)
{
    __atomic_fetch_and(&words[bit / 64], ~(1UL << (bit % 64)), __ATOMIC_SEQ_CST);
}
static inline bool test_bit(unsigned int bit, const volatile unsigned long *words)
{
    return words[bit / 64] >> (bit % 64) & 1;
}
static inline bool test_and_set_bit(unsigned int bit, volatile unsigned long *words)
{
    return __atomic_fetch_or(&words[bit / 64], 1UL << (bit % 64), __ATOMIC_SEQ_CST) >> (bit % 64) &
           1;
}
static inline bool test_and_clear_bit(unsigned int bit, volatile unsigned long *words)
{
    return __atomic_fetch_and(&words[bit / 64], ~(1UL << (bit % 64)), __ATOMIC_SEQ_CST) >>
               (bit % 64) &
           1;
}
/* *word = desired if it is *expected; else *expected = what it is. */
static inline bool compare_exchange16(volatile uint16_t *word, uint16_t *expected, uint16_t desired)
{
    return __atomic_compare_exchange_n(word, expected, desired, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_SEQ_CST);
}

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ({ __typeof__(a) a_ = (a); __typeof__(b) b_ = (b); a_ < b_ ? a_ : b_; })
#define MAX(a, b) ({ __typeof__(a) a_ = (a); __typeof__(b) b_ = (b); a_ > b_ ? a_ : b_; })
#endif

#endif
