/* SPDX-License-Identifier: MIT */
/* What the two virtio drivers share: the modern PCI transport and the split ring (virtio
 * specification 1.1, chapters 2.6 and 4.1). Our drivers give each descriptor a fixed use, so there
 * is no descriptor allocator. */
#pragma once
#include "kernel.h"

enum { QUEUE_SIZE = 16, DESCRIPTOR_NEXT = 1, DESCRIPTOR_WRITE = 2 };

struct descriptor { u64 address; u32 length; u16 flags, next; };
struct available { u16 flags, index, ring[QUEUE_SIZE]; };
struct used { u16 flags, index; struct { u32 id, length; } ring[QUEUE_SIZE]; };

struct queue {
    struct descriptor *descriptors;
    volatile struct available *available;
    volatile struct used *used;
    volatile u16 *doorbell;
    u16 number, seen;
};

struct virtio {
    volatile u8 *common, *notify, *status, *config;
    u32 notify_multiplier, irq;
};

bool virtio_find(struct virtio *device, u16 type);      /* 1: network card, 2: disk */
void virtio_negotiate(struct virtio *device, u64 wanted, u64 *features);
void virtio_queue_init(struct virtio *device, struct queue *queue, u16 number);
void virtio_ready(struct virtio *device, void (*handler)(void *));
void queue_submit(struct queue *queue, u16 head);
int queue_completed(struct queue *queue, u32 *length);  /* the head of a finished chain, or -1 */
