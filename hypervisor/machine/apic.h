/* SPDX-License-Identifier: MIT */
/* Local APIC (timer, acknowledge, IPIs) and I/O APICs (the GSIs). The 8259 PICs are remapped and
 * masked. */
#ifndef DOMUS_MACHINE_APIC_H
#define DOMUS_MACHINE_APIC_H

#include "lib/types.h"

void pics_silence(void);            /* before the others */
/* the boot CPU's; registers: where every CPU finds its own */
void lapic_init(volatile void *registers);
void lapic_init_cpu(void);          /* another's */
void ioapic_add(volatile void *registers, uint32_t gsi_base);   /* at most MAX_IOAPICS */
uint32_t lapic_id(void);
void lapic_eoi(void);
void lapic_timer_set(uint32_t ticks);       /* one shot; 0 stops */
uint32_t lapic_timer_left(void);
void lapic_send_init(uint32_t apic_id);
void lapic_send_startup(uint32_t apic_id, uint8_t page);
void lapic_send(uint32_t apic_id, uint8_t vector);
void lapic_send_nmi(uint32_t apic_id);

uint32_t ioapic_gsi_count(void);
uint32_t ioapic_read(unsigned int i, uint32_t reg);     /* the i-th added; reg: below 256 */
/* Whether devices' interrupts, whose destinations have 8 bits, can name the boot CPU. */
bool lapic_takes_devices(void);
/* Route a GSI to a vector of the boot CPU, masked at first. 0, -EINVAL, or -ENODEV: they cannot. A
 * level one must be masked by its handler until served. */
int ioapic_route(uint32_t gsi, int vector, bool level, bool active_low) must_check;
void ioapic_mask(uint32_t gsi, bool masked);

/* What to write into an MSI's address and data to have `vector` arrive on the boot CPU. */
static inline uint64_t msi_address(uint32_t apic_id)
{
    return 0xfee00000u | apic_id << 12;
}

#endif
