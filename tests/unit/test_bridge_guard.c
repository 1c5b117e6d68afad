/* SPDX-License-Identifier: MIT */
/*
 * The bridge's guarded ports: a card's address is its own, its ARP speaks of it only, floods and
 * cards have a rate.
 */
#include "bridge_host.h"

/* --- guarded ports --- */

#define SECOND 1000000000ull

static const struct guard_rule alice = { .mac = { 0, 0x16, 0x3e, 0, 0, 1 } };
static const struct guard_rule mallory = { .mac = { 0, 0x16, 0x3e, 0, 0, 2 } };
static const uint8_t everybody[NET_MAC] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
static struct fake guarded[4];              /* ports 4 and on: behind the four without a guard */
static uint64_t called;

static void call(uint64_t when)
{
    called = when;
}

static int guarded_set_up(void **state)
{
    set_up(state);
    clock_now = 1000 * SECOND;
    called = 0;
    bridge.call = call;
    for (int i = 0; i < 4; i++)
        fake_init(&guarded[i]);
    assert_int_equal(bridge_attach_guarded(&bridge, &guarded[0].port, &alice), 0);
    assert_int_equal(bridge_attach_guarded(&bridge, &guarded[1].port, &mallory), 0);
    return 0;
}

static uint8_t *frame_between(const uint8_t *to, const uint8_t *from)
{
    static uint8_t frame[80];

    memset(frame, 0, sizeof frame);
    memcpy(frame, to, NET_MAC);
    memcpy(frame + NET_MAC, from, NET_MAC);
    return frame;
}

static uint64_t send_between(unsigned int port, const uint8_t *to, const uint8_t *from)
{
    return bridge_decide(&bridge, port, frame_between(to, from), 60, clock_now);
}

/* An ARP packet, perhaps behind `tags` VLAN tags, that says "`mac` has `ip`". */
static uint64_t arp(unsigned int port, const uint8_t *from, const uint8_t *mac, uint32_t ip,
                    unsigned int tags, size_t length)
{
    static const uint8_t head[] = { 8, 6, 0, 1, 8, 0, 6, 4, 0, 2 };
    uint8_t *at = frame_between(everybody, from) + 12;

    for (unsigned int i = 0; i < tags; i++, at += 4)
        memcpy(at, i % 2 ? "\x88\xa8\0\5" : "\x81\0\0\5", 4);
    memcpy(at, head, sizeof head);
    memcpy(at + 10, mac, NET_MAC);
    for (unsigned int i = 0; i < 4; i++)
        at[16 + i] = (uint8_t)(ip >> (24 - 8 * i));
    return bridge_decide(&bridge, port, at - 12 - 4 * tags, length, clock_now);
}

static void test_a_neighbours_address_cannot_be_taken(void **state)
{
    /* known before she says a word */
    assert_int_equal(send_between(0, alice.mac, (const uint8_t *)"\2\0\0\0\0\x77"), 0x10);
    assert_int_equal(send_between(5, everybody, alice.mac), 0);
    assert_int_equal(bridge.guard[5].spoofed, 1);
    /* nor anybody else's */
    assert_int_equal(send_between(5, everybody, (const uint8_t *)"\2\0\0\0\0\x78"), 0);
    assert_int_equal(bridge.guard[5].spoofed, 2);
    /* from outside neither */
    assert_int_equal(send_between(0, everybody, alice.mac), 0);
    assert_int_equal(bridge.guard[0].spoofed, 0);       /* it has no guard that could count */
    assert_int_equal(send_between(0, alice.mac, (const uint8_t *)"\2\0\0\0\0\x77"), 0x10);
    assert_int_equal(bridge.dropped, 3);
    assert_int_equal(send_between(5, alice.mac, mallory.mac), 0x10);
    assert_int_equal(send_between(4, mallory.mac, alice.mac), 0x20);
    assert_int_equal(bridge.guard[4].spoofed, 0);
}

static void test_a_pinned_address_does_not_age_or_give_way(void **state)
{
    uint8_t frame[60];

    clock_now += 10 * BRIDGE_AGE;
    assert_int_equal(send_between(0, alice.mac, (const uint8_t *)"\2\0\0\0\0\x77"), 0x10);
    memcpy(frame, frame_between(everybody, alice.mac), sizeof frame);
    frame[6] = 2;
    for (unsigned int i = 0; i < 100000; i++) {
        memcpy(frame + 8, &i, 4);
        bridge_decide(&bridge, 2, frame, sizeof frame, ++clock_now);
    }
    assert_int_equal(send_between(0, alice.mac, (const uint8_t *)"\2\0\0\0\0\x77"), 0x10);
    assert_int_equal(send_between(0, mallory.mac, (const uint8_t *)"\2\0\0\0\0\x77"), 0x20);
}

static void test_one_address_has_one_port(void **state)
{
    assert_int_equal(bridge_attach_guarded(&bridge, &guarded[2].port, &alice), -EEXIST);
    assert_null(guarded[2].port.receive);
    bridge_detach(&bridge, &guarded[0].port);
    assert_null(bridge_guard(&bridge, &guarded[0].port));
    /* nobody's: flooded */
    assert_int_equal(send_between(5, alice.mac, mallory.mac), 0x0f);
    /* and a stranger may have it */
    assert_int_equal(send_between(0, everybody, alice.mac), 0x2e);
    /* until it is somebody's */
    assert_int_equal(bridge_attach_guarded(&bridge, &guarded[2].port, &alice), 0);
    assert_int_equal(send_between(5, alice.mac, mallory.mac), 0x10);
    assert_non_null(bridge_guard(&bridge, &guarded[2].port));
    bridge_detach(&bridge, &guarded[2].port);
    /* at the same number, without a guard */
    assert_int_equal(bridge_attach(&bridge, &guarded[3].port), 0);
    assert_null(bridge_guard(&bridge, &guarded[3].port));
    assert_null(bridge_guard(&bridge, &fake[0].port));
}

/* Whoever writes a guest's configuration chooses its cards' addresses: they take nobody's place. */
static void test_addresses_chosen_to_collide(void **state)
{
    static struct fake many[BRIDGE_PORTS], late;
    struct guard_rule rule = alice;
    uint8_t mac[BRIDGE_PORTS][NET_MAC];
    unsigned int at = 0;

    /* with the same hash, the last places' in the table */
    for (uint32_t i = 0; i < 100000 && at < BRIDGE_PORTS - 6; i++) {
        uint32_t hash = 2166136261u;

        memcpy(rule.mac + 2, &i, 4);
        for (unsigned int j = 0; j < NET_MAC; j++)
            hash = (hash ^ rule.mac[j]) * 16777619u;
        if (((hash >> 16 ^ hash) & (BRIDGE_TABLE - 1)) != BRIDGE_TABLE - 2)
            continue;
        fake_init(&many[at]);
        memcpy(mac[at], rule.mac, NET_MAC);
        assert_int_equal(bridge_attach_guarded(&bridge, &many[at++].port, &rule), 0);
        assert_int_equal(send_between(0, rule.mac, (const uint8_t *)"\2\0\0\0\0\x77"),
                         1ull << (5 + at));     /* found where it is, at once */
    }
    assert_int_equal(at, BRIDGE_PORTS - 6);
    for (unsigned int i = 0; i < at; i++) {
        assert_int_equal(send_between(0, mac[i], (const uint8_t *)"\2\0\0\0\0\x77"),
                         1ull << (6 + i));
        assert_int_equal(send_between(0, everybody, mac[i]), 0);
    }
    bridge_detach(&bridge, &many[0].port);
    assert_int_equal(bridge_attach_guarded(&bridge, &many[0].port, &rule), -EEXIST);
    memcpy(rule.mac, mac[0], NET_MAC);
    assert_int_equal(bridge_attach_guarded(&bridge, &many[0].port, &rule), 0);
    assert_int_equal(send_between(0, mac[0], (const uint8_t *)"\2\0\0\0\0\x77"), 1ull << 6);
    /* one card more than there are ports: it takes nobody's place, and its address is not known */
    fake_init(&late);
    memcpy(rule.mac, "\2\0\0\0\0\x78", NET_MAC);
    assert_int_equal(bridge_attach_guarded(&bridge, &late.port, &rule), -ENOSPC);
    assert_null(late.port.receive);
    bridge_detach(&bridge, &many[1].port);
    assert_int_equal(bridge_attach_guarded(&bridge, &late.port, &rule), 0);
}

static void test_arp_speaks_of_its_sender(void **state)
{
    assert_int_equal(arp(4, alice.mac, alice.mac, 0x0a000205, 0, 60), 0x2f);
    assert_int_equal(arp(5, mallory.mac, alice.mac, 0x0a000205, 0, 60), 0);
    for (unsigned int tags = 0; tags < 4; tags++) {
        assert_int_equal(arp(5, mallory.mac, alice.mac, 0x0a000205, tags, 60), 0);
        assert_int_equal(arp(5, mallory.mac, mallory.mac, 0x0a000205, tags, 60), 0x1f);
        /* cut short */
        assert_int_equal(arp(5, mallory.mac, mallory.mac, 0x0a000205, tags, 14 + 4 * tags + 27), 0);
        assert_int_equal(arp(5, mallory.mac, mallory.mac, 0x0a000205, tags, 14 + 4 * tags + 28),
                         0x1f);
    }
    assert_int_equal(arp(5, alice.mac, alice.mac, 0x0a000205, 0, 60), 0);
    /* Of another kind of network, or of addresses of another length: nothing that any station here
     * would want. */
    for (unsigned int at = 14; at < 20; at++) {
        uint8_t *frame = frame_between(everybody, mallory.mac);

        memcpy(frame + 12, "\x8\x6\0\1\x8\0\6\4\0\2", 10);
        memcpy(frame + 22, mallory.mac, NET_MAC);
        assert_int_equal(bridge_decide(&bridge, 5, frame, 60, clock_now), 0x1f);
        frame[at] ^= 1;
        assert_int_equal(bridge_decide(&bridge, 5, frame, 60, clock_now), 0);
    }
}

/* In memory of exactly its size: ASan is the judge. */
static void test_frames_end_where_they_end(void **state)
{
    for (size_t length = NET_FRAME_MIN; length < 60; length++)
        for (unsigned int kind = 0; kind < 3; kind++) {
            uint8_t *frame = malloc(length);

            memset(frame, 0, length);
            memset(frame, 0xff, NET_MAC);
            memcpy(frame + NET_MAC, mallory.mac, NET_MAC);
            for (size_t i = 12; i < length; i++)
                frame[i] = (uint8_t)(kind == 0   ? i % 4 ? 0 : 0x81
                                     : kind == 1 ? i % 2 ? 6 : 8
                                     : i % 4 > 1 ? 0
                                     : i % 4     ? 0xa8
                                                 : 0x88);
            bridge_decide(&bridge, 5, frame, length, clock_now);
            free(frame);
        }
}

static void test_arp_names_the_given_addresses_only(void **state)
{
    struct guard_rule rule = { .mac = { 0, 0x16, 0x3e, 0, 0, 3 },
                               .address = { 0x0a000207, 0x0a000208 },
                               .addresses = 2 };

    assert_int_equal(bridge_attach_guarded(&bridge, &guarded[2].port, &rule), 0);
    assert_int_equal(arp(6, rule.mac, rule.mac, 0x0a000207, 0, 60), 0x3f);
    assert_int_equal(arp(6, rule.mac, rule.mac, 0x0a000208, 1, 60), 0x3f);
    /* is it free? */
    assert_int_equal(arp(6, rule.mac, rule.mac, 0, 0, 60), 0x3f);
    assert_int_equal(arp(6, rule.mac, rule.mac, 0x0a000209, 0, 60), 0);
    assert_int_equal(arp(6, rule.mac, rule.mac, 0x0a000209, 1, 60), 0);
    assert_int_equal(bridge.guard[6].spoofed, 2);
}

/* As many as there is room for; the next number in memory is none of them. */
static void test_arp_names_all_the_addresses_there_are(void **state)
{
    struct guard_rule rule = { .mac = { 0, 0x16, 0x3e, 0, 0, 3 },
                               .address = { 0x0a000207, 0x0a000208, 0x0a000209, 0x0a00020a },
                               .addresses = GUARD_ADDRESSES };

    assert_int_equal(bridge_attach_guarded(&bridge, &guarded[2].port, &rule), 0);
    for (uint32_t i = 0; i < GUARD_ADDRESSES; i++)
        assert_int_equal(arp(6, rule.mac, rule.mac, 0x0a000207 + i, 0, 60), 0x3f);
    assert_int_equal(arp(6, rule.mac, rule.mac, GUARD_ADDRESSES, 0, 60), 0);
    assert_int_equal(arp(6, rule.mac, rule.mac, 0x0a00020b, 0, 60), 0);
}

static void test_spoofing_is_an_option(void **state)
{
    struct guard_rule rule = { .mac = { 0, 0x16, 0x3e, 0, 0, 3 }, .spoof = true };
    static const uint8_t behind[NET_MAC] = { 2, 9, 9, 9, 9, 9 };

    assert_int_equal(bridge_attach_guarded(&bridge, &guarded[2].port, &rule), 0);
    assert_int_equal(send_between(6, everybody, behind), 0x3f);
    /* learned */
    assert_int_equal(send_between(4, behind, alice.mac), 0x40);
    /* but not the neighbour's */
    assert_int_equal(send_between(6, everybody, alice.mac), 0);
    assert_int_equal(bridge.guard[6].spoofed, 1);
    assert_int_equal(send_between(4, rule.mac, alice.mac), 0x40);
    assert_int_equal(arp(6, rule.mac, behind, 0x0a000205, 0, 60), 0x3f);
}

/* For all, for a group, and for stations that nobody knows: one allowance. */
static void test_floods_have_a_rate(void **state)
{
    static const uint8_t nobody[NET_MAC] = { 2, 8, 8, 8, 8, 8 },
                         group[NET_MAC] = { 1, 0, 0x5e, 0, 0, 1 };
    const uint8_t *const to[] = { everybody, nobody, group };
    unsigned int passed = 0;

    for (unsigned int i = 0; i < 3000; i++)
        passed += send_between(5, to[i % 3], mallory.mac) != 0;
    assert_int_equal(passed, GUARD_FLOOD_BURST);
    assert_int_equal(bridge.guard[5].floods, 3000 - GUARD_FLOOD_BURST);
    assert_int_equal(bridge.dropped, 3000 - GUARD_FLOOD_BURST);
    /* conversations go on */
    assert_int_equal(send_between(5, alice.mac, mallory.mac), 0x10);
    /* and others' floods */
    assert_int_equal(send_between(4, everybody, alice.mac), 0x2f);
    /* no guard, no limit */
    for (unsigned int i = 0; i < 1000; i++)
        assert_int_equal(send_between(0, everybody, (const uint8_t *)"\2\0\0\0\0\x77"), 0x3e);
    for (unsigned int i = passed = 0; i < 4000; i++, clock_now += SECOND / 1000)
        passed += send_between(5, everybody, mallory.mac) != 0;
    assert_in_range(passed, 4 * GUARD_FLOOD_RATE - 1, 4 * GUARD_FLOOD_RATE);
}

static void receive_large(struct netport *port, uint8_t *frame, size_t length)
{
    port->receive(port, frame, length, NET_CHECKSUM_BLANK | NET_GSO_TCP4 | NET_GSO_SIZE(256));
    while (port->unfinished)
        port->go_on(port);
}

/* A large frame is flooded in up to 256 pieces, and so it counts. */
static void test_floods_of_large_frames_have_it_too(void **state)
{
    static uint8_t frame[NET_LARGE_MAX] = { [12] = 0x08, 0x00, 0x45, [23] = 6, [46] = 0x50 };
    struct netport *port = &guarded[1].port;
    unsigned int before = fake[0].sent;

    memcpy(frame, everybody, NET_MAC);
    memcpy(frame + NET_MAC, mallory.mac, NET_MAC);
    for (unsigned int i = 0; i < 100; i++)
        receive_large(port, frame, sizeof frame);
    assert_in_range(fake[0].sent - before, 256, GUARD_FLOOD_BURST);
    /* conversations have no such limit */
    memcpy(frame, alice.mac, NET_MAC);
    before = guarded[0].sent;
    for (unsigned int i = 0; i < 10; i++)
        receive_large(port, frame, sizeof frame);
    assert_int_equal(guarded[0].sent - before, 10 * 256);
}

static void fake_poll(struct netport *port)
{
    ((struct fake *)port->context)->flushed += 100;
}

/* 100,000 bytes a second: the card stops when it has spent its 5,000, and goes on when its debt is
 * paid. */
static void test_a_rate_stops_the_card(void **state)
{
    struct guard_rule rule = { .mac = { 0, 0x16, 0x3e, 0, 0, 3 }, .rate = 100000, .burst = 5000 };
    struct netport *port = &guarded[2].port;
    static uint8_t frame[1000];

    port->poll = fake_poll;
    assert_int_equal(bridge_attach_guarded(&bridge, port, &rule), 0);
    memcpy(frame, frame_between(alice.mac, rule.mac), 60);
    for (unsigned int i = 0; i < 4; i++)
        port->receive(port, frame, sizeof frame, 0);
    assert_false(port->paused);
    port->receive(port, frame, sizeof frame, 0);
    assert_true(port->paused);
    assert_int_equal(called, clock_now + SECOND / 100000);
    /* the rest of the batch: taken, and paid for */
    for (unsigned int i = 0; i < 10; i++)
        port->receive(port, frame, sizeof frame, 0);
    assert_int_equal(guarded[0].sent, 15);
    bridge_resume(&bridge);
    assert_true(port->paused);
    assert_int_equal(called, clock_now + SECOND / 10 + SECOND / 100000);
    clock_now = called - 1;
    bridge_resume(&bridge);
    assert_true(port->paused);
    clock_now++;
    bridge_resume(&bridge);
    assert_false(port->paused);
    assert_int_equal(guarded[2].flushed, 100);                  /* polled, once */
    assert_int_equal(bridge.guard[6].pauses, 1);
    called = 0;
    bridge_resume(&bridge);
    assert_int_equal(called, 0);
    port->receive(port, frame, sizeof frame, 0);
    assert_true(port->paused);
    bridge_detach(&bridge, port);
    assert_false(port->paused);
    assert_int_equal(bridge_attach(&bridge, port), 0);          /* its place is another's now */
    for (unsigned int i = 0; i < 100; i++)
        port->receive(port, frame, sizeof frame, 0);
    assert_false(port->paused);
    /* without a rate there is no debt */
    port = &guarded[0].port;
    memcpy(frame, frame_between(mallory.mac, alice.mac), 60);
    for (unsigned int i = 0; i < 1000; i++)
        port->receive(port, frame, sizeof frame, 0);
    assert_false(port->paused);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_a_neighbours_address_cannot_be_taken, guarded_set_up),
        cmocka_unit_test_setup(test_a_pinned_address_does_not_age_or_give_way, guarded_set_up),
        cmocka_unit_test_setup(test_one_address_has_one_port, guarded_set_up),
        cmocka_unit_test_setup(test_addresses_chosen_to_collide, guarded_set_up),
        cmocka_unit_test_setup(test_arp_speaks_of_its_sender, guarded_set_up),
        cmocka_unit_test_setup(test_frames_end_where_they_end, guarded_set_up),
        cmocka_unit_test_setup(test_arp_names_the_given_addresses_only, guarded_set_up),
        cmocka_unit_test_setup(test_arp_names_all_the_addresses_there_are, guarded_set_up),
        cmocka_unit_test_setup(test_spoofing_is_an_option, guarded_set_up),
        cmocka_unit_test_setup(test_floods_have_a_rate, guarded_set_up),
        cmocka_unit_test_setup(test_floods_of_large_frames_have_it_too, guarded_set_up),
        cmocka_unit_test_setup(test_a_rate_stops_the_card, guarded_set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
