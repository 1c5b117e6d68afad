/* SPDX-License-Identifier: MIT */
/* The virtio disk. One request at a time: the log's order matters more to us than the disk's
 * queue. */
#include "disk_format.h"
#include "virtio.h"

enum { BLOCK_DEVICE = 2, READ = 0, WRITE = 1, FLUSH = 4, SECTORS = BLOCK_SIZE / 512 };
#define FEATURE_FLUSH (1ul << 9)

static struct virtio device;
static struct queue queue;
static struct lock busy;
static bool can_flush;
static volatile bool done;
/* descriptor 0; the data is 1, the result 2 */
static struct { u32 type, unused; u64 sector; } request;
static u8 result;

static void interrupt(void *unused)
{
    u32 length;

    /* reading it drops the interrupt line */
    (void)*device.status;
    while (queue_completed(&queue, &length) >= 0)
        done = true;
    wake(&queue);
}

static int perform(u32 type, u64 block, void *page)
{
    bool on;
    int error;

    lock_acquire(&busy);
    request.type = type;
    request.sector = block * SECTORS;
    result = 0xff;
    done = false;
    queue.descriptors[0] = (struct descriptor){ to_physical(&request), sizeof request,
                                                DESCRIPTOR_NEXT, page ? 1 : 2 };
    if (page)
        queue.descriptors[1] = (struct descriptor){ to_physical(page), BLOCK_SIZE,
                                                    DESCRIPTOR_NEXT |
                                                        (type == READ ? DESCRIPTOR_WRITE : 0),
                                                    2 };
    queue.descriptors[2] = (struct descriptor){ to_physical(&result), 1, DESCRIPTOR_WRITE, 0 };
    on = interrupts_off();
    queue_submit(&queue, 0);
    while (!done)
        sleep_on(&queue);
    interrupts_restore(on);
    error = *(volatile u8 *)&result ? -EIO : 0;
    lock_release(&busy);
    return error;
}

static int transfer(bool write, u64 block, void *page)
{
    return perform(write ? WRITE : READ, block, page);
}

static int flush(void)
{
    return can_flush ? perform(FLUSH, 0, NULL) : 0;
}

struct disk *virtio_block_find(void)
{
    static struct disk found = { "virtio", 0, transfer, flush };
    u64 features;

    if (!virtio_find(&device, BLOCK_DEVICE)) return NULL;
    virtio_negotiate(&device, FEATURE_FLUSH, &features);
    can_flush = features & FEATURE_FLUSH;
    virtio_queue_init(&device, &queue, 0);
    virtio_ready(&device, interrupt);
    found.blocks = *(volatile u64 *)device.config / SECTORS;
    return &found;
}
