/* SPDX-License-Identifier: MIT */
/*
 * physdev_op (<xen/physdev.h>): the control domain's interrupts and I/O privilege. Every domain may
 * set its I/O privilege level (what its ports answer is another question: emulate/ports.c); all the
 * rest is the control domain's.
 *
 * Lock: the domain's events.lock is held by all operations.
 */
#include "domain/pirq.h"
#include "entry/hypercall.h"
#include "lib/fail.h"
#include "machine/acpi.h"
#include "machine/apic.h"
#include "machine/pci.h"
#include "memory/access.h"
#include <xen/physdev.h>

/* setup_gsi: triggering 0 edge, 1 level; polarity 0 high, 1 low */
#define EDGE_TRIGGERED 0

static int set_iopl(struct domain *d, const struct physdev_set_iopl *op)
{
    if (op->iopl > 3) return fail(-EINVAL, "privilege levels are 0 to 3");
    current->ports.iopl = op->iopl;
    return 0;
}

static int set_iobitmap(struct domain *d, const struct physdev_set_iobitmap *op)
{
    if (op->nr_ports > 65536 || !guest_range_ok((uint64_t)op->bitmap.p, (op->nr_ports + 7) / 8))
        return fail(-EINVAL, "more than 65536 ports, or not a guest address");
    current->ports.bitmap = (uint64_t)op->bitmap.p;
    current->ports.bitmap_ports = op->nr_ports;
    return 0;
}

/* ---- PIRQs ---- */

static int free_pirq_number(const struct domain *d)
{
    spend(COST_PIRQS);
    for (int i = GSI_PIRQS; i < NR_PIRQS; i++)
        if (!d->pirqs->pirq[i]) return i;
    return fail(-ENOSPC, "all PIRQs are in use");
}

static int map_gsi(struct domain *d, struct physdev_map_pirq *op)
{
    if ((uint32_t)op->index >= GSI_PIRQS || (op->pirq >= 0 && op->pirq != op->index))
        return fail(-EINVAL, "no such GSI; its PIRQ has the same number");
    if ((uint32_t)op->index == acpi.isa[4].gsi)
        return fail(-EBUSY, "this interrupt is the hypervisor's console's");
    op->pirq = op->index;
    if (pirq_of(d, (uint32_t)op->index))
        return 0;                   /* mapping it again is not an error */
    struct pirq *p = pirq_create(d, (uint32_t)op->index);
    if (!p) return fail(-ENOMEM, "no memory for the PIRQ");
    int error = pirq_connect(p, PIRQ_GSI);
    if (error)
        pirq_free(p);
    return error;
}

static int map_msi(struct domain *d, struct physdev_map_pirq *op)
{
    struct msi msi;
    bool msix = op->table_base != 0;
    if ((uint32_t)op->bus > 0xff || (uint32_t)op->devfn > 0xff ||
        (uint32_t)op->entry_nr > (msix ? 0x7ff : 1))
        return fail(-EINVAL, "not a device of segment 0, or not an entry of it");
    int error = msi_setup(&msi, pci_bdf(op->bus, op->devfn), msix, (uint16_t)op->entry_nr);
    if (error) return error;
    spend(COST_PIRQS);
    for (int i = GSI_PIRQS; i < NR_PIRQS; i++) {
        const struct pirq *other = d->pirqs->pirq[i];
        if (other && other->kind == PIRQ_MSI && other->msi.bdf == msi.bdf &&
            (!msix || other->msi.entry == msi.entry))
            return fail(-EEXIST, "the interrupt is mapped already");
    }
    int number = op->pirq >= 0 ? op->pirq : free_pirq_number(d);
    if (number < 0) return number;
    if (number < GSI_PIRQS || number >= NR_PIRQS)
        return fail(-EINVAL, "not a PIRQ that messages can have");
    struct pirq *reserved = pirq_of(d, (uint32_t)number);
    struct pirq *p = reserved ? reserved : pirq_create(d, (uint32_t)number);
    if (!p) return fail(-ENOMEM, "no memory for the PIRQ");
    if (p->kind != PIRQ_NONE) return fail(-EEXIST, "the PIRQ has a source already");
    p->msi = msi;
    error = pirq_connect(p, PIRQ_MSI);
    if (error && !reserved)
        pirq_free(p);
    op->pirq = number;
    return error;
}

static int map_pirq(struct domain *d, struct physdev_map_pirq *op)
{
    if (op->domid != DOMID_SELF && op->domid != d->id)
        return fail(-EOPNOTSUPP, "no interrupts for other domains");
    switch (op->type) {
    case MAP_PIRQ_TYPE_GSI: return map_gsi(d, op);
    case MAP_PIRQ_TYPE_MSI: case MAP_PIRQ_TYPE_MSI_SEG: return map_msi(d, op);
    case MAP_PIRQ_TYPE_MULTI_MSI:
        return op->entry_nr == 1 ? map_msi(d, op)
                                 : fail(-EOPNOTSUPP, "one message a device; use MSI-X for more");
    default: return fail(-EINVAL, "no such kind of interrupt");
    }
}

static int unmap_pirq(struct domain *d, const struct physdev_unmap_pirq *op)
{
    struct pirq *p = op->pirq >= 0 ? pirq_of(d, (uint32_t)op->pirq) : NULL;
    if (op->domid != DOMID_SELF && op->domid != d->id)
        return fail(-EOPNOTSUPP, "no interrupts for other domains");
    if (!p) return fail(-EINVAL, "no such PIRQ");
    if (p->port) return fail(-EBUSY, "close its event channel first");
    pirq_free(p);
    return 0;
}

static int get_free_pirq(struct domain *d, struct physdev_get_free_pirq *op)
{
    int number = free_pirq_number(d);
    if (number < 0) return number;
    if (!pirq_create(d, (uint32_t)number)) return fail(-ENOMEM, "no memory for the PIRQ");
    op->pirq = (uint32_t)number;
    return 0;
}

static int setup_gsi(struct domain *d, const struct physdev_setup_gsi *op)
{
    if (op->gsi < 0 || op->gsi >= GSI_PIRQS) return fail(-EINVAL, "no such GSI");
    /* what Linux takes for good news */
    if (pirq_of(d, (uint32_t)op->gsi)) return fail(-EEXIST, "the GSI is set up and in use");
    d->pirqs->gsi_level[op->gsi] = op->triggering != EDGE_TRIGGERED;
    d->pirqs->gsi_low[op->gsi] = op->polarity != 0;
    return 0;
}

/* Which vector an interrupt has is ours to know: it gets one when it is bound. Old kernels ask
 * first, and give up without an answer. */
static int alloc_irq_vector(struct domain *d, struct physdev_irq *op)
{
    op->vector = op->irq;
    return 0;
}

/* Of an I/O APIC, which is the hypervisor's: how many inputs it has, say. */
static int apic_read(struct domain *d, struct physdev_apic *op)
{
    for (uint32_t i = 0; i < acpi.ioapic_count; i++)
        if (acpi.ioapics[i].address == op->apic_physbase) {
            op->value = ioapic_read(i, op->reg & 0xff);
            return 0;
        }
    return fail_value(-EINVAL, "there is no I/O APIC at this address", op->apic_physbase);
}

static int eoi(struct domain *d, const struct physdev_eoi *op)
{
    struct pirq *p = pirq_of(d, op->irq);
    if (!p) return fail(-EINVAL, "no such PIRQ");
    pirq_eoi(p);
    return 0;
}

static int irq_status(struct domain *d, struct physdev_irq_status_query *op)
{
    const struct pirq *p = pirq_of(d, op->irq);
    if (op->irq >= NR_PIRQS) return fail(-EINVAL, "no such PIRQ");
    op->flags = p && p->kind == PIRQ_GSI && d->pirqs->gsi_level[p->number] ? XENIRQSTAT_needs_eoi
                                                                           : 0;
    return 0;
}

/* ---- devices: found by looking, nothing is kept about them ---- */

static int device_present(struct domain *d, const struct physdev_pci_device *op)
{
    if (op->seg != 0 || !pci_present(pci_bdf(op->bus, op->devfn)))
        return fail(-ENODEV, "there is no such PCI device");
    return 0;
}

/* We use the legacy ports, which reach segment 0. */
static int window_reserved(struct domain *d, const struct physdev_pci_mmcfg_reserved *op)
{
    return op->segment ? fail(-EINVAL, "there is one PCI segment") : 0;
}

static const struct operation operations[] = {
    ROW(PHYSDEVOP_set_iopl, domain, physdev_set_iopl, set_iopl),
    ROW(PHYSDEVOP_set_iobitmap, domain, physdev_set_iobitmap, set_iobitmap),
    ROW(PHYSDEVOP_eoi, domain, physdev_eoi, eoi),
    ROW(PHYSDEVOP_irq_status_query, domain, physdev_irq_status_query, irq_status),
    ROW(PHYSDEVOP_map_pirq, domain, physdev_map_pirq, map_pirq),
    ROW(PHYSDEVOP_unmap_pirq, domain, physdev_unmap_pirq, unmap_pirq),
    ROW(PHYSDEVOP_get_free_pirq, domain, physdev_get_free_pirq, get_free_pirq),
    ROW(PHYSDEVOP_apic_read, domain, physdev_apic, apic_read),
    ROW(PHYSDEVOP_alloc_irq_vector, domain, physdev_irq, alloc_irq_vector),
    ROW(PHYSDEVOP_setup_gsi, domain, physdev_setup_gsi, setup_gsi),
    ROW(PHYSDEVOP_pci_device_add, domain, physdev_pci_device, device_present),
    ROW(PHYSDEVOP_pci_device_remove, domain, physdev_pci_device, device_present),
    ROW(PHYSDEVOP_prepare_msix, domain, physdev_pci_device, device_present),
    ROW(PHYSDEVOP_release_msix, domain, physdev_pci_device, device_present),
    ROW(PHYSDEVOP_pci_mmcfg_reserved, domain, physdev_pci_mmcfg_reserved, window_reserved),
};

long do_physdev_op(unsigned int cmd, uint64_t arg)
{
    struct domain *d = current->domain;

    return operation_call(operations, ARRAY_SIZE(operations), cmd, d, arg, &d->events.lock);
}
