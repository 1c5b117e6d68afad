/* SPDX-License-Identifier: MIT */
/*
 * Partitions and who uses them (disks.h). A partition is a window on the whole disk, so a guest
 * cannot leave it however large the sector number it asks for: the window checks.
 */
#include "dom0/storage/disks.h"
#include "dom0/storage/gpt.h"
#include "dom0/turns.h"
#include <pvguest/console.h>
#include <pvguest/thread.h>

static struct blockdev *whole;
static struct turn turn;                /* Of its finished transfers. */
static struct gpt table;
/* Why there is none; NULL: there is one. */
static const char *no_table = "this machine has no disk";

static struct claim {
    unsigned writers, readers;
    bool opened;
    struct block_window window;
} claims[GPT_MAX_PARTITIONS];
static struct claim whole_claim;        /* Of the disk itself; its window is not used. */

static uint8_t sector_buffer[GPT_SECTOR] __attribute__((aligned(GPT_SECTOR)));

static int read_sector(void *context, uint64_t sector, void *data)
{
    int error = block_read(context, sector, sector_buffer, 1);

    if (!error)
        memcpy(data, sector_buffer, sizeof(sector_buffer));
    return error;
}

static bool serve(void *owner, unsigned budget)
{
    struct blockdev *disk = owner;

    return disk->serve(disk, budget);
}

void disks_start(struct blockdev *disk)
{
    struct gpt_disk source = { .read = read_sector, .context = disk };
    const char *mode;
    int error;

    whole = disk;
    if (!disk) {
        printk("dom0: no disk\n");
        return;
    }
    if (turns_join(&turn, TURN_DISK, 0, serve, disk) == 0) {
        disk->waker = &turn;
        disk->wake = turns_wake;
    }
    mode = disk->flags & BLOCK_READ_ONLY ? ", read-only" : "";
    source.sectors = disk->sectors;
    error = gpt_load(&source, &table);
    no_table = error == -ENOENT   ? "the disk has no GPT; all of it is /dev/disk0"
               : error == -ENODEV ? "the disk's GPT is damaged"
               : error            ? "the disk cannot be read"
                                  : NULL;
    if (error)
        printk("dom0: disk %s, %lu MiB%s: %s (%s)\n", disk->name, disk->sectors / 2048, mode,
               no_table, errno_name(error));
    else
        printk("dom0: disk %s, %lu MiB%s: %u partitions%s\n", disk->name, disk->sectors / 2048,
               mode, table.count,
               table.from_backup ? " (from the backup table: the primary is damaged)" : "");
}

/* "/dev/disk0": all of it. No partition's name is looked for under /dev. */
static bool names_whole(const char *name)
{
    return whole && !strncmp(name, "/dev/", strlen("/dev/")) &&
           !strcmp(name + strlen("/dev/"), whole->name);
}

/* Who has the whole disk has each partition, too. */
static bool taken_by_others(const struct claim *claim, bool writable)
{
    bool taken = claim->writers || (writable && claim->readers);

    for (size_t i = 0; claim == &whole_claim && i < ARRAY_SIZE(claims); i++)
        taken = taken || claims[i].writers || (writable && claims[i].readers);
    return taken ||
           (claim != &whole_claim && (whole_claim.writers || (writable && whole_claim.readers)));
}

/* NULL: there is none of that name, or (twice) more than one. */
static struct claim *find_claim(const char *name, const struct gpt_partition **partition,
                                bool *twice)
{
    *twice = false;
    *partition = names_whole(name) || no_table ? NULL : gpt_find(&table, name, twice);
    return *partition          ? &claims[*partition - table.partition]
           : names_whole(name) ? &whole_claim
                               : NULL;
}

int disks_claim(const char *name, bool writable, struct blockdev **device, const char **why)
{
    const struct gpt_partition *partition;
    bool twice;
    struct claim *claim = find_claim(name, &partition, &twice);
    int error;

    *why = no_table;
    if (!whole || (!claim && no_table)) return refused(-ENODEV);
    *why = "the disk has two partitions of that name";
    if (twice) return refused(-EINVAL);
    *why = "the disk has no partition of that name";
    if (!claim) return refused(-ENOENT);
    *why = "the disk is read-only";
    if (writable && whole->flags & BLOCK_READ_ONLY) return refused(-EROFS);
    *why = "it is in use by a guest already";
    if (taken_by_others(claim, writable)) return refused(-EBUSY);
    if (partition && !claim->opened) {
        error = block_window_open(&claim->window, partition->name, whole, partition->first,
                                  partition->sectors);
        *why = "it does not lie on the disk";
        if (error) return error;
        claim->opened = true;
    }
    claim->writers += writable;
    claim->readers += !writable;
    *device = partition ? &claim->window.device : whole;
    return 0;
}

void disks_release(const char *name, bool writable)
{
    const struct gpt_partition *partition;
    bool twice;
    struct claim *claim = find_claim(name, &partition, &twice);

    if (!claim) return;
    claim->writers -= writable;
    claim->readers -= !writable;
}

static WAIT_QUEUE(flushed);
static int flush_result;                        /* 1: none so far; no errno is positive. */

static void flush_done(struct block_request *request, int status)
{
    flush_result = status;
    wake_all(&flushed);
}

/* The disk may answer later: the request stays. */
void disks_flush(uint64_t patience)
{
    static struct block_request request = { .operation = BLOCK_FLUSH, .done = flush_done };
    bool masked;

    if (!whole || !(whole->flags & BLOCK_CAN_FLUSH)) return;
    masked = events_save();
    flush_result = 1;
    block_submit(whole, &request);
    block_kick(whole);
    events_restore(masked);
    (void)wait_event_timeout(flushed, flush_result <= 0, patience);
    if (flush_result)
        printk("dom0: the disk does not flush: %s\n",
               flush_result > 0 ? "it does not answer" : errno_name(flush_result));
}

void disks_for_each(void (*visit)(const char *name, uint64_t sectors, unsigned writers,
                                  unsigned readers))
{
    char all[32];

    if (whole && no_table) {
        snprintf(all, sizeof(all), "/dev/%s", whole->name);
        visit(all, whole->sectors, whole_claim.writers, whole_claim.readers);
    }
    for (unsigned i = 0; i < table.count && !no_table; i++)
        visit(table.partition[i].name, table.partition[i].sectors, claims[i].writers,
              claims[i].readers);
}
