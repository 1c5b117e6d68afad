/* SPDX-License-Identifier: MIT */
/* PCI configuration space by the legacy ports. */
#ifndef DOMUS_MACHINE_PCI_H
#define DOMUS_MACHINE_PCI_H

#include "lib/types.h"

static inline uint16_t pci_bdf(uint32_t bus, uint32_t devfn)
{
    return (uint16_t)(bus << 8 | devfn);
}

uint32_t pci_config_read(uint16_t bdf, unsigned int offset, unsigned int size);
void pci_config_write(uint16_t bdf, unsigned int offset, unsigned int size, uint32_t value);

/* Is there a device? Where none is, the vendor reads as all ones. */
static inline bool pci_present(uint16_t bdf)
{
    return pci_config_read(bdf, 0, 2) != 0xffff;
}

#endif
