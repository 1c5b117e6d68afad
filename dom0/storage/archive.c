/* SPDX-License-Identifier: MIT */
/*
 * Reads ustar (POSIX 1003.1, "pax", ustar interchange format): 512-byte headers, each before its
 * file's content, which is padded to 512 bytes; a header of zeroes ends the archive. Numbers are
 * octal text. archive.h has the contract.
 */
#include "dom0/storage/archive.h"

#define BLOCK 512u

struct ustar_header {
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100];
    char magic[6], version[2], user[32], group[32], major[8], minor[8], prefix[155], pad[12];
};

_Static_assert(sizeof(struct ustar_header) == BLOCK, "a ustar header is one block");

static bool octal(const char *text, size_t width, uint64_t *value)
{
    size_t i = 0;

    *value = 0;
    while (i < width && text[i] == ' ')
        i++;
    for (; i < width && text[i] >= '0' && text[i] <= '7'; i++)
        *value = *value << 3 | (uint64_t)(text[i] - '0');
    return i == width || text[i] == '\0' || text[i] == ' ';
}

/* The sum of the header's bytes, its own field counted as blanks. */
static bool checksum_right(const struct ustar_header *header)
{
    const uint8_t *bytes = (const uint8_t *)header;
    uint64_t sum = 0, said;

    for (size_t i = 0; i < BLOCK; i++)
        sum += bytes[i];
    for (size_t i = 0; i < sizeof(header->checksum); i++)
        sum += ' ' - (uint64_t)(uint8_t)header->checksum[i];
    return octal(header->checksum, sizeof(header->checksum), &said) && sum == said;
}

static bool all_zero(const uint8_t *bytes)
{
    for (size_t i = 0; i < BLOCK; i++)
        if (bytes[i])
            return false;
    return true;
}

static void append(char *to, size_t room, const char *field, size_t width)
{
    size_t at = strlen(to);

    for (size_t i = 0; i < width && field[i] && at + 1 < room; i++)
        to[at++] = field[i];
    to[at] = '\0';
}

static const char *without_root(const char *name)
{
    while (name[0] == '/' || (name[0] == '.' && name[1] == '/'))
        name++;
    return name;
}

static void take_name(const struct ustar_header *header, struct archive_file *file)
{
    char full[sizeof(file->name) + 2] = "";

    if (header->prefix[0]) {
        append(full, sizeof(full), header->prefix, sizeof(header->prefix));
        append(full, sizeof(full), "/", 1);
    }
    append(full, sizeof(full), header->name, sizeof(header->name));
    file->name[0] = '\0';
    append(file->name, sizeof(file->name), without_root(full), sizeof(full));
}

int archive_next(const struct archive *archive, size_t *position, struct archive_file *file)
{
    while (archive->size - *position >= BLOCK) {
        const struct ustar_header *header = (const void *)(archive->bytes + *position);
        size_t left = archive->size - *position - BLOCK;
        uint64_t size;

        if (all_zero(archive->bytes + *position)) return 0;
        if (memcmp(header->magic, "ustar", 5) || !checksum_right(header) ||
            !octal(header->size, sizeof(header->size), &size) || size > left)
            return refused(-EINVAL);
        file->data = archive->bytes + *position + BLOCK;
        file->size = (size_t)size;
        *position += BLOCK + (size + BLOCK - 1) / BLOCK * BLOCK;
        if (*position > archive->size)          /* The padding of the last file may be missing. */
            *position = archive->size;
        if (header->type == '0' || header->type == '\0') {
            take_name(header, file);
            return 1;
        }
    }
    return 0;
}

int archive_find(const struct archive *archive, const char *name, struct archive_file *file,
                 void (*breathe)(void))
{
    struct archive_file candidate;
    size_t position = 0;
    unsigned files = 0;
    int found = -ENOENT, more;

    name = without_root(name);
    while ((more = archive_next(archive, &position, &candidate)) > 0) {
        if (++files % ARCHIVE_BREATH == 0)
            breathe();
        if (strcmp(candidate.name, name))
            continue;
        *file = candidate;
        found = 0;
    }
    return more < 0 && found ? more : found;
}
