/* SPDX-License-Identifier: MIT */
/*
 * A domU that attacks dom0's back ends: impossible ring indices, random rings, references it never
 * granted, ring pages it does not own, event channels that are not there, states that flap, floods
 * of events. Each time the back end refuses or cuts it off, and afterwards serves it again when it
 * behaves. A neighbour must not notice; dom0 must not leak (the system test compares free memory).
 * Skips when it runs bare, without a XenStore. Idea: XSA-155 (double fetches), XSA-216, XSA-365
 * (grant errors in blkback), XSA-390 and 391 (floods, stalled rings).
 */
#include "../lib/test.h"

#include <drivers/blkfront.h>
#include <drivers/netfront.h>
#include <pvguest/bits.h>
#include <pvguest/thread.h>
#include <pvguest/xenbus.h>

static struct blkfront disk;
static struct netfront card;
static _Alignas(4096) uint8_t page[4096];
static uint32_t seed = 1;

static uint32_t random32(void)
{
    seed = seed * 1664525u + 1013904223u;
    return seed ^ seed >> 15;
}

static unsigned long state_of(const char *backend)
{
    unsigned long state = 0;

    return xs_read_ulong(XS_NONE, backend, "state", &state) ? 0 : state;
}

static bool closes(const char *backend)
{
    uint64_t until = now_ns() + 20 * NS_PER_S;

    while (state_of(backend) != XenbusStateClosed && now_ns() < until)
        thread_sleep(5 * NS_PER_MS);
    return state_of(backend) == XenbusStateClosed;
}

/* The device works: what an attack must leave behind. */
static void disk_serves(void)
{
    CHECK_IS(blkfront_open(&disk, (unsigned int)blkfront_first()), 0);
    CHECK_IS(block_read(&disk.device, 0, page, 8), 0);
}

/* Until everything on the ring is answered: the attack is not meant to be one by overflowing it. */
static void settle(void)
{
    uint64_t until = now_ns() + 20 * NS_PER_S;

    while (disk.ring.rsp_cons != disk.ring.req_prod_pvt && now_ns() < until)
        vcpu_yield();
    CHECK_IS(disk.ring.rsp_cons, disk.ring.req_prod_pvt);
}

static void impossible_index(void)
{
    printk("impossible index\n");
    disk_serves();
    disk.ring.sring->req_prod += 33;
    event_send(disk.port);
    CHECK(closes(disk.bus.other_path));
    disk.connected = false;
    blkfront_close(&disk);
}

/* The index is right, the requests are noise. */
static void random_requests(void)
{
    printk("random requests\n");
    disk_serves();
    for (unsigned int round = 0; round < 50; round++) {
        bool masked = events_save();

        for (unsigned int i = 0; i < 16; i++) {
            uint32_t *words = (uint32_t *)(void *)RING_GET_REQUEST(&disk.ring,
                                                                   disk.ring.req_prod_pvt);

            for (unsigned int j = 0; j < sizeof(blkif_request_t) / 4; j++)
                words[j] = random32();
            ((blkif_request_t *)(void *)words)->operation %= 6;
            ((blkif_request_t *)(void *)words)->nr_segments %= 12;
            ((blkif_request_t *)(void *)words)->id = 1000;
            disk.ring.req_prod_pvt++;
        }
        block_kick(&disk.device);
        events_restore(masked);
        settle();
    }
    CHECK_IS(state_of(disk.bus.other_path), XenbusStateConnected);
    CHECK_IS(block_read(&disk.device, 0, page, 8), 0);
    blkfront_close(&disk);
}

/* A page is taken back while the disk may be writing into it; the hypervisor must hold on to it,
 * the grant stay busy. */
static void revoke_in_flight(void)
{
    printk("revoke in flight\n");
    int grant;

    disk_serves();
    for (unsigned int round = 0; round < 50; round++) {
        bool masked = events_save();
        blkif_request_t *request = RING_GET_REQUEST(&disk.ring, disk.ring.req_prod_pvt);

        NEED((grant = grant_page(0, page, false)) > 0);
        *request = (blkif_request_t){ .operation = BLKIF_OP_READ, .nr_segments = 1, .id = 1000,
                                      .seg = { { .gref = (grant_ref_t)grant, .last_sect = 7 } } };
        disk.ring.req_prod_pvt++;
        block_kick(&disk.device);
        events_restore(masked);
        while (grant_end_access((grant_ref_t)grant) == -EBUSY)
            vcpu_yield();
        settle();
    }
    CHECK_IS(block_read(&disk.device, 0, page, 8), 0);
    blkfront_close(&disk);
}

/* A page that is only granted for reading must not be written by dom0's disk on our word. */
static void read_into_read_only(void)
{
    printk("read into read-only\n");
    disk_serves();
    memset(page, 0xa5, sizeof page);

    bool masked = events_save();
    int grant = grant_page(0, page, true);
    blkif_request_t *request = RING_GET_REQUEST(&disk.ring, disk.ring.req_prod_pvt);

    NEED(grant > 0);
    *request = (blkif_request_t){ .operation = BLKIF_OP_READ, .nr_segments = 1, .id = 1000,
                                  .seg = { { .gref = (grant_ref_t)grant, .last_sect = 7 } } };
    disk.ring.req_prod_pvt++;
    block_kick(&disk.device);
    events_restore(masked);
    settle();
    for (unsigned int i = 0; i < sizeof page; i++)
        if (page[i] != 0xa5) {
            CHECK(!"a read-only grant was written");
            break;
        }
    CHECK_IS(grant_end_access((grant_ref_t)grant), 0);
    blkfront_close(&disk);
}

/* Nodes that promise a ring or a port which do not exist. */
static void false_promises(const char *node, const char *reference, const char *port,
                           unsigned int ready)
{
    char *backend = xs_read_node(XS_NONE, node, "backend");

    printk("false promises, %s\n", node);
    NEED(!IS_ERR(backend));

    const unsigned long wrong[][2] = {
        { 0xffffffff, 5 }, { 3000, 5 }, { 8, 4095 }, { 8, 0xffffffff }, { 0, 0 }
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(wrong); i++) {
        xs_printf(XS_NONE, node, "state", "%u", XenbusStateInitialising);
        thread_sleep(20 * NS_PER_MS);
        xs_printf(XS_NONE, node, reference, "%lu", wrong[i][0]);
        xs_printf(XS_NONE, node, "rx-ring-ref", "%lu", wrong[i][0]);
        xs_printf(XS_NONE, node, "request-rx-copy", "1");
        xs_printf(XS_NONE, node, port, "%lu", wrong[i][1]);
        xs_printf(XS_NONE, node, "state", "%u", ready);
        CHECK(closes(backend));
    }
    xs_printf(XS_NONE, node, reference, "%s", "not a number");
    xs_printf(XS_NONE, node, "state", "%s", "nor this");
    free(backend);
    thread_sleep(20 * NS_PER_MS);
}

static void flapping_states(const char *node)
{
    printk("flapping states, %s\n", node);
    for (unsigned int i = 0; i < 100; i++)
        xs_printf(XS_NONE, node, "state", "%u", random32() % 9);
    xs_printf(XS_NONE, node, "state", "%u", XenbusStateClosed);
    thread_sleep(100 * NS_PER_MS);
}

static void event_flood(void)
{
    printk("event flood\n");
    disk_serves();
    for (unsigned int i = 0; i < 20000; i++)
        event_send(disk.port);
    CHECK_IS(block_read(&disk.device, 0, page, 8), 0);
    blkfront_close(&disk);
}

static void card_attacks(void)
{
    printk("card attacks\n");
    for (unsigned int round = 0; round < 10; round++) {
        CHECK_IS(netfront_open(&card, 0), 0);
        for (unsigned int i = 0; i < 64; i++) {
            uint32_t *words = (uint32_t *)(void *)RING_GET_REQUEST(&card.tx, i);

            for (unsigned int j = 0; j < 3; j++)
                words[j] = random32();
        }
        /* random frames; then an impossible index */
        card.tx.sring->req_prod += round < 5 ? 32 : 1000;
        event_send(card.event);
        thread_sleep(20 * NS_PER_MS);
        if (round >= 5)
            CHECK(closes(card.bus.other_path));
        netfront_close(&card);
    }
    CHECK_IS(netfront_open(&card, 0), 0);
    netfront_close(&card);
}

void test_main(void)
{
    if (!xs_available())
        test_skip("no XenStore");
    impossible_index();
    random_requests();
    revoke_in_flight();
    read_into_read_only();
    event_flood();
    flapping_states(disk.node);
    false_promises(disk.node, "ring-ref", "event-channel", XenbusStateInitialised);
    disk_serves();
    blkfront_close(&disk);
    card_attacks();
    flapping_states(card.node);
    false_promises(card.node, "tx-ring-ref", "event-channel", XenbusStateConnected);
    CHECK_IS(netfront_open(&card, 0), 0);
    netfront_close(&card);
    impossible_index();
    disk_serves();
    blkfront_close(&disk);
}
