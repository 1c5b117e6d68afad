/* SPDX-License-Identifier: MIT */
/*
 * Which device of the monitor's PC answers where, in pieces of what size; what ends the machine;
 * and what CPUID says.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "tests/unit/virtio_driver.h"

static const char *ended;
static uint64_t now, forgotten;
static bool all_forgotten;
static char line[64];
static size_t line_length;

void machine_end(struct machine *m, const char *why)
{
    assert_ptr_equal(m, &machine);
    ended = why;
}
void shadow_invalidated(struct vcpu *vcpu, uint64_t linear, bool all)
{
    assert_ptr_equal(vcpu, &machine.vcpu);
    forgotten = linear;
    all_forgotten = all;
}
uint64_t now_ns(void)
{
    return now;
}
static void write_line(const char *bytes, size_t count)
{
    memcpy(line, bytes, count);
    line_length = count;
}

static int fresh(void **state)
{
    fresh_machine();
    machine.vcpu.ops = &machine_ops;
    machine.vcpu.context = &machine;
    machine.serial.write = write_line;
    ended = NULL;
    now = 0;
    line_length = 0;
    return 0;
}
static int gone(void **state)
{
    end_machine();
    return 0;
}

static uint32_t in(uint16_t port, unsigned size)
{
    return machine_ops.port_in(&machine.vcpu, port, size);
}
static void out(uint16_t port, unsigned size, uint32_t value)
{
    machine_ops.port_out(&machine.vcpu, port, size, value);
}

/* --- ports ----------------------------------------------------------------------------------- */

/* ICW1 to ICW4 of both controllers, inputs from vector 0x20 on, none masked. */
static void set_pic_up(void)
{
    static const uint8_t words[][2] = { { 0x20, 0x11 }, { 0x21, 0x20 }, { 0x21, 4 }, { 0x21, 1 },
                                        { 0xa0, 0x11 }, { 0xa1, 0x28 }, { 0xa1, 2 }, { 0xa1, 1 },
                                        { 0x21, 0 }, { 0xa1, 0 } };

    for (unsigned i = 0; i < 10; i++)
        out(words[i][0], 1, words[i][1]);
}

static void what_nobody_has(void **state)
{
    static const uint16_t ports[] = { 0x70, 0x80, 0x3f0, 0x400, 0xcf0, 0xd00, 0x604,
                                      0x44, 0x22, 0x62 };

    for (unsigned i = 0; i < sizeof(ports) / sizeof(*ports); i++)
        for (unsigned size = 1; size <= 2; size *= 2) {
            out(ports[i], size, 0);
            assert_int_equal(in(ports[i], size), size == 1 ? 0xff : 0xffff);
        }
    assert_int_equal(in(0x3f6, 4), 0xffff);             /* the serial line has the upper two */
    assert_int_equal(in(0x60, 2), 0xff);                /* as the timer's has 0x61 */
    assert_int_equal(in(0x64, 1), 0);                   /* a keyboard with nothing to say */
    assert_int_equal(in(0x63, 2), 0x00ff);
    assert_null(ended);
}

static void the_timer(void **state)
{
    now = 5000;
    out(0x43, 1, 0x34);
    out(0x40, 1, 0xa9);
    out(0x40, 1, 0x04);
    assert_int_equal(machine.pit.channel[0].count, 1193);
    assert_int_equal(machine.pit.channel[0].start, 5000);
    now += 500000;
    out(0x43, 1, 0);
    assert_in_range(in(0x40, 1) | in(0x40, 1) << 8, 590, 600);
    out(0x61, 1, 1);
    assert_int_equal(in(0x61, 1) & 3, 1);
}

/* Two ports by one instruction; a line is written when it is whole. */
static void the_serial_line(void **state)
{
    out(0x3fe, 2, 0xb7a5);                              /* the scratch register, and no more */
    assert_int_equal(in(0x3ff, 1), 0xb7);
    out(0x3f8, 1, 'h');
    out(0x3f8, 1, 'i');
    assert_int_equal(line_length, 0);
    out(0x3f8, 1, '\n');
    assert_int_equal(line_length, 3);
    assert_memory_equal(line, "hi\n", 3);
}

/* Its interrupt goes up and down with what it has, seen by the processor at once. */
static void the_serial_interrupt(void **state)
{
    set_pic_up();
    out(0x3fc, 1, 8);
    assert_false(machine.vcpu.interrupt_pending);
    out(0x3f9, 1, 1);
    serial_receive(&machine.serial, 'x');
    assert_int_equal(in(0x3fd, 1), 0x61);               /* whoever looks sees to the line, too */
    assert_true(line_is_up(IRQ_SERIAL));
    assert_true(machine.vcpu.interrupt_pending);
    assert_int_equal(in(0x3f8, 1), 'x');
    assert_false(line_is_up(IRQ_SERIAL));
    out(0x3f9, 1, 3);
    assert_true(line_is_up(IRQ_SERIAL));
    out(0x3f9, 1, 0);
    assert_false(line_is_up(IRQ_SERIAL));
}

static void interrupts_of_the_controller(void **state)
{
    set_pic_up();
    irq_line(&machine, 5, true);
    assert_true(machine.vcpu.interrupt_pending);
    irq_line(&machine, 5, false);
    irq_line(&machine, 5, true);
    out(0x21, 1, 0x20);
    assert_false(machine.vcpu.interrupt_pending);
    assert_int_equal(in(0x21, 1), 0x20);
    out(0x21, 1, 0);
    assert_true(machine.vcpu.interrupt_pending);
    out(0x4d0, 2, 0x0c20);
    assert_int_equal(in(0x4d0, 2), 0x0c20);
    assert_int_equal(in(0x4d1, 1), 0x0c);
    machine.vcpu.interrupt_pending = false;
    in(0x64, 1);
    assert_true(machine.vcpu.interrupt_pending);
}

static void what_ends_it(void **state)
{
    static const struct { uint16_t port; unsigned size; uint32_t value; const char *why; } c[] = {
        { 0x64, 1, 0xfe, "the guest resets the machine (keyboard controller)" },
        { 0x64, 1, 0xff, NULL }, { 0x60, 1, 0xfe, NULL },
        { 0xf4, 1, 0, "the guest ends the machine (debug exit)" }, { 0xf5, 1, 0, NULL },
        { 0xcf9, 1, 6, "the guest resets the machine" }, { 0xcf9, 1, 4,
        "the guest resets the machine" }, { 0xcf9, 1, 2, NULL }, { 0xcf8, 4, 4, NULL },
        { 0xcf9, 1, 0xfb, NULL }, { 0x605, 2, 0x2000, NULL },
        { 0x604, 2, 0x2000, "the guest switches the machine off" }, { 0x604, 2, 0x5fff, NULL },
    };

    for (unsigned i = 0; i < sizeof(c) / sizeof(*c); i++) {
        ended = NULL;
        out(c[i].port, c[i].size, c[i].value);
        if (c[i].why)
            assert_string_equal(ended, c[i].why);
        else
            assert_null(ended);
    }
}

/* --- memory ---------------------------------------------------------------------------------- */

enum { DISK_AT = 0xfe004000, CARD_AT = 0xfe008000 };

static uint64_t load(uint64_t at, unsigned size)
{
    return machine_ops.load(&machine.vcpu, at, size);
}
static void store(uint64_t at, unsigned size, uint64_t value)
{
    machine_ops.store(&machine.vcpu, at, size, value);
}

static unsigned rung_for, rings;
static void notified(struct virtio *device, unsigned queue)
{
    rung_for = queue;
    rings++;
}

static void registers_in_memory(void **state)
{
    struct virtio *disk = &machine.disk.virtio, *card = &machine.card.virtio;

    disk->queues = 1;
    card->queues = 2;
    disk->notified = card->notified = notified;
    virtio_attach(disk, &machine, 1, 2, 0x010000, IRQ_DISK);
    virtio_attach(card, &machine, 2, 1, 0x020000, IRQ_NET);
    memcpy(disk->config, "\1\2\3\4\5\6\7\x88\x99", 9);
    assert_int_equal(load(DISK_AT + 18, 2), 1);
    assert_int_equal(load(CARD_AT + 18, 2), 2);
    assert_true(load(DISK_AT + 0x2000, 8) == 0x8807060504030201ull);
    assert_int_equal(load(DISK_AT + 0x2001, 4), 0x05040302);
    assert_int_equal(load(DISK_AT + 0x2007, 1), 0x88);
    assert_int_equal(load(CARD_AT + 0x2000, 8), 0);
    store(DISK_AT + 32, 8, 0x123456789abcdef0ull);
    assert_true(disk->queue[0].descriptors == 0x123456789abcdef0ull);
    assert_int_equal(load(DISK_AT + 36, 4), 0x12345678);
    assert_int_equal(card->queue[0].descriptors, 0);
    store(CARD_AT + 8, 4, 0xffffffffull);
    assert_int_equal(card->accepted_half, 0xffffffff);
    store(CARD_AT + 22, 2, 0xabcd0001);                 /* no more than it has bytes */
    assert_int_equal(card->selected, 1);
    store(CARD_AT + 24, 2, 0xffff0010);
    assert_int_equal(card->queue[1].size, 16);
    store(CARD_AT + 20, 1, 0xff00);
    assert_int_equal(card->resets, 1);
    store(CARD_AT + 0x3004, 2, 1);
    assert_int_equal(rung_for, 1);
    store(CARD_AT + 0x3008, 2, 1);
    store(DISK_AT + 0x3004, 2, 1);
    store(CARD_AT + 0x2004, 2, 1);
    assert_int_equal(rings, 1);
}

static void memory_that_is_not_there(void **state)
{
    assert_true(load(0xfe004000, 8) == ~0ull);
    assert_true(load(0xa0000, 1) == ~0ull);
    store(0xfe004000, 4, 1);
    assert_null(machine_ops.memory(&machine.vcpu, 0xa0000, false));
    assert_null(machine_ops.memory(&machine.vcpu, MEMORY, true));
    assert_ptr_equal(machine_ops.memory(&machine.vcpu, 0x100000, true), machine.page[0x100]);
    assert_ptr_equal(machine_ops.memory(&machine.vcpu, 0x9f000, false), machine.page[0x9f]);
    machine_ops.invalidated(&machine.vcpu, 0x1234000, false);
    assert_true(forgotten == 0x1234000 && !all_forgotten);
    machine_ops.invalidated(&machine.vcpu, 0, true);
    assert_true(forgotten == 0 && all_forgotten);
}

/* --- the processor --------------------------------------------------------------------------- */

static void what_cpuid_says(void **state)
{
    static const uint32_t says[][5] = {
        { 0, 1, 0x756d6f44, 0x726f7469, 0x6e6f4d73 },
        { 1, 0x600, 0, 0, 1 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 8 | 1 << 13 | 1 << 15 |
          1 << 16 | 1 << 24 },
        { 2 }, { 7 }, { 0x40000000 }, { 0x80000000, 0x80000008 },
        { 0x80000001, 0, 0, 1, 1 << 11 | 1 << 20 | 1 << 29 }, { 0x80000002 }, { 0x80000007 },
        { 0x80000008, 48 << 8 | 40 }, { 0x80000009 }, { ~0u },
    };
    uint32_t said[4];

    for (unsigned i = 0; i < sizeof(says) / sizeof(*says); i++) {
        memset(said, 0xff, sizeof(said));
        machine_ops.cpuid(&machine.vcpu, says[i][0], 0, said);
        assert_memory_equal(said, says[i] + 1, 16);
    }
    uint64_t first = machine_ops.tsc(&machine.vcpu);
    assert_true(machine_ops.tsc(&machine.vcpu) > first && first);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, gone)
    const struct CMUnitTest tests[] = {
        TEST(what_nobody_has), TEST(the_timer), TEST(the_serial_line), TEST(the_serial_interrupt),
        TEST(interrupts_of_the_controller), TEST(what_ends_it), TEST(registers_in_memory),
        TEST(memory_that_is_not_there), TEST(what_cpuid_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
