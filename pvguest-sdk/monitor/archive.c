/* SPDX-License-Identifier: MIT */
/* The one ramdisk of a domain: a file, or an archive of some (ustar: POSIX 1003.1, pax). Pure. */
#include <pvguest/errno.h>
#include <pvguest/refuse.h>
#include <pvguest/string.h>
#include "machine.h"

enum { BLOCK = 512, NAME = 100, SIZE_AT = 124, SIZE = 12, MAGIC_AT = 257 };

static bool is_header(const struct image *archive, size_t at)
{
    return archive->size - at >= BLOCK && !memcmp(archive->bytes + at + MAGIC_AT, "ustar", 5);
}

int archive_find(struct image archive, const char *name, struct image *file)
{
    size_t at = 0;

    if (!archive.bytes || archive.size < BLOCK || !is_header(&archive, 0)) {
        *file = archive;
        return archive.bytes && archive.size ? 0 : refused(-ENOENT);
    }
    while (is_header(&archive, at)) {
        char digits[SIZE + 1] = { 0 };
        const char *header = (const char *)archive.bytes + at;
        size_t size;
        memcpy(digits, header + SIZE_AT, SIZE);
        size = strtoul(digits, NULL, 8);
        at += BLOCK;
        if (size > archive.size - at)
            break;
        if (strlen(name) < NAME && !strncmp(header, name, NAME)) {
            *file = (struct image){ archive.bytes + at, size };
            return 0;
        }
        size = (size + BLOCK - 1) & ~(size_t)(BLOCK - 1);
        if (size > archive.size - at)
            break;
        at += size;
    }
    return refused(-ENOENT);
}
