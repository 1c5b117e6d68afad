/* SPDX-License-Identifier: MIT */
/*
 * Reads a GUID partition table. Everything on the disk may be wrong: a header counts only if its
 * own checksum, its position, its sizes and the checksum of its entries are right, and no two
 * partitions overlap (the toolstack's rule of one writer for a partition would mean nothing
 * otherwise).
 */
#include "dom0/storage/gpt.h"

struct gpt_header {
    char signature[8];
    uint32_t revision, header_size, header_crc, reserved;
    uint64_t own_sector, other_sector, first_usable, last_usable;
    uint8_t disk_guid[16];
    uint64_t entries_sector;
    uint32_t entry_count, entry_size, entries_crc;
} __attribute__((packed));

struct gpt_entry {
    uint8_t type[16], guid[16];
    uint64_t first, last, attributes;
    uint16_t name[36];
};

_Static_assert(sizeof(struct gpt_header) == 92 && sizeof(struct gpt_entry) == 128,
               "as the specification has them");

/* CRC-32 (polynomial 0xedb88320 reflected), continued from `crc`; begin and end with 0. */
static uint32_t crc32(uint32_t crc, const uint8_t *bytes, size_t size)
{
    crc = ~crc;
    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (0xedb88320u & -(crc & 1));
    }
    return ~crc;
}

static int read_header(const struct gpt_disk *disk, uint64_t sector, struct gpt_header *header)
{
    uint8_t block[GPT_SECTOR];
    uint32_t said;
    int error = disk->read(disk->context, sector, block);

    if (error) return error;
    memcpy(header, block, sizeof(*header));
    if (memcmp(header->signature, "EFI PART", 8)) return refused(-ENOENT);
    if (header->header_size < sizeof(*header) || header->header_size > GPT_SECTOR)
        return refused(-ENODEV);
    said = header->header_crc;
    memset(block + offsetof(struct gpt_header, header_crc), 0, sizeof(said));
    if (crc32(0, block, header->header_size) != said || header->own_sector != sector)
        return refused(-ENODEV);
    /* Entries of other sizes are allowed by the book and made by nobody; a sector then holds
     * four. */
    if (header->entry_size != sizeof(struct gpt_entry) ||
        header->entry_count > GPT_MAX_PARTITIONS || header->entries_sector >= disk->sectors ||
        header->last_usable >= disk->sectors || header->first_usable > header->last_usable)
        return refused(-ENODEV);
    return 0;
}

static int take_entry(const struct gpt_header *header, const struct gpt_entry *entry,
                      struct gpt *gpt)
{
    static const uint8_t unused[16];
    struct gpt_partition *partition = &gpt->partition[gpt->count];

    if (!memcmp(entry->type, unused, sizeof(unused))) return 0;
    if (entry->first < header->first_usable || entry->last > header->last_usable ||
        entry->first > entry->last)
        return refused(-ENODEV);
    for (unsigned i = 0; i < gpt->count; i++) {
        const struct gpt_partition *other = &gpt->partition[i];

        if (entry->first < other->first + other->sectors && other->first <= entry->last)
            return refused(-ENODEV);
    }
    memset(partition->name, 0, sizeof(partition->name));
    for (unsigned i = 0; i < ARRAY_SIZE(entry->name) && entry->name[i]; i++)
        partition->name[i] = entry->name[i] >= ' ' && entry->name[i] <= '~' ? (char)entry->name[i]
                                                                            : '?';
    partition->first = entry->first;
    partition->sectors = entry->last - entry->first + 1;
    gpt->count++;
    return 0;
}

static int load_table(const struct gpt_disk *disk, uint64_t sector, struct gpt *gpt)
{
    struct gpt_entry entries[GPT_SECTOR / sizeof(struct gpt_entry)];
    struct gpt_header header;
    uint32_t crc = 0;
    int error = read_header(disk, sector, &header);

    gpt->count = 0;
    for (uint32_t i = 0; !error && i < header.entry_count; i++) {
        unsigned slot = i % ARRAY_SIZE(entries);

        if (slot == 0) {
            uint64_t at = header.entries_sector + i / ARRAY_SIZE(entries);

            error = at < disk->sectors ? disk->read(disk->context, at, entries) : refused(-ENODEV);
        }
        if (!error) {
            crc = crc32(crc, (const uint8_t *)&entries[slot], sizeof(entries[slot]));
            error = take_entry(&header, &entries[slot], gpt);
        }
    }
    if (!error && crc != header.entries_crc)
        error = refused(-ENODEV);
    return error;
}

int gpt_load(const struct gpt_disk *disk, struct gpt *gpt)
{
    int error, backup;

    gpt->from_backup = false;
    gpt->count = 0;
    if (disk->sectors < 3) return refused(-ENOENT);
    error = load_table(disk, 1, gpt);
    if (!error) return 0;
    gpt->from_backup = true;
    backup = load_table(disk, disk->sectors - 1, gpt);
    if (!backup) return 0;
    gpt->count = 0;
    /* What says most: a disk that cannot be read, a table that is damaged, none at all. */
    if (error == -ENOENT || (error == -ENODEV && backup != -ENOENT))
        error = backup;
    return error;
}

const struct gpt_partition *gpt_find(const struct gpt *gpt, const char *name, bool *twice)
{
    const struct gpt_partition *found = NULL;

    *twice = false;
    for (unsigned i = 0; i < gpt->count && !*twice; i++)
        if (!strcmp(gpt->partition[i].name, name)) {
            *twice = found;
            found = &gpt->partition[i];
        }
    return *twice ? NULL : found;
}
