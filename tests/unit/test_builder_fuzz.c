/* SPDX-License-Identifier: MIT */
/*
 * The builders against kernels that lie, by structured fuzzing: good images with a few numbers of
 * their headers and notes made awkward, cut short, laid out for awkward sizes of memory and
 * ramdisk. What is accepted must obey the rules below; everything must end (an alarm sees to that)
 * and touch nothing but the file (ASan). What is good must be accepted.
 *
 * Deterministic: seeds 1, 2, 3, ... of CASES cases each, as many as ROUNDS. DOMUS_FUZZ_SEED=N
 * begins elsewhere (a failure says where), DOMUS_FUZZ_SECONDS=N goes on for that long.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>
#include "builder/layout.h"
#include "cpu_alarm.h"

#define CASES 20000u
#define ROUNDS 6u
#define FILE_BYTES 4096u
#define NOTES_AT 1024u
#define PAGE 4096u
#define MIB (1ull << 20)

typedef unsigned __int128 wide;                 /* In which the sums below cannot wrap. */

static uint64_t seed, state;
static unsigned case_number, accepted, laid_out;

static uint64_t rnd(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state * 0x2545f4914f6cdd1dull;
}

static uint64_t below(uint64_t limit)
{
    return rnd() % limit;
}

/* Near powers of two, near the edges of the address space, or anything. */
static uint64_t awkward(void)
{
    static const uint64_t edges[] = {
        0,
        GUEST_LOW_END,
        GUEST_HIGH_START,
        0xffff800000000000,
        0xffffffff80000000,
        0xfffffffffffff000,
        0x8000000000,
        1ull << 34,
    };
    uint64_t number = below(3) ? edges[below(sizeof(edges) / sizeof(edges[0]))] : 1ull << below(64);

    switch (below(5)) {
    case 0:  return rnd();
    case 1:  return number + below(3) - 1;
    case 2:  return number - below(4) * PAGE;
    case 3:  return number + (below(64) << below(40));
    default: return number;
    }
}

#define ASSERT_THAT(claim) do { \
        if (!(claim)) \
            fail_msg("seed %lu, case %u: %s", (unsigned long)seed, case_number, #claim); \
    } while (0)

/* --- images --- */

static uint8_t file[FILE_BYTES];
static size_t notes_size;

static void put(size_t at, uint64_t value, size_t bytes)
{
    memcpy(file + at, &value, bytes);
}

static void note(uint32_t type, uint64_t value)
{
    size_t at = NOTES_AT + notes_size;

    put(at, 4, 4);
    put(at + 4, 8, 4);
    put(at + 8, type, 4);
    memcpy(file + at + 12, "Xen", 4);
    put(at + 16, value, 8);
    notes_size += 24;
}

/* A kernel as kernels are: up to three segments, at Linux's, Mini-OS's or some other address; some
 * of the notes. */
static void good_image(void)
{
    static const uint64_t bases[] = { 0, 0x400000, 0xffffffff80000000, 0xffff880000000000 };
    uint64_t base = bases[below(4)], offset = below(2) ? 0 : base, pa = offset + below(16) * MIB,
             first = pa;
    unsigned segments = 1 + (unsigned)below(3);

    memset(file, 0, sizeof(file));
    notes_size = 0;
    memcpy(file, "\177ELF\2\1\1", 7);
    put(16, 2, 2);
    put(18, 62, 2);
    put(32, 64, 8);
    put(54, 56, 2);
    put(56, segments + 1, 2);
    for (unsigned i = 0; i < segments; i++) {
        size_t at = 64 + 56 * i;
        uint64_t size = 1 + below(512), memory = size + below(8 * MIB);

        put(at, 1, 4);
        put(at + 8, below(FILE_BYTES - size), 8);
        put(at + 24, pa, 8);
        put(at + 32, size, 8);
        put(at + 40, memory, 8);
        pa = (pa + memory + PAGE - 1) / PAGE * PAGE;
    }
    put(24, first - offset + base, 8);
    note(3, base);
    note(4, offset);
    note(1, first - offset + base);
    if (below(2))
        note(2, first - offset + base);
    if (below(2))
        note(15, 0x8000000000);
    note(16, below(2));
    put(64 + 56 * segments, 4, 4);
    put(64 + 56 * segments + 8, NOTES_AT, 8);
    put(64 + 56 * segments + 32, notes_size, 8);
}

/* One number of the ELF header, of a program header or of a note. */
static void spoil(void)
{
    switch (below(4)) {
    case 0:  put(16 + below(48) / 2 * 2, awkward(), 2); break;
    case 1:  put(24 + below(3) * 8, awkward(), 8); break;
    case 2:  put(64 + below(28) * 8, awkward(), 8); break;
    default: put(NOTES_AT + below(notes_size / 4) * 4, awkward(), below(2) ? 8 : 4); break;
    }
    if (!below(6))
        put(NOTES_AT + 24 * below(notes_size / 24) + 16, awkward(), 8);
}

static bool wide_guest_range(wide start, wide end)
{
    return start < end &&
           (end <= GUEST_LOW_END || (start >= GUEST_HIGH_START && end < (wide)1 << 64));
}

static void check_image(const struct image *image, const uint8_t *bytes, size_t size)
{
    ASSERT_THAT(image->virt_base % PAGE == 0);
    ASSERT_THAT(image->virt_base <= image->low && image->low < image->high);
    ASSERT_THAT(wide_guest_range(image->virt_base, image->high));
    ASSERT_THAT(image->entry >= image->low && image->entry < image->high);
    ASSERT_THAT(image->hypercall_page == IMAGE_ABSENT ||
                (image->hypercall_page % PAGE == 0 && image->hypercall_page >= image->low &&
                 image->hypercall_page < image->high));
    ASSERT_THAT(image->init_p2m == IMAGE_ABSENT || image->init_p2m % PAGE == 0);
    ASSERT_THAT(image->segment_count >= 1 && image->segment_count <= IMAGE_MAX_SEGMENTS);
    for (unsigned i = 0; i < image->segment_count; i++) {
        const struct image_segment *s = &image->segment[i];

        ASSERT_THAT(s->file_size <= s->memory_size && s->file_size <= size);
        ASSERT_THAT(s->bytes >= bytes && s->bytes <= bytes + (size - s->file_size));
        ASSERT_THAT(s->va >= image->low && (wide)s->va + s->memory_size <= image->high);
    }
}

/* --- layouts --- */

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* How many page tables two ranges need, by writing down which and counting those that differ. 0:
 * too many to do so. */
static uint64_t tables_needed(const uint64_t start[2], const uint64_t end[2])
{
    static uint64_t which[1 << 14];
    uint64_t total = 1;

    for (unsigned shift = 21; shift <= 39; shift += 9) {
        size_t count = 0;

        for (unsigned r = 0; r < 2; r++)
            for (uint64_t i = start[r] >> shift; start[r] < end[r] && i <= (end[r] - 1) >> shift;
                 i++) {
                if (count == sizeof(which) / sizeof(which[0])) return 0;
                which[count++] = i;
            }
        qsort(which, count, sizeof(which[0]), by_value);
        for (size_t i = 0; i < count; i++)
            total += i == 0 || which[i] != which[i - 1];
    }
    return total;
}

/* Things at consecutive places of the region: each begins where or after the last one ended. */
static void check_row(const struct layout *l, wide at, const uint64_t things[][2], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!things[i][1])
            continue;
        ASSERT_THAT(things[i][0] % PAGE == 0 && things[i][0] >= at);
        at = (wide)things[i][0] + (wide)things[i][1] * PAGE;
    }
    ASSERT_THAT(at + 512 * 1024 <= l->end);
}

static void check_layout(const struct image *image, uint64_t ramdisk, uint64_t pages,
                         const struct layout *l, uint64_t needed)
{
    bool own = image->init_p2m != IMAGE_ABSENT;
    uint64_t region = (l->end - l->base) / PAGE, counted;
    uint64_t mapped_ramdisk = image->module_by_pfn ? 0 : l->ramdisk_pages;
    const uint64_t row[][2] = {
        { l->ramdisk_va, mapped_ramdisk },
        { l->p2m_va, own ? 0 : l->p2m_pages },
        { l->start_info, 1 },
        { l->store, 1 },
        { l->console, 1 },
        { l->tables, l->table_count },
        { l->stack, 1 },
    };

    ASSERT_THAT(wide_guest_range(l->base, l->end) && l->base == image->virt_base &&
                (l->end - l->base) % (4 * MIB) == 0);
    ASSERT_THAT((wide)l->p2m_pages * PAGE >= (wide)pages * 8 &&
                (wide)l->ramdisk_pages * PAGE >= ramdisk);
    check_row(l, image->high, row, sizeof(row) / sizeof(row[0]));
    ASSERT_THAT(l->pages == pages && needed <= pages && region <= needed);
    if (own) {
        wide end = (wide)l->p2m_va + (wide)l->p2m_pages * PAGE;

        ASSERT_THAT(l->p2m_va == image->init_p2m && wide_guest_range(l->p2m_va, end));
        ASSERT_THAT(end <= l->base || l->p2m_va >= l->end);
        ASSERT_THAT(l->p2m_pfn >= region);
    } else {
        ASSERT_THAT(l->p2m_pfn == layout_pfn(l, l->p2m_va));
    }
    ASSERT_THAT((wide)l->p2m_pfn + l->p2m_pages <= pages);
    if (image->module_by_pfn && l->ramdisk_pages)
        ASSERT_THAT(l->ramdisk_pfn >= region + (own ? l->p2m_pages : 0) &&
                    (wide)l->ramdisk_pfn + l->ramdisk_pages <= pages);
    counted = tables_needed((uint64_t[]){ l->base, own ? l->p2m_va : 0 },
                            (uint64_t[]){ l->end, own ? l->p2m_va + l->p2m_pages * PAGE : 0 });
    ASSERT_THAT(!counted || counted == l->table_count);
}

/* --- one case --- */

static void lay_out(const struct image *image, bool ordinary)
{
    uint64_t pages = ordinary ? 128 * 256 : below(3) ? below(1 << 20) : awkward();
    uint64_t ramdisk = ordinary ? below(4 * MIB) : below(3) ? below(1 << 20) : awkward();
    struct layout layout;
    uint64_t needed = 0;

    int error = layout_make(image, ramdisk, pages, &layout, &needed);

    if (!error)
        check_layout(image, ramdisk, pages, &layout, needed);
    ASSERT_THAT(!error || error == -ENOMEM || *layout.why);
    ASSERT_THAT(error != -ENOMEM || needed > pages);
    ASSERT_THAT(!error || !ordinary);
    laid_out += !error;
    if (error && error != -ENOMEM) return;
    /* As much as is needed, a page more, a page less. */
    pages = needed + below(3) - 1;
    error = layout_make(image, ramdisk, pages, &layout, &needed);
    if (!error)
        check_layout(image, ramdisk, pages, &layout, needed);
    ASSERT_THAT(error != -ENOMEM || needed > pages);
}

static void one_case(void)
{
    unsigned faults = (unsigned)below(4);       /* None in one of four. */
    size_t size = FILE_BYTES;
    struct image image;
    const char *why = NULL;
    uint8_t *exact;
    int error;

    good_image();
    for (unsigned i = 0; i < faults; i++)
        spoil();
    if (faults && !below(8))
        size = below(FILE_BYTES);
    /* The last note ends behind the notes, and behind the file. */
    if (faults && !below(8)) {
        size = NOTES_AT + notes_size - below(24);
        put(64 + 56 * (file[56] - 1u) % 512 + 32, size - NOTES_AT, 8);
    }
    exact = malloc(size ? size : 1);            /* ASan knows where it ends. */
    memcpy(exact, file, size);
    error = image_parse(exact, size, &image, &why);
    if (!error)
        check_image(&image, exact, size);
    ASSERT_THAT(!error || (faults && why && *why));
    accepted += !error;
    if (!error) {
        lay_out(&image, !faults);
        lay_out(&image, false);
    }
    free(exact);
}

static void too_long(int number)
{
    fprintf(stderr, "seed %lu, case %u: does not end\n", (unsigned long)seed, case_number);
    _exit(1);
}

static void round_of_cases(void)
{
    state = seed * 0x9e3779b97f4a7c15ull | 1;
    for (case_number = 0; case_number < CASES; case_number++) {
        if (case_number % 1000 == 0)
            cpu_alarm(60);
        one_case();
    }
    cpu_alarm(0);
}

static void builders_survive_what_kernels_say(void **unused)
{
    const char *first = getenv("DOMUS_FUZZ_SEED"), *seconds = getenv("DOMUS_FUZZ_SECONDS");
    time_t end = time(NULL) + (seconds ? atol(seconds) : 0);
    unsigned rounds = 0;

    signal(SIGPROF, too_long);
    seed = first ? strtoul(first, NULL, 0) : 1;
    for (; rounds < ROUNDS || time(NULL) < end; rounds++, seed++)
        round_of_cases();
    print_message("seeds %lu to %lu: %u images accepted, %u laid out\n",
                  (unsigned long)(seed - rounds), (unsigned long)(seed - 1), accepted, laid_out);
    assert_true(accepted > rounds * CASES / 4 && laid_out > rounds * CASES / 4);
}

/* A note each 12 bytes, and a header that says "all of the file is notes" as often as there is
 * room: that many squared. */
static void notes_by_the_million_end(void **unused)
{
    size_t size = 4u << 20;
    unsigned headers = 60000;
    uint8_t *bytes = calloc(1, size);
    struct image image;
    const char *why;

    signal(SIGPROF, too_long);
    cpu_alarm(20);
    good_image();
    memcpy(bytes, file, 64);
    memcpy(bytes + 56, &(uint16_t){ (uint16_t)headers }, 2);
    for (unsigned i = 0; i < headers; i++) {
        bytes[64 + 56 * i] = 4;
        memcpy(bytes + 64 + 56 * i + 8, &(uint64_t){ 64 + 56ull * headers }, 8);
        memcpy(bytes + 64 + 56 * i + 32, &(uint64_t){ size - 64 - 56ull * headers }, 8);
    }
    assert_int_equal(image_parse(bytes, size, &image, &why), -ENOEXEC);
    assert_non_null(strstr(why, "more than 4096 notes"));
    cpu_alarm(0);
    free(bytes);
}

static void sums_that_do_not_fit_stay_beyond(void **unused)
{
    assert_true(sum_of(BEYOND - 1, 1) == BEYOND && sum_of(BEYOND, 1) == BEYOND &&
                sum_of(1ull << 63, 1ull << 63) == BEYOND);
    assert_true(product_of(1ull << 32, 1ull << 32) == BEYOND && product_of(BEYOND, 2) == BEYOND &&
                product_of(3, 5) == 15);
    assert_true(rounded_up(BEYOND, 4096) == BEYOND && rounded_up(BEYOND - 4094, 4096) == BEYOND);
    assert_true(rounded_up(4096, 4096) == 4096 && rounded_up(4097, 4096) == 8192 &&
                rounded_up(0, 4096) == 0);
    assert_true(lies_within(4, 4, 8) && !lies_within(4, 5, 8) && !lies_within(BEYOND, 1, BEYOND) &&
                lies_within(8, 0, 8));
    assert_true(guest_may_map(GUEST_LOW_END - 4096, 4096) &&
                !guest_may_map(GUEST_LOW_END - 4096, 4097));
    assert_true(guest_may_map(GUEST_HIGH_START, 4096) &&
                !guest_may_map(GUEST_HIGH_START - 1, 4096));
    assert_true(!guest_may_map(-4096ull, 4096) && guest_may_map(-8192ull, 4096) &&
                !guest_may_map(0, 1ull << 63));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(builders_survive_what_kernels_say),
        cmocka_unit_test(sums_that_do_not_fit_stay_beyond),
        cmocka_unit_test(notes_by_the_million_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
