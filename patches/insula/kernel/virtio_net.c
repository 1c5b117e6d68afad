/* SPDX-License-Identifier: MIT */
/* The virtio network card: sixteen buffers for frames coming in, sixteen for frames going out. */
#include "virtio.h"

enum { NETWORK_DEVICE = 1, BUFFER = 2048, HEADER = 12, FRAME_MAX = 1514 };
#define FEATURE_MAC (1ul << 5)

static struct virtio device;
static struct queue incoming, outgoing;
static u8 in[QUEUE_SIZE][BUFFER], out[QUEUE_SIZE][BUFFER];
static u32 sent, finished;                      /* frames; their difference is in the ring */

static void interrupt(void *unused)
{
    u32 length;
    int i;

    (void)*device.status;                       /* reading it drops the interrupt line */
    while ((i = queue_completed(&incoming, &length)) >= 0) {
        if (length > HEADER)
            net_receive(in[i] + HEADER, length - HEADER);
        queue_submit(&incoming, (u16)i);
    }
    while (queue_completed(&outgoing, &length) >= 0)
        finished++;
}

/* When the card cannot keep up the frame is lost, as frames may be. */
static void send(const void *frame, u32 n)
{
    bool on = interrupts_off();
    u16 i = sent % QUEUE_SIZE;

    if (n <= FRAME_MAX && sent - finished < QUEUE_SIZE) {
        memcpy(out[i] + HEADER, frame, n);      /* the header before it stays zero: no offloads */
        outgoing.descriptors[i] = (struct descriptor){ to_physical(out[i]), HEADER + n, 0, 0 };
        queue_submit(&outgoing, i);
        sent++;
    }
    interrupts_restore(on);
}

struct nic *virtio_net_find(void)
{
    static struct nic found = { .name = "virtio", .send = send };
    u64 features;

    if (!virtio_find(&device, NETWORK_DEVICE)) return NULL;
    virtio_negotiate(&device, FEATURE_MAC, &features);
    for (u32 i = 0; i < sizeof found.mac; i++)
        found.mac[i] = device.config[i];
    virtio_queue_init(&device, &incoming, 0);
    virtio_queue_init(&device, &outgoing, 1);
    virtio_ready(&device, interrupt);
    for (u16 i = 0; i < QUEUE_SIZE; i++) {
        incoming.descriptors[i] = (struct descriptor){ to_physical(in[i]), BUFFER, DESCRIPTOR_WRITE,
                                                       0 };
        queue_submit(&incoming, i);
    }
    return &found;
}
