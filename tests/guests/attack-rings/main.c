/* SPDX-License-Identifier: MIT */
/*
 * An attacker corrupts the rings it shares with dom0: XenStore's, the console's, a disk's and a
 * card's: indices out of step, requests that are garbage, and events to make dom0 look. Only a domU
 * has such rings; what dom0 does about it (ends the guest's device or connection, keeps everybody
 * else) the system test watches. Idea: XSA-155 and the ring chapters of the protocols: never trust
 * a shared index, never read a shared request twice.
 */
#include "../lib/test.h"

#include <drivers/blkfront.h>
#include <drivers/netfront.h>
#include <pvguest/thread.h>
#include <xen/io/console.h>
#include <xen/io/xs_wire.h>

static struct blkfront disk;
static struct netfront card;
static uint64_t seed = 7;

static void garbage(void *at, size_t length)
{
    for (size_t i = 0; i < length / 8; i++)
        ((uint64_t *)at)[i] = next_random(&seed);
}

/* A block ring full of nonsense, offered again and again with indices that race ahead. */
static void corrupt_disk(void)
{
    int vdev = blkfront_first();

    if (vdev < 0 || blkfront_open(&disk, (unsigned int)vdev)) {
        printk("attack-rings: no disk\n");
        return;
    }
    blkif_sring_t *ring = (blkif_sring_t *)(void *)disk.ring_page;
    for (int i = 0; i < 200; i++) {
        garbage(disk.ring_page + 64, sizeof(disk.ring_page) - 64);
        ring->req_prod = (RING_IDX)next_random(&seed) & (i & 1 ? 31 : ~0u);
        (void)event_send(disk.port);
        vcpu_yield();
    }
    printk("attack-rings: the disk's ring is corrupt\n");
}

static void corrupt_card(void)
{
    if (netfront_open(&card, 0)) {
        printk("attack-rings: no card\n");
        return;
    }
    netif_tx_sring_t *tx = (netif_tx_sring_t *)(void *)card.tx_page;
    netif_rx_sring_t *rx = (netif_rx_sring_t *)(void *)card.rx_page;
    for (int i = 0; i < 200; i++) {
        garbage(card.tx_page + 64, sizeof(card.tx_page) - 64);
        garbage(card.rx_page + 64, sizeof(card.rx_page) - 64);
        tx->req_prod = (RING_IDX)next_random(&seed) & (i & 1 ? 255 : ~0u);
        rx->req_prod = (RING_IDX)next_random(&seed) & (i & 1 ? 255 : ~0u);
        (void)event_send(card.event);
        vcpu_yield();
    }
    printk("attack-rings: the card's rings are corrupt\n");
}

static void corrupt_store(void)
{
    struct xenstore_domain_interface *ring = pfn_to_virt(mfn_to_pfn(start_info->store_mfn));

    for (int i = 0; i < 200; i++) {
        garbage(ring->req, sizeof(ring->req));
        ring->req_prod = (XENSTORE_RING_IDX)next_random(&seed) & (i & 1 ? 1023 : ~0u);
        ring->rsp_cons = (XENSTORE_RING_IDX)next_random(&seed);
        (void)event_send(start_info->store_evtchn);
        vcpu_yield();
    }
    printk("attack-rings: the store's ring is corrupt\n");
}

static void corrupt_console(void)
{
    struct xencons_interface *ring = pfn_to_virt(mfn_to_pfn(start_info->console.domU.mfn));

    for (int i = 0; i < 50; i++) {
        ring->out_prod = (XENCONS_RING_IDX)next_random(&seed);
        ring->in_cons = (XENCONS_RING_IDX)next_random(&seed);
        (void)event_send(start_info->console.domU.evtchn);
        vcpu_yield();
    }
}

void test_main(void)
{
    if (is_dom0())
        test_skip("only a domU shares rings");
    corrupt_disk();
    corrupt_card();
    printk("attack-rings: now XenStore's and the console's\n");
    thread_sleep(200 * NS_PER_MS);
    corrupt_store();
    corrupt_console();
    for (;;)
        vcpu_block();
}
