/* SPDX-License-Identifier: MIT */
/* Attacks on a disk at work. Most of them leave the driver out of it: they write the ring
 * themselves. */
#include "traffic.h"

#include <drivers/blkfront.h>

#define STRANGE 1000u                   /* the id of requests that are not the driver's */

static struct blkfront disk;
static _Alignas(4096) uint8_t data[BLOCK_SEGMENTS_ANY][4096];
static _Alignas(4096) struct blkif_request_segment segments[512];

static void open_disk(void)
{
    CHECK_IS(blkfront_open(&disk, (unsigned int)blkfront_first()), 0);
}

/* The driver stops looking at the ring: it is ours. */
static void take_over(void)
{
    disk.connected = false;
}

static void release(grant_ref_t reference)
{
    /* -EBUSY: the back end has kept a mapping */
    CHECK_IS(grant_end_access(reference), 0);
}

/* The back end has closed; what the driver had granted for requests that nobody took an answer to
 * is free again. */
static void close_disk(void)
{
    xs_printf(XS_NONE, disk.node, "state", "%u", XenbusStateClosed);
    CHECK(closes(disk.bus.other_path));
    xenbus_detach(&disk.bus);
    for (unsigned int i = 0; i < BLKFRONT_RING; i++)
        for (unsigned int j = 0; j < disk.slot[i].grants; j++)
            release(disk.slot[i].grant[j]);
    release(disk.ring_grant);
    event_unbind(disk.port);
}

static void it_serves(void)
{
    open_disk();
    CHECK_IS(block_read(&disk.device, 0, data, 8), 0);
    CHECK_IS(block_write(&disk.device, 0, data, 8), 0);
    take_over();
    close_disk();
}

static void ignore(struct block_request *request, int status)
{
}

void disk_at_work(void)
{
    static struct block_request request[BLKFRONT_RING];
    bool masked = events_save();

    open_disk();
    for (unsigned int i = 0; i < BLKFRONT_RING; i++) {
        request[i] = (struct block_request){ .operation = i % 4 ? BLOCK_READ : BLOCK_WRITE,
                                             .done = ignore,
                                             .sector = i * BLOCK_SEGMENTS_ANY * 8,
                                             .sectors = BLOCK_SEGMENTS_ANY * 8 };
        block_describe(&request[i], data, sizeof data, virt_to_machine);
        block_submit(&disk.device, &request[i]);
    }
    block_kick(&disk.device);
    take_over();                        /* before the driver hears of an answer */
    events_restore(masked);
}

static bool all_answered(void)
{
    uint64_t until = now_ns() + 20 * NS_PER_S;

    while (disk.ring.sring->rsp_prod != disk.ring.req_prod_pvt && now_ns() < until)
        vcpu_yield();
    return disk.ring.sring->rsp_prod == disk.ring.req_prod_pvt;
}

/* While dom0 has the ring mapped for writing, no trick makes a page table of it. */
static void grants_withdrawn(void)
{
    printk("grants withdrawn\n");
    disk_at_work();
    for (unsigned int i = 0; i < BLKFRONT_RING; i++)
        for (unsigned int j = 0; j < disk.slot[i].grants; j++)
            entries[disk.slot[i].grant[j]].flags = 0;
    entries[disk.ring_grant].flags = 0;
    CHECK_IS(page_set_readonly(disk.ring_page, true), 0);
    CHECK_REFUSED(mmuext_mfn(MMUEXT_PIN_L1_TABLE, virt_to_mfn(disk.ring_page)));
    CHECK_IS(page_set_readonly(disk.ring_page, false), 0);
    CHECK(all_answered());
    close_disk();
    memset(disk.ring_page, 0, sizeof disk.ring_page);
    CHECK_IS(page_set_readonly(disk.ring_page, true), 0);
    /* it is ours alone */
    CHECK_IS(mmuext_mfn(MMUEXT_PIN_L1_TABLE, virt_to_mfn(disk.ring_page)), 0);
    CHECK_IS(mmuext_mfn(MMUEXT_UNPIN_TABLE, virt_to_mfn(disk.ring_page)), 0);
    CHECK_IS(page_set_readonly(disk.ring_page, false), 0);
    it_serves();
}

static void port_closed(void)
{
    printk("port closed\n");
    disk_at_work();
    event_unbind(disk.port);
    CHECK(all_answered());              /* into memory, without an event */
    close_disk();
    it_serves();
}

static void states_flap(void)
{
    printk("states flap\n");
    for (unsigned int round = 0; round < 3; round++) {
        disk_at_work();
        flap(disk.node);
        close_disk();
    }
    it_serves();
}

/* The disk is told to read into the ring that it is working from. */
static void ring_overwritten(void)
{
    printk("ring overwritten\n");
    disk_at_work();
    for (unsigned int i = 0; i < BLKFRONT_RING; i++) {
        blkif_request_t *request = RING_GET_REQUEST(&disk.ring, i);

        request->operation = BLKIF_OP_READ;
        request->seg[0].gref = disk.ring_grant;
    }
    disk.ring.sring->req_prod = disk.ring.sring->rsp_prod + BLKFRONT_RING;
    event_send(disk.port);
    thread_sleep(200 * NS_PER_MS);
    close_disk();
    it_serves();
}

/* --- requests, one at a time --- */

/* Its status; 1 when there was no answer. */
static int status_of(const void *request)
{
    uint64_t until = now_ns() + 20 * NS_PER_S;

    memcpy(RING_GET_REQUEST(&disk.ring, disk.ring.req_prod_pvt), request, sizeof(blkif_request_t));
    disk.ring.req_prod_pvt++;
    RING_PUSH_REQUESTS(&disk.ring);
    event_send(disk.port);
    while (disk.ring.sring->rsp_prod == disk.ring.rsp_cons && now_ns() < until)
        vcpu_yield();
    if (disk.ring.sring->rsp_prod == disk.ring.rsp_cons) return 1;

    const blkif_response_t *response = RING_GET_RESPONSE(&disk.ring, disk.ring.rsp_cons++);

    CHECK_IS(response->id, STRANGE);
    return response->status;
}

static blkif_request_t indirect_request(uint8_t operation, uint16_t count, grant_ref_t page,
                                        uint64_t sector)
{
    union { blkif_request_t whole; blkif_request_indirect_t indirect;
    } request = { .indirect = { .operation = BLKIF_OP_INDIRECT,
                                .indirect_op = operation,
                                .nr_segments = count,
                                .id = STRANGE,
                                .sector_number = sector,
                                .handle = disk.handle,
                                .indirect_grefs = { page } } };

    return request.whole;
}

static int indirect(uint8_t operation, uint16_t count, grant_ref_t page, uint64_t sector)
{
    blkif_request_t request = indirect_request(operation, count, page, sector);

    return status_of(&request);
}

void disk_full(void)
{
    int page = grant_page(0, segments, true);

    open_disk();
    take_over();
    NEED(page > 0);
    for (unsigned int i = 0; i < BLOCK_SEGMENTS_MAX; i++)
        segments[i] = (struct blkif_request_segment){
            .gref = (grant_ref_t)grant_page(0, data, false), .last_sect = 7
        };
    for (unsigned int i = 0; i < BLKFRONT_RING; i++)
        *RING_GET_REQUEST(&disk.ring, disk.ring.req_prod_pvt + i) = indirect_request(
            BLKIF_OP_READ, BLOCK_SEGMENTS_MAX, (grant_ref_t)page, 0);
    disk.ring.req_prod_pvt += BLKFRONT_RING;
    RING_PUSH_REQUESTS(&disk.ring);
    event_send(disk.port);
    CHECK(all_answered());
    for (unsigned int i = 0; i < BLKFRONT_RING; i++)
        CHECK_IS(RING_GET_RESPONSE(&disk.ring, i)->status, BLKIF_RSP_OKAY);
    for (unsigned int i = 0; i < BLOCK_SEGMENTS_MAX; i++)
        release(segments[i].gref);
    close_disk();
}

static void indirect_requests(void)
{
    printk("indirect requests\n");
    open_disk();
    take_over();

    int page = grant_page(0, segments, true), target = grant_page(0, data, false),
        readonly = grant_page(0, data, true);

    NEED(page > 0 && target > 0 && readonly > 0);
    for (unsigned int i = 0; i < 512; i++)
        segments[i] = (struct blkif_request_segment){ .gref = (grant_ref_t)target, .last_sect = 7 };

    grant_ref_t good = (grant_ref_t)page;

    CHECK_IS(indirect(BLKIF_OP_READ, 4, good, 0), BLKIF_RSP_OKAY);
    CHECK_IS(indirect(BLKIF_OP_READ, 0, good, 0), BLKIF_RSP_ERROR);
    CHECK_IS(indirect(BLKIF_OP_READ, 33, good, 0), BLKIF_RSP_ERROR);
    CHECK_IS(indirect(BLKIF_OP_READ, 65535, good, 0), BLKIF_RSP_ERROR);
    CHECK_IS(indirect(BLKIF_OP_READ, 4, NEVER_GRANTED, 0), BLKIF_RSP_ERROR);
    CHECK_IS(indirect(BLKIF_OP_READ, 4, 0xffffffff, 0), BLKIF_RSP_ERROR);
    CHECK_IS(indirect(BLKIF_OP_READ, 4, good, disk.device.sectors - 8), BLKIF_RSP_ERROR);
    CHECK_IS(indirect(BLKIF_OP_READ, 4, good, ~0ul), BLKIF_RSP_ERROR);
    CHECK_REFUSED(indirect(BLKIF_OP_INDIRECT, 4, good, 0));
    CHECK_REFUSED(indirect(BLKIF_OP_DISCARD, 4, good, 0));
    CHECK_REFUSED(indirect(0xff, 4, good, 0));
    /* three that map, and one that does not */
    segments[3].gref = (grant_ref_t)readonly;
    CHECK_IS(indirect(BLKIF_OP_READ, 4, good, 0), BLKIF_RSP_ERROR);
    segments[3].gref = NEVER_GRANTED;
    CHECK_IS(indirect(BLKIF_OP_READ, 4, good, 0), BLKIF_RSP_ERROR);
    segments[0].last_sect = 8;
    CHECK_IS(indirect(BLKIF_OP_READ, 1, good, 0), BLKIF_RSP_ERROR);
    segments[0] = (struct blkif_request_segment){ .gref = (grant_ref_t)target, .first_sect = 7 };
    CHECK_IS(indirect(BLKIF_OP_READ, 1, good, 0), BLKIF_RSP_ERROR);
    /* nothing of these is still in use */
    release(good);
    release((grant_ref_t)target);
    release((grant_ref_t)readonly);
    CHECK_IS(indirect(BLKIF_OP_READ, 4, good, 0), BLKIF_RSP_ERROR);
    close_disk();
}

void disk_attacks(void)
{
    it_serves();
    indirect_requests();
    grants_withdrawn();
    port_closed();
    states_flap();
    ring_overwritten();
}
