/* SPDX-License-Identifier: MIT */
/* Sets of CPUs, by their numbers (machine/cpu.h). */
#ifndef DOMUS_LIB_CPUMASK_H
#define DOMUS_LIB_CPUMASK_H

#include "lib/types.h"

#ifndef MAX_CPUS
#define MAX_CPUS 64
#endif
#define CPUMASK_WORDS ((MAX_CPUS + 63) / 64)

struct cpumask { uint64_t word[CPUMASK_WORDS]; };

static inline bool cpumask_has(const struct cpumask *m, uint32_t cpu)
{
    return m->word[cpu / 64] >> cpu % 64 & 1;
}
static inline void cpumask_add(struct cpumask *m, uint32_t cpu)
{
    m->word[cpu / 64] |= 1ul << cpu % 64;
}
static inline void cpumask_drop(struct cpumask *m, uint32_t cpu)
{
    m->word[cpu / 64] &= ~(1ul << cpu % 64);
}
static inline bool cpumask_equal(const struct cpumask *a, const struct cpumask *b)
{
    for (unsigned int i = 0; i < CPUMASK_WORDS; i++)
        if (a->word[i] != b->word[i]) return false;
    return true;
}

/* The lowest number that is in both; MAX_CPUS: none. */
static inline uint32_t cpumask_first_of(const struct cpumask *a, const struct cpumask *b)
{
    for (uint32_t i = 0; i < CPUMASK_WORDS; i++)
        if (a->word[i] & b->word[i])
            return i * 64 + (uint32_t)__builtin_ctzl(a->word[i] & b->word[i]);
    return MAX_CPUS;
}

#endif
