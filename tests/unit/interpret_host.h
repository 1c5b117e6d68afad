/* SPDX-License-Identifier: MIT */
/* A machine for the interpreter on the host: a span of memory from physical address 0 on, and
 * nothing else. Tests give what more they want.
 */
#ifndef TESTS_UNIT_INTERPRET_HOST_H
#define TESTS_UNIT_INTERPRET_HOST_H

#include <stdlib.h>
#include <string.h>
#include "pvguest-sdk/monitor/interpret.h"

struct host_machine {
    uint8_t *memory;
    uint64_t size;
    /* A page whose accesses the machine sees (load, store); 0: none. */
    uint64_t watched;
    unsigned int loads, stores, invalidations, ports;
    uint64_t last_store, tsc;
};

static struct host_machine *machine_of(struct vcpu *vcpu)
{
    return vcpu->context;
}

static uint8_t *host_memory(struct vcpu *vcpu, uint64_t physical, bool write)
{
    const struct host_machine *machine = machine_of(vcpu);
    if (physical >= machine->size || (machine->watched && physical == machine->watched && write))
        return NULL;
    return machine->memory + physical;
}

static uint64_t host_load(struct vcpu *vcpu, uint64_t physical, unsigned int size)
{
    machine_of(vcpu)->loads++;
    return ~0ull;
}

static void host_store(struct vcpu *vcpu, uint64_t physical, unsigned int size, uint64_t value)
{
    struct host_machine *machine = machine_of(vcpu);
    machine->stores++;
    machine->last_store = physical;
    if (physical + size <= machine->size)
        memcpy(machine->memory + physical, &value, size);
}

static uint32_t host_port_in(struct vcpu *vcpu, uint16_t port, unsigned int size)
{
    machine_of(vcpu)->ports++;
    return port * 0x01010101u;
}

static void host_port_out(struct vcpu *vcpu, uint16_t port, unsigned int size, uint32_t value)
{
    machine_of(vcpu)->ports++;
}

static bool host_msr_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
    return false;
}

static bool host_msr_write(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
    return false;
}

static void host_cpuid(struct vcpu *vcpu, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    for (unsigned int i = 0; i < 4; i++)
        out[i] = leaf + i;
}

static uint64_t host_tsc(struct vcpu *vcpu)
{
    return machine_of(vcpu)->tsc += 100;
}

static void host_invalidated(struct vcpu *vcpu, uint64_t address, bool all)
{
    machine_of(vcpu)->invalidations++;
}

static const struct machine_ops host_ops = {
    .memory = host_memory, .load = host_load, .store = host_store,
    .port_in = host_port_in, .port_out = host_port_out,
    .msr_read = host_msr_read, .msr_write = host_msr_write,
    .cpuid = host_cpuid, .tsc = host_tsc, .invalidated = host_invalidated,
};

/* With `size` bytes of memory, zeroed. */
static struct vcpu *machine_start(struct host_machine *machine, const struct machine_ops *ops,
                                  uint64_t size)
{
    struct vcpu *vcpu = aligned_alloc(64, (sizeof *vcpu + 63) & ~63ul);
    *machine = (struct host_machine){ .memory = calloc(1, size), .size = size };
    vcpu_start(vcpu, ops, machine, calloc(1, vcpu_decoded_size()));
    return vcpu;
}

static void machine_end(struct vcpu *vcpu)
{
    free(machine_of(vcpu)->memory);
    free(vcpu->decoded);
    free(vcpu);
}

#endif
