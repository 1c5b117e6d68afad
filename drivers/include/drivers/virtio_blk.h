/* SPDX-License-Identifier: MIT */
/* Real disks on virtio (modern PCI transport): each becomes a struct blockdev. */
#ifndef DRIVERS_VIRTIO_BLK_H
#define DRIVERS_VIRTIO_BLK_H

#include <drivers/block.h>
#include <drivers/pci.h>

/* After pci_scan(): brings up the nth virtio disk. NULL when there is none or it does not come up
 * (said on the console). */
struct blockdev *virtio_blk_open(unsigned int nth);

#endif
