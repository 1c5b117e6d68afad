/* SPDX-License-Identifier: MIT */
/*
 * The block and network back ends against a guest that is faster than they are: whenever one of its
 * requests is looked at, its ring is full again. Serving ends with the budget all the same and says
 * that there is more; the event handler does nothing but wake; and nothing is forgotten when the
 * guest stops in the moment of the last look.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <drivers/blkback.h>
#include <drivers/netback.h>
#include <pvguest/events.h>
#include <pvguest/grant.h>
#include <xen/io/blkif.h>
#include <xen/io/netif.h>
#include "serving_host.h"

/* --- disk --- */

/* Answers in the moment it is asked, so that the guest may ask again. */
static void submit(struct blockdev *device, struct block_request *request)
{
    request->done(request, 0);
}
static void nothing(struct blockdev *device)
{
}
static unsigned int kicks;
static void kick(struct blockdev *device)
{
    kicks++;
}

static struct blockdev disk = { .name = "quick",
                                .sectors = 1000,
                                .max_segments = 32,
                                .flags = BLOCK_BY_DMA,
                                .submit = submit,
                                .kick = nothing,
                                .poll = nothing };

static void refill_block(void)
{
    refills++;
    assert_true(refills < 10000);       /* it goes on for as long as the guest does */
    for (; block_ring->req_prod - block_ring->rsp_prod < 32; block_ring->req_prod++)
        block_ring->ring[block_ring->req_prod & 31].req = (blkif_request_t){
            .operation = BLKIF_OP_READ, .nr_segments = 1, .seg = { { .gref = 1, .last_sect = 7 } }
        };
}

static struct blkback_quota quota;

static void disk_serves_a_budget(void **state)
{
    struct blkback *back = blkback_create(&store, 7, 51712, &disk, true);

    quota.pages = 99;                   /* of who had this memory before */
    blkback_quota_init(&quota);
    assert_int_equal(quota.pages, 0);
    memset(ring_page, 0, sizeof ring_page);
    block_ring->req_event = 1;
    woken = refills = 0;
    blkback_on_work(back, wake, &woken, &quota);
    blkback_changed(back);
    assert_int_equal(woken, 1);         /* what came before the connection */
    refill = refill_block;
    refill();
    handler(1, handler_data);
    assert_int_equal(woken, 2);
    assert_true(port_masked[1]);        /* does not ring again before its turn */
    assert_int_equal(blkback_counters(back)->requests, 0);
    /* a request costs two units: it is begun, and it is answered */
    for (unsigned int turn = 1; turn < 50; turn++) {
        assert_true(blkback_serve(back, 8));
        assert_false(port_masked[1]);
        assert_int_equal(blkback_counters(back)->requests + block_ring->rsp_prod, turn * 8);
    }
    refill = NULL;                      /* it stops: the rest is served, and an event asked for */
    do
        woken = 0;
    while (blkback_serve(back, 8) || woken);
    assert_int_equal(block_ring->rsp_prod, block_ring->req_prod);
    assert_int_equal(block_ring->req_event, block_ring->req_prod + 1);
    blkback_destroy(back);
}

/* A guest asks for as much as its ring holds. What is at the disk at once is bounded, and goes on
 * when some of it is finished. */
static struct block_request *at_disk[32];
static unsigned int in_flight;

static void keep(struct blockdev *device, struct block_request *request)
{
    assert_true(in_flight < 32);
    at_disk[in_flight++] = request;
}

static void little_is_at_the_disk(void **state)
{
    static struct blockdev slow = { .name = "slow",
                                    .sectors = 1000,
                                    .max_segments = 32,
                                    .flags = BLOCK_BY_DMA,
                                    .submit = keep,
                                    .kick = nothing,
                                    .poll = nothing };
    struct blkback *back = blkback_create(&store, 7, 51712, &slow, true);

    memset(ring_page, 0, sizeof ring_page);
    block_ring->req_event = 1;
    woken = in_flight = 0;
    blkback_on_work(back, wake, &woken, &quota);
    blkback_changed(back);
    for (unsigned int i = 0; i < 32; i++) {
        blkif_request_t *request = &block_ring->ring[block_ring->req_prod++].req;

        *request = (blkif_request_t){ .operation = BLKIF_OP_READ, .nr_segments = 11 };
        for (unsigned int j = 0; j < 11; j++)
            request->seg[j] = (struct blkif_request_segment){ .gref = 1, .last_sect = 7 };
    }
    for (unsigned int answered = 0; answered < 32; answered++) {
        woken = 0;
        while (blkback_serve(back, 2))
            ;
        assert_int_equal(woken, 0);
        assert_int_equal(block_ring->rsp_prod, answered);
        assert_int_equal(in_flight, answered < 30 ? 3 : 32 - answered);
        at_disk[0]->done(at_disk[0], 0);
        memmove(at_disk, at_disk + 1, --in_flight * sizeof at_disk[0]);
        assert_int_equal(woken, 1);
    }
    while (blkback_serve(back, 2))
        ;
    assert_int_equal(block_ring->rsp_prod, 32);
    assert_int_equal(block_ring->req_event, 33);
    blkback_destroy(back);
}

static void ask(blkif_sring_t *ring, unsigned int requests, unsigned int pages)
{
    while (requests--) {
        blkif_request_t *request = &ring->ring[ring->req_prod++ & 31].req;

        *request = (blkif_request_t){ .operation = BLKIF_OP_READ, .nr_segments = (uint8_t)pages };
        for (unsigned int j = 0; j < pages; j++)
            request->seg[j] = (struct blkif_request_segment){ .gref = 1, .last_sect = 7 };
    }
}

static unsigned int second_woken;
static void wake_second(void *waker)
{
    second_woken++;
}

static struct blkback *open_second(struct blockdev *device)
{
    struct blkback *second = blkback_create(&store, 7, 51728, device, true);

    blkback_on_work(second, wake_second, NULL, &quota);
    second_disk = 1;
    blkback_changed(second);
    second_disk = 0;
    return second;
}

static void answer_first(void)
{
    at_disk[0]->done(at_disk[0], 0);
    memmove(at_disk, at_disk + 1, --in_flight * sizeof at_disk[0]);
}

/* More disks are no more of the real one: the two of a guest take turns. */
static void all_disks_of_a_guest_have_one_quota(void **state)
{
    static struct blockdev slow = { .name = "slow", .sectors = 1000, .max_segments = 32,
                                    .flags = BLOCK_BY_DMA, .submit = keep, .kick = nothing,
                                    .poll = nothing };
    blkif_sring_t *second_ring = (blkif_sring_t *)(void *)ring_page[1];
    struct blkback *back = blkback_create(&store, 7, 51712, &slow, true), *second;

    memset(ring_page, 0, sizeof ring_page);
    blkback_quota_init(&quota);
    in_flight = second_woken = 0;
    blkback_on_work(back, wake, &woken, &quota);
    blkback_changed(back);
    second = open_second(&slow);
    ask(block_ring, 6, 11);
    ask(second_ring, 6, 11);
    while (blkback_serve(back, 2))
        ;
    assert_int_equal(in_flight, 3);
    second_woken = 0;
    assert_false(blkback_serve(second, 2));
    assert_int_equal(in_flight, 3);
    answer_first();                             /* it waited first */
    assert_false(blkback_serve(back, 4));
    assert_true(in_flight == 3 && second_woken == 0);
    answer_first();                             /* and now the other is next */
    assert_false(blkback_serve(back, 4));
    assert_true(in_flight == 2 && second_woken == 1);
    assert_false(blkback_serve(second, 4));
    assert_true(in_flight == 3 && second_woken == 1);
    woken = 0;
    answer_first();
    assert_false(blkback_serve(back, 4));
    assert_true(in_flight == 3 && woken == 1);  /* the disk has told it so */
    while (in_flight)                           /* who ends leaves its room to the other */
        answer_first();
    second_woken = 0;
    blkback_destroy(back);
    assert_true(second_woken > 0);
    while (blkback_serve(second, 2))
        ;
    assert_int_equal(second_ring->rsp_prod, 1);
    assert_int_equal(in_flight, 3);
    while (in_flight)
        answer_first();
    blkback_destroy(second);
    assert_int_equal(quota.pages, 0);
    assert_true(list_empty(&quota.waiting));
}

/* A flush has no pages, but the disk works for it. */
static void few_flushes_are_at_the_disk(void **state)
{
    static struct blockdev slow = { .name = "slow", .sectors = 1000, .max_segments = 32,
                                    .flags = BLOCK_BY_DMA | BLOCK_CAN_FLUSH, .submit = keep,
                                    .kick = nothing, .poll = nothing };
    struct blkback *back = blkback_create(&store, 7, 51712, &slow, true);

    memset(ring_page, 0, sizeof ring_page);
    blkback_quota_init(&quota);
    in_flight = 0;
    blkback_on_work(back, wake, &woken, &quota);
    blkback_changed(back);
    while (block_ring->req_prod < 32)
        block_ring->ring[block_ring->req_prod++].req =
            (blkif_request_t){ .operation = BLKIF_OP_FLUSH_DISKCACHE };
    for (unsigned int answered = 0; answered < 32; answered++) {
        while (blkback_serve(back, 2))
            ;
        assert_int_equal(block_ring->rsp_prod, answered);
        assert_int_equal(in_flight, answered < 30 ? 3 : 32 - answered);
        answer_first();
    }
    blkback_destroy(back);
    assert_int_equal(quota.pages, 0);
}

/*
 * A slow disk holds nobody up but those that use it: who closes a device does not wait for what is
 * in flight, and is called again when that has come back. Nothing new is begun meanwhile, and the
 * guest's other disk goes on.
 */
static struct blkback *slow_disk(unsigned int requests, unsigned int pages)
{
    static struct blockdev slow = { .name = "slow",
                                    .sectors = 1000,
                                    .max_segments = 32,
                                    .flags = BLOCK_BY_DMA | BLOCK_CAN_FLUSH,
                                    .submit = keep,
                                    .kick = kick,
                                    .poll = nothing };
    struct blkback *back = blkback_create(&store, 7, 51712, &slow, true);

    memset(ring_page, 0, sizeof ring_page);
    blkback_quota_init(&quota);
    in_flight = woken = yields = 0;
    blkback_on_work(back, wake, &woken, &quota);
    assert_false(blkback_serve(back, 8));       /* there is no ring yet */
    blkback_changed(back);
    ask(block_ring, requests, pages);
    assert_false(blkback_serve(back, 4));
    assert_int_equal(in_flight, requests);
    return back;
}

static void nobody_waits_for_a_slow_disk(void **state)
{
    struct blkback *back = slow_disk(2, 3);

    front_state = "6";
    blkback_changed(back);
    blkback_changed(back);
    assert_int_equal(yields, 0);
    assert_int_equal(back_state, '4');
    ask(block_ring, 1, 1);                      /* too late */
    assert_false(blkback_serve(back, 8));
    assert_int_equal(in_flight, 2);
    answer_first();
    assert_false(blkback_serve(back, 8));
    assert_false(blkback_is_due(back));
    assert_int_equal(block_ring->rsp_prod, 1);
    answer_first();
    assert_true(!blkback_serve(back, 8) && blkback_is_due(back));
    blkback_service(back);
    blkback_changed(back);
    assert_int_equal(back_state, '6');
    assert_false(blkback_is_due(back));
    assert_true(block_ring->rsp_prod == 2 && quota.pages == 0 && yields == 0);
    blkback_destroy(back);
    front_state = NULL;
}

static void a_liars_requests_are_waited_for_by_nobody(void **state)
{
    struct blkback *back = slow_disk(2, 3);

    block_ring->req_prod += 100;
    assert_false(blkback_serve(back, 8));
    blkback_service(back);
    assert_true(back_state == '4' && yields == 0 && !blkback_is_due(back));
    while (in_flight)
        answer_first();
    assert_true(blkback_serve(back, 1));        /* an answer a unit */
    assert_true(!blkback_serve(back, 1) && blkback_is_due(back));
    blkback_service(back);
    assert_true(back_state == '6' && yields == 0);
    blkback_destroy(back);
}

/* Idle is a disk when all that stood in the ring is answered, and the answers are there. */
static void idle_when_all_is_answered(void **state)
{
    struct blkback *back = slow_disk(2, 3);

    for (int i = 0; i < 2; i++) {
        assert_false(blkback_idle(back));
        answer_first();
    }
    assert_false(blkback_serve(back, 8));
    assert_true(blkback_idle(back) && block_ring->rsp_prod == 2);
    ask(block_ring, 1, 1);                      /* nobody has looked so far */
    assert_false(blkback_idle(back));
    assert_false(blkback_serve(back, 8) || blkback_idle(back));
    answer_first();
    assert_false(blkback_serve(back, 8));
    assert_true(blkback_idle(back));
    ask(block_ring, 1, 1);
    assert_true(blkback_close(back) && blkback_idle(back));     /* nobody will */
    blkback_destroy(back);
}

/* Who waits in front of the guest's other disk, and closes, makes way for it. */
static void who_closes_makes_way(void **state)
{
    struct blkback *back = slow_disk(3, 11), *second = open_second(&disk);

    ask(block_ring, 1, 1);
    assert_false(blkback_serve(back, 8));       /* it waits for room */
    second_woken = 0;
    answer_first();
    assert_false(blkback_close(back));
    assert_int_equal(second_woken, 0);          /* which does not wait yet */
    ask((blkif_sring_t *)(void *)ring_page[1], 1, 11);
    while (blkback_serve(second, 8))
        ;
    assert_int_equal(second_woken, 0);
    assert_false(blkback_serve(back, 8));
    assert_int_equal(second_woken, 1);
    do
        second_woken = 0;
    while (blkback_serve(second, 8) || second_woken);
    assert_int_equal(((blkif_sring_t *)(void *)ring_page[1])->rsp_prod, 1);
    blkback_destroy(second);
    while_waiting = answer_first;               /* at its very end it is waited for */
    blkback_destroy(back);
    while_waiting = NULL;
    assert_true(yields == 2 && quota.pages == 0 && list_empty(&quota.waiting));
}

/* At once, even if it has been told that there is room: what it has at the disk may take long. */
static void who_waits_behind_is_told(void **state)
{
    struct blkback *back = slow_disk(2, 11), *second = open_second(&disk);

    ask((blkif_sring_t *)(void *)ring_page[1], 3, 11);
    assert_false(blkback_serve(second, 8));     /* one begins, the next waits */
    ask(block_ring, 1, 1);
    assert_false(blkback_serve(back, 8));
    assert_false(blkback_serve(second, 8));     /* that one begins, the last waits behind */
    woken = second_woken = 0;
    assert_false(blkback_serve(second, 8));
    assert_int_equal(woken, 1);
    assert_false(blkback_close(back));
    assert_int_equal(second_woken, 1);
    while_waiting = answer_first;
    blkback_destroy(back);
    while_waiting = NULL;
    blkback_destroy(second);
    assert_true(quota.pages == 0 && list_empty(&quota.waiting));
}

/* A barrier has begun when its device is closed: its next steps are given to the disk all the
 * same, which hears of them when it is kicked. */
static void a_barrier_is_seen_through(void **state)
{
    struct blkback *back = slow_disk(0, 0);

    block_ring->ring[block_ring->req_prod++].req = (blkif_request_t){
        .operation = BLKIF_OP_WRITE_BARRIER, .nr_segments = 1, .seg = { { .last_sect = 7 } }
    };
    assert_false(blkback_serve(back, 4));
    assert_false(blkback_close(back));
    for (unsigned int steps_left = 2; steps_left > 0; steps_left--) {
        answer_first();
        kicks = 0;
        assert_false(blkback_serve(back, 4));
        assert_true(in_flight == 1 && kicks > 0);
    }
    answer_first();
    assert_true(!blkback_serve(back, 4) && blkback_is_due(back));
    blkback_destroy(back);
}

static struct blkback *second_of_the_guest(void)
{
    struct blkback *second = open_second(&disk);

    ask((blkif_sring_t *)(void *)ring_page[1], 1, 11);
    assert_false(blkback_serve(second, 8));     /* the first has all the room */
    second_woken = 0;
    return second;
}

/* Whose ring lies asks for nothing more, so it stands in nobody's way. */
static void a_liar_does_not_wait_for_room(void **state)
{
    struct blkback *back = slow_disk(3, 11), *second;

    block_ring->req_prod += 100;
    assert_false(blkback_serve(back, 8));
    second = second_of_the_guest();
    answer_first();
    assert_false(blkback_serve(back, 8));
    assert_int_equal(second_woken, 1);
    while (in_flight)
        answer_first();
    blkback_destroy(back);
    while (blkback_serve(second, 8))
        ;
    blkback_destroy(second);
    assert_true(quota.pages == 0 && list_empty(&quota.waiting));
}

/* The last page over the limit is what the others wait for. */
static void the_others_are_woken_at_the_limit(void **state)
{
    struct blkback *back = slow_disk(2, 11), *second;

    ask(block_ring, 1, 10);
    ask(block_ring, 1, 1);
    assert_false(blkback_serve(back, 8));
    assert_int_equal(in_flight, 4);
    second = second_of_the_guest();
    at_disk[3]->done(at_disk[3], 0);
    in_flight--;
    assert_false(blkback_serve(back, 8));
    assert_int_equal(second_woken, 1);
    while (in_flight)
        answer_first();
    blkback_destroy(back);
    while (blkback_serve(second, 8))
        ;
    blkback_destroy(second);
}

/* --- card --- */

static void receive(struct netport *port, void *frame, size_t length, uint32_t flags)
{
    frames++;
}

static void refill_net(void)
{
    refills++;
    assert_true(refills < 10000);
    for (; net_ring->req_prod - net_ring->rsp_prod < 256; net_ring->req_prod++)
        net_ring->ring[net_ring->req_prod & 255].req = (netif_tx_request_t){ .gref = 1,
                                                                             .size = 60 };
}

/* As many frames of 40,000 bytes as there is room for: a slot, extra information, nine slots
 * more. */
static void refill_net_large(void)
{
    const netif_extra_info_t gso = { .type = XEN_NETIF_EXTRA_TYPE_GSO,
                                     .u.gso = { .size = 256, .type = XEN_NETIF_GSO_TYPE_TCPV4 } };

    refills++;
    assert_true(refills < 10000);
    while (256 - (net_ring->req_prod - net_ring->rsp_prod) >= 11) {
        for (unsigned int i = 0; i < 11; i++) {
            netif_tx_request_t *slot = &net_ring->ring[(net_ring->req_prod + i) & 255].req;

            *slot = (netif_tx_request_t){ .gref = 1,
                                          .size = i ? 4096 : 40000,
                                          .flags = i < 10 ? NETTXF_more_data : 0 };
            if (i == 0)
                slot->flags |= NETTXF_csum_blank | NETTXF_extra_info;
            if (i == 1)
                memcpy(slot, &gso, sizeof gso);
        }
        net_ring->req_prod += 11;
    }
}

/* As many frames of 16 slots as there is room for; `odd` is what their sum lacks. */
#define SLOTS_OF_ONE 16u
static unsigned int odd;

static void refill_net_pieces(void)
{
    refills++;
    assert_true(refills < 10000);
    for (; 256 - (net_ring->req_prod - net_ring->rsp_prod) >= SLOTS_OF_ONE;
         net_ring->req_prod += SLOTS_OF_ONE)
        for (unsigned int i = 0; i < SLOTS_OF_ONE; i++)
            net_ring->ring[(net_ring->req_prod + i) & 255].req = (netif_tx_request_t){
                .gref = 1,
                .size = i ? 4 : 4 * SLOTS_OF_ONE - odd,
                .flags = i + 1 < SLOTS_OF_ONE ? NETTXF_more_data : 0 };
}

static struct netback *open_card(void)
{
    static const uint8_t mac[6];
    struct netback *back = netback_create(&store, 7, 0, mac);
    struct netport *port = netback_port(back);

    memset(ring_page, 0, sizeof ring_page);
    net_ring->req_event = 1;
    woken = refills = frames = 0;
    port->receive = receive;
    port->waker = &woken;
    port->wake = wake;
    netback_changed(back);
    return back;
}

/* A large frame is as many as it may be cut into: what becomes of it costs so much. */
static void large_frames_cost_their_pieces(void **state)
{
    struct netback *back = open_card();
    struct netport *port = netback_port(back);

    refill = refill_net_large;
    refill();
    for (unsigned int turn = 1; turn < 50; turn++) {
        assert_true(port->serve(port, 20));
        assert_int_equal(frames, turn);
    }
    refill = NULL;
    while (port->serve(port, 1))            /* But one is always served. */
        ;
    assert_int_equal(net_ring->rsp_prod, net_ring->req_prod);
    netback_destroy(back);
}

/* Whom the bridge pauses while it is served is not asked for again, however much there is. */
/* A small one of many pieces is as many as half of these, whether or not it makes sense. */
static void many_pieces_are_many_frames(void **state)
{
    struct netback *back = open_card();
    struct netport *port = netback_port(back);

    refill = refill_net_pieces;
    for (odd = 0; odd < 100; odd += 60) {
        uint32_t before;

        refill();
        before = net_ring->rsp_prod;
        for (unsigned int turn = 1; turn < 20; turn++) {
            assert_true(port->serve(port, 8));
            assert_int_equal(net_ring->rsp_prod - before, turn * SLOTS_OF_ONE);
        }
    }
    assert_in_range(frames, 19, 19 + 256 / SLOTS_OF_ONE);
    refill = NULL;
    while (port->serve(port, 8))
        ;
    netback_destroy(back);
}

static void pause_it(struct netport *port, void *frame, size_t length, uint32_t flags)
{
    port->paused = true;
}

static void a_card_that_is_paused(void **state)
{
    struct netback *back = open_card();
    struct netport *port = netback_port(back);

    port->receive = pause_it;
    refill = refill_net;
    refill();
    assert_false(port->serve(port, 20));
    refill = NULL;
    netback_destroy(back);
}

static void card_serves_a_budget(void **state)
{
    struct netback *back = open_card();
    struct netport *port = netback_port(back);

    assert_int_equal(woken, 1);
    refill = refill_net;
    refill();
    handler(1, handler_data);
    assert_int_equal(woken, 2);
    assert_true(port_masked[1]);        /* does not ring again before its turn */
    assert_int_equal(frames, 0);
    for (unsigned int turn = 1; turn < 50; turn++) {
        assert_true(port->serve(port, 20));
        assert_false(port_masked[1]);
        assert_int_equal(frames, turn * 20);
    }
    refill = NULL;
    while (port->serve(port, 1000))
        ;
    assert_int_equal(net_ring->rsp_prod, net_ring->req_prod);
    assert_int_equal(net_ring->req_event, net_ring->req_prod + 1);
    netback_destroy(back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(disk_serves_a_budget), cmocka_unit_test(little_is_at_the_disk),
        cmocka_unit_test(all_disks_of_a_guest_have_one_quota),
        cmocka_unit_test(few_flushes_are_at_the_disk),
        cmocka_unit_test(nobody_waits_for_a_slow_disk),
        cmocka_unit_test(a_liars_requests_are_waited_for_by_nobody),
        cmocka_unit_test(idle_when_all_is_answered), cmocka_unit_test(a_barrier_is_seen_through),
        cmocka_unit_test(who_closes_makes_way), cmocka_unit_test(who_waits_behind_is_told),
        cmocka_unit_test(a_liar_does_not_wait_for_room),
        cmocka_unit_test(the_others_are_woken_at_the_limit),

        cmocka_unit_test(card_serves_a_budget), cmocka_unit_test(a_card_that_is_paused),
        cmocka_unit_test(large_frames_cost_their_pieces),
        cmocka_unit_test(many_pieces_are_many_frames),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
