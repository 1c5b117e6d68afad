/* SPDX-License-Identifier: MIT */
/*
 * Transfers that wait for their end, by polling the device: for start of day (partition tables, a
 * kernel image) and for small guests. A kernel with processes submits requests of its own and
 * sleeps until done() instead.
 */
#include <drivers/block.h>
#include <pvguest/errno.h>
#include <pvguest/events.h>
#include <pvguest/mm.h>
#include <pvguest/sched.h>
#include <pvguest/string.h>
#include <pvguest/thread.h>

static void finished(struct block_request *request, int status)
{
    *(volatile int *)request->context = status;
}

/* Threads of this guest first, then the machine's other domains. */
static void let_others(void)
{
    if (threads_wait() && !sleepless)
        thread_yield();
    else
        vcpu_yield();
}

static int run(struct blockdev *device, struct block_request *request)
{
    volatile int status = 1;            /* no errno is positive */
    bool masked = events_save();

    request->done = finished;
    request->context = (void *)(uintptr_t)&status;
    block_submit(device, request);
    block_kick(device);
    while (status == 1) {
        device->poll(device);
        if (status == 1) {
            events_restore(masked);
            let_others();
            masked = events_save();
        }
    }
    events_restore(masked);
    return status;
}

static int transfer(struct blockdev *device, enum block_operation operation, uint64_t sector,
                    void *data, uint64_t sectors)
{
    uint8_t *at = data;

    while (sectors) {
        struct block_request request = { .operation = operation, .sector = sector };
        size_t bytes = block_describe(&request, at, sectors * BLOCK_SECTOR, virt_to_machine);
        int error = run(device, &request);

        if (error) return error;
        at += bytes;
        sector += bytes / BLOCK_SECTOR;
        sectors -= bytes / BLOCK_SECTOR;
    }
    return 0;
}

int block_read(struct blockdev *device, uint64_t sector, void *data, uint64_t sectors)
{
    return transfer(device, BLOCK_READ, sector, data, sectors);
}

int block_write(struct blockdev *device, uint64_t sector, const void *data, uint64_t sectors)
{
    return transfer(device, BLOCK_WRITE, sector, (void *)(uintptr_t)data, sectors);
}

int block_flush(struct blockdev *device)
{
    struct block_request request = { .operation = BLOCK_FLUSH };

    return run(device, &request);
}

int block_identify(struct blockdev *device, char serial[BLOCK_SERIAL_BYTES + 1])
{
    _Alignas(BLOCK_SECTOR) char said[BLOCK_SECTOR] = "";
    int error = transfer(device, BLOCK_IDENTIFY, 0, said, 1);
    size_t size = 0;

    while (!error && size < BLOCK_SERIAL_BYTES && said[size] > ' ' && said[size] <= '~')
        size++;
    memcpy(serial, said, size);
    serial[size] = '\0';
    return error;
}
