/* SPDX-License-Identifier: MIT */
/*
 * The boot archive: files by name in a ustar image in memory (guests' kernels and configurations).
 *
 * Pure, and it believes nothing: every size is checked against the image, every header against its
 * checksum.
 */
#ifndef DOM0_STORAGE_ARCHIVE_H
#define DOM0_STORAGE_ARCHIVE_H

#include "dom0/base.h"

struct archive {
    const uint8_t *bytes;
    size_t size;
    void *memory;               /* Of its owner, to free; NULL: it stays, as the boot module. */
};

struct archive_file {
    /* Without a leading "./" or "/"; the longest has 155 + 1 + 100 letters. */
    char name[257];
    const uint8_t *data;        /* Within the archive: not a copy, not NUL-terminated. */
    size_t size;
};

/*
 * The first regular file at or behind *position (0 to begin); moves *position behind it.
 * 1: found; 0: no more; -EINVAL: the archive is damaged at *position.
 */
int archive_next(const struct archive *archive, size_t *position, struct archive_file *file);

/* 0, -ENOENT or -EINVAL. Of several files of one name the last counts, as for tar. `name` may begin
 * with '/'. All headers are looked at, and every ARCHIVE_BREATH files `breathe` is called: others
 * have their turn; not this archive's owner. */
#define ARCHIVE_BREATH 64u
int archive_find(const struct archive *archive, const char *name, struct archive_file *file,
                 void (*breathe)(void));

#endif
