/* SPDX-License-Identifier: MIT */
/*
 * The monitor's virtio network card: frames either way, each behind a header of zeroes, and what
 * becomes of buffers that are too small, too large, or nowhere.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <errno.h>
#include <cmocka.h>
#include "tests/unit/virtio_driver.h"

enum { INCOMING = 0, OUTGOING = 1, HEADER = 0x20000, DATA = 0x21000, HEADER_BYTES = 12 };

static struct netfront *front;
static int opens;
static unsigned sent, flushed, completed;
static size_t lengths[64];
static uint8_t first_bytes[64];

static bool send(struct netport *port, const void *frame, size_t length, uint32_t flags)
{
    assert_int_equal(flags, 0);
    assert_int_equal(flushed, sent);
    assert_int_equal(returned(OUTGOING), sent);
    lengths[sent] = length;
    first_bytes[sent++] = *(const uint8_t *)frame;
    return true;
}
/* Before the guest may use the buffer again. */
static void flush(struct netport *port)
{
    assert_int_equal(returned(OUTGOING), flushed);
    flushed++;
}
int netfront_open(struct netfront *opened, unsigned int index)
{
    assert_int_equal(index, 0);
    front = opened;
    front->port = (struct netport){ .mac = { 2, 3, 5, 7, 11, 13 }, .send = send, .flush = flush };
    return opens;
}
void net_complete_checksum(uint8_t *frame, size_t length)
{
    assert_int_equal(length, 60);
    completed++;
}

static int fresh(void **state)
{
    fresh_machine();
    opens = 0;
    sent = flushed = completed = 0;
    return 0;
}
static int gone(void **state)
{
    end_machine();
    return 0;
}
static void attach(void)
{
    assert_int_equal(card_attach(&machine.card, &machine), 0);
    drive(&machine.card.virtio);
}
static void is_broken(void)
{
    assert_int_equal(virtio_load(driven, 20, 1), RUNNING | NEEDS_RESET);
}

static void what_its_driver_sees(void **state)
{
    opens = -ENOENT;
    assert_int_equal(card_attach(&machine.card, &machine), -ENOENT);
    assert_false(machine.pci.slot[2].there);
    opens = 0;
    assert_int_equal(card_attach(&machine.card, &machine), 0);
    driven = &machine.card.virtio;
    assert_int_equal(virtio_load(driven, 4, 4), 1 << 5);
    assert_int_equal(virtio_load(driven, 18, 2), 2);
    assert_int_equal(virtio_load(driven, 0x2000, 4), 0x07050302);
    assert_int_equal(virtio_load(driven, 0x2004, 2), 0x0d0b);
    assert_int_equal(virtio_load(driven, 0x2006, 4), 0);
    pci_out(&machine.pci, 0xcf8, 4, 0x80001000);
    assert_int_equal(pci_in(&machine.pci, 0xcfc, 4), 0x10411af4);
    pci_out(&machine.pci, 0xcf8, 4, 0x80001008);
    assert_int_equal(pci_in(&machine.pci, 0xcfc, 4) >> 8, 0x020000);
    pci_out(&machine.pci, 0xcf8, 4, 0x8000103c);
    assert_int_equal(pci_in(&machine.pci, 0xcfc, 4), 0x100 | IRQ_NET);
}

/* --- to the guest ---------------------------------------------------------------------------- */

static void receive(size_t length, uint32_t flags)
{
    uint8_t frame[NET_FRAME_MAX];

    for (size_t i = 0; i < length; i++)
        frame[i] = (uint8_t)(i + 1);
    front->port.receive(&front->port, frame, length, flags);
}

static void frames_that_come(void **state)
{
    uint16_t head;

    attach();
    receive(60, 0);
    assert_int_equal(machine.card.lost, 1);             /* no buffer */
    assert_int_equal(virtio_load(driven, 20, 1), RUNNING);
    assert_int_equal(wakes, 0);
    head = offer(INCOMING, PIECES({ HEADER, HEADER_BYTES, 2 }, { DATA, 60, 2 }));
    ring(INCOMING);
    assert_int_equal(sent, 0);
    receive(60, NET_CHECKSUM_GOOD);
    assert_int_equal(returned(INCOMING), 1);
    assert_int_equal(answer(INCOMING, 0).head, head);
    assert_int_equal(answer(INCOMING, 0).written, 72);
    for (unsigned i = 0; i < HEADER_BYTES; i++)
        assert_int_equal(byte_at(HEADER + i), i == 10);         /* one buffer */
    assert_int_equal(byte_at(DATA), 1);
    assert_int_equal(byte_at(DATA + 59), 60);
    assert_true(line_is_up(IRQ_NET));
    assert_int_equal(wakes, 1);
    assert_int_equal(completed, 0);
    assert_int_equal(machine.card.lost, 1);
    offer(INCOMING, PIECES({ HEADER, 2048, 2 }));
    receive(60, NET_CHECKSUM_BLANK);
    assert_int_equal(completed, 1);
    assert_int_equal(byte_at(HEADER + 12), 1);
    assert_int_equal(returned(INCOMING), 2);
}

static void buffers_too_small(void **state)
{
    static const struct piece buffers[][2] = {
        { { HEADER, 11, 2 }, { 0 } }, { { HEADER, HEADER_BYTES + 59, 2 }, { 0 } },
        { { NOWHERE - 6, 200, 2 }, { 0 } }, { { NOWHERE - 12 - 30, 200, 2 }, { 0 } },
    };

    attach();
    for (unsigned i = 0; i < 4; i++) {
        offer(INCOMING, buffers[i]);
        receive(60, 0);
        is_broken();
        assert_int_equal(returned(INCOMING), 0);
        assert_int_equal(wakes, 0);
        drive(driven);
    }
}

/* --- from the guest -------------------------------------------------------------------------- */

static void frames_that_go(void **state)
{
    static const uint32_t sizes[] = { NET_FRAME_MIN, NET_FRAME_MAX, 60, NET_FRAME_MIN - 1,
                                      NET_FRAME_MAX + 1, 0 };
    uint8_t byte = 0xe0;

    attach();
    for (unsigned i = 0; i < 6; i++, byte++) {
        uint16_t head;
        memory_write(&machine, DATA, &byte, 1);
        head = offer(OUTGOING, PIECES({ HEADER, HEADER_BYTES, 0 }, { DATA, sizes[i], 0 }));
        sent = flushed = returned(OUTGOING);            /* what is dropped comes back, too */
        ring(OUTGOING);
        assert_int_equal(returned(OUTGOING), i + 1);
        assert_int_equal(answer(OUTGOING, i).head, head);
        assert_int_equal(answer(OUTGOING, i).written, 0);
        assert_int_equal(flushed, sent);
        assert_int_equal(sent, i < 3 ? i + 1 : i);
        if (i < 3) {
            assert_int_equal(lengths[i], sizes[i]);
            assert_int_equal(first_bytes[i], byte);
        }
    }
    assert_int_equal(virtio_load(driven, 20, 1), RUNNING);
}

static void several_at_once(void **state)
{
    attach();
    for (unsigned i = 0; i < 5; i++)
        offer(OUTGOING, PIECES({ HEADER, HEADER_BYTES + 60, 0 }));
    ring(OUTGOING);
    assert_int_equal(sent, 5);
    assert_int_equal(returned(OUTGOING), 5);
}

/* What follows is not looked at before a reset. */
static void a_frame_from_nowhere(void **state)
{
    attach();
    offer(OUTGOING, PIECES({ NOWHERE - 20, HEADER_BYTES + 60, 0 }));
    offer(OUTGOING, PIECES({ HEADER, HEADER_BYTES + 60, 0 }));
    ring(OUTGOING);
    is_broken();
    assert_int_equal(sent, 0);
    assert_int_equal(returned(OUTGOING), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, gone)
    const struct CMUnitTest tests[] = {
        TEST(what_its_driver_sees), TEST(frames_that_come), TEST(buffers_too_small),
        TEST(frames_that_go), TEST(several_at_once), TEST(a_frame_from_nowhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
