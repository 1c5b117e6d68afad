/* SPDX-License-Identifier: MIT */
/*
 * A guest that is sent while it runs, on the machine that is played (save_host.h): what it writes,
 * when and where it gives pages back, takes others, makes page tables of them, and says what is not
 * so, changes nothing in what comes there. And how long it goes on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include "dom0/save/digest.h"
#include "save_host.h"
#include "random.h"

unsigned allocations_until_failure;

#define COUNT 60u
#define TABLES 5u                       /* Of a guest with COUNT pages: one of two L1s is empty. */
#define HOLES 10u
#define MANY 400u

static uint32_t random_below(uint32_t limit)
{
    return (uint32_t)(random_word() >> 32) % limit;
}

static struct saver *saver;
static struct save_rounds rounds;
static int stop;                        /* What is answered to who asks whether to go on. */
static unsigned looks;

static int look(struct save_watch *watch, struct problem *why)
{
    looks++;
    return stop ? problem_set(why, stop, "it was stopped") : 0;
}

static struct save_watch watch = { look };

static int begin(void)
{
    size = pieces = 0;
    problem.text[0] = 0;
    return saver_begin(&guest, &tape, config, strlen(config), &watch, &saver, &problem);
}

static void end(void)
{
    saver_end(saver);
    saver = NULL;
    assert_null(mappings);
}

static int over(void)
{
    return saver_round(saver, &rounds);
}

static uint64_t *page_of(unsigned pfn)
{
    return (uint64_t *)(void *)ram[frame_of_pfn(pfn)];
}

static void make(unsigned pages)
{
    make_guest(pages);
    for (unsigned pfn = 0; pfn < LIST; pfn++)
        if (pfn < ROOT || pfn > L1 + 1)
            page_of(pfn)[0] = 1;        /* None is empty. */
    guest.pages = pages - HOLES;
    guest.room = 1u << 20;
    guest.seed = 5;
}

static int set_up_guest(void **state)
{
    map_fails = allocations_until_failure = 0;
    stop = 0;
    may_have = 600;
    make(COUNT);
    return 0;
}

/* --- what came --- */

static uint8_t before[PAGES][SAVE_PAGE];
static unsigned long old_frame[PAGES];  /* Of each page, at the end; 0: none. */

static uint64_t pfn_of_old(uint64_t mfn)
{
    for (unsigned long pfn = 0; pfn < pages_of_guest; pfn++)
        if (old_frame[pfn] == mfn) return pfn;
    return ABSENT;
}

static void page_came(unsigned long pfn, const unsigned long new_frame[PAGES], unsigned level)
{
    const uint64_t *was = (const uint64_t *)(const void *)before[pfn];
    const uint64_t *is = (const uint64_t *)(const void *)ram[new_frame[pfn]];

    for (unsigned i = 0; i < ENTRIES; i++) {
        uint64_t to = pfn_of_old((was[i] & ENTRY_FRAME) >> 12), want = was[i];

        if (slot_is_ours(level, i))
            want = 0;
        else if (level && was[i] & ENTRY_PRESENT)
            want = (was[i] & ~ENTRY_FRAME) | new_frame[to] << 12;
        assert_int_equal(is[i], want);
    }
}

/* It stands still; then it is there as it was here. */
static void arrives(void)
{
    static unsigned long new_frame[PAGES];
    static unsigned level[PAGES];
    unsigned long owned = 0;

    for (unsigned long pfn = 0; pfn < pages_of_guest; pfn++) {
        old_frame[pfn] = new_frame[pfn] = level[pfn] = 0;
        for (unsigned long mfn = 0; mfn < FRAMES; mfn++)
            if (frame[mfn].owned && frame[mfn].pfn == pfn)
                old_frame[pfn] = mfn;
        if (!old_frame[pfn])
            continue;
        owned++;
        level[pfn] = page_level(frame[old_frame[pfn]].type);
        memcpy(before[pfn], ram[old_frame[pfn]], SAVE_PAGE);
    }
    assert_int_equal(saver_finish(saver, &rounds), 0);
    end();
    assert_int_equal(restore(), 0);
    assert_true(at == size && populated == owned);
    for (unsigned long mfn = 700; mfn < next_frame; mfn++)
        if (frame[mfn].owned)
            new_frame[frame[mfn].pfn] = mfn;
    for (unsigned long pfn = 0; pfn < pages_of_guest; pfn++) {
        assert_int_equal(!new_frame[pfn], !old_frame[pfn]);
        if (old_frame[pfn] && (pfn < LIST || pfn > START))      /* These are written there. */
            page_came(pfn, new_frame, level[pfn]);
    }
}

/* --- rounds --- */

static void what_does_not_change_goes_once(void **state)
{
    size_t once;

    assert_int_equal(begin(), 0);
    assert_int_equal(over(), 0);
    assert_true(rounds.number == 1 && rounds.sent == COUNT - HOLES - TABLES &&
                rounds.total == rounds.sent && rounds.pages == COUNT - HOLES);
    once = size;
    assert_int_equal(over(), 0);
    assert_true(rounds.number == 2 && rounds.sent == 0 && rounds.before == COUNT - HOLES - TABLES);
    assert_int_equal(size, once);       /* Not even that there are holes. */
    assert_true(looks == 2);
    arrives();
    assert_true(rounds.number == 3 && rounds.sent == TABLES &&
                rounds.total == COUNT - HOLES);
}

static void what_changes_goes_again(void **state)
{
    assert_int_equal(begin(), 0);
    assert_int_equal(over(), 0);
    page_of(40)[511]++;
    page_of(59)[0] ^= 1ul << 63;
    assert_int_equal(over(), 0);
    assert_int_equal(rounds.sent, 2);
    assert_int_equal(over(), 0);
    assert_int_equal(rounds.sent, 0);
    page_of(40)[511]--;                 /* As it was once, and is not there. */
    arrives();
    assert_int_equal(rounds.sent, TABLES + 1);
}

/* What is empty is said to be there; what was not, and is, is sent. */
static void empty_pages(void **state)
{
    for (unsigned pfn = 40; pfn < 44; pfn++)
        memset(page_of(pfn), 0, SAVE_PAGE);
    assert_int_equal(begin(), 0);
    assert_int_equal(over(), 0);
    assert_int_equal(rounds.sent, COUNT - HOLES - TABLES - 4);
    page_of(41)[0] = 1;
    assert_int_equal(over(), 0);
    assert_int_equal(rounds.sent, 1);
    page_of(41)[0] = 0;
    page_of(42)[511] = 1;
    memset(page_of(50), 0, SAVE_PAGE);
    arrives();
    assert_int_equal(rounds.sent, TABLES + 3);
    set_up_guest(NULL);
    memset(page_of(40), 0, SAVE_PAGE);
    assert_int_equal(save(), 0);        /* A file says all. */
    assert_in_range(size, (COUNT - HOLES) * SAVE_PAGE, (COUNT - HOLES + 4) * SAVE_PAGE);
}

/* Between the look and the sending. */
static void (*write_tape)(void);

static int tape_write_and(struct tape *to, const void *from, size_t count)
{
    if (write_tape && count < SAVE_PAGE)
        write_tape();
    return tape_write(to, from, count);
}

static void write_mapped(void)
{
    for (const struct mapping *m = mappings; m; m = m->next)
        for (unsigned i = 0; i < m->count && m->count > 1; i++)
            if (frame[m->mfn[i]].pfn == 45) {
                m->at[i * (size_t)SAVE_PAGE + 8]++;
                ram[m->mfn[i]][9]++;
            }
}

static void what_changes_while_it_is_looked_at(void **state)
{
    write_tape = write_mapped;
    tape.write = tape_write_and;
    assert_int_equal(begin(), 0);
    assert_int_equal(over(), 0);
    write_tape = NULL;
    assert_int_equal(over(), 0);
    assert_int_equal(rounds.sent, 1);
    arrives();
    tape.write = tape_write;
    assert_int_equal(rounds.sent, TABLES);
}

/* --- types --- */

static void pages_become_tables(void **state)
{
    assert_int_equal(begin(), 0);
    assert_int_equal(over(), 0);
    memset(page_of(50), 0, SAVE_PAGE);
    page_of(50)[3] = entry_of(51);
    assert_int_equal(over(), 0);
    assert_int_equal(rounds.sent, 1);
    set_table(50, 1, true);
    assert_int_equal(over(), 0);
    assert_int_equal(rounds.sent, 0);
    arrives();
    assert_int_equal(rounds.sent, TABLES + 1);
    assert_int_equal(pins, 2);
}

static void tables_become_pages(void **state)
{
    set_table(50, 1, true);
    memset(page_of(50), 0, SAVE_PAGE);
    page_of(50)[3] = entry_of(51);
    assert_int_equal(begin(), 0);
    assert_int_equal(over(), 0);
    assert_int_equal(rounds.sent, COUNT - HOLES - TABLES - 1);
    frame[frame_of_pfn(50)].type = 0;
    frame[frame_of_pfn(50)].typed = false;
    assert_int_equal(over(), 0);
    assert_int_equal(rounds.sent, 1);
    arrives();
    assert_true(rounds.sent == TABLES && pins == 1);
}

/* --- pages that go and come --- */

static void give_back(unsigned pfn)
{
    frame[frame_of_pfn(pfn)].owned = false;
    table(L1)[pfn] = 0;
    table(LIST)[pfn] = ~0ul;
}

static void take(unsigned pfn, unsigned long mfn, int contents)
{
    give(mfn, pfn);
    memset(ram[mfn], contents, SAVE_PAGE);
    table(LIST)[pfn] = mfn;
}

static void pages_go(void **state)
{
    assert_int_equal(begin(), 0);
    assert_int_equal(over(), 0);
    give_back(50);
    assert_int_equal(over(), 0);
    give_back(COUNT - 1);
    arrives();
    assert_int_equal(released, 2);
}

static void pages_come(void **state)
{
    assert_int_equal(begin(), 0);
    take(HOLE, 650, 1);
    assert_int_equal(over(), 0);
    give_back(50);
    assert_int_equal(over(), 0);
    take(50, 651, 150);                 /* again, elsewhere, with what it had */
    take(HOLE + 1, 652, 3);
    arrives();
    assert_int_equal(released, 1);
}

static void many_go(void **state)
{
    make(400);
    assert_int_equal(begin(), 0);
    assert_int_equal(over(), 0);
    for (unsigned pfn = 200; pfn < 200 + 65; pfn++)     /* more than are in a record */
        give_back(pfn);
    assert_int_equal(over(), 0);
    arrives();
    assert_int_equal(released, 65);
}

/* --- what is not as it is said to be --- */

static void a_p2m_that_lies(void **state)
{
    uint64_t was = table(LIST)[50];

    assert_int_equal(begin(), 0);
    table(LIST)[50] = 1900;             /* nobody's: while it runs, that may be just so */
    assert_int_equal(over(), 0);
    table(LIST)[50] = frame_of_pfn(51);
    assert_int_equal(over(), 0);
    assert_int_equal(rounds.total, COUNT - HOLES - TABLES - 1 + 1);     /* and the p2m's */
    table(L1)[50] = 0;
    assert_true(saver_finish(saver, &rounds) < 0);
    assert_non_null(strstr(problem.text, "lies about its page 32"));
    end();
    set_up_guest(NULL);
    assert_int_equal(begin(), 0);
    table(LIST)[50] = 1900;
    assert_int_equal(over(), 0);
    table(LIST)[50] = was;
    arrives();
}

/* The saver's own look at it: the machine that is played shows copies. */
static struct shared_info *shared_now(void)
{
    for (const struct mapping *m = mappings; m; m = m->next)
        if (m->mfn[0] == SHARED) return (void *)m->at;
    fail_msg("the shared page is not mapped");
    return NULL;
}

static void a_p2m_that_moves(void **state)
{
    assert_int_equal(begin(), 0);
    assert_int_equal(over(), 0);
    memcpy(page_of(45), table(LIST), SAVE_PAGE);
    shared_now()->arch.p2m_vaddr = BASE + 45 * SAVE_PAGE;
    assert_int_equal(saver_finish(saver, &rounds), 0);
    end();
    assert_int_equal(restore(), 0);
    for (unsigned long mfn = 700; mfn < next_frame; mfn++)
        if (frame[mfn].pfn == 45)
            assert_in_range(((const uint64_t *)(const void *)ram[mfn])[59], 700, next_frame - 1);
    set_up_guest(NULL);
    assert_int_equal(begin(), 0);
    shared_now()->arch.max_pfn++;
    assert_true(over() < 0);
    assert_non_null(strstr(problem.text, "changed the size of its p2m"));
    end();
    set_up_guest(NULL);
    ((struct shared_info *)ram[SHARED])->arch.p2m_cr3 = 0;
    assert_true(begin() < 0);
    end();
}

/* A page that has just been given back, among others. */
static void pages_that_cannot_be_mapped(void **state)
{
    assert_int_equal(begin(), 0);
    map_fails = 6;                      /* Behind the p2m's. */
    assert_int_equal(over(), 0);
    assert_true(map_fails == 0 && rounds.sent == 0);
    assert_int_equal(over(), 0);
    assert_int_equal(rounds.sent, COUNT - HOLES - TABLES);
    map_fails = 6;
    assert_true(saver_finish(saver, &rounds) < 0);
    assert_non_null(strstr(problem.text, "memory cannot be mapped"));
    end();
}

/* --- what ends it --- */

static void somebody_stops_it(void **state)
{
    assert_int_equal(begin(), 0);
    stop = -EAGAIN;
    assert_int_equal(over(), -EAGAIN);
    assert_string_equal(problem.text, "it was stopped");
    end();
    stop = 0;
    assert_int_equal(begin(), 0);
    assert_int_equal(over(), 0);
    stop = -EAGAIN;                     /* While it stands still, too. */
    assert_int_equal(saver_finish(saver, &rounds), -EAGAIN);
    end();
}

static void too_little_memory(void **state)
{
    guest.room = COUNT * (sizeof(struct digest) + 8) - 1;       /* and the p2m */
    assert_int_equal(begin(), -ENOMEM);
    assert_non_null(strstr(problem.text, "without --live it needs less"));
    end();
    assert_int_equal(save(), 0);
    guest.room++;
    assert_int_equal(begin(), 0);
    end();
    for (unsigned nth = 1, error = 1; error; nth++) {
        set_up_guest(NULL);
        allocations_until_failure = nth;
        error = begin() != 0;
        assert_true(!error || problem.text[0]);
        assert_int_equal(error, allocations_until_failure == 0);
        end();
    }
}

static void the_tape_breaks(void **state)
{
    size_t whole = 0;

    for (room = 0; room <= whole || !whole; room += 977) {
        int error;

        set_up_guest(NULL);
        error = begin();
        error = error ? error : over();
        page_of(40)[0]++;
        error = error ? error : over();
        error = error ? error : saver_finish(saver, &rounds);
        whole = error ? whole : size;
        assert_true(!error || strstr(problem.text, "too little room"));
        end();
    }
    room = 1u << 23;
}

/* --- how long it goes on --- */

static void when_it_is_enough(void **state)
{
    static const struct { struct save_rounds rounds; bool done; } rows[] = {
        { { 10000, 1, 10000, 0, 10000 }, false },
        { { 10000, 1, 64, 0, 64 }, true }, { { 10000, 1, 65, 0, 65 }, false },
        { { 1u << 20, 1, 2048, 0, 2048 }, true }, { { 1u << 20, 1, 2049, 0, 2049 }, false },
        { { 10000, 2, 7500, 10000, 17500 }, false }, { { 10000, 2, 7501, 10000, 17501 }, true },
        { { 10000, 3, 300, 400, 10700 }, false }, { { 10000, 3, 301, 400, 10701 }, true },
        { { 10000, 3, 2000, 9000, 20000 }, false }, { { 10000, 3, 2001, 9000, 20001 }, true },
        { { 10000, 7, 100, 1000, 15000 }, false }, { { 10000, 8, 100, 1000, 15000 }, true },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
        assert_int_equal(save_rounds_done(&rows[i].rounds), rows[i].done);
}

/* Of all that it writes, the most that may be; and that is no more than is taken. */
static void one_that_writes_all_the_time(void **state)
{
    unsigned most_rounds = 0;

    make(MANY);
    assert_int_equal(begin(), 0);
    do {
        for (unsigned pfn = 30; pfn < MANY; pfn++)
            page_of(pfn)[7]++;
        assert_int_equal(over(), 0);
        rounds.before = 2 * rounds.sent;        /* As if it were always about to end. */
        assert_true(++most_rounds < 10);
    } while (!save_rounds_done(&rounds));
    for (unsigned pfn = 30; pfn < MANY; pfn++)
        page_of(pfn)[7]++;
    assert_int_equal(most_rounds, 3);
    arrives();
    assert_in_range(rounds.total, 3 * MANY, SAVE_TIMES * (MANY - HOLES));
}

/* Whatever it does between two rounds. */
static void at_random(void **state)
{
    random_state = 1;
    for (unsigned trial = 0; trial < 60; trial++) {
        unsigned next = 602;

        set_up_guest(NULL);
        assert_int_equal(begin(), 0);
        for (unsigned n = random_below(4) + 1; n; n--) {
            for (unsigned k = random_below(30); k; k--) {
                unsigned pfn = 30 + random_below(30);

                if (table(LIST)[pfn] == ~0ul)
                    take(pfn, next++, (int)random_below(256));
                else if (random_below(3) == 0)
                    frame[table(LIST)[pfn]].owned = false, table(L1)[pfn] = 0,
                    table(LIST)[pfn] = ~0ul;
                else
                    ram[table(LIST)[pfn]][random_below(SAVE_PAGE)] = (uint8_t)random_below(256);
            }
            if (n > 1)
                assert_int_equal(over(), 0);
        }
        arrives();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_does_not_change_goes_once, set_up_guest),
        cmocka_unit_test_setup(what_changes_goes_again, set_up_guest),
        cmocka_unit_test_setup(empty_pages, set_up_guest),
        cmocka_unit_test_setup(what_changes_while_it_is_looked_at, set_up_guest),
        cmocka_unit_test_setup(pages_become_tables, set_up_guest),
        cmocka_unit_test_setup(tables_become_pages, set_up_guest),
        cmocka_unit_test_setup(pages_go, set_up_guest),
        cmocka_unit_test_setup(pages_come, set_up_guest),
        cmocka_unit_test_setup(many_go, set_up_guest),
        cmocka_unit_test_setup(a_p2m_that_lies, set_up_guest),
        cmocka_unit_test_setup(a_p2m_that_moves, set_up_guest),
        cmocka_unit_test_setup(pages_that_cannot_be_mapped, set_up_guest),
        cmocka_unit_test_setup(somebody_stops_it, set_up_guest),
        cmocka_unit_test_setup(too_little_memory, set_up_guest),
        cmocka_unit_test_setup(the_tape_breaks, set_up_guest),
        cmocka_unit_test_setup(when_it_is_enough, set_up_guest),
        cmocka_unit_test_setup(one_that_writes_all_the_time, set_up_guest),
        cmocka_unit_test_setup(at_random, set_up_guest),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
