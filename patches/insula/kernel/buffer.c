/* SPDX-License-Identifier: MIT */
/* The block cache: one copy in memory of each block in use, and a lock that lets one process at a
 * time have it. Buffers that the log has not yet written home must stay (`logged`); of the others
 * the least recently used goes. */
#include "kernel.h"
#include "disk_format.h"

enum { BUFFERS = 256 };
static struct buffer buffers[BUFFERS];
static u64 clock;

void buffer_init(void)
{
    for (int i = 0; i < BUFFERS; i++) {
        buffers[i].data = page_alloc();
        if (!buffers[i].data)
            kpanic("no memory for the block cache");
    }
}

static struct buffer *find(u32 block)
{
    struct buffer *oldest = NULL;

    for (struct buffer *b = buffers; b < buffers + BUFFERS; b++) {
        if (b->block == block && (b->valid || b->references)) return b;
        if (!b->references && !b->logged && (!oldest || b->used < oldest->used))
            oldest = b;
    }
    if (!oldest)
        kpanic("all block buffers are in use");
    oldest->block = block;
    oldest->valid = false;
    return oldest;
}

/* A block outside the disk is a broken file system, and the caller has no good answer to a broken
 * disk: stop. */
struct buffer *buffer_get(u32 block)
{
    struct buffer *buffer = find(block);

    buffer->references++;
    lock_acquire(&buffer->lock);
    if (!buffer->valid) {
        if (disk->transfer(false, block, buffer->data) < 0)
            kpanic("disk %s: cannot read block %u", disk->name, block);
        buffer->valid = true;
    }
    return buffer;
}

/* The same for a block whose old contents nobody wants: zeroed, without asking the disk. */
struct buffer *buffer_new(u32 block)
{
    struct buffer *buffer = find(block);

    buffer->references++;
    lock_acquire(&buffer->lock);
    page_clear(buffer->data);
    buffer->valid = true;
    return buffer;
}

void buffer_put(struct buffer *buffer)
{
    lock_release(&buffer->lock);
    buffer->used = ++clock;
    buffer->references--;
}

void buffer_write(struct buffer *buffer)
{
    if (disk->transfer(true, buffer->block, buffer->data) < 0)
        kpanic("disk %s: cannot write block %u", disk->name, buffer->block);
}
