/* SPDX-License-Identifier: MIT */
/* physdev_op: on interrupts of the I/O APIC that no device has, and the host bridge, 0:0.0. */
#include "privilege.h"

int map_gsi(int gsi)
{
    struct physdev_map_pirq map = {
        .domid = DOMID_SELF, .type = MAP_PIRQ_TYPE_GSI, .index = gsi, .pirq = gsi
    };

    if (is_dom0())
        NEED(HYPERVISOR_physdev_op(PHYSDEVOP_map_pirq, &map) == 0);
    return gsi;
}

static long unmap_pirq(int pirq)
{
    struct physdev_unmap_pirq unmap = { .domid = DOMID_SELF, .pirq = pirq };

    return HYPERVISOR_physdev_op(PHYSDEVOP_unmap_pirq, &unmap);
}

void unmap_gsi(int gsi)
{
    if (is_dom0())
        CHECK_IS(unmap_pirq(gsi), 0);
}

TRY(PHYSDEVOP_map_pirq)
{
    struct physdev_map_pirq map = {
        .domid = DOMID_SELF, .type = MAP_PIRQ_TYPE_GSI, .index = 20, .pirq = 20
    };
    long result = HYPERVISOR_physdev_op(PHYSDEVOP_map_pirq, &map);

    unmap_gsi(20);
    return result;
}

TRY(PHYSDEVOP_unmap_pirq)
{
    return unmap_pirq(map_gsi(20));
}

TRY(PHYSDEVOP_eoi)
{
    struct physdev_eoi eoi = { .irq = (uint32_t)map_gsi(20) };
    long result = HYPERVISOR_physdev_op(PHYSDEVOP_eoi, &eoi);

    unmap_gsi(20);
    return result;
}

TRY(PHYSDEVOP_irq_status_query)
{
    struct physdev_irq_status_query query = { .irq = (uint32_t)map_gsi(20) };
    long result = HYPERVISOR_physdev_op(PHYSDEVOP_irq_status_query, &query);

    unmap_gsi(20);
    return result;
}

TRY(PHYSDEVOP_get_free_pirq)
{
    struct physdev_get_free_pirq pirq = { .type = MAP_PIRQ_TYPE_MSI };
    long result = HYPERVISOR_physdev_op(PHYSDEVOP_get_free_pirq, &pirq);

    if (result == 0)
        CHECK_IS(unmap_pirq((int)pirq.pirq), 0);
    return result;
}

/* The first one of a PC; it says that it has 24 inputs, or more. */
TRY(PHYSDEVOP_apic_read)
{
    struct physdev_apic apic = { .apic_physbase = 0xfec00000, .reg = 1 };
    long result = HYPERVISOR_physdev_op(PHYSDEVOP_apic_read, &apic);

    if (result == 0)
        CHECK((apic.value >> 16 & 0xff) >= 23);
    return result;
}

/* The number that comes back means nothing, here as on Xen; that it comes back is what matters. */
TRY(PHYSDEVOP_alloc_irq_vector)
{
    struct physdev_irq interrupt = { .irq = 21, .vector = 4711 };
    long result = HYPERVISOR_physdev_op(PHYSDEVOP_alloc_irq_vector, &interrupt);

    if (result == 0)
        CHECK_IS(interrupt.vector, 21);
    return result;
}

TRY(PHYSDEVOP_setup_gsi)
{
    struct physdev_setup_gsi gsi = { .gsi = 21, .triggering = 1, .polarity = 1 };

    return HYPERVISOR_physdev_op(PHYSDEVOP_setup_gsi, &gsi);
}

static long pci_device(unsigned int command)
{
    struct physdev_pci_device device = { .seg = 0, .bus = 0, .devfn = 0 };

    return HYPERVISOR_physdev_op(command, &device);
}

TRY(PHYSDEVOP_pci_device_remove)
{
    return pci_device(PHYSDEVOP_pci_device_remove);
}
TRY(PHYSDEVOP_prepare_msix)
{
    return pci_device(PHYSDEVOP_prepare_msix);
}
TRY(PHYSDEVOP_release_msix)
{
    return pci_device(PHYSDEVOP_release_msix);
}

TRY(PHYSDEVOP_pci_device_add)
{
    struct physdev_pci_device_add device = { .seg = 0, .bus = 0, .devfn = 0 };

    return HYPERVISOR_physdev_op(PHYSDEVOP_pci_device_add, &device);
}

TRY(PHYSDEVOP_pci_mmcfg_reserved)
{
    struct physdev_pci_mmcfg_reserved window = { .address = 0xb0000000, .end_bus = 255 };

    return HYPERVISOR_physdev_op(PHYSDEVOP_pci_mmcfg_reserved, &window);
}

TRY(PHYSDEVOP_set_iopl)
{
    struct physdev_set_iopl iopl = { .iopl = 1 };

    return HYPERVISOR_physdev_op(PHYSDEVOP_set_iopl, &iopl);
}

TRY(PHYSDEVOP_set_iobitmap)
{
    static uint8_t bits[8192];
    struct physdev_set_iobitmap bitmap = { .nr_ports = 65536 };
    long result;

    memset(bits, 0xff, sizeof(bits));
    set_xen_guest_handle(bitmap.bitmap, bits);
    result = HYPERVISOR_physdev_op(PHYSDEVOP_set_iobitmap, &bitmap);
    bitmap.nr_ports = 0;
    CHECK_IS(HYPERVISOR_physdev_op(PHYSDEVOP_set_iobitmap, &bitmap), 0);
    return result;
}
