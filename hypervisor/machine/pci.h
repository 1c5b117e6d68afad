/* SPDX-License-Identifier: MIT */
/* PCI configuration space by the legacy ports; bdf is bus << 8 | devfn. */
#ifndef DOMUS_MACHINE_PCI_H
#define DOMUS_MACHINE_PCI_H

#include "lib/types.h"

uint32_t pci_config_read(uint16_t bdf, uint16_t offset, unsigned int size);
void pci_config_write(uint16_t bdf, uint16_t offset, unsigned int size, uint32_t value);

#endif
