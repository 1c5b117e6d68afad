/* SPDX-License-Identifier: MIT */
/*
 * The judges of guests' requests, against a second opinion written from the protocol's rules
 * (<xen/io/blkif.h>, <xen/io/netif.h>): every operation at every edge of every number, and of what
 * is accepted every field. test_rings.c has single cases, and requests at random.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "drivers/pv/check.h"

#define LIMIT 100u                      /* sectors of the disk */
#define COUNT(array) (sizeof(array) / sizeof *(array))

static const uint64_t sectors[] = { 0, 1, 84, 91, 92, 93, 98, 99, 100, 101, UINT64_MAX - 6,
                                    UINT64_MAX };
static const struct { uint8_t first, last; } edges[] = {
    { 0, 0 }, { 0, 7 }, { 7, 7 }, { 3, 5 }, { 0, 8 }, { 8, 8 }, { 5, 4 }, { 7, 0 }, { 0, 255 },
    { 255, 255 },
};

static bool fits(uint64_t sector, uint64_t count)
{
    return (unsigned __int128)sector + count <= LIMIT;
}

/* Of data in segments; `most`: how many there may be. */
static int judge_data(struct block_plan *plan, unsigned operation, uint32_t flags,
                      const struct blkif_request_segment *segment, unsigned count, unsigned most)
{
    if (operation != BLKIF_OP_READ && operation != BLKIF_OP_WRITE) return BLKIF_RSP_EOPNOTSUPP;
    if (operation == BLKIF_OP_WRITE && (flags & BLOCK_READ_ONLY)) return BLKIF_RSP_ERROR;
    if (count < 1 || count > most) return BLKIF_RSP_ERROR;
    plan->operation = operation == BLKIF_OP_READ ? BLOCK_READ : BLOCK_WRITE;
    plan->segments = count;
    plan->sectors = 0;
    for (unsigned i = 0; i < count; i++) {
        int size = segment[i].last_sect - segment[i].first_sect + 1;

        if (size < 1 || segment[i].last_sect > 7) return BLKIF_RSP_ERROR;
        plan->segment[i].grant = segment[i].gref;
        plan->segment[i].offset = (uint16_t)(segment[i].first_sect * 512);
        plan->segment[i].length = (uint16_t)(size * 512);
        plan->sectors += (unsigned)size;
    }
    return fits(plan->sector, plan->sectors) ? BLKIF_RSP_OKAY : BLKIF_RSP_ERROR;
}

static void assert_plan(int status, const struct block_plan *plan, int expected_status,
                        const struct block_plan *expected)
{
    assert_int_equal(status, expected_status);
    if (status != BLKIF_RSP_OKAY) return;
    assert_int_equal(plan->operation, expected->operation);
    assert_true(plan->barrier == expected->barrier);
    assert_int_equal(plan->segments, expected->segments);
    if (plan->operation == BLOCK_FLUSH) return;
    assert_true(plan->sector == expected->sector && plan->sectors == expected->sectors);
    for (unsigned i = 0; i < plan->segments; i++) {
        assert_int_equal(plan->segment[i].grant, expected->segment[i].grant);
        assert_int_equal(plan->segment[i].offset, expected->segment[i].offset);
        assert_int_equal(plan->segment[i].length, expected->segment[i].length);
    }
}

static void fill_segments(struct blkif_request_segment *segment, unsigned count, unsigned edge)
{
    for (unsigned i = 0; i < count; i++)        /* the last is the one of interest */
        segment[i] = (struct blkif_request_segment){ .gref = 1000000 + i, .last_sect = i % 2 };
    segment[count ? count - 1 : 0].first_sect = edges[edge].first;
    segment[count ? count - 1 : 0].last_sect = edges[edge].last;
}

static void requests_with_data(void **state)
{
    static const uint8_t counts[] = { 0, 1, 2, 10, 11, 12, 255 };

    for (unsigned operation = 0; operation < 9; operation++)
        for (unsigned c = 0; c < COUNT(counts); c++)
            for (unsigned edge = 0; edge < COUNT(edges); edge++)
                for (unsigned s = 0; s < COUNT(sectors); s++)
                    for (uint32_t flags = 0; flags < 16; flags++) {
                        bool barrier = operation == BLKIF_OP_WRITE_BARRIER;
                        struct block_plan plan, expected = { .sector = sectors[s],
                                                             .barrier = barrier };
                        blkif_request_t request = { .operation = (uint8_t)operation,
                                                    .nr_segments = counts[c],
                                                    .sector_number = sectors[s] };
                        int status;

                        if (operation == BLKIF_OP_DISCARD)
                            continue;
                        fill_segments(request.seg, counts[c] < 11 ? counts[c] : 11, edge);
                        memset(&plan, 0xff, sizeof plan);
                        status = plan_block(&plan, &request, LIMIT, flags);
                        if ((barrier || operation == BLKIF_OP_FLUSH_DISKCACHE) && !counts[c]) {
                            expected.operation = BLOCK_FLUSH;
                            assert_plan(status, &plan, BLKIF_RSP_OKAY, &expected);
                            continue;
                        }
                        assert_plan(status, &plan,
                                    judge_data(&expected, barrier ? BLKIF_OP_WRITE : operation,
                                               flags, request.seg, counts[c], 11),
                                    &expected);
                    }
}

static void indirect_requests(void **state)
{
    static const uint16_t counts[] = { 0, 1, 31, 32, 33 };
    static struct blkif_request_segment segment[33];

    for (unsigned operation = 0; operation < 9; operation++)
        for (unsigned c = 0; c < COUNT(counts); c++)
            for (unsigned edge = 0; edge < COUNT(edges); edge++)
                for (unsigned s = 0; s < COUNT(sectors); s++)
                    for (uint32_t flags = 0; flags < 16; flags++) {
                        struct block_plan plan, expected = { .sector = sectors[s] };
                        blkif_request_indirect_t indirect = { .operation = BLKIF_OP_INDIRECT,
                                                              .indirect_op = (uint8_t)operation,
                                                              .sector_number = sectors[s] };
                        blkif_request_t request = { 0 };

                        memcpy(&request, &indirect, sizeof indirect);
                        fill_segments(segment, counts[c], edge);
                        memset(&plan, 0xff, sizeof plan);
                        assert_plan(plan_indirect(&plan, &request, segment, counts[c], LIMIT,
                                                  flags),
                                    &plan,
                                    judge_data(&expected, operation, flags, segment, counts[c],
                                               BLOCK_SEGMENTS_MAX),
                                    &expected);
                    }
    for (unsigned count = 0; count < 70; count++) {
        blkif_request_indirect_t indirect = { .nr_segments = (uint16_t)count };
        blkif_request_t request = { 0 };

        memcpy(&request, &indirect, sizeof indirect);
        assert_int_equal(indirect_segments(&request, 40), count <= 40 ? count : 0);
    }
}

static void discards(void **state)
{
    static const uint64_t counts[] = { 0, 1, 2, 8, 16, 100, 101, UINT64_MAX - 99, UINT64_MAX };

    for (unsigned c = 0; c < COUNT(counts); c++)
        for (unsigned s = 0; s < COUNT(sectors); s++)
            for (uint32_t flags = 0; flags < 16; flags++)
                for (unsigned secure = 0; secure < 4; secure++) {
                    struct block_plan plan, expected = { .operation = BLOCK_DISCARD,
                                                         .sector = sectors[s],
                                                         .sectors = counts[c] };
                    blkif_request_discard_t discard = { .operation = BLKIF_OP_DISCARD,
                                                        .flag = (uint8_t)secure,
                                                        .sector_number = sectors[s],
                                                        .nr_sectors = counts[c] };
                    blkif_request_t request = { 0 };
                    int status = BLKIF_RSP_OKAY;

                    memcpy(&request, &discard, sizeof discard);
                    memset(&plan, 0xff, sizeof plan);
                    if (!(flags & BLOCK_CAN_DISCARD) || (secure & BLKIF_DISCARD_SECURE))
                        status = BLKIF_RSP_EOPNOTSUPP;
                    else if ((flags & BLOCK_READ_ONLY) || !counts[c] ||
                             !fits(sectors[s], counts[c]))
                        status = BLKIF_RSP_ERROR;
                    assert_plan(plan_block(&plan, &request, LIMIT, flags), &plan, status,
                                &expected);
                }
}

static void extra_slots(void **state)
{
    for (unsigned type = 0; type < 256; type++)
        for (unsigned bit = 0; bit < 16; bit++)
            for (unsigned size = 0; size < 0x10000; size += size < 3 ? 1 : 8191) {
                netif_extra_info_t extra = { .u.gso = { .size = (uint16_t)size,
                                                        .type = (uint8_t)type } };
                bool good = type == XEN_NETIF_GSO_TYPE_TCPV4 && size &&
                            1u << bit == NETTXF_csum_blank;

                assert_int_equal(plan_gso(&extra, (uint16_t)(1u << bit)),
                                 good ? NET_GSO_TCP4 | size << 16 : 0);
            }
}

/* The first slot has the whole frame's size, each other its own; all within a page. */
static void frames(void **state)
{
    static const uint16_t sizes[] = { 0, 1, 13, 14, 15, 60, 1517, 1518, 1519, 4096, 4097, 65535 };
    static const uint16_t offsets[] = { 0, 1, 2578, 2579, 4036, 4037, 4095, 4096, 65535 };
    static const unsigned int limits[] = { NET_FRAME_MAX, NET_LARGE_MAX };

    for (unsigned slots = 0; slots < 5; slots++)
        for (unsigned s = 0; s < COUNT(sizes); s++)
            for (unsigned t = 0; t < COUNT(sizes); t++)
                for (unsigned o = 0; o < COUNT(offsets); o++)
                    for (unsigned l = 0; l < 2; l++) {
                        netif_tx_request_t slot[5] = { { 0 } };
                        struct net_plan plan;
                        int own = sizes[s];
                        bool good = slots && own >= 14 && (unsigned)own <= limits[l];

                        for (unsigned i = 0; i < slots; i++)
                            slot[i] = (netif_tx_request_t){ .gref = 70 + i,
                                                            .offset = (uint16_t)i,
                                                            .size = i ? sizes[t] : sizes[s] };
                        slot[slots ? slots - 1 : 0].offset = offsets[o];
                        for (unsigned i = 1; i < slots; i++) {
                            own -= slot[i].size;
                            good = good && slot[i].size && own > 0 &&
                                   slot[i].offset + slot[i].size <= 4096;
                        }
                        good = good && slot[0].offset + own <= 4096;
                        assert_int_equal(plan_frame(&plan, slot, slots, limits[l]),
                                         good ? 0 : NETIF_RSP_ERROR);
                        if (!good)
                            continue;
                        assert_int_equal(plan.length, sizes[s]);
                        assert_int_equal(plan.pieces, slots);
                        for (unsigned i = 0; i < slots; i++) {
                            assert_int_equal(plan.piece[i].grant, 70 + i);
                            assert_int_equal(plan.piece[i].offset, slot[i].offset);
                            assert_int_equal(plan.piece[i].length, i ? slot[i].size : own);
                        }
                    }
    for (unsigned slots = 1; slots < 25; slots++) {
        netif_tx_request_t slot[25];
        struct net_plan plan;

        for (unsigned i = 0; i < slots; i++)
            slot[i] = (netif_tx_request_t){ .size = (uint16_t)(i ? 10 : 1000) };
        assert_int_equal(plan_frame(&plan, slot, slots, NET_LARGE_MAX),
                         slots <= NET_SLOTS_MAX ? 0 : NETIF_RSP_ERROR);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_with_data), cmocka_unit_test(indirect_requests),
        cmocka_unit_test(discards), cmocka_unit_test(extra_slots), cmocka_unit_test(frames),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
