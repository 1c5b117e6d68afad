/* SPDX-License-Identifier: MIT */
/* The floods of disk, network and console. The store's are in store.c. */
#include "flood.h"

static struct blkfront disk;
static struct netfront card;

/* The ring is always full: whatever the back end has taken is there again, before it has looked
 * whether there is more. */
static void fill_the_ring(uint16_t length)
{
    netif_tx_sring_t *ring = card.tx.sring;
    uint32_t producer = ring->req_prod;

    for (; producer - READ_ONCE(ring->rsp_prod) < RING_SIZE(&card.tx); producer++)
        *RING_GET_REQUEST(&card.tx, producer) = (netif_tx_request_t){ .gref = card.tx_grant[0],
                                                                      .size = length };
    wmb();
    WRITE_ONCE(ring->req_prod, producer);
}

/* To an address that nobody has, or to all: the bridge gives both to everybody. */
void flood_frames(size_t length, bool broadcast)
{
    static _Alignas(4096) uint8_t frame[2048];

    NEED(netfront_open(&card, 0) == 0);
    memset(frame, broadcast ? 0xff : 0x02, NET_MAC);
    memcpy(frame + NET_MAC, card.port.mac, NET_MAC);
    frame[12] = 0x88;                   /* an experimental protocol's, IEEE 802 */
    frame[13] = 0xb5;
    memcpy(card.tx_buffer[0], frame, length);
    events_mask_all();
    for (;;) {
        fill_the_ring((uint16_t)length);
        (void)event_send(card.event);
        for (unsigned int i = 0; i < 200; i++)
            fill_the_ring((uint16_t)length);
    }
}

/* --- disk --- */

#define REQUESTS BLKFRONT_RING

static _Alignas(4096) uint8_t data[BLOCK_SEGMENTS_ANY * 4096];
static struct block_request request[REQUESTS];

/* Finished: at once again, elsewhere. */
static void again(struct block_request *finished, int status)
{
    finished->sector = (finished->sector + 7 * 88) % (disk.device.sectors - 88);
    block_submit(&disk.device, finished);
    block_kick(&disk.device);
}

void flood_disk(void)
{
    int vdev = blkfront_first();

    NEED(vdev >= 0 && blkfront_open(&disk, (unsigned int)vdev) == 0);
    for (unsigned int i = 0; i < REQUESTS; i++) {
        bool masked = events_save();

        request[i].operation = BLOCK_READ;
        block_describe(&request[i], data, sizeof(data), virt_to_machine);
        request[i].sectors = sizeof(data) / BLOCK_SECTOR;
        request[i].sector = i * 88;
        request[i].done = again;
        block_submit(&disk.device, &request[i]);
        block_kick(&disk.device);
        events_restore(masked);
    }
    for (;;)
        thread_sleep(NS_PER_S);
}

void flood_console(void)
{
    for (unsigned int i = 0;; i++)
        printk("%u all work and no play makes a guest write the same line over and over again\n",
               i);
}
