/* SPDX-License-Identifier: MIT */
/* virtio 1.1, 5.1: queue 0 has buffers for frames that come, queue 1 frames that go, each behind a
 * header of 12 bytes that stays zero, for no work is handed over in either direction. */
#include <pvguest/mm.h>
#include <pvguest/string.h>
#include "machine.h"

enum { INCOMING = 0, OUTGOING = 1, HEADER = 12, BUFFERS_IN_HEADER = 10 };
#define FEATURE_MAC (1ull << 5)

static struct virtio_chain chain;               /* too large for a stack; used by one at a time */

static void receive(struct netport *port, void *frame, size_t length, uint32_t flags)
{
    struct virtual_card *card = port->user;
    uint8_t header[HEADER] = { [BUFFERS_IN_HEADER] = 1 };

    if (flags & NET_CHECKSUM_BLANK)
        net_complete_checksum(frame, length);
    if (!virtio_take(&card->virtio, INCOMING, &chain)) {
        card->lost++;
        return;
    }
    if (virtio_write(&card->virtio, &chain, 0, header, HEADER) != HEADER ||
        virtio_write(&card->virtio, &chain, HEADER, frame, length) != length) {
        virtio_broken(&card->virtio);           /* buffers too small for a frame, or nowhere */
        return;
    }
    virtio_give(&card->virtio, INCOMING, chain.head, (uint32_t)(HEADER + length));
    machine_wake();
}

/* At most a ring's worth each time it is rung. */
static void send_all(struct virtual_card *card)
{
    static uint8_t frame[NET_FRAME_MAX];

    for (unsigned int i = 0; i < VIRTIO_QUEUE_MAX; i++) {
        uint64_t length;
        if (!virtio_take(&card->virtio, OUTGOING, &chain))
            break;
        length = virtio_length(&chain, false);
        if (length < HEADER + NET_FRAME_MIN || length > HEADER + NET_FRAME_MAX) {
            virtio_give(&card->virtio, OUTGOING, chain.head, 0);        /* dropped, as cards do */
            continue;
        }
        length -= HEADER;
        if (virtio_read(&card->virtio, &chain, HEADER, frame, length) != length) {
            virtio_broken(&card->virtio);
            break;
        }
        card->port->send(card->port, frame, length, 0);
        card->port->flush(card->port);          /* before the buffer is used again */
        virtio_give(&card->virtio, OUTGOING, chain.head, 0);
    }
}

static void notified(struct virtio *virtio, unsigned int queue)
{
    if (queue == OUTGOING)
        send_all((struct virtual_card *)(void *)virtio);
}

int card_attach(struct virtual_card *card, struct machine *machine)
{
    static struct netfront front;
    int error = netfront_open(&front, 0);

    if (error) return error;
    card->port = &front.port;
    card->virtio.queues = 2;
    card->virtio.notified = notified;
    card->virtio.offered = FEATURE_MAC;
    memcpy(card->virtio.config, front.port.mac, NET_MAC);
    virtio_attach(&card->virtio, machine, 2, 1, 0x020000, IRQ_NET);
    front.port.user = card;
    front.port.receive = receive;
    return 0;
}
