/* SPDX-License-Identifier: MIT */
/*
 * The interrupt descriptor table and who handles which vector. Gates are interrupt gates, so ring 0
 * is always entered with interrupts off. Only int3, into and int 0x80 may be used from ring 3
 * directly; every other INT n is a #GP, which entry/traps.c turns into the guest's own vector n if
 * the guest's trap table allows it.
 */
#include "machine/vectors.h"
#include "machine/entry_asm.h"
#include "lib/printk.h"
#include "machine/apic.h"
#include "machine/io.h"
#include "machine/segments.h"

struct gate { uint16_t low, selector; uint8_t ist, type; uint16_t middle; uint32_t high, zero; };

static struct gate idt[256] aligned(16);
static struct { void (*handler)(void *arg); void *arg; } handlers[256];

#define GATE_INTERRUPT 0x8e         /* present, DPL 0, 64-bit interrupt gate */
#define GATE_RING3     0x60

static void set_gate(unsigned int vector, const void *entry, uint8_t type, uint8_t ist)
{
    uint64_t a = (uint64_t)entry;

    idt[vector] = (struct gate){ .low = (uint16_t)a, .selector = HV_CS, .ist = ist, .type = type,
                                 .middle = (uint16_t)(a >> 16), .high = (uint32_t)(a >> 32) };
}

void vectors_init(void)
{
    for (unsigned int i = 0; i < 256; i++)
        set_gate(i, vector_stubs + i * VECTOR_STUB_SIZE, GATE_INTERRUPT, 0);
    set_gate(TRAP_BREAKPOINT, vector_stubs + TRAP_BREAKPOINT * VECTOR_STUB_SIZE,
             GATE_INTERRUPT | GATE_RING3, 0);
    set_gate(TRAP_OVERFLOW, vector_stubs + TRAP_OVERFLOW * VECTOR_STUB_SIZE,
             GATE_INTERRUPT | GATE_RING3, 0);
    set_gate(VECTOR_INT80, vector_stubs + VECTOR_INT80 * VECTOR_STUB_SIZE,
             GATE_INTERRUPT | GATE_RING3, 0);
    set_gate(TRAP_DOUBLE_FAULT, double_fault_entry, GATE_INTERRUPT, IST_DOUBLE_FAULT);
    set_gate(TRAP_NMI, nmi_entry, GATE_INTERRUPT, IST_NMI);
    set_gate(TRAP_DEBUG, debug_entry, GATE_INTERRUPT, IST_DEBUG);
    set_gate(TRAP_MACHINE_CHECK, machine_check_entry, GATE_INTERRUPT, IST_MACHINE_CHECK);
    idt_load();
}

void idt_load(void)
{
    struct table_pointer pointer = { sizeof(idt) - 1, (uint64_t)idt };

    __asm__ volatile("lidt %0" : : "m"(pointer));
}

int vector_alloc(void (*handler)(void *), void *arg)
{
    for (int v = VECTOR_FIRST; v <= VECTOR_LAST; v++) {
        if (handlers[v].handler || v == VECTOR_INT80)
            continue;
        handlers[v].arg = arg;
        handlers[v].handler = handler;
        return v;
    }
    return -1;
}

void vector_free(int vector)
{
    handlers[vector].handler = NULL;
}

void vector_claim(int vector, void (*handler)(void *))
{
    handlers[vector].handler = handler;
}

void interrupt(unsigned int vector)
{
    if (handlers[vector].handler)
        handlers[vector].handler(handlers[vector].arg);
    else if (vector != VECTOR_SPURIOUS && vector != VECTOR_CALL)
        log_debug("interrupt on vector %x that nobody wants", vector);
    /* spurious ones and the PIC's are not the APIC's */
    if (vector != VECTOR_SPURIOUS && vector >= VECTOR_FIRST)
        lapic_eoi();
}
