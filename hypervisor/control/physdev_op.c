/* SPDX-License-Identifier: MIT */
/*
 * physdev_op (<xen/physdev.h>): the control domain's interrupts and I/O privilege. Every domain may set its I/O privilege level
 * (what its ports answer is another question: emulate/ports.c); all the rest is the control domain's.
 */
#include "control/pirq.h"
#include "entry/hypercall.h"
#include "lib/fail.h"
#include "machine/acpi.h"
#include "memory/access.h"
#include "memory/frame.h"
#include <xen/physdev.h>

#define EDGE_TRIGGERED 0            /* setup_gsi: triggering 0 edge, 1 level; polarity 0 high, 1 low */

static int set_iopl(const struct physdev_set_iopl *op)
{
    if (op->iopl > 3) return fail(-EINVAL, "privilege levels are 0 to 3");
    current->iopl = op->iopl;
    return 0;
}

static int set_iobitmap(const struct physdev_set_iobitmap *op)
{
    if (op->nr_ports > 65536 || !guest_range_ok((uint64_t)op->bitmap.p, (op->nr_ports + 7) / 8))
        return fail(-EINVAL, "more than 65536 ports, or not a guest address");
    current->io_bitmap = (uint64_t)op->bitmap.p;
    current->io_bitmap_ports = op->nr_ports;
    return 0;
}

/* ---- PIRQs: called with the event lock held ---- */

static int free_pirq_number(const struct domain *d)
{
    for (int i = GSI_PIRQS; i < NR_PIRQS; i++)
        if (!d->pirqs->pirq[i]) return i;
    return fail(-ENOSPC, "all PIRQs are in use");
}

static int map_gsi(struct domain *d, struct physdev_map_pirq *op)
{
    if (op->index < 0 || op->index >= GSI_PIRQS || (op->pirq >= 0 && op->pirq != op->index))
        return fail(-EINVAL, "no such GSI; its PIRQ has the same number");
    if ((uint32_t)op->index == acpi.isa[4].gsi) return fail(-EBUSY, "this interrupt is the hypervisor's console's");
    op->pirq = op->index;
    struct pirq *p = pirq_of(d, (uint32_t)op->index);
    if (p && p->kind == PIRQ_GSI)
        return 0;                   /* mapping it again is not an error */
    if (!p) p = pirq_create(d, (uint32_t)op->index);
    if (!p) return fail(-ENOMEM, "no memory for the PIRQ");
    int error = pirq_connect(p, PIRQ_GSI);
    if (error) pirq_free(p);
    return error;
}

static int map_msi(struct domain *d, struct physdev_map_pirq *op)
{
    struct msi msi;
    bool msix = op->table_base != 0;
    if ((op->bus >> 16) != 0 || op->bus < 0 || op->bus > 0xff || op->devfn < 0 || op->devfn > 0xff || op->entry_nr < 0
        || op->entry_nr > 0x7ff || (!msix && op->entry_nr > 1))
        return fail(-EINVAL, "not a device of segment 0, or not an entry of it");
    int error = msi_setup(&msi, (uint16_t)(op->bus << 8 | op->devfn), msix, (uint16_t)op->entry_nr);
    if (error) return error;
    for (int i = GSI_PIRQS; i < NR_PIRQS; i++) {
        const struct pirq *other = d->pirqs->pirq[i];
        if (other && other->kind == PIRQ_MSI && other->msi.bdf == msi.bdf && (!msix || other->msi.entry == msi.entry))
            return fail(-EEXIST, "the interrupt is mapped already");
    }
    int number = op->pirq >= 0 ? op->pirq : free_pirq_number(d);
    if (number < 0) return number;
    if (number < GSI_PIRQS || number >= NR_PIRQS) return fail(-EINVAL, "not a PIRQ that messages can have");
    struct pirq *p = pirq_of(d, (uint32_t)number);
    if (p && p->kind != PIRQ_NONE) return fail(-EEXIST, "the PIRQ has a source already");
    if (!p && !(p = pirq_create(d, (uint32_t)number))) return fail(-ENOMEM, "no memory for the PIRQ");
    p->msi = msi;
    error = pirq_connect(p, PIRQ_MSI);
    if (error) pirq_free(p);
    op->pirq = number;
    return error;
}

static int map_pirq(struct domain *d, struct physdev_map_pirq *op)
{
    if (op->domid != DOMID_SELF && op->domid != d->id) return fail(-EOPNOTSUPP, "no interrupts for other domains");
    switch (op->type) {
    case MAP_PIRQ_TYPE_GSI: return map_gsi(d, op);
    case MAP_PIRQ_TYPE_MSI: case MAP_PIRQ_TYPE_MSI_SEG: return map_msi(d, op);
    case MAP_PIRQ_TYPE_MULTI_MSI:
        return op->entry_nr == 1 ? map_msi(d, op) : fail(-EOPNOTSUPP, "one message a device; use MSI-X for more");
    default: return fail(-EINVAL, "no such kind of interrupt");
    }
}

static int unmap_pirq(struct domain *d, const struct physdev_unmap_pirq *op)
{
    struct pirq *p = op->pirq >= 0 ? pirq_of(d, (uint32_t)op->pirq) : NULL;
    if (op->domid != DOMID_SELF && op->domid != d->id) return fail(-EOPNOTSUPP, "no interrupts for other domains");
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
    if (pirq_of(d, (uint32_t)op->gsi)) return fail(-EEXIST, "the GSI is set up and in use");   /* what Linux takes for good news */
    d->pirqs->gsi_level[op->gsi] = op->triggering != EDGE_TRIGGERED;
    d->pirqs->gsi_low[op->gsi] = op->polarity != 0;
    return 0;
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
    op->flags = p && p->kind == PIRQ_GSI && d->pirqs->gsi_level[p->number] ? XENIRQSTAT_needs_eoi : 0;
    return 0;
}

static int register_eoi_map(struct domain *d, const struct physdev_pirq_eoi_gmfn *op)
{
    if (d->pirqs->eoi_map) return fail(-EBUSY, "there is a page already");
    if (frame_get_writable(MFN(op->gmfn), d)) return fail(-EINVAL, "not a frame of the domain that can be written");
    d->pirqs->eoi_frame = MFN(op->gmfn);
    d->pirqs->eoi_map = map_frame(MFN(op->gmfn));
    for (uint32_t i = 0; i < NR_PIRQS; i++)
        if (d->pirqs->pirq[i]) pirq_mark_eoi(d->pirqs->pirq[i]);
    return 0;
}

/* ---- devices: found by looking, nothing is kept about them ---- */

static int device_present(uint32_t segment, uint8_t bus, uint8_t devfn)
{
    if (segment != 0 || pci_config_read((uint16_t)(bus << 8 | devfn), 0, 2) == 0xffff)
        return fail(-ENODEV, "there is no such PCI device");
    return 0;
}

/* After the guest reset the device: aim its interrupts again. */
static int restore_msi(struct domain *d, uint32_t segment, uint8_t bus, uint8_t devfn)
{
    int error = device_present(segment, bus, devfn);
    for (uint32_t i = GSI_PIRQS; i < NR_PIRQS && !error; i++) {
        const struct pirq *p = d->pirqs->pirq[i];
        if (p && p->kind == PIRQ_MSI && p->msi.bdf == (bus << 8 | devfn)) {
            msi_program(&p->msi, p->vector);
            msi_mask(&p->msi, p->port == 0);
        }
    }
    return error;
}

#define OPERATION(type, call) { struct type op; if (read_guest(&op, arg)) goto fault; return call; }
#define LOCKED(type, call) { struct type op; if (read_guest(&op, arg)) goto fault; spin_lock(&d->event_lock); \
                             int error = call; spin_unlock(&d->event_lock); return error; }
#define ANSWERING(type, call) { struct type op; if (read_guest(&op, arg)) goto fault; spin_lock(&d->event_lock); \
                                int error = call; spin_unlock(&d->event_lock); return error ? error : write_guest(arg, &op); }

static long control_domain_op(struct domain *d, unsigned long cmd, unsigned long arg)
{
    switch (cmd) {
    case PHYSDEVOP_eoi:               LOCKED(physdev_eoi, eoi(d, &op))
    case PHYSDEVOP_irq_status_query:  ANSWERING(physdev_irq_status_query, irq_status(d, &op))
    case PHYSDEVOP_map_pirq:          ANSWERING(physdev_map_pirq, map_pirq(d, &op))
    case PHYSDEVOP_unmap_pirq:        LOCKED(physdev_unmap_pirq, unmap_pirq(d, &op))
    case PHYSDEVOP_get_free_pirq:     ANSWERING(physdev_get_free_pirq, get_free_pirq(d, &op))
    case PHYSDEVOP_setup_gsi:         LOCKED(physdev_setup_gsi, setup_gsi(d, &op))
    case PHYSDEVOP_pirq_eoi_gmfn_v2:  LOCKED(physdev_pirq_eoi_gmfn, register_eoi_map(d, &op))
    case PHYSDEVOP_alloc_irq_vector:  ANSWERING(physdev_irq, (op.vector = op.irq, op.irq < GSI_PIRQS ? 0 : -EINVAL))
    case PHYSDEVOP_manage_pci_add: case PHYSDEVOP_manage_pci_remove:
        OPERATION(physdev_manage_pci, device_present(0, op.bus, op.devfn))
    case PHYSDEVOP_manage_pci_add_ext: OPERATION(physdev_manage_pci_ext, device_present(0, op.bus, op.devfn))
    case PHYSDEVOP_pci_device_add: case PHYSDEVOP_pci_device_remove: case PHYSDEVOP_prepare_msix: case PHYSDEVOP_release_msix:
        OPERATION(physdev_pci_device, device_present(op.seg, op.bus, op.devfn))
    case PHYSDEVOP_restore_msi:       LOCKED(physdev_restore_msi, restore_msi(d, 0, op.bus, op.devfn))
    case PHYSDEVOP_restore_msi_ext:   LOCKED(physdev_pci_device, restore_msi(d, op.seg, op.bus, op.devfn))
    case PHYSDEVOP_pci_mmcfg_reserved:          /* we use the legacy ports */
        OPERATION(physdev_pci_mmcfg_reserved, op.segment ? -EINVAL : 0)
    default:
        return fail(-ENOSYS, "not an operation of physdev_op");
    }
fault:
    return fail(-EFAULT, "the argument cannot be read");
}

long do_physdev_op(unsigned long cmd, unsigned long arg, unsigned long a3, unsigned long a4, unsigned long a5, unsigned long a6)
{
    struct domain *d = current->domain;
    switch (cmd) {
    case PHYSDEVOP_set_iopl:     OPERATION(physdev_set_iopl, set_iopl(&op))
    case PHYSDEVOP_set_iobitmap: OPERATION(physdev_set_iobitmap, set_iobitmap(&op))
    default:
        return d->pirqs ? control_domain_op(d, cmd, arg) : fail(-EPERM, "physical interrupts are the control domain's");
    }
fault:
    return fail(-EFAULT, "the argument cannot be read");
}
