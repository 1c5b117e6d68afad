/* SPDX-License-Identifier: MIT */
/* The few ACPI tables that ring 0 reads (MADT, FADT, the \_S5 object of the DSDT), and power-off
 * and reset by them. */
#ifndef DOMUS_MACHINE_ACPI_H
#define DOMUS_MACHINE_ACPI_H

#include "machine/cpu.h"

#define MAX_IOAPICS  4
#define ISA_IRQS     16

struct acpi_facts {
    uint64_t lapic_address;
    uint32_t cpu_count, apic_ids[MAX_CPUS]; /* usable CPUs, the boot CPU among them */
    uint32_t ioapic_count;
    struct { uint32_t address, gsi_base; } ioapics[MAX_IOAPICS];
    /* where the ISA interrupts really are */
    struct { uint32_t gsi; bool level, active_low; } isa[ISA_IRQS];
    uint16_t pm_timer_port;                 /* 0: none */
    uint8_t rtc_century;                    /* the RTC's register with the century; 0: none */
    uint16_t pm1a_control, pm1b_control;
    int sleep_type_a, sleep_type_b;         /* S5; -1: unknown */
    struct { uint8_t space; uint64_t address; uint8_t value; bool valid; } reset;
};
extern struct acpi_facts acpi;

/* rsdp: the table's bytes from the boot loader; NULL: look for it in the BIOS area. */
void acpi_init(const void *rsdp);

void machine_poweroff(void) __attribute__((noreturn));
void machine_reset(void) __attribute__((noreturn));
void machine_halt(void) __attribute__((noreturn));          /* interrupts off, for good */

#endif
