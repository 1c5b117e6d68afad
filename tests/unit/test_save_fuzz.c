/* SPDX-License-Identifier: MIT */
/*
 * Saved guests that lie, by structured fuzzing: a good one whose records are changed, left out, put
 * in twice and in other places, with awkward numbers where numbers are, in page tables, too. It is
 * taken or refused with a sentence; nothing stays mapped or allocated, no frame is mapped that is
 * not the guest's (save_host.h), and it ends.
 *
 * Deterministic: seeds 1, 2, 3, ... DOMUS_FUZZ_SEED=N begins elsewhere (a failure says where),
 * DOMUS_FUZZ_SECONDS=N goes on for that long.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>
#include "cpu_alarm.h"
#include "random.h"
#include "save_host.h"

#define ROUNDS 1500u
#define COUNT 60u                       /* Of the guest's pages. */
#define RECORDS (52 + sizeof(config) - 1 + 16 + 8 + 24 + 16)    /* The first of libxc's. */
#define MOST_RECORDS 64u

static uint8_t *whole;
static size_t length, begins[MOST_RECORDS + 1];
static unsigned records, taken;
static uint64_t seed;

static uint64_t below(uint64_t limit)
{
    return random_word() % limit;
}

static uint64_t awkward(void)
{
    static const uint64_t edges[] = { 0, 1, ROOT, L1, LIST, STORE, COUNT, 600, 1024, 4096, 8192,
                                      FEW_PFNS, 1ul << 20, MOST_PFNS, 1ul << 32, 1ul << 52 };

    switch (below(4)) {
    case 0: return random_word();
    case 1: return 1ul << below(64);
    default: return edges[below(ARRAY_SIZE(edges))] + below(3) - 1;
    }
}

static void find_records(void)
{
    struct save_record record;

    records = 0;
    for (size_t place = RECORDS; place + sizeof(record) <= length && records < MOST_RECORDS; ) {
        memcpy(&record, whole + place, sizeof(record));
        begins[records++] = place;
        place += sizeof(record) + record.size + RECORD_PADDING(record.size);
    }
    begins[records] = length;
}

static void append(unsigned record)
{
    size_t more = begins[record + 1] - begins[record];

    if (more > room - size) return;
    memcpy(bytes + size, whole + begins[record], more);
    size += more;
}

/* The records, some not, some twice, some elsewhere. */
static void put_together(void)
{
    unsigned odd = below(3) ? MOST_RECORDS : (unsigned)below(records);

    memcpy(bytes, whole, size = RECORDS);
    for (unsigned i = 0; i < records; i++) {
        if (i == odd && below(2))
            continue;
        if (i == odd)
            append((unsigned)below(records));
        append(i);
    }
}

/* A number of the beginning of a record, of its pages' words, of a page, or anywhere. */
static void spoil(void)
{
    size_t place = below(8) ? begins[below(records)] : RECORDS - below(RECORDS), width = 8;
    uint64_t value = awkward();

    switch (below(4)) {
    case 0: place += 8 * below(8); break;
    case 1: place += 4 * below(4), width = 4; break;
    case 2: place += 16 + 8 * below(COUNT * (1 + ENTRIES)); break;
    default: place += below(64), width = 1; break;
    }
    if (place + width > size) return;
    if (!below(3)) {                    /* near what was there */
        memcpy(&value, bytes + place, width);
        value += below(5) - 2;
    }
    memcpy(bytes + place, &value, width);
}

static void one_case(void)
{
    put_together();
    for (uint64_t i = below(5); i > 0; i--)
        spoil();
    if (!below(10))
        size -= below(size);
    taken += !restore();
}

static void whatever_they_say(void **state)
{
    const char *first = getenv("DOMUS_FUZZ_SEED"), *seconds = getenv("DOMUS_FUZZ_SECONDS");
    time_t until = seconds ? time(NULL) + atol(seconds) : 0;
    unsigned round = 0;

    seed = first ? strtoul(first, NULL, 10) : 1;
    make_guest(COUNT);
    assert_int_equal(save(), 0);
    whole = malloc(length = size);
    memcpy(whole, bytes, length);
    find_records();
    for (; until ? time(NULL) < until : round < ROUNDS; round++, seed++) {
        random_state = seed * 0x9e3779b97f4a7c15ul;
        cpu_alarm(60);
        one_case();
    }
    cpu_alarm(0);
    free(whole);
    print_message("%u saved guests, of which %u are taken\n", round, taken);
    assert_true(taken > round / 10 && taken < round * 3 / 4);
}

static int say_seed(void **state)
{
    print_message("the last seed was %lu\n", (unsigned long)seed);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test_teardown(whatever_they_say, say_seed) };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
