/* SPDX-License-Identifier: MIT */
/*
 * Virtqueues against a simulated device that finishes chains in any order, sleeps and wakes by the
 * rules of the event indices, and (in one test) lies: every chain comes back once, no wake-up is
 * missed in either direction, over several wraps of the 16-bit indices.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <pvguest/console.h>
#include "drivers/hw/virtio.h"

static unsigned int complaints;

void printk(const char *format, ...)
{
    complaints++;
}

void *alloc_zeroed_page(void)
{
    void *page = aligned_alloc(4096, 4096);

    memset(page, 0, 4096);
    return page;
}

/* --- the device: its registers, and its view of the three pages --- */

static _Alignas(16) uint8_t registers[0x38], doorbell[4];
static struct virtio_device device;
static struct virtqueue queue;
static uint16_t seen, used;             /* the device's own indices */
static uint16_t held[VIRTQUEUE_SIZE];   /* chains it works on */
static unsigned int held_count, interrupts;
static bool with_events;

static int open_queue(uint16_t size, bool events)
{
    memset(registers, 0, sizeof registers);
    registers[0x18] = (uint8_t)size;
    registers[0x19] = (uint8_t)(size >> 8);
    device = (struct virtio_device){ .common = registers,
                                     .notify = doorbell,
                                     .notify_length = sizeof doorbell,
                                     .features = events ? VIRTIO_F_EVENT_INDEX : 0 };
    with_events = events;
    seen = used = 0;
    held_count = interrupts = complaints = 0;
    memset(doorbell, 0xff, sizeof doorbell);
    return virtqueue_open(&queue, &device, 0, 0);
}

static void close_queue(void)
{
    free(queue.descriptor);
    free((void *)(uintptr_t)queue.available);
    free((void *)(uintptr_t)queue.used);
}

static uint16_t *available_event(void)
{
    return (uint16_t *)(uintptr_t)&queue.used[2 + 4 * queue.size];
}

static void device_takes(void)
{
    while (seen != queue.available[1]) {
        assert_true(held_count < queue.size);
        held[held_count++] = queue.available[2 + seen++ % queue.size];
    }
    if (with_events)
        *available_event() = seen;      /* ring when there is one more */
    doorbell[0] = doorbell[1] = 0xff;
}

static void device_returns(uint16_t first, uint32_t length)
{
    volatile uint32_t *entry = (volatile uint32_t *)(queue.used + 2) + 2 * (used % queue.size);
    uint16_t before = used++;

    entry[0] = first;
    entry[1] = length;
    queue.used[1] = used;
    if (with_events
            ? (uint16_t)(used - queue.available[2 + queue.size] - 1) < (uint16_t)(used - before)
            : !(queue.available[0] & 1))
        interrupts++;
}

static void device_finishes_one(void)
{
    unsigned int which = (unsigned int)rand() % held_count;
    uint16_t first = held[which];

    held[which] = held[--held_count];
    device_returns(first, queue.descriptor[first].length);
}

/* --- the driver's side: tokens that must come back once --- */

static uint8_t tokens[VIRTQUEUE_SIZE];  /* 1: out */
static unsigned int out;

static bool add_one(void)
{
    struct virtq_buffer buffers[5];
    unsigned int count = (unsigned int)rand() % 5 + 1, token = 0;

    while (token < VIRTQUEUE_SIZE && tokens[token])
        token++;
    if (token == VIRTQUEUE_SIZE) return false;
    for (unsigned int i = 0; i < count; i++)
        buffers[i] = (struct virtq_buffer){ 0x1000 * i, 512, i + 1 == count };
    if (!virtqueue_add(&queue, buffers, count, &tokens[token])) {
        assert_true(queue.free_count < count);
        return false;
    }
    tokens[token] = 1;
    out++;
    return true;
}

static void take_all(void)
{
    uint32_t length;
    uint8_t *token;

    do {
        while ((token = virtqueue_take(&queue, &length))) {
            assert_int_equal(*token, 1);
            assert_int_equal(length, 512);
            *token = 0;
            out--;
        }
    } while (virtqueue_arm(&queue));
}

static void run(uint16_t size, bool events)
{
    unsigned int taken_interrupts = 0;

    srand(size);
    assert_int_equal(open_queue(size, events), 0);
    take_all();
    for (unsigned int round = 0; round < 60000; round++) {
        for (int i = rand() % 4; i > 0 && add_one(); i--)
            ;
        virtqueue_kick(&queue);
        if (doorbell[0] != 0xff || (!events && rand() % 2))
            device_takes();
        for (int i = rand() % 4; i > 0 && held_count; i--)
            device_finishes_one();
        if (interrupts != taken_interrupts) {
            taken_interrupts = interrupts;
            take_all();
        }
    }
    /* Nothing is stuck: with both sides only reacting to each other, all comes home. */
    for (unsigned int round = 0; round < 2 * VIRTQUEUE_SIZE && out; round++) {
        if (doorbell[0] != 0xff)
            device_takes();
        if (held_count)
            device_finishes_one();
        if (interrupts != taken_interrupts) {
            taken_interrupts = interrupts;
            take_all();
            virtqueue_kick(&queue);
        }
    }
    assert_int_equal(out, 0);
    assert_int_equal(queue.free_count, size);
    assert_int_equal(complaints, 0);
    close_queue();
}

static void test_with_event_indices(void **state)
{
    run(256, true);
}
static void test_with_flags(void **state)
{
    run(256, false);
}
static void test_small_queue(void **state)
{
    run(8, true);
}

static void test_large_queue_is_cut_to_a_page(void **state)
{
    assert_int_equal(open_queue(1024, true), 0);
    assert_int_equal(queue.size, VIRTQUEUE_SIZE);
    close_queue();
    assert_true(open_queue(0, true) < 0);
}

static void test_lying_device_is_reported(void **state)
{
    uint32_t length;

    open_queue(8, true);
    device_returns(5, 0);               /* never offered */
    device_returns(6000, 0);            /* no descriptor at all */
    assert_null(virtqueue_take(&queue, &length));
    assert_null(virtqueue_take(&queue, &length));
    assert_int_equal(complaints, 2);
    assert_int_equal(queue.free_count, 8);
    close_queue();
    open_queue(VIRTQUEUE_SIZE, true);
    device_returns(VIRTQUEUE_SIZE, 0);  /* the first that is none */
    assert_null(virtqueue_take(&queue, &length));
    assert_int_equal(complaints, 1);
    close_queue();
}

static uint64_t written64(unsigned int offset)
{
    uint64_t value;

    memcpy(&value, registers + offset, 8);
    return value;
}

/* What the device is told of a queue, register by register; and what it may refuse. */
static void test_what_the_device_is_told(void **state)
{
    memset(registers, 0, sizeof registers);
    registers[0x18] = 8;
    registers[0x1e] = 1;
    device = (struct virtio_device){
        .common = registers, .notify = doorbell, .notify_length = 4, .notify_multiplier = 2
    };
    assert_int_equal(virtqueue_open(&queue, &device, 3, 0), 0);
    assert_int_equal(registers[0x16], 3);
    assert_int_equal(registers[0x1a], 0);
    assert_int_equal(registers[0x1c], 1);
    assert_int_equal(written64(0x20), (uintptr_t)queue.descriptor);
    assert_int_equal(written64(0x28), (uintptr_t)queue.available);
    assert_int_equal(written64(0x30), (uintptr_t)queue.used);
    assert_ptr_equal(queue.notify, doorbell + 2);
    /* it is to interrupt, by its flag or by its index, for the first chain */
    assert_true(queue.available[0] == 0 && queue.available[2 + queue.size] == 0);
    memset(doorbell, 0xff, sizeof doorbell);
    virtqueue_add(&queue, &(struct virtq_buffer){ 1, 2, false }, 1, &queue);
    virtqueue_kick(&queue);
    assert_int_equal(doorbell[2], 3);
    assert_int_equal(doorbell[0], 0xff);
    close_queue();
    device.notify_length = 3;                   /* half of its doorbell is behind the window */
    assert_true(virtqueue_open(&queue, &device, 3, 0) < 0);
    registers[0x19] = 4;
    device.notify_length = 4;
    assert_int_equal(virtqueue_open(&queue, &device, 3, VIRTQ_NO_VECTOR), 0);
    /* told of the smaller size */
    assert_int_equal(registers[0x18] | registers[0x19] << 8, VIRTQUEUE_SIZE);
    close_queue();
}

/* With flags instead of indices: each side sleeps and is woken by a word of the other. */
static void test_flags_say_who_sleeps(void **state)
{
    const struct virtq_buffer buffer = { 1, 2, false };
    uint32_t length;

    open_queue(8, false);
    virtqueue_kick(&queue);
    assert_int_equal(doorbell[0], 0xff);        /* nothing is new */
    virtqueue_add(&queue, &buffer, 1, &queue);
    queue.used[0] = 1;                          /* the device does not want to be told */
    virtqueue_kick(&queue);
    assert_int_equal(doorbell[0], 0xff);
    queue.used[0] = 0;
    virtqueue_kick(&queue);
    assert_int_equal(doorbell[0], 0xff);        /* it was told already, as far as we know */
    virtqueue_add(&queue, &buffer, 1, &queue);
    virtqueue_kick(&queue);
    assert_int_equal(doorbell[0], 0);
    virtqueue_silence(&queue);
    assert_int_equal(queue.available[0], 1);
    assert_false(virtqueue_arm(&queue));
    assert_int_equal(queue.available[0], 0);
    device_returns(queue.available[2], 5);
    assert_true(virtqueue_arm(&queue));
    assert_ptr_equal(virtqueue_take(&queue, &length), &queue);
    assert_int_equal(length, 5);
    close_queue();
    open_queue(8, true);
    queue.used_index = 7;
    virtqueue_silence(&queue);
    assert_int_equal(queue.available[2 + 8], 6);
    virtqueue_arm(&queue);
    assert_int_equal(queue.available[2 + 8], 7);
    assert_int_equal(queue.available[0], 0);
    close_queue();
}

/* A device that ties the descriptors into a ring: a chain has no more of them than there are. */
static void test_a_chain_without_end(void **state)
{
    uint32_t length;

    open_queue(8, true);
    for (unsigned int i = 0; i < 8; i++)
        virtqueue_add(&queue, &(struct virtq_buffer){ 1, 2, false }, 1, &tokens[i]);
    for (unsigned int i = 0; i < 8; i++) {
        queue.descriptor[i].flags = VIRTQ_NEXT;
        queue.descriptor[i].next = (uint16_t)((i + 1) % 8);
    }
    device_returns(0, 0);
    assert_ptr_equal(virtqueue_take(&queue, &length), &tokens[0]);
    assert_int_equal(queue.free_count, 8);
    close_queue();
}

/* The device is woken when it is told of the one that it waits for, and not of those before. */
static void test_whom_the_device_waits_for(void **state)
{
    assert_int_equal(open_queue(8, true), 0);
    for (uint16_t kicked = 0xfff0; kicked != 0x10; kicked++)
        for (uint16_t more = 0; more < 8; more++)
            for (uint16_t ahead = 0; ahead < 16; ahead++) {
                uint16_t waits_for = (uint16_t)(kicked - 4 + ahead);
                bool told = ahead >= 4 && ahead < 4 + more;

                queue.kicked_index = kicked;
                queue.available_index = (uint16_t)(kicked + more);
                *available_event() = waits_for;
                doorbell[0] = 0xff;
                virtqueue_kick(&queue);
                assert_int_equal(doorbell[0], told ? 0 : 0xff);
                assert_int_equal(queue.kicked_index, queue.available_index);
            }
    close_queue();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_with_event_indices),
        cmocka_unit_test(test_with_flags),
        cmocka_unit_test(test_small_queue),
        cmocka_unit_test(test_large_queue_is_cut_to_a_page),
        cmocka_unit_test(test_lying_device_is_reported),
        cmocka_unit_test(test_what_the_device_is_told),
        cmocka_unit_test(test_flags_say_who_sleeps),
        cmocka_unit_test(test_a_chain_without_end),
        cmocka_unit_test(test_whom_the_device_waits_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
