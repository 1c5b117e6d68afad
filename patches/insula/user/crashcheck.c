/* SPDX-License-Identifier: MIT */
/* crashcheck: verifies what crashwrite left, after a crash: every file but the last is complete,
 * every record right.
 *      crashcheck: last N (the number of the last record on the disk, to compare with the last
 *      "synced"), ok */
#include "records.h"

/* The number of good records in a file, or -1 after telling what is wrong. */
static int check_file(unsigned file, int fd)
{
    struct record record, right;
    int n, count = 0;

    while ((n = read(fd, &record, sizeof record)) > 0) {
        record_fill(&right, file * RECORDS + (unsigned)count);
        if (n != sizeof record || memcmp(&record, &right, sizeof record) != 0) {
            printf("crashcheck: file %u, record %d is wrong (it says %u)\n", file, count,
                   record.number);
            return -1;
        }
        count++;
    }
    return count;
}

int main(int argc, char **argv)
{
    unsigned file = 0;
    long last = -1;
    int fd = open("/crash/state", O_RDONLY), count = RECORDS;

    if (fd >= 0 && read(fd, &file, sizeof file) != sizeof file)
        file = 0;
    close(fd);
    for (;; file++) {
        char path[16];
        record_path(path, file);
        fd = open(path, O_RDONLY);
        if (fd < 0)
            break;
        if (count != RECORDS) {
            printf("crashcheck: file %u follows an incomplete one\n", file);
            return 1;
        }
        count = check_file(file, fd);
        close(fd);
        if (count < 0) return 1;
        last = (long)file * RECORDS + count - 1;
    }
    printf("crashcheck: last %ld, ok\n", last);
    return 0;
}
