/* SPDX-License-Identifier: MIT */
/* virtio 1.1, 5.2: a header that the device reads, data one way or the other, a status byte that
 * it writes. Read, write, flush, and who it is. */
#include <pvguest/errno.h>
#include <pvguest/mm.h>
#include <pvguest/refuse.h>
#include <pvguest/string.h>
#include "machine.h"

enum { READ = 0, WRITE = 1, FLUSH = 4, IDENTITY = 8, IDENTITY_SIZE = 20, HEADER = 16 };
enum { OK = 0, IO_ERROR = 1, UNSUPPORTED = 2 };
#define FEATURE_READ_ONLY (1ull << 5)
#define FEATURE_FLUSH     (1ull << 9)

static void serve(struct virtual_disk *disk);

/* The status is the last byte that the device may write. */
static void finish(struct virtual_disk *disk, uint8_t status)
{
    uint64_t room = virtio_length(&disk->chain, true);

    disk->busy = false;
    if (disk->began != disk->virtio.resets)
        return;                                 /* of before a reset: nobody waits for it */
    if (!room || virtio_write(&disk->virtio, &disk->chain, room - 1, &status, 1) != 1) {
        virtio_broken(&disk->virtio);
        return;
    }
    virtio_give(&disk->virtio, 0, disk->chain.head,
                (uint32_t)(disk->type == READ ? disk->done + 1 : 1));
}

static uint32_t piece_of(const struct virtual_disk *disk)
{
    uint64_t left = disk->length - disk->done;

    return (uint32_t)(left < BOUNCE_PAGES * PAGE ? left : BOUNCE_PAGES * PAGE);
}

/* Between the guest and our pages. */
static bool carry(struct virtual_disk *disk, uint32_t size)
{
    for (uint32_t at = 0; at < size; at += PAGE) {
        uint32_t n = size - at < PAGE ? size - at : (uint32_t)PAGE;
        uint8_t *page = disk->bounce[at / PAGE];
        size_t moved = disk->type == READ
            ? virtio_write(&disk->virtio, &disk->chain, disk->done + at, page, n)
            : virtio_read(&disk->virtio, &disk->chain, HEADER + disk->done + at, page, n);
        if (moved != n) return false;
    }
    return true;
}

static void step(struct virtual_disk *disk);

static void step_done(struct block_request *request, int status)
{
    struct virtual_disk *disk = request->context;
    uint32_t size = piece_of(disk);

    machine_wake();
    if (status || disk->began != disk->virtio.resets ||
        (disk->type == READ && !carry(disk, size))) {
        finish(disk, IO_ERROR);
    } else {
        disk->done += size;
        if (disk->done < disk->length) {
            step(disk);
            return;
        }
        finish(disk, OK);
    }
    serve(disk);
}

/* The next piece of what is under way. What does not fit the disk, block_submit() refuses. */
static void step(struct virtual_disk *disk)
{
    struct block_request *r = &disk->request;
    uint32_t size = piece_of(disk);

    if (disk->type == WRITE && !carry(disk, size)) {
        finish(disk, IO_ERROR);
        return;
    }
    *r = (struct block_request){
        .operation = disk->type == FLUSH ? BLOCK_FLUSH
                                         : disk->type == READ ? BLOCK_READ : BLOCK_WRITE,
        .sector = disk->type == FLUSH ? 0 : disk->sector + disk->done / BLOCK_SECTOR,
        .sectors = size / BLOCK_SECTOR,
        .done = step_done,
        .context = disk,
    };
    for (uint32_t at = 0; at < size; at += PAGE)
        r->segment[r->segments++] = (struct block_segment){
            .data = disk->bounce[at / PAGE],
            .machine = virt_to_machine(disk->bounce[at / PAGE]),
            .length = size - at < PAGE ? size - at : (uint32_t)PAGE,
        };
    block_submit(disk->device, r);
    block_kick(disk->device);
}

static void identify(struct virtual_disk *disk)
{
    static const char name[IDENTITY_SIZE] = "domus-monitor";

    disk->done = virtio_write(&disk->virtio, &disk->chain, 0, name, sizeof(name));
    finish(disk, disk->done == sizeof(name) ? OK : IO_ERROR);
}

static void begin(struct virtual_disk *disk)
{
    struct { uint32_t type, reserved; uint64_t sector; } header = { 0 };
    uint64_t in = virtio_length(&disk->chain, false), out = virtio_length(&disk->chain, true);

    disk->busy = true;
    disk->began = disk->virtio.resets;
    disk->done = 0;
    if (virtio_read(&disk->virtio, &disk->chain, 0, &header, HEADER) != HEADER || !out) {
        disk->busy = false;
        virtio_broken(&disk->virtio);
        return;
    }
    disk->type = header.type;
    disk->sector = header.sector;
    disk->length = header.type == READ ? out - 1 : header.type == WRITE ? in - HEADER : 0;
    if (header.type == IDENTITY)
        identify(disk);
    else if (header.type != READ && header.type != WRITE && header.type != FLUSH)
        finish(disk, UNSUPPORTED);
    else
        step(disk);
}

/* Each chain is taken once, so this is as long as the queue; what finishes at once makes no
 * recursion. */
static void serve(struct virtual_disk *disk)
{
    static bool serving;

    if (serving) return;
    serving = true;
    while (!disk->busy && virtio_take(&disk->virtio, 0, &disk->chain))
        begin(disk);
    serving = false;
}

static void notified(struct virtio *virtio, unsigned int queue)
{
    serve((struct virtual_disk *)(void *)virtio);
}

int disk_attach(struct virtual_disk *disk, struct machine *machine)
{
    static struct blkfront front;
    int vdev = blkfront_first(),
        error = vdev < 0 ? vdev : blkfront_open(&front, (unsigned int)vdev);

    if (error) return error;
    for (int i = 0; i < BOUNCE_PAGES; i++) {
        disk->bounce[i] = alloc_page();
        if (!disk->bounce[i]) return refused(-ENOMEM);
    }
    disk->device = &front.device;
    disk->virtio.queues = 1;
    disk->virtio.notified = notified;
    if (disk->device->flags & BLOCK_CAN_FLUSH)
        disk->virtio.offered |= FEATURE_FLUSH;
    if (disk->device->flags & BLOCK_READ_ONLY)
        disk->virtio.offered |= FEATURE_READ_ONLY;
    memcpy(disk->virtio.config, &disk->device->sectors, sizeof(disk->device->sectors));
    virtio_attach(&disk->virtio, machine, 1, 2, 0x010000, IRQ_DISK);
    return 0;
}
