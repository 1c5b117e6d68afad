/* SPDX-License-Identifier: MIT */
/*
 * MSI and MSI-X, as of the PCI Local Bus Specification 3.0, 6.8. MSI keeps address and data in
 * configuration space; MSI-X has a table of them in one of the device's memory BARs, which we map
 * for ourselves and never unmap (there are few).
 */
#include "domain/msi.h"
#include "lib/fail.h"
#include "machine/apic.h"
#include "machine/cpu.h"
#include "machine/pci.h"
#include "memory/paging.h"

#define PCI_COMMAND         0x04
#define COMMAND_MEMORY      (1u << 1)
#define PCI_STATUS          0x06
#define STATUS_CAPABILITIES (1u << 4)
#define PCI_BAR0            0x10
#define PCI_CAPABILITIES    0x34
#define CAPABILITY_MSI      0x05
#define CAPABILITY_MSIX     0x11
/* a list in 256 bytes cannot be longer: ends loops that a device may make */
#define MAX_CAPABILITIES    48

#define CONTROL             2           /* of both capabilities: offset of the control word */
#define MSI_ENABLE          (1u << 0)
#define MSI_MULTIPLE        (7u << 4)
#define MSI_64BIT           (1u << 7)
#define MSI_MASKABLE        (1u << 8)
#define MSIX_ENABLE         (1u << 15)
#define MSIX_FUNCTION_MASK  (1u << 14)
#define MSIX_TABLE_SIZE     0x7ffu
#define MSIX_TABLE          4
#define ENTRY_SIZE          16u
#define ENTRY_MASKED        1u

/* Table pages mapped so far: a page is mapped once however often its device's interrupts come and
 * go. */
static struct { uint64_t page; void *virt; } mapped[64];

static void *map_page(uint64_t page)
{
    for (unsigned int i = 0; i < ARRAY_SIZE(mapped); i++) {
        if (mapped[i].virt && mapped[i].page == page) return mapped[i].virt;
        if (!mapped[i].virt) {
            mapped[i].page = page;
            return mapped[i].virt = ioremap(MADDR(page), PAGE_SIZE, false);
        }
    }
    return NULL;
}

static uint32_t read16(uint16_t bdf, unsigned int offset)
{
    return pci_config_read(bdf, offset, 2);
}
static void write16(uint16_t bdf, unsigned int offset, uint32_t v)
{
    pci_config_write(bdf, offset, 2, v);
}

static unsigned int find_capability(uint16_t bdf, uint8_t id)
{
    if (!(read16(bdf, PCI_STATUS) & STATUS_CAPABILITIES)) return 0;
    unsigned int at = pci_config_read(bdf, PCI_CAPABILITIES, 1) & 0xfc;
    for (int n = 0; at >= 0x40 && n < MAX_CAPABILITIES; n++) {
        if (pci_config_read(bdf, at, 1) == id) return at;
        at = pci_config_read(bdf, at + 1, 1) & 0xfc;
    }
    return 0;
}

/* The machine address of the MSI-X table, from the device itself: what the guest says about it is
 * not asked. */
static uint64_t table_address(const struct msi *m)
{
    uint32_t table = pci_config_read(m->bdf, m->capability + MSIX_TABLE, 4);
    unsigned int bar = PCI_BAR0 + 4 * (table & 7);
    if ((table & 7) > 5) return 0;
    uint32_t low = pci_config_read(m->bdf, bar, 4);
    uint64_t base = low & ~15u;
    if (low & 1)                        /* ports, not memory */
        return 0;
    if ((low & 6) == 4)
        base |= (uint64_t)pci_config_read(m->bdf, bar + 4, 4) << 32;
    return base ? base + (table & ~7u) : 0;
}

int msi_setup(struct msi *m, uint16_t bdf, bool msix, uint16_t entry)
{
    *m = (struct msi){ .bdf = bdf, .msix = msix, .entry = entry };
    if (!pci_present(bdf)) return fail(-ENODEV, "there is no such PCI device");
    m->capability = find_capability(bdf, msix ? CAPABILITY_MSIX : CAPABILITY_MSI);
    if (!m->capability) return fail(-ENODEV, "the device has no such capability");
    if (!lapic_takes_devices())
        return fail(-ENODEV, "the boot CPU's APIC id has more than 8 bits: no device can call it");
    if (!msix) return 0;
    if (entry > (read16(bdf, m->capability + CONTROL) & MSIX_TABLE_SIZE))
        return fail(-EINVAL, "beyond the device's MSI-X table");
    if (!(read16(bdf, PCI_COMMAND) & COMMAND_MEMORY))
        return fail(-ENXIO, "the device's memory is switched off");
    uint64_t table = table_address(m), address = table + entry * ENTRY_SIZE;
    /* A table begins at any multiple of 8, but one page is mapped. */
    bool whole = address % PAGE_SIZE <= PAGE_SIZE - ENTRY_SIZE;
    void *page = table && whole ? map_page(address & PAGE_MASK) : NULL;
    if (!page) return fail(-ENOMEM, "the device's MSI-X table cannot be mapped");
    m->table_entry = (volatile uint32_t *)((char *)page + address % PAGE_SIZE);
    return 0;
}

static void program_msi(const struct msi *m, uint64_t address, uint32_t data)
{
    uint32_t at = m->capability, control = read16(m->bdf, at + CONTROL);
    write16(m->bdf, at + CONTROL, control & ~(MSI_ENABLE | MSI_MULTIPLE));
    pci_config_write(m->bdf, at + 4, 4, (uint32_t)address);
    if (control & MSI_64BIT)
        pci_config_write(m->bdf, at + 8, 4, (uint32_t)(address >> 32));
    write16(m->bdf, at + (control & MSI_64BIT ? 12 : 8), data);
    msi_mask(m, true);
    if (control & MSI_MASKABLE)         /* others have the enable bit for a mask */
        write16(m->bdf, at + CONTROL, (control | MSI_ENABLE) & ~MSI_MULTIPLE);
}

void msi_program(const struct msi *m, int vector)
{
    uint64_t address = msi_address(boot_cpu.apic_id);
    if (!m->msix) {
        program_msi(m, address, (uint32_t)vector);
        return;
    }
    unsigned int control = m->capability + CONTROL;
    m->table_entry[3] |= ENTRY_MASKED;
    m->table_entry[0] = (uint32_t)address;
    m->table_entry[1] = (uint32_t)(address >> 32);
    m->table_entry[2] = (uint32_t)vector;
    write16(m->bdf, control, (read16(m->bdf, control) | MSIX_ENABLE) & ~MSIX_FUNCTION_MASK);
}

void msi_mask(const struct msi *m, bool masked)
{
    if (m->msix) {
        m->table_entry[3] = masked ? m->table_entry[3] | ENTRY_MASKED
                                   : m->table_entry[3] & ~ENTRY_MASKED;
        (void)m->table_entry[3];        /* reading back pushes the write out to the device */
        return;
    }
    uint32_t at = m->capability, control = read16(m->bdf, at + CONTROL);
    if (control & MSI_MASKABLE)
        pci_config_write(m->bdf, at + (control & MSI_64BIT ? 16 : 12), 4, masked);
    else
        write16(m->bdf, at + CONTROL,
                masked ? control & ~MSI_ENABLE : control | MSI_ENABLE);
}

void msi_disable(const struct msi *m)
{
    unsigned int control = m->capability + CONTROL;
    write16(m->bdf, control, read16(m->bdf, control) & ~(m->msix ? MSIX_ENABLE : MSI_ENABLE));
}
