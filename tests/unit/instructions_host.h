/* SPDX-License-Identifier: MIT */
/*
 * The instructions of machine/io.h on the host: in place of each stands a function of the test's
 * own, which defines those that the file under test uses. cflags: -include
 * tests/unit/instructions_host.h
 */
#ifndef TESTS_UNIT_INSTRUCTIONS_HOST_H
#define TESTS_UNIT_INSTRUCTIONS_HOST_H

#define cpuid    machine_cpuid
#define rdmsr    machine_rdmsr
#define wrmsr    machine_wrmsr
#define rdtsc    machine_rdtsc
#define read_cr0 machine_read_cr0
#include "machine/io.h"
#undef cpuid
#undef rdmsr
#undef wrmsr
#undef rdtsc
#undef read_cr0

struct cpuid_regs host_cpuid(uint32_t leaf, uint32_t subleaf);
uint64_t host_rdmsr(uint32_t msr);
void host_wrmsr(uint32_t msr, uint64_t value);
uint64_t host_rdtsc(void);
uint64_t host_read_cr0(void);
uint32_t host_in(uint16_t port, unsigned int size);
void host_out(uint16_t port, unsigned int size, uint32_t value);
static inline uint32_t of_size(uint32_t value, unsigned int size)
{
    return size == 4 ? value : value & ((1u << 8 * size) - 1);
}

#define cpuid            host_cpuid
#define rdmsr            host_rdmsr
#define wrmsr            host_wrmsr
#define rdtsc            host_rdtsc
#define read_cr0         host_read_cr0
#define port_read(port, size)     of_size(host_in((port), (size)), (size))
#define port_write(port, size, v) host_out((port), (size), of_size((v), (size)))

#endif
