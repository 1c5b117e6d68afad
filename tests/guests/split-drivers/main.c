/* SPDX-License-Identifier: MIT */
/*
 * Split drivers in one domain: the front ends and back ends of a disk (in memory) and of two
 * network cards (bridged by hand), joined by grants and event channels to ourselves and a toy
 * XenStore. Data arrives, nothing leaks over many connects and disconnects, and a front end that
 * corrupts its ring is disconnected while the other goes on. A back end that goes away is noticed.
 */
#include "../lib/test.h"
#include "store.h"

#include <drivers/blkback.h>
#include <drivers/blkfront.h>
#include <drivers/netback.h>
#include <drivers/netfront.h>
#include <pvguest/bits.h>
#include <pvguest/thread.h>

#define SECTORS 512u

static struct ramdisk ramdisk;
static struct blkfront blkfront;
static struct netfront netfront[2];
static struct blkback *blkback;
static struct netback *netback[2];
static bool ending;

/* --- the toolstack's part --- */

static void device(const char *kind, unsigned int number)
{
    char front[64], back[64], path[96];

    snprintf(front, sizeof front, "/local/domain/0/device/%s/%u", kind, number);
    snprintf(back, sizeof back, "/local/domain/0/backend/%s/0/%u", kind, number);
    snprintf(path, sizeof path, "%s/backend", front);
    store_write(path, back);
    snprintf(path, sizeof path, "%s/backend-id", front);
    store_write(path, "0");
    snprintf(path, sizeof path, "%s/state", front);
    store_write(path, "1");
    snprintf(path, sizeof path, "%s/mac", front);
    store_write(path, number == 0 ? "00:16:3e:00:00:0a" : "00:16:3e:00:00:0b");
}

/* In place of watches: tells the back ends all the time that something may have changed. */
static void watcher(void *unused)
{
    while (!ending) {
        if (blkback) {
            blkback_changed(blkback);
            blkback_service(blkback);
        }
        for (unsigned int i = 0; i < 2; i++)
            if (netback[i]) {
                netback_changed(netback[i]);
                netback_service(netback[i]);
            }
        thread_sleep(NS_PER_MS);
    }
}

/* Whatever else this machine and its host have to do. */
#define SOON(condition) ({ \
    for (uint64_t until_ = now_ns() + 20 * NS_PER_S; !(condition) && now_ns() < until_;) \
        thread_sleep(NS_PER_MS); \
    (condition); \
})

static bool state_becomes(const char *path, const char *state)
{
    return SOON(strcmp(store_read(path), state) == 0);
}

/* --- disk --- */

static void disk_works(void)
{
    static _Alignas(4096) uint8_t data[20 * 4096], back[20 * 4096];

    for (unsigned int i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 7 + i / 4096);
    CHECK_IS(blkfront.device.sectors, SECTORS);
    /* two requests' worth of segments */
    CHECK_IS(block_write(&blkfront.device, 17, data, sizeof data / 512), 0);
    CHECK_IS(block_flush(&blkfront.device), 0);
    CHECK_IS(block_read(&blkfront.device, 17, back, sizeof back / 512), 0);
    CHECK(memcmp(data, back, sizeof data) == 0);
    CHECK(memcmp(ramdisk.memory + 17 * 512, data, sizeof data) == 0);
    CHECK_IS(block_read(&blkfront.device, SECTORS - 1, back + 3 * 512, 1), 0);
    CHECK_REFUSED(block_read(&blkfront.device, SECTORS, back, 1));
}

/* What the front end's own check would refuse goes on the ring by hand: each must come back as an
 * error. */
static void bad_requests_are_answered(void)
{
    const blkif_request_t bad[] = {
        { .operation = BLKIF_OP_READ,
          .nr_segments = 1,
          .sector_number = SECTORS,
          .seg = { { .last_sect = 0 } } },
        { .operation = BLKIF_OP_READ,
          .nr_segments = 1,
          .seg = { { .gref = 4000, .last_sect = 7 } } },
        { .operation = BLKIF_OP_WRITE,
          .nr_segments = 1,
          .seg = { { .gref = 0xffffffff, .last_sect = 7 } } },
        { .operation = BLKIF_OP_READ, .nr_segments = 200 },
        { .operation = 99 },
    };
    uint64_t errors = blkback_counters(blkback)->errors;
    bool masked = events_save();

    for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
        *RING_GET_REQUEST(&blkfront.ring, blkfront.ring.req_prod_pvt) = bad[i];
        /* the front end ignores the answer */
        RING_GET_REQUEST(&blkfront.ring, blkfront.ring.req_prod_pvt)->id = 1000;
        blkfront.ring.req_prod_pvt++;
    }
    block_kick(&blkfront.device);
    events_restore(masked);
    CHECK(SOON(blkback_counters(blkback)->errors == errors + ARRAY_SIZE(bad)));
}

static void ring_that_lies_is_cut_off(void)
{
    blkfront.ring.sring->req_prod += 1000;
    event_send(blkfront.port);
    CHECK(state_becomes("/local/domain/0/backend/vbd/0/51712/state", "6"));
    blkfront.connected = false;
    blkfront_close(&blkfront);          /* our half: port and grant go back */
}

static void disk(void)
{
    CHECK_IS(blkfront_first(), 51712);
    CHECK_IS(blkfront_open(&blkfront, 51712), 0);
    disk_works();
    CHECK(blkback_counters(blkback)->flushes == 1 && blkback_counters(blkback)->errors == 0);
    bad_requests_are_answered();
    disk_works();
}

/* By itself, with our disk open: we notice, and may have the next one. */
static void back_end_goes_away(void)
{
    static _Alignas(4096) uint8_t sector[512];
    struct blkback *old = blkback;

    CHECK_IS(blkfront_open(&blkfront, 51712), 0);
    CHECK_IS(block_read(&blkfront.device, 0, sector, 1), 0);
    blkback = NULL;                     /* the watcher's no more */
    blkback_destroy(old);
    thread_sleep(20 * NS_PER_MS);
    CHECK_IS(block_read(&blkfront.device, 0, sector, 1), -EIO);
    blkfront_close(&blkfront);
    NEED(blkback = blkback_create(&store, 0, 51712, &ramdisk.device, true));
}

/* --- network --- */

static unsigned int received, wrong;

/* dom0's side: what one vif sends goes to the other. */
static void bridge_receive(struct netport *port, void *frame, size_t length, uint32_t flags)
{
    struct netport *other = netback_port(netback[port == netback_port(netback[0])]);

    other->send(other, frame, length, flags);
}

static void bridge_received(struct netport *port)
{
    struct netport *other = netback_port(netback[port == netback_port(netback[0])]);

    other->flush(other);
}

static void guest_receive(struct netport *port, void *bytes, size_t length, uint32_t flags)
{
    const uint8_t *frame = bytes;

    for (size_t i = 14; i < length; i++)
        wrong += frame[i] != (uint8_t)(received + i);
    wrong += length != 60 + received % 1400;
    received++;
}

static void network(void)
{
    static uint8_t frame[NET_FRAME_MAX];
    struct netport *out = &netfront[0].port;

    netfront[1].port.receive = guest_receive;
    CHECK_IS(netfront_open(&netfront[0], 0), 0);
    CHECK_IS(netfront_open(&netfront[1], 1), 0);
    CHECK(netfront[1].port.mac[5] == 0x0b);
    received = wrong = 0;
    for (unsigned int sent = 0; sent < 1000; ) {
        uint64_t until = now_ns() + 20 * NS_PER_S;
        bool masked = events_save();

        for (unsigned int burst = 0; burst < 20; burst++, sent++) {
            for (unsigned int i = 14; i < sizeof frame; i++)
                frame[i] = (uint8_t)(sent + i);
            CHECK(out->send(out, frame, 60 + sent % 1400, 0));
        }
        out->flush(out);
        events_restore(masked);
        while (received < sent && now_ns() < until)
            vcpu_yield();
    }
    CHECK_IS(received, 1000);
    CHECK_IS(wrong, 0);
}

static void bad_frames_are_dropped(void)
{
    struct netfront *front = &netfront[0];
    uint64_t dropped = netback_port(netback[0])->frames_dropped;
    bool masked = events_save();

    *RING_GET_REQUEST(&front->tx, front->tx.req_prod_pvt) = (netif_tx_request_t){ .gref = 4000,
                                                                                  .id = 999,
                                                                                  .size = 60 };
    front->tx.req_prod_pvt++;
    *RING_GET_REQUEST(&front->tx, front->tx.req_prod_pvt) =
        (netif_tx_request_t){ .gref = front->tx_grant[0], .id = 999, .offset = 4090, .size = 60 };
    front->tx.req_prod_pvt++;
    front->port.flush(&front->port);
    events_restore(masked);
    CHECK(SOON(netback_port(netback[0])->frames_dropped == dropped + 2));
}

static void lying_card_is_cut_off(void)
{
    netfront[0].tx.sring->req_prod += 300;
    event_send(netfront[0].event);
    CHECK(state_becomes("/local/domain/0/backend/vif/0/0/state", "6"));
    CHECK(strcmp(store_read("/local/domain/0/backend/vif/0/1/state"), "4") == 0);
    netfront_close(&netfront[0]);
}

/* --- all of it --- */

static void connect_again_and_again(void)
{
    unsigned long pages = 0;
    unsigned int grants = 0;

    for (unsigned int round = 0; round < 20; round++) {
        CHECK_IS(blkfront_open(&blkfront, 51712), 0);
        disk_works();
        blkfront_close(&blkfront);
        CHECK_IS(netfront_open(&netfront[0], 0), 0);
        netfront_close(&netfront[0]);
        if (round == 0) {               /* the first round may have grown a pool */
            pages = free_page_count();
            grants = grants_in_use();
        }
        blkback_destroy(blkback);
        NEED(blkback = blkback_create(&store, 0, 51712, &ramdisk.device, true));
    }
    CHECK_IS(free_page_count(), pages);
    CHECK_IS(grants_in_use(), grants);
}

void test_main(void)
{
    static const uint8_t mac[6] = { 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff };

    if (own_domid() != 0)
        test_skip("wants to be dom0");
    store_start();
    ramdisk_open(&ramdisk, "ram", alloc_pages(6), SECTORS);
    NEED(ramdisk.memory);
    device("vbd", 51712);
    NEED(blkback = blkback_create(&store, 0, 51712, &ramdisk.device, true));
    for (unsigned int i = 0; i < 2; i++) {
        device("vif", i);
        NEED(netback[i] = netback_create(&store, 0, i, mac));
        netback_port(netback[i])->receive = bridge_receive;
        netback_port(netback[i])->received = bridge_received;
    }
    NEED(thread_create("watcher", watcher, NULL));
    disk();
    network();
    bad_frames_are_dropped();
    lying_card_is_cut_off();
    disk_works();                       /* the disk did not notice */
    ring_that_lies_is_cut_off();
    back_end_goes_away();
    connect_again_and_again();
    ending = true;
}
