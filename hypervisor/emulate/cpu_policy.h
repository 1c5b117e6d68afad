/* SPDX-License-Identifier: MIT */
/*
 * What of the CPU a domain is told of, as the toolstack chose it (XEN_DOMCTL_set_cpu_policy):
 * written before the domain first runs, freed with it. Chosen can be less than this machine offers,
 * not more.
 */
#ifndef DOMUS_EMULATE_CPU_POLICY_H
#define DOMUS_EMULATE_CPU_POLICY_H

#include "machine/io.h"
#include <xen/xen.h>

/* What libxc writes back is at most: 14 basic leaves, with 6 subleaves of 4, 3 of 7, 2 of 0xb and
 * 63 of 0xd, two of the hypervisor's and 34 extended. */
#define CPU_POLICY_LEAVES 128

struct cpu_policy {
    uint32_t count;
    xen_cpuid_leaf_t leaf[CPU_POLICY_LEAVES];
};

/* Where the words of a feature set come from (<xen/arch-x86/cpufeatureset.h>). Those behind are of
 * MSRs that guests of ours do not have, and empty. */
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
