/* SPDX-License-Identifier: MIT */
/*
 * A guest's driver of one of the monitor's virtio devices, for unit tests: a small machine, the
 * device's registers, queues whose rings lie at fixed addresses, and chains of at most 8 pieces.
 */
#ifndef TESTS_UNIT_VIRTIO_DRIVER_H
#define TESTS_UNIT_VIRTIO_DRIVER_H

#include <stdlib.h>
#include <string.h>
#include "pvguest-sdk/monitor/code.h"
#include "pvguest-sdk/monitor/machine.h"

enum { MEMORY = 4 << 20, NOWHERE = MEMORY };    /* an address that no memory has */
enum { QUEUE_SIZE = 16, RING = 0x10000, PER_QUEUE = 0x4000 };
enum { DEVICE_WRITES = 2, RUNNING = 0xf, NEEDS_RESET = 0x40 };

struct piece { uint64_t address; uint32_t length; uint16_t flags; };
#define PIECES(...) ((const struct piece[]){ __VA_ARGS__, { 0 } })

static struct machine machine;
static struct virtio *driven;
static uint16_t rung[VIRTIO_QUEUES], heads[VIRTIO_QUEUES];
static unsigned pages_left;             /* what alloc_page() still gives */
static unsigned wakes;                  /* of a guest that halts */

void *alloc_pages(unsigned int order)
{
    return pages_left && pages_left-- ? aligned_alloc(4096, 4096) : NULL;
}
void *alloc_zeroed_page(void)
{
    void *page = alloc_pages(0);

    return page ? memset(page, 0, 4096) : NULL;
}
void code_forget(struct machine *m, uint64_t number)
{
    abort();
}
/* ports.c has the real one. */
__attribute__((weak)) void irq_line(struct machine *m, unsigned int irq, bool up)
{
    pic_line(&m->pic, irq, up);
}
void machine_wake(void)
{
    wakes++;
}

static inline void fresh_machine(void)
{
    memset(&machine, 0, sizeof(machine));
    pic_reset(&machine.pic);
    pci_reset(&machine.pci);
    pages_left = ~0u;
    wakes = 0;
    if (memory_create(&machine, MEMORY))
        abort();
}

static inline void end_machine(void)
{
    for (uint64_t i = 0; i < machine.pages; i++)
        free(machine.page[i]);
    free(machine.page);
    free(machine.code);
}

static inline bool line_is_up(unsigned irq)
{
    return machine.pic.chip[irq / 8].lines & 1 << irq % 8;
}

/* Resets it, agrees to VERSION_1, and turns all its queues on. */
static inline void drive(struct virtio *device)
{
    uint32_t zero = 0;

    driven = device;
    virtio_store(device, 20, 1, 0);
    virtio_store(device, 8, 4, 1);
    virtio_store(device, 12, 4, 1);
    virtio_store(device, 20, 1, 0xb);
    for (unsigned q = 0; q < device->queues; q++) {
        uint32_t ring = RING + q * PER_QUEUE;
        virtio_store(device, 22, 2, q);
        virtio_store(device, 24, 2, QUEUE_SIZE);
        for (unsigned part = 0; part < 3; part++)
            virtio_store(device, 32 + 8 * part, 4, ring + 0x1000 * part);
        virtio_store(device, 28, 2, 1);
        memory_write(&machine, ring + 0x1000, &zero, 4);
        memory_write(&machine, ring + 0x2000, &zero, 4);
        rung[q] = heads[q] = 0;
    }
    virtio_store(device, 20, 1, RUNNING);
}

/* A chain of these pieces, which ends with one of no flags, address and length; its head. */
static inline uint16_t offer(unsigned queue, const struct piece *pieces)
{
    uint32_t ring = RING + queue * PER_QUEUE;
    uint16_t head = heads[queue];

    for (; pieces->address; pieces++) {
        struct { uint64_t address; uint32_t length; uint16_t flags, next; } d = {
            pieces->address, pieces->length, pieces->flags, 0 };
        unsigned at = heads[queue];
        heads[queue] = (uint16_t)((at + 1) % QUEUE_SIZE);
        if (pieces[1].address) {
            d.flags |= 1;
            d.next = heads[queue];
        }
        memory_write(&machine, ring + 16 * at, &d, sizeof(d));
    }
    memory_write(&machine, ring + 0x1004 + 2u * (rung[queue] % QUEUE_SIZE), &head, 2);
    rung[queue]++;
    memory_write(&machine, ring + 0x1002, &rung[queue], 2);
    return head;
}

static inline void ring(unsigned queue)
{
    virtio_store(driven, 0x3000 + 4 * queue, 2, queue);
}

/* How many chains have come back. */
static inline uint16_t returned(unsigned queue)
{
    uint16_t index;

    memory_read(&machine, RING + queue * PER_QUEUE + 0x2002, &index, 2);
    return index;
}

struct answer { uint32_t head, written; };
static inline struct answer answer(unsigned queue, unsigned number)
{
    struct answer a;

    memory_read(&machine, RING + queue * PER_QUEUE + 0x2004 + 8 * (number % QUEUE_SIZE), &a, 8);
    return a;
}

static inline uint8_t byte_at(uint64_t at)
{
    uint8_t byte = 0;

    memory_read(&machine, at, &byte, 1);
    return byte;
}

#endif
