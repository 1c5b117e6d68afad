/* SPDX-License-Identifier: MIT */
/*
 * PCI for dom0: see drivers/pci.h. Called by the device drivers, in thread context, at boot.
 *
 * Configuration space is reached by the two ports of "mechanism #1". A PV guest's `in` and `out`
 * fault; the hypervisor sees the fault, checks that the port is ours and does the access, provided
 * that we raised our I/O privilege level to 1 first (0 would be the guest kernel's user mode).
 * Buses are walked from 0 through every bridge, with the bus numbers and the BARs that the firmware
 * has assigned: nothing is moved, because the hypervisor uses some of it already.
 */
#include <drivers/pci.h>
#include <pvguest/console.h>
#include <pvguest/hypercalls.h>
#include <pvguest/mm.h>
#include <pvguest/refuse.h>
#include <pvguest/string.h>

#define CONFIG_ADDRESS 0xcf8
#define CONFIG_DATA    0xcfc

#define PCI_VENDOR      0x00
#define PCI_COMMAND     0x04
#define PCI_STATUS      0x06
#define PCI_CLASS       0x08
#define PCI_HEADER_TYPE 0x0e
#define PCI_BAR0        0x10
#define PCI_SECONDARY   0x19
#define PCI_CAPABILITY  0x34

#define COMMAND_MEMORY       0x0002u
#define COMMAND_MASTER       0x0004u
#define COMMAND_NO_INTX      0x0400u
#define STATUS_CAPABILITIES  0x0010u
#define HEADER_MULTIFUNCTION 0x80u
#define HEADER_BRIDGE        1u
#define CAPABILITY_MSIX      0x11

static struct pci_device devices[PCI_DEVICES_MAX];
static unsigned int device_count;

static uint32_t port_in(uint16_t port, unsigned int bytes)
{
    uint32_t value = 0;

    if (bytes == 1)
        asm volatile("inb %w1, %b0" : "+a" (value) : "d" (port));
    else if (bytes == 2)
        asm volatile("inw %w1, %w0" : "+a" (value) : "d" (port));
    else
        asm volatile("inl %w1, %0" : "=a" (value) : "d" (port));
    return value;
}

static void port_out(uint16_t port, unsigned int bytes, uint32_t value)
{
    if (bytes == 1)
        asm volatile("outb %b0, %w1" :: "a" (value), "d" (port));
    else if (bytes == 2)
        asm volatile("outw %w0, %w1" :: "a" (value), "d" (port));
    else
        asm volatile("outl %0, %w1" :: "a" (value), "d" (port));
}

static void select(uint8_t bus, uint8_t devfn, unsigned int offset)
{
    port_out(CONFIG_ADDRESS, 4,
             1u << 31 | (uint32_t)bus << 16 | (uint32_t)devfn << 8 | (offset & 0xfc));
}

uint32_t pci_read(uint8_t bus, uint8_t devfn, unsigned int offset, unsigned int bytes)
{
    select(bus, devfn, offset);
    return port_in((uint16_t)(CONFIG_DATA + (offset & 3)), bytes);
}

void pci_write(uint8_t bus, uint8_t devfn, unsigned int offset, unsigned int bytes, uint32_t value)
{
    select(bus, devfn, offset);
    port_out((uint16_t)(CONFIG_DATA + (offset & 3)), bytes, value);
}

uint8_t pci_find_capability(struct pci_device *pci, uint8_t id, uint8_t after)
{
    /* a list that loops ends after as many steps as fit the space */
    unsigned int at, steps = 48;

    if (!(pci_read(pci->bus, pci->devfn, PCI_STATUS, 2) & STATUS_CAPABILITIES)) return 0;
    at = pci_read(pci->bus, pci->devfn, after ? after + 1u : PCI_CAPABILITY, 1) & 0xfc;
    while (at >= 0x40 && steps--) {
        if (pci_read(pci->bus, pci->devfn, at, 1) == id) return (uint8_t)at;
        at = pci_read(pci->bus, pci->devfn, at + 1, 1) & 0xfc;
    }
    return 0;
}

static void read_bars(struct pci_device *pci)
{
    unsigned int bars = (pci->header_type & 0x7f) == HEADER_BRIDGE ? 2 : PCI_BARS;

    for (unsigned int i = 0; i < bars; i++) {
        uint32_t low = pci_read(pci->bus, pci->devfn, PCI_BAR0 + 4 * i, 4);

        if (low & 1)                    /* I/O ports */
            continue;
        pci->bar[i] = low & ~15u;
        if ((low & 6) == 4 && i + 1 < bars) {
            pci->bar[i] |= (uint64_t)pci_read(pci->bus, pci->devfn, PCI_BAR0 + 4 * (i + 1), 4)
                           << 32;
            i++;                        /* the upper half is not a BAR of its own */
        }
    }
}

/* Real Xen keeps no interrupt for a device it was not told of; a device it found itself may be told
 * of again. */
static void report(const struct pci_device *pci)
{
    struct physdev_pci_device_add add = { .bus = pci->bus, .devfn = pci->devfn };
    long error = HYPERVISOR_physdev_op(PHYSDEVOP_pci_device_add, &add);

    if (error && error != -EEXIST)
        printk("pci %02x:%02x.%x: the hypervisor refuses the device: %s\n", pci->bus,
               pci->devfn >> 3, pci->devfn & 7, errno_name(error));
}

static void scan_bus(uint8_t bus, unsigned int depth);

static void scan_function(uint8_t bus, uint8_t devfn, unsigned int depth)
{
    struct pci_device *pci = &devices[device_count];

    if (device_count == PCI_DEVICES_MAX) return refused((void)0);
    device_count++;
    *pci = (struct pci_device){ .bus = bus, .devfn = devfn };
    pci->vendor = (uint16_t)pci_read(bus, devfn, PCI_VENDOR, 2);
    pci->device = (uint16_t)pci_read(bus, devfn, PCI_VENDOR + 2, 2);
    pci->class_code = pci_read(bus, devfn, PCI_CLASS, 4) >> 8;
    pci->header_type = (uint8_t)pci_read(bus, devfn, PCI_HEADER_TYPE, 1);
    read_bars(pci);
    pci->msix = pci_find_capability(pci, CAPABILITY_MSIX, 0);
    if (pci->msix)
        pci->msix_vectors = (uint16_t)((pci_read(bus, devfn, pci->msix + 2u, 2) & 0x7ff) + 1);
    report(pci);
    if ((pci->header_type & 0x7f) == HEADER_BRIDGE && depth < 8) {
        uint8_t secondary = (uint8_t)pci_read(bus, devfn, PCI_SECONDARY, 1);

        if (secondary > bus)            /* 0: the firmware gave it no bus */
            scan_bus(secondary, depth + 1);
    }
}

static void scan_bus(uint8_t bus, unsigned int depth)
{
    for (unsigned int slot = 0; slot < 32; slot++) {
        unsigned int functions = 1;

        for (unsigned int function = 0; function < functions; function++) {
            uint8_t devfn = (uint8_t)(slot << 3 | function);

            if (pci_read(bus, devfn, PCI_VENDOR, 2) == 0xffff)
                continue;
            if (function == 0 && pci_read(bus, devfn, PCI_HEADER_TYPE, 1) & HEADER_MULTIFUNCTION)
                functions = 8;
            scan_function(bus, devfn, depth);
        }
    }
}

int pci_scan(void)
{
    struct physdev_set_iopl iopl = { .iopl = 1 };
    long error = HYPERVISOR_physdev_op(PHYSDEVOP_set_iopl, &iopl);

    if (error) return (int)error;
    device_count = 0;
    scan_bus(0, 0);
    return (int)device_count;
}

unsigned int pci_count(void)
{
    return device_count;
}

struct pci_device *pci_get(unsigned int index)
{
    return index < device_count ? &devices[index] : NULL;
}

/* Class and subclass of what a machine has its disks and networks by (PCI Code and ID Assignment).
 * NULL: of another class. */
static const char *kind_of(const struct pci_device *pci)
{
    switch (pci->class_code >> 8) {
    case 0x0101: return "IDE controller";
    case 0x0104: return "RAID controller";
    case 0x0106: return "SATA controller";
    case 0x0107: return "SAS controller";
    case 0x0108: return "NVMe controller";
    case 0x0200: return "Ethernet card";
    }
    return pci->class_code >> 16 == 1   ? "disk controller"
           : pci->class_code >> 16 == 2 ? "network card"
                                        : NULL;
}

void pci_name_undriven(void)
{
    for (unsigned int i = 0; i < device_count; i++) {
        const struct pci_device *pci = &devices[i];

        if (kind_of(pci) && !pci->enabled)
            printk("pci %02x:%02x.%x: no driver for this %s (%04x:%04x)\n", pci->bus,
                   pci->devfn >> 3, pci->devfn & 7, kind_of(pci), pci->vendor, pci->device);
    }
}

void pci_enable(struct pci_device *pci)
{
    uint32_t command = pci_read(pci->bus, pci->devfn, PCI_COMMAND, 2);

    pci->enabled = true;
    pci_write(pci->bus, pci->devfn, PCI_COMMAND, 2,
              command | COMMAND_MEMORY | COMMAND_MASTER | COMMAND_NO_INTX);
}

volatile void *pci_map(struct pci_device *pci, unsigned int bar, uint64_t offset, uint64_t length)
{
    if (bar >= PCI_BARS || pci->bar[bar] == 0 || length == 0 || length > 1u << 24)
        return refused(NULL);

    uint64_t start = pci->bar[bar] + offset;
    uint64_t within = start & (PAGE_SIZE - 1);
    uint8_t *base = map_frame_range(start >> PAGE_SHIFT, PAGE_UP(within + length) >> PAGE_SHIFT,
                                    PROT_RW | PROT_UNCACHED, DOMID_IO);

    return IS_ERR(base) ? NULL : base + within;
}
