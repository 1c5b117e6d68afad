/* SPDX-License-Identifier: MIT */
/*
 * virtio-net: a real network card as struct netport (VIRTIO 1.1 section 5.1).
 *
 * Two queues. Receive: the device always has RX_BUFFERS pages to fill, one frame each behind a
 * 12-byte header; what came is handed up in a batch and the pages are offered again after it.
 * Transmit: frames are copied into pages of our own (the sender's buffer is only lent until flush),
 * which come back without an interrupt: we look when we next send. Who sends more than the wire
 * takes has at most twice as many as he leaves, so the others always find some. No offloads:
 * takes_blank stays false. All functions run with events masked.
 */
#include <drivers/real.h>
#include "virtio.h"
#include <pvguest/errno.h>
#include <pvguest/mm.h>
#include <pvguest/refuse.h>
#include <pvguest/string.h>

#define F_MAC (1ull << 5)

#define RX_QUEUE 0
#define TX_QUEUE 1
#define RX_BUFFERS 128u
#define TX_BUFFERS 128u
/* struct virtio_net_hdr with num_buffers: all zero for us */
#define HEADER 12u

struct tx_buffer {
    uint8_t *page;
    unsigned int sender;
};

struct virtio_net {
    struct netport port;
    struct virtio_device virtio;
    struct virtqueue rx, tx;
    struct pci_interrupt interrupt;
    struct tx_buffer tx_buffer[TX_BUFFERS], *tx_free[TX_BUFFERS];       /* a stack */
    unsigned int tx_free_count;
    unsigned int tx_held[NET_SENDERS];  /* of the others, by whose frames are in them */
};

/* --- transmit --- */

static void reclaim(struct virtio_net *card)
{
    struct tx_buffer *buffer;
    uint32_t length;

    while ((buffer = virtqueue_take(&card->tx, &length))) {
        card->tx_held[buffer->sender]--;
        card->tx_free[card->tx_free_count++] = buffer;
    }
    virtqueue_silence(&card->tx);
}

static bool may_have_one(const struct virtio_net *card, unsigned int sender)
{
    return card->tx_held[sender] < 2 * card->tx_free_count;
}

static bool send(struct netport *port, const void *frame, size_t length, uint32_t flags)
{
    struct virtio_net *card = port->context;

    if (!may_have_one(card, port->sender))
        reclaim(card);
    if (!may_have_one(card, port->sender) || length < NET_FRAME_MIN || length > NET_FRAME_MAX) {
        refused(port->frames_dropped++);
        return false;
    }

    struct tx_buffer *tx = card->tx_free[--card->tx_free_count];

    memset(tx->page, 0, HEADER);
    memcpy(tx->page + HEADER, frame, length);
    tx->sender = port->sender;
    card->tx_held[tx->sender]++;

    struct virtq_buffer buffer = { virt_to_machine(tx->page), HEADER + (uint32_t)length, false };

    /* has room: there are fewer pages than descriptors */
    virtqueue_add(&card->tx, &buffer, 1, tx);
    port->frames_sent++;
    return true;
}

static void flush(struct netport *port)
{
    struct virtio_net *card = port->context;

    virtqueue_kick(&card->tx);
}

/* --- receive --- */

static void offer(struct virtio_net *card, uint8_t *page)
{
    struct virtq_buffer buffer = { virt_to_machine(page), HEADER + NET_FRAME_MAX, true };

    virtqueue_add(&card->rx, &buffer, 1, page);
}

/* The buffers go back in the end: only then is nobody reading them any more. */
static bool serve(struct netport *port, unsigned int budget)
{
    struct virtio_net *card = port->context;
    uint8_t *page[RX_BUFFERS];
    unsigned int count = 0, most = budget < RX_BUFFERS ? budget : RX_BUFFERS;
    uint32_t length;

    while (count < most && (page[count] = virtqueue_take(&card->rx, &length))) {
        bool good = length >= HEADER + NET_FRAME_MIN && length <= HEADER + NET_FRAME_MAX;

        if (good && port->receive) {
            port->frames_received++;
            port->receive(port, page[count] + HEADER, length - HEADER, 0);
        } else {
            refused(port->frames_dropped++);
        }
        count++;
    }
    if (count && port->received)
        port->received(port);
    for (unsigned int i = 0; i < count; i++)
        offer(card, page[i]);
    virtqueue_kick(&card->rx);
    return count == most || virtqueue_arm(&card->rx);
}

static void poll(struct netport *port)
{
    serve(port, RX_BUFFERS);
}

static void interrupt(void *context)
{
    struct virtio_net *card = context;

    if (card->port.wake)
        card->port.wake(card->port.waker);
    else
        while (serve(&card->port, RX_BUFFERS))
            ;
}

static void look(void *context)
{
    struct virtio_net *card = context;

    virtqueue_ring(&card->rx);
    virtqueue_ring(&card->tx);
    interrupt(card);
}

/* --- set-up --- */

static int allocate_buffers(struct virtio_net *card)
{
    uint8_t *page;

    for (unsigned int i = 0; i < RX_BUFFERS && i < card->rx.size; i++) {
        if (!(page = alloc_page())) return refused(-ENOMEM);
        offer(card, page);
    }
    while (card->tx_free_count < TX_BUFFERS && card->tx_free_count < card->tx.size) {
        if (!(page = alloc_page())) return refused(-ENOMEM);
        card->tx_buffer[card->tx_free_count].page = page;
        card->tx_free[card->tx_free_count] = &card->tx_buffer[card->tx_free_count];
        card->tx_free_count++;
    }
    return 0;
}

static int set_up(struct virtio_net *card, struct pci_device *pci)
{
    int error = virtio_start(&card->virtio, pci, F_MAC | VIRTIO_F_EVENT_INDEX);

    /* a bridge that invents addresses would confuse its neighbours */
    if (!error && !(card->virtio.features & F_MAC))
        error = refused(-EOPNOTSUPP);
    if (!error)
        error = pci_interrupt_open(pci, 0, &card->interrupt, interrupt, card);
    if (!error)
        error = virtqueue_open(&card->rx, &card->virtio, RX_QUEUE, 0);
    if (!error)
        error = virtqueue_open(&card->tx, &card->virtio, TX_QUEUE, VIRTQ_NO_VECTOR);
    return error ? error : allocate_buffers(card);
}

static void start(struct virtio_net *card, const char *name)
{
    card->port.name = name;
    card->port.send = send;
    card->port.flush = flush;
    card->port.poll = poll;
    card->port.serve = serve;
    card->port.context = card;
    card->port.copies_at_once = true;
    for (unsigned int i = 0; i < NET_MAC; i++)
        card->port.mac[i] = (uint8_t)virtio_config(&card->virtio, i, 1);
    virtqueue_silence(&card->tx);
    virtio_ready(&card->virtio, look, card);
    virtqueue_kick(&card->rx);          /* the buffers offered before the device was ready */
}

static bool match(const struct pci_device *pci)
{
    return virtio_is(pci, VIRTIO_NET);
}

static int open(struct pci_device *pci, const char *name, void **device)
{
    struct virtio_net *card = calloc(1, sizeof *card);
    int error;

    if (!card) return refused(-ENOMEM);
    error = set_up(card, pci);
    if (error) return error;
    start(card, name);
    *device = &card->port;
    return 0;
}

const struct pci_driver virtio_net_driver = { .name = "virtio-net", .match = match, .open = open };
