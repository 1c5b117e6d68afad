/* SPDX-License-Identifier: MIT */
/*
 * I/O ports. The control domain reaches every port but those of the devices that are ours (COM1,
 * the interrupt controllers, the PIT); other domains reach none. What is not reachable reads as all
 * ones and ignores writes, as an empty slot does.
 *
 * PCI configuration by ports 0xcf8 and 0xcfc: the address register is one for the whole machine,
 * and we use it too (MSI-X), so the guest's value is kept aside (domain.pci_address) and the pair
 * is written together under a lock, in machine/pci.c.
 */
#include "emulate/privileged.h"
#include "machine/io.h"
#include "machine/pci.h"

#define PCI_ADDRESS 0xcf8
#define PCI_DATA    0xcfc
#define PCI_ENABLE  (1u << 31)

static const struct { uint16_t first, last; } ours[] = {
    /* interrupt controllers, edge/level registers */
    { 0x20, 0x21 }, { 0xa0, 0xa1 }, { 0x4d0, 0x4d1 },
    { 0x40, 0x43 },                                         /* PIT */
    { 0x3f8, 0x3ff },                                       /* COM1 */
    /* latched, below; includes the reset register 0xcf9 */
    { PCI_ADDRESS, PCI_DATA + 3 },
};

bool port_access_allowed(const struct vcpu *v, uint16_t port, unsigned int size)
{
    if (!v->domain->privileged || port + size > 0x10000) return false;
    for (unsigned int i = 0; i < ARRAY_SIZE(ours); i++)
        if (port <= ours[i].last && port + size > ours[i].first) return false;
    return true;
}

static uint32_t ones(unsigned int size)
{
    return size == 4 ? ~0u : (1u << 8 * size) - 1;
}

/* The configuration register that an access to the data port means: false if none is selected, or
 * it would cross the dword. */
static bool pci_target(const struct domain *d, uint16_t port, unsigned int size, uint16_t *bdf,
                       uint16_t *offset)
{
    *bdf = (uint16_t)(d->pci_address >> 8);
    *offset = (uint16_t)((d->pci_address & 0xfc) | (port & 3));
    return d->privileged && (d->pci_address & PCI_ENABLE) && (port & 3) + size <= 4;
}

uint32_t port_in(struct vcpu *v, uint16_t port, unsigned int size)
{
    uint16_t bdf, offset;
    if (port == PCI_ADDRESS && size == 4) return v->domain->pci_address;
    if (port >= PCI_DATA && port < PCI_DATA + 4)
        return pci_target(v->domain, port, size, &bdf, &offset) ? pci_config_read(bdf, offset, size)
                                                                : ones(size);
    if (!port_access_allowed(v, port, size)) return ones(size);
    return port_read(port, size);
}

void port_out(struct vcpu *v, uint16_t port, unsigned int size, uint32_t value)
{
    uint16_t bdf, offset;
    if (port == PCI_ADDRESS && size == 4) {
        v->domain->pci_address = value;
    } else if (port >= PCI_DATA && port < PCI_DATA + 4) {
        if (pci_target(v->domain, port, size, &bdf, &offset))
            pci_config_write(bdf, offset, size, value);
    } else if (port_access_allowed(v, port, size)) {
        port_write(port, size, value);
    }
}
