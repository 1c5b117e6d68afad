/* SPDX-License-Identifier: MIT */
/*
 * virtio-blk: a real disk as struct blockdev (VIRTIO 1.1 section 5.2).
 *
 * A request becomes a chain of descriptors: a 16-byte header (the device reads it), the data pages,
 * and one status byte (the device writes it). Header and status live in a page of slots; a slot is
 * taken for the time of the request. As many requests run at once as slots and descriptors allow;
 * further ones wait on a list threaded through them, in order. One call at a time:
 * <drivers/block.h>.
 */
#include <drivers/real.h>
#include "virtio.h"
#include <pvguest/errno.h>
#include <pvguest/mm.h>
#include <pvguest/refuse.h>
#include <pvguest/string.h>

#define F_SEG_MAX (1ull << 2)
#define F_READ_ONLY (1ull << 5)
#define F_FLUSH   (1ull << 9)
#define F_DISCARD (1ull << 13)

#define CONFIG_CAPACITY 0
#define CONFIG_SEG_MAX 12
#define CONFIG_MAX_DISCARD 36

#define TYPE_READ 0
#define TYPE_WRITE 1
#define TYPE_FLUSH 4
#define TYPE_GET_ID 8
#define TYPE_DISCARD 11

#define SLOTS 64u

/* One request's words to and from the device. 64 bytes, so that no slot crosses a page. */
struct slot {
    uint32_t type, reserved;
    uint64_t sector;
    struct { uint64_t sector; uint32_t sectors, flags; } discard;
    uint8_t status;
    uint8_t free_next;                  /* ours: the next free slot */
    struct block_request *request;
    uint8_t pad[16];
};
_Static_assert(sizeof(struct slot) == 64, "slots fill a page");

struct virtio_blk {
    struct blockdev device;
    struct virtio_device virtio;
    struct virtqueue queue;
    struct pci_interrupt interrupt;
    struct slot *slot;                  /* SLOTS of them in one page */
    uint8_t free_first;                 /* SLOTS: none */
    uint32_t max_discard;               /* sectors in one request */
    unsigned int max_segments;
    struct block_request *waiting, *waiting_last;
};

static const uint32_t type_of[] = {
    [BLOCK_READ] = TYPE_READ,
    [BLOCK_WRITE] = TYPE_WRITE,
    [BLOCK_FLUSH] = TYPE_FLUSH,
    [BLOCK_DISCARD] = TYPE_DISCARD,
    [BLOCK_IDENTIFY] = TYPE_GET_ID,
};

/* Fills the chain; the number of buffers. */
static unsigned int build_chain(struct slot *slot, const struct block_request *request,
                                uint32_t max_discard, struct virtq_buffer *chain)
{
    uint64_t machine = virt_to_machine(slot);
    unsigned int count = 0;

    slot->type = type_of[request->operation];
    slot->reserved = 0;
    slot->sector = request->operation == BLOCK_READ || request->operation == BLOCK_WRITE
                       ? request->sector
                       : 0;
    slot->status = 0xff;
    chain[count++] = (struct virtq_buffer){ machine, 16, false };
    if (request->operation == BLOCK_DISCARD) {
        slot->discard.sector = request->sector;
        /* More than one request may carry: the rest stays as it is. A discard is advice, no promise
         * is broken. */
        slot->discard.sectors = request->sectors < max_discard ? (uint32_t)request->sectors
                                                               : max_discard;
        slot->discard.flags = 0;
        chain[count++] = (struct virtq_buffer){ machine + offsetof(struct slot, discard), 16,
                                                false };
    }
    for (unsigned int i = 0; request->operation <= BLOCK_WRITE && i < request->segments; i++)
        chain[count++] = (struct virtq_buffer){ request->segment[i].machine,
                                                request->segment[i].length,
                                                request->operation == BLOCK_READ };
    if (request->operation == BLOCK_IDENTIFY)
        chain[count++] = (struct virtq_buffer){ request->segment[0].machine, BLOCK_SERIAL_BYTES,
                                                true };
    chain[count++] = (struct virtq_buffer){ machine + offsetof(struct slot, status), 1, true };
    return count;
}

static bool try_start(struct virtio_blk *disk, struct block_request *request)
{
    struct virtq_buffer chain[BLOCK_SEGMENTS_MAX + 2];

    if (disk->free_first == SLOTS) return false;

    struct slot *slot = &disk->slot[disk->free_first];
    unsigned int count = build_chain(slot, request, disk->max_discard, chain);

    if (!virtqueue_add(&disk->queue, chain, count, slot)) return false;
    disk->free_first = slot->free_next;
    slot->request = request;
    return true;
}

static void submit(struct blockdev *device, struct block_request *request)
{
    struct virtio_blk *disk = device->context;

    request->next = NULL;
    if (!disk->waiting && try_start(disk, request)) return;
    if (disk->waiting)
        disk->waiting_last->next = request;
    else
        disk->waiting = request;
    disk->waiting_last = request;
}

static void kick(struct blockdev *device)
{
    struct virtio_blk *disk = device->context;

    virtqueue_kick(&disk->queue);
}

static void start_waiting(struct virtio_blk *disk)
{
    while (disk->waiting) {
        struct block_request *request = disk->waiting, *next = request->next;

        if (!try_start(disk, request))
            break;
        disk->waiting = next;
    }
}

static int error_of(uint8_t status)
{
    return status == 0 ? 0 : status == 2 ? refused(-EOPNOTSUPP)
                                         : refused(-EIO);
}

/* Completes what has finished. done() may submit again; that finds its place behind the waiting
 * ones. */
static bool serve(struct blockdev *device, unsigned int budget)
{
    struct virtio_blk *disk = device->context;
    struct slot *slot = NULL;
    uint32_t length;

    while (budget && (slot = virtqueue_take(&disk->queue, &length))) {
        struct block_request *request = slot->request;
        int error = error_of(slot->status);

        slot->request = NULL;
        slot->free_next = disk->free_first;
        disk->free_first = (uint8_t)(slot - disk->slot);
        start_waiting(disk);
        request->done(request, error);
        budget--;
    }
    virtqueue_kick(&disk->queue);
    return slot || virtqueue_arm(&disk->queue);
}

static void poll(struct blockdev *device)
{
    serve(device, SLOTS);
}

static void interrupt(void *context)
{
    struct virtio_blk *disk = context;

    if (disk->device.wake)
        disk->device.wake(disk->device.waker);
    else
        while (serve(&disk->device, SLOTS)) /* as many as there are slots, unless done() submits */
            ;
}

static void look(void *context)
{
    struct virtio_blk *disk = context;

    virtqueue_ring(&disk->queue);
    interrupt(disk);
}

static int set_up(struct virtio_blk *disk, struct pci_device *pci)
{
    int error = virtio_start(&disk->virtio, pci,
                             F_SEG_MAX | F_READ_ONLY | F_FLUSH | F_DISCARD | VIRTIO_F_EVENT_INDEX);

    if (error) return error;
    disk->max_segments = BLOCK_SEGMENTS_MAX;
    if (disk->virtio.features & F_SEG_MAX &&
        virtio_config(&disk->virtio, CONFIG_SEG_MAX, 4) < BLOCK_SEGMENTS_MAX)
        disk->max_segments = (unsigned int)virtio_config(&disk->virtio, CONFIG_SEG_MAX, 4);
    if (disk->max_segments < BLOCK_SEGMENTS_ANY) return refused(-EOPNOTSUPP);
    disk->slot = alloc_zeroed_page();
    if (!disk->slot) return refused(-ENOMEM);
    for (unsigned int i = 0; i < SLOTS; i++)
        disk->slot[i].free_next = (uint8_t)(i + 1);
    error = pci_interrupt_open(pci, 0, &disk->interrupt, interrupt, disk);
    if (!error)
        error = virtqueue_open(&disk->queue, &disk->virtio, 0, 0);
    return error;
}

static void describe(struct virtio_blk *disk, const char *name)
{
    uint64_t features = disk->virtio.features;

    disk->max_discard = features & F_DISCARD
                            ? (uint32_t)virtio_config(&disk->virtio, CONFIG_MAX_DISCARD, 4)
                            : 0;
    disk->device = (struct blockdev){
        .name = name,
        .sectors = virtio_config(&disk->virtio, CONFIG_CAPACITY, 8),
        .flags = BLOCK_BY_DMA | BLOCK_CAN_IDENTIFY | (features & F_FLUSH ? BLOCK_CAN_FLUSH : 0) |
                 (disk->max_discard ? BLOCK_CAN_DISCARD : 0) |
                 (features & F_READ_ONLY ? BLOCK_READ_ONLY : 0),
        .max_segments = disk->max_segments,
        .submit = submit,
        .kick = kick,
        .poll = poll,
        .serve = serve,
        .context = disk,
    };
}

static bool match(const struct pci_device *pci)
{
    return virtio_is(pci, VIRTIO_BLOCK);
}

static int open(struct pci_device *pci, const char *name, void **device)
{
    struct virtio_blk *disk = calloc(1, sizeof *disk);
    int error;

    if (!disk) return refused(-ENOMEM);
    error = set_up(disk, pci);
    if (error) return error;
    describe(disk, name);
    virtio_ready(&disk->virtio, look, disk);
    *device = &disk->device;
    return 0;
}

const struct pci_driver virtio_blk_driver = { .name = "virtio-blk", .match = match, .open = open };
