/* SPDX-License-Identifier: MIT */
/*
 * The monitor's interrupt controllers, timer, serial port and PCI configuration space against their
 * data sheets, as kernels use them; and against anything that a guest may write.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "pvguest-sdk/monitor/pci.h"
#include "pvguest-sdk/monitor/pic.h"
#include "pvguest-sdk/monitor/pit.h"
#include "pvguest-sdk/monitor/serial.h"

/* --- 8259 ----------------------------------------------------------------------------------- */

static struct pic pic;

static void initialise(void)
{
    static const uint8_t words[][4] = { { 0x11, 0x20, 4, 1 }, { 0x11, 0x28, 2, 1 } };

    for (unsigned chip = 0; chip < 2; chip++) {
        pic_out(&pic, (uint16_t)(chip ? 0xa0 : 0x20), words[chip][0]);
        for (unsigned i = 1; i < 4; i++)
            pic_out(&pic, (uint16_t)(chip ? 0xa1 : 0x21), words[chip][i]);
    }
    pic_out(&pic, 0x21, 0);
    pic_out(&pic, 0xa1, 0);
}

static void set_up(void)
{
    pic_reset(&pic);
    initialise();
}

static void edges_and_priorities(void **state)
{
    set_up();
    pic_line(&pic, 4, true);
    pic_line(&pic, 0, true);
    assert_true(pic_calls(&pic));
    assert_int_equal(pic_acknowledge(&pic), 0x20);      /* the timer first */
    assert_false(pic_calls(&pic));                      /* it is in service, 4 comes behind it */
    pic_out(&pic, 0x20, 0x20);
    assert_true(pic_calls(&pic));
    assert_int_equal(pic_acknowledge(&pic), 0x24);
    pic_out(&pic, 0x20, 0x20);
    assert_false(pic_calls(&pic));                      /* both lines still up: edges, once each */
    pic_line(&pic, 0, false);
    pic_line(&pic, 0, true);
    assert_true(pic_calls(&pic));
}

/* Who sets it up again has edges no more, but levels. */
static void set_up_again(void **state)
{
    set_up();
    pic_line(&pic, 4, true);
    pic_line(&pic, 11, true);
    assert_true(pic_calls(&pic));
    initialise();
    assert_int_equal(pic_acknowledge(&pic), 0x2b);
    pic_out(&pic, 0xa0, 0x20);
    pic_out(&pic, 0x20, 0x20);
    pic_line(&pic, 11, false);
    assert_false(pic_calls(&pic));
}

static void levels_come_again(void **state)
{
    set_up();
    pic_line(&pic, 11, true);
    assert_int_equal(pic_acknowledge(&pic), 0x2b);
    pic_out(&pic, 0xa0, 0x20);
    pic_out(&pic, 0x20, 0x20);
    assert_true(pic_calls(&pic));                       /* the line is up still */
    pic_line(&pic, 11, false);
    assert_false(pic_calls(&pic));
    assert_int_equal(pic_in(&pic, 0x4d1), 0x0e);
}

static void masks_and_registers(void **state)
{
    set_up();
    pic_out(&pic, 0x21, 0x10);
    pic_line(&pic, 4, true);
    assert_false(pic_calls(&pic));
    assert_int_equal(pic_in(&pic, 0x20), 0x10);         /* requested all the same */
    assert_int_equal(pic_in(&pic, 0x21), 0x10);
    pic_out(&pic, 0x21, 0);
    pic_acknowledge(&pic);
    pic_out(&pic, 0x20, 0x0b);
    assert_int_equal(pic_in(&pic, 0x20), 0x10);         /* in service */
    pic_out(&pic, 0x20, 0x64);                          /* its end, by number */
    assert_int_equal(pic_in(&pic, 0x20), 0);
}

/* What would rotate or poll does nothing else than what is there. */
static void what_is_not_there_changes_nothing(void **state)
{
    set_up();
    pic_line(&pic, 3, true);
    pic_line(&pic, 6, true);
    pic_out(&pic, 0x20, 0xc3);
    pic_out(&pic, 0x20, 0x80);
    pic_out(&pic, 0x20, 0x0c);
    pic_out(&pic, 0x20, 0x68);
    assert_int_equal(pic_acknowledge(&pic), 0x23);
    pic_out(&pic, 0x20, 0xa0);                          /* an end that rotates is an end */
    assert_int_equal(pic_acknowledge(&pic), 0x26);
}

/* Who ends each by itself has none in service. */
static void ends_by_itself(void **state)
{
    set_up();
    pic.chip[0].automatic = true;
    pic_line(&pic, 4, true);
    assert_int_equal(pic_acknowledge(&pic), 0x24);
    assert_int_equal(pic.chip[0].in_service, 0);
}

static void nothing_there_is_spurious(void **state)
{
    set_up();
    assert_int_equal(pic_acknowledge(&pic), 0x27);
    pic_out(&pic, 0x20, 0x0b);
    assert_int_equal(pic_in(&pic, 0x20), 0);            /* and is not in service */
}

/* --- 8254 ----------------------------------------------------------------------------------- */

#define MS 1000000ull

static void load(struct pit *pit, uint8_t mode, uint16_t count, uint64_t now)
{
    pit_out(pit, 0x43, mode, now);
    pit_out(pit, 0x40, (uint8_t)count, now);
    pit_out(pit, 0x40, (uint8_t)(count >> 8), now);
}

static void a_hundred_ticks_a_second(void **state)
{
    struct pit pit = { 0 };
    unsigned ticks = 0;

    assert_true(pit_next(&pit) == ~0ull);
    load(&pit, 0x34, 11931, 0);
    for (uint64_t now = 0; now < 1000 * MS; now += MS / 10)
        ticks += pit_ticked(&pit, now);
    assert_in_range(ticks, 99, 100);
    assert_true(pit_ticked(&pit, 2000 * MS));           /* who sleeps misses some: one is left */
    assert_false(pit_ticked(&pit, 2000 * MS));
    assert_in_range(pit_next(&pit), 2000 * MS, 2010 * MS);
}

static void once(void **state)
{
    struct pit pit = { 0 };

    load(&pit, 0x30, 1193, 5 * MS);
    assert_false(pit_ticked(&pit, 5 * MS + MS / 2));
    assert_true(pit_ticked(&pit, 7 * MS));
    assert_false(pit_ticked(&pit, 100 * MS));
    assert_true(pit_next(&pit) == ~0ull);
    for (uint8_t mode = 0; mode < 6; mode++) {          /* two wait for a gate that is not there */
        load(&pit, (uint8_t)(0x30 | mode << 1), 1193, 0);
        assert_int_equal(pit_next(&pit) == ~0ull, mode == 1 || mode == 5);
    }
}

static void counts_are_latched(void **state)
{
    struct pit pit = { 0 };
    unsigned count;

    load(&pit, 0x34, 20000, 0);
    pit_out(&pit, 0x43, 0, MS);                         /* latch at 1 ms: 1193 gone */
    pit_out(&pit, 0x43, 0, 2 * MS);                     /* and not again before it is read */
    count = pit_in(&pit, 0x40, 5 * MS);
    count |= (unsigned)pit_in(&pit, 0x40, 6 * MS) << 8;
    assert_int_equal(count, 20000 - 1193);
    count = pit_in(&pit, 0x40, 2 * MS);                 /* read once, it runs again */
    count |= (unsigned)pit_in(&pit, 0x40, 2 * MS) << 8;
    assert_int_equal(count, 20000 - 2386);
    pit_out(&pit, 0x43, 0xd2, MS);                      /* read back: not there */
    count = pit_in(&pit, 0x40, 3 * MS);
    count |= (unsigned)pit_in(&pit, 0x40, 3 * MS) << 8;
    assert_int_equal(count, 20000 - 3579);
}

static void the_loudspeaker_measures(void **state)
{
    struct pit pit = { 0 };

    pit_out(&pit, 0x61, 0, 0);
    pit_out(&pit, 0x43, 0xb0, 0);
    pit_out(&pit, 0x42, 0x9b, 0);
    pit_out(&pit, 0x42, 0x2e, 0);                       /* 11931: 10 ms */
    pit_out(&pit, 0x61, 1, MS);                         /* from now on */
    assert_int_equal(pit_in(&pit, 0x61, 10 * MS) & 0x20, 0);
    assert_int_equal(pit_in(&pit, 0x61, 11 * MS + MS / 10) & 0x20, 0x20);
}

/* --- 16550 ---------------------------------------------------------------------------------- */

static char written[1024];
static size_t written_count, writes;

static void write_out(const char *bytes, size_t count)
{
    assert_true(written_count + count <= sizeof(written));
    memcpy(written + written_count, bytes, count);
    written_count += count;
    writes++;
}

static void fresh(struct serial *serial)
{
    *serial = (struct serial){ .write = write_out };
    written_count = writes = 0;
}

static void lines_go_whole(void **state)
{
    struct serial serial;

    fresh(&serial);
    for (const char *c = "hello\r\nx"; *c; c++)
        serial_out(&serial, 0x3f8, (uint8_t)*c);
    assert_int_equal(writes, 1);
    assert_memory_equal(written, "hello\r\n", 7);
    serial_flush(&serial);
    assert_int_equal(written_count, 8);
    for (int i = 0; i < SERIAL_SENT; i++)
        serial_out(&serial, 0x3f8, 'y');
    assert_int_equal(written_count, 8 + SERIAL_SENT);
    for (unsigned value = 0; value < 256; value++) {    /* the modem's register has five bits */
        serial_out(&serial, 0x3fc, (uint8_t)value);
        assert_int_equal(serial_in(&serial, 0x3fc), value & 0x1f);
    }
}

static void input_interrupts(void **state)
{
    struct serial serial;

    fresh(&serial);
    serial_out(&serial, 0x3f9, 1);
    serial_out(&serial, 0x3fc, 0x0b);
    assert_false(serial_interrupts(&serial));
    for (int i = 0; i < SERIAL_RECEIVED; i++)
        assert_true(serial_receive(&serial, 'a'));
    assert_false(serial_receive(&serial, 'b'));
    assert_true(serial_interrupts(&serial));
    serial_out(&serial, 0x3fc, 3);                      /* without OUT2 there is no line */
    assert_false(serial_interrupts(&serial));
    serial_out(&serial, 0x3fc, 0x0b);
    assert_int_equal(serial_in(&serial, 0x3fa) & 0xf, 4);
    for (int i = 0; i < SERIAL_RECEIVED; i++) {
        assert_int_equal(serial_in(&serial, 0x3fd), 0x61);
        assert_int_equal(serial_in(&serial, 0x3f8), 'a');
    }
    assert_int_equal(serial_in(&serial, 0x3fd), 0x60);
    assert_false(serial_interrupts(&serial));
}

static void sent_is_told_once(void **state)
{
    struct serial serial;

    fresh(&serial);
    serial_out(&serial, 0x3fc, 8);
    serial_out(&serial, 0x3f9, 2);
    assert_true(serial_interrupts(&serial));
    assert_int_equal(serial_in(&serial, 0x3fa) & 0xf, 2);
    assert_false(serial_interrupts(&serial));
    assert_int_equal(serial_in(&serial, 0x3fa) & 0xf, 1);
}

/* --- PCI ------------------------------------------------------------------------------------ */

static uint32_t config(struct pci *pci, unsigned slot, unsigned at)
{
    pci_out(pci, 0xcf8, 4, 0x80000000 | slot << 11 | at);
    return pci_in(pci, 0xcfc, 4);
}

static void functions_are_found(void **state)
{
    struct pci pci;
    struct pci_function *f;
    uint8_t first[16] = { 9, 0, 16, 1 }, second[16] = { 9, 0, 16, 2 }, third[4] = { 9, 0, 4, 3 };
    uint32_t offset;

    pci_reset(&pci);
    f = pci_add(&pci, 1, 0x10421af4, 0x21af4, 0x10000, 0xfe004000, 0x4000, 10);
    pci_capability(f, first, sizeof(first));
    pci_capability(f, second, sizeof(second));
    pci_capability(f, third, sizeof(third));
    assert_int_equal(config(&pci, 0, 0), 0x29c08086);
    assert_int_equal(config(&pci, 1, 0), 0x10421af4);
    assert_int_equal(config(&pci, 2, 0), 0xffffffff);
    assert_int_equal(config(&pci, 31, 0), 0xffffffff);
    assert_int_equal(config(&pci, 1, 8) >> 8, 0x10000);
    assert_int_equal(config(&pci, 1, 0x3c), 0x10a);
    assert_int_equal(config(&pci, 1, 0x34), 0x40);
    assert_int_equal(config(&pci, 1, 0x40), 0x01105009);
    assert_int_equal(config(&pci, 1, 0x50), 0x02106009);
    assert_int_equal(config(&pci, 1, 0x60), 0x03040009);
    assert_ptr_equal(pci_at(&pci, 0xfe004010, &offset), f);
    assert_int_equal(offset, 0x10);
    assert_null(pci_at(&pci, 0xfe008000, &offset));
    /* how large it is, and somewhere else */
    pci_out(&pci, 0xcf8, 4, 0x80000810);
    pci_out(&pci, 0xcfc, 4, 0xffffffff);
    assert_int_equal(pci_in(&pci, 0xcfc, 4), 0xffffc000);
    pci_out(&pci, 0xcfc, 4, 0xd0000000);
    assert_ptr_equal(pci_at(&pci, 0xd0003fff, &offset), f);
    pci_out(&pci, 0xcf8, 4, 0x80000804);
    pci_out(&pci, 0xcfc, 2, 0);                         /* memory off */
    assert_null(pci_at(&pci, 0xd0000000, &offset));
    pci_out(&pci, 0xcf8, 4, 0x80010800);                /* bus 1 is nobody's */
    assert_int_equal(pci_in(&pci, 0xcfc, 4), 0xffffffff);
}

/* --- anything ------------------------------------------------------------------------------- */

static void anything_goes(void **state)
{
    static struct pci pci;
    struct serial serial;
    struct pit pit = { 0 };
    uint64_t now = 0;
    uint32_t offset;

    srandom(1);
    fresh(&serial);
    pic_reset(&pic);
    pci_reset(&pci);
    pci_add(&pci, 3, 1, 2, 3, 0xfe000000, 0x4000, 11);
    for (int i = 0; i < 300000; i++) {
        uint8_t value = (uint8_t)random();
        static const uint16_t pics[] = { 0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1 };
        uint16_t at = pics[random() % 6];
        if (random() & 1)
            pic_out(&pic, at, value);
        else
            pic_in(&pic, at);
        pic_line(&pic, value & 15, value & 16);
        if (pic_calls(&pic))
            pic_acknowledge(&pic);
        now += (uint64_t)random() % (MS * 10);
        at = random() % 5 ? (uint16_t)(0x40 + random() % 4) : 0x61;
        if (random() & 1)
            pit_out(&pit, at, value, now);
        else
            pit_in(&pit, at, now);
        if (pit_ticked(&pit, now))
            assert_true(pit_next(&pit) > now);
        at = (uint16_t)(0x3f8 + random() % 8);
        if (random() & 1)
            serial_out(&serial, at, value);
        else
            serial_in(&serial, at);
        serial_receive(&serial, value);
        written_count = 0;
        pci_out(&pci, (uint16_t)(0xcf8 + random() % 8), 1u << random() % 3,
                (uint32_t)random() << 1 | (i & 1) | 0x80000000);
        pci_in(&pci, (uint16_t)(0xcf8 + random() % 8), 1u << random() % 3);
        pci_at(&pci, (uint32_t)random(), &offset);
    }
}

/* What firmware and drivers note there stays, and is nothing to us. */
static void notes_of_drivers(void **state)
{
    struct pci pci;

    pci_reset(&pci);
    pci_add(&pci, 1, 0x12345678, 0, 0, 0xfe000000, 0x1000, 5);
    pci_out(&pci, 0xcf8, 4, 0x8000080c);
    pci_out(&pci, 0xcfc, 4, 0xa5a54020);                /* cache line, latency; no more */
    assert_int_equal(pci_in(&pci, 0xcfc, 4), 0x4020);
    pci_out(&pci, 0xcf8, 4, 0x8000083c);
    pci_out(&pci, 0xcfc, 4, 0xa5a5a50b);
    assert_int_equal(pci_in(&pci, 0xcfc, 4), 0x10b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edges_and_priorities), cmocka_unit_test(set_up_again),
        cmocka_unit_test(notes_of_drivers),
        cmocka_unit_test(levels_come_again),
        cmocka_unit_test(masks_and_registers), cmocka_unit_test(nothing_there_is_spurious),
        cmocka_unit_test(what_is_not_there_changes_nothing), cmocka_unit_test(ends_by_itself),
        cmocka_unit_test(a_hundred_ticks_a_second), cmocka_unit_test(once),
        cmocka_unit_test(counts_are_latched), cmocka_unit_test(the_loudspeaker_measures),
        cmocka_unit_test(lines_go_whole), cmocka_unit_test(input_interrupts),
        cmocka_unit_test(sent_is_told_once), cmocka_unit_test(functions_are_found),
        cmocka_unit_test(anything_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
