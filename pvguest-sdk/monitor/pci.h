/* SPDX-License-Identifier: MIT */
/* PCI's configuration space by its two ports: bus 0 with a host bridge and up to three functions of
 * ours, each of which has one memory BAR of 32 bits, capabilities and an interrupt. Pure. */
#ifndef MONITOR_PCI_H
#define MONITOR_PCI_H

#include <stdbool.h>
#include <stdint.h>

enum { PCI_SLOTS = 4, PCI_CONFIG = 256 };

struct pci_function {
    bool there;
    uint8_t config[PCI_CONFIG];
    uint32_t bar_size;          /* a power of two; 0: no BAR */
};

struct pci {
    uint32_t address;           /* as written to 0xcf8 */
    struct pci_function slot[PCI_SLOTS];        /* by device number */
};

static inline bool pci_has(uint16_t port)
{
    return (port & ~7) == 0xcf8;
}
uint32_t pci_in(struct pci *pci, uint16_t port, unsigned int size);
void pci_out(struct pci *pci, uint16_t port, unsigned int size, uint32_t value);

/* The host bridge, without which nobody looks further. */
void pci_reset(struct pci *pci);
/* A function with its numbers, class code (24 bits), and its BAR where firmware would put it. */
struct pci_function *pci_add(struct pci *pci, unsigned int slot, uint32_t id, uint32_t subsystem,
                             uint32_t class_code, uint32_t bar, uint32_t bar_size, uint8_t irq);
/* Appends a capability of so many bytes, the first two of which are made here. */
void pci_capability(struct pci_function *function, const void *bytes, unsigned int size);
/* The function whose registers are at that address, and where in them; NULL: none. */
struct pci_function *pci_at(struct pci *pci, uint64_t physical, uint32_t *offset);

#endif
