/* SPDX-License-Identifier: MIT */
/*
 * PCI configuration space by the legacy ports 0xcf8 and 0xcfc. The pair is one register for the
 * whole machine: an address written and a datum moved must not be torn apart, so both happen under
 * one lock (innermost: nothing is taken inside).
 */
#include "machine/pci.h"
#include "lib/spinlock.h"
#include "machine/io.h"

#define ADDRESS 0xcf8
#define DATA    0xcfc
#define ENABLE  (1u << 31)

static spinlock_t config_lock = SPINLOCK(LOCK_PCI);

static uint16_t select(uint16_t bdf, unsigned int offset)
{
    port_write(ADDRESS, 4, ENABLE | (uint32_t)bdf << 8 | (offset & 0xfc));
    return (uint16_t)(DATA + (offset & 3));
}

uint32_t pci_config_read(uint16_t bdf, unsigned int offset, unsigned int size)
{
    spin_lock(&config_lock);
    uint32_t value = port_read(select(bdf, offset), size);
    spin_unlock(&config_lock);
    return value;
}

void pci_config_write(uint16_t bdf, unsigned int offset, unsigned int size, uint32_t value)
{
    spin_lock(&config_lock);
    port_write(select(bdf, offset), size, value);
    spin_unlock(&config_lock);
}
