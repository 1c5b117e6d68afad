/* SPDX-License-Identifier: MIT */
/*
 * PCI as dom0 sees it: configuration space through ports 0xcf8/0xcfc, enumeration, capabilities,
 * BARs, and interrupts that the hypervisor owns (MSI-X vectors become event channels). Real Xen
 * wants every device reported before it gives its interrupts away, so pci_scan() does that.
 */
#ifndef DRIVERS_PCI_H
#define DRIVERS_PCI_H

#include <abi/types.h>
#include <xen/xen.h>
#include <xen/event_channel.h>

#define PCI_DEVICES_MAX 64u
#define PCI_BARS 6u

struct pci_device {
    uint8_t bus, devfn;             /* devfn: device << 3 | function */
    uint16_t vendor, device;
    uint32_t class_code;            /* class, subclass, programming interface */
    uint8_t header_type;
    bool enabled;                   /* a driver has taken it */
    uint8_t msix;                   /* offset of the capability, 0: none */
    uint16_t msix_vectors;
    uint64_t bar[PCI_BARS];         /* machine address, 0: not a memory BAR */
};

uint32_t pci_read(uint8_t bus, uint8_t devfn, unsigned int offset, unsigned int bytes);
void pci_write(uint8_t bus, uint8_t devfn, unsigned int offset, unsigned int bytes, uint32_t value);

/* Fills the table, bridges included, and tells the hypervisor of each device. The number found, or
 * a negative errno. */
int pci_scan(void);
unsigned int pci_count(void);
struct pci_device *pci_get(unsigned int index);
/* says which disks' and networks' devices nobody has enabled */
void pci_name_undriven(void);

/* after 0: the first; 0: none */
uint8_t pci_find_capability(struct pci_device *pci, uint8_t id, uint8_t after);
void pci_enable(struct pci_device *pci);        /* memory decoding, bus mastering, no INTx */
/* NULL: cannot */
volatile void *pci_map(struct pci_device *pci, unsigned int bar, uint64_t offset, uint64_t length);

/* An MSI-X vector as event channel. handler runs with events masked; 0 or a negative errno. */
struct pci_interrupt {
    uint32_t pirq;
    evtchn_port_t port;
    bool needs_eoi;
    void (*handler)(void *context);
    void *context;
};
int pci_interrupt_open(struct pci_device *pci, unsigned int vector, struct pci_interrupt *interrupt,
                       void (*handler)(void *context), void *context);
void pci_interrupt_close(struct pci_interrupt *interrupt);

#endif
