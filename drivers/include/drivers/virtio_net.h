/* SPDX-License-Identifier: MIT */
/* Real network cards on virtio (modern PCI transport): each becomes a struct netport. */
#ifndef DRIVERS_VIRTIO_NET_H
#define DRIVERS_VIRTIO_NET_H

#include <drivers/net.h>
#include <drivers/pci.h>

/* After pci_scan(): brings up the nth virtio card. NULL when there is none or it does not come up
 * (said on the console). Set port->receive at once (with events masked between the two calls if
 * frames must not be missed). */
struct netport *virtio_net_open(unsigned int nth);

#endif
