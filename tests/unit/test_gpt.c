/* SPDX-License-Identifier: MIT */
/* dom0's GPT reader: names and extents, the backup when the primary is damaged, and every kind of
 * lie refused.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include "dom0/storage/gpt.h"
#include "gpt_host.h"

#define SECTORS 200u

static uint8_t disk[SECTORS][512];

static unsigned reads;

static int read_sector(void *context, uint64_t sector, void *data)
{
    reads++;
    assert_true(sector < SECTORS);
    memcpy(data, disk[sector], 512);
    return 0;
}

static bool twice;

static const struct gpt_partition *find(const struct gpt *gpt, const char *name)
{
    return gpt_find(gpt, name, &twice);
}

static const struct gpt_disk device = { .sectors = SECTORS, .read = read_sector };

static void seal(unsigned header, unsigned table)
{
    uint8_t *h = disk[header];

    put(h + 88, crc(disk[table], 128 * 128), 4);
    put(h + 16, 0, 4);
    put(h + 16, crc(h, 92), 4);
}

static void partition(unsigned index, const char *name, uint64_t first, uint64_t last)
{
    put_partition(disk[2] + index * 128, name, first, last);
}

static void header(unsigned at, unsigned other, unsigned table)
{
    uint8_t *h = disk[at];

    memcpy(h, "EFI PART", 8);
    put(h + 8, 0x10000, 4);
    put(h + 12, 92, 4);
    put(h + 24, at, 8);
    put(h + 32, other, 8);
    put(h + 40, 34, 8);
    put(h + 48, SECTORS - 34, 8);
    put(h + 72, table, 8);
    put(h + 80, 128, 4);
    put(h + 84, 128, 4);
    seal(at, table);
}

static int setup(void **state)
{
    memset(disk, 0, sizeof(disk));
    partition(0, "insula1", 40, 49);
    partition(3, "data \xe9", 50, 50);
    memcpy(disk[SECTORS - 33], disk[2], 32 * 512);
    header(1, SECTORS - 1, 2);
    header(SECTORS - 1, 1, SECTORS - 33);
    return 0;
}

static void names_and_extents(void **state)
{
    struct gpt gpt;

    assert_int_equal(gpt_load(&device, &gpt), 0);
    assert_int_equal(gpt.count, 2);
    assert_false(gpt.from_backup);
    assert_int_equal(find(&gpt, "insula1")->first, 40);
    assert_int_equal(find(&gpt, "insula1")->sectors, 10);
    assert_non_null(find(&gpt, "data ?"));
    assert_null(find(&gpt, "insula"));
}

static void the_backup_serves(void **state)
{
    struct gpt gpt;

    disk[2][60] ^= 1;                                           /* An entry of the primary table. */
    assert_int_equal(gpt_load(&device, &gpt), 0);
    assert_true(gpt.from_backup);
    assert_int_equal(gpt.count, 2);
    disk[SECTORS - 1][50] ^= 1;                                 /* And the backup's header. */
    assert_int_equal(gpt_load(&device, &gpt), -ENODEV);
    assert_int_equal(gpt.count, 0);
}

static void only_primary(unsigned at, uint64_t value, unsigned bytes, int expected)
{
    struct gpt gpt;
    uint64_t before;

    memset(disk[SECTORS - 1], 0, 512);
    memcpy(&before, disk[1] + at, bytes);
    put(disk[1] + at, value, bytes);
    seal(1, 2);
    assert_int_equal(gpt_load(&device, &gpt), expected);
    put(disk[1] + at, before, bytes);
    seal(1, 2);
    assert_int_equal(gpt_load(&device, &gpt), 0);
}

static void lies_with_right_checksums(void **state)
{
    only_primary(12, 0xffffffff, 4, -ENODEV);                            /* header size */
    only_primary(24, 2, 8, -ENODEV);                                     /* its own place */
    /* usable sectors beyond the disk */
    only_primary(48, SECTORS, 8, -ENODEV);
    /* entries beyond the disk */
    only_primary(72, SECTORS, 8, -ENODEV);
    /* entries running out of it */
    only_primary(72, SECTORS - 2, 8, -ENODEV);
    only_primary(80, 0xffffffff, 4, -ENODEV);                            /* too many */
    only_primary(84, 0, 4, -ENODEV);                                     /* entries of no size */
}

static void partitions_that_lie(void **state)
{
    struct gpt gpt;

    memset(disk[SECTORS - 1], 0, 512);
    partition(5, "over", 49, 60);                               /* overlaps the first */
    seal(1, 2);
    assert_int_equal(gpt_load(&device, &gpt), -ENODEV);
    partition(5, "over", 60, SECTORS + 1);
    seal(1, 2);
    assert_int_equal(gpt_load(&device, &gpt), -ENODEV);
    partition(5, "over", 61, 60);
    seal(1, 2);
    assert_int_equal(gpt_load(&device, &gpt), -ENODEV);
    partition(5, "fits", 60, 61);
    seal(1, 2);
    assert_int_equal(gpt_load(&device, &gpt), 0);
}

static void a_disk_without_table(void **state)
{
    struct gpt gpt;
    struct gpt_disk tiny = device;

    memset(disk, 0, sizeof(disk));
    assert_int_equal(gpt_load(&device, &gpt), -ENOENT);
    /* What is left of one says more than nothing. */
    memcpy(disk[SECTORS - 1], "EFI PART", 8);
    assert_int_equal(gpt_load(&device, &gpt), -ENODEV);
    memcpy(disk[1], "EFI PART", 8);
    memset(disk[SECTORS - 1], 0, 8);
    assert_int_equal(gpt_load(&device, &gpt), -ENODEV);
    reads = 0;
    /* No room for both tables: nothing is read. */
    for (tiny.sectors = 0; tiny.sectors < 3; tiny.sectors++)
        assert_int_equal(gpt_load(&tiny, &gpt), -ENOENT);
    assert_int_equal(reads, 0);
}

/* A disk whose sectors cannot all be read: an error of the disk's own, if both tables are behind
 * it. */
static uint64_t broken_from, broken_to;

static int read_broken(void *context, uint64_t sector, void *data)
{
    return sector >= broken_from && sector < broken_to ? -EIO : read_sector(context, sector, data);
}

static void a_disk_that_fails(void **state)
{
    struct gpt_disk bad = device;
    struct gpt gpt;

    bad.read = read_broken;
    broken_from = 1;
    broken_to = 2;
    /* The header, then the entries: the backup serves. */
    assert_int_equal(gpt_load(&bad, &gpt), 0);
    assert_true(gpt.from_backup);
    broken_from = 2;
    broken_to = 3;
    assert_int_equal(gpt_load(&bad, &gpt), 0);
    assert_true(gpt.from_backup);
    broken_from = 33;
    broken_to = 34;
    assert_int_equal(gpt_load(&bad, &gpt), 0);
    assert_true(gpt.from_backup);
    broken_to = SECTORS;
    assert_int_equal(gpt_load(&bad, &gpt), -EIO);
    assert_int_equal(gpt.count, 0);
    assert_null(find(&gpt, "insula1"));
    broken_to = 34;                             /* that the other is damaged says less */
    disk[SECTORS - 1][50] ^= 1;
    assert_int_equal(gpt_load(&bad, &gpt), -EIO);
    memset(disk[SECTORS - 1], 0, 512);
    assert_int_equal(gpt_load(&bad, &gpt), -EIO);
}

/* What is refused by one is taken at its limit. */
static void limits_of_the_header(void **state)
{
    struct gpt gpt;

    memset(disk[SECTORS - 1], 0, 512);
    /* The first partition begins with the first sector, */
    put(disk[1] + 40, 40, 8);
    put(disk[1] + 48, 50, 8);                                   /* the last ends with the last. */
    seal(1, 2);
    assert_int_equal(gpt_load(&device, &gpt), 0);
    only_primary(40, 41, 8, -ENODEV);
    only_primary(48, 49, 8, -ENODEV);
    /* Not one usable sector. */
    only_primary(48, 39, 8, -ENODEV);
    put(disk[1] + 48, SECTORS - 1, 8);
    seal(1, 2);
    assert_int_equal(gpt_load(&device, &gpt), 0);
    only_primary(12, 91, 4, -ENODEV);
    only_primary(12, 513, 4, -ENODEV);
    only_primary(80, 129, 4, -ENODEV);
    put(disk[1] + 80, 129, 4);                  /* one too many, and their sum is right */
    put(disk[1] + 88, crc(disk[2], 129 * 128), 4);
    put(disk[1] + 16, 0, 4);
    put(disk[1] + 16, crc(disk[1], 92), 4);
    assert_int_equal(gpt_load(&device, &gpt), -ENODEV);
    put(disk[1] + 80, 128, 4);
    seal(1, 2);
    only_primary(84, 256, 4, -ENODEV);
    only_primary(0, 'e', 1, -ENOENT);
    only_primary(7, 't', 1, -ENOENT);
    /* All of the sector is header: its sum, too. */
    put(disk[1] + 12, 512, 4);
    put(disk[1] + 88, crc(disk[2], 128 * 128), 4);
    put(disk[1] + 16, 0, 4);
    put(disk[1] + 16, crc(disk[1], 512), 4);
    assert_int_equal(gpt_load(&device, &gpt), 0);
    disk[1][511] ^= 1;
    assert_int_equal(gpt_load(&device, &gpt), -ENODEV);
}

static void partitions_side_by_side(void **state)
{
    struct gpt gpt;

    memset(disk[SECTORS - 1], 0, 512);
    partition(5, "0123456789abcdef0123456789abcdef0123", 39, 39);
    seal(1, 2);
    assert_int_equal(gpt_load(&device, &gpt), 0);
    assert_int_equal(gpt.count, 3);
    assert_int_equal(find(&gpt, "0123456789abcdef0123456789abcdef0123")->sectors, 1);
    assert_int_equal(find(&gpt, "insula1"), &gpt.partition[0]);
    assert_null(find(&gpt, ""));
    partition(5, "over", 39, 40);
    seal(1, 2);
    assert_int_equal(gpt_load(&device, &gpt), -ENODEV);
    partition(5, "over", 35, 60);                               /* around another */
    seal(1, 2);
    assert_int_equal(gpt_load(&device, &gpt), -ENODEV);
    partition(5, "over", 33, 33);
    seal(1, 2);
    assert_int_equal(gpt_load(&device, &gpt), -ENODEV);
    memset(disk[3] + 128 + 56, 0, 72);
    partition(5, "a~ \x7f", SECTORS - 34, SECTORS - 34);
    disk[3][128 + 57] = 1;                                          /* no letter of ours */
    seal(1, 2);
    assert_int_equal(gpt_load(&device, &gpt), 0);
    assert_non_null(find(&gpt, "?~ ?"));
}

static void the_smallest_disk(void **state)
{
    struct gpt_disk tiny = device;
    struct gpt gpt;

    memset(disk[2], 0, 512);                                    /* No entries, so nowhere to be. */
    put(disk[1] + 40, 0, 8);
    put(disk[1] + 48, 0, 8);
    put(disk[1] + 80, 4, 4);
    put(disk[1] + 88, crc(disk[2], 512), 4);
    put(disk[1] + 16, 0, 4);
    put(disk[1] + 16, crc(disk[1], 92), 4);
    tiny.sectors = 3;
    assert_int_equal(gpt_load(&tiny, &gpt), 0);
    tiny.sectors = 2;
    assert_int_equal(gpt_load(&tiny, &gpt), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(names_and_extents, setup),
        cmocka_unit_test_setup(the_backup_serves, setup),
        cmocka_unit_test_setup(lies_with_right_checksums, setup),
        cmocka_unit_test_setup(partitions_that_lie, setup),
        cmocka_unit_test_setup(a_disk_without_table, setup),
        cmocka_unit_test_setup(a_disk_that_fails, setup),
        cmocka_unit_test_setup(limits_of_the_header, setup),
        cmocka_unit_test_setup(partitions_side_by_side, setup),
        cmocka_unit_test_setup(the_smallest_disk, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
