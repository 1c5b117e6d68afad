/* SPDX-License-Identifier: MIT */
/* What the tests of the bridge share: a clock, four ports that count what they are sent, a bridge
 * between them. Each test file has all of it to itself. */
#ifndef TESTS_UNIT_BRIDGE_HOST_H
#define TESTS_UNIT_BRIDGE_HOST_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <cmocka.h>
#include <dom0/network/bridge.h>

static uint64_t clock_now;
static uint64_t now(void)
{
    return clock_now;
}

/* A port that counts what it is given. */
struct fake { struct netport port; unsigned int sent, flushed; size_t bytes; uint32_t flags; };

static uint8_t last_frame[NET_FRAME_MAX];

static bool fake_send(struct netport *port, const void *frame, size_t length, uint32_t flags)
{
    struct fake *fake = port->context;

    fake->sent++;
    fake->bytes += length;
    fake->flags = flags;
    if (length <= sizeof last_frame)
        memcpy(last_frame, frame, length);
    return true;
}

static void fake_flush(struct netport *port)
{
    ((struct fake *)port->context)->flushed++;
}

static void fake_init(struct fake *fake)
{
    *fake = (struct fake){
        .port = { .name = "fake", .send = fake_send, .flush = fake_flush, .context = fake }
    };
}

static inline uint8_t *frame_of(uint8_t to, uint8_t from)
{
    static uint8_t frame[60];

    memset(frame, 0, sizeof frame);
    memset(frame, to, 6);
    memset(frame + 6, from, 6);
    return frame;
}

static struct bridge bridge;
static struct fake fake[4];

static int set_up(void **state)
{
    clock_now = 1000;
    bridge_init(&bridge, now);
    for (int i = 0; i < 4; i++) {
        fake_init(&fake[i]);
        assert_int_equal(bridge_attach(&bridge, &fake[i].port), 0);
    }
    return 0;
}

#endif
