/* SPDX-License-Identifier: MIT */
/*
 * What the monitor takes from an image without trust: ELF files and archives with any byte changed
 * or cut off anywhere. And what it makes of a good one:
 * where the kernel lies, what it is told, which of its instructions are replaced.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <cmocka.h>
#include "pvguest-sdk/monitor/code.h"
#include "pvguest-sdk/monitor/elf.h"
#include "pvguest-sdk/monitor/interpret.h"
#include "pvguest-sdk/monitor/machine.h"
#include "pvguest-sdk/monitor/shadow.h"

enum { MEMORY = 4 << 20 };
static struct machine machine;
static unsigned forgotten;

void *alloc_pages(unsigned int order)
{
    return aligned_alloc(4096, 4096);
}
void *alloc_zeroed_page(void)
{
    return memset(alloc_pages(0), 0, 4096);
}
void free_pages(void *page, unsigned int order)
{
    free(page);
}
void shadow_doubt(void)
{
    forgotten++;
}

static int fresh(void **state)
{
    memset(&machine, 0, sizeof(machine));
    forgotten = 0;
    return memory_create(&machine, MEMORY);
}

static int gone(void **state)
{
    for (uint64_t i = 0; i < machine.pages; i++) {
        if (machine.code[i])
            code_forget(&machine, i);
        free(machine.page[i]);
    }
    free(machine.page);
    free(machine.code);
    return 0;
}

/* --- memory --------------------------------------------------------------------------------- */

static void copies_end_where_memory_does(void **state)
{
    uint8_t bytes[8192] = { 1, 2, 3 };

    assert_int_equal(memory_write(&machine, 0x9f000, bytes, 8192), 4096);       /* the hole */
    assert_int_equal(memory_write(&machine, 0xa0000, bytes, 1), 0);
    assert_int_equal(memory_write(&machine, 0x100000 - 1, bytes, 1), 0);
    assert_int_equal(memory_write(&machine, MEMORY - 3, bytes, 8), 3);
    assert_int_equal(memory_read(&machine, MEMORY - 3, bytes + 8, 8), 3);
    assert_memory_equal(bytes, bytes + 8, 3);
    assert_int_equal(memory_read(&machine, ~0ull - 3, bytes, 8), 0);
    assert_int_equal(memory_read(&machine, MEMORY, bytes, 8), 0);
}

/* --- a kernel --------------------------------------------------------------------------------- */

static uint8_t kernel[4096];

static void put(unsigned at, uint64_t value, unsigned size)
{
    memcpy(kernel + at, &value, size);
}

/* An ELF file of 64 bits: a segment of code at 1 MiB, whose virtual address is in the top 2 GiB, a
 * multiboot2 header, a table of three symbols. */
enum { CODE_AT = 0x200, SYMBOLS_AT = 0x300, SECTIONS_AT = 0x400, CODE_BYTES = 0x100 };
#define VIRTUAL 0xffffffff80100000ull

static void make_kernel(void)
{
    static const uint8_t code[] = {
        0x55, 0x9c, 0x58, 0xfa, 0x75, 0x01, 0xc3, 0x0f, 0xa2, 0xc3, /* a function: pushf, cpuid */
        0x58, 0xcf, 0x9d,                                               /* a label: iret, data */
        0x58, 0x1d, 0x10, 0x80, 0xff, 0xff, 0xff, 0xff, 0x9c, 0xc3,     /* a table of addresses */
    };
    const uint32_t header[] = { 0xe85250d6, 0, 24, -(0xe85250d6u + 24), 0, 8 };

    memset(kernel, 0, sizeof(kernel));
    memcpy(kernel, "\177ELF\2\1\1", 7);
    put(16, 2, 2); put(18, 62, 2); put(20, 1, 4); put(24, VIRTUAL + 3, 8); put(32, 64, 8);
    put(40, SECTIONS_AT, 8); put(52, 64, 2); put(54, 56, 2); put(56, 1, 2); put(58, 64, 2);
    put(60, 1, 2);
    put(64, 1, 4); put(68, 5, 4); put(72, CODE_AT, 8); put(80, VIRTUAL, 8); put(88, 0x100000, 8);
    put(96, CODE_BYTES, 8); put(104, 0x3000, 8);
    memcpy(kernel + 0x180, header, sizeof(header));
    memcpy(kernel + CODE_AT, code, sizeof(code));
    put(SECTIONS_AT + 4, 2, 4); put(SECTIONS_AT + 24, SYMBOLS_AT, 8); put(SECTIONS_AT + 32, 72, 8);
    put(SYMBOLS_AT + 4, 2, 1); put(SYMBOLS_AT + 6, 1, 2); put(SYMBOLS_AT + 8, VIRTUAL, 8);
    put(SYMBOLS_AT + 16, 10, 8);
    put(SYMBOLS_AT + 24 + 6, 1, 2); put(SYMBOLS_AT + 24 + 8, VIRTUAL + 10, 8);
    put(SYMBOLS_AT + 48 + 6, 1, 2); put(SYMBOLS_AT + 48 + 8, VIRTUAL + 13, 8);
}

static const struct image image = { kernel, sizeof(kernel) };

static void a_kernel_is_loaded(void **state)
{
    uint8_t module[5000] = "module", back[8];
    const char *why = NULL;
    uint32_t word, tag[4], kinds = 0;
    uint64_t at;

    make_kernel();
    assert_int_equal(load_kernel(&machine, image, (struct image){ module, sizeof(module) }, "words",
                                 &why), 0);
    assert_int_equal(machine.vcpu.rip, 0x100003);
    assert_int_equal(machine.vcpu.general[RAX], 0x36d76289);
    memory_read(&machine, 0x103000, back, 6);
    assert_memory_equal(back, "module", 6);
    at = machine.vcpu.general[RBX];
    assert_int_equal(at, 0x105000);
    memory_read(&machine, at, &word, 4);
    assert_in_range(word, 64, 4096);
    for (at += 8;; at += (tag[1] + 7) & ~7u) {
        memory_read(&machine, at, tag, sizeof(tag));
        assert_in_range(tag[0], 0, 31);
        kinds |= 1u << tag[0];
        if (tag[0] == 1) {
            memory_read(&machine, at + 8, back, 6);
            assert_string_equal((char *)back, "words");
        }
        if (tag[0] == 3) {
            assert_int_equal(tag[2], 0x103000);
            assert_int_equal(tag[3], 0x103000 + sizeof(module));
        }
        if (tag[0] == 0)
            break;
    }
    assert_int_equal(kinds, 1u << 0 | 1u << 1 | 1u << 2 | 1u << 3 | 1u << 4 | 1u << 6);
}

/* What has no bytes in the file may be of any size. */
static void parts_without_bytes(void **state)
{
    struct elf elf;
    struct elf_segment segment;
    struct elf_section section;

    for (unsigned bytes = 0; bytes < 2; bytes++) {
        make_kernel();
        put(64, bytes ? 1 : 6, 4); put(96, 1 << 20, 8);
        put(SECTIONS_AT + 4, bytes ? 2 : 8, 4); put(SECTIONS_AT + 32, 1 << 20, 8);
        assert_true(elf_open(&elf, kernel, sizeof(kernel)));
        assert_int_equal(elf_segment(&elf, 0, &segment), !bytes);
        assert_int_equal(elf_section(&elf, 0, &section), !bytes);
    }
}

static void what_is_no_kernel_is_refused(void **state)
{
    static const struct { unsigned at; uint64_t value; unsigned size; const char *why; } wrong[] = {
        { 0, 0, 1, "ELF" }, { 18, 40, 2, "ELF" }, { 88, 0xfff00000, 8, "it does not fit" },
        { 88, ~0ull - 10, 8, "it does not fit" }, { 88, 0xa0000, 8, "it does not fit" },
        { 104, 0x100000000, 8, "it does not fit" }, { 96, 0xffff, 8, "program headers" },
        { 72, ~0ull, 8, "program headers" }, { 32, 4095, 8, "program headers" },
        { 64, 2, 4, "nothing" }, { 0x180, 0, 4, "multiboot2" }, { 0x184, 4, 4, "multiboot2" },
        { 0x194, 0xfffffff0, 4, NULL }, { 104, 1, 8, "it does not fit" },
        { 24, VIRTUAL - 1, 8, "entry" },
    };
    const char *why;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        make_kernel();
        put(wrong[i].at, wrong[i].value, wrong[i].size);
        why = "";
        int error = load_kernel(&machine, image, (struct image){ NULL, 0 }, "", &why);
        if (!wrong[i].why)
            continue;
        assert_true(error < 0);
        if (!strstr(why, wrong[i].why))
            fail_msg("change %zu: %s", i, why);
    }
}

/* A tag that must be heeded and is not: no kernel for us. One that may be ignored, or whose wish is
 * met anyway, is. */
static void what_the_header_asks_for(void **state)
{
    static const struct { uint16_t type, flags; int error; } tags[] = {
        { 1, 0, 0 }, { 2, 0, -EOPNOTSUPP }, { 4, 0, -EOPNOTSUPP }, { 5, 0, -EOPNOTSUPP },
        { 6, 0, 0 }, { 2, 1, 0 }, { 4, 1, 0 }, { 5, 1, 0 }, { 5, 2, -EOPNOTSUPP },
    };
    const char *why;

    for (size_t i = 0; i < sizeof(tags) / sizeof(*tags); i++) {
        const uint32_t header[] = { 0xe85250d6, 0, 32, -(0xe85250d6u + 32),
                                    tags[i].type | (uint32_t)tags[i].flags << 16, 8, 0, 8 };

        make_kernel();
        memcpy(kernel + 0x180, header, sizeof(header));
        why = NULL;
        assert_int_equal(load_kernel(&machine, image, (struct image){ NULL, 0 }, "", &why),
                         tags[i].error);
        if (tags[i].error)
            assert_string_equal(why, "its multiboot2 header wants addresses of its own or a "
                                     "screen");
    }
}

/* Neither for the module, nor for what is told behind it. */
static void no_room_behind_the_kernel(void **state)
{
    static uint8_t module[MEMORY];
    const char *why;

    make_kernel();
    for (size_t room = MEMORY - 0x103000, size = room; size <= room + 1; size++) {
        why = NULL;
        assert_int_equal(load_kernel(&machine, image, (struct image){ module, size }, "", &why),
                         -ENOMEM);
        assert_string_equal(why, "its module and the boot information do not fit into the memory "
                                 "of the guest");
    }
    assert_int_equal(load_kernel(&machine, image,
                                 (struct image){ module, MEMORY - 0x104000 }, "", &why), 0);
}

/* Whatever is in it, nothing outside of the file is read, and nothing outside of memory written. */
static void any_file_is_read_safely(void **state)
{
    struct code_found found;
    const char *why;

    srandom(7);
    for (int i = 0; i < 4000; i++) {
        make_kernel();
        for (long n = random() % 6; n >= 0; n--)
            put((unsigned)(random() % 0x500), (uint64_t)random() << (random() % 34),
                1u << random() % 4);
        size_t size = i & 1 ? sizeof(kernel) : (size_t)random() % sizeof(kernel);
        uint8_t *exact = malloc(size + 1);
        memcpy(exact, kernel, size);
        struct image file = { exact, size };
        if (load_kernel(&machine, file, (struct image){ NULL, 0 }, "", &why) == 0)
            code_scan(&machine, file, &found);
        free(exact);
    }
}

static void silent_instructions_are_replaced(void **state)
{
    struct code_found found;
    const char *why;
    const uint8_t *copy;

    make_kernel();
    assert_int_equal(load_kernel(&machine, image, (struct image){ NULL, 0 }, "", &why), 0);
    assert_int_equal(code_scan(&machine, image, &found), 0);
    assert_int_equal(found.functions, 2);
    assert_int_equal(found.sites, 3);
    copy = machine.code[0x100]->copy;
    assert_memory_equal(copy, "\x55\xcc\x58\xfa\x75\x01\xc3\xcc\xa2\xc3\x58\xcc\x9d", 13);
    assert_memory_equal(copy + 13, kernel + CODE_AT + 13, 10);
    assert_int_equal(found.left_out, 1);
    assert_memory_equal(machine.page[0x100], kernel + CODE_AT, 13);     /* which reads as before */
    assert_true(code_patched(&machine, 0x100001));
    assert_false(code_patched(&machine, 0x100000));
    assert_false(code_patched(&machine, ~0ull));
    memory_write(&machine, 0x100fff, "x", 1);
    assert_null(machine.code[0x100]);
    assert_int_equal(forgotten, 1);
    assert_false(code_patched(&machine, 0x100001));
}

/* Whose end no symbol says: behind the return that the furthest of its branches does not pass. */
static void a_label_ends_behind_its_branches(void **state)
{
    static const uint8_t code[] = {
        0x75, 0x06, 0x75, 0x01, 0xc3, 0xc3, 0x9c, 0x90, 0xc3,   /* over two returns, over one */
        0x75, 0x01, 0xc3, 0x9c, 0xc3, 0x9c,                     /* over one byte; data */
    };
    struct code_found found;
    const char *why;

    make_kernel();
    memcpy(kernel + CODE_AT + 10, code, sizeof(code));
    put(SYMBOLS_AT + 48 + 8, VIRTUAL + 19, 8);
    assert_int_equal(load_kernel(&machine, image, (struct image){ NULL, 0 }, "", &why), 0);
    assert_int_equal(code_scan(&machine, image, &found), 0);
    assert_true(found.functions == 3 && found.left_out == 0);
    assert_memory_equal(machine.code[0x100]->copy + 10,
                        "\x75\x06\x75\x01\xc3\xc3\xcc\x90\xc3\x75\x01\xc3\xcc\xc3\x9c", 15);
}

/* --- archives --------------------------------------------------------------------------------- */

static size_t make_archive(uint8_t *at)
{
    memset(at, 0, 4096);
    strcpy((char *)at, "one");
    strcpy((char *)at + 124, "00000000005");
    memcpy(at + 257, "ustar", 5);
    memcpy(at + 512, "first", 5);
    strcpy((char *)at + 1024, "two");
    strcpy((char *)at + 1024 + 124, "00000001000");
    memcpy(at + 1024 + 257, "ustar", 5);
    return 3072;
}

static void members_are_found(void **state)
{
    uint8_t *bytes = malloc(4096);
    struct image file, archive = { bytes, make_archive(bytes) };

    assert_int_equal(archive_find(archive, "one", &file), 0);
    assert_int_equal(file.size, 5);
    assert_memory_equal(file.bytes, "first", 5);
    assert_int_equal(archive_find(archive, "two", &file), 0);
    assert_int_equal(file.size, 512);
    assert_int_equal(archive_find(archive, "three", &file), -ENOENT);
    archive.bytes = bytes + 512;                        /* no archive: all of it */
    archive.size = 512;
    assert_int_equal(archive_find(archive, "one", &file), 0);
    assert_int_equal(file.size, 512);
    archive.size = 0;
    assert_int_equal(archive_find(archive, "one", &file), -ENOENT);
    assert_int_equal(archive_find((struct image){ NULL, 512 }, "one", &file), -ENOENT);
    free(bytes);
}

static void any_archive_is_read_safely(void **state)
{
    static uint8_t bytes[4096];
    static const char *const names[] = { "one", "two", "" };
    struct image file;

    srandom(3);
    for (int i = 0; i < 20000; i++) {
        size_t whole = make_archive(bytes), size = (size_t)random() % (whole + 1);
        for (long n = random() % 4; n > 0; n--)
            bytes[(random() & 1 ? 0 : 1024) + 124 + random() % 12] = (uint8_t)random();
        uint8_t *exact = malloc(size + 1);
        memcpy(exact, bytes, size);
        if (archive_find((struct image){ exact, size }, names[i % 3], &file) == 0) {
            assert_true(file.bytes >= exact);
            assert_true(file.size <= size && (size_t)(file.bytes - exact) <= size - file.size);
        }
        free(exact);
    }
}

/* With a kernel's name: the addresses of what is replaced in it, for test_monitor_sites.py. */
static int print_sites(const char *name)
{
    static uint8_t bytes[4 << 20];
    FILE *file = fopen(name, "rb");
    struct image whole = { bytes, file ? fread(bytes, 1, sizeof(bytes), file) : 0 };
    struct code_found found;
    const char *why;

    fresh(NULL);
    if (load_kernel(&machine, whole, (struct image){ NULL, 0 }, "", &why) ||
        code_scan(&machine, whole, &found))
        return 1;
    for (uint64_t at = 0; at < MEMORY; at++)
        if (code_patched(&machine, at))
            printf("%lx\n", (unsigned long)at);
    fclose(file);
    return gone(NULL);
}

int main(int argc, char **argv)
{
    if (argc == 2) return print_sites(argv[1]);
#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, gone)
    const struct CMUnitTest tests[] = {
        TEST(copies_end_where_memory_does), TEST(a_kernel_is_loaded), TEST(parts_without_bytes),
        TEST(what_is_no_kernel_is_refused), TEST(what_the_header_asks_for),
        TEST(no_room_behind_the_kernel), TEST(any_file_is_read_safely),
        TEST(silent_instructions_are_replaced), TEST(a_label_ends_behind_its_branches),
        TEST(members_are_found), TEST(any_archive_is_read_safely),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
