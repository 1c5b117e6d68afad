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
#define rdtsc    machine_rdtsc
#define read_cr0 machine_read_cr0
#include "machine/io.h"
#undef cpuid
#undef rdmsr
#undef rdtsc
#undef read_cr0

struct cpuid_regs host_cpuid(uint32_t leaf, uint32_t subleaf);
uint64_t host_rdmsr(uint32_t msr);
uint64_t host_rdtsc(void);
uint64_t host_read_cr0(void);
uint32_t host_in(uint16_t port, unsigned int size);
void host_out(uint16_t port, unsigned int size, uint32_t value);

#define cpuid            host_cpuid
#define rdmsr            host_rdmsr
#define rdtsc            host_rdtsc
#define read_cr0         host_read_cr0
#define inb(port)        ((uint8_t)host_in((port), 1))
#define inw(port)        ((uint16_t)host_in((port), 2))
#define inl(port)        host_in((port), 4)
#define outb(port, v)    host_out((port), 1, (v))
#define outw(port, v)    host_out((port), 2, (v))
#define outl(port, v)    host_out((port), 4, (v))

#endif
