/* SPDX-License-Identifier: MIT */
/*
 * A kernel's file that lies, one field at a time, in memory of exactly its size: the sanitizer sees
 * one byte too far. What is judged: sizes and places of segments, notes up to the file's last byte,
 * the entry and the hypercall page at their limits.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <xen/elfnote.h>
#include "builder/image.h"
#include "dom0/base.h"

#define HEADERS 1500u                   /* room for 25 program headers */

static uint8_t file[65536];
static size_t size;                     /* of the file */
static unsigned segments;
static struct image image;
static const char *why;

static void put(size_t at, uint64_t value, unsigned bytes)
{
    memcpy(file + at, &value, bytes);
}

static size_t segment(uint32_t type, uint64_t offset, uint64_t address, uint64_t in_file,
                      uint64_t in_memory)
{
    size_t at = 64 + 56 * segments++;

    put(at, type, 4);
    put(at + 8, offset, 8);
    put(at + 24, address, 8);
    put(at + 32, in_file, 8);
    put(at + 40, in_memory, 8);
    put(56, segments, 2);
    return at;
}

/* Behind what is there; the caller says where the segment of notes begins. */
static void note(uint32_t type, uint64_t value, unsigned bytes)
{
    put(size, 4, 4);
    put(size + 4, bytes, 4);
    put(size + 8, type, 4);
    memcpy(file + size + 12, "Xen", 4);
    put(size + 16, value, bytes);
    size += 16 + bytes;
}

static size_t load;                     /* the header of the one segment to load */

static int setup(void **state)
{
    memset(file, 0, sizeof(file));
    memcpy(file, "\177ELF\2\1\1", 7);
    put(16, 2, 2);
    put(18, 62, 2);
    put(24, 0x100010, 8);
    put(32, 64, 8);
    put(54, 56, 2);
    segments = 0;
    size = HEADERS;
    load = segment(1, 0, 0x100000, HEADERS, 8192);
    return 0;
}

static int parse_cut(size_t cut)
{
    uint8_t *exact = malloc(cut ? cut : 1);
    int error;

    memcpy(exact, file, cut);
    why = "";
    error = image_parse(exact, cut, &image, &why);
    /* What is promised may be read, to its last byte. */
    for (unsigned i = 0; !error && i < image.segment_count; i++)
        for (uint64_t j = 0; j < image.segment[i].file_size; j++)
            assert_int_equal(image.segment[i].bytes[j],
                             file[image.segment[i].bytes - exact + (ptrdiff_t)j]);
    free(exact);
    assert_int_equal(error ? -ENOEXEC : 0, error);
    if (!error)
        assert_null(why);
    return error;
}

static int parse(void)
{
    return parse_cut(size);
}

#define assert_refused(sentence)                                                                   \
    do {                                                                                           \
        assert_int_equal(parse(), -ENOEXEC);                                                       \
        assert_non_null(strstr(why, sentence));                                                    \
    } while (0)

/* The last thing in the file: notes whose last value is not padded, and then one that is a byte
 * too long. */
static void notes_up_to_the_last_byte(void **state)
{
    size_t begin = size, notes = segment(4, begin, 0, 0, 0);

    note(XEN_ELFNOTE_VIRT_BASE, 0, 8);
    note(XEN_ELFNOTE_ENTRY, 0x101fff, 4);
    note(XEN_ELFNOTE_GUEST_OS, 0x6f, 1);
    put(notes + 32, size - begin, 8);
    assert_int_equal(parse(), 0);
    assert_int_equal(image.entry, 0x101fff);
    /* The file ends before its notes do: they are no notes. */
    for (size_t cut = 0; cut < size; cut++)
        assert_int_equal(parse_cut(cut), -ENOEXEC);
    /* A note that says it is longer than the segment. */
    setup(state);
    begin = size;
    notes = segment(4, begin, 0, 0, 0);
    note(XEN_ELFNOTE_ENTRY, 0x100020, 8);
    put(notes + 32, size - begin, 8);
    put(begin + 4, 9, 4);
    assert_refused("no Xen ELF notes");
    put(begin + 4, 0xffffffff, 4);
    assert_refused("no Xen ELF notes");
    put(begin + 4, 8, 4);
    put(begin, 0xffffffff, 4);
    assert_refused("no Xen ELF notes");
    put(begin, 4, 4);
    assert_int_equal(parse(), 0);
    put(notes + 32, 11, 8);                                     /* Not even a note's head. */
    assert_refused("no Xen ELF notes");
    put(notes + 32, size - begin + 1, 8);                    /* The segment ends behind the file. */
    assert_refused("no Xen ELF notes");
    put(notes + 8, UINT64_MAX - 7, 8);
    assert_refused("no Xen ELF notes");
}

/* Others' notes are passed over, whatever their sizes; a note of no value may be the last. */
static void only_xens_notes_count(void **state)
{
    size_t begin = size, notes = segment(4, begin, 0, 0, 0);
    uint8_t header[56];

    note(XEN_ELFNOTE_ENTRY, 0x100030, 8);
    file[begin + 12] = 'Y';
    memcpy(header, file + load, sizeof(header));            /* The first may have them. */
    memcpy(file + load, file + notes, sizeof(header));
    memcpy(file + notes, header, sizeof(header));
    notes = load;
    put(size, 5, 4);                             /* "GNUs" NUL, and a value of 3: each is padded. */
    put(size + 4, 3, 4);
    put(size + 8, XEN_ELFNOTE_ENTRY, 4);
    memcpy(file + size + 12, "GNUs", 5);
    size += 12 + 8 + 4;
    note(XEN_ELFNOTE_ENTRY, 0x100040, 8);
    note(XEN_ELFNOTE_MOD_START_PFN, 1, 4);
    note(XEN_ELFNOTE_INIT_P2M, 0x8000000000, 8);
    note(XEN_ELFNOTE_PADDR_OFFSET, 0x100000, 8);
    note(XEN_ELFNOTE_VIRT_BASE, 0x100000, 8);
    note(XEN_ELFNOTE_HYPERCALL_PAGE, 0x101000, 8);
    note(XEN_ELFNOTE_GUEST_OS, 0, 0);
    put(notes + 32, size - begin, 8);
    assert_int_equal(parse(), 0);
    assert_int_equal(image.entry, 0x100040);
    assert_true(image.module_by_pfn);
    assert_true(image.init_p2m == 0x8000000000);
    assert_int_equal(image.paddr_offset, 0x100000);
    assert_int_equal(image.low, 0x100000);
    assert_int_equal(image.hypercall_page, 0x101000);
}

/* Kernels from before the notes say the same in the text of a section. */
static void guest_section(const char *text, size_t length, bool text_last)
{
    static const char name[] = "__xen_guest";
    size_t table = HEADERS, at = table + 128 + (text_last ? sizeof(name) : 0);
    size_t names = table + 128 + (text_last ? 0 : length);

    memcpy(file + at, text, length);
    memcpy(file + names, name, sizeof(name));
    put(40, table, 8);
    put(58, 64, 2);
    put(60, 2, 2);
    put(62, 1, 2);
    memset(file + table, 0, 128);
    put(table + 24, at, 8);
    put(table + 32, length, 8);
    put(table + 64, sizeof(name) - 1, 4);                       /* The names' own is none. */
    put(table + 64 + 24, names, 8);
    put(table + 64 + 32, sizeof(name), 8);
    size = table + 128 + length + sizeof(name);
}

#define SECTION(text) guest_section(text, sizeof(text) - 1, true)
#define TABLE HEADERS

/* Notes of segments come before those of sections, and these before an old kernel's text. */
static void the_first_notes_count(void **state)
{
    size_t begin, notes;

    SECTION("VIRT_ENTRY=0x100020");
    put(60, 3, 2);
    memmove(file + TABLE + 192, file + TABLE + 128, size - TABLE - 128);
    put(TABLE + 24, TABLE + 192 + 12, 8);
    put(TABLE + 64 + 24, TABLE + 192, 8);
    size += 64;
    assert_int_equal(parse(), 0);
    assert_int_equal(image.entry, 0x100020);
    begin = size;
    memset(file + TABLE + 128, 0, 64);
    put(TABLE + 128 + 4, 7, 4);                                 /* The third section has notes. */
    put(TABLE + 128 + 24, begin, 8);
    note(XEN_ELFNOTE_ENTRY, 0x100040, 8);
    put(TABLE + 128 + 32, size - begin, 8);
    assert_int_equal(parse(), 0);
    assert_int_equal(image.entry, 0x100040);
    begin = size;
    notes = segment(4, begin, 0, 0, 0);
    note(XEN_ELFNOTE_ENTRY, 0x100060, 8);
    put(notes + 32, size - begin, 8);
    assert_int_equal(parse(), 0);
    assert_int_equal(image.entry, 0x100060);
    put(begin, 5, 4);                                           /* An owner of five letters. */
    assert_int_equal(parse(), 0);
    assert_int_equal(image.entry, 0x100040);
}

/* A number has 8 bytes; and there is an end to looking, whoever's notes they are. */
static void notes_that_are_too_much(void **state)
{
    static const struct { uint32_t type; const char *sentence; } numbers[] = {
        { XEN_ELFNOTE_HYPERCALL_PAGE, "its note HYPERCALL_PAGE has 9 bytes" },
        { XEN_ELFNOTE_VIRT_BASE, "its note VIRT_BASE has 9 bytes" },
        { XEN_ELFNOTE_PADDR_OFFSET, "its note PADDR_OFFSET has 9 bytes" },
        { XEN_ELFNOTE_INIT_P2M, "its note INIT_P2M has 9 bytes" },
        { XEN_ELFNOTE_MOD_START_PFN, "its note MOD_START_PFN has 9 bytes" },
    };
    size_t begin = size, notes = segment(4, begin, 0, 0, 0);

    note(XEN_ELFNOTE_VIRT_BASE, 0, 8);
    note(XEN_ELFNOTE_ENTRY, 0x100040, 8);
    put(begin + 24 + 4, 9, 4);
    size += 4;
    put(notes + 32, size - begin, 8);
    assert_refused("its note ENTRY has 9 bytes: a number has 8 at most");
    for (unsigned i = 0; i < ARRAY_SIZE(numbers); i++) {
        put(begin + 24 + 8, numbers[i].type, 4);
        assert_refused(numbers[i].sentence);
    }
    put(begin + 24 + 8, XEN_ELFNOTE_ENTRY, 4);
    put(begin + 24 + 4, 8, 4);
    size = begin + 48 + (IMAGE_MAX_NOTES - 2) * 12;         /* without owner or value */
    put(notes + 32, size - begin, 8);
    assert_int_equal(parse(), 0);
    assert_int_equal(image.entry, 0x100040);
    size += 12;
    put(notes + 32, size - begin, 8);
    assert_refused("it has more than 4096 notes");
}

static void with_notes(void)
{
    size_t begin = size, notes = segment(4, begin, 0, 0, 0);

    note(XEN_ELFNOTE_VIRT_BASE, 0, 8);
    put(notes + 32, size - begin, 8);
}

/* A section of notes serves when no segment does. */
static void notes_in_a_section(void **state)
{
    size_t table;

    note(XEN_ELFNOTE_ENTRY, 0x100040, 8);
    table = size;
    put(40, table, 8);
    put(58, 64, 2);
    put(60, 2, 2);
    put(table + 4, 1, 4);                                       /* Bits, then notes. */
    put(table + 64 + 4, 7, 4);
    put(table + 64 + 24, HEADERS, 8);
    put(table + 64 + 32, table - HEADERS, 8);
    size += 128;
    assert_int_equal(parse(), 0);
    assert_int_equal(image.entry, 0x100040);
    size--;                                                     /* The table is cut. */
    assert_refused("no Xen ELF notes");
    size++;
    put(40, UINT64_MAX - 100, 8);
    assert_refused("no Xen ELF notes");
    put(40, table, 8);
    put(58, 63, 2);
    assert_refused("wrong size");
}

static void a_segment_is_within_file_and_memory(void **state)
{
    with_notes();
    assert_int_equal(parse(), 0);
    assert_int_equal(image.segment[0].file_size, HEADERS);
    put(load + 32, size, 8);
    assert_int_equal(parse(), 0);                               /* To the last byte. */
    put(load + 32, size + 1, 8);
    assert_refused("outside the file");
    put(load + 32, HEADERS, 8);
    put(load + 8, size - HEADERS + 1, 8);
    assert_refused("outside the file");
    put(load + 8, UINT64_MAX, 8);
    put(load + 32, 1, 8);
    assert_refused("outside the file");
    put(load + 8, size, 8);
    put(load + 32, 0, 8);
    assert_int_equal(parse(), 0);                               /* Nothing of it is in the file. */
    put(load + 8, 0, 8);
    put(load + 32, 513, 8);
    put(load + 40, 513, 8);
    assert_int_equal(parse(), 0);
    put(load + 40, 512, 8);                                   /* More in the file than in memory. */
    assert_refused("513 bytes in the file, more than the 512");
}

static void addresses_at_their_limits(void **state)
{
    with_notes();
    put(load + 32, 0, 8);
    put(24, (1ull << 34) - 8192, 8);
    put(load + 24, (1ull << 34) - 8192, 8);
    assert_int_equal(parse(), 0);
    assert_true(image.high == 1ull << 34);
    put(load + 24, (1ull << 34) - 8191, 8);
    assert_refused("16 GiB");
    put(load + 24, 0x100000, 8);
    put(24, 0x100000, 8);
    put(load + 40, (1ull << 34) - 0x100000, 8);
    assert_int_equal(parse(), 0);
    put(load + 40, (1ull << 34) - 0xfffff, 8);
    assert_refused("16 GiB");
    put(load + 40, UINT64_MAX, 8);
    assert_refused("16 GiB");
    /* Below the base: by one byte. A base that is no page, and one at the end of all addresses. */
    note(XEN_ELFNOTE_VIRT_BASE, 0x200000, 8);
    note(XEN_ELFNOTE_PADDR_OFFSET, 0x100000, 8);
    put(load + 56 + 32, size - HEADERS, 8);
    put(load + 40, 8192, 8);
    put(24, 0x200000, 8);
    assert_int_equal(parse(), 0);
    assert_int_equal(image.low, 0x200000);
    assert_int_equal(image.high, 0x202000);
    put(load + 24, 0xfffff, 8);
    assert_refused("PADDR_OFFSET");
    put(load + 24, 0x100000, 8);
    note(XEN_ELFNOTE_VIRT_BASE, 0x200001, 8);
    put(load + 56 + 32, size - HEADERS, 8);
    assert_refused("VIRT_BASE");
    note(XEN_ELFNOTE_VIRT_BASE, -4096ull, 8);
    put(load + 56 + 32, size - HEADERS, 8);
    put(24, -4096ull, 8);
    assert_refused("VIRT_BASE");
}

static void the_entry_is_inside(void **state)
{
    static const struct { uint64_t entry, page; const char *says; } cases[] = {
        { 0x100000, 0x100000, NULL },             { 0x101fff, 0x101000, NULL },
        { 0xfffff, 0x101000, "entry" },           { 0x102000, 0x101000, "entry" },
        { 0x100000, 0x102000, "HYPERCALL_PAGE" }, { 0x100000, 0xff000, "HYPERCALL_PAGE" },
        { 0x100000, 0x101800, "HYPERCALL_PAGE" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        size_t begin, notes;

        setup(state);
        begin = size;
        notes = segment(4, begin, 0, 0, 0);
        note(XEN_ELFNOTE_HYPERCALL_PAGE, cases[i].page, 8);
        put(notes + 32, size - begin, 8);
        put(24, cases[i].entry, 8);
        if (cases[i].says)
            assert_refused(cases[i].says);
        else
            assert_int_equal(parse(), 0);
    }
}

/* The extent is that of all segments in any order; those without memory do not count; more than
 * there is room for are refused. */
static void many_segments(void **state)
{
    with_notes();
    segment(1, 0, 0x80000, 16, 32);
    segment(1, 0, 0x300000, 0, 0);
    segment(1, 0, 0x200000, 8, 0x1234);
    segment(6, 0, 0x400000, 8, 8);
    assert_int_equal(parse(), 0);
    assert_int_equal(image.segment_count, 3);
    assert_int_equal(image.low, 0x80000);
    assert_int_equal(image.high, 0x201234);
    assert_int_equal(image.segment[1].va, 0x80000);
    assert_int_equal(image.segment[1].file_size, 16);
    assert_int_equal(image.segment[1].memory_size, 32);
    while (image.segment_count < IMAGE_MAX_SEGMENTS) {
        segment(1, 0, 0x200000, 8, 8);
        assert_int_equal(parse(), 0);
    }
    segment(1, 0, 0x200000, 8, 8);
    assert_refused("too many segments");
    put(56, 1000, 2);
    put(32, size - 56 * 2, 8);
    assert_int_equal(parse(), -ENOEXEC);
    setup(state);
    with_notes();
    put(load, 2, 4);
    assert_refused("nothing to load");
    put(load, 1, 4);
    memcpy(file + size, file + 64, 112);          /* A header more, which the file does not hold. */
    put(32, size, 8);
    put(56, 3, 2);
    size += 112;
    assert_refused("program headers are outside");
}

static void headers_of_other_kinds(void **state)
{
    static const struct { size_t at; uint8_t value; const char *says; } wrong[] = {
        { 0, 'E', "no ELF file" }, { 4, 1, "32 bits" }, { 5, 2, "x86-64" },
        { 18, 3, "x86-64" },       { 54, 55, "wrong size" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        setup(state);
        with_notes();
        assert_int_equal(parse(), 0);
        file[wrong[i].at] = wrong[i].value;
        assert_refused(wrong[i].says);
    }
    setup(state);
    with_notes();
    memcpy(file + 0x202, "HdrS", 4);
    size = 0x206;
    assert_refused("it is a bzImage");
    size = 0x205;
    file[0] = 'E';
    assert_refused("no ELF file");
}

static void old_kernels(void **state)
{
    static char long_text[IMAGE_MAX_TEXT + 1];

    SECTION("GUEST_OS=old,VIRT_BASE=0x100000,ELF_PADDR_OFFSET=0,VIRT_ENTRY=0x2000AF,HYPERCALL_PAGE="
            "256");
    put(load + 24, 0x100000, 8);
    assert_int_equal(parse(), 0);
    assert_int_equal(image.virt_base, 0x100000);
    assert_int_equal(image.low, 0x200000);
    assert_int_equal(image.entry, 0x2000af);
    assert_int_equal(image.hypercall_page, 0x200000);
    SECTION("VIRT_BASE=0x100000");                  /* Physical addresses are virtual ones, then. */
    assert_int_equal(parse(), 0);
    assert_int_equal(image.paddr_offset, 0x100000);
    assert_int_equal(image.low, 0x100000);
    SECTION("HYPERCALL_PAGE=0x101");
    assert_int_equal(parse(), 0);
    assert_int_equal(image.paddr_offset, 0);
    assert_int_equal(image.hypercall_page, 0x101000);
    SECTION("VIRT_BASE=");                                      /* Ends where a number should be. */
    assert_int_equal(parse(), 0);
    /* Not the key; and a number ends with its digits. */
    SECTION("XVIRT_BASE=0x100000,,VIRT_ENTRY=1048593x9");
    assert_int_equal(parse(), 0);
    assert_int_equal(image.virt_base, 0);
    assert_int_equal(image.entry, 1048593);
    SECTION("VIRT_ENTRY=1x0000000");                            /* Nor does this begin with 0x. */
    put(load + 24, 0, 8);
    assert_int_equal(parse(), 0);
    assert_int_equal(image.entry, 1);
    put(load + 24, 0x100000, 8);
    SECTION("VIRT_ENTRY=01048593");                             /* Decimal, for all its 0. */
    assert_int_equal(parse(), 0);
    assert_int_equal(image.entry, 1048593);
    SECTION("VIRT_ENTRY=0x100BDFg");
    assert_int_equal(parse(), 0);
    assert_int_equal(image.entry, 0x100bdf);
    SECTION("VIRT_ENTRY=0x100BDF@");                            /* In front of the letters. */
    assert_int_equal(parse(), 0);
    assert_int_equal(image.entry, 0x100bdf);
    put(load + 24, 0x1000, 8);
    put(24, 0x1000, 8);
    SECTION("HYPERCALL_PAGE=0x1");
    assert_int_equal(parse(), 0);
    assert_int_equal(image.hypercall_page, 0x1000);
    put(load + 24, 0x100000, 8);
    put(24, 0x100010, 8);
    memset(long_text, 'x', sizeof(long_text));
    memcpy(long_text, "VIRT_ENTRY=0x100020,", 20);
    guest_section(long_text, IMAGE_MAX_TEXT, true);
    assert_int_equal(parse(), 0);
    assert_int_equal(image.entry, 0x100020);
    guest_section(long_text, IMAGE_MAX_TEXT + 1, true);
    assert_refused("its section __xen_guest has 16385 bytes: 16384 at most");
    guest_section("VIRT_ENTRY=0x100020", 19, false); /* The names are the last thing in the file. */
    assert_int_equal(parse(), 0);
    assert_int_equal(image.entry, 0x100020);
    SECTION("VIRT_ENTRY=0x");
    assert_int_equal(parse(), -ENOEXEC);
    put(62, 2, 2);                                              /* The names are in no section. */
    assert_refused("no Xen ELF notes");
    put(62, 1, 2);
    put(TABLE, 1, 4);                                      /* The name begins one letter later. */
    assert_refused("no Xen ELF notes");
    put(TABLE, 12, 4);
    assert_refused("no Xen ELF notes");
    put(TABLE, 0, 4);
    put(TABLE + 64 + 32, 11, 8);                       /* The table of names ends before its NUL. */
    assert_refused("no Xen ELF notes");
    put(TABLE + 64 + 32, 12, 8);
    put(TABLE + 32, size, 8);                              /* The text is not in the file. */
    assert_refused("no Xen ELF notes");
}

/* Cut anywhere and any byte changed: no verdict is asked for, but that no access leaves the
 * file. */
static void noise_at_the_edges(void **state)
{
    static const uint8_t values[] = { 0, 1, 0x7f, 0x80, 0xff };

    for (unsigned kind = 0; kind < 3; kind++) {
        setup(state);
        if (kind)
            guest_section("VIRT_BASE=0x100000,VIRT_ENTRY=0x100000", 38, kind == 2);
        else
            with_notes();
        for (size_t cut = 0; cut <= size; cut++)
            parse_cut(cut);
        for (size_t at = 0; at < size; at = at == 200 ? HEADERS : at + 1) {
            uint8_t was = file[at];

            for (size_t i = 0; i < sizeof(values); i++) {
                file[at] = values[i];
                parse();
            }
            file[at] = was;
        }
    }
}

/* Headers that are in the file but that the count leaves out are none. */
static void counts_are_obeyed(void **state)
{
    with_notes();
    segment(1, 0, 0x200000, 8, 8);
    put(56, 2, 2);
    assert_int_equal(parse(), 0);
    assert_int_equal(image.segment_count, 1);
    put(56, 1, 2);
    assert_refused("no Xen ELF notes");
    setup(state);
    note(XEN_ELFNOTE_ENTRY, 0x100040, 8);
    put(40, size, 8);
    put(58, 64, 2);
    put(60, 1, 2);
    put(size + 64 + 4, 7, 4);                                   /* The second section has notes. */
    put(size + 64 + 24, HEADERS, 8);
    put(size + 64 + 32, size - HEADERS, 8);
    size += 128;
    assert_refused("no Xen ELF notes");
    put(60, 2, 2);
    assert_int_equal(parse(), 0);
    setup(state);
    SECTION("VIRT_ENTRY=0x100020");
    memcpy(file + TABLE + 64, file + TABLE, 64);
    memset(file + TABLE, 0, 64);   /* The text's section is the second now; the names' the third. */
    put(60, 1, 2);
    assert_refused("no Xen ELF notes");
    setup(state);
    SECTION("VIRT_ENTRY=0x100020");
    for (unsigned i = 0; i < 64; i++) {                         /* Names first, then the text. */
        uint8_t byte = file[TABLE + i];

        file[TABLE + i] = file[TABLE + 64 + i];
        file[TABLE + 64 + i] = byte;
    }
    put(62, 0, 2);
    assert_int_equal(parse(), 0);
    assert_int_equal(image.entry, 0x100020);
    put(60, 1, 2);
    assert_refused("no Xen ELF notes");
    setup(state);
    size = 64;
    put(56, 0, 2);
    assert_refused("no Xen ELF notes");                      /* A whole header, and nothing else. */
    size = 63;
    assert_refused("no ELF file");
}

static void the_end_is_the_largest(void **state)
{
    with_notes();
    put(load + 40, 0x1000, 8);
    put(load + 32, 0x10, 8);
    segment(1, 0, 0x101000, 8, 0x10000);
    assert_int_equal(parse(), 0);
    assert_int_equal(image.high, 0x111000);
    put(load + 40, 0x20000, 8);
    assert_int_equal(parse(), 0);
    assert_int_equal(image.high, 0x120000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(notes_up_to_the_last_byte, setup),
        cmocka_unit_test_setup(only_xens_notes_count, setup),
        cmocka_unit_test_setup(the_first_notes_count, setup),
        cmocka_unit_test_setup(notes_that_are_too_much, setup),
        cmocka_unit_test_setup(notes_in_a_section, setup),
        cmocka_unit_test_setup(a_segment_is_within_file_and_memory, setup),
        cmocka_unit_test_setup(addresses_at_their_limits, setup),
        cmocka_unit_test_setup(the_entry_is_inside, setup),
        cmocka_unit_test_setup(many_segments, setup),
        cmocka_unit_test_setup(headers_of_other_kinds, setup),
        cmocka_unit_test_setup(old_kernels, setup),
        cmocka_unit_test_setup(noise_at_the_edges, setup),
        cmocka_unit_test_setup(counts_are_obeyed, setup),
        cmocka_unit_test_setup(the_end_is_the_largest, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
