/* SPDX-License-Identifier: MIT */
/* Which driver a real device has: see drivers/real.h. A further one is declared in a header beside
 * it, as in virtio.h, and named in a list here. */
#include <drivers/real.h>
#include "virtio.h"
#include <pvguest/console.h>
#include <pvguest/errno.h>
#include <pvguest/events.h>
#include <pvguest/string.h>

static const struct pci_driver *const disk_drivers[] = { &virtio_blk_driver, NULL };
static const struct pci_driver *const card_drivers[] = { &virtio_net_driver, NULL };

struct opened {
    char name[8];                       /* "disk0" */
    void *device;                       /* NULL: not open. */
};
static struct opened disks[REAL_MOST], cards[REAL_MOST];

static const struct pci_driver *driver_of(const struct pci_device *pci,
                                          const struct pci_driver *const *drivers)
{
    while (*drivers && !(*drivers)->match(pci))
        drivers++;
    return *drivers;
}

static struct pci_device *find(const struct pci_driver *const *drivers, unsigned int nth)
{
    struct pci_device *pci;

    for (unsigned int i = 0; (pci = pci_get(i)); i++)
        if (driver_of(pci, drivers) && nth-- == 0)
            break;
    return pci;
}

static void *open(struct opened *opened, const struct pci_driver *const *drivers, const char *kind,
                  unsigned int nth)
{
    struct pci_device *pci = nth < REAL_MOST ? find(drivers, nth) : NULL;
    const struct pci_driver *driver;
    bool masked;
    int error;

    if (!pci) return NULL;
    opened += nth;
    if (opened->device) return opened->device;
    driver = driver_of(pci, drivers);
    snprintf(opened->name, sizeof opened->name, "%s%u", kind, nth);
    masked = events_save();
    error = driver->open(pci, opened->name, &opened->device);
    events_restore(masked);
    if (error)
        printk("%s %02x:%02x.%x: %s\n", driver->name, pci->bus, pci->devfn >> 3, pci->devfn & 7,
               errno_name(error));
    return opened->device;
}

struct blockdev *real_disk(unsigned int nth)
{
    return open(disks, disk_drivers, "disk", nth);
}

struct netport *real_card(unsigned int nth)
{
    return open(cards, card_drivers, "net", nth);
}
