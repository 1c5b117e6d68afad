/* SPDX-License-Identifier: MIT */
/*
 * The real disk's partitions, as the toolstack hands them to guests: by GPT name, one writer or
 * many readers at a time. The whole disk is one more, "/dev/disk0"; who has it uses every
 * partition.
 */
#ifndef DOM0_STORAGE_DISKS_H
#define DOM0_STORAGE_DISKS_H

#include "dom0/base.h"
#include <drivers/block.h>

/* Looks at the disk (may be NULL: there is none) and says on the console what it found. */
void disks_start(struct blockdev *disk);

/*
 * Takes a partition for a guest. 0 with *device set, or a negative errno and *why a sentence: no
 * disk (-ENODEV), no GPT (-ENODEV), no such partition (-ENOENT), in use (-EBUSY).
 */
int disks_claim(const char *partition, bool writable, struct blockdev **device, const char **why);
void disks_release(const char *partition, bool writable);

/* Empties the disk's cache, before the machine ends: a disk is waited for so many nanoseconds. */
void disks_flush(uint64_t patience);

/* Calls `visit` for each partition, or for /dev/disk0 where there are none; users: writers and
 * readers. */
void disks_for_each(void (*visit)(const char *name, uint64_t sectors, unsigned writers,
                                  unsigned readers));

#endif
