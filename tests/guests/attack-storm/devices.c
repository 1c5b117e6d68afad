/* SPDX-License-Identifier: MIT */
/* Storms of disk and card: rings and grants that change while a back end reads them; states. */
#include "../lib/other.h"
#include "storm.h"

#include <drivers/blkfront.h>
#include <drivers/netfront.h>

#define TABLE_FRAMES 8u
#define FULL 32u                        /* requests of a disk's ring */
#define SPELL_NS (300 * NS_PER_MS)      /* of one connection */

static struct blkfront disk;
static struct netfront card;
static _Alignas(4096) struct blkif_request_segment segments[512];
static _Alignas(4096) uint8_t data[4096];
static grant_ref_t segments_grant, data_grant, readonly_grant;
static grant_entry_v1_t *entries;

static void give_grants(void)
{
    entries = grant_frames(DOMID_SELF, TABLE_FRAMES);       /* the SDK keeps its own to itself */
    segments_grant = (grant_ref_t)grant_page(0, segments, true);
    data_grant = (grant_ref_t)grant_page(0, data, false);
    readonly_grant = (grant_ref_t)grant_page(0, data, true);
}

/* Taken back and given again, as it is written: who copies or maps just then sees either. */
static void flicker(grant_ref_t reference)
{
    uint16_t flags = READ_ONCE(entries[reference].flags);

    WRITE_ONCE(entries[reference].flags, 0);
    WRITE_ONCE(entries[reference].flags, flags & ~(GTF_reading | GTF_writing));
}

static grant_ref_t some_grant(uint64_t *seed)
{
    const grant_ref_t grants[] = { data_grant, data_grant, readonly_grant, segments_grant,
                                   (grant_ref_t)strange(seed) };

    return grants[next_random(seed) % ARRAY_SIZE(grants)];
}

/* --- the disk --- */

static void write_request(uint64_t *seed, blkif_request_t *request)
{
    static const uint8_t operations[] = { BLKIF_OP_READ, BLKIF_OP_READ, BLKIF_OP_WRITE,
                                          BLKIF_OP_WRITE_BARRIER, BLKIF_OP_FLUSH_DISKCACHE,
                                          BLKIF_OP_DISCARD, BLKIF_OP_INDIRECT, 0xff };
    blkif_request_indirect_t *indirect = (blkif_request_indirect_t *)(void *)request;

    request->operation = operations[next_random(seed) % ARRAY_SIZE(operations)];
    request->sector_number = strange(seed);
    if (request->operation == BLKIF_OP_INDIRECT) {
        indirect->indirect_op = operations[next_random(seed) % ARRAY_SIZE(operations)];
        indirect->nr_segments = (uint16_t)strange(seed);
        indirect->indirect_grefs[0] = segments_grant;
        return;
    }
    request->nr_segments = (uint8_t)(next_random(seed) % 13);
    for (unsigned int i = 0; i < BLKIF_MAX_SEGMENTS_PER_REQUEST; i++)
        request->seg[i] = (struct blkif_request_segment){
            .gref = some_grant(seed), .first_sect = (uint8_t)(next_random(seed) % 9 % 8),
            .last_sect = (uint8_t)(next_random(seed) % 9) };
}

/* Also the header's other side: whom dom0 wakes, and how far it says it is. */
static void scribble_disk(unsigned long id)
{
    static uint64_t seed = 5;

    for (;;) {
        blkif_sring_t *ring = (blkif_sring_t *)(void *)disk.ring_page;

        write_request(&seed, &ring->ring[next_random(&seed) % FULL].req);
        segments[next_random(&seed) % 64] = (struct blkif_request_segment){
            .gref = some_grant(&seed), .last_sect = (uint8_t)(next_random(&seed) % 9) };
        ring->rsp_event = ring->req_event = (uint32_t)next_random(&seed);
        flicker(next_random(&seed) % 2 ? data_grant : segments_grant);
    }
}

static void close_disk(void)
{
    xs_printf(XS_NONE, disk.node, "state", "%u", XenbusStateClosed);
    thread_sleep(200 * NS_PER_MS);
    xenbus_detach(&disk.bus);
    (void)grant_end_access(disk.ring_grant);
    event_unbind(disk.port);
}

static bool open_disk(void)
{
    int vdev = blkfront_first();

    if (vdev < 0 || blkfront_open(&disk, (unsigned int)vdev)) {
        thread_sleep(300 * NS_PER_MS);
        return false;
    }
    disk.connected = false;             /* the driver looks no more: the ring is ours */
    return true;
}

void storm_disk(void)
{
    bool scribbling = false;

    give_grants();
    for (unsigned int round = 0;; round++) {
        if (!open_disk())
            continue;
        if (!scribbling)
            beside(scribble_disk);
        scribbling = true;
        for (uint64_t until = now_ns() + SPELL_NS; now_ns() < until;) {
            WRITE_ONCE(disk.ring.sring->req_prod, READ_ONCE(disk.ring.sring->rsp_prod) + FULL);
            (void)event_send(disk.port);
        }
        if (round % 2)                  /* and sometimes it lies, with all of that in flight */
            disk.ring.sring->req_prod += 33;
        (void)event_send(disk.port);
        printk("round %u\n", round);
        close_disk();
    }
}

/* --- the card --- */

/* `chained`: of a frame that hardly ends. */
static void write_slot(uint64_t *seed, netif_tx_request_t *slot, bool chained)
{
    static const uint16_t flags[] = { 0, 0, NETTXF_more_data, NETTXF_extra_info,
                                      NETTXF_csum_blank | NETTXF_data_validated | NETTXF_extra_info,
                                      0xffff };

    if (next_random(seed) % 4 == 0 && !chained) {
        netif_extra_info_t extra = { .type = (uint8_t)(next_random(seed) % 6),
                                     .flags = (uint8_t)(next_random(seed) % 2),
                                     .u.gso = { .size = (uint16_t)strange(seed), .type = 1 } };

        memcpy(slot, &extra, sizeof(extra));
        return;
    }
    slot->gref = next_random(seed) % 4 ? card.tx_grant[next_random(seed) % NETFRONT_TX]
                                       : some_grant(seed);
    slot->offset = (uint16_t)strange(seed);
    slot->size = (uint16_t)(next_random(seed) % 2 ? next_random(seed) % 3000 : strange(seed));
    slot->flags = chained && next_random(seed) % 40 ? NETTXF_more_data
                                                    : flags[next_random(seed) % ARRAY_SIZE(flags)];
}

static void scribble_card(unsigned long id)
{
    static uint64_t seed = 9;
    netif_tx_sring_t *tx = (netif_tx_sring_t *)(void *)card.tx_page;
    netif_rx_sring_t *rx = (netif_rx_sring_t *)(void *)card.rx_page;

    for (unsigned int i = 0;; i++) {
        uint64_t dice = next_random(&seed);

        write_slot(&seed, &tx->ring[dice % 256].req, i / 4096 % 2);
        rx->ring[dice % 256].req.gref =
            dice % 3 ? card.rx_grant[dice % NETFRONT_RX] : some_grant(&seed);
        memcpy(card.tx_buffer[dice % NETFRONT_TX] + dice % 64, &dice, sizeof(dice));
        flicker(card.tx_grant[dice % NETFRONT_TX]);
        flicker(card.rx_grant[dice % NETFRONT_RX]);
        tx->rsp_event = (uint32_t)next_random(&seed);
    }
}

static bool open_card(void)
{
    if (netfront_open(&card, 0) == 0) return true;
    thread_sleep(300 * NS_PER_MS);
    return false;
}

void storm_card(void)
{
    bool scribbling = false;

    give_grants();
    for (unsigned int round = 0;; round++) {
        if (!open_card())
            continue;
        events_mask_all();
        if (!scribbling)
            beside(scribble_card);
        scribbling = true;
        for (uint64_t until = now_ns() + SPELL_NS; now_ns() < until;) {
            WRITE_ONCE(card.tx.sring->req_prod, READ_ONCE(card.tx.sring->rsp_prod) + 256);
            WRITE_ONCE(card.rx.sring->req_prod, READ_ONCE(card.rx.sring->rsp_prod) + 256);
            (void)event_send(card.event);
        }
        events_unmask_all();
        printk("round %u\n", round);
        netfront_close(&card);
    }
}

/* --- states --- */

static void state_of(const char *node, const char *ring, uint64_t *seed)
{
    uint64_t dice = next_random(seed);

    if (dice % 8 == 0)
        xs_printf(XS_NONE, node, ring, "%lu", (unsigned long)strange(seed));
    if (dice % 16 == 1)
        xs_printf(XS_NONE, node, "event-channel", "%lu", (unsigned long)strange(seed));
    if (dice % 64 == 2)
        (void)xs_rm(XS_NONE, node);
    if (dice % 64 == 3) {
        static const char *const nobody[] = { "n0" };
        char path[64];

        snprintf(path, sizeof(path), "%s/state", node);
        (void)xs_set_permissions(XS_NONE, path, nobody, 1);
    }
    xs_printf(XS_NONE, node, "state", dice % 32 ? "%lu" : "%lux", (unsigned long)(dice >> 8) % 9);
}

/* Both devices at once, in every order; now and then one is really connected. */
void storm_states(void)
{
    uint64_t seed = 17;
    char node[48];
    int vdev = blkfront_first();

    NEED(vdev >= 0);
    snprintf(node, sizeof(node), "device/vbd/%d", vdev);
    for (unsigned int i = 0;; i++) {
        state_of(node, "ring-ref", &seed);
        state_of("device/vif/0", i % 2 ? "tx-ring-ref" : "rx-ring-ref", &seed);
        if (i % 10000 == 9999)
            printk("%u states\n", i + 1);
    }
}

/* --- the grant table --- */

/* It grows, changes its version and is looked at while both devices are at work. */
static void change_table(unsigned long id)
{
    uint64_t seed = 23;

    for (;;) {
        struct gnttab_set_version version = { .version = (uint32_t)(next_random(&seed) % 4) };
        struct gnttab_setup_table setup = { .dom = DOMID_SELF,
                                            .nr_frames = (uint32_t)(next_random(&seed) % 70) };
        static unsigned long frames[70];
        struct gnttab_query_size size = { .dom = DOMID_SELF };

        set_xen_guest_handle(setup.frame_list, frames);
        (void)HYPERVISOR_grant_table_op(GNTTABOP_set_version, &version, 1);
        (void)HYPERVISOR_grant_table_op(GNTTABOP_setup_table, &setup, 1);
        (void)HYPERVISOR_grant_table_op(GNTTABOP_query_size, &size, 1);
    }
}

void storm_grants(void)
{
    give_grants();
    NEED(open_card());
    beside(change_table);
    for (unsigned int i = 0;; i++) {
        int vdev = blkfront_first();

        if (vdev < 0 || blkfront_open(&disk, (unsigned int)vdev))
            continue;
        for (unsigned int n = 0; n < 50; n++) {
            CHECK_IS(block_read(&disk.device, n * 8, data, 8), 0);
            flicker(card.tx_grant[n % NETFRONT_TX]);
        }
        blkfront_close(&disk);
        printk("round %u\n", i);
    }
}
