/* SPDX-License-Identifier: MIT */
/*
 * dom0's stream alone, for tests that look at each of its steps: segments are structs, those that
 * go are kept in sent[], and the clock is the test's.
 */
#ifndef TESTS_UNIT_STREAM_STEPS_HOST_H
#define TESTS_UNIT_STREAM_STEPS_HOST_H

#include <string.h>
#include "dom0/network/endpoint.h"
#include "dom0/network/packet.h"

#define MS 1000000ull
#define THERE 0x0a000202u
#define WINDOW 60000u
#define ISN 5000u                       /* the peer's first number */

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };

static struct endpoint own;
static struct stream *const s = &own.stream;
static uint64_t clock_ns;
static struct segment sent[64];
static unsigned count, refusals, seeks, changes;
static uint32_t sought;
static bool no_room;
static const uint8_t mac[NET_MAC] = { 1, 2, 3, 4, 5, 6 }, mss_1000[2] = { 1000 >> 8, 1000 & 255 };

static uint64_t now(void)
{
    return clock_ns;
}
static void changed(struct stream *stream)
{
    assert_ptr_equal(stream, s);
    changes++;
}
bool segment_send(struct endpoint *endpoint, const struct segment *segment)
{
    assert_ptr_equal(endpoint, &own);
    if (no_room) return false;
    assert_true(count < 64);
    sent[count++] = *segment;
    return true;
}
void segment_refuse(struct endpoint *endpoint, const struct segment *segment)
{
    refusals++;
}
const uint8_t *segment_option(const struct segment *segment, unsigned kind, size_t size)
{
    assert_true(kind == SEGMENT_OPTION_MSS && size == 4);
    return segment->options;
}
uint32_t segment_first_number(uint64_t secret, const struct tcp_peer *peer, uint32_t theirs)
{
    return (uint32_t)(secret >> 8) * 31 + peer->address * 5 + peer->port * 7 + theirs * 11;
}
void endpoint_seek(struct endpoint *endpoint, uint32_t address)
{
    seeks++;
    sought = address;
}

static struct tcp_peer peer_there(void)
{
    struct tcp_peer peer = { .port = STREAM_PORT, .address = THERE };

    memcpy(peer.mac, mac, NET_MAC);
    return peer;
}

/* PSH, URG and the rest say nothing. */
#define NOISE 0xe8u

static inline void take(uint32_t sequence, uint32_t ack, unsigned flags, uint32_t length)
{
    static const uint8_t bytes[70000];
    struct segment segment = {
        .peer = peer_there(), .port = s->port, .sequence = sequence, .ack = ack,
        .flags = flags | NOISE, .window = WINDOW, .data = bytes, .length = length, .first = length,
    };

    count = 0;
    stream_take(&own, &segment);
}

static int set_up(void **state)
{
    memset(&own, 0, sizeof(own));
    clock_ns = 0x123456789abcull;
    own.now = now;
    stream_init(s, 0xabcdef0123456ull, changed);
    count = refusals = seeks = changes = 0;
    no_room = false;
    return 0;
}

static void answered(uint32_t window, const uint8_t *mss)
{
    struct segment welcome = {
        .peer = peer_there(), .port = s->port, .sequence = ISN, .ack = s->una + 1,
        .flags = SYN | ACK | NOISE, .window = window, .options = mss,
    };

    count = 0;
    stream_take(&own, &welcome);
}

/* It has called, and was answered; nothing is owed any more. */
static inline int open_one(void **state)
{
    set_up(state);
    stream_call(s, THERE, clock_ns);
    stream_found(&own, THERE, mac);
    answered(WINDOW, mss_1000);
    assert_int_equal(s->state, STREAM_OPEN);
    stream_serve(&own, 8);
    count = changes = 0;
    return 0;
}

static inline void put(size_t size)
{
    static uint8_t bytes[STREAM_BUFFER];

    assert_int_equal(stream_write(s, bytes, size), size);
}

/* All that may go now: how many bytes each time. */
static inline unsigned goes(void)
{
    count = 0;
    while (stream_serve(&own, 8))
        ;
    return count;
}

#endif
