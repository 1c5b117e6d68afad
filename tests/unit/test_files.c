/* SPDX-License-Identifier: MIT */
/*
 * The disk of files: which disk is believed to be one, what its first sector may say, and that
 * nothing is taken from it that is not a whole and sound archive.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "dom0/account.h"
#include "dom0/storage/files.h"

unsigned allocations_until_failure;

/* --- the disk, and the rest of dom0 ----------------------------------------------------------- */

#define SECTORS 5000u

static uint8_t sectors[SECTORS][512];
static const char *serial;
static unsigned bad_sector, breaths;
static bool low;
static struct blockdev disk = { .sectors = SECTORS };

int block_identify(struct blockdev *device, char to[BLOCK_SERIAL_BYTES + 1])
{
    if (!serial) return -EIO;
    strcpy(to, serial);
    return 0;
}

int block_read(struct blockdev *device, uint64_t sector, void *data, uint64_t count)
{
    assert_true(device == &disk && (uintptr_t)data % 512 == 0 && sector + count <= SECTORS);
    memcpy(data, sectors[sector], count * 512);
    return bad_sector >= sector && bad_sector < sector + count ? -EIO : 0;
}

bool account_memory_is_low(void)
{
    return low;
}

static void breathe(void)
{
    breaths++;
}

/* --- what is on it ---------------------------------------------------------------------------- */

static void put_file(unsigned at, const char *name, unsigned size, uint8_t byte)
{
    uint8_t *header = sectors[at];
    unsigned sum = 0;

    memset(header, 0, 512);
    strcpy((char *)header, name);
    sprintf((char *)header + 124, "%011o", size);
    header[156] = '0';
    memcpy(header + 257, "ustar\00000", 8);
    memset(header + 148, ' ', 8);
    for (unsigned i = 0; i < 512; i++)
        sum += header[i];
    sprintf((char *)header + 148, "%06o", sum);
    memset(sectors[at + 1], byte, size);
}

#define SIZE ((1 + 300 + 1 + 1) * 512u)     /* More than is read at a time; the last is not full. */

static int set_up(void **state)
{
    memset(sectors, 0, sizeof(sectors));
    sprintf((char *)sectors[0], "domus-files 1 %u\n", SIZE - 12);
    put_file(1, "large", 300 * 512, 'L');
    put_file(302, "small", 500, 's');
    bad_sector = SECTORS;
    breaths = allocations_until_failure = 0;
    low = false;
    files_start(&disk);
    return 0;
}

static void who_is_believed(void **state)
{
    serial = "domus-files";
    disk.flags = BLOCK_READ_ONLY | BLOCK_CAN_IDENTIFY;
    assert_true(files_is_disk(&disk));
    disk.flags = BLOCK_CAN_IDENTIFY;            /* A guest may have written it. */
    assert_false(files_is_disk(&disk));
    disk.flags = BLOCK_READ_ONLY;
    assert_false(files_is_disk(&disk));
    disk.flags = BLOCK_READ_ONLY | BLOCK_CAN_IDENTIFY;
    serial = "domus-file";
    assert_false(files_is_disk(&disk));
    serial = "domus-files-20-bytes";            /* As long as they get; the sanitizer looks. */
    assert_int_equal(strlen(serial), BLOCK_SERIAL_BYTES);
    assert_false(files_is_disk(&disk));
    serial = NULL;
    assert_false(files_is_disk(&disk));
}

static void files_come_from_it(void **state)
{
    struct archive archive;
    struct archive_file file;
    struct problem problem;

    assert_int_equal(files_read(&archive, breathe, &problem), 0);
    assert_int_equal(archive.size, SIZE - 12);
    assert_true(breaths >= 3);
    assert_int_equal(archive_find(&archive, "large", &file, breathe), 0);
    assert_true(file.size == 300 * 512 && file.data[0] == 'L' && file.data[300 * 512 - 1] == 'L');
    assert_int_equal(archive_find(&archive, "small", &file, breathe), 0);
    assert_true(file.size == 500 && file.data[499] == 's');
    free(archive.memory);
}

static void refused_with(int error, const char *sentence)
{
    struct archive archive;
    struct problem problem;

    assert_int_equal(files_read(&archive, breathe, &problem), error);
    assert_non_null(strstr(problem.text, sentence));
}

static void what_its_line_may_say(void **state)
{
    static const char *const lines[] = {
        "", "domus-files 1 206324", "domus-files 2 206324\n", "domus-files 1 \n",
        "domus-files 1 0\n", "domus-files 1 12x\n", "domus-files 1 error", "nothing\n",
        "domus-files 1 2559489\n", "domus-files 1 18446744073709551615\n",
    };

    for (unsigned i = 0; i < ARRAY_SIZE(lines); i++) {
        memset(sectors[0], 0, 512);
        strcpy((char *)sectors[0], lines[i]);
        refused_with(-EINVAL, "the disk of files");
    }
    memset(sectors[0], '1', 512);               /* No end. */
    memcpy(sectors[0], "domus-files 1 ", 14);
    refused_with(-EINVAL, "does not say what is on it");
    strcpy((char *)sectors[0], "domus-files 1 error there is no file a.cfg\n");
    refused_with(-ENOENT, "there is no file a.cfg");
}

static void many_files(void **state)
{
    struct archive archive;
    struct problem problem;

    for (unsigned i = 0; i < 4097; i++)
        put_file(1 + i, "f", 0, 0);
    sprintf((char *)sectors[0], "domus-files 1 %u\n", 4097 * 512);
    refused_with(-E2BIG, "more than 4096 files");
    sprintf((char *)sectors[0], "domus-files 1 %u\n", 4096 * 512);
    assert_int_equal(files_read(&archive, breathe, &problem), 0);
    free(archive.memory);
}

static void nothing_is_taken_by_halves(void **state)
{
    files_start(NULL);
    refused_with(-ENODEV, "this machine has no disk of files");
    files_start(&disk);
    bad_sector = 0;
    refused_with(-EIO, "cannot be read");
    bad_sector = 200;
    refused_with(-EIO, "cannot be read");
    bad_sector = SECTORS;
    sectors[302][0]++;
    refused_with(-EINVAL, "damaged behind its file 1");
    sectors[302][0]--;
    low = true;
    refused_with(-ENOMEM, "no room for 151 KiB");
    low = false;
    allocations_until_failure = 1;
    refused_with(-ENOMEM, "no room");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(who_is_believed, set_up),
        cmocka_unit_test_setup(files_come_from_it, set_up),
        cmocka_unit_test_setup(what_its_line_may_say, set_up),
        cmocka_unit_test_setup(many_files, set_up),
        cmocka_unit_test_setup(nothing_is_taken_by_halves, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
