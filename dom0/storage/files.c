/* SPDX-License-Identifier: MIT */
/* See files.h. */
#include "dom0/storage/files.h"
#include "dom0/account.h"

#define SERIAL "domus-files"
#define LINE   "domus-files 1 "
#define ERROR  "error "
#define PIECE  128u                     /* Sectors that are read at a time. */
#define MOST_FILES 4096u                /* Who compares them looks for each among all. */

static struct blockdev *source;

bool files_is_disk(struct blockdev *disk)
{
    char serial[BLOCK_SERIAL_BYTES + 1];

    return disk->flags & BLOCK_READ_ONLY && disk->flags & BLOCK_CAN_IDENTIFY &&
           block_identify(disk, serial) == 0 && !strcmp(serial, SERIAL);
}

void files_start(struct blockdev *disk)
{
    source = disk;
}

/* What the first sector says of the archive's size. */
static int take_line(char *line, size_t *size, struct problem *problem)
{
    char *text = line + strlen(LINE), *end = strchr(line, '\n');
    unsigned long number;

    if (!end || strncmp(line, LINE, strlen(LINE)))
        return problem_set(problem, refused(-EINVAL),
                           "the disk of files does not say what is on it");
    *end = '\0';
    if (!strncmp(text, ERROR, strlen(ERROR)))
        return problem_set(problem, refused(-ENOENT), "%s", text + strlen(ERROR));
    number = strtoul(text, &end, 10);
    if (!*text || *end || !number || number > (source->sectors - 1) * BLOCK_SECTOR)
        return problem_set(problem, refused(-EINVAL),
                           "the disk of files has no archive of %s bytes", text);
    *size = number;
    return 0;
}

static int read_pieces(uint8_t *bytes, uint64_t sectors, void (*breathe)(void))
{
    int error = 0;

    for (uint64_t at = 0; at < sectors && !error; at += PIECE) {
        error = block_read(source, 1 + at, bytes + at * BLOCK_SECTOR, MIN(sectors - at, PIECE));
        breathe();
    }
    return error;
}

static int check(const struct archive *archive, struct problem *problem)
{
    struct archive_file file;
    size_t position = 0;
    unsigned files = 0;
    int more;

    while ((more = archive_next(archive, &position, &file)) > 0)
        if (++files > MOST_FILES)
            return problem_set(problem, refused(-E2BIG), "the archive has more than %u files",
                               MOST_FILES);
    return more ? problem_set(problem, more, "the archive is damaged behind its file %u", files)
                : 0;
}

/* A block device reads to a multiple of its sectors' size, in whole ones. */
static int read_archive(size_t size, struct archive *fresh, void (*breathe)(void),
                        struct problem *problem)
{
    uint64_t sectors = (size + BLOCK_SECTOR - 1) / BLOCK_SECTOR;
    uint8_t *memory = malloc((sectors + 1) * BLOCK_SECTOR), *bytes;
    int error;

    *fresh = (struct archive){ .memory = memory };
    if (!memory || account_memory_is_low())     /* Others want some of dom0's, too. */
        return problem_set(problem, refused(-ENOMEM), "dom0 has no room for %zu KiB of files",
                           size / 1024);
    bytes = memory + (BLOCK_SECTOR - (uintptr_t)memory % BLOCK_SECTOR) % BLOCK_SECTOR;
    fresh->bytes = bytes;
    fresh->size = size;
    error = read_pieces(bytes, sectors, breathe);
    if (error) return problem_set(problem, error, "the disk of files cannot be read");
    return check(fresh, problem);
}

int files_read(struct archive *fresh, void (*breathe)(void), struct problem *problem)
{
    _Alignas(BLOCK_SECTOR) char line[BLOCK_SECTOR];
    size_t size = 0;
    int error;

    if (!source)
        return problem_set(problem, refused(-ENODEV), "this machine has no disk of files, from "
                           "which they could be read anew: domus-run gives it one, unless it "
                           "records");
    error = block_read(source, 0, line, 1);
    if (error) return problem_set(problem, error, "the disk of files cannot be read");
    line[sizeof(line) - 1] = '\0';
    error = take_line(line, &size, problem);
    if (error) return error;
    error = read_archive(size, fresh, breathe, problem);
    if (error)
        free(fresh->memory);
    return error;
}
