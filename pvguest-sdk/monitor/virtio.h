/* SPDX-License-Identifier: MIT */
/*
 * The device's side of virtio over PCI (virtio 1.1, 2.6 and 4.1): modern only, split rings, an
 * interrupt line. A device (block.c, net.c) looks at its queues when it is notified, takes chains
 * of buffers, and gives them back.
 *
 * All addresses, lengths and indices are the guest's and may be anything: a chain has at most as
 * many descriptors as its queue, what lies outside of memory ends the device's service
 * (needs-reset, as the specification has it) and nothing else.
 */
#ifndef MONITOR_VIRTIO_H
#define MONITOR_VIRTIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct machine;

enum { VIRTIO_QUEUES = 2, VIRTIO_QUEUE_MAX = 256, VIRTIO_BAR_SIZE = 0x4000 };
#define VIRTIO_VERSION_1 (1ull << 32)

struct virtio_queue {
    uint16_t size, seen, used;          /* seen: of the available ring; used: what we published */
    bool on;
    uint64_t descriptors, available, returned;
};

struct virtio {
    struct machine *machine;
    unsigned int irq;
    uint64_t offered, accepted;         /* features */
    uint32_t offered_half, accepted_half;
    uint8_t status, interrupt;
    uint16_t selected;
    unsigned int queues;
    struct virtio_queue queue[VIRTIO_QUEUES];
    uint8_t config[32];
    void (*notified)(struct virtio *device, unsigned int queue);        /* the driver rang */
    uint32_t resets;                    /* so that what was under way before is known as old */
};

/* A piece of a chain. The device reads those that are not `writable`, which come first. */
struct virtio_piece {
    uint64_t address;
    uint32_t length;
    bool writable;
};
struct virtio_chain {
    uint16_t head;
    unsigned int count;
    struct virtio_piece piece[VIRTIO_QUEUE_MAX];
};

/* At a PCI slot: type 1 is a network card, 2 a disk. */
void virtio_attach(struct virtio *device, struct machine *machine, unsigned int slot,
                   unsigned int type, uint32_t class_code, unsigned int irq);
uint32_t virtio_load(struct virtio *device, uint32_t offset, unsigned int size);
void virtio_store(struct virtio *device, uint32_t offset, unsigned int size, uint32_t value);

/* The next chain of a queue; false: none, or the guest made nonsense. */
bool virtio_take(struct virtio *device, unsigned int queue, struct virtio_chain *chain);
/* Gives back what was taken since the last reset, with so many bytes written, and interrupts. */
void virtio_give(struct virtio *device, unsigned int queue, uint16_t head, uint32_t written);
/* Bytes of a chain's pieces of one kind, at an offset: how many were moved. */
size_t virtio_read(struct virtio *device, const struct virtio_chain *chain, size_t offset,
                   void *to, size_t size);
size_t virtio_write(struct virtio *device, const struct virtio_chain *chain, size_t offset,
                    const void *from, size_t size);
/* Of all its pieces of one kind. */
uint64_t virtio_length(const struct virtio_chain *chain, bool writable);
/* The guest broke the rules: nothing more until it resets the device. */
void virtio_broken(struct virtio *device);
static inline bool virtio_running(const struct virtio *device)
{
    return (device->status & 0x44) == 4;        /* DRIVER_OK, and not DEVICE_NEEDS_RESET */
}

#endif
