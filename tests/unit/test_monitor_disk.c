/* SPDX-License-Identifier: MIT */
/*
 * The monitor's virtio disk between a guest that may ask for anything and a disk that may be slow
 * or broken: where data comes from and goes to, what is refused, what a reset does to what is under
 * way.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <errno.h>
#include <cmocka.h>
#include "tests/unit/virtio_driver.h"

enum { SECTORS = 200, READ = 0, WRITE = 1, FLUSH = 4, IDENTITY = 8 };
enum { OK = 0, IO_ERROR = 1, UNSUPPORTED = 2, UNTOUCHED = 0x77 };
enum { HEADER = 0x20000, DATA = 0x21000, STATUS = 0x80000 };

static uint8_t sector_of[SECTORS][512];
static struct block_request *waiting[4];
static unsigned submitted, waits, kicks;
static void *stack[16];                 /* where it was at each submit() */
static bool at_once;                    /* the disk finishes before submit() returns */
static int first_disk, opens, fails_with;
static uint32_t has;

static void finish_one(void)
{
    struct block_request *r = waiting[0];
    uint8_t *at = sector_of[r->operation == BLOCK_FLUSH ? 0 : r->sector];
    uint64_t bytes = 0;

    waits--;
    memmove(waiting, waiting + 1, sizeof(waiting) - sizeof(*waiting));
    for (unsigned i = 0; i < r->segments && !fails_with; i++) {
        const struct block_segment *s = &r->segment[i];
        assert_int_equal(s->machine, (uintptr_t)s->data);
        assert_true(s->length && s->length <= 4096);
        memcpy(r->operation == BLOCK_READ ? s->data : at,
               r->operation == BLOCK_READ ? at : s->data, s->length);
        at += s->length;
        bytes += s->length;
    }
    assert_true(fails_with || bytes == r->sectors * 512);
    r->done(r, fails_with);
}

static void submit(struct blockdev *device, struct block_request *request)
{
    stack[submitted++ % 16] = __builtin_frame_address(0);
    waiting[waits++] = request;
    if (at_once)
        finish_one();
}
static void kick(struct blockdev *device)
{
    kicks++;
}
int blkfront_first(void)
{
    return first_disk;
}
int blkfront_open(struct blkfront *front, unsigned int vdev)
{
    assert_int_equal(vdev, first_disk);
    front->device = (struct blockdev){
        .name = "disk", .sectors = SECTORS, .flags = has, .max_segments = BLOCK_SEGMENTS_ANY,
        .submit = submit, .kick = kick,
    };
    return opens;
}

static int fresh(void **state)
{
    fresh_machine();
    submitted = waits = kicks = 0;
    at_once = false;
    opens = fails_with = 0;
    first_disk = 51712;
    has = BLOCK_CAN_FLUSH;
    for (unsigned i = 0; i < SECTORS; i++)
        memset(sector_of[i], (int)i, 512);
    return 0;
}
static int gone(void **state)
{
    for (unsigned i = 0; i < BOUNCE_PAGES; i++)
        free(machine.disk.bounce[i]);
    end_machine();
    return 0;
}

static void attach(void)
{
    assert_int_equal(disk_attach(&machine.disk, &machine), 0);
    drive(&machine.disk.virtio);
}

static void put_header(uint64_t at, uint32_t type, uint64_t sector)
{
    struct { uint32_t type, reserved; uint64_t sector; } h = { type, 0, sector };
    uint8_t untouched = UNTOUCHED;

    memory_write(&machine, at, &h, sizeof(h));
    memory_write(&machine, STATUS, &untouched, 1);
}

/* A request for `length` bytes at DATA, rung for; its head. */
static uint16_t ask(uint32_t type, uint64_t sector, uint32_t length)
{
    uint16_t flags = type == READ || type == IDENTITY ? DEVICE_WRITES : 0, head;

    put_header(HEADER, type, sector);
    head = length ? offer(0, PIECES({ HEADER, 16, 0 }, { DATA, length, flags },
                                    { STATUS, 1, DEVICE_WRITES }))
                  : offer(0, PIECES({ HEADER, 16, 0 }, { STATUS, 1, DEVICE_WRITES }));
    ring(0);
    return head;
}

/* The last answer is about that chain, with that status and so many bytes. */
static void has_answered(unsigned count, uint16_t head, uint8_t status, uint32_t written)
{
    assert_int_equal(returned(0), count);
    assert_int_equal(answer(0, count - 1).head, head);
    assert_int_equal(answer(0, count - 1).written, written);
    assert_int_equal(byte_at(STATUS), status);
    assert_true(line_is_up(IRQ_DISK));
    assert_false(machine.disk.busy);
    assert_int_equal(machine.disk.virtio.status, RUNNING);
}

/* --- what it is ------------------------------------------------------------------------------ */

static void no_disk(void **state)
{
    first_disk = -ENOENT;
    assert_int_equal(disk_attach(&machine.disk, &machine), -ENOENT);
    first_disk = 0;
    opens = -ETIMEDOUT;
    assert_int_equal(disk_attach(&machine.disk, &machine), -ETIMEDOUT);
    opens = 0;
    for (unsigned enough = 0; enough < BOUNCE_PAGES; enough++) {
        pages_left = enough;
        assert_int_equal(disk_attach(&machine.disk, &machine), -ENOMEM);
        assert_false(machine.pci.slot[1].there);
        for (unsigned i = 0; i < enough; i++)
            free(machine.disk.bounce[i]);
        memset(machine.disk.bounce, 0, sizeof(machine.disk.bounce));
    }
}

static uint32_t config(unsigned at)
{
    pci_out(&machine.pci, 0xcf8, 4, 0x80000800 | at);
    return pci_in(&machine.pci, 0xcfc, 4);
}

static void what_its_driver_sees(void **state)
{
    static const struct { uint32_t flags, features; } kinds[] = {
        { BLOCK_CAN_DISCARD | BLOCK_BY_DMA | BLOCK_CAN_IDENTIFY, 0 },
        { BLOCK_CAN_FLUSH, 1 << 9 }, { BLOCK_READ_ONLY, 1 << 5 },
    };

    for (unsigned i = 0; i < 3; i++) {
        has = kinds[i].flags;
        if (i) {
            gone(state);
            fresh_machine();
        }
        assert_int_equal(disk_attach(&machine.disk, &machine), 0);
        virtio_store(&machine.disk.virtio, 0, 4, 0);
        assert_int_equal(virtio_load(&machine.disk.virtio, 4, 4), kinds[i].features);
        virtio_store(&machine.disk.virtio, 0, 4, 1);
        assert_int_equal(virtio_load(&machine.disk.virtio, 4, 4), 1);
        virtio_store(&machine.disk.virtio, 0, 4, 2);
        assert_int_equal(virtio_load(&machine.disk.virtio, 4, 4), 0);
        assert_int_equal(virtio_load(&machine.disk.virtio, 0, 4), 2);
    }
    assert_int_equal(virtio_load(&machine.disk.virtio, 0x2000, 4), SECTORS);
    assert_int_equal(virtio_load(&machine.disk.virtio, 0x2004, 4), 0);
    assert_int_equal(virtio_load(&machine.disk.virtio, 18, 2), 1);
    assert_int_equal(config(0), 0x10421af4);
    assert_int_equal(config(8) >> 8, 0x010000);
    assert_int_equal(config(16), 0xfe004000);
    assert_int_equal(config(44), 0x00021af4);
    assert_int_equal(config(60), 0x100 | IRQ_DISK);
}

/* virtio 1.1, 4.1.4: which part of the BAR has what. */
static void its_capabilities(void **state)
{
    static const uint32_t parts[][2] = { { 1, 0 }, { 2, 0x3000 }, { 3, 0x1000 }, { 4, 0x2000 } };
    unsigned at, count = 0;

    attach();
    for (at = config(52) & 0xff; at; at = config(at) >> 8 & 0xff, count++) {
        assert_true(count < 4);
        assert_int_equal(config(at) & 0xff, 9);
        assert_int_equal(config(at) >> 16 & 0xff, 20);
        assert_int_equal(config(at) >> 24, parts[count][0]);
        assert_int_equal(config(at + 4), 0);
        assert_int_equal(config(at + 8), parts[count][1]);
        assert_int_equal(config(at + 12), 0x1000);
        assert_int_equal(config(at + 16), parts[count][0] == 2 ? 4 : 0);
    }
    assert_int_equal(count, 4);
}

/* --- requests -------------------------------------------------------------------------------- */

static void reading(void **state)
{
    const uint32_t whole = 15 * 4096 + 512;             /* more than goes at a time */
    uint16_t head;

    attach();
    assert_int_equal(machine.disk.busy, false);
    head = ask(READ, 7, whole);
    assert_int_equal(submitted, 1);
    assert_int_equal(kicks, 1);
    assert_int_equal(waiting[0]->operation, BLOCK_READ);
    assert_int_equal(waiting[0]->sector, 7);
    assert_int_equal(waiting[0]->segments, 11);
    assert_int_equal(waiting[0]->sectors, 88);
    finish_one();
    assert_int_equal(wakes, 1);
    assert_int_equal(returned(0), 0);
    assert_int_equal(waiting[0]->sector, 7 + 88);
    assert_int_equal(waiting[0]->segments, 5);
    assert_int_equal(waiting[0]->segment[4].length, 512);
    finish_one();
    has_answered(1, head, OK, whole + 1);
    assert_int_equal(submitted, 2);
    for (uint32_t at = 0; at < whole; at++)
        if (byte_at(DATA + at) != 7 + at / 512)
            fail_msg("byte %u", at);
    assert_int_equal(byte_at(DATA + whole), 0);
}

/* Pieces of any size, of which the status shares the last. */
static void odd_pieces(void **state)
{
    uint16_t head;

    attach();
    put_header(HEADER, READ, 3);
    head = offer(0, PIECES({ HEADER, 5, 0 }, { HEADER + 5, 11, 0 }, { DATA, 3, DEVICE_WRITES },
                           { DATA + 10, 4093, DEVICE_WRITES },
                           { STATUS - 512, 513, DEVICE_WRITES }));
    ring(0);
    finish_one();
    has_answered(1, head, OK, 4609);
    assert_int_equal(byte_at(DATA + 2), 3);
    assert_int_equal(byte_at(DATA + 3), 0);
    assert_int_equal(byte_at(DATA + 10), 3);
    assert_int_equal(byte_at(DATA + 10 + 4092), 10);
    assert_int_equal(byte_at(STATUS - 1), 11);
}

static void writing(void **state)
{
    const uint32_t whole = 11 * 4096 + 1024;
    static uint8_t bytes[11 * 4096 + 1024];
    uint16_t head;

    attach();
    for (uint32_t i = 0; i < whole; i++)
        bytes[i] = (uint8_t)(i / 512 + 0x40);
    memory_write(&machine, DATA, bytes, whole);
    head = ask(WRITE, 100, whole);
    assert_int_equal(waiting[0]->operation, BLOCK_WRITE);
    assert_int_equal(waiting[0]->sector, 100);
    finish_one();
    assert_int_equal(waiting[0]->sector, 188);
    assert_int_equal(waiting[0]->sectors, 2);
    finish_one();
    has_answered(1, head, OK, 1);
    assert_memory_equal(sector_of[100], bytes, whole);
    assert_int_equal(sector_of[99][511], 99);
    assert_int_equal(sector_of[190][0], 190);
}

static void flushing(void **state)
{
    attach();
    uint16_t head = ask(FLUSH, 5, 12 * 4096);           /* its data is nothing to it */
    assert_int_equal(waiting[0]->operation, BLOCK_FLUSH);
    assert_int_equal(waiting[0]->sector, 0);
    assert_int_equal(waiting[0]->sectors, 0);
    assert_int_equal(waiting[0]->segments, 0);
    finish_one();
    has_answered(1, head, OK, 1);
    assert_int_equal(submitted, 1);
    fails_with = -EIO;
    head = ask(FLUSH, 0, 0);
    finish_one();
    has_answered(2, head, IO_ERROR, 1);
}

static void its_name(void **state)
{
    char name[21] = "";
    uint16_t head;

    attach();
    head = ask(IDENTITY, 0, 20);
    has_answered(1, head, OK, 1);
    memory_read(&machine, DATA, name, 20);
    assert_string_equal(name, "domus-monitor");
    assert_int_equal(submitted, 0);
    head = ask(IDENTITY, 0, 18);                        /* a byte too small, with the status */
    has_answered(2, head, IO_ERROR, 1);
}

static void what_is_refused(void **state)
{
    static const struct { uint32_t type; uint64_t sector; uint32_t length; uint8_t status; } c[] = {
        { 2, 0, 512, UNSUPPORTED }, { 5, 0, 512, UNSUPPORTED }, { 0x100, 0, 0, UNSUPPORTED },
        { READ, 0, 0, IO_ERROR }, { WRITE, 0, 0, IO_ERROR }, { READ, 0, 511, IO_ERROR },
        { WRITE, 0, 513, IO_ERROR }, { READ, SECTORS, 512, IO_ERROR },
        { READ, SECTORS - 1, 1024, IO_ERROR }, { WRITE, SECTORS - 1, 1024, IO_ERROR },
        { READ, SECTORS + 1, 512, IO_ERROR }, { WRITE, ~0ull, 512, IO_ERROR },
        { READ, 1ull << 55, 512, IO_ERROR },
    };

    attach();
    for (unsigned i = 0; i < sizeof(c) / sizeof(*c); i++) {
        uint16_t head = ask(c[i].type, c[i].sector, c[i].length);
        has_answered(i + 1, head, c[i].status, 1);
        assert_int_equal(submitted, 0);
    }
    ask(READ, SECTORS - 2, 1024);                       /* to its very end */
    assert_int_equal(submitted, 1);
}

/* As far as there is a disk. */
static void over_its_end(void **state)
{
    uint16_t head;

    attach();
    head = ask(READ, SECTORS - 88, 12 * 4096);
    finish_one();
    has_answered(1, head, IO_ERROR, 11 * 4096 + 1);
    assert_int_equal(submitted, 1);
}

/* A header that is none, or nowhere to say how it went: the device waits for a reset. */
static void what_is_nonsense(void **state)
{
    attach();
    for (unsigned i = 0; i < 4; i++) {
        put_header(HEADER, READ, 0);
        if (i == 0)
            offer(0, PIECES({ HEADER, 15, 0 }, { DATA, 513, DEVICE_WRITES }));
        else if (i == 1)
            offer(0, PIECES({ HEADER, 16, 0 }));
        else if (i == 2)
            offer(0, PIECES({ NOWHERE - 8, 16, 0 }, { DATA, 513, DEVICE_WRITES }));
        else
            offer(0, PIECES({ HEADER, 16, 0 }, { DATA, 512, DEVICE_WRITES },
                            { NOWHERE, 1, DEVICE_WRITES }));
        ring(0);
        if (i == 3)
            finish_one();
        assert_int_equal(returned(0), 0);
        assert_int_equal(virtio_load(driven, 20, 1), RUNNING | NEEDS_RESET);
        assert_int_equal(virtio_load(driven, 0x1000, 1), 2);
        assert_false(machine.disk.busy);
        drive(driven);
    }
    assert_int_equal(submitted, 1);
}

/* Memory that is not there, in what would be written or read. */
static void data_that_is_nowhere(void **state)
{
    uint16_t head;

    attach();
    put_header(HEADER, READ, 0);
    head = offer(0, PIECES({ HEADER, 16, 0 }, { NOWHERE - 4096, 8192, DEVICE_WRITES },
                           { STATUS, 1, DEVICE_WRITES }));
    ring(0);
    finish_one();
    has_answered(1, head, IO_ERROR, 1);
    put_header(HEADER, WRITE, 0);
    head = offer(0, PIECES({ HEADER, 16, 0 }, { NOWHERE - 4096, 8192, 0 },
                           { STATUS, 1, DEVICE_WRITES }));
    ring(0);
    has_answered(2, head, IO_ERROR, 1);
    assert_int_equal(submitted, 1);
}

static void a_disk_that_fails(void **state)
{
    const uint32_t whole = 12 * 4096;
    uint16_t head;

    attach();
    head = ask(READ, 0, whole);
    finish_one();
    fails_with = -EIO;
    finish_one();
    has_answered(1, head, IO_ERROR, 11 * 4096 + 1);
    head = ask(WRITE, 0, 512);
    finish_one();
    has_answered(2, head, IO_ERROR, 1);
}

/* One at a time, in their order, whenever they were rung for; a disk that finishes at once makes no
 * recursion. */
static void one_behind_the_other(void **state)
{
    uint16_t head[3];

    attach();
    for (unsigned i = 0; i < 3; i++)
        head[i] = ask(READ, i + 1, 512);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(submitted, i + 1);
        finish_one();
        assert_int_equal(answer(0, i).head, head[i]);
    }
    has_answered(3, head[2], OK, 513);
    assert_int_equal(byte_at(DATA), 3);
    at_once = true;
    ask(READ, 4, 512);
    for (unsigned i = 0; i < 4; i++)
        offer(0, PIECES({ HEADER, 16, 0 }, { DATA, 512, DEVICE_WRITES },
                        { STATUS, 1, DEVICE_WRITES }));
    ring(0);
    assert_int_equal(returned(0), 8);
    assert_int_equal(submitted, 8);
    assert_ptr_equal(stack[4], stack[7]);
    at_once = false;
    ask(READ, 3, 512);
    assert_int_equal(submitted, 9);
}

/* What was under way before a reset is answered to nobody; what is asked behind it, in its turn. */
static void a_reset_in_the_middle(void **state)
{
    uint16_t head;

    attach();
    ask(READ, 1, 12 * 4096);
    drive(driven);
    head = ask(READ, 2, 512);
    assert_int_equal(submitted, 1);
    finish_one();
    assert_int_equal(returned(0), 0);
    assert_int_equal(byte_at(DATA), 0);
    assert_int_equal(submitted, 2);
    assert_int_equal(waiting[0]->sector, 2);
    finish_one();
    has_answered(1, head, OK, 513);
    ask(READ, 1, 512);                          /* nobody rings behind it */
    drive(driven);
    finish_one();
    assert_false(machine.disk.busy);
    assert_int_equal(submitted, 3);
    assert_int_equal(virtio_load(driven, 20, 1), RUNNING);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, gone)
    const struct CMUnitTest tests[] = {
        TEST(no_disk), TEST(what_its_driver_sees), TEST(its_capabilities), TEST(reading),
        TEST(odd_pieces), TEST(writing), TEST(flushing), TEST(its_name), TEST(what_is_refused),
        TEST(over_its_end),
        TEST(what_is_nonsense), TEST(data_that_is_nowhere), TEST(a_disk_that_fails),
        TEST(one_behind_the_other), TEST(a_reset_in_the_middle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
