/* SPDX-License-Identifier: MIT */
/* Configuration mechanism 1 (PCI Local Bus Specification 3.0, 3.2.2.3) and header type 0. What may
 * be written: command, cache line size, latency, BAR 0, interrupt line; all else stays. */
#include <pvguest/string.h>
#include "pci.h"

enum {
    COMMAND = 4, STATUS = 6, REVISION = 8, CACHE_LINE = 12, LATENCY = 13, BAR0 = 16,
    SUBSYSTEM = 44, FIRST_CAPABILITY = 52, INTERRUPT_LINE = 60, INTERRUPT_PIN = 61,
};
enum { MEMORY_ON = 2, COMMAND_BITS = 0x0447, HAS_CAPABILITIES = 0x10, CAPABILITIES_FROM = 0x40 };
enum { HOST_BRIDGE = 0x29c08086, BRIDGE_CLASS = 0x060000 };

static void put32(uint8_t *at, uint32_t value)
{
    memcpy(at, &value, sizeof(value));
}

static uint32_t get32(const uint8_t *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof(value));
    return value;
}

struct pci_function *pci_add(struct pci *pci, unsigned int slot, uint32_t id, uint32_t subsystem,
                             uint32_t class_code, uint32_t bar, uint32_t bar_size, uint8_t irq)
{
    struct pci_function *f = &pci->slot[slot];

    memset(f, 0, sizeof(*f));
    f->there = true;
    f->bar_size = bar_size;
    put32(f->config, id);
    put32(f->config + REVISION, class_code << 8 | 1);
    put32(f->config + BAR0, bar);
    put32(f->config + SUBSYSTEM, subsystem);
    f->config[COMMAND] = bar_size ? MEMORY_ON : 0;
    f->config[INTERRUPT_LINE] = irq;
    f->config[INTERRUPT_PIN] = irq ? 1 : 0;
    return f;
}

void pci_reset(struct pci *pci)
{
    memset(pci, 0, sizeof(*pci));
    pci_add(pci, 0, HOST_BRIDGE, 0, BRIDGE_CLASS, 0, 0, 0);
}

void pci_capability(struct pci_function *f, const void *bytes, unsigned int size)
{
    unsigned int at = CAPABILITIES_FROM, last = FIRST_CAPABILITY;

    while (f->config[last]) {
        at = f->config[last];
        last = at + 1;
        at += f->config[at + 2];                /* ours all have their length there */
    }
    at = (at + 3) & ~3u;
    if (at + size > PCI_CONFIG) return;
    memcpy(f->config + at, bytes, size);
    f->config[at + 1] = 0;
    f->config[last] = (uint8_t)at;
    f->config[STATUS] |= HAS_CAPABILITIES;
}

struct pci_function *pci_at(struct pci *pci, uint64_t physical, uint32_t *offset)
{
    for (int i = 0; i < PCI_SLOTS; i++) {
        struct pci_function *f = &pci->slot[i];
        uint32_t bar = get32(f->config + BAR0);
        if (!f->there || !f->bar_size || !(f->config[COMMAND] & MEMORY_ON))
            continue;
        if (physical < bar || physical - bar >= f->bar_size)
            continue;
        *offset = (uint32_t)(physical - bar);
        return f;
    }
    return NULL;
}

/* The function that the address register names, or NULL. */
static struct pci_function *named(struct pci *pci)
{
    uint32_t bus_or_function = pci->address >> 8 & 0xff07, device = pci->address >> 11 & 31;

    if (!(pci->address >> 31) || bus_or_function || device >= PCI_SLOTS) return NULL;
    return pci->slot[device].there ? &pci->slot[device] : NULL;
}

static void write_byte(struct pci_function *f, unsigned int at, uint8_t value)
{
    uint32_t bar;

    if (at == COMMAND || at == COMMAND + 1) {
        f->config[at] = value & (uint8_t)(COMMAND_BITS >> 8 * (at - COMMAND));
    } else if (at == CACHE_LINE || at == LATENCY || at == INTERRUPT_LINE) {
        f->config[at] = value;
    } else if (at >= BAR0 && at < BAR0 + 4 && f->bar_size) {
        f->config[at] = value;                  /* what is below its size reads as zero */
        bar = get32(f->config + BAR0);
        put32(f->config + BAR0, bar & ~(f->bar_size - 1));
    }
}

uint32_t pci_in(struct pci *pci, uint16_t port, unsigned int size)
{
    struct pci_function *f = named(pci);
    unsigned int at = (pci->address & 0xfc) + (port & 3);
    uint32_t value = 0;

    if (port < 0xcfc) return port == 0xcf8 && size == 4 ? pci->address : ~0u;
    if (!f) return ~0u;
    for (unsigned int i = 0; i < size && at + i < PCI_CONFIG; i++)
        value |= (uint32_t)f->config[at + i] << 8 * i;
    return value;
}

void pci_out(struct pci *pci, uint16_t port, unsigned int size, uint32_t value)
{
    struct pci_function *f = named(pci);
    unsigned int at = (pci->address & 0xfc) + (port & 3);

    if (port == 0xcf8 && size == 4)
        pci->address = value & 0x80fffffc;
    else if (port >= 0xcfc && f)
        for (unsigned int i = 0; i < size && at + i < PCI_CONFIG; i++)
            write_byte(f, at + i, (uint8_t)(value >> 8 * i));
}
