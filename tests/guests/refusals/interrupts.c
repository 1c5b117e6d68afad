/* SPDX-License-Identifier: MIT */
/* physdev_op with arguments that are wrong: interrupts that there are not, or that are
 * somebody's. */
#include "refusals.h"

#include <drivers/pci.h>
#include <xen/physdev.h>

#define GSIS        24              /* of the machine's one I/O APIC: GSI n has PIRQ n */
#define COM1        4               /* the hypervisor's own console */
#define NO_INPUT    40              /* a GSI that the domain may have, and no I/O APIC has */
#define MSI_FIRST   48              /* PIRQs below are GSIs */
#define PIRQS       256
#define COMMAND     4               /* registers of a PCI device */
#define BAR_0       0x10

static long map(struct physdev_map_pirq request)
{
    request.domid = request.domid ? request.domid : DOMID_SELF;
    return HYPERVISOR_physdev_op(PHYSDEVOP_map_pirq, &request);
}

static void bad_gsis(void)
{
    struct physdev_setup_gsi gsi = { .gsi = 1000 };

    CHECK_IS(map((struct physdev_map_pirq){ .type = MAP_PIRQ_TYPE_GSI, .index = -1, .pirq = -1 }),
             -EINVAL);
    CHECK_IS(map((struct physdev_map_pirq){ .type = MAP_PIRQ_TYPE_GSI, .index = 1000, .pirq = -1 }),
             -EINVAL);
    CHECK_IS(map((struct physdev_map_pirq){ .type = MAP_PIRQ_TYPE_GSI, .index = 9, .pirq = 10 }),
             -EINVAL);
    CHECK_IS(
        map((struct physdev_map_pirq){ .type = MAP_PIRQ_TYPE_GSI, .index = COM1, .pirq = COM1 }),
        -EBUSY);
    CHECK_IS(map((struct physdev_map_pirq){ .type = MAP_PIRQ_TYPE_GSI, .index = 200, .pirq = 200 }),
             -EINVAL);
    for (int i = 0; i < 256; i++)       /* more than there are vectors: none is lost */
        CHECK_IS(map((struct physdev_map_pirq){ .type = MAP_PIRQ_TYPE_GSI, .index = NO_INPUT,
                                                .pirq = NO_INPUT }), -EINVAL);
    CHECK_IS(map((struct physdev_map_pirq){ .type = 77, .pirq = -1 }), -EINVAL);
    CHECK_IS(map((struct physdev_map_pirq){
                 .type = MAP_PIRQ_TYPE_GSI, .domid = 900, .index = 9, .pirq = 9 }),
             -EOPNOTSUPP);
    CHECK_IS(HYPERVISOR_physdev_op(PHYSDEVOP_setup_gsi, &gsi), -EINVAL);
    CHECK_IS(map((struct physdev_map_pirq){ .type = MAP_PIRQ_TYPE_GSI, .index = 9, .pirq = 9 }), 0);
    /* again is no error */
    CHECK_IS(map((struct physdev_map_pirq){ .type = MAP_PIRQ_TYPE_GSI, .index = 9, .pirq = 9 }), 0);
    gsi.gsi = 9;
    CHECK_IS(HYPERVISOR_physdev_op(PHYSDEVOP_setup_gsi, &gsi), -EEXIST);
}

/* A device that has MSI-X, with more entries than there are PIRQs for. */
static struct pci_device *card(void)
{
    NEED(pci_scan() >= 0);
    for (unsigned int i = 0; i < pci_count(); i++)
        if (pci_get(i)->msix_vectors > PIRQS - MSI_FIRST)
            return pci_get(i);
    test_error("no device here has so many messages");
}

static long map_entry(const struct pci_device *pci, int entry, int pirq, int *got)
{
    struct physdev_map_pirq op = { .domid = DOMID_SELF, .type = MAP_PIRQ_TYPE_MSI, .pirq = pirq,
                                   .bus = pci->bus, .devfn = pci->devfn, .entry_nr = entry,
                                   .table_base = 4096 };
    long error = HYPERVISOR_physdev_op(PHYSDEVOP_map_pirq, &op);

    *got = op.pirq;
    return error;
}

/* Its table is in memory, which can be switched off, or be nowhere. */
static void bad_tables(struct pci_device *pci)
{
    unsigned int bir = pci_read(pci->bus, pci->devfn, pci->msix + 4u, 4) & 7, bar = BAR_0 + 4 * bir;
    uint32_t command = pci_read(pci->bus, pci->devfn, COMMAND, 2);
    uint32_t address = pci_read(pci->bus, pci->devfn, bar, 4);
    int pirq;

    CHECK_IS(map_entry(pci, 2000, -1, &pirq), -EINVAL);
    pci_write(pci->bus, pci->devfn, COMMAND, 2, command & ~2u);
    CHECK_IS(map_entry(pci, 0, -1, &pirq), -ENXIO);
    pci_write(pci->bus, pci->devfn, bar, 4, 0);
    pci_write(pci->bus, pci->devfn, COMMAND, 2, command | 2);
    CHECK_IS(map_entry(pci, 0, -1, &pirq), -ENOMEM);
    pci_write(pci->bus, pci->devfn, bar, 4, address);
}

static void bad_entries(struct pci_device *pci)
{
    struct physdev_unmap_pirq unmap = { .domid = DOMID_SELF };
    int pirq, unused;

    CHECK_IS(map_entry(pci, 0, MSI_FIRST - 1, &unused), -EINVAL);
    CHECK_IS(map_entry(pci, 0, PIRQS, &unused), -EINVAL);
    CHECK_IS(map_entry(pci, 0, -1, &pirq), 0);
    CHECK(pirq >= MSI_FIRST && pirq < PIRQS);
    CHECK_IS(map_entry(pci, 0, -1, &unused), -EEXIST);          /* the entry */
    CHECK_IS(map_entry(pci, 1, pirq, &unused), -EEXIST);        /* the PIRQ */
    unmap.pirq = pirq;
    CHECK_IS(HYPERVISOR_physdev_op(PHYSDEVOP_unmap_pirq, &unmap), 0);
    CHECK_IS(map_entry(pci, 1, PIRQS - 1, &pirq), 0);
    unmap.pirq = PIRQS - 1;
    CHECK_IS(HYPERVISOR_physdev_op(PHYSDEVOP_unmap_pirq, &unmap), 0);
}

/* The CPU has fewer vectors than we have PIRQs; the one that got none is free again. */
static void too_many_vectors(struct pci_device *pci)
{
    static int pirqs[PIRQS];
    struct physdev_unmap_pirq unmap = { .domid = DOMID_SELF };
    int count = 0, unused;
    long error;

    while ((error = map_entry(pci, count, -1, &pirqs[count])) == 0 && count < PIRQS - 1)
        count++;
    CHECK_IS(error, -ENOSPC);
    CHECK(count > 100 && count < PIRQS - MSI_FIRST);
    CHECK_IS(map_entry(pci, count, -1, &unused), -ENOSPC);
    while (count) {
        unmap.pirq = pirqs[--count];
        CHECK_IS(HYPERVISOR_physdev_op(PHYSDEVOP_unmap_pirq, &unmap), 0);
    }
    CHECK_IS(map_entry(pci, 0, -1, &unmap.pirq), 0);
    CHECK_IS(HYPERVISOR_physdev_op(PHYSDEVOP_unmap_pirq, &unmap), 0);
}

static void bad_messages(void)
{
    struct physdev_map_pirq msix = { .type = MAP_PIRQ_TYPE_MSI, .pirq = -1, .table_base = 4096 };
    struct pci_device *pci = card();

    msix.bus = 0x10000;
    CHECK_IS(map(msix), -EINVAL);
    msix.bus = -1;
    CHECK_IS(map(msix), -EINVAL);
    msix.bus = 0;
    msix.devfn = 256;
    CHECK_IS(map(msix), -EINVAL);
    msix.devfn = 0;
    msix.entry_nr = 0x800;
    CHECK_IS(map(msix), -EINVAL);
    msix.entry_nr = 0;
    CHECK_IS(map(msix), -ENODEV);           /* the host bridge has no MSI-X */
    msix.devfn = 0xf0;
    msix.bus = 0x20;
    CHECK_IS(map(msix), -ENODEV);           /* nothing is there */
    msix.type = MAP_PIRQ_TYPE_MULTI_MSI;
    msix.entry_nr = 2;
    CHECK_IS(map(msix), -EOPNOTSUPP);
    bad_tables(pci);
    bad_entries(pci);
    too_many_vectors(pci);
}

static void bad_pirqs(void)
{
    struct physdev_unmap_pirq unmap = { .domid = DOMID_SELF, .pirq = 200 };
    struct physdev_eoi eoi = { .irq = 200 };
    struct physdev_irq_status_query status = { .irq = 100000 };
    struct physdev_get_free_pirq fresh = { 0 };
    struct evtchn_bind_pirq bind = { .pirq = 9 };
    long result;
    unsigned int got = 0;

    CHECK_IS(HYPERVISOR_physdev_op(PHYSDEVOP_unmap_pirq, &unmap), -EINVAL);
    unmap.domid = 900;
    CHECK_IS(HYPERVISOR_physdev_op(PHYSDEVOP_unmap_pirq, &unmap), -EOPNOTSUPP);
    CHECK_IS(HYPERVISOR_physdev_op(PHYSDEVOP_eoi, &eoi), -EINVAL);
    CHECK_IS(HYPERVISOR_physdev_op(PHYSDEVOP_irq_status_query, &status), -EINVAL);

    CHECK_IS(HYPERVISOR_event_channel_op(EVTCHNOP_bind_pirq, &bind), 0);
    struct evtchn_bind_pirq again = { .pirq = 9 };
    CHECK_IS(HYPERVISOR_event_channel_op(EVTCHNOP_bind_pirq, &again), -EEXIST);
    unmap = (struct physdev_unmap_pirq){ .domid = DOMID_SELF, .pirq = 9 };
    CHECK_IS(HYPERVISOR_physdev_op(PHYSDEVOP_unmap_pirq, &unmap), -EBUSY);
    struct evtchn_close close = { .port = bind.port };
    CHECK_IS(HYPERVISOR_event_channel_op(EVTCHNOP_close, &close), 0);
    CHECK_IS(HYPERVISOR_physdev_op(PHYSDEVOP_unmap_pirq, &unmap), 0);

    while ((result = HYPERVISOR_physdev_op(PHYSDEVOP_get_free_pirq, &fresh)) == 0 && got < 1000)
        got++;
    CHECK_IS(result, -ENOSPC);
    for (int pirq = 0; pirq < 1000; pirq++) {
        unmap.pirq = pirq;
        (void)HYPERVISOR_physdev_op(PHYSDEVOP_unmap_pirq, &unmap);
    }
    CHECK_IS(HYPERVISOR_physdev_op(PHYSDEVOP_get_free_pirq, &fresh), 0);
}

static void bad_rest(void)
{
    static const unsigned int ours[] = {
        PHYSDEVOP_irq_status_query,   PHYSDEVOP_set_iopl,       PHYSDEVOP_set_iobitmap,
        PHYSDEVOP_eoi,                PHYSDEVOP_map_pirq,       PHYSDEVOP_unmap_pirq,
        PHYSDEVOP_setup_gsi,          PHYSDEVOP_get_free_pirq,  PHYSDEVOP_pci_mmcfg_reserved,
        PHYSDEVOP_pci_device_add,     PHYSDEVOP_prepare_msix,   PHYSDEVOP_release_msix,
        PHYSDEVOP_pci_device_remove,  PHYSDEVOP_alloc_irq_vector, PHYSDEVOP_apic_read,
    };
    struct physdev_set_iopl iopl = { .iopl = 4 };
    struct physdev_set_iobitmap bits = { .nr_ports = 65537 };
    struct physdev_pci_device device = { .seg = 1 };
    struct physdev_pci_mmcfg_reserved window = { .segment = 1 };
    struct physdev_apic apic = { .apic_physbase = 0xfec00004 };

    CHECK_IS(HYPERVISOR_physdev_op(PHYSDEVOP_set_iopl, &iopl), -EINVAL);
    CHECK_IS(HYPERVISOR_physdev_op(PHYSDEVOP_set_iobitmap, &bits), -EINVAL);
    CHECK_IS(HYPERVISOR_physdev_op(PHYSDEVOP_prepare_msix, &device), -ENODEV);
    CHECK_IS(HYPERVISOR_physdev_op(PHYSDEVOP_pci_mmcfg_reserved, &window), -EINVAL);
    CHECK_IS(HYPERVISOR_physdev_op(PHYSDEVOP_apic_read, &apic), -EINVAL);
    CHECK_IS(HYPERVISOR_physdev_op(1000, &window), -ENOSYS);
    for (unsigned int i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        CHECK_IS(HYPERVISOR_physdev_op(ours[i], NOWHERE), -EFAULT);
}

void refused_interrupts(void)
{
    bad_gsis();
    bad_messages();
    bad_pirqs();
    bad_rest();
}
