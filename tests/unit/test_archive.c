/* SPDX-License-Identifier: MIT */
/* dom0's reader of the boot archive: files by name; damaged, cut and lying archives are refused
 * without a wild read.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include "dom0/storage/archive.h"

static uint8_t *image;
static size_t image_size;

static void sum(uint8_t *header)
{
    unsigned total = 0;

    memset(header + 148, ' ', 8);
    for (unsigned i = 0; i < 512; i++)
        total += header[i];
    sprintf((char *)header + 148, "%06o", total);
}

static void add(const char *prefix, const char *name, char type, const char *content)
{
    size_t size = strlen(content), padded = (size + 511) / 512 * 512;
    uint8_t *header;

    image = realloc(image, image_size + 512 + padded);
    header = image + image_size;
    memset(header, 0, 512 + padded);
    strcpy((char *)header, name);
    sprintf((char *)header + 124, "%011o", (unsigned)size);
    header[156] = (uint8_t)type;
    memcpy(header + 257, "ustar\00000", 8);
    strcpy((char *)header + 345, prefix);
    memcpy(header + 512, content, size);
    sum(header);
    image_size += 512 + padded;
}

static int setup(void **state)
{
    image = NULL;
    image_size = 0;
    add("", "a.cfg", '0', "name='a'");
    add("", "folder", '5', "");
    add("folder", "b.elf", '0', "ELF");
    add("", "./c", '0', "");
    add("", "a.cfg", '0', "name='newer'");
    image = realloc(image, image_size + 1024);
    memset(image + image_size, 0, 1024);
    image_size += 1024;
    return 0;
}

static int teardown(void **state)
{
    free(image);
    return 0;
}

static unsigned breaths;

static void breathe(void)
{
    breaths++;
}

static void finds_files(void **state)
{
    struct archive archive = { .bytes = image, .size = image_size };
    struct archive_file file;

    assert_int_equal(archive_find(&archive, "a.cfg", &file, breathe), 0);
    assert_memory_equal(file.data, "name='newer'", file.size);
    assert_int_equal(archive_find(&archive, "/folder/b.elf", &file, breathe), 0);
    assert_int_equal(file.size, 3);
    assert_int_equal(archive_find(&archive, "c", &file, breathe), 0);
    assert_int_equal(file.size, 0);
    assert_int_equal(archive_find(&archive, "folder", &file, breathe), -ENOENT);
    assert_int_equal(archive_find(&archive, "d", &file, breathe), -ENOENT);
}

static void refuses_damage(void **state)
{
    struct archive archive = { .bytes = image, .size = image_size };
    struct archive_file file;

    image[0] ^= 1;
    assert_int_equal(archive_find(&archive, "c", &file, breathe), -EINVAL);
    image[0] ^= 1;
    memcpy(image + 124, "77777777777", 11);                     /* A file beyond the archive. */
    sum(image);
    assert_int_equal(archive_find(&archive, "c", &file, breathe), -EINVAL);
}

/* Cut anywhere, into memory of exactly that size: the sanitizer sees any read behind the end. */
static void survives_cuts(void **state)
{
    for (size_t size = 0; size < image_size; size++) {
        uint8_t *cut = malloc(size ? size : 1);
        struct archive archive = { .bytes = cut, .size = size };
        struct archive_file file;

        memcpy(cut, image, size);
        archive_find(&archive, "folder/b.elf", &file, breathe);
        free(cut);
    }
}

/* The last file may lack its padding, but not a byte of itself; and numbers may be written in
 * several ways. */
static void the_end_of_the_archive(void **state)
{
    struct archive_file file;
    size_t position = 0;

    free(image);
    image = NULL;
    image_size = 0;
    add("", "last", '\0', "0123456789");

    struct archive archive = { .bytes = image, .size = image_size - 502 };

    assert_int_equal(archive_next(&archive, &position, &file), 1);
    assert_int_equal(file.size, 10);
    assert_memory_equal(file.data, "0123456789", 10);
    assert_int_equal(archive_next(&archive, &position, &file), 0);
    archive.size--;
    position = 0;
    assert_int_equal(archive_next(&archive, &position, &file), -EINVAL);
    archive.size++;
    memcpy(image + 124, "         12 ", 12);
    sum(image);
    position = 0;
    assert_int_equal(archive_next(&archive, &position, &file), 1);
    assert_int_equal(file.size, 10);
    memcpy(image + 124, "         18 ", 12);                    /* Not octal. */
    sum(image);
    position = 0;
    assert_int_equal(archive_next(&archive, &position, &file), -EINVAL);
    memcpy(image + 124, "000000000012", 12);                    /* To the last column. */
    sum(image);
    position = 0;
    assert_int_equal(archive_next(&archive, &position, &file), 1);
    image[257] = 'U';
    sum(image);
    position = 0;
    assert_int_equal(archive_next(&archive, &position, &file), -EINVAL);
}

/* The longest names there are: both fields full, without a NUL; the one behind them does not
 * count. */
static void the_longest_name(void **state)
{
    struct archive_file file;
    char name[300];
    size_t position = 0;

    free(image);
    image = NULL;
    image_size = 0;
    add("p", "n", '0', "x");
    memset(image, 'n', 100);
    memset(image + 345, 'p', 155);
    image[500] = 'X';
    sum(image);

    struct archive archive = { .bytes = image, .size = image_size };

    assert_int_equal(archive_next(&archive, &position, &file), 1);
    memset(name, 'p', 155);
    name[155] = '/';
    memset(name + 156, 'n', 100);
    name[256] = '\0';
    assert_string_equal(file.name, name);
    assert_int_equal(archive_find(&archive, name, &file, breathe), 0);
}

/* Others have their turn before all of many has been looked at. */
static void looking_is_not_at_once(void **state)
{
    struct archive archive;
    struct archive_file file;

    image_size -= 1024;                                         /* The end. */
    for (unsigned i = 0; i < 10 * ARCHIVE_BREATH; i++)
        add("", i == 7 ? "seven" : "other", '0', "");
    archive = (struct archive){ .bytes = image, .size = image_size };
    breaths = 0;
    assert_int_equal(archive_find(&archive, "seven", &file, breathe), 0);
    assert_int_equal(breaths, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(finds_files, setup, teardown),
        cmocka_unit_test_setup_teardown(looking_is_not_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_damage, setup, teardown),
        cmocka_unit_test_setup_teardown(survives_cuts, setup, teardown),
        cmocka_unit_test_setup_teardown(the_end_of_the_archive, setup, teardown),
        cmocka_unit_test_setup_teardown(the_longest_name, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
