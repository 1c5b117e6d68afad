/* SPDX-License-Identifier: MIT */
/* What a domain is told of its memory, when somebody chose that (XENMEM_set_memory_map); freed with
 * it. */
#ifndef DOMUS_DOMAIN_MEMORY_MAP_H
#define DOMUS_DOMAIN_MEMORY_MAP_H

#include "lib/types.h"

#define MEMORY_MAP_MOST 128

struct e820_entry { uint64_t start, size; uint32_t type; } __attribute__((packed));

struct memory_map {
    uint32_t count;
    struct e820_entry entry[MEMORY_MAP_MOST];
};

#endif
