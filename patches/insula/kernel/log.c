/* SPDX-License-Identifier: MIT */
/* The log makes file system operations atomic: after a crash either all of an operation's blocks
 * are there or none.
 *
 * Operations write into the block cache only, between log_begin and log_end, and name each changed
 * block to log_write. Many operations share one transaction (group commit), and a block changed
 * often is written once (absorption). A commit copies the changed blocks to the log area, flushes,
 * writes the header that makes them count, flushes, and then writes them home; clearing the header
 * ends it. Recovery is the second half of a commit, done at boot.
 *
 * A transaction commits when sync asks for it or when the log might not hold another operation; it
 * waits for running operations to end, and new ones wait for it. So a program may lose what it did
 * not sync, but never half of it. */
#include "kernel.h"
#include "disk_format.h"

/* blocks one operation may change: see inode_write's chunks */
enum { OPERATION_MAX = 12 };

static u32 start;                       /* header block on the disk */
static struct log_header header;        /* the open transaction */
static struct buffer *held[LOG_MAX];    /* its blocks, kept in the cache */
static u32 operations;                  /* running now */
static bool committing, wanted;
static u64 generation;                  /* counts commits, for log_sync */
u32 log_commits, log_absorbed;

static u32 checksum(const struct log_header *h)
{
    u32 sum = 0x811c9dc5 ^ h->count;

    for (u32 i = 0; i < h->count; i++)
        sum = (sum ^ h->home[i]) * 0x01000193;
    return sum;
}

static void flush(void)
{
    if (disk->flush() < 0)
        kpanic("disk %s: cannot flush", disk->name);
}

static void write_header(const struct log_header *h)
{
    struct buffer *buffer = buffer_new(start);

    memcpy(buffer->data, h, sizeof *h);
    buffer_write(buffer);
    buffer_put(buffer);
    flush();
}

static void clear_header(void)
{
    static const struct log_header empty;
    write_header(&empty);
}

void log_init(u32 at)
{
    struct buffer *buffer = buffer_get(at);
    struct log_header found;

    start = at;
    memcpy(&found, buffer->data, sizeof found);
    buffer_put(buffer);
    if (found.count == 0 || found.count > LOG_MAX || found.checksum != checksum(&found)) return;
    for (u32 i = 0; i < found.count; i++) {
        struct buffer *from = buffer_get(start + 1 + i), *to = buffer_get(found.home[i]);
        memcpy(to->data, from->data, BLOCK_SIZE);
        buffer_write(to);
        buffer_put(to);
        buffer_put(from);
    }
    flush();
    clear_header();
    kprintf("Insula: log: recovered %u blocks\n", found.count);
}

/* No operation is running, and none can start: committing is set. */
static void write_transaction(void)
{
    for (u32 i = 0; i < header.count; i++)
        if (disk->transfer(true, start + 1 + i, held[i]->data) < 0)
            kpanic("disk %s: cannot write the log", disk->name);
    flush();
    header.checksum = checksum(&header);
    write_header(&header);              /* the moment of truth */
    for (u32 i = 0; i < header.count; i++) {
        buffer_write(held[i]);
        held[i]->logged = false;
    }
    flush();
    header.count = 0;
    clear_header();
    log_commits++;
}

static void commit(void)
{
    committing = true;
    if (header.count)
        write_transaction();
    committing = wanted = false;
    generation++;
    wake(&header);
}

void log_begin(void)
{
    for (;;) {
        if (committing || wanted) {
            sleep_on(&header);
        } else if (header.count + (operations + 1) * OPERATION_MAX > LOG_MAX) {
            if (operations == 0) {
                commit();
            } else {
                wanted = true;          /* the last operation to end will do it */
            }
        } else {
            operations++;
            return;
        }
    }
}

void log_end(void)
{
    if (--operations == 0 && wanted)
        commit();
}

/* The caller holds the buffer, has changed it, and will put it back as usual. */
void log_write(struct buffer *buffer)
{
    if (buffer->logged) {
        log_absorbed++;
        return;
    }
    if (header.count == LOG_MAX || operations == 0)
        kpanic("log: too much in one operation");
    buffer->logged = true;
    held[header.count] = buffer;
    header.home[header.count++] = buffer->block;
}

/* Returns when everything that ended before the call is on the disk. A commit under way may have
 * begun without it. */
void log_sync(void)
{
    u64 target = generation + (committing ? 2 : 1);

    while (generation < target) {
        if (!committing && !operations) {
            commit();
            continue;
        }
        wanted = !committing;
        sleep_on(&header);
    }
}
