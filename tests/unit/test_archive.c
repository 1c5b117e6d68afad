/* SPDX-License-Identifier: MIT */
/* dom0's reader of the boot archive: files by name; damaged, cut and lying archives are refused without a wild read.
 * sources: dom0/storage/archive.c
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include "dom0/storage/archive.h"

static uint8_t *image;
static size_t image_size;

static void sum(uint8_t *header) {
    unsigned total = 0;

    memset(header + 148, ' ', 8);
    for (unsigned i = 0; i < 512; i++)
        total += header[i];
    sprintf((char *)header + 148, "%06o", total);
}

static void add(const char *prefix, const char *name, char type, const char *content) {
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

static int setup(void **state) {
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

static int teardown(void **state) {
    free(image);
    return 0;
}

static void finds_files(void **state) {
    struct archive archive = { image, image_size };
    struct archive_file file;

    assert_int_equal(archive_find(&archive, "a.cfg", &file), 0);
    assert_memory_equal(file.data, "name='newer'", file.size);
    assert_int_equal(archive_find(&archive, "/folder/b.elf", &file), 0);
    assert_int_equal(file.size, 3);
    assert_int_equal(archive_find(&archive, "c", &file), 0);
    assert_int_equal(file.size, 0);
    assert_int_equal(archive_find(&archive, "folder", &file), -ENOENT);
    assert_int_equal(archive_find(&archive, "d", &file), -ENOENT);
}

static void refuses_damage(void **state) {
    struct archive archive = { image, image_size };
    struct archive_file file;

    image[0] ^= 1;
    assert_int_equal(archive_find(&archive, "c", &file), -EINVAL);
    image[0] ^= 1;
    memcpy(image + 124, "77777777777", 11);                     /* A file beyond the archive. */
    sum(image);
    assert_int_equal(archive_find(&archive, "c", &file), -EINVAL);
}

/* Cut anywhere, into memory of exactly that size: the sanitizer sees any read behind the end. */
static void survives_cuts(void **state) {
    for (size_t size = 0; size < image_size; size++) {
        uint8_t *cut = malloc(size ? size : 1);
        struct archive archive = { cut, size };
        struct archive_file file;

        memcpy(cut, image, size);
        archive_find(&archive, "folder/b.elf", &file);
        free(cut);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(finds_files, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_damage, setup, teardown),
        cmocka_unit_test_setup_teardown(survives_cuts, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
