/* SPDX-License-Identifier: MIT */
/*
 * A CPU of the test's own, in place of machine/io.h. cflags: -DDOMUS_MACHINE_IO_H -include
 * tests/unit/io_host.h
 */
#ifndef IO_HOST_H
#define IO_HOST_H

#include "lib/types.h"

struct cpuid_regs { uint32_t a, b, c, d; };
struct cpuid_regs cpuid(uint32_t leaf, uint32_t subleaf);
uint64_t read_cr3(void);
void write_cr3(uint64_t value);
uint64_t rdtsc(void);
uint64_t rdtsc_ordered(void);
void cpu_relax(void);
bool rdmsr_safe(uint32_t msr, uint64_t *value) must_check;

static inline bool is_canonical(uint64_t va)
{
    return (uint64_t)((int64_t)(va << 16) >> 16) == va;
}

#endif
