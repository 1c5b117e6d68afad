/* SPDX-License-Identifier: MIT */
/*
 * Message-signalled interrupts of PCI devices (domain/msi.c). The guest says which device and
 * entry; address and data are ours, because whoever writes them aims interrupts at any vector of
 * any CPU.
 */
#ifndef DOMUS_DOMAIN_MSI_H
#define DOMUS_DOMAIN_MSI_H

#include "lib/types.h"

struct msi {
    uint16_t bdf;                   /* bus << 8 | devfn */
    unsigned int capability;        /* offset in configuration space */
    uint16_t entry;                 /* MSI-X: number in the device's table */
    bool msix;
    volatile uint32_t *table_entry; /* MSI-X: address low, address high, data, control */
};

/* Find the capability of the device, map its table. -ENODEV no such device or capability, or its
 * messages cannot name the boot CPU; -EINVAL, -ENXIO, -ENOMEM. */
int msi_setup(struct msi *m, uint16_t bdf, bool msix, uint16_t entry) must_check;
/* aims it at a vector, masked, and switches the capability on */
void msi_program(const struct msi *m, int vector);
void msi_mask(const struct msi *m, bool masked);
/* the capability off: no interrupt of the device is in use any more */
void msi_disable(const struct msi *m);

#endif
