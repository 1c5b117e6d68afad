/* SPDX-License-Identifier: MIT */
/*
 * Two machines at a net for the tests of dom0's stream: the net loses, repeats, delays and changes
 * the order of what they say to each other, as each test wants it.
 */
#ifndef TESTS_UNIT_STREAM_HOST_H
#define TESTS_UNIT_STREAM_HOST_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <dom0/network/packet.h>

#define MS 1000000ull
#define HERE 0x0a000201u                /* who calls */
#define THERE 0x0a000202u
#define NET 512u                        /* frames on their way */

enum { FIN = 1, SYN = 2, RST = 4, ACK = 16 };

static struct endpoint machine[2];
static const uint8_t card[2][NET_MAC] = { { 0x52, 0x54, 0, 0, 0, 1 }, { 0x52, 0x54, 0, 0, 0, 2 } };
static uint64_t clock_ns;
static uint64_t now(void)
{
    return clock_ns;
}

/* --- the net --- */

static struct flight {
    bool used;
    unsigned to;
    uint64_t when;
    size_t length;
    uint8_t bytes[NET_FRAME_MAX];
} flights[NET];

static struct { unsigned lose, repeat, late; bool cut; unsigned sender; } net;   /* of 1000 */
static unsigned frames_sent, changes[2];
static uint8_t last[NET_FRAME_MAX];     /* that anybody has sent */
static uint64_t seed;

static unsigned chance(unsigned of)
{
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return (unsigned)(seed >> 33) % of;
}

static void launch(unsigned to, const void *frame, size_t length)
{
    struct flight *flight = flights;

    while (flight->used)
        assert_true(++flight < flights + NET);
    flight->used = true;
    flight->to = to;
    flight->when = clock_ns + MS + (chance(1000) < net.late ? chance(20) * MS : 0);
    flight->length = length;
    memcpy(flight->bytes, frame, length);
}

static void receive(struct netport *port, void *frame, size_t length, uint32_t flags)
{
    unsigned from = port->context == &machine[1];

    assert_true(length <= NET_FRAME_MAX);
    memcpy(last, frame, length);
    frames_sent++;
    if (net.cut || chance(1000) < net.lose) return;
    launch(!from, frame, length);
    if (chance(1000) < net.repeat)
        launch(!from, frame, length);
}

/* A copy exactly as long as it is: ASan sees who looks behind it. */
static void deliver(struct endpoint *endpoint, const uint8_t *bytes, size_t length)
{
    uint8_t *copy = malloc(length);

    memcpy(copy, bytes, length);
    endpoint->port.sender = net.sender;
    endpoint->port.send(&endpoint->port, copy, length, 0);
    endpoint->port.flush(&endpoint->port);
    free(copy);
}

static inline struct flight *next_flight(void)
{
    struct flight *first = NULL;

    for (struct flight *at = flights; at < flights + NET; at++)
        if (at->used && at->when <= clock_ns && (!first || at->when < first->when))
            first = at;
    return first;
}

static inline void check(const struct stream *stream)
{
    uint32_t sent = stream->high - stream->una, end = stream->closing;

    assert_true(stream->out.filled <= STREAM_BUFFER && stream->in.filled <= STREAM_BUFFER);
    assert_true(stream->out.head < STREAM_BUFFER && stream->in.head < STREAM_BUFFER);
    if (stream->state != STREAM_OPEN) return;
    assert_true(sent <= stream->out.filled + end && stream->next - stream->una <= sent);
    assert_true(stream->edge - stream->expected <= STREAM_BUFFER);
    assert_true(stream->mss >= 536 && stream->mss <= 1460);
    assert_true(stream->congestion && stream->congestion <= STREAM_BUFFER);
}

/* A millisecond of it. */
static inline void tick(void)
{
    struct flight *flight;

    clock_ns += MS;
    while ((flight = next_flight())) {
        flight->used = false;
        deliver(&machine[flight->to], flight->bytes, flight->length);
    }
    for (unsigned i = 0; i < 2; i++) {
        uint64_t when = stream_deadline(&machine[i].stream);

        if (changes[i] || (when && when <= clock_ns)) {
            changes[i] = 0;
            while (endpoint_serve(&machine[i], 8))
                ;
        }
        check(&machine[i].stream);
    }
}

static void changed(struct stream *stream)
{
    changes[stream == &machine[1].stream]++;
}

static int set_up(void **state)
{
    static const uint32_t address[] = { HERE, THERE };

    memset(flights, 0, sizeof(flights));
    memset(&net, 0, sizeof(net));
    frames_sent = changes[0] = changes[1] = 0;
    net.sender = 3;
    seed = 7;
    clock_ns = 1ull << 40;
    for (unsigned i = 0; i < 2; i++) {
        endpoint_init(&machine[i], card[i], now);
        machine[i].outside = 3;
        stream_init(&machine[i].stream, 0x1234567890ull * (i + 1), changed);
        machine[i].port.receive = receive;
        assert_true(endpoint_set_address(&machine[i], address[i]));
    }
    return 0;
}

static inline void wait_for(enum stream_state here, unsigned ms)
{
    while (machine[0].stream.state != here && ms--)
        tick();
    assert_int_equal(machine[0].stream.state, here);
}

/* --- something to say --- */

static uint8_t byte_of(unsigned from, size_t at)
{
    return (uint8_t)((at * 2654435761u >> 11) + from * 77);
}

static inline void say(unsigned from, size_t *said, size_t of)
{
    uint8_t bytes[5000];
    size_t size = MIN(1 + chance(sizeof(bytes)), of - *said);

    for (size_t i = 0; i < size; i++)
        bytes[i] = byte_of(from, *said + i);
    *said += stream_write(&machine[from].stream, bytes, size);
    changes[from]++;
}

static inline void hear(unsigned at, size_t *heard)
{
    uint8_t bytes[7000];
    size_t size = stream_read(&machine[at].stream, bytes, 1 + chance(sizeof(bytes)));

    for (size_t i = 0; i < size; i++)
        assert_int_equal(bytes[i], byte_of(!at, *heard + i));
    *heard += size;
    changes[at] += machine[at].stream.owes;
}

#endif
