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
    uint32_t last_port, last_out;
};

static inline struct host_machine *machine_of(struct vcpu *vcpu)
{
    return vcpu->context;
}

static inline uint8_t *host_memory(struct vcpu *vcpu, uint64_t physical, bool write)
{
    const struct host_machine *machine = machine_of(vcpu);
    if (physical >= machine->size || (machine->watched && physical == machine->watched && write))
        return NULL;
    return machine->memory + physical;
}

static inline uint64_t host_load(struct vcpu *vcpu, uint64_t physical, unsigned int size)
{
    machine_of(vcpu)->loads++;
    return ~0ull;
}

static inline void host_store(struct vcpu *vcpu, uint64_t physical, unsigned int size,
                              uint64_t value)
{
    struct host_machine *machine = machine_of(vcpu);
    machine->stores++;
    machine->last_store = physical;
    if (physical + size <= machine->size)
        memcpy(machine->memory + physical, &value, size);
}

static inline uint32_t host_port_in(struct vcpu *vcpu, uint16_t port, unsigned int size)
{
    machine_of(vcpu)->ports++;
    return port * 0x01010101u;
}

static inline void host_port_out(struct vcpu *vcpu, uint16_t port, unsigned int size,
                                 uint32_t value)
{
    struct host_machine *machine = machine_of(vcpu);
    machine->ports++;
    machine->last_port = port;
    machine->last_out = value;
}

static inline void host_cpuid(struct vcpu *vcpu, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    for (unsigned int i = 0; i < 4; i++)
        out[i] = leaf + i;
}

static inline uint64_t host_tsc(struct vcpu *vcpu)
{
    return machine_of(vcpu)->tsc += 100;
}

static inline void host_invalidated(struct vcpu *vcpu, uint64_t address, bool all)
{
    machine_of(vcpu)->invalidations++;
}

static const struct machine_ops host_ops = {
    .memory = host_memory, .load = host_load, .store = host_store,
    .port_in = host_port_in, .port_out = host_port_out,
    .cpuid = host_cpuid, .tsc = host_tsc, .invalidated = host_invalidated,
};

/* With `size` bytes of memory, zeroed. */
static inline struct vcpu *machine_start(struct host_machine *machine,
                                         const struct machine_ops *ops, uint64_t size)
{
    struct vcpu *vcpu = aligned_alloc(64, (sizeof *vcpu + 63) & ~63ul);
    *machine = (struct host_machine){ .memory = calloc(1, size), .size = size };
    vcpu_start(vcpu, ops, machine, calloc(1, vcpu_decoded_size()));
    return vcpu;
}

/* --- long mode: tables at fixed places of low memory ------------------------------------------ */

enum {
    PML4 = 0x1000, PDPT = 0x2000, GDT = 0x3000, TSS = 0x3100, IDT = 0x4000,
    KERNEL_CODE = 0x08, KERNEL_DATA = 0x10, USER_DATA = 0x1b, USER_CODE = 0x23, TASK = 0x28,
    USER_CODE_32 = 0x3b,
    KERNEL_STACK = 0x8000,      /* TSS.RSP0 */
    FIRST_IST = 0x9000,         /* its stacks end at 0x9000, 0x9100 .. */
    HANDLERS = 0x10000,         /* vector n's handler is at HANDLERS + 16 n */
};

static inline void put(struct vcpu *vcpu, uint64_t physical, uint64_t value)
{
    memcpy(machine_of(vcpu)->memory + physical, &value, 8);
}

static inline uint64_t get(struct vcpu *vcpu, uint64_t physical)
{
    uint64_t value;
    memcpy(&value, machine_of(vcpu)->memory + physical, 8);
    return value;
}

/* An interrupt gate of the IDT; `bits` more than a present one with privilege 0. */
static inline void put_gate(struct vcpu *vcpu, unsigned int vector, uint64_t target, uint64_t bits)
{
    put(vcpu, IDT + 16 * vector, (target & 0xffff) | (uint64_t)KERNEL_CODE << 16 |
        0x8eull << 40 | (target >> 16 & 0xffff) << 48 | bits);
    put(vcpu, IDT + 16 * vector + 8, target >> 32);
}

/* 64-bit code at level 0 or 3, the first 4 GiB mapped onto themselves for everybody. */
static inline void enter_long_mode(struct vcpu *vcpu, unsigned int cpl)
{
    put(vcpu, PML4, PDPT | 7);
    for (uint64_t i = 0; i < 4; i++)
        put(vcpu, PDPT + 8 * i, i << 30 | 0x87);
    static const uint64_t descriptors[] = {
        0, 0x00209b0000000000, 0x0000930000000000, 0x0000f30000000000, 0x0020fb0000000000,
        (uint64_t)TSS << 16 | 0x8b0000000067, 0, 0x00cffb000000ffff,
    };
    for (unsigned int i = 0; i < 8; i++)
        put(vcpu, GDT + 8 * i, descriptors[i]);
    put(vcpu, TSS + 4, KERNEL_STACK);
    for (unsigned int i = 0; i < 7; i++)
        put(vcpu, TSS + 0x24 + 8 * i, FIRST_IST + 0x100 * i);
    put(vcpu, TSS + 0x60, 0x68ull << 48);       /* no map of ports */
    for (unsigned int i = 0; i < 256; i++)
        put_gate(vcpu, i, HANDLERS + 16 * i, 0);
    vcpu->cr0 |= CR0_PG | CR0_WP;
    vcpu->cr4 = CR4_PAE;
    vcpu->cr3 = PML4;
    vcpu->efer = EFER_LME | EFER_LMA | EFER_SCE | EFER_NXE;
    vcpu->gdtr = (struct descriptor_table){ GDT, 63 };
    vcpu->idtr = (struct descriptor_table){ IDT, 4095 };
    vcpu->tr = (struct segment){ TASK, 0x8b, 0x67, TSS };
    vcpu->cpl = (uint8_t)cpl;
    vcpu->segment[CS] = (struct segment){ cpl ? USER_CODE : KERNEL_CODE,
                                          (uint16_t)(0x29b | cpl << 5), 0xffffffff, 0 };
    for (unsigned int i = 0; i < SEGMENTS; i++)
        if (i != CS)
            vcpu->segment[i] = (struct segment){ cpl ? USER_DATA : KERNEL_DATA,
                                                 (uint16_t)(0x93 | cpl << 5), 0xffffffff, 0 };
    tlb_flush(vcpu);
}

static inline void machine_end(struct vcpu *vcpu)
{
    free(machine_of(vcpu)->memory);
    free(vcpu->decoded);
    free(vcpu);
}

#endif
