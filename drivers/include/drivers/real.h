/* SPDX-License-Identifier: MIT */
/*
 * The machine's real disks and cards, whatever drives them: the nth of those that there is a driver
 * for, in the order of the bus. Drivers stand in drivers/hw/real.c, a row each.
 */
#ifndef DRIVERS_REAL_H
#define DRIVERS_REAL_H

#include <drivers/block.h>
#include <drivers/net.h>
#include <drivers/pci.h>

#define REAL_MOST 16u                   /* Of each. */

/*
 * After pci_scan(): brings it up, once. NULL when there is none or it does not come up (said on the
 * console). Of a card set port->receive at once (with events masked between the two calls if frames
 * must not be missed).
 */
struct blockdev *real_disk(unsigned int nth);
struct netport *real_card(unsigned int nth);

/* The driver of one kind of device. */
struct pci_driver {
    const char *name;
    bool (*match)(const struct pci_device *pci);
    /* With events masked, for an interrupt is bound before there is anything to do for it. 0 and
     * the struct blockdev or netport in *device, or a negative errno; then what it has stays, for
     * the interrupt may be bound. The name is that of the device and stays, too. */
    int (*open)(struct pci_device *pci, const char *name, void **device);
};

#endif
