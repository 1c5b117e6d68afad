/* SPDX-License-Identifier: MIT */
/*
 * What all block devices share: the one check of every request against a second opinion at every
 * edge, buffers described byte for byte, windows that end where they end, the RAM disk, and
 * transfers that wait.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <cmocka.h>
#include <drivers/block.h>
#include <pvguest/events.h>
#include <pvguest/sched.h>
#include <pvguest/thread.h>
#include "masked_host.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static unsigned yields;

const char *sleepless;

bool threads_wait(void)
{
    return false;
}

void thread_yield(void)
{
    abort();
}

void vcpu_yield(void)
{
    assert_false(masked);
    yields++;
}

/* --- a device that notes what reaches it ------------------------------------------------------ */

static struct block_request *reached;
static unsigned kicks, polls, patience, transfers;
static int status, result;

static void submit(struct blockdev *device, struct block_request *request)
{
    reached = request;
}
static void kick(struct blockdev *device)
{
    kicks++;
}
static void poll(struct blockdev *device)
{
    struct block_request *request = reached;

    polls++;
    if (!request || polls % (patience + 1)) return;
    assert_int_equal(kicks, ++transfers);       /* told before it is asked */
    reached = NULL;
    for (unsigned i = 0; i < request->segments; i++)
        memset(request->segment[i].data, (int)(request->sector + i), request->segment[i].length);
    request->done(request, result);
}
static void done(struct block_request *request, int error)
{
    assert_int_equal(status, 1);                /* once */
    status = error;
}

static struct blockdev device = { .sectors = 100, .max_segments = 4, .submit = submit,
                                  .kick = kick, .poll = poll };

static int set_up(void **state)
{
    reached = NULL;
    kicks = polls = transfers = yields = patience = 0;
    result = 0;
    masked = false;
    device.flags = 0;
    return 0;
}

/* --- the check -------------------------------------------------------------------------------- */

/* What is to come of a request: 0, it reaches the device; 1, it is done without; or the error. */
static int judge(const struct block_request *request)
{
    uint64_t bytes = 0;
    bool lengths = true;

    for (unsigned i = 0; i < request->segments && i < 4; i++) {
        bytes += request->segment[i].length;
        lengths = lengths && request->segment[i].length && !(request->segment[i].length % 512);
    }
    if (request->operation == BLOCK_FLUSH) return device.flags & BLOCK_CAN_FLUSH ? 0 : 1;
    if (request->operation == BLOCK_IDENTIFY && !(device.flags & BLOCK_CAN_IDENTIFY))
        return -EOPNOTSUPP;
    if (request->operation != BLOCK_READ && request->operation != BLOCK_IDENTIFY &&
        device.flags & BLOCK_READ_ONLY)
        return -EROFS;
    if (!request->sectors || (unsigned __int128)request->sector + request->sectors > 100)
        return -EINVAL;
    if (request->operation == BLOCK_DISCARD)
        return device.flags & BLOCK_CAN_DISCARD ? 0 : -EOPNOTSUPP;
    return lengths && request->segments && request->segments <= 4 &&
                   bytes == request->sectors * 512
               ? 0
               : -EINVAL;
}

static void every_request_is_checked(void **state)
{
    static const uint64_t sectors[] = { 0, 1, 97, 98, 99, 100, 101, UINT64_MAX };
    static const uint64_t counts[] = { 0, 1, 2, 3, 4, 100, 101, UINT64_MAX };
    static const uint32_t lengths[] = { 0, 1, 511, 512, 513, 1024 };
    unsigned passed = 0;

    for (unsigned n = 0; n < 5 * 32 * COUNT(sectors) * COUNT(counts) * 6 * COUNT(lengths); n++) {
        unsigned rest = n / (5 * 32);
        struct block_request request = { .operation = n % 5, .done = done };
        int expected;

        device.flags = n / 5 % 32;
        request.sector = sectors[rest % COUNT(sectors)];
        rest /= COUNT(sectors);
        request.sectors = counts[rest % COUNT(counts)];
        rest /= COUNT(counts);
        request.segments = rest % 6;
        rest /= 6;
        for (unsigned i = 0; i < request.segments; i++)
            request.segment[i].length = i ? 512 : lengths[rest % COUNT(lengths)];
        expected = judge(&request);
        reached = NULL;
        status = 1;
        block_submit(&device, &request);
        assert_ptr_equal(reached, expected ? NULL : &request);
        assert_int_equal(status, expected == 1 ? 0 : expected ? expected : 1);
        passed += !expected;
    }
    assert_true(passed > 500);
}

static void a_sector_begins_where_sectors_do(void **state)
{
    for (unsigned at = 0; at < 4096; at += 8)
        for (unsigned second = 0; second < 2; second++) {
            struct block_request request = { .operation = BLOCK_READ, .sectors = 2, .segments = 2,
                                             .done = done };

            request.segment[0].length = request.segment[1].length = 512;
            request.segment[second].machine = 0x7000 + at;
            reached = NULL;
            status = 1;
            block_submit(&device, &request);
            assert_ptr_equal(reached, at % 512 ? NULL : &request);
            assert_int_equal(status, at % 512 ? -EINVAL : 1);
        }
}

/* --- buffers ---------------------------------------------------------------------------------- */

static uint64_t machine_of(const void *address)
{
    return (uint64_t)(uintptr_t)address ^ 0xabc0000000000000;
}

static void buffers_are_described(void **state)
{
    static _Alignas(4096) uint8_t data[16 * 4096];

    for (unsigned begin = 0; begin < 8; begin++)
        for (unsigned sectors = 0; sectors < 100; sectors++) {
            struct block_request request;
            uint8_t *at = data + begin * 512;
            size_t length = sectors * 512u, most = 11 * 4096u - begin * 512;

            memset(&request, 0xff, sizeof request);
            if (length < most)
                most = length;
            assert_int_equal(block_describe(&request, at, length, machine_of), most);
            assert_int_equal(request.sectors, most / 512);
            for (unsigned i = 0; i < request.segments; i++) {
                size_t size = request.segment[i].length;

                assert_true(size && size <= most && i < 11);
                assert_ptr_equal(request.segment[i].data, at);
                assert_int_equal(request.segment[i].machine, machine_of(at));
                /* to the end of its page, but for the last */
                assert_true(((uintptr_t)at + size) % 4096 == 0 || size == most);
                assert_true(((uintptr_t)at & 4095) + size <= 4096);
                at += size;
                most -= size;
            }
            assert_int_equal(most, 0);
        }
}

/* --- windows ---------------------------------------------------------------------------------- */

static void a_window_is_all_that_is_seen(void **state)
{
    static const uint64_t edges[] = { 0, 1, 50, 99, 100, 101, UINT64_MAX - 49, UINT64_MAX };

    device.flags = BLOCK_CAN_FLUSH | BLOCK_CAN_DISCARD | BLOCK_BY_DMA;
    for (unsigned f = 0; f < COUNT(edges); f++)
        for (unsigned s = 0; s < COUNT(edges); s++) {
            struct block_window window;
            bool fits = edges[s] && (unsigned __int128)edges[f] + edges[s] <= 100;

            assert_int_equal(block_window_open(&window, "part", &device, edges[f], edges[s]),
                             fits ? 0 : -EINVAL);
            if (!fits)
                continue;
            assert_string_equal(window.device.name, "part");
            assert_int_equal(window.device.sectors, edges[s]);
            assert_int_equal(window.device.flags, device.flags);
            assert_int_equal(window.device.max_segments, device.max_segments);
            for (uint64_t sector = 0; sector < 103; sector++) {
                struct block_request request = { .operation = BLOCK_WRITE, .sector = sector,
                                                 .sectors = 1, .segments = 1, .done = done,
                                                 .segment = { { .length = 512 } } };

                reached = NULL;
                status = 1;
                block_submit(&window.device, &request);
                assert_ptr_equal(reached, sector < edges[s] ? &request : NULL);
                assert_int_equal(status, sector < edges[s] ? 1 : -EINVAL);
                if (reached)
                    assert_int_equal(request.sector, edges[f] + sector);
            }
            kicks = polls = 0;
            reached = NULL;
            block_kick(&window.device);
            window.device.poll(&window.device);
            assert_true(kicks == 1 && polls == 1);
        }
}

/* --- the RAM disk ----------------------------------------------------------------------------- */

static void a_ram_disk_keeps_its_bytes(void **state)
{
    uint8_t *memory = malloc(64 * 512), model[64 * 512], data[3 * 512];
    struct ramdisk disk;

    ramdisk_open(&disk, "ram", memory, 64);
    assert_int_equal(disk.device.sectors, 64);
    assert_int_equal(disk.device.flags, BLOCK_CAN_DISCARD);
    assert_int_equal(disk.device.max_segments, BLOCK_SEGMENTS_MAX);
    memset(memory, 0x11, sizeof model);
    memset(model, 0x11, sizeof model);
    for (unsigned i = 0; i < 300; i++) {
        uint64_t sector = i * 7 % 62;
        struct block_request request = { .operation = (enum block_operation)(i % 4),
                                         .sector = sector, .sectors = 3, .segments = 2,
                                         .done = done,
                                         .segment = { { .data = data, .length = 512 },
                                                      { .data = data + 512, .length = 1024 } } };

        memset(data, (int)i, sizeof data);
        status = 1;
        block_submit(&disk.device, &request);
        block_kick(&disk.device);
        disk.device.poll(&disk.device);
        assert_int_equal(status, 0);
        if (i % 4 == BLOCK_WRITE)
            memset(model + sector * 512, (int)i, sizeof data);
        else if (i % 4 == BLOCK_DISCARD)
            memset(model + sector * 512, 0, sizeof data);
        else if (i % 4 == BLOCK_READ)
            assert_memory_equal(data, model + sector * 512, sizeof data);
        assert_memory_equal(memory, model, sizeof model);
    }
    free(memory);
}

/* --- waiting ---------------------------------------------------------------------------------- */

static void transfers_wait_for_their_end(void **state)
{
    static _Alignas(4096) uint8_t data[100 * 512];

    device.max_segments = 11;
    for (unsigned looks = 0; looks < 3; looks++)
        for (unsigned was = 0; was < 2; was++)
            for (unsigned write = 0; write < 2; write++) {
                set_up(state);
                masked = was;
                patience = was ? 0 : looks;     /* who has masked events cannot give way */
                memset(data, 0xff, sizeof data);
                assert_int_equal(write ? block_write(&device, 5, data, 90)
                                       : block_read(&device, 5, data, 90), 0);
                assert_true(masked == was);
                assert_int_equal(transfers, 2); /* of 88 sectors, and 2 */
                for (unsigned i = 0; i < 90; i++)
                    assert_int_equal(data[i * 512], i < 88 ? 5 + i / 8 : 93);
                assert_int_equal(data[90 * 512], 0xff);
                result = -EIO;
                assert_int_equal(block_read(&device, 0, data, 90), -EIO);
                assert_int_equal(transfers, 3); /* and nothing behind it */
            }
    set_up(state);
    patience = 4;
    assert_int_equal(block_read(&device, 0, data, 1), 0);
    assert_true(yields == 4 && polls == 5);
    assert_int_equal(block_read(&device, 100, data, 1), -EINVAL);
    assert_int_equal(block_read(&device, 0, data, 0), 0);
    assert_int_equal(transfers, 1);
    kicks = transfers;
    device.flags = BLOCK_CAN_FLUSH;
    assert_int_equal(block_flush(&device), 0);
    assert_int_equal(transfers, 2);
    assert_false(masked);
    result = -EIO;
    assert_int_equal(block_flush(&device), -EIO);
    device.max_segments = 4;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_request_is_checked, set_up),
        cmocka_unit_test_setup(a_sector_begins_where_sectors_do, set_up),
        cmocka_unit_test_setup(buffers_are_described, set_up),
        cmocka_unit_test_setup(a_window_is_all_that_is_seen, set_up),
        cmocka_unit_test_setup(a_ram_disk_keeps_its_bytes, set_up),
        cmocka_unit_test_setup(transfers_wait_for_their_end, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
