/* SPDX-License-Identifier: MIT */
/*
 * A partition as a tape: what is written is read again, whether it is less than a buffer, as many,
 * or does not fit, its beginning comes last, and never does anything of dom0's memory get there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "dom0/save/format.h"
#include "dom0/save/medium.h"
#include "dom0/storage/disks.h"
#include <pvguest/events.h>
#include <pvguest/mm.h>
#include <pvguest/thread.h>

#define BUFFER (64u * 1024)
#define SECTORS (4 * BUFFER / BLOCK_SECTOR)
#define MARK "Domus: a guest is being saved here, or was and is not whole\n"
#define SECRET 0xa5                     /* What is in pages that nobody has cleared. */

static uint8_t disk_bytes[SECTORS * BLOCK_SECTOR], out[sizeof(disk_bytes)], in[sizeof(disk_bytes)];
static unsigned claims, flushes, requests, fails_at;    /* the n-th request from now on does */
static bool masked;
static struct { struct block_request *request; bool kicked; } disk_has;

/* --- the disk: it works while somebody waits, if it was told that there is something --- */

static void submit(struct blockdev *device, struct block_request *request)
{
    assert_null(disk_has.request);
    assert_true(masked);                /* An answer may not come before it is waited for. */
    disk_has.request = request;
    disk_has.kicked = false;
}

static void work(struct block_request *request)
{
    uint8_t *at = disk_bytes + request->sector * BLOCK_SECTOR;

    requests++;
    flushes += request->operation == BLOCK_FLUSH;
    if (fails_at && --fails_at == 0) {
        request->done(request, -EIO);
        return;
    }
    for (unsigned i = 0; i < request->segments; i++) {
        struct block_segment *segment = &request->segment[i];

        assert_true(at + segment->length <= disk_bytes + sizeof(disk_bytes));
        if (request->operation == BLOCK_WRITE)
            memcpy(at, segment->data, segment->length);
        else
            memcpy(segment->data, at, segment->length);
        at += segment->length;
    }
    request->done(request, 0);
}

static void kick(struct blockdev *device)
{
    disk_has.kicked = true;
}

static struct blockdev disk = { .name = "it", .sectors = SECTORS, .flags = BLOCK_CAN_FLUSH,
                                .max_segments = BLOCK_SEGMENTS_ANY, .submit = submit,
                                .kick = kick };

int disks_claim(const char *partition, bool writable, struct blockdev **device, const char **why)
{
    claims++;
    *device = &disk;
    return 0;
}

void disks_release(const char *partition, bool writable)
{
    assert_string_equal(partition, "it");
    claims--;
}

/* --- the SDK --- */

void *alloc_pages(unsigned order)
{
    return memset(aligned_alloc(4096, 4096ul << order), SECRET, 4096ul << order);
}

void free_pages(void *pages, unsigned order)
{
    free(pages);
}

bool events_save(void)
{
    bool was = masked;

    masked = true;
    return was;
}

void events_restore(bool was_masked)
{
    masked = was_masked;
}

static bool woken;
static unsigned silent, keys_until_control_c;   /* looks at a disk that has not answered so far */
static unsigned answers_first;          /* so often */
static uint64_t now;

uint64_t now_ns(void)
{
    return now;
}

bool terminal_sleep(uint64_t ns)
{
    assert_int_equal(ns, 0);
    return !keys_until_control_c || --keys_until_control_c;
}

bool wait_on(struct wait_queue *queue, uint64_t timeout)
{
    struct block_request *request = disk_has.request;

    assert_true(request && disk_has.kicked && timeout);
    if (silent && !(answers_first && answers_first--)) {
        silent--;
        now += timeout;
        return false;
    }
    disk_has.request = NULL;
    woken = false;
    work(request);
    assert_true(woken);
    return true;
}

void wait_queue_init(struct wait_queue *queue)
{
}

void wake_all(struct wait_queue *queue)
{
    woken = true;
}

const char *errno_name(long error)
{
    return "an error";
}

/* --- tests --- */

static int set_up(void **state)
{
    memset(disk_bytes, 0, sizeof(disk_bytes));
    for (size_t i = 0; i < sizeof(out); i++)
        out[i] = (uint8_t)(1 + i % 151);
    memcpy(out, XL_MAGIC, 32);
    flushes = requests = fails_at = 0;
    masked = false;
    return 0;
}

/* What is there until it is whole. */
static void nothing_yet(void)
{
    static const uint8_t begin[BUFFER] = MARK;

    assert_memory_equal(disk_bytes, begin, BUFFER);
}

static struct medium *open(bool over)
{
    struct medium *medium;
    struct problem problem;

    assert_int_equal(medium_to_write("it", over, &medium, &problem), 0);
    return medium;
}

static void written(size_t size)
{
    struct tape *tape;
    struct medium *medium = open(false);
    struct problem problem;

    tape = medium_tape(medium);
    assert_int_equal(tape->write(tape, out, size), 0);
    if (size >= BUFFER)
        nothing_yet();
    assert_int_equal(medium_finish(medium, &problem), 0);
    assert_int_equal(flushes, 2);                       /* All, and then its beginning. */
    medium_close(medium);
    assert_int_equal(claims, 0);
    assert_memory_equal(disk_bytes, out, size);
    for (size_t i = size; i < sizeof(disk_bytes); i++)
        assert_int_equal(disk_bytes[i], 0);
    assert_int_equal(medium_to_read("it", &medium, &problem), 0);
    tape = medium_tape(medium);
    assert_int_equal(tape->read(tape, in, size), 0);
    assert_memory_equal(in, out, size);
    medium_close(medium);
}

/* A guest can be as small as that: it says itself which pages it has. */
static void less_than_a_buffer(void **state)
{
    written(BUFFER - 5);
}

static void a_buffer(void **state)
{
    written(BUFFER);
}

static void several(void **state)
{
    written(2 * BUFFER + 700);
}

static void all_of_it(void **state)
{
    written(sizeof(disk_bytes));
}

static void more_than_there_is(void **state)
{
    struct medium *medium = open(false);
    struct tape *tape = medium_tape(medium);

    assert_int_equal(tape->write(tape, out, sizeof(out)), 0);
    assert_int_equal(tape->write(tape, out, BUFFER), -ENOSPC);
    medium_close(medium);
    nothing_yet();
    medium_close(open(false));    /* And it is in nobody's way. */
}

/* Not all file systems begin where their partition does: btrfs leaves 64 KiB. */
static void what_begins_later(void **state)
{
    struct medium *medium;
    struct problem problem;

    for (size_t at = 0; at < sizeof(disk_bytes); at = at ? at * 2 + 7 : 1) {
        disk_bytes[at] = 1;
        assert_int_equal(medium_to_write("it", false, &medium, &problem), -EEXIST);
        assert_non_null(strstr(problem.text, "'it' holds something"));
        assert_int_equal(medium_to_write("it", true, &medium, &problem), -EEXIST);
        disk_bytes[at] = 0;
    }
    disk.sectors = 3;
    disk_bytes[3 * BLOCK_SECTOR - 1] = 1;
    assert_int_equal(medium_to_write("it", false, &medium, &problem), -EEXIST);
    disk_bytes[3 * BLOCK_SECTOR - 1] = 0;
    medium_close(open(false));
    disk.sectors = SECTORS;
    assert_int_equal(claims, 0);
}

/* Who gives up has not written over what was there; a shorter one ends with zeroes. */
static void over_another(void **state)
{
    struct medium *medium;
    struct problem problem;

    written(BUFFER - 5);
    assert_int_equal(medium_to_write("it", false, &medium, &problem), -EEXIST);
    medium_close(open(true));
    assert_memory_equal(disk_bytes, out, BUFFER - 5);
    memset(disk_bytes, 7, 32);
    assert_int_equal(medium_to_write("it", true, &medium, &problem), -EEXIST);
    assert_int_equal(claims, 0);
}

/* All that it has. */
static void disk_answers(void)
{
    while (disk_has.request) {
        struct block_request *request = disk_has.request;

        assert_true(disk_has.kicked);
        disk_has.request = NULL;
        work(request);
    }
}

/* Whatever the disk cannot do is told, and nothing is there that could be taken for a guest. */
static void a_disk_that_fails(void **state)
{
    struct medium *medium;
    struct problem problem;
    unsigned all, nth;

    fails_at = 1;
    assert_int_equal(medium_to_write("it", false, &medium, &problem), -EIO);
    assert_non_null(strstr(problem.text, "'it' cannot be read: an error"));
    assert_int_equal(claims, 0);
    for (all = nth = 1; nth <= all; nth++) {
        struct tape *tape;
        int error;

        assert_int_equal(set_up(state), 0);
        medium = open(false);
        tape = medium_tape(medium);
        requests = 0;
        fails_at = nth;
        error = tape->write(tape, out, BUFFER + 700);
        if (!error) {
            error = medium_finish(medium, &problem);
            assert_true(!error || strstr(problem.text, "cannot be written: an error"));
        }
        assert_int_equal(error, fails_at ? 0 : -EIO);
        all = fails_at ? 0 : nth + 1;
        if (flushes == 0)
            assert_int_not_equal(disk_bytes[0], out[0]);
        medium_close(medium);
        disk_answers();
        assert_int_equal(disk_bytes[0] == out[0], !error);
        assert_int_equal(claims, 0);
    }
    assert_true(nth > 5);               /* zeroes, the rest, a flush, the beginning, a flush */
}

/* Who waits for a disk that does not answer can give up. What it has been given is its own until it
 * does answer, and so is the partition. */
static void a_disk_that_does_not_answer(void **state)
{
    struct block_request *lost;
    struct problem problem;
    struct medium *medium;
    struct tape *tape;

    silent = 3;                         /* Late is not never. */
    written(BUFFER + 700);
    assert_int_equal(silent, 0);
    assert_int_equal(set_up(state), 0);
    medium = open(false);
    tape = medium_tape(medium);
    silent = 5;
    keys_until_control_c = 2;
    assert_int_equal(tape->write(tape, out, 2 * BUFFER), -EAGAIN);
    assert_int_equal(silent, 3);
    lost = disk_has.request;
    assert_int_equal(tape->write(tape, out, BUFFER), -EAGAIN);
    assert_int_equal(medium_finish(medium, &problem), -EAGAIN);
    assert_string_equal(problem.text, "given up");
    assert_ptr_equal(disk_has.request, lost);
    medium_close(medium);
    assert_int_equal(claims, 1);
    work(lost);
    assert_int_equal(claims, 0);
    disk_has.request = NULL;
    keys_until_control_c = 1;
    assert_int_equal(medium_to_write("it", false, &medium, &problem), -EAGAIN);
    assert_string_equal(problem.text, "given up");
    assert_int_equal(claims, 1);
    work(disk_has.request);
    assert_int_equal(claims, 0);
    disk_has.request = NULL;
    silent = 0;
}

/* Given up when its beginning was at the disk already, it is no guest either: the one that was to
 * be saved goes on, and what it writes is not what this one knows. */
static void given_up_at_the_last_moment(void **state)
{
    /* The rest, a flush; its beginning. */
    for (unsigned answered = 2; answered < 4; answered++) {
        struct problem problem;
        struct medium *medium;

        assert_int_equal(set_up(state), 0);
        medium = open(false);
        assert_int_equal(medium_tape(medium)->write(medium_tape(medium), out, BUFFER + 700), 0);
        answers_first = answered;
        silent = keys_until_control_c = 1;
        assert_int_equal(medium_finish(medium, &problem), -EAGAIN);
        assert_int_equal(answers_first + silent, 0);
        medium_close(medium);
        assert_int_equal(claims, 1);
        disk_answers();
        assert_int_equal(claims, 0);
        assert_memory_equal(disk_bytes, MARK, sizeof(MARK));
        medium_close(open(false));
    }
}

/* What is read ends where the partition does, though that be within a buffer. */
static void a_partition_that_ends(void **state)
{
    struct medium *medium;
    struct problem problem;
    struct tape *tape;

    memcpy(disk_bytes, out, sizeof(out));
    disk.sectors = SECTORS - 3;
    assert_int_equal(medium_to_read("it", &medium, &problem), 0);
    tape = medium_tape(medium);
    assert_int_equal(tape->read(tape, in, sizeof(in) - 3 * BLOCK_SECTOR - 1), 0);
    assert_memory_equal(in, out, sizeof(in) - 3 * BLOCK_SECTOR - 1);
    assert_int_equal(tape->read(tape, in, 1), 0);
    assert_int_equal(in[0], out[sizeof(in) - 3 * BLOCK_SECTOR - 1]);
    assert_int_equal(tape->read(tape, in, 1), -ENODATA);
    medium_close(medium);
    disk.sectors = SECTORS;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(less_than_a_buffer, set_up),
        cmocka_unit_test_setup(a_buffer, set_up),
        cmocka_unit_test_setup(several, set_up),
        cmocka_unit_test_setup(all_of_it, set_up),
        cmocka_unit_test_setup(more_than_there_is, set_up),
        cmocka_unit_test_setup(what_begins_later, set_up),
        cmocka_unit_test_setup(over_another, set_up),
        cmocka_unit_test_setup(a_disk_that_fails, set_up),
        cmocka_unit_test_setup(a_disk_that_does_not_answer, set_up),
        cmocka_unit_test_setup(given_up_at_the_last_moment, set_up),
        cmocka_unit_test_setup(a_partition_that_ends, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
