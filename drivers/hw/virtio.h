/* SPDX-License-Identifier: MIT */
/*
 * virtio 1.x over PCI ("modern"): finding the register windows, negotiating features, and
 * virtqueues. Source: OASIS "Virtual I/O Device (VIRTIO) Version 1.1", sections 2.6 (split
 * virtqueues) and 4.1 (PCI). Used by virtio_blk.c and virtio_net.c. Set-up in thread context,
 * queues with events masked.
 */
#ifndef DRIVERS_HW_VIRTIO_H
#define DRIVERS_HW_VIRTIO_H

#include <abi/types.h>
#include <drivers/pci.h>

#define VIRTIO_VENDOR 0x1af4
#define VIRTIO_NET   1u                     /* kinds of devices (section 5) */
#define VIRTIO_BLOCK 2u

/* "interrupt me, or kick me, from this index on" instead of on or off */
#define VIRTIO_F_EVENT_INDEX (1ull << 29)
#define VIRTIO_F_VERSION_1   (1ull << 32)

struct virtio_device {
    struct pci_device *pci;
    volatile uint8_t *common;               /* configuration structures, mapped */
    volatile uint8_t *notify;
    volatile uint8_t *config;
    uint32_t notify_multiplier, notify_length, config_length;
    uint64_t features;                      /* negotiated */
    struct virtio_device *next;             /* of those that are looked at */
    void (*look)(void *context);
    void *context;
};

extern const struct pci_driver virtio_blk_driver, virtio_net_driver;

/* Of that kind, by its id of version 1 or a transitional one (4.1.2)? */
bool virtio_is(const struct pci_device *pci, unsigned int kind);

/* Steps of 3.1.1 up to FEATURES_OK: reset, take of `wanted` what is offered. 0 or a negative
 * errno. */
int virtio_start(struct virtio_device *device, struct pci_device *pci, uint64_t wanted);
/* DRIVER_OK: after the queues are set up. From then on look(context) is called twice a second, with
 * events masked, which rings the doorbells and takes what has come, whatever the indices say. */
void virtio_ready(struct virtio_device *device, void (*look)(void *context), void *context);
void virtio_fail(struct virtio_device *device);     /* FAILED: gives the device up */
uint64_t virtio_config(struct virtio_device *device, unsigned int offset, unsigned int bytes);

#define VIRTQUEUE_SIZE 256u                 /* the descriptor table is then exactly one page */

struct virtq_descriptor { uint64_t address; uint32_t length; uint16_t flags, next; };
#define VIRTQ_NEXT  1u
#define VIRTQ_WRITE 2u                      /* the device writes this buffer */

struct virtqueue {
    struct virtio_device *device;
    struct virtq_descriptor *descriptor;    /* page 1 */
    volatile uint16_t *available;           /* page 2: flags, index, ring[size], used_event */
    /* page 3: flags, index, {id, length}[size], available_event */
    volatile uint16_t *used;
    volatile uint16_t *notify;              /* the queue's doorbell */
    uint16_t number, size;
    uint16_t free_first, free_count;        /* unused descriptors, chained by .next */
    uint16_t available_index;               /* what we have offered */
    uint16_t kicked_index;                  /* of that, what the device was told of */
    uint16_t used_index;                    /* what we have taken back */
    void *token[VIRTQUEUE_SIZE];            /* by first descriptor */
};

struct virtq_buffer { uint64_t machine; uint32_t length; bool device_writes; };

/* Allocates the queue and hands it to the device; its interrupts go to MSI-X vector `vector` (or
 * VIRTQ_NO_VECTOR), from the first chain on. */
#define VIRTQ_NO_VECTOR 0xffffu
int virtqueue_open(struct virtqueue *queue, struct virtio_device *device, uint16_t number,
                   uint16_t vector);
/* Offers a chain; buffers the device reads come first. False when there are not enough descriptors:
 * nothing was done. */
bool virtqueue_add(struct virtqueue *queue, const struct virtq_buffer *buffers, unsigned int count,
                   void *token);
/* rings the doorbell if anything is new and the device wants it */
void virtqueue_kick(struct virtqueue *queue);
/* rings it whatever the device has said that it wants */
void virtqueue_ring(struct virtqueue *queue);
/* Takes back one chain that the device has finished: its token, or NULL. *length: bytes the device
 * wrote. */
void *virtqueue_take(struct virtqueue *queue, uint32_t *length);
/* Asks for an interrupt for the next chain; true when one is finished already (take it, do not
 * wait). */
bool virtqueue_arm(struct virtqueue *queue);
void virtqueue_silence(struct virtqueue *queue);    /* no interrupts: we look by ourselves */

#endif
