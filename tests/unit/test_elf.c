/* SPDX-License-Identifier: MIT */
/*
 * The reader of dom0's kernel in ring 0: what is right is read exactly, what is not is refused with
 * a sentence, and no byte outside the image is looked at (each image is an allocation of its own
 * size, for the sanitizer).
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>
#include "boot/elf.h"

#define BASE    0xffffffff80000000UL
#define NOTES   0x200u
#define DATA    0x400u
#define SIZE    0x1000u

static uint8_t file[SIZE];
static size_t size, notes_end;
static struct elf_facts facts;
static const char *why;

static void put(size_t at, uint64_t value, unsigned int bytes)
{
    memcpy(file + at, &value, bytes);
}

static void program_header(unsigned int i, uint32_t type, uint64_t offset, uint64_t pa,
                           uint64_t file_size, uint64_t memory_size)
{
    size_t at = 64 + i * 56;

    put(at, type, 4);
    put(at + 8, offset, 8);
    put(at + 16, pa, 8);
    put(at + 24, pa, 8);
    put(at + 32, file_size, 8);
    put(at + 40, memory_size, 8);
}

/* A note of that many bytes; the notes' segment ends behind it. */
static void note_of(const char *name, uint32_t type, const void *bytes, uint32_t n)
{
    put(notes_end, strlen(name) + 1, 4);
    put(notes_end + 4, n, 4);
    put(notes_end + 8, type, 4);
    strcpy((char *)file + notes_end + 12, name);
    notes_end += 12 + (strlen(name) + 4) / 4 * 4;
    memcpy(file + notes_end, bytes, n);
    notes_end += (n + 3) / 4 * 4;
    put(64 + 2 * 56 + 32, notes_end - NOTES, 8);
}

static void note(uint32_t type, uint64_t value)
{
    note_of("Xen", type, &value, 8);
}

/* Two segments to load, the second with 0x800 bytes of nothing behind it, and notes. */
static int fresh(void **state)
{
    memset(file, 0, sizeof(file));
    size = SIZE;
    notes_end = NOTES;
    memcpy(file, "\177ELF\2\1\1", 7);
    put(16, 2, 2);
    put(18, 62, 2);
    put(24, BASE + 0x100010, 8);                    /* entry */
    put(32, 64, 8);
    put(54, 56, 2);
    put(56, 3, 2);
    program_header(0, 1, DATA, 0x100000, 0x100, 0x100);
    program_header(1, 1, DATA + 0x100, 0x102000, 0x200, 0xa00);
    program_header(2, 4, NOTES, 0, 0, 0);
    for (unsigned int i = DATA; i < SIZE; i++)
        file[i] = (uint8_t)(i * 3);
    note(3, BASE);                                  /* VIRT_BASE */
    return 0;
}

static int parse(void)
{
    void *image = malloc(size);
    int error;

    memcpy(image, file, size);
    error = elf_parse(image, size, &facts, &why);
    free(image);
    return error;
}

#define REFUSED(words) \
    do { \
        assert_int_equal(parse(), -22); \
        assert_non_null(strstr(why, words)); \
    } while (0)

static void what_is_right_is_read(void **state)
{
    assert_int_equal(parse(), 0);
    assert_int_equal(facts.virt_base, BASE);
    assert_int_equal(facts.virt_offset, BASE);
    assert_int_equal(facts.start, BASE + 0x100000);
    assert_int_equal(facts.end, BASE + 0x102a00);
    assert_int_equal(facts.entry, BASE + 0x100010);
    assert_int_equal(facts.hypercall_page, ELF_NONE);
    assert_int_equal(facts.init_p2m, ELF_NONE);
    assert_false(facts.module_unmapped);
}

static void notes_say_how(void **state)
{
    note(1, BASE + 0x102000);                       /* ENTRY */
    note(2, BASE + 0x101000);                       /* HYPERCALL_PAGE */
    note(4, 0x100000);                              /* PADDR_OFFSET */
    note(15, 0xffffff8000000000);                   /* INIT_P2M */
    note_of("Xen", 16, "\1\0\0", 4);                /* MOD_START_PFN, a short one */
    note_of("GNU", 1, "\0\0\0\0\0\0\0", 8);         /* not ours, whatever its number */
    note_of("Xenon", 1, "\0\0\0\0\0\0\0", 8);
    note_of("Xen", 99, "abc", 3);
    assert_int_equal(parse(), -22);                 /* entry and segments are 1 MiB apart now */
    put(24, 0, 8);
    program_header(0, 1, DATA, 0x200000, 0x100, 0x100);
    program_header(1, 1, DATA + 0x100, 0x202000, 0x200, 0xa00);
    assert_int_equal(parse(), 0);
    assert_int_equal(facts.start, BASE + 0x100000);
    assert_int_equal(facts.end, BASE + 0x102a00);
    assert_int_equal(facts.entry, BASE + 0x102000);
    assert_int_equal(facts.hypercall_page, BASE + 0x101000);
    assert_int_equal(facts.init_p2m, 0xffffff8000000000);
    assert_true(facts.module_unmapped);
}

/* Names and descriptors of odd lengths are padded to four bytes; a name is "Xen" with its end, in
 * that length; a longer number is cut. */
static void padded_notes(void **state)
{
    note_of("a", 1, "\0\0\0\0", 4);
    note_of("abcd", 1, "x", 1);
    note_of("Xen", 99, "abcde", 5);
    note_of("Xen", 1, "\x30\x00\x10\x80\xff\xff\xff\xff" "more", 12);
    assert_int_equal(parse(), 0);
    assert_int_equal(facts.entry, BASE + 0x100030);
    put(notes_end - 12 - 16, 5, 4);                 /* "Xen" and one byte more is no "Xen" */
    assert_int_equal(parse(), 0);
    assert_int_equal(facts.entry, BASE + 0x100010);
    put(notes_end - 12 - 16, 4, 4);
    /* MOD_START_PFN: no; what comes behind these four bytes is another note */
    note_of("Xen", 16, "\0\0\0\0", 4);
    note_of("Xen", 98, "abcd", 4);
    assert_int_equal(parse(), 0);
    assert_int_equal(facts.entry, BASE + 0x100030);
    assert_false(facts.module_unmapped);
    /* half a header behind them */
    program_header(2, 4, NOTES, 0, notes_end - NOTES + 6, 0);
    size = notes_end + 6;
    program_header(0, 1, 64, 0x100000, 0x100, 0x100);
    program_header(1, 1, 64, 0x102000, 0x100, 0xa00);
    assert_int_equal(parse(), 0);
}

/* A second segment of notes that are not Xen's takes nothing back; an empty segment moves no end;
 * the highest end counts. */
static void several_segments(void **state)
{
    put(56, 5, 2);
    /* make room: the headers grow */
    memmove(file + 64 + 5 * 56, file + NOTES, notes_end - NOTES);
    program_header(2, 4, 64 + 5 * 56, 0, notes_end - NOTES, 0);
    program_header(3, 4, DATA, 0, 0, 0);
    program_header(4, 1, DATA, 0x500000, 0, 0);
    assert_int_equal(parse(), 0);
    assert_int_equal(facts.end, BASE + 0x102a00);
    program_header(4, 1, DATA, 0x101000, 0x10, 0x10);
    assert_int_equal(parse(), 0);
    assert_int_equal(facts.end, BASE + 0x102a00);
    assert_int_equal(facts.start, BASE + 0x100000);
}

static void a_note_at_the_very_end(void **state)
{
    uint64_t entry = BASE + 0x100020;

    memcpy(file + SIZE - 24, "\4\0\0\0\10\0\0\0\1\0\0\0Xen", 16);
    memcpy(file + SIZE - 8, &entry, 8);
    program_header(2, 4, NOTES, 0, SIZE - NOTES, 0);
    /* a nameless one that fills the space up to it */
    memset(file + notes_end, 0, 12);
    put(notes_end + 4, SIZE - 24 - (notes_end + 12), 4);
    program_header(0, 1, NOTES, 0x100000, 0x100, 0x100);
    program_header(1, 1, NOTES, 0x102000, 0x200, 0xa00);
    assert_int_equal(parse(), 0);
    assert_int_equal(facts.entry, entry);
    /* One byte short of it: the descriptor is outside, and not read. */
    put(24, BASE + 0x100010, 8);
    put(64 + 2 * 56 + 32, SIZE - NOTES - 1, 8);
    size = SIZE - 1;
    assert_int_equal(parse(), 0);
    assert_int_equal(facts.entry, BASE + 0x100010);
    /* Sizes that wrap around. */
    size = SIZE;
    put(64 + 2 * 56 + 32, SIZE - NOTES, 8);
    put(SIZE - 24, 0xffffffff, 4);
    assert_int_equal(parse(), 0);
    assert_int_equal(facts.entry, BASE + 0x100010);
    put(SIZE - 24, 4, 4);
    put(SIZE - 20, 0xffffffff, 4);
    assert_int_equal(parse(), 0);
    assert_int_equal(facts.entry, BASE + 0x100010);
}

#define SECTIONS 0x300u

static void section(unsigned int i, uint32_t type, uint64_t offset, uint64_t bytes)
{
    put(SECTIONS + i * 64 + 4, type, 4);
    put(SECTIONS + i * 64 + 24, offset, 8);
    put(SECTIONS + i * 64 + 32, bytes, 8);
}

/* A section of notes serves when no segment has any; one that is not in the file is passed over,
 * and so are what no table can be. */
static void notes_in_a_section(void **state)
{
    uint64_t elsewhere = BASE + 0x100050;

    note(1, BASE + 0x100040);
    put(64 + 2 * 56, 7, 4);                         /* the segment is one of something else */
    REFUSED("Xen ELF notes");
    put(40, SECTIONS, 8);
    put(58, 64, 2);
    put(60, 3, 2);
    section(0, 1, NOTES, notes_end - NOTES);        /* bits */
    section(1, 7, SIZE - 8, 9);                     /* notes, but not in the file */
    REFUSED("Xen ELF notes");
    section(2, 7, NOTES, notes_end - NOTES);
    assert_int_equal(parse(), 0);
    assert_int_equal(facts.entry, BASE + 0x100040);
    put(60, 2, 2);                                  /* the third is not counted */
    REFUSED("Xen ELF notes");
    put(60, 3, 2);
    put(58, 63, 2);
    REFUSED("Xen ELF notes");
    put(58, 64, 2);
    put(40, SIZE - 2 * 64 - 63, 8);                 /* the table is cut */
    REFUSED("Xen ELF notes");
    put(40, UINT64_MAX - 63, 8);
    REFUSED("Xen ELF notes");
    put(40, SECTIONS, 8);
    section(1, 7, UINT64_MAX - 7, 16);
    assert_int_equal(parse(), 0);
    /* A segment comes first, and then no section is asked. */
    memcpy(file + SECTIONS + 3 * 64, "\4\0\0\0\10\0\0\0\1\0\0\0Xen", 16);
    memcpy(file + SECTIONS + 3 * 64 + 16, &elsewhere, 8);
    section(1, 7, SECTIONS + 3 * 64, 24);
    assert_int_equal(parse(), 0);
    assert_int_equal(facts.entry, BASE + 0x100040);
    section(2, 0, 0, 0);
    put(64 + 2 * 56, 4, 4);
    assert_int_equal(parse(), 0);
    assert_int_equal(facts.entry, BASE + 0x100040);
}

static void not_an_image(void **state)
{
    static const size_t magic[] = { 0, 1, 2, 3, 4, 5, 18 };

    for (unsigned int i = 0; i < sizeof(magic) / sizeof(magic[0]); i++) {
        fresh(state);
        file[magic[i]] ^= 1;
        REFUSED("not an ELF file for x86-64");
    }
    fresh(state);
    size = 63;
    REFUSED("not an ELF file for x86-64");
    size = 64;
    REFUSED("program headers");
}

static void headers_outside(void **state)
{
    put(32, SIZE - 3 * 56 + 8, 8);
    REFUSED("program headers");
    put(32, UINT64_MAX - 7, 8);
    REFUSED("program headers");
    put(32, 68, 8);                                 /* not aligned */
    REFUSED("program headers");
    put(32, 64, 8);
    put(54, 48, 2);                                 /* entries too short */
    REFUSED("program headers");
    put(54, 60, 2);
    REFUSED("program headers");
    put(54, 56, 2);
    put(56, 0xffff, 2);
    REFUSED("program headers");
    put(56, 0, 2);
    REFUSED("Xen ELF notes");
    size = 64 + 3 * 56;
    put(56, 3, 2);
    REFUSED("outside the file");
}

/* Offset and size of any segment, loaded or not. */
static void segments_outside(void **state)
{
    program_header(1, 1, SIZE - 0x1ff, 0x102000, 0x200, 0x200);
    REFUSED("outside the file");
    program_header(1, 1, SIZE - 0x200, 0x102000, 0x200, 0x200);
    assert_int_equal(parse(), 0);
    program_header(1, 1, SIZE, 0x102000, 1, 1);
    REFUSED("outside the file");
    program_header(1, 1, UINT64_MAX - 0xff, 0x102000, 0x200, 0x200);    /* the sum wraps around */
    REFUSED("outside the file");
    program_header(1, 1, DATA, 0x102000, UINT64_MAX - 0xff, UINT64_MAX);
    REFUSED("outside the file");
    program_header(1, 7, SIZE + 1, 0, 0, 0);
    REFUSED("outside the file");
}

static void impossible_sizes(void **state)
{
    /* more in the file than in memory */
    program_header(1, 1, DATA, 0x102000, 0x201, 0x200);
    REFUSED("impossible");
    program_header(1, 1, DATA, 0x102000, 0x200, 0x200);
    assert_int_equal(parse(), 0);
    /* around the end of addresses */
    program_header(1, 1, DATA, UINT64_MAX - 0xfff, 0x200, 0x2000);
    REFUSED("impossible");
    /* not loaded: nobody minds */
    program_header(1, 7, DATA, 0x102000, 0x201, 0x200);
    assert_int_equal(parse(), 0);
    program_header(0, 7, DATA, 0x100000, 0x100, 0x100);
    REFUSED("nothing to load");
    program_header(0, 1, DATA, 0x100000, 0, 0);
    REFUSED("nothing to load");
}

static void addresses_that_do_not_fit(void **state)
{
    put(24, BASE + 0x0fffff, 8);
    REFUSED("outside its segments");
    put(24, BASE + 0x100000, 8);
    assert_int_equal(parse(), 0);
    put(24, BASE + 0x1029ff, 8);
    assert_int_equal(parse(), 0);
    put(24, BASE + 0x102a00, 8);
    REFUSED("outside its segments");
    put(24, BASE + 0x100000, 8);
    /* PADDR_OFFSET: it would begin in front of VIRT_BASE */
    note(4, 0x100001);
    put(24, BASE, 8);
    REFUSED("VIRT_BASE and PADDR_OFFSET");
    fresh(state);
    /* it would end beyond all addresses */
    program_header(1, 1, DATA, 0x80000000 - 0x100, 0, 0x101);
    REFUSED("VIRT_BASE and PADDR_OFFSET");
    program_header(1, 1, DATA, 0x80000000 - 0x2000, 0, 0x1000);
    assert_int_equal(parse(), 0);
}

static void a_hypercall_page_outside(void **state)
{
    note(2, BASE + 0x103000);                       /* the page behind the image's last */
    REFUSED("HYPERCALL_PAGE");
    note(2, BASE - 0x1000);
    REFUSED("HYPERCALL_PAGE");
    note(2, 0);
    REFUSED("HYPERCALL_PAGE");
    note(2, BASE + 0x101a00);                       /* no page at all */
    REFUSED("HYPERCALL_PAGE");
    note(2, BASE + 0x102000);
    assert_int_equal(parse(), 0);
}

static void no_notes(void **state)
{
    put(64 + 2 * 56, 7, 4);
    REFUSED("Xen ELF notes");
    put(64 + 2 * 56, 4, 4);
    file[NOTES + 12] = 'x';
    REFUSED("Xen ELF notes");
}

/* ---- loading ---- */

static struct { uint64_t va, n; uint8_t first, last; } pieces[4];
static unsigned int piece_count;

static void collect(void *arg, uint64_t va, const void *bytes, uint64_t n)
{
    const uint8_t *b = bytes;

    assert_ptr_equal(arg, &piece_count);
    pieces[piece_count].va = va;
    pieces[piece_count].n = n;
    pieces[piece_count].first = b[0];
    pieces[piece_count++].last = b[n - 1];
}

static void what_is_loaded(void **state)
{
    piece_count = 0;
    assert_int_equal(parse(), 0);
    elf_load(file, &facts, collect, &piece_count);
    assert_int_equal(piece_count, 2);
    assert_int_equal(pieces[0].va, BASE + 0x100000);
    assert_int_equal(pieces[0].n, 0x100);
    assert_int_equal(pieces[0].first, file[DATA]);
    assert_int_equal(pieces[1].va, BASE + 0x102000);
    assert_int_equal(pieces[1].n, 0x200);
    assert_int_equal(pieces[1].first, file[DATA + 0x100]);
    assert_int_equal(pieces[1].last, file[DATA + 0x2ff]);
    program_header(1, 1, DATA, 0x102000, 0, 0xa00);                     /* all of it empty */
    piece_count = 0;
    assert_int_equal(parse(), 0);
    elf_load(file, &facts, collect, &piece_count);
    assert_int_equal(piece_count, 1);
}

/* Each byte of headers and notes set to awkward values: no verdict is asked for, only that the
 * sanitizers stay silent. */
static void noise_is_survived(void **state)
{
    static const uint8_t values[] = { 0, 1, 0x7f, 0x80, 0xff };

    note(1, BASE + 0x100000);
    for (size_t at = 0; at < notes_end; at++) {
        uint8_t was = file[at];

        for (size_t i = 0; i < sizeof(values); i++) {
            file[at] = values[i];
            (void)!parse();
        }
        file[at] = was;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_is_right_is_read, fresh),
        cmocka_unit_test_setup(notes_say_how, fresh),
        cmocka_unit_test_setup(padded_notes, fresh),
        cmocka_unit_test_setup(several_segments, fresh),
        cmocka_unit_test_setup(a_note_at_the_very_end, fresh),
        cmocka_unit_test_setup(notes_in_a_section, fresh),
        cmocka_unit_test_setup(not_an_image, fresh),
        cmocka_unit_test_setup(headers_outside, fresh),
        cmocka_unit_test_setup(segments_outside, fresh),
        cmocka_unit_test_setup(impossible_sizes, fresh),
        cmocka_unit_test_setup(addresses_that_do_not_fit, fresh),
        cmocka_unit_test_setup(a_hypercall_page_outside, fresh),
        cmocka_unit_test_setup(no_notes, fresh),
        cmocka_unit_test_setup(what_is_loaded, fresh),
        cmocka_unit_test_setup(noise_is_survived, fresh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
