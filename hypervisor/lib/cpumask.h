/* SPDX-License-Identifier: MIT */
/* Sets of CPUs: a bit for each, by their numbers (machine/cpu.h). */
#ifndef DOMUS_LIB_CPUMASK_H
#define DOMUS_LIB_CPUMASK_H

#include "lib/types.h"

#ifndef MAX_CPUS
#define MAX_CPUS 64
#endif

#if MAX_CPUS <= 64
typedef uint64_t cpumask_t;
#else
typedef __uint128_t cpumask_t;
#endif
#define ALL_CPUS (~(cpumask_t)0)

static inline cpumask_t cpu_bit(uint32_t cpu)
{
    return (cpumask_t)1 << cpu;
}

/* Of a set that is not empty. */
static inline uint32_t cpumask_first(cpumask_t m)
{
    return (uint64_t)m ? (uint32_t)__builtin_ctzl((uint64_t)m)
                       : 64 + (uint32_t)__builtin_ctzl((uint64_t)(m >> 32 >> 32));
}

#endif
