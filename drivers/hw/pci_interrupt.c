/* SPDX-License-Identifier: MIT */
/*
 * Interrupts of PCI devices as event channels. A guest may not write an MSI-X table (it could aim
 * an interrupt at any vector of any CPU), so it asks: the hypervisor allocates a vector, programs
 * and unmasks the table entry, and gives us a "pirq" to bind an event channel to. The capability's
 * main switch in configuration space is left to us (as it is to Linux on Xen); turning it on is
 * harmless, for each entry has its own mask. Thread context, except the handler.
 */
#include <drivers/pci.h>
#include <pvguest/events.h>
#include <pvguest/hypercalls.h>
#include <pvguest/refuse.h>

#define MSIX_CONTROL 2u
#define MSIX_ENABLE  0x8000u
#define MSIX_MASK_ALL 0x4000u

static void end_of_interrupt(struct pci_interrupt *interrupt)
{
    struct physdev_eoi eoi = { .irq = interrupt->pirq };

    /* an edge (MSI-X) does not need one; the hypervisor says so below */
    if (interrupt->needs_eoi)
        HYPERVISOR_physdev_op(PHYSDEVOP_eoi, &eoi);
}

static void event(evtchn_t port, void *data)
{
    struct pci_interrupt *interrupt = data;

    interrupt->handler(interrupt->context);
    end_of_interrupt(interrupt);
}

static int bind(struct pci_interrupt *interrupt)
{
    struct physdev_irq_status_query status = { .irq = interrupt->pirq };
    int port = event_bind_pirq(interrupt->pirq, 0, event, interrupt);

    if (port < 0) return port;
    interrupt->port = (evtchn_port_t)port;
    if (HYPERVISOR_physdev_op(PHYSDEVOP_irq_status_query, &status) == 0)
        interrupt->needs_eoi = status.flags & XENIRQSTAT_needs_eoi;
    end_of_interrupt(interrupt);        /* one that arrived before we knew */
    return 0;
}

static void unmap(struct pci_interrupt *interrupt)
{
    struct physdev_unmap_pirq unmap_pirq = { .domid = DOMID_SELF, .pirq = (int)interrupt->pirq };

    HYPERVISOR_physdev_op(PHYSDEVOP_unmap_pirq, &unmap_pirq);
}

static void switch_on(struct pci_device *pci)
{
    uint32_t control = pci_read(pci->bus, pci->devfn, pci->msix + MSIX_CONTROL, 2);

    pci_write(pci->bus, pci->devfn, pci->msix + MSIX_CONTROL, 2,
              (control | MSIX_ENABLE) & ~MSIX_MASK_ALL);
}

int pci_interrupt_open(struct pci_device *pci, unsigned int vector, struct pci_interrupt *interrupt,
                       void (*handler)(void *context), void *context)
{
    if (!pci->msix || vector >= pci->msix_vectors) return refused(-ENODEV);

    uint32_t table = pci_read(pci->bus, pci->devfn, pci->msix + 4u, 4);
    struct physdev_map_pirq map = {
        .domid = DOMID_SELF,
        .type = MAP_PIRQ_TYPE_MSI,
        .index = -1,
        .pirq = -1,                                 /* any */
        .bus = pci->bus,
        .devfn = pci->devfn,
        .entry_nr = (int)vector,
        /* the BAR's base; the hypervisor adds the table's offset */
        .table_base = pci->bar[(table & 7) % PCI_BARS],
    };
    long error = HYPERVISOR_physdev_op(PHYSDEVOP_map_pirq, &map);

    if (error) return (int)error;
    switch_on(pci);
    *interrupt = (struct pci_interrupt){ .pirq = (uint32_t)map.pirq,
                                         .handler = handler,
                                         .context = context };
    error = bind(interrupt);
    if (error)
        unmap(interrupt);
    return (int)error;
}

void pci_interrupt_close(struct pci_interrupt *interrupt)
{
    event_unbind(interrupt->port);
    unmap(interrupt);
}
