/* SPDX-License-Identifier: MIT */
/*
 * Partitions and who uses them: one writer or several readers, windows that end where the partition
 * does, and disks that fail; with the transfers that wait for their end. Its interrupt only marks.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <pvguest/console.h>
#include <pvguest/events.h>
#include <pvguest/sched.h>
#include <pvguest/thread.h>
#include "dom0/storage/disks.h"
#include "gpt_host.h"
#include "dom0/turns.h"
#include "masked_host.h"

/* --- the SDK ---------------------------------------------------------------------------------- */

static char said[200];
static unsigned yields;

void printk(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(said, sizeof(said), format, arguments);
    va_end(arguments);
}

const char *errno_name(long error)
{
    return error == -ENOENT   ? "ENOENT"
           : error == -ENODEV ? "ENODEV"
           : error == -EIO    ? "EIO"
                              : "another";
}

void vcpu_yield(void)
{
    assert_false(masked);                       /* others may have work */
    yields++;
}

const char *sleepless;
static bool threads;                            /* others can run */
static unsigned thread_yields;

bool threads_wait(void)
{
    return threads;
}

void thread_yield(void)
{
    assert_true(!masked && !sleepless);
    thread_yields++;
}

static uint64_t now;

uint64_t now_ns(void)
{
    return now;
}

void wake_all(struct wait_queue *queue)
{
}

/* --- a disk of 8,000 sectors that answers when it is asked often enough ----------------------- */

#define SECTORS 8000u

static _Alignas(4096) uint8_t sectors[SECTORS * 512], data[100 * 512 + 4096], back[100 * 512];
static struct block_request *waiting[8];
static unsigned waiting_count, polls, flushes, kicks, patience;
static int result;
static const char *serial;
static struct blockdev disk;

static void submit(struct blockdev *device, struct block_request *request)
{
    assert_true(masked && waiting_count < 8);
    waiting[waiting_count++] = request;
}

static void kick(struct blockdev *device)
{
    kicks++;
}

static void poll(struct blockdev *device)
{
    struct block_request *request;

    assert_true(masked);
    if (++polls % (patience + 1) || !waiting_count) return;
    request = waiting[--waiting_count];

    uint8_t *at = sectors + request->sector * 512;

    for (unsigned i = 0; i < request->segments; at += request->segment[i].length, i++) {
        assert_int_equal(request->segment[i].machine, virt_to_machine(request->segment[i].data));
        if (request->operation == BLOCK_IDENTIFY)
            memcpy(request->segment[i].data, serial, strlen(serial));
        else if (request->operation == BLOCK_READ)
            memcpy(request->segment[i].data, at, request->segment[i].length);
        else
            memcpy(at, request->segment[i].data, request->segment[i].length);
    }
    flushes += request->operation == BLOCK_FLUSH;
    request->done(request, result);
}

static bool dead;

bool wait_on(struct wait_queue *queue, uint64_t timeout)
{
    now += MIN(timeout, 100u);
    if (!dead)
        disk.poll(&disk);
    return true;
}

static unsigned served;

static bool serve(struct blockdev *device, unsigned budget)
{
    served += budget;
    return served == budget;                    /* there is more to do after the first turn */
}

static struct blockdev disk = { .name = "disk0", .sectors = SECTORS, .max_segments = 11,
                                .flags = BLOCK_CAN_FLUSH,
                                .submit = submit, .kick = kick, .poll = poll, .serve = serve };

/* --- its table -------------------------------------------------------------------------------- */

static void partition(unsigned index, const char *name, uint64_t first, uint64_t last)
{
    put_partition(sectors + 2 * 512 + index * 128, name, first, last);
}

static void seal_table(void)
{
    uint8_t *h = sectors + 512;

    put(h + 88, crc(sectors + 1024, 128 * 128), 4);
    put(h + 16, 0, 4);
    put(h + 16, crc(h, 92), 4);
}

static void make_table(void)
{
    uint8_t *h = sectors + 512;

    partition(0, "one", 100, 199);
    partition(1, "two", 200, 7000);
    memcpy(h, "EFI PART", 8);
    put(h + 12, 92, 4);
    put(h + 24, 1, 8);
    put(h + 40, 34, 8);
    put(h + 48, SECTORS - 34, 8);
    put(h + 72, 2, 8);
    put(h + 80, 128, 4);
    put(h + 84, 128, 4);
    seal_table();
}

/* --- tests, in this order --------------------------------------------------------------------- */

static struct blockdev *device;
static const char *why;

static unsigned visited, writers, readers;

static void visit_whole(const char *name, uint64_t size, unsigned w, unsigned r)
{
    visited++;
    assert_string_equal(name, "/dev/disk0");
    assert_int_equal(size, SECTORS);
    assert_true(w == 1 && r == 0);
}

static void no_disk_and_no_table(void **state)
{
    disks_start(NULL);
    disks_for_each(visit_whole);
    assert_int_equal(visited, 0);
    assert_string_equal(said, "dom0: no disk\n");
    assert_int_equal(disks_claim("one", false, &device, &why), -ENODEV);
    assert_string_equal(why, "this machine has no disk");
    disks_flush(1000);
    disks_start(&disk);
    assert_non_null(strstr(said, "the disk has no GPT; all of it is /dev/disk0 (ENOENT)"));
    assert_int_equal(disks_claim("one", false, &device, &why), -ENODEV);
    assert_string_equal(why, "the disk has no GPT; all of it is /dev/disk0");
    /* It need not have one for that. */
    assert_int_equal(disks_claim("/dev/disk0", true, &device, &why), 0);
    visited = 0;
    disks_for_each(visit_whole);
    assert_int_equal(visited, 1);
    disks_release("/dev/disk0", true);
    result = -EIO;
    disks_start(&disk);
    assert_non_null(strstr(said, "the disk cannot be read (EIO)"));
    result = 0;
    make_table();
    disks_start(&disk);
    assert_string_equal(said, "dom0: disk disk0, 3 MiB: 2 partitions\n");
    disk.flags |= BLOCK_READ_ONLY;
    disks_start(&disk);
    assert_string_equal(said, "dom0: disk disk0, 3 MiB, read-only: 2 partitions\n");
    disk.flags &= ~BLOCK_READ_ONLY;
    sectors[512 + 50] ^= 1;
    disks_start(&disk);
    assert_string_equal(said, "dom0: disk disk0, 3 MiB: the disk's GPT is damaged (ENODEV)\n");
    sectors[512 + 50] ^= 1;
    disks_start(&disk);
}

static void visit(const char *name, uint64_t size, unsigned w, unsigned r)
{
    if (visited++ == 0) {
        assert_string_equal(name, "one");
        assert_int_equal(size, 100);
        writers = w;
        readers = r;
    }
}

static void assert_users(unsigned w, unsigned r)
{
    visited = 0;
    disks_for_each(visit);
    assert_int_equal(visited, 2);
    assert_true(writers == w && readers == r);
}

static void one_writer_or_readers(void **state)
{
    struct blockdev *again;

    assert_int_equal(disks_claim("none", true, &device, &why), -ENOENT);
    disk.sectors = 150;                         /* it has become smaller */
    assert_int_equal(disks_claim("one", true, &device, &why), -EINVAL);
    assert_string_equal(why, "it does not lie on the disk");
    assert_users(0, 0);
    disk.sectors = SECTORS;
    assert_int_equal(disks_claim("one", true, &device, &why), 0);
    assert_users(1, 0);
    assert_int_equal(disks_claim("one", true, &again, &why), -EBUSY);
    assert_string_equal(why, "it is in use by a guest already");
    assert_int_equal(disks_claim("one", false, &again, &why), -EBUSY);
    assert_int_equal(disks_claim("two", true, &again, &why), 0);
    disks_release("two", true);
    disks_release("one", true);
    disks_release("none", true);
    assert_users(0, 0);
    assert_int_equal(disks_claim("one", false, &device, &why), 0);
    assert_int_equal(disks_claim("one", false, &again, &why), 0);
    assert_ptr_equal(device, again);
    assert_users(0, 2);
    device->waker = &device;                    /* what its first user says of it stays */
    assert_int_equal(disks_claim("one", false, &again, &why), 0);
    assert_ptr_equal(device->waker, &device);
    device->waker = NULL;
    disks_release("one", false);
    assert_int_equal(disks_claim("one", true, &again, &why), -EBUSY);
    disks_release("one", false);
    assert_int_equal(disks_claim("one", true, &again, &why), -EBUSY);
    disks_release("one", false);
    assert_int_equal(disks_claim("one", true, &device, &why), 0);
    disks_release("one", true);
    disk.flags |= BLOCK_READ_ONLY;
    assert_int_equal(disks_claim("one", true, &device, &why), -EROFS);
    assert_string_equal(why, "the disk is read-only");
    assert_int_equal(disks_claim("one", false, &device, &why), 0);
    disks_release("one", false);
    disk.flags &= ~BLOCK_READ_ONLY;
    assert_users(0, 0);
}

/* The whole disk is a partition that overlaps all others. */
static void the_whole_disk(void **state)
{
    struct blockdev *again;

    assert_int_equal(disks_claim("/dev/disk0", true, &device, &why), 0);
    assert_ptr_equal(device, &disk);
    assert_int_equal(disks_claim("/dev/disk0", false, &again, &why), -EBUSY);
    assert_int_equal(disks_claim("one", false, &again, &why), -EBUSY);
    disks_release("/dev/disk0", true);
    assert_int_equal(disks_claim("two", false, &again, &why), 0);
    assert_int_equal(disks_claim("/dev/disk0", true, &device, &why), -EBUSY);
    assert_int_equal(disks_claim("/dev/disk0", false, &device, &why), 0);
    assert_int_equal(disks_claim("two", true, &again, &why), -EBUSY);
    assert_int_equal(disks_claim("one", true, &again, &why), -EBUSY);
    assert_int_equal(disks_claim("one", false, &again, &why), 0);
    disks_release("one", false);
    disks_release("two", false);
    disks_release("/dev/disk0", false);
    assert_int_equal(disks_claim("one", true, &again, &why), 0);
    assert_int_equal(disks_claim("/dev/disk0", false, &device, &why), -EBUSY);
    disks_release("one", true);
    assert_int_equal(disks_claim("/dev/disk1", false, &device, &why), -ENOENT);
    assert_int_equal(disks_claim("disk0", false, &device, &why), -ENOENT);
    assert_users(0, 0);
}

/* A guest cannot leave its partition, however large the numbers. */
static void a_window_ends_with_its_partition(void **state)
{
    assert_int_equal(disks_claim("one", true, &device, &why), 0);
    assert_int_equal(device->sectors, 100);
    for (unsigned i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i / 512 + 1);
    memset(sectors + 100 * 512, 0, 100 * 512);
    memset(sectors + 200 * 512, 0xee, 512);
    assert_int_equal(block_write(device, 0, data, 100), 0);
    assert_memory_equal(sectors + 100 * 512, data, 100 * 512);
    assert_int_equal(sectors[200 * 512], 0xee);
    assert_int_equal(block_write(device, 1, data, 100), -EINVAL);
    assert_int_equal(block_read(device, 100, back, 1), -EINVAL);
    assert_int_equal(block_read(device, UINT64_MAX, back, 1), -EINVAL);
    assert_int_equal(sectors[200 * 512], 0xee);
    assert_int_equal(block_read(device, 99, back, 1), 0);
    assert_memory_equal(back, data + 99 * 512, 512);
    disks_release("one", true);
}

/* Long, at any place in a page, on a slow disk: all of it comes, in pieces that the disk takes. */
static void transfers_that_wait(void **state)
{
    uint64_t flushed_at;

    patience = 3;
    polls = yields = kicks = 0;
    for (unsigned offset = 0; offset < 4096; offset += 512) {
        for (unsigned i = 0; i < 100 * 512; i++)
            data[offset + i] = (uint8_t)(i * 3 + i / 512 + offset);
        assert_int_equal(block_write(&disk, 1000, data + offset, 100), 0);
        assert_memory_equal(sectors + 1000 * 512, data + offset, 100 * 512);
        memset(back, 0, sizeof(back));
        assert_int_equal(block_read(&disk, 1000, back, 100), 0);
        assert_memory_equal(back, data + offset, 100 * 512);
    }
    assert_true(kicks >= 8 * 4 && yields > kicks && !thread_yields);
    assert_false(masked);
    /* dom0's other threads serve guests meanwhile; who may not sleep waits alone. */
    threads = true;
    yields = 0;
    assert_int_equal(block_read(&disk, 1000, back, 100), 0);
    assert_true(thread_yields && !yields);
    thread_yields = 0;
    sleepless = "a turn";
    assert_int_equal(block_read(&disk, 1000, back, 100), 0);
    assert_true(!thread_yields && yields);
    sleepless = NULL;
    threads = false;
    assert_int_equal(block_read(&disk, 5, back, 0), 0);
    result = -EIO;
    assert_int_equal(block_read(&disk, 5, back, 1), -EIO);
    assert_int_equal(block_write(&disk, 5, back, 100), -EIO);
    assert_int_equal(waiting_count, 0);
    flushes = 0;
    said[0] = '\0';
    disks_flush(1000);
    assert_int_equal(flushes, 1);
    assert_non_null(strstr(said, "does not flush: EIO"));
    result = 0;
    said[0] = '\0';
    disks_flush(1000);
    assert_int_equal(flushes, 2);
    assert_int_equal(block_flush(&disk), 0);
    assert_int_equal(flushes, 3);
    flushed_at = now;
    dead = true;                                /* The machine ends without it. */
    disks_flush(1000);
    assert_int_equal(now, flushed_at + 1000);
    assert_non_null(strstr(said, "does not flush: it does not answer"));
    assert_int_equal(waiting_count, 1);
    dead = false;
    masked = true;
    while (waiting_count)
        poll(&disk);
    masked = false;
    said[0] = '\0';
    disk.flags = 0;
    disks_flush(1000);
    assert_int_equal(block_flush(&disk), 0);    /* nothing to flush */
    assert_int_equal(flushes, 4);
    assert_string_equal(said, "");
}

/* What a terminal or a comparison is given of a serial number is a word. */
static void serial_numbers(void **state)
{
    char name[BLOCK_SERIAL_BYTES + 1];

    assert_int_equal(block_identify(&disk, name), -EOPNOTSUPP);
    disk.flags |= BLOCK_CAN_IDENTIFY | BLOCK_READ_ONLY;
    serial = "a-disk";
    assert_int_equal(block_identify(&disk, name), 0);
    assert_string_equal(name, "a-disk");
    serial = "of more than twenty letters";
    assert_int_equal(block_identify(&disk, name), 0);
    assert_string_equal(name, "of");
    serial = "0123456789abcdefghijklm";
    assert_int_equal(block_identify(&disk, name), 0);
    assert_string_equal(name, "0123456789abcdefghij");
    serial = "x\x1b[2J";
    assert_int_equal(block_identify(&disk, name), 0);
    assert_string_equal(name, "x");
    result = -EIO;
    assert_int_equal(block_identify(&disk, name), -EIO);
    assert_string_equal(name, "");
    result = 0;
    assert_int_equal(disks_claim("one", false, &device, &why), 0);
    assert_int_equal(block_identify(device, name), -EOPNOTSUPP);     /* A partition has none. */
    disks_release("one", false);
    disk.flags = 0;
}

static unsigned woken;

static void wake_lane(enum turn_lane lane)
{
    woken += lane == LANE_QUICK;
}
static bool nobody_waits(void)
{
    return false;
}

static uint64_t no_time(uint16_t domid)
{
    return 0;
}

/* The interrupt marks; the work is done in turns, for as long as there is some. */
static void finished_transfers_have_turns(void **state)
{
    turns_start(wake_lane, no_time, nobody_waits);
    disk.wake(disk.waker);
    disk.wake(disk.waker);
    assert_true(woken == 1 && served == 0);
    while (turns_take(LANE_QUICK))
        ;
    assert_int_equal(served, 2 * turn_rules[TURN_DISK].budget);
    assert_int_equal(turns_of(0)->turns[TURN_DISK], 2);
}

/* Nobody can say which is meant; nor could a guest's data tell. */
static void two_of_a_name(void **state)
{
    static const char *const names[][2] = { { "one", "one" }, { "\xe4", "\xf6" } };

    for (unsigned i = 0; i < 2; i++) {
        memset(sectors, 0, 34ul * 512);
        make_table();
        memset(sectors + 1024, 0, 256);
        partition(0, names[i][0], 100, 199);
        partition(1, names[i][1], 200, 7000);
        seal_table();
        disks_start(&disk);
        assert_int_equal(disks_claim(i ? "?" : "one", false, &device, &why), -EINVAL);
        assert_string_equal(why, "the disk has two partitions of that name");
    }
    assert_int_equal(disks_claim("one", false, &device, &why), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_disk_and_no_table), cmocka_unit_test(one_writer_or_readers),
        cmocka_unit_test(the_whole_disk),
        cmocka_unit_test(a_window_ends_with_its_partition), cmocka_unit_test(transfers_that_wait),
        cmocka_unit_test(serial_numbers),
        cmocka_unit_test(finished_transfers_have_turns),
        cmocka_unit_test(two_of_a_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
