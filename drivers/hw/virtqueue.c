/* SPDX-License-Identifier: MIT */
/*
 * Split virtqueues: see virtio.h. Three pages that the device reads and writes by DMA. A PV guest's
 * pages are scattered over the machine, so each of the three parts gets a page of its own (a queue
 * of 256 just fits) and is named to the device by its machine address.
 */
#include "virtio.h"
#include <drivers/ring.h>
#include <pvguest/console.h>
#include <pvguest/errno.h>
#include <pvguest/mm.h>
#include <pvguest/refuse.h>

#define QUEUE_SELECT     0x16
#define QUEUE_SIZE       0x18
#define QUEUE_VECTOR     0x1a
#define QUEUE_ENABLE     0x1c
#define QUEUE_NOTIFY_OFF 0x1e
#define QUEUE_DESCRIPTOR 0x20
#define QUEUE_DRIVER     0x28
#define QUEUE_DEVICE     0x30

#define FLAGS 0                         /* of both rings, as 16-bit words */
#define INDEX 1
#define RING  2
#define NO_INTERRUPT 1u
#define NO_NOTIFY    1u

static volatile uint16_t *register16(struct virtio_device *device, unsigned int offset)
{
    return (volatile uint16_t *)(device->common + offset);
}

static void set_address(struct virtio_device *device, unsigned int offset,
                        const volatile void *page)
{
    uint64_t machine = virt_to_machine((const void *)(uintptr_t)page);
    volatile uint32_t *at = (volatile uint32_t *)(device->common + offset);

    /* 64-bit registers may be written in halves only (4.1.3.1) */
    at[0] = (uint32_t)machine;
    at[1] = (uint32_t)(machine >> 32);
}

static int allocate(struct virtqueue *queue)
{
    queue->descriptor = alloc_zeroed_page();
    queue->available = alloc_zeroed_page();
    queue->used = alloc_zeroed_page();
    /* the device is given up at boot; what was allocated stays with it */
    if (!queue->descriptor || !queue->available || !queue->used) return refused(-ENOMEM);
    for (uint16_t i = 0; i < queue->size; i++)
        queue->descriptor[i].next = i + 1;
    queue->free_count = queue->size;
    return 0;
}

int virtqueue_open(struct virtqueue *queue, struct virtio_device *device, uint16_t number,
                   uint16_t vector)
{
    *queue = (struct virtqueue){ .device = device, .number = number };
    *register16(device, QUEUE_SELECT) = number;
    queue->size = *register16(device, QUEUE_SIZE);
    if (queue->size == 0) return refused(-ENODEV);
    if (queue->size > VIRTQUEUE_SIZE)
        *register16(device, QUEUE_SIZE) = queue->size = VIRTQUEUE_SIZE;

    uint32_t doorbell = *register16(device, QUEUE_NOTIFY_OFF) * device->notify_multiplier;
    int error = doorbell + 2 <= device->notify_length ? allocate(queue) : refused(-ENODEV);

    if (error) return error;
    queue->notify = (volatile uint16_t *)(device->notify + doorbell);
    set_address(device, QUEUE_DESCRIPTOR, queue->descriptor);
    set_address(device, QUEUE_DRIVER, queue->available);
    set_address(device, QUEUE_DEVICE, queue->used);
    *register16(device, QUEUE_VECTOR) = vector;
    if (*register16(device, QUEUE_VECTOR) != vector)
        return refused(-ENOSPC);        /* the device had no room for another vector */
    *register16(device, QUEUE_ENABLE) = 1;
    return 0;
}

bool virtqueue_add(struct virtqueue *queue, const struct virtq_buffer *buffers, unsigned int count,
                   void *token)
{
    uint16_t first = queue->free_first, at = first;

    if (count > queue->free_count) return false;
    for (unsigned int i = 0; i < count; i++) {
        struct virtq_descriptor *descriptor = &queue->descriptor[at];

        descriptor->address = buffers[i].machine;
        descriptor->length = buffers[i].length;
        descriptor->flags = (uint16_t)((buffers[i].device_writes ? VIRTQ_WRITE : 0) |
                                       (i + 1 < count ? VIRTQ_NEXT : 0));
        at = descriptor->next;          /* the free list is a chain already */
    }
    queue->free_first = at;
    queue->free_count -= (uint16_t)count;
    queue->token[first] = token;
    queue->available[RING + queue->available_index % queue->size] = first;
    xen_wmb();                          /* the chain before its announcement */
    queue->available[INDEX] = ++queue->available_index;
    return true;
}

void virtqueue_kick(struct virtqueue *queue)
{
    bool wanted;

    /* the index was written before we read whether the device sleeps */
    xen_mb();
    if (queue->device->features & VIRTIO_F_EVENT_INDEX) {
        uint16_t event = queue->used[RING + 4 * queue->size];

        wanted = (uint16_t)(queue->available_index - event - 1) <
                 (uint16_t)(queue->available_index - queue->kicked_index);
    } else {
        wanted = !(queue->used[FLAGS] & NO_NOTIFY) && queue->available_index != queue->kicked_index;
    }
    queue->kicked_index = queue->available_index;
    if (wanted)
        virtqueue_ring(queue);
}

void virtqueue_ring(struct virtqueue *queue)
{
    *queue->notify = queue->number;
}

static void free_chain(struct virtqueue *queue, uint16_t first)
{
    uint16_t last = first, count = 1;

    while (queue->descriptor[last].flags & VIRTQ_NEXT && count < queue->size) {
        last = queue->descriptor[last].next;
        count++;
    }
    queue->descriptor[last].next = queue->free_first;
    queue->free_first = first;
    queue->free_count += count;
}

void *virtqueue_take(struct virtqueue *queue, uint32_t *length)
{
    if (queue->used[INDEX] == queue->used_index) return NULL;
    xen_rmb();                          /* the entry is valid only after the index said so */

    volatile uint32_t *entry = (volatile uint32_t *)(queue->used + RING) +
                               2 * (queue->used_index % queue->size);
    uint16_t first = (uint16_t)entry[0];
    void *token = first < queue->size ? queue->token[first] : NULL;

    *length = entry[1];
    queue->used_index++;
    if (!token) {
        printk("virtio: queue %u: the device returned descriptor %u, which it was not given\n",
               queue->number, first);
        return refused(NULL);
    }
    queue->token[first] = NULL;
    free_chain(queue, first);
    return token;
}

bool virtqueue_arm(struct virtqueue *queue)
{
    if (queue->device->features & VIRTIO_F_EVENT_INDEX)
        queue->available[RING + queue->size] = queue->used_index;
    else
        queue->available[FLAGS] = 0;
    /* the wish before the look, or a finish in between would be missed */
    xen_mb();
    return queue->used[INDEX] != queue->used_index;
}

void virtqueue_silence(struct virtqueue *queue)
{
    /* an index just behind: never soon */
    if (queue->device->features & VIRTIO_F_EVENT_INDEX)
        queue->available[RING + queue->size] = (uint16_t)(queue->used_index - 1);
    else
        queue->available[FLAGS] = NO_INTERRUPT;
}
