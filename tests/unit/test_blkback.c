/* SPDX-License-Identifier: MIT */
/*
 * The block back end, request by request: what reaches the disk and what comes back; grants that
 * fail; a disk that is still writing when the connection ends; a ring that lies. test_backends.c
 * has the guest that writes random bytes.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <drivers/blkback.h>
#include <pvguest/bits.h>
#include <xen/io/blkif.h>
#include "backends_host.h"

#define RING 1u            /* references: of the ring, of an indirect request's segments, of data */
#define SEGMENTS 2u
#define DATA 8u

static const char front[] = "/local/domain/7/device/vbd/51712/",
                  back_node[] = "/local/domain/0/backend/vbd/7/51712/";

static void front_node(const char *key, const char *value)
{
    char path[96];

    snprintf(path, sizeof path, "%s%s", front, key);
    set_node(path, value);
}

static const char *said_in(const char *key)
{
    char path[96];

    snprintf(path, sizeof path, "%s%s", back_node, key);
    return value_of(path);
}

#include "blkback_host.h"

/* --- tests ------------------------------------------------------------------------------------ */

static void a_request_goes_and_comes(void **state)
{
    connect();
    kicks = 0;
    put(request_of(BLKIF_OP_READ, 77, 3));
    put((blkif_request_t){ .operation = BLKIF_OP_WRITE, .nr_segments = 1, .id = 78,
                           .seg = { { .gref = 50, .last_sect = 7 } } });
    ring_bell(1);
    assert_int_equal(pending_count, 2);
    assert_int_equal(kicks, 1);
    assert_int_equal(mapped, 4);
    assert_int_equal(pending[0]->operation, BLOCK_READ);
    assert_int_equal(pending[0]->sector, 100);
    assert_int_equal(pending[0]->sectors, 8 + 7 + 8);
    assert_int_equal(pending[0]->segments, 3);
    for (unsigned int i = 0; i < 3; i++) {
        assert_int_equal(pending[0]->segment[i].machine, (uintptr_t)page[DATA + i] + 512 * (i & 1));
        assert_int_equal(pending[0]->segment[i].length, 4096 - 512 * (i & 1));
    }
    assert_int_equal(ring->rsp_prod, 0);
    assert_int_equal(port[1].sent, 0);
    finish(1);                                  /* the second first */
    assert_answer(0, 78, BLKIF_OP_WRITE, BLKIF_RSP_OKAY);
    assert_int_equal(port[1].sent, 1);
    finish(0);
    assert_answer(1, 77, BLKIF_OP_READ, BLKIF_RSP_OKAY);
    assert_int_equal(port[1].sent, 1);          /* not asked for */
    assert_int_equal(mapped, 0);
    assert_false(blkback_is_due(back));
}

static void counters_count(void **state)
{
    const struct blkback_counters *counters = blkback_counters(back);
    blkif_request_t discard = { 0 };
    blkif_request_discard_t wish = { .operation = BLKIF_OP_DISCARD, .id = 9, .sector_number = 3,
                                     .nr_sectors = 50 };

    memcpy(&discard, &wish, sizeof wish);
    connect();
    put(request_of(BLKIF_OP_READ, 1, 1));
    ring_bell(1);
    finish(0);
    put(request_of(BLKIF_OP_WRITE, 2, 2));
    ring_bell(1);
    finish(0);
    put(request_of(BLKIF_OP_FLUSH_DISKCACHE, 3, 0));
    put(discard);
    put(request_of(5, 4, 1));
    ring_bell(1);
    assert_answer(2, 4, 5, BLKIF_RSP_EOPNOTSUPP);
    disk_result = -EOPNOTSUPP;
    assert_int_equal(pending[1]->operation, BLOCK_DISCARD);
    assert_int_equal(pending[1]->sector, 3);
    assert_int_equal(pending[1]->sectors, 50);
    finish(0);
    assert_answer(3, 3, BLKIF_OP_FLUSH_DISKCACHE, BLKIF_RSP_EOPNOTSUPP);
    disk_result = -EIO;
    finish(0);
    assert_answer(4, 9, BLKIF_OP_DISCARD, BLKIF_RSP_ERROR);
    assert_int_equal(counters->requests, 5);
    assert_int_equal(counters->reads, 1);
    assert_int_equal(counters->writes, 1);
    assert_int_equal(counters->flushes, 1);
    assert_int_equal(counters->sectors_read, 8);
    assert_int_equal(counters->sectors_written, 15);
    assert_int_equal(counters->errors, 3);
}

static void assert_at_the_disk(enum block_operation operation)
{
    assert_int_equal(pending_count, 1);
    assert_int_equal(pending[0]->operation, operation);
}

/* What came before a barrier is done first, then the disk's cache is emptied, the barrier's data
 * written, the cache emptied again; and only then begins what came behind it. */
static void a_barrier(void **state)
{
    connect();
    put(request_of(BLKIF_OP_WRITE, 1, 1));
    put((blkif_request_t){ .operation = BLKIF_OP_READ,
                           .nr_segments = 1,
                           .id = 2,
                           .seg = { { .gref = 50, .last_sect = 7 } } });
    put(request_of(BLKIF_OP_WRITE_BARRIER, 3, 2));
    put(request_of(BLKIF_OP_WRITE, 4, 1));
    put(request_of(BLKIF_OP_WRITE_BARRIER, 5, 0));
    put(request_of(BLKIF_OP_READ, 6, 1));
    ring_bell(1);
    assert_int_equal(pending_count, 2);
    ring_bell(1);                               /* nothing more for asking */
    assert_int_equal(pending_count, 2);
    finish(0);
    assert_at_the_disk(BLOCK_READ);
    finish(0);
    assert_at_the_disk(BLOCK_FLUSH);
    ring_bell(1);
    kicks = 0;
    finish(0);
    assert_at_the_disk(BLOCK_WRITE);
    assert_int_equal(pending[0]->segments, 2);
    assert_true(kicks);
    ring_bell(1);
    kicks = 0;
    finish(0);
    assert_at_the_disk(BLOCK_FLUSH);
    assert_true(kicks);
    assert_int_equal(ring->rsp_prod, 2);
    finish(0);
    assert_answer(2, 3, BLKIF_OP_WRITE_BARRIER, BLKIF_RSP_OKAY);
    assert_at_the_disk(BLOCK_WRITE);            /* the next is a barrier, too */
    finish(0);
    assert_answer(3, 4, BLKIF_OP_WRITE, BLKIF_RSP_OKAY);
    assert_at_the_disk(BLOCK_FLUSH);
    finish(0);
    assert_answer(4, 5, BLKIF_OP_WRITE_BARRIER, BLKIF_RSP_OKAY);
    assert_at_the_disk(BLOCK_READ);
    finish(0);
    assert_answer(5, 6, BLKIF_OP_READ, BLKIF_RSP_OKAY);
    assert_int_equal(blkback_counters(back)->writes, 3);
    put(request_of(BLKIF_OP_READ, 7, 1));
    ring_bell(1);
    assert_at_the_disk(BLOCK_READ);             /* all is as it was */
    finish(0);
}

/* A step that fails is the barrier's end; the others go on. */
static void a_barrier_that_fails(void **state)
{
    connect();
    for (unsigned int steps = 1; steps <= 3; steps++) {
        put(request_of(BLKIF_OP_WRITE_BARRIER, steps, 1));
        put(request_of(BLKIF_OP_READ, 10 + steps, 1));
        ring_bell(1);
        for (unsigned int i = 1; i < steps; i++)
            finish(0);
        disk_result = -5;
        finish(0);
        disk_result = 0;
        assert_answer(2 * steps - 2, steps, BLKIF_OP_WRITE_BARRIER, BLKIF_RSP_ERROR);
        assert_at_the_disk(BLOCK_READ);
        finish(0);
    }
}

/* The connection ends in the middle of one: it is seen through, what waits behind it is not
 * begun. */
static void a_barrier_and_the_end(void **state)
{
    connect();
    put(request_of(BLKIF_OP_WRITE, 1, 1));
    put(request_of(BLKIF_OP_WRITE_BARRIER, 2, 1));
    put(request_of(BLKIF_OP_READ, 3, 1));
    ring_bell(1);
    finish(0);
    assert_at_the_disk(BLOCK_FLUSH);
    front_node("state", "5");
    blkback_changed(back);
    assert_int_equal(pending_count + mapped + rings_mapped, 0);
    assert_int_equal(ring->rsp_prod, 2);
    /* Of what waited there the next connection knows nothing: it asks to be rung for. */
    memset(page[RING], 0, 4096);
    front_node("state", "1");
    blkback_changed(back);
    front_node("state", "3");
    connect();
    assert_int_equal(ring->req_event, 1);
}

/* A disk may answer before block_submit returns. What is behind in the ring does not begin in the
 * midst of that: or the stack would be as deep as the ring is long. */
static unsigned int depth, deepest;

static void answer_at_once(struct blockdev *device, struct block_request *request)
{
    deepest = ++depth > deepest ? depth : deepest;
    request->done(request, 0);
    depth--;
}

static void a_disk_that_answers_at_once(void **state)
{
    disk.submit = answer_at_once;
    connect();
    deepest = 0;
    for (unsigned int i = 0; i < 8; i++)
        put(request_of(BLKIF_OP_READ, i, 1));
    ring_bell(1);
    assert_int_equal(ring->rsp_prod, 8);
    assert_int_equal(deepest, 1);
    for (unsigned int i = 0; i < 8; i++)        /* three steps each, but not within each other */
        put(request_of(BLKIF_OP_WRITE_BARRIER, i, 1));
    ring_bell(1);
    assert_int_equal(ring->rsp_prod, 16);
    assert_int_equal(mapped, 0);
}

/* Who is served in the event handler is woken by nobody, so it begins all there is. */
static void nobody_to_wake(void **state)
{
    connect();
    for (unsigned int i = 0; i < 8; i++) {
        blkif_request_t request = request_of(BLKIF_OP_READ, i, 11);

        for (unsigned int j = 0; j < 11; j++)
            request.seg[j].gref = DATA + 11 * i + j;
        put(request);
    }
    ring_bell(1);
    assert_int_equal(pending_count, 8);
    while (pending_count)
        finish(0);
    assert_int_equal(ring->rsp_prod, 8);
}

/* One grant of three that there is not: the others go back, the disk hears nothing. */
static void a_grant_that_is_none(void **state)
{
    connect();
    unmaps = 0;
    for (unsigned int i = 0; i < 3; i++) {
        bad_grant = DATA + i;
        put(request_of(BLKIF_OP_READ, i, 3));
        ring_bell(1);
        assert_answer(i, i, BLKIF_OP_READ, BLKIF_RSP_ERROR);
        assert_int_equal(mapped + pending_count, 0);
        assert_int_equal(unmaps, i + 1);        /* together */
    }
    bad_grant = UINT32_MAX;
    put(request_of(BLKIF_OP_READ, 5, 3));
    ring_bell(1);
    refuse_unmap = true;                     /* is said, and the request is answered all the same */
    finish(0);
    refuse_unmap = false;
    assert_int_equal(said, 1);
    assert_answer(3, 5, BLKIF_OP_READ, BLKIF_RSP_OKAY);
}

static void put_indirect(uint64_t id, unsigned int operation, unsigned int segments)
{
    blkif_request_indirect_t indirect = { .operation = BLKIF_OP_INDIRECT, .id = id,
                                          .indirect_op = (uint8_t)operation, .sector_number = 8,
                                          .nr_segments = (uint16_t)segments,
                                          .indirect_grefs = { SEGMENTS } };
    blkif_request_t request = { 0 };

    memcpy(&request, &indirect, sizeof indirect);
    put(request);
}

static void indirect_requests(void **state)
{
    struct blkif_request_segment *segment = (struct blkif_request_segment *)(void *)page[SEGMENTS];

    connect();
    for (unsigned int i = 0; i < 17; i++)
        segment[i] = (struct blkif_request_segment){ .gref = DATA + i, .last_sect = 7 };
    put_indirect(1, BLKIF_OP_WRITE, 16);
    ring_bell(1);
    assert_int_equal(pending[0]->segments, 16);
    assert_int_equal(pending[0]->sectors, 128);
    assert_int_equal(pending[0]->segment[15].machine, (uintptr_t)page[DATA + 15]);
    finish(0);
    assert_answer(0, 1, BLKIF_OP_WRITE, BLKIF_RSP_OKAY);
    put_indirect(2, BLKIF_OP_WRITE, 17);        /* more than the disk takes */
    put_indirect(3, BLKIF_OP_READ, 0);
    put_indirect(4, BLKIF_OP_FLUSH_DISKCACHE, 1);
    bad_grant = SEGMENTS;
    ring_bell(1);
    bad_grant = UINT32_MAX;
    assert_answer(1, 2, BLKIF_OP_WRITE, BLKIF_RSP_ERROR);
    assert_answer(2, 3, BLKIF_OP_READ, BLKIF_RSP_ERROR);
    assert_answer(3, 4, BLKIF_OP_FLUSH_DISKCACHE, BLKIF_RSP_ERROR);
    put_indirect(5, BLKIF_OP_FLUSH_DISKCACHE, 1);
    bad_grant = DATA;
    put_indirect(6, BLKIF_OP_READ, 1);
    ring_bell(1);
    assert_answer(4, 5, BLKIF_OP_FLUSH_DISKCACHE, BLKIF_RSP_EOPNOTSUPP);
    assert_answer(5, 6, BLKIF_OP_READ, BLKIF_RSP_ERROR);
    assert_int_equal(pending_count, 0);
    bad_grant = UINT32_MAX;
    disk.max_segments = 100;                    /* never more than a slot has room for */
    for (unsigned int i = 0; i < 33; i++)
        segment[i] = (struct blkif_request_segment){ .gref = DATA + i, .last_sect = 7 };
    put_indirect(7, BLKIF_OP_READ, 33);
    put_indirect(8, BLKIF_OP_READ, 32);
    ring_bell(1);
    assert_answer(6, 7, BLKIF_OP_READ, BLKIF_RSP_ERROR);
    assert_int_equal(pending[0]->segments, 32);
    assert_int_equal(pending[0]->sectors, 256);
    finish(0);
    assert_answer(7, 8, BLKIF_OP_READ, BLKIF_RSP_OKAY);
}

/* All the ring in flight, several times round it: each answer makes room for one more request. */
static void a_full_ring(void **state)
{
    unsigned int id = 0, answered = 0;

    connect();
    for (unsigned int round = 0; round < 5; round++) {
        while (ring->req_prod - ring->rsp_prod < 32)
            put((blkif_request_t){
                .operation = BLKIF_OP_READ,
                .id = id++,
                .nr_segments = 1,
                .seg = { { .gref = DATA + ring->req_prod % 32, .last_sect = 7 } } });
        ring_bell(1);
        assert_int_equal(pending_count, 32);
        for (unsigned int i = 0; i < 10 + round; i++) {
            finish((i * 7) % pending_count);
            answered++;
        }
        assert_int_equal(ring->rsp_prod, answered);
        /* Pages in use stay in use: all have gone before the next round names them again. */
        while (pending_count) {
            finish(pending_count - 1);
            answered++;
        }
    }
    assert_int_equal(mapped, 0);
    assert_int_equal(port[1].masked, false);
}

/* The disk is still writing: every page stays mapped until it has answered, and only then the
 * ring goes. */
static void disconnect_with_transfers_in_flight(void **state)
{
    static const char *const endings[] = { "5", "6", "" };

    for (unsigned int i = 0; i < 4; i++) {
        polls = yields = 0;
        polls_until_done = 5;
        reopen(*state, BLKBACK_WRITABLE);
        connect();
        put(request_of(BLKIF_OP_READ, 1, 3));
        put((blkif_request_t){ .operation = BLKIF_OP_WRITE, .nr_segments = 1, .id = 2,
                               .seg = { { .gref = 50, .last_sect = 7 } } });
        ring_bell(1);
        assert_int_equal(pending_count, 2);
        polls = 0;
        if (i < 3) {
            front_node("state", endings[i]);
            blkback_changed(back);
        } else {
            blkback_destroy(back);
            back = NULL;
        }
        assert_int_equal(pending_count + mapped + rings_mapped + bound, 0);
        assert_true(polls == 7 && yields >= 5);
        assert_answer(1, 2, BLKIF_OP_WRITE, BLKIF_RSP_OKAY);
        assert_int_equal(states[strlen(states) - 1], i == 0 ? '5' : '6');
        if (back)
            blkback_changed(back);              /* once more: harmless */
    }
}

/* What comes while the last transfers are waited for is not begun any more. */
static void one_more(void)
{
    assert_true(port[1].masked);                /* who rings without end takes no time */
    put((blkif_request_t){ .operation = BLKIF_OP_READ, .nr_segments = 1, .id = 9,
                           .seg = { { .gref = 50 + ring->req_prod, .last_sect = 7 } } });
    ring_bell(1);
}

static void nothing_new_while_disconnecting(void **state)
{
    connect();
    put(request_of(BLKIF_OP_READ, 1, 1));
    ring_bell(1);
    polls_until_done = 5;
    while_waiting = one_more;
    front_node("state", "5");
    blkback_changed(back);
    assert_int_equal(ring->rsp_prod, 1);
    assert_answer(0, 1, BLKIF_OP_READ, BLKIF_RSP_OKAY);
}

static void a_ring_that_lies(void **state)
{
    connect();
    put(request_of(BLKIF_OP_READ, 1, 1));
    ring_bell(1);
    blkback_service(back);                      /* nothing to do */
    assert_string_equal(states, "24");
    ring->req_prod = 33 + ring->rsp_prod;
    ring_bell(1);
    assert_true(port[1].masked);
    ring->req_prod = 1;                         /* too late to be honest */
    put((blkif_request_t){ .operation = BLKIF_OP_READ, .nr_segments = 1, .id = 2,
                           .seg = { { .gref = 50, .last_sect = 7 } } });
    port[1].masked = false;
    ring_bell(1);
    assert_int_equal(pending_count, 1);
    assert_string_equal(states, "24");          /* an event handler cannot reach the store */
    blkback_service(back);
    assert_string_equal(states, "2456");
    assert_non_null(strstr(said_in("error"), "impossible"));
    assert_int_equal(pending_count + mapped + rings_mapped + bound, 0);
    blkback_service(back);
    assert_string_equal(states, "2456");
    /* And may begin anew. */
    memset(page[RING], 0, 4096);
    front_node("state", "1");
    blkback_changed(back);
    front_node("state", "3");
    ring->req_event = ring->rsp_event = 1;
    connect();
    put(request_of(BLKIF_OP_READ, 1, 1));
    ring_bell(1);
    assert_int_equal(pending_count, 1);
    finish(0);
    assert_answer(0, 1, BLKIF_OP_READ, BLKIF_RSP_OKAY);
}

/* Half connected when its device is taken away, it never is: its disk would be at work when nobody
 * waits for that any more. */
static void closed_is_for_good(void **state)
{
    assert_true(blkback_close(back));
    put(request_of(BLKIF_OP_READ, 1, 1));
    blkback_changed(back);
    assert_int_equal(rings_mapped + bound + pending_count, 0);
    assert_string_equal(states, "2");
    front_node("state", "1");
    blkback_changed(back);
    front_node("state", "3");
    blkback_changed(back);
    assert_int_equal(rings_mapped + bound + pending_count, 0);
}

static void close_at_its_port(const char *path)
{
    if (strstr(path, "/event-channel"))
        assert_true(blkback_close(back));
}

static void closed_while_it_connects(void **state)
{
    put(request_of(BLKIF_OP_READ, 1, 1));
    while_read = close_at_its_port;
    blkback_changed(back);
    while_read = NULL;
    assert_int_equal(rings_mapped + bound + pending_count, 0);
    assert_string_equal(states, "2");
    assert_int_equal(said, 0);
}

/* The front end may have asked, and notified, before we were there. */
static void requests_from_before_the_binding(void **state)
{
    put(request_of(BLKIF_OP_READ, 1, 1));
    connect();
    assert_int_equal(pending_count, 1);
    assert_false(masked);
    assert_int_equal(ring->req_event, 2);       /* and the next one shall ring */
}

static void connections_that_fail(void **state)
{
    static const struct { const char *key, *value; } wrong[] = {
        { "ring-ref", "" }, { "ring-ref", "x" }, { "ring-ref", "4294967296" },
        { "ring-ref", "100" }, { "multi-queue-num-queues", "2" },
        { "event-channel", "" }, { "event-channel", "4294967296" },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(wrong) + 2; i++) {
        front_node("state", "1");
        blkback_changed(back);
        states[0] = 0;
        front_node("ring-ref", "1");
        front_node("event-channel", "5");
        front_node("multi-queue-num-queues", "1");
        front_node("state", "3");
        if (i < ARRAY_SIZE(wrong))
            front_node(wrong[i].key, wrong[i].value);
        else
            *(i == ARRAY_SIZE(wrong) ? &refuse_binding : &refuse_write) = 1;
        blkback_changed(back);
        assert_string_equal(states, "56");
        assert_int_equal(rings_mapped + bound, 0);
        assert_false(masked);
    }
    assert_int_equal(refused_bindings, 1);
}

static void what_is_published(void **state)
{
    assert_string_equal(said_in("feature-flush-cache"), "1");
    assert_string_equal(said_in("feature-barrier"), "1");
    assert_string_equal(said_in("feature-discard"), "1");
    assert_string_equal(said_in("discard-granularity"), "512");
    assert_string_equal(said_in("discard-alignment"), "0");
    assert_string_equal(said_in("feature-max-indirect-segments"), "16");
    assert_string_equal(said_in("multi-queue-max-queues"), "1");
    front_node("multi-queue-num-queues", "1");
    connect();
    assert_string_equal(said_in("sectors"), "1000");
    assert_string_equal(said_in("sector-size"), "512");
    assert_string_equal(said_in("info"), "0");
    disk.max_segments = 100;
    reopen(*state, 0);
    assert_string_equal(said_in("feature-discard"), "0");
    assert_null(said_in("discard-granularity"));
    assert_string_equal(said_in("feature-max-indirect-segments"), "32");
    connect();
    assert_string_equal(said_in("info"), "4");
    put(request_of(BLKIF_OP_WRITE, 1, 1));
    ring_bell(1);
    assert_answer(0, 1, BLKIF_OP_WRITE, BLKIF_RSP_ERROR);
    disk.flags ^= BLOCK_CAN_DISCARD;
    reopen(*state, BLKBACK_WRITABLE);
    assert_string_equal(said_in("feature-discard"), "0");
    disk.flags ^= BLOCK_CAN_DISCARD;
    reopen(*state, BLKBACK_WRITABLE | BLKBACK_NO_DISCARD);
    assert_string_equal(said_in("feature-discard"), "0");
    reopen(*state, BLKBACK_CDROM);
    connect();
    assert_string_equal(said_in("info"), "5");          /* VDISK_CDROM and VDISK_READONLY */
    for (unsigned int i = 1; i <= 6; i++) {     /* each of the six nodes may fail */
        blkback_destroy(back);
        forget_all();
        by_dma = *state != NULL;
        refuse_write = i;
        back = blkback_create(&store, 7, 51712, &disk, true);
        assert_string_equal(states, "56");
    }
}

static void without_memory_or_addresses(void **state)
{
    blkback_destroy(back);
    allocations_until_failure = 1;
    back = blkback_create(&store, 7, 51712, &disk, true);
    assert_null(back);
    allocations_until_failure = 0;
    for (unsigned int i = 0; i < 2 && !by_dma; i++) {
        no_addresses = i ? ERR_PTR(-ENOMEM) : addresses;
        back = blkback_create(&store, 7, 51712, &disk, true);
        no_addresses = NULL;
        assert_null(back);
    }
}

/* A ring that the hypervisor does not take back is said; nothing else can be done. */
static void a_ring_that_stays(void **state)
{
    connect();
    refuse_unmap = true;
    front_node("state", "5");
    blkback_changed(back);
    refuse_unmap = false;
    assert_int_equal(said, 1);
    front_node("state", "1");
    blkback_changed(back);
    front_node("state", "3");
    connect();
    front_node("state", "5");
    blkback_changed(back);
    assert_int_equal(said, 1);
}

int main(void)
{
    static char dma;
#define BOTH(test)                                                                                 \
    { #test, test, set_up, tear_down, NULL }, { #test "_by_dma", test, set_up, tear_down, &dma }
    const struct CMUnitTest tests[] = {
        BOTH(a_request_goes_and_comes), BOTH(counters_count), BOTH(a_grant_that_is_none),
        BOTH(a_barrier), BOTH(a_barrier_that_fails), BOTH(a_barrier_and_the_end),
        BOTH(a_disk_that_answers_at_once), BOTH(nobody_to_wake), BOTH(indirect_requests),
        BOTH(a_full_ring), BOTH(disconnect_with_transfers_in_flight),
        BOTH(nothing_new_while_disconnecting), BOTH(closed_is_for_good),
        BOTH(closed_while_it_connects), BOTH(a_ring_that_lies),
        BOTH(requests_from_before_the_binding), BOTH(connections_that_fail),
        BOTH(what_is_published),
        BOTH(without_memory_or_addresses), BOTH(a_ring_that_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
