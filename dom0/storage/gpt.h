/* SPDX-License-Identifier: MIT */
/*
 * The GUID partition table of a disk: names and extents (UEFI specification 2.10, chapter 5). Pure:
 * reads through a callback. The primary table is used if its checksums hold, else the backup at the
 * disk's end.
 */
#ifndef DOM0_STORAGE_GPT_H
#define DOM0_STORAGE_GPT_H

#include "dom0/base.h"

#define GPT_SECTOR 512u
#define GPT_MAX_PARTITIONS 128u
#define GPT_NAME 37u            /* 36 characters and a NUL */

struct gpt_partition {
    char name[GPT_NAME];        /* What is not ASCII is shown as '?'. */
    uint64_t first, sectors;
};

struct gpt {
    bool from_backup;
    unsigned count;
    struct gpt_partition partition[GPT_MAX_PARTITIONS];
};

struct gpt_disk {
    uint64_t sectors;
    /* one sector; 0 or a negative errno */
    int (*read)(void *context, uint64_t sector, void *data);
    void *context;
};

/* 0; -ENOENT: there is no table; -ENODEV: none is whole; or what `read` returned. */
int gpt_load(const struct gpt_disk *disk, struct gpt *gpt);

/* NULL: no partition of that name; or (twice) more than one, and nobody can say which is meant. */
const struct gpt_partition *gpt_find(const struct gpt *gpt, const char *name, bool *twice);

#endif
