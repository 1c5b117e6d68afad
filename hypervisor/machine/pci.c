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

static uint16_t select(uint16_t bdf, uint16_t offset)
{
    outl(ADDRESS, ENABLE | (uint32_t)bdf << 8 | (offset & 0xfc));
    return (uint16_t)(DATA + (offset & 3));
}

uint32_t pci_config_read(uint16_t bdf, uint16_t offset, unsigned int size)
{
    spin_lock(&config_lock);
    uint16_t port = select(bdf, offset);
    uint32_t value = size == 1 ? inb(port) : size == 2 ? inw(port) : inl(port);
    spin_unlock(&config_lock);
    return value;
}

void pci_config_write(uint16_t bdf, uint16_t offset, unsigned int size, uint32_t value)
{
    spin_lock(&config_lock);
    uint16_t port = select(bdf, offset);
    if (size == 1)
        outb(port, (uint8_t)value);
    else if (size == 2)
        outw(port, (uint16_t)value);
    else
        outl(port, value);
    spin_unlock(&config_lock);
}
