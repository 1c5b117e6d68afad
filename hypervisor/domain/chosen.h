/* SPDX-License-Identifier: MIT */
/* What a toolstack chose that a domain is told of its machine; freed with the domain. */
#ifndef DOMUS_DOMAIN_CHOSEN_H
#define DOMUS_DOMAIN_CHOSEN_H

#include "lib/types.h"
#include <xen/xen.h>

/* XEN_DOMCTL_set_cpu_policy: of CPUID, less than this machine offers (emulate/cpuid.c). What libxc
 * writes back is at most 14 basic leaves, with 6 subleaves of 4, 3 of 7, 2 of 0xb and 63 of 0xd,
 * two of the hypervisor's and 34 extended. */
#define CPU_POLICY_LEAVES 128

struct cpu_policy {
    uint32_t count;
    xen_cpuid_leaf_t leaf[CPU_POLICY_LEAVES];
};

/* XENMEM_set_memory_map */
#define MEMORY_MAP_MOST 128

struct e820_entry { uint64_t start, size; uint32_t type; } __attribute__((packed));

struct memory_map {
    uint32_t count;
    struct e820_entry entry[MEMORY_MAP_MOST];
};

#endif
