/* SPDX-License-Identifier: MIT */
/* dom0's domain builder, the pure half: reading a kernel's ELF and notes, and laying out its
 * memory.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include "builder/layout.h"
#include "dom0/base.h"

static uint8_t file[4096];
/* the file ends with the last byte that anything in it names */
static size_t notes_size, file_size;

static void put(size_t at, uint64_t value, unsigned bytes)
{
    memcpy(file + at, &value, bytes);
}

static void note(uint32_t type, uint64_t value)
{
    size_t at = 512 + notes_size;

    put(at, 4, 4);
    put(at + 4, 8, 4);
    put(at + 8, type, 4);
    memcpy(file + at + 12, "Xen", 4);
    put(at + 16, value, 8);
    notes_size += 24;
    put(120 + 32, notes_size, 8);
}

/* Two program headers: LOAD 0x100000 (1 KiB of file, 8 KiB of memory) and NOTE. */
static int setup(void **state)
{
    memset(file, 0, sizeof(file));
    notes_size = 0;
    file_size = 2048;
    memcpy(file, "\177ELF\2\1\1", 7);
    put(16, 2, 2);
    put(18, 62, 2);
    put(24, 0x100010, 8);
    put(32, 64, 8);
    put(54, 56, 2);
    put(56, 2, 2);
    put(64, 1, 4);
    put(64 + 8, 1024, 8);
    put(64 + 24, 0x100000, 8);
    put(64 + 32, 1024, 8);
    put(64 + 40, 8192, 8);
    put(120, 4, 4);
    put(120 + 8, 512, 8);
    return 0;
}

static int parse(struct image *image, const char **why)
{
    uint8_t *exact = malloc(file_size);
    int error;

    memcpy(exact, file, file_size);
    error = image_parse(exact, file_size, image, why);
    free(exact);
    return error;
}

static void notes_are_read(void **state)
{
    struct image image;
    const char *why;

    note(3, 0xffffffff80000000);
    note(1, 0xffffffff80100020);
    note(2, 0xffffffff80101000);
    assert_int_equal(parse(&image, &why), 0);
    assert_true(image.virt_base == 0xffffffff80000000);
    assert_true(image.low == 0xffffffff80100000);
    assert_true(image.high == 0xffffffff80102000);
    assert_true(image.entry == 0xffffffff80100020);
    assert_true(image.init_p2m == IMAGE_ABSENT);
}

/* Others number their notes, too: a build id of GNU's is no VIRT_BASE. Wherever it stands. */
static void notes_of_others(void **state)
{
    static const struct { const char *owner; unsigned size; } others[] = {
        { "GNU", 4 }, { "XEN", 4 }, { "Xenx", 4 }, { "Xen", 3 }, { "Xen\0", 5 }, { "Xen", 2 },
    };
    struct image image;
    const char *why;

    for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        for (unsigned place = 0; place < 2; place++) {
            setup(NULL);
            if (place)
                note(3, 0xffffffff80000000);
            note(3, 0xffffffff90000000);
            memcpy(file + 512 + notes_size - 24 + 12, others[i].owner, 4);
            put(512 + notes_size - 24, others[i].size, 4);
            if (others[i].size > 4) {                           /* padded: its value is shorter */
                put(512 + notes_size - 24 + 4, 4, 4);
                put(512 + notes_size - 24 + 16, 0, 4);
            }
            if (!place)
                note(3, 0xffffffff80000000);
            note(1, 0xffffffff80100020);
            assert_int_equal(parse(&image, &why), 0);
            assert_true(image.virt_base == 0xffffffff80000000);
        }
}

static void defaults_without_notes_of_addresses(void **state)
{
    struct image image;
    const char *why;

    note(6, 0);                                                 /* Only a GUEST_OS. */
    assert_int_equal(parse(&image, &why), 0);
    assert_int_equal(image.virt_base, 0);
    assert_int_equal(image.entry, 0x100010);
}

static void each_fault_has_its_sentence(void **state)
{
    struct image image;
    const char *why;

    assert_int_equal(parse(&image, &why), -ENOEXEC);
    assert_non_null(strstr(why, "no Xen ELF notes"));
    note(6, 0);
    note(1, 0x500000);
    assert_int_equal(parse(&image, &why), -ENOEXEC);
    assert_non_null(strstr(why, "entry"));
    note(1, 0x100000);
    put(64 + 32, 99999, 8);
    assert_int_equal(parse(&image, &why), -ENOEXEC);
    assert_non_null(strstr(why, "outside the file"));
    put(64 + 32, 1024, 8);
    put(64 + 40, UINT64_MAX, 8);
    assert_int_equal(parse(&image, &why), -ENOEXEC);
    put(64 + 40, 8192, 8);
    put(64 + 24, UINT64_MAX - 4096, 8);
    assert_int_equal(parse(&image, &why), -ENOEXEC);
    put(18, 3, 2);
    assert_int_equal(parse(&image, &why), -ENOEXEC);
    assert_non_null(strstr(why, "x86-64"));
    file[0] = 'x';
    assert_int_equal(parse(&image, &why), -ENOEXEC);
    assert_non_null(strstr(why, "no ELF"));
}

/* The sentence of each number names it, says what it is, and what it should be. */
static void a_refusal_names_the_number(void **state)
{
    static const struct { uint32_t type; uint64_t value; const char *words;
    } odd[] = {
        { 3, 0x800000000000,
          "VIRT_BASE, 0x800000000000, must be a page below 0x800000000000 or from "
          "0xffff880000000000 on" },
        { 3, 0x7ffffffff000,
          "a segment ends 0x102000 bytes behind the note VIRT_BASE, 0x7ffffffff000" },
        { 4, 0x100001,
          "a segment's physical address, 0x100000, is below the note PADDR_OFFSET, 0x100001" },
        { 2, 0x100001,
          "HYPERCALL_PAGE, 0x100001, is no page in its segments, 0x100000 to 0x102000" },
        { 2, 0x102000, "HYPERCALL_PAGE, 0x102000, is no page" },
        { 1, 0x102000, "its entry, 0x102000, is outside its segments, 0x100000 to 0x102000" },
        { 15, 0xffff800000000000, "INIT_P2M, 0xffff800000000000, must be a page" },
        { 15, 0x8000000010, "INIT_P2M, 0x8000000010, must be a page" },
    };
    struct image image;
    const char *why;

    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        setup(state);
        note(3, 0);
        note(odd[i].type, odd[i].value);
        assert_int_equal(parse(&image, &why), -ENOEXEC);
        assert_non_null(strstr(why, odd[i].words));
    }
    setup(state);
    note(3, 0);
    put(64 + 40, 1ull << 40, 8);
    assert_int_equal(parse(&image, &why), -ENOEXEC);
    assert_non_null(strstr(
        why,
        "a segment of 1099511627776 bytes at 0x100000 ends more than 16 GiB behind VIRT_BASE"));
}

/* One byte after the other set to awkward values: no verdict is asked for, only that the sanitizers
 * stay silent. */
static void noise_is_survived(void **state)
{
    static const uint8_t values[] = { 0, 1, 0x7f, 0x80, 0xff };
    struct image image;
    const char *why;

    note(3, 0);
    note(1, 0x100000);
    for (size_t at = 0; at < 640; at++) {
        uint8_t was = file[at];

        for (size_t i = 0; i < sizeof(values); i++) {
            file[at] = values[i];
            parse(&image, &why);
        }
        file[at] = was;
    }
}

static void an_old_kernel_has_a_section(void **state)
{
    static const char text[] =
        "GUEST_OS=old,VIRT_BASE=0x40000000,HYPERCALL_PAGE=0x1,LOADER=generic";
    struct image image;
    const char *why;

    put(56, 1, 2);                                              /* No note segment. */
    put(64 + 24, 0x40000000, 8);
    put(24, 0x40000010, 8);
    put(40, 2048, 8);
    put(58, 64, 2);
    put(60, 2, 2);
    put(62, 1, 2);
    /* Section 0: __xen_guest, at 3000. */
    put(2048 + 24, 3000, 8);
    put(2048 + 32, sizeof(text), 8);
    put(2048, 1, 4);
    memcpy(file + 3000, text, sizeof(text));
    put(2112 + 24, 3500, 8);                                    /* Section 1: the names, at 3500. */
    put(2112 + 32, 20, 8);
    memcpy(file + 3501, "__xen_guest", 12);
    file_size = 3520;
    assert_int_equal(parse(&image, &why), 0);
    assert_true(image.low == 0x40000000);
    assert_true(image.hypercall_page == 0x40001000);
}

static void the_layout_obeys_its_rules(void **state)
{
    struct image image = { .virt_base = 0xffffffff80000000, .init_p2m = IMAGE_ABSENT };

    for (uint64_t size = 4096; size < 40u << 20; size += 1234567) {
        struct layout l;
        uint64_t needed;

        image.low = image.virt_base;
        image.high = image.virt_base + size;
        assert_int_equal(layout_make(&image, 5000, 65536, &l, &needed), 0);
        assert_true(l.ramdisk_va >= image.high && l.p2m_va == l.ramdisk_va + 2 * 4096);
        assert_true(l.start_info == l.p2m_va + 65536 * 8);
        assert_true(l.stack == l.tables + l.table_count * 4096);
        assert_true(l.end - (l.stack + 4096) >= 512 * 1024);
        assert_int_equal((l.end - l.base) % (4u << 20), 0);
        assert_int_equal(l.table_count, 3 + (l.end - l.base) / (2u << 20));
        assert_int_equal(needed, (l.end - l.base) / 4096);
        assert_int_equal(layout_make(&image, 5000, 1000, &l, &needed), -ENOMEM);
    }
}

static void linux_has_its_own_places(void **state)
{
    struct image image = { .virt_base = 0xffffffff80000000,
                           .init_p2m = 0x8000000000,
                           .module_by_pfn = true };
    struct layout l;
    uint64_t needed;

    image.low = image.virt_base + (16u << 20);
    image.high = image.virt_base + (60u << 20);
    assert_int_equal(layout_make(&image, 2u << 20, 65536, &l, &needed), 0);
    assert_true(l.p2m_va == 0x8000000000);
    assert_int_equal(l.ramdisk_va, 0);
    assert_int_equal(l.p2m_pfn, (l.end - l.base) / 4096);
    assert_int_equal(l.ramdisk_pfn, l.p2m_pfn + 128);
    assert_int_equal(needed, l.ramdisk_pfn + 512);
    assert_int_equal(l.table_count, 3 + 32 + 3);
}

static void addresses_that_do_not_fit_have_an_error_each(void **state)
{
    struct image image = { .virt_base = 0xffffffffffc00000,
                           .low = 0xffffffffffc00000,
                           .high = 0xffffffffffc01000,
                           .init_p2m = IMAGE_ABSENT };
    struct layout l;
    uint64_t needed;

    /* The end would be 0. */
    assert_int_equal(layout_make(&image, 0, 65536, &l, &needed), -ERANGE);
    image.virt_base = image.low = 0xffffffffff800000;
    image.high = image.low + 4096;
    assert_int_equal(layout_make(&image, 0, 65536, &l, &needed), 0);
    assert_int_equal(layout_make(&image, UINT64_MAX, 65536, &l, &needed), -ERANGE);
    assert_int_equal(layout_make(&image, 0, UINT64_MAX, &l, &needed), -ERANGE);
    /* 1 TiB: 2 GiB of list. */
    assert_int_equal(layout_make(&image, 0, 1ul << 28, &l, &needed), -ERANGE);
    image.init_p2m = 0x8000000000;
    /* 4 MiB of tables for it. */
    assert_int_equal(layout_make(&image, 0, 1ul << 28, &l, &needed), -ERANGE);
    assert_int_equal(layout_make(&image, 0, 1ul << 27, &l, &needed), 0);
    image.init_p2m = 0x7fffffffe000;
    assert_int_equal(layout_make(&image, 0, 1024, &l, &needed), -ENOMEM);
    assert_int_equal(layout_make(&image, 0, 65536, &l, &needed), -EADDRNOTAVAIL);
    image.init_p2m = image.virt_base - 4096;
    assert_int_equal(layout_make(&image, 0, 65536, &l, &needed), -EADDRINUSE);
    image.init_p2m = image.virt_base - 128 * 4096;
    assert_int_equal(layout_make(&image, 0, 65536, &l, &needed), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(notes_are_read, setup),
        cmocka_unit_test_setup(notes_of_others, setup),
        cmocka_unit_test_setup(defaults_without_notes_of_addresses, setup),
        cmocka_unit_test_setup(each_fault_has_its_sentence, setup),
        cmocka_unit_test_setup(a_refusal_names_the_number, setup),
        cmocka_unit_test_setup(noise_is_survived, setup),
        cmocka_unit_test_setup(an_old_kernel_has_a_section, setup),
        cmocka_unit_test_setup(the_layout_obeys_its_rules, setup),
        cmocka_unit_test_setup(linux_has_its_own_places, setup),
        cmocka_unit_test(addresses_that_do_not_fit_have_an_error_each),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
