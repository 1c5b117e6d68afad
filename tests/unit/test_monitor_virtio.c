/* SPDX-License-Identifier: MIT */
/*
 * The registers and rings of the monitor's virtio devices: what a driver agrees to, chains that go
 * and come back, nonsense of each kind, and noise.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "tests/unit/virtio_driver.h"

static int fresh(void **state)
{
    fresh_machine();
    return 0;
}
static int gone(void **state)
{
    end_machine();
    return 0;
}

static struct virtio device;
static unsigned taken;

static void notified(struct virtio *v, unsigned int queue)
{
    static struct virtio_chain chain;
    static uint8_t bytes[600];

    for (unsigned i = 0; i <= VIRTIO_QUEUE_MAX && virtio_take(v, queue, &chain); i++) {
        assert_in_range(chain.count, 1, VIRTIO_QUEUE_MAX);
        virtio_read(v, &chain, (size_t)random() % 700, bytes, sizeof(bytes));
        virtio_write(v, &chain, (size_t)random() % 700, bytes, sizeof(bytes));
        virtio_give(v, queue, chain.head, 1);
        taken++;
    }
}

static void set_device_up(unsigned size)
{
    virtio_store(&device, 20, 1, 0);
    virtio_store(&device, 8, 4, 1);
    virtio_store(&device, 12, 4, 1);
    virtio_store(&device, 20, 1, 0xb);
    virtio_store(&device, 24, 2, size);
    virtio_store(&device, 32, 4, 0x1000);
    virtio_store(&device, 40, 4, 0x2000);
    virtio_store(&device, 48, 4, 0x3000);
    virtio_store(&device, 28, 2, 1);
    virtio_store(&device, 20, 1, 0xf);
}

static void attach_device(void)
{
    device = (struct virtio){ .queues = 1, .notified = notified };
    virtio_attach(&device, &machine, 1, 2, 0x10000, IRQ_DISK);
    taken = 0;
}

static void a_chain_goes_and_comes_back(void **state)
{
    struct { uint64_t address; uint32_t length; uint16_t flags, next; } d[2] = {
        { 0x4000, 16, 1, 1 }, { 0x5000, 100, 2, 0 },
    };
    uint16_t available[3] = { 0, 1, 0 }, used[6] = { 0 };

    attach_device();
    set_device_up(16);
    assert_int_equal(virtio_load(&device, 20, 1), 0xf);
    device.config[31] = 0x31;                   /* its own registers, and nothing behind them */
    assert_int_equal(virtio_load(&device, 0x2000 + 31, 4), 0x31);
    memory_write(&machine, 0x1000, d, sizeof(d));
    memory_write(&machine, 0x2000, available, sizeof(available));
    virtio_store(&device, 0x3000, 2, 0);
    assert_int_equal(taken, 1);
    memory_read(&machine, 0x3000, used, sizeof(used));
    assert_int_equal(used[1], 1);
    assert_int_equal(used[4], 1);
    assert_int_equal(machine.pic.chip[1].lines, 1 << (IRQ_DISK - 8));
    assert_int_equal(virtio_load(&device, 0x1000, 1), 1);
    assert_int_equal(machine.pic.chip[1].lines, 0);
    d[1].next = 0;                                      /* a circle: more than the queue has */
    d[0].flags = d[1].flags = 3;
    memory_write(&machine, 0x1000, d, sizeof(d));
    available[1] = 2;
    memory_write(&machine, 0x2000, available, sizeof(available));
    virtio_store(&device, 0x3000, 2, 0);
    assert_int_equal(taken, 1);
    assert_int_equal(virtio_load(&device, 20, 1) & 0x40, 0x40);
    virtio_store(&device, 0x3000, 2, 0);
    assert_int_equal(taken, 1);                         /* nothing more before a reset */
    set_device_up(16);
    assert_int_equal(virtio_load(&device, 20, 1), 0xf);
}

/* Both ways, piece by piece; a queue that is off gives nothing, whatever its ring says. */
static void lengths_and_queues(void **state)
{
    struct virtio_chain chain = { .count = 3 };
    uint16_t available[3] = { 0, 1, 0 };
    uint8_t bytes[8];

    chain.piece[0].length = 16;
    chain.piece[1].length = 5;
    chain.piece[2].length = 100;
    chain.piece[2].writable = true;
    assert_int_equal(virtio_length(&chain, false), 21);
    assert_int_equal(virtio_length(&chain, true), 100);
    attach_device();
    chain.piece[0].address = 0x4000;
    chain.piece[1].address = 0x5000;
    memory_write(&machine, 0x400a, "across", 6);
    memory_write(&machine, 0x5000, "it", 2);
    assert_int_equal(virtio_read(&device, &chain, 10, bytes, 8), 8);
    assert_memory_equal(bytes, "acrossit", 8);
    set_device_up(16);
    memory_write(&machine, 0x2000, available, sizeof(available));
    device.queue[0].on = false;
    assert_false(virtio_take(&device, 0, &chain));
    device.queue[0].on = true;
    device.queue[0].seen = 1;
    assert_false(virtio_take(&device, 0, &chain));
    assert_int_equal(virtio_load(&device, 20, 1), 0xf);
}

/* Each is nonsense in its own way: the device asks for a reset, and takes nothing. */
static void nonsense_is_noticed(void **state)
{
    static const struct {
        struct { uint64_t address; uint32_t length; uint16_t flags, next; } d[2];
        uint16_t index, head;
    } cases[] = {
        { { { 0x4000, 16, 0, 0 } }, 17, 0 },            /* more than the queue has */
        { { { 0x4000, 16, 0, 0 } }, 1, 16 },            /* a head outside of it */
        { { { 0x4000, 16, 1, 16 } }, 1, 0 },            /* a next outside of it */
        { { { 0x4000, 16, 4, 0 } }, 1, 0 },             /* indirect, which is not offered */
        { { { 0x4000, 16, 3, 1 }, { 0x5000, 16, 0, 0 } }, 1, 0 },       /* to be read, behind */
    };

    attach_device();
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        uint16_t available[3] = { 0, cases[i].index, cases[i].head };
        set_device_up(16);
        memory_write(&machine, 0x1000, cases[i].d, sizeof(cases[i].d));
        memory_write(&machine, 0x1100, cases[i].d, sizeof(cases[i].d[0]));      /* number 16 */
        memory_write(&machine, 0x2000, available, sizeof(available));
        virtio_store(&device, 0x3000, 2, 0);
        assert_int_equal(taken, 0);
        assert_int_equal(virtio_load(&device, 20, 1), 0x4f);
    }
}

static void what_is_not_offered_is_not_agreed_to(void **state)
{
    attach_device();
    virtio_store(&device, 20, 1, 0xb);
    assert_int_equal(virtio_load(&device, 20, 1) & 8, 0);       /* version 1 is a must */
    virtio_store(&device, 8, 4, 1);
    virtio_store(&device, 12, 4, 1);
    virtio_store(&device, 8, 4, 0);
    virtio_store(&device, 12, 4, 0x80);
    virtio_store(&device, 20, 1, 0xb);
    assert_int_equal(virtio_load(&device, 20, 1) & 8, 0);
    virtio_store(&device, 12, 4, 0);
    virtio_store(&device, 20, 1, 0xb);
    assert_int_equal(virtio_load(&device, 20, 1) & 8, 8);
    virtio_store(&device, 24, 2, 512);                          /* no such size of a queue */
    assert_int_equal(virtio_load(&device, 24, 2), VIRTIO_QUEUE_MAX);
    virtio_store(&device, 24, 2, 24);
    assert_int_equal(virtio_load(&device, 24, 2), VIRTIO_QUEUE_MAX);
}

/* Common configuration: what was agreed to stays, what a queue is given stays while it is on. */
static void registers_of_a_queue(void **state)
{
    attach_device();
    set_device_up(16);
    virtio_store(&device, 12, 4, 0);                    /* version 1 no more? too late */
    assert_int_equal(virtio_load(&device, 12, 4), 1);
    virtio_store(&device, 20, 1, 0);
    for (unsigned half = 0; half < 2; half++) {
        virtio_store(&device, 8, 4, half);
        assert_int_equal(virtio_load(&device, 8, 4), half);
        assert_int_equal(virtio_load(&device, 12, 4), 0);
        virtio_store(&device, 12, 4, ~0u);
        virtio_store(&device, 12, 4, half + 4);
    }
    virtio_store(&device, 8, 4, 2);
    virtio_store(&device, 12, 4, 9);
    assert_int_equal(virtio_load(&device, 12, 4), 0);
    assert_int_equal(device.accepted, 4 | 5ull << 32);
    virtio_store(&device, 0, 4, 1);
    virtio_store(&device, 20, 1, 0);
    assert_int_equal(virtio_load(&device, 0, 4) | virtio_load(&device, 8, 4), 0);
    virtio_store(&device, 20, 1, 0x83);                 /* the driver gives up, and tries again */
    virtio_store(&device, 20, 1, 3);
    assert_int_equal(virtio_load(&device, 20, 1), 3);
    virtio_store(&device, 24, 2, 256);
    assert_int_equal(virtio_load(&device, 24, 2), 256);
    virtio_store(&device, 24, 2, 8);
    virtio_store(&device, 24, 2, 0);
    assert_int_equal(virtio_load(&device, 24, 2), 8);
    for (unsigned at = 32; at < 56; at += 4) {          /* and again: nothing of before stays */
        virtio_store(&device, at, 4, ~0u);
        virtio_store(&device, at, 4, 0xa001 + at);
    }
    for (unsigned at = 56; at < 64; at += 4) {
        virtio_store(&device, at, 4, 1);
        assert_int_equal(virtio_load(&device, at, 4), 0);
    }
    virtio_store(&device, 28, 2, 2);
    assert_int_equal(virtio_load(&device, 28, 2), 0);
    virtio_store(&device, 28, 2, 1);
    assert_int_equal(virtio_load(&device, 28, 2), 1);
    virtio_store(&device, 24, 2, 4);
    virtio_store(&device, 32, 4, 0);
    virtio_store(&device, 28, 2, 0);
    assert_int_equal(virtio_load(&device, 24, 2), 8);
    assert_int_equal(virtio_load(&device, 28, 2), 1);
    for (unsigned at = 32; at < 56; at += 4)
        assert_int_equal(virtio_load(&device, at, 4), 0xa001 + at);
    assert_int_equal(virtio_load(&device, 26, 2), 0xffff);
    assert_int_equal(virtio_load(&device, 16, 2), 0xffff);
    assert_int_equal(virtio_load(&device, 30, 2), 0);
    assert_int_equal(virtio_load(&device, 21, 1), 0);
    virtio_store(&device, 22, 2, 1);                    /* there is no second queue */
    assert_int_equal(virtio_load(&device, 22, 2), 1);
    virtio_store(&device, 24, 2, 8);
    for (unsigned at = 24; at < 56; at += 2)
        assert_int_equal(virtio_load(&device, at, 2), 0);
    assert_int_equal(device.queue[1].size, 0);
    virtio_store(&device, 22, 2, 0);
    virtio_store(&device, 20, 1, 0);
    virtio_store(&device, 28, 2, 1);                    /* without a size: the largest */
    assert_int_equal(virtio_load(&device, 24, 2), 256);
}

/* As many as it has room for, all at once; and whether it is interrupted is the driver's wish. */
static void a_full_ring_without_interrupts(void **state)
{
    struct { uint64_t address; uint32_t length; uint16_t flags, next; } d = { 0x4000, 16, 0, 0 };
    uint16_t available[2 + 16] = { 1, 16 };

    attach_device();
    set_device_up(16);
    memory_write(&machine, 0x1000, &d, sizeof(d));
    memory_write(&machine, 0x2000, available, sizeof(available));
    virtio_store(&device, 0x3000 + 4, 2, 1);            /* the doorbell of no queue */
    assert_int_equal(taken, 0);
    virtio_store(&device, 0x3000, 2, 0);
    assert_int_equal(taken, 16);
    assert_int_equal(device.interrupt, 0);
    assert_int_equal(machine.pic.chip[1].lines, 0);
    available[0] = 2;                                   /* a bit that says nothing */
    available[1] = 17;
    memory_write(&machine, 0x2000, available, sizeof(available));
    virtio_store(&device, 0x3000, 2, 0);
    assert_int_equal(taken, 17);
    assert_int_equal(machine.pic.chip[1].lines, 1 << (IRQ_DISK - 8));
    virtio_store(&device, 20, 1, 0);                    /* a reset lets go of the line */
    assert_int_equal(machine.pic.chip[1].lines, 0);
    assert_int_equal(virtio_load(&device, 0x1000, 1), 0);
}

static void noise_in_rings(void **state)
{
    attach_device();
    srandom(5);
    for (int i = 0; i < 20000; i++) {
        set_device_up(i & 1 ? 16 : (unsigned)random() % 300);
        if (i % 3 == 0)
            for (unsigned at = 32; at < 56; at += 4)    /* it is on: these stay without effect */
                virtio_store(&device, at, 4, (uint32_t)random());
        for (int n = 0; n < 12; n++) {
            uint64_t word = (uint64_t)random() % 18 | (uint64_t)(random() % 4) << 32 |
                            (uint64_t)(random() % 18) << 48;
            if (random() & 1)
                word = (uint64_t)random() << (random() % 40);
            memory_write(&machine, 0x1000 + (uint64_t)random() % 32 * 8, &word, 8);
        }
        uint16_t available[4] = { 0, (uint16_t)(random() % 20), (uint16_t)random(),
                                  (uint16_t)(random() % 16) };
        memory_write(&machine, 0x2000, available, sizeof(available));
        for (int n = 0; n < 3; n++)
            virtio_store(&device, (uint32_t)random() % 0x4000, 1u << random() % 3,
                         (uint32_t)random());
        virtio_store(&device, 0x3000, 2, 0);
        virtio_load(&device, (uint32_t)random() % 0x4000, 1u << random() % 3);
    }
    assert_true(taken > 100);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, gone)
    const struct CMUnitTest tests[] = {
        TEST(a_chain_goes_and_comes_back), TEST(lengths_and_queues), TEST(nonsense_is_noticed),
        TEST(what_is_not_offered_is_not_agreed_to), TEST(registers_of_a_queue),
        TEST(a_full_ring_without_interrupts), TEST(noise_in_rings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
