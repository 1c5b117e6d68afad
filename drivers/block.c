/* SPDX-License-Identifier: MIT */
/*
 * What all block devices share: the one check of every request, partition windows, and the RAM
 * disk. Pure: no hardware, no hypervisor; waiting for a transfer is in block_wait.c. Context and
 * ownership: see drivers/block.h.
 */
#include <drivers/block.h>
#include <pvguest/refuse.h>
#if __STDC_HOSTED__
#include <string.h>
#include <errno.h>
#else
#include <pvguest/string.h>
#include <pvguest/errno.h>
#endif

static int check(const struct blockdev *device, const struct block_request *request)
{
    bool identify = request->operation == BLOCK_IDENTIFY;

    if (request->operation == BLOCK_FLUSH) return 0;
    if (identify && !(device->flags & BLOCK_CAN_IDENTIFY)) return refused(-EOPNOTSUPP);
    if (request->operation != BLOCK_READ && !identify && (device->flags & BLOCK_READ_ONLY))
        return refused(-EROFS);
    if (request->sectors == 0 || request->sectors > device->sectors ||
        request->sector > device->sectors - request->sectors)
        return refused(-EINVAL);
    if (request->operation == BLOCK_DISCARD)
        return device->flags & BLOCK_CAN_DISCARD ? 0 : refused(-EOPNOTSUPP);
    if (request->segments == 0 || request->segments > device->max_segments) return refused(-EINVAL);

    uint64_t bytes = 0;

    for (unsigned int i = 0; i < request->segments; i++) {
        const struct block_segment *segment = &request->segment[i];

        /* A front end tells where a sector begins by its number in the page: between two, the data
         * would come to what lies before. */
        if (!segment->length || (segment->length | segment->machine) % BLOCK_SECTOR)
            return refused(-EINVAL);
        bytes += segment->length;
    }
    return bytes == request->sectors * BLOCK_SECTOR ? 0 : refused(-EINVAL);
}

void block_submit(struct blockdev *device, struct block_request *request)
{
    int error = check(device, request);

    if (error)
        request->done(request, error);
    else if (request->operation == BLOCK_FLUSH && !(device->flags & BLOCK_CAN_FLUSH))
        request->done(request, 0); /* no volatile cache: everything acknowledged is safe already */
    else
        device->submit(device, request);
}

void block_kick(struct blockdev *device)
{
    device->kick(device);
}

size_t block_describe(struct block_request *request, void *data, size_t length,
                      uint64_t (*machine_of)(const void *address))
{
    uint8_t *at = data;

    request->segments = 0;
    while (length && request->segments < BLOCK_SEGMENTS_ANY) {
        size_t piece = 4096 - ((uintptr_t)at & 4095);
        struct block_segment *segment = &request->segment[request->segments++];

        if (piece > length)
            piece = length;
        segment->data = at;
        segment->machine = machine_of(at);
        segment->length = (uint32_t)piece;
        at += piece;
        length -= piece;
    }
    request->sectors = (uint64_t)(at - (uint8_t *)data) / BLOCK_SECTOR;
    return (size_t)(at - (uint8_t *)data);
}

/* --- a window on a device --- */

static void window_submit(struct blockdev *device, struct block_request *request)
{
    struct block_window *window = device->context;

    /* inside the window by block_submit, so inside the whole by block_window_open */
    request->sector += window->first;
    window->whole->submit(window->whole, request);
}

static void window_kick(struct blockdev *device)
{
    struct block_window *window = device->context;

    window->whole->kick(window->whole);
}

static void window_poll(struct blockdev *device)
{
    struct block_window *window = device->context;

    window->whole->poll(window->whole);
}

int block_window_open(struct block_window *window, const char *name, struct blockdev *whole,
                      uint64_t first, uint64_t sectors)
{
    if (sectors == 0 || sectors > whole->sectors || first > whole->sectors - sectors)
        return refused(-EINVAL);
    *window = (struct block_window){
        .device = { .name = name,
                    .sectors = sectors,
                    .flags = whole->flags & ~BLOCK_CAN_IDENTIFY,
                    .max_segments = whole->max_segments,
                    .submit = window_submit,
                    .kick = window_kick,
                    .poll = window_poll,
                    .context = window },
        .whole = whole,
        .first = first,
    };
    return 0;
}

/* --- a disk in memory --- */

static void ramdisk_submit(struct blockdev *device, struct block_request *request)
{
    struct ramdisk *disk = device->context;
    uint8_t *at = disk->memory + request->sector * BLOCK_SECTOR;

    for (unsigned int i = 0; request->operation != BLOCK_DISCARD && i < request->segments; i++) {
        if (request->operation == BLOCK_READ)
            memcpy(request->segment[i].data, at, request->segment[i].length);
        else
            memcpy(at, request->segment[i].data, request->segment[i].length);
        at += request->segment[i].length;
    }
    if (request->operation == BLOCK_DISCARD)
        memset(at, 0, request->sectors * BLOCK_SECTOR);
    request->done(request, 0);
}

static void ramdisk_nothing(struct blockdev *device)
{
}

void ramdisk_open(struct ramdisk *disk, const char *name, void *memory, uint64_t sectors)
{
    *disk = (struct ramdisk){
        .device = { .name = name,
                    .sectors = sectors,
                    .flags = BLOCK_CAN_DISCARD,
                    .max_segments = BLOCK_SEGMENTS_MAX,
                    .submit = ramdisk_submit,
                    .kick = ramdisk_nothing,
                    .poll = ramdisk_nothing,
                    .context = disk },
        .memory = memory,
    };
}
