/* SPDX-License-Identifier: MIT */
/*
 * Shared rings under a peer that lies: index arithmetic across the wrap, and the judging of block
 * and network requests; block windows and RAM disks, which sit behind them.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <cmocka.h>
#include <drivers/ring.h>
#include "drivers/pv/check.h"

static void test_requests_are_counted_across_the_wrap(void **state)
{
    const uint32_t start[] = { 0, 31, 0x7fffffff, 0xffffffe0, 0xffffffff };

    for (unsigned int i = 0; i < sizeof start / sizeof *start; i++) {
        uint32_t answered = start[i];

        for (uint32_t flight = 0; flight <= 32; flight++)
            for (uint32_t extra = 0; extra <= 40; extra++) {
                uint32_t consumer = answered + flight;
                int expected = flight + extra <= 32 ? (int)extra : RING_LIE;

                assert_int_equal(ring_requests(consumer + extra, consumer, answered, 32), expected);
            }
    }
}

static void test_backward_producer_is_a_lie(void **state)
{
    /* takes back what we have taken already */
    assert_int_equal(ring_requests(9, 10, 5, 32), RING_LIE);
    assert_int_equal(ring_requests(4, 10, 5, 32), RING_LIE);
    assert_int_equal(ring_requests(0x80000000u, 0, 0, 32), RING_LIE);
    assert_int_equal(ring_requests(0xffffffffu, 0, 0, 32), RING_LIE);
}

static void test_answers_nobody_asked_for_are_a_lie(void **state)
{
    assert_int_equal(ring_answers(7, 5, 8), 2);
    assert_int_equal(ring_answers(8, 5, 8), 3);
    assert_int_equal(ring_answers(9, 5, 8), RING_LIE);
    assert_int_equal(ring_answers(4, 5, 8), RING_LIE);
    assert_int_equal(ring_answers(1, 0xfffffffe, 3), 3);
    assert_int_equal(ring_room(8, 5, 32), 29);
    assert_int_equal(ring_room(2, 0xffffffe2, 32), 0);
}

/* Against the definition: some index in (before, after] equals the event index. */
static void test_notify_exactly_when_asked(void **state)
{
    for (uint32_t base = 0xfffffff0u; base != 8; base++)
        for (uint32_t added = 0; added < 6; added++)
            for (int offset = -8; offset < 8; offset++) {
                uint32_t event = base + (uint32_t)offset;
                bool expected = false;

                for (uint32_t i = 1; i <= added; i++)
                    expected |= base + i == event;
                assert_int_equal(ring_must_notify(base, base + added, event), expected);
            }
}

static blkif_request_t read_of(uint64_t sector, unsigned int segments)
{
    blkif_request_t request = { .operation = BLKIF_OP_READ,
                                .nr_segments = (uint8_t)segments,
                                .sector_number = sector };

    for (unsigned int i = 0; i < segments && i < 11; i++)
        request.seg[i] = (struct blkif_request_segment){ .gref = 8 + i,
                                                         .first_sect = 0,
                                                         .last_sect = 7 };
    return request;
}

/* All numbers near each other, and near the wrap: by rules without a wrap. */
static void test_indices_by_rules_without_a_wrap(void **state)
{
    for (uint32_t base = (uint32_t)-40; base != 40; base++)
        for (int open = 0; open <= 8; open++)           /* asked, and not answered */
            for (int more = -20; more <= 20; more++) {
                uint32_t consumer = base + (uint32_t)open, producer = consumer + (uint32_t)more;

                assert_int_equal(ring_requests(producer, consumer, base, 8),
                                 more >= 0 && open + more <= 8 ? more : RING_LIE);
                assert_int_equal(ring_answers(base + (uint32_t)more, base, consumer),
                                 more >= 0 && more <= open ? more : RING_LIE);
                assert_int_equal(ring_room(consumer, base, 8), 8 - open);
                assert_int_equal(ring_must_notify(base, consumer, base + (uint32_t)more),
                                 more > 0 && more <= open);
            }
}

static void test_good_block_requests(void **state)
{
    struct block_plan plan;
    blkif_request_t request = read_of(100, 11);

    assert_int_equal(plan_block(&plan, &request, 188, 0), BLKIF_RSP_OKAY);
    assert_int_equal(plan.sectors, 88);
    assert_int_equal(plan.segment[10].length, 4096);
    request = read_of(187, 1);
    request.seg[0].first_sect = request.seg[0].last_sect = 3;
    assert_int_equal(plan_block(&plan, &request, 188, 0), BLKIF_RSP_OKAY);
    assert_int_equal(plan.segment[0].offset, 1536);
    assert_int_equal(plan.segment[0].length, 512);
    request = (blkif_request_t){ .operation = BLKIF_OP_FLUSH_DISKCACHE };
    assert_int_equal(plan_block(&plan, &request, 188, 0), BLKIF_RSP_OKAY);
}

static void test_bad_block_requests(void **state)
{
    struct block_plan plan;
    blkif_request_t request;

#define REFUSED(change) do { request = read_of(100, 2); change; \
        assert_int_equal(plan_block(&plan, &request, 188, 0), BLKIF_RSP_ERROR); } while (0)
    REFUSED(request.nr_segments = 0);
    REFUSED(request.nr_segments = 12);
    REFUSED(request.nr_segments = 255);
    REFUSED(request.seg[1].last_sect = 8);
    REFUSED(request.seg[1].last_sect = 255);
    REFUSED(request.seg[0].first_sect = 7; request.seg[0].last_sect = 6);
    REFUSED(request.sector_number = 173);
    REFUSED(request.sector_number = UINT64_MAX);
    REFUSED(request.sector_number = UINT64_MAX - 15);
#undef REFUSED
    request = read_of(0, 1);
    request.operation = BLKIF_OP_WRITE;
    assert_int_equal(plan_block(&plan, &request, 188, BLOCK_READ_ONLY), BLKIF_RSP_ERROR);
    /* one that carries data would need two steps */
    request.operation = BLKIF_OP_FLUSH_DISKCACHE;
    assert_int_equal(plan_block(&plan, &request, 188, 0), BLKIF_RSP_EOPNOTSUPP);
    for (unsigned int operation = 4; operation < 256; operation++) {
        request.operation = (uint8_t)operation;
        assert_int_equal(plan_block(&plan, &request, 188, 0), BLKIF_RSP_EOPNOTSUPP);
    }
}

/* A barrier is a write like any other, or nothing but a flush. */
static void test_barriers(void **state)
{
    struct block_plan plan;
    blkif_request_t request = read_of(100, 2);

    request.operation = BLKIF_OP_WRITE_BARRIER;
    assert_int_equal(plan_block(&plan, &request, 188, 0), BLKIF_RSP_OKAY);
    assert_true(plan.barrier && plan.operation == BLOCK_WRITE && plan.segments == 2);
    assert_int_equal(plan_block(&plan, &request, 188, BLOCK_READ_ONLY), BLKIF_RSP_ERROR);
    assert_int_equal(plan_block(&plan, &request, 100, 0), BLKIF_RSP_ERROR);
    request.nr_segments = 12;
    assert_int_equal(plan_block(&plan, &request, 188, 0), BLKIF_RSP_ERROR);
    request.nr_segments = 0;
    assert_int_equal(plan_block(&plan, &request, 188, 0), BLKIF_RSP_OKAY);
    assert_true(plan.barrier && plan.operation == BLOCK_FLUSH && plan.segments == 0);
    request = read_of(100, 2);
    assert_int_equal(plan_block(&plan, &request, 188, 0), BLKIF_RSP_OKAY);
    assert_false(plan.barrier);
}

static void test_indirect_requests(void **state)
{
    struct block_plan plan;
    struct blkif_request_segment segment[32];
    blkif_request_indirect_t indirect = { .operation = BLKIF_OP_INDIRECT,
                                          .indirect_op = BLKIF_OP_WRITE,
                                          .nr_segments = 32,
                                          .sector_number = 44,
                                          .id = 7 };
    blkif_request_t request = { 0 };

    for (unsigned int i = 0; i < 32; i++)
        segment[i] = (struct blkif_request_segment){ .gref = i + 8, .last_sect = 7 };
    memcpy(&request, &indirect, sizeof indirect);
    assert_int_equal(indirect_segments(&request, 32), 32);
    assert_int_equal(indirect_segments(&request, 31), 0);
    assert_int_equal(plan_indirect(&plan, &request, segment, 32, 300, 0), BLKIF_RSP_OKAY);
    assert_int_equal(plan.sectors, 256);
    assert_int_equal(plan.operation, BLOCK_WRITE);
    assert_int_equal(plan_indirect(&plan, &request, segment, 32, 299, 0), BLKIF_RSP_ERROR);
    assert_int_equal(plan_indirect(&plan, &request, segment, 32, 300, BLOCK_READ_ONLY),
                     BLKIF_RSP_ERROR);
    assert_int_equal(plan_indirect(&plan, &request, segment, 33, 300, 0), BLKIF_RSP_ERROR);
    segment[31].first_sect = 8;
    assert_int_equal(plan_indirect(&plan, &request, segment, 32, 300, 0), BLKIF_RSP_ERROR);
    /* an indirect flush, discard or indirect: nonsense */
    for (unsigned int operation = 2; operation < 256; operation++) {
        indirect.indirect_op = (uint8_t)operation;
        memcpy(&request, &indirect, sizeof indirect);
        assert_int_equal(plan_indirect(&plan, &request, segment, 31, 300, 0), BLKIF_RSP_EOPNOTSUPP);
    }
}

static void test_discards(void **state)
{
    struct block_plan plan;
    blkif_request_discard_t discard = { .operation = BLKIF_OP_DISCARD,
                                        .sector_number = 8,
                                        .nr_sectors = 180 };
    blkif_request_t request = { 0 };

    memcpy(&request, &discard, sizeof discard);
    assert_int_equal(plan_block(&plan, &request, 188, 0), BLKIF_RSP_EOPNOTSUPP);
    assert_int_equal(plan_block(&plan, &request, 188, BLOCK_CAN_DISCARD), BLKIF_RSP_OKAY);
    assert_int_equal(plan_block(&plan, &request, 187, BLOCK_CAN_DISCARD), BLKIF_RSP_ERROR);
    assert_int_equal(plan_block(&plan, &request, 188, BLOCK_CAN_DISCARD | BLOCK_READ_ONLY),
                     BLKIF_RSP_ERROR);
    discard.nr_sectors = UINT64_MAX;
    memcpy(&request, &discard, sizeof discard);
    assert_int_equal(plan_block(&plan, &request, 188, BLOCK_CAN_DISCARD), BLKIF_RSP_ERROR);
    discard.nr_sectors = 1;
    discard.flag = BLKIF_DISCARD_SECURE;
    memcpy(&request, &discard, sizeof discard);
    assert_int_equal(plan_block(&plan, &request, 188, BLOCK_CAN_DISCARD), BLKIF_RSP_EOPNOTSUPP);
}

/* Random requests: whatever is accepted must be safe to carry out. */
static void test_random_block_requests(void **state)
{
    srand(4);
    for (unsigned int round = 0; round < 200000; round++) {
        struct block_plan plan;
        blkif_request_t request;
        uint64_t bytes = 0;

        for (unsigned int i = 0; i < sizeof request; i++)
            ((uint8_t *)&request)[i] = (uint8_t)rand();
        request.operation %= 6;
        request.nr_segments %= 14;
        request.sector_number >>= rand() % 64;
        for (unsigned int i = 0; i < 11; i++) {
            request.seg[i].first_sect %= 9;
            request.seg[i].last_sect %= 9;
        }
        if (plan_block(&plan, &request, 1000, BLOCK_CAN_DISCARD) != BLKIF_RSP_OKAY ||
            plan.operation == BLOCK_FLUSH)
            continue;
        assert_true(plan.sectors >= 1 && plan.sector < 1000 && plan.sectors <= 1000 - plan.sector);
        for (unsigned int i = 0; i < plan.segments; i++) {
            assert_true(plan.segment[i].offset + plan.segment[i].length <= 4096);
            bytes += plan.segment[i].length;
        }
        assert_true(plan.operation == BLOCK_DISCARD || bytes == plan.sectors * BLOCK_SECTOR);
    }
}

static void test_frames(void **state)
{
    struct net_plan plan;
    netif_tx_request_t slot[NET_SLOTS_MAX + 1] = { { .size = 1500, .offset = 4000 },
                                                   { .size = 1404 } };

    assert_int_equal(plan_frame(&plan, slot, 2, NET_FRAME_MAX), 0);
    assert_int_equal(plan.length, 1500);
    assert_int_equal(plan.piece[0].length, 96);
    /* crosses its page */
    assert_int_equal(plan_frame(&plan, slot, 1, NET_FRAME_MAX), NETIF_RSP_ERROR);
    slot[1].size = 1403;
    assert_int_equal(plan_frame(&plan, slot, 2, NET_FRAME_MAX), NETIF_RSP_ERROR);
    slot[1].size = 1500;
    /* nothing left for the first */
    assert_int_equal(plan_frame(&plan, slot, 2, NET_FRAME_MAX), NETIF_RSP_ERROR);
    slot[1].size = 0;
    assert_int_equal(plan_frame(&plan, slot, 2, NET_FRAME_MAX), NETIF_RSP_ERROR);
    slot[0] = (netif_tx_request_t){ .size = 60, .offset = 65535 };
    assert_int_equal(plan_frame(&plan, slot, 1, NET_FRAME_MAX), NETIF_RSP_ERROR);
    slot[0].offset = 4036;
    assert_int_equal(plan_frame(&plan, slot, 1, NET_FRAME_MAX), 0);
    slot[0].size = 13;
    assert_int_equal(plan_frame(&plan, slot, 1, NET_FRAME_MAX), NETIF_RSP_ERROR);
    slot[0] = (netif_tx_request_t){ .size = NET_FRAME_MAX + 1 };
    assert_int_equal(plan_frame(&plan, slot, 1, NET_FRAME_MAX), NETIF_RSP_ERROR);
    assert_int_equal(plan_frame(&plan, slot, 0, NET_FRAME_MAX), NETIF_RSP_ERROR);
    assert_int_equal(plan_frame(&plan, slot, NET_SLOTS_MAX + 1, NET_FRAME_MAX), NETIF_RSP_ERROR);
}

static void test_large_frames(void **state)
{
    struct net_plan plan;
    netif_tx_request_t slot[NET_SLOTS_MAX] = { { .size = 60000, .offset = 100 } };
    netif_extra_info_t extra = { .type = XEN_NETIF_EXTRA_TYPE_GSO,
                                 .u.gso = { .type = XEN_NETIF_GSO_TYPE_TCPV4, .size = 1448 } };

    for (unsigned int i = 1; i < 16; i++)
        slot[i] = (netif_tx_request_t){ .size = 3900, .offset = 100 };
    assert_int_equal(plan_frame(&plan, slot, 16, NET_LARGE_MAX), 0);
    assert_int_equal(plan.length, 60000);
    assert_int_equal(plan.piece[0].length, 1500);
    assert_int_equal(plan_frame(&plan, slot, 16, NET_FRAME_MAX), NETIF_RSP_ERROR);
    assert_int_equal(plan_frame(&plan, slot, 15, NET_LARGE_MAX), NETIF_RSP_ERROR);
    assert_int_equal(plan_gso(&extra, NETTXF_csum_blank), NET_GSO_TCP4 | NET_GSO_SIZE(1448));
    assert_int_equal(plan_gso(&extra, 0), 0);
    extra.u.gso.size = 0;
    assert_int_equal(plan_gso(&extra, NETTXF_csum_blank), 0);
    extra.u.gso.size = 1448;
    extra.u.gso.type = XEN_NETIF_GSO_TYPE_TCPV6;
    assert_int_equal(plan_gso(&extra, NETTXF_csum_blank), 0);
}

static int last_status;
static void note(struct block_request *request, int status)
{
    last_status = status;
}
static uint64_t identity(const void *address)
{
    return (uint64_t)(uintptr_t)address;
}

static int transfer(struct blockdev *device, enum block_operation operation, uint64_t sector,
                    void *data, size_t bytes)
{
    struct block_request request = { .operation = operation, .sector = sector, .done = note };

    assert_int_equal(block_describe(&request, data, bytes, identity), bytes);
    last_status = 1;
    block_submit(device, &request);
    assert_int_not_equal(last_status, 1);
    return last_status;
}

static void test_ramdisk_and_window(void **state)
{
    static _Alignas(512) uint8_t memory[64 * 512], data[8 * 512 + 4096], back[8 * 512];
    struct ramdisk disk;
    struct block_window window;

    memset(data, 0x5a, sizeof data);
    ramdisk_open(&disk, "ram", memory, 64);
    assert_int_equal(block_window_open(&window, "part", &disk.device, 60, 5), -EINVAL);
    assert_int_equal(block_window_open(&window, "part", &disk.device, UINT64_MAX, 2), -EINVAL);
    assert_int_equal(block_window_open(&window, "part", &disk.device, 10, 0), -EINVAL);
    assert_int_equal(block_window_open(&window, "part", &disk.device, 10, 8), 0);
    assert_int_equal(transfer(&window.device, BLOCK_WRITE, 0, data + 512, 8 * 512), 0);
    assert_int_equal(memory[10 * 512 - 1], 0);
    assert_int_equal(memory[10 * 512], 0x5a);
    assert_int_equal(memory[18 * 512], 0);
    assert_int_equal(transfer(&window.device, BLOCK_READ, 7, back, 1024), -EINVAL);
    assert_int_equal(transfer(&window.device, BLOCK_READ, 0, back, sizeof back), 0);
    assert_memory_equal(back, data, sizeof back);
    disk.device.flags |= BLOCK_READ_ONLY;
    assert_int_equal(transfer(&disk.device, BLOCK_WRITE, 0, data, 512), -EROFS);
}

/* What does not fit together reaches no device, whoever asks. */
static void test_requests_that_no_device_takes(void **state)
{
    static _Alignas(512) uint8_t memory[64 * 512], data[4096];
    const struct block_request good = { .operation = BLOCK_WRITE,
                                        .sector = 4,
                                        .sectors = 3,
                                        .segments = 2,
                                        .done = note,
                                        .segment = { { .data = data, .length = 512 },
                                                     { .data = data, .length = 1024 } } };
    struct block_request request;
    struct ramdisk disk;

    ramdisk_open(&disk, "ram", memory, 64);
#define STATUS(change) \
    ({ \
        request = good; \
        change; \
        last_status = 1; \
        block_submit(&disk.device, &request); \
        last_status; \
    })
    assert_int_equal(STATUS(), 0);
    assert_int_equal(STATUS(request.segments = 0), -EINVAL);
    assert_int_equal(STATUS(request.segments = BLOCK_SEGMENTS_MAX + 1), -EINVAL);
    assert_int_equal(STATUS(request.segments = 3; request.segment[2] = request.segment[1];
                            request.segment[1].length = 0), -EINVAL);
    assert_int_equal(STATUS(request.segment[0].length = 511; request.segment[1].length = 1025),
                     -EINVAL);
    disk.device.max_segments = 1;
    assert_int_equal(STATUS(), -EINVAL);
    disk.device.max_segments = 2;
    assert_int_equal(STATUS(), 0);
    /* less than three sectors */
    assert_int_equal(STATUS(request.segment[1].length = 512), -EINVAL);
    assert_int_equal(STATUS(request.segment[1].length = 1536), -EINVAL);       /* more */
    assert_int_equal(STATUS(request.sectors = 0), -EINVAL);
    assert_int_equal(STATUS(request.sector = 62), -EINVAL);
    assert_int_equal(STATUS(request.operation = BLOCK_DISCARD; request.segments = 0), 0);
    disk.device.flags &= ~BLOCK_CAN_DISCARD;
    assert_int_equal(STATUS(request.operation = BLOCK_DISCARD; request.segments = 0), -EOPNOTSUPP);
#undef STATUS
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_are_counted_across_the_wrap),
        cmocka_unit_test(test_backward_producer_is_a_lie),
        cmocka_unit_test(test_answers_nobody_asked_for_are_a_lie),
        cmocka_unit_test(test_notify_exactly_when_asked),
        cmocka_unit_test(test_indices_by_rules_without_a_wrap),
        cmocka_unit_test(test_good_block_requests),
        cmocka_unit_test(test_bad_block_requests),
        cmocka_unit_test(test_barriers),
        cmocka_unit_test(test_indirect_requests),
        cmocka_unit_test(test_discards),
        cmocka_unit_test(test_random_block_requests),
        cmocka_unit_test(test_frames),
        cmocka_unit_test(test_large_frames),
        cmocka_unit_test(test_ramdisk_and_window),
        cmocka_unit_test(test_requests_that_no_device_takes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
