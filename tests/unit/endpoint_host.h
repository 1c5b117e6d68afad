/* SPDX-License-Identifier: MIT */
/*
 * What the tests of dom0's address on the bridge share: an endpoint, a station that sends it
 * frames, and what comes back, checked as a receiver would, by sums made here. Each test file has
 * all of it to itself.
 */
#ifndef TESTS_UNIT_ENDPOINT_HOST_H
#define TESTS_UNIT_ENDPOINT_HOST_H

#include <stdlib.h>
#include <string.h>
#include <dom0/network/packet.h>

#define US 0x0a00020au                  /* 10.0.2.10 */
#define THEM 0x0a000220u

static const uint8_t card_mac[6] = { 0x52, 0x54, 0, 0x12, 0x34, 0x56 },
                     their_mac[6] = { 0, 0x16, 0x3e, 1, 2, 3 };
static struct endpoint endpoint;
static uint64_t clock_ns;
static uint64_t now(void)
{
    return clock_ns;
}

/* --- what comes back --- */

static uint8_t got[ENDPOINT_REPLIES][NET_FRAME_MAX];
static size_t got_length[ENDPOINT_REPLIES];
static unsigned got_count, batches;

static unsigned sum(const uint8_t *at, size_t length, uint64_t more)
{
    for (size_t i = 0; i < length; i++)
        more += i & 1 ? at[i] : (unsigned)at[i] << 8;
    while (more >> 16)
        more = (more & 0xffff) + (more >> 16);
    return (unsigned)more;
}

static uint64_t pseudo(const uint8_t *ip, size_t length)
{
    return (uint64_t)sum(ip + 12, 8, 0) + ip[9] + length;
}

static void receive(struct netport *port, void *data, size_t length, uint32_t flags)
{
    const uint8_t *frame = data, *ip = frame + 14;

    assert_true(got_count < ENDPOINT_REPLIES && length <= NET_FRAME_MAX && length >= 34);
    /* in one page, as netback wants it */
    assert_true((uintptr_t)data / 4096 == ((uintptr_t)data + length - 1) / 4096);
    assert_memory_equal(frame + 6, endpoint.port.mac, 6);
    assert_true(get16(frame + 12) == 0x0800 || get16(frame + 12) == 0x0806);
    assert_int_equal(flags, NET_CHECKSUM_GOOD);
    if (get16(frame + 12) == 0x0800) {
        assert_int_equal(ip[0], 0x45);
        assert_true(get16(ip + 6) == 0x4000 && ip[8] == 64);
        assert_int_equal(get16(ip + 2), length - 14);
        assert_int_equal(sum(ip, 20, 0), 0xffff);
        assert_int_equal(sum(ip + 20, length - 34, ip[9] == 6 ? pseudo(ip, length - 34) : 0),
                         0xffff);
    }
    if (get16(frame + 12) == 0x0800 && ip[9] == 6)
        assert_int_equal(get16(ip + 20 + 18), 0);               /* nothing is urgent */
    memcpy(got[got_count], frame, length);
    got_length[got_count++] = length;
}

static void received(struct netport *port)
{
    batches++;
}

static int set_up(void **state)
{
    clock_ns = 1000000000ull * 1000000;
    endpoint_init(&endpoint, card_mac, now);
    assert_true(endpoint_set_address(&endpoint, US));
    endpoint.port.receive = receive;
    endpoint.port.received = received;
    got_count = 0;
    return 0;
}

/* --- what is sent --- */

/* The endpoint gets frames from the heap, exactly as long as they are: ASan sees it look behind
 * them. */
static void put(const uint8_t *frame, size_t length, uint32_t flags)
{
    uint8_t *copy = malloc(length ? length : 1);

    memcpy(copy, frame, length);
    endpoint.port.send(&endpoint.port, copy, length, flags);
    free(copy);
}

static unsigned flush(void)
{
    got_count = batches = 0;
    endpoint.port.flush(&endpoint.port);
    assert_int_equal(batches, got_count != 0);
    return got_count;
}

static unsigned ask(const uint8_t *frame, size_t length)
{
    put(frame, length, 0);
    return flush();
}

static uint8_t frame[NET_LARGE_MAX];

/* An IPv4 packet around `length` bytes at frame + 34; returns the frame's length. */
static size_t packet(unsigned protocol, size_t length)
{
    uint8_t *ip = frame + 14;

    memcpy(frame, endpoint.port.mac, 6);
    memcpy(frame + 6, their_mac, 6);
    set16(frame + 12, 0x0800);
    memset(ip, 0, 20);
    ip[0] = 0x45;
    set16(ip + 2, 20 + length);
    ip[8] = 64;
    ip[9] = (uint8_t)protocol;
    set32(ip + 12, THEM);
    set32(ip + 16, US);
    set16(ip + 10, ~sum(ip, 20, 0));
    return 34 + length;
}

static void again_checked(void)
{
    uint8_t *ip = frame + 14;

    set16(ip + 10, 0);
    set16(ip + 10, ~sum(ip, (ip[0] & 15) * 4u, 0));
}

static size_t echo(size_t bytes)
{
    memset(frame + 34, 0, 8);
    frame[34] = 8;
    set32(frame + 38, 0x12340001);
    for (size_t i = 0; i < bytes; i++)
        frame[42 + i] = (uint8_t)(i * 7);
    set16(frame + 36, ~sum(frame + 34, 8 + bytes, 0));
    return packet(1, 8 + bytes);
}

/* An ARP request for our address. */
static const uint8_t who_has[42] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0,  0x16, 0x3e, 1,    2,
                                     3,    8,    6,    0,    1,    8,    0,  6,    4,    0,    1,
                                     0,    0x16, 0x3e, 1,    2,    3,    10, 0,    2,    0x20, 0,
                                     0,    0,    0,    0,    0,    10,   0,  2,    10 };

#endif
