/* SPDX-License-Identifier: MIT */
/* What the CPU can do, as sets of features and for a policy that a toolstack chose (cpuid.c). */
#ifndef DOMUS_EMULATE_CPU_POLICY_H
#define DOMUS_EMULATE_CPU_POLICY_H

#include "domain/chosen.h"
#include "machine/io.h"

/* Where the words of a feature set come from (<xen/arch-x86/cpufeatureset.h>). Those behind are of
 * MSRs that guests of ours do not have. */
#define CPUID_WORDS 16
struct cpuid_word {
    uint32_t leaf;
    uint8_t subleaf, reg;           /* reg: 0 to 3 is EAX to EDX */
};
extern const struct cpuid_word cpuid_words[CPUID_WORDS];
uint32_t *cpuid_register(struct cpuid_regs *r, uint32_t number);

/* The most that a guest here can be told, and what is left of it; NULL: all. */
struct cpuid_regs cpuid_offered(uint32_t leaf, uint32_t subleaf);
struct cpuid_regs cpuid_chosen(const struct cpu_policy *p, uint32_t leaf, uint32_t subleaf);
/* NULL: it is not in there. */
const xen_cpuid_leaf_t *cpu_policy_find(const struct cpu_policy *p, uint32_t leaf,
                                        uint32_t subleaf);

#endif
