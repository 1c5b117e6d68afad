/* SPDX-License-Identifier: MIT */
/* crashwrite [files]: for a test that pulls the plug. Writes records (records.h), going on where
 * the disk's last file ends, deletes old files, syncs after every few records, and prints what is
 * on the disk for certain:
 *      crashwrite: synced N */
#include "records.h"

/* The first file number that is not there; *oldest is the first that is. */
static unsigned next_file(unsigned *oldest)
{
    char path[16];
    unsigned file = 0;
    int fd = open("/crash/state", O_RDONLY);

    /* `state` holds the oldest file's number: a search from 0 would get slow. */
    if (fd < 0 || read(fd, oldest, sizeof *oldest) != sizeof *oldest)
        *oldest = 0;
    close(fd);
    for (file = *oldest;; file++) {
        record_path(path, file);
        fd = open(path, O_RDONLY);
        if (fd < 0) return file;
        close(fd);
    }
}

static void write_file(unsigned file)
{
    struct record record;
    char path[16];
    int fd;

    record_path(path, file);
    fd = open(path, O_WRONLY | O_CREATE | O_TRUNC);
    for (unsigned i = 0; i < RECORDS; i++) {
        record_fill(&record, file * RECORDS + i);
        if (write(fd, &record, sizeof record) != sizeof record) {
            printf("crashwrite: cannot write\n");
            exit(1);
        }
        if (i % 16 == 15) {
            sync();
            printf("crashwrite: synced %u\n", record.number);
        }
    }
    close(fd);
}

static void drop_oldest(unsigned *oldest)
{
    char path[16];
    int fd = open("/crash/state", O_WRONLY | O_CREATE);
    unsigned next = *oldest + 1;

    write(fd, &next, sizeof next);
    close(fd);
    record_path(path, (*oldest)++);
    unlink(path);
}

int main(int argc, char **argv)
{
    unsigned oldest, file, count = argc > 1 ? (unsigned)atol(argv[1]) : 100000;

    mkdir("/crash");
    file = next_file(&oldest);
    if (file > oldest)
        file--;                         /* the last one may be incomplete: write it again */
    for (unsigned end = file + count; file < end; file++) {
        write_file(file);
        while (file - oldest >= KEEP)
            drop_oldest(&oldest);
    }
    return 0;
}
