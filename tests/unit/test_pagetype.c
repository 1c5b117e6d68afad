/* SPDX-License-Identifier: MIT */
/*
 * Page types: the transitions of one frame keep I1 to I4 whatever is asked in whatever order. First
 * the rules one by one, then a model: a small machine of frames that point to each other, driven at
 * random with stops in the middle of every walk, where a second, obvious bookkeeping (lists of who
 * refers to whom) has to agree with the counters after every step.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>
#include "memory/pagetype.h"

static struct domain_memory *const owner = (struct domain_memory *)0x1000;

static struct frame fresh(void)
{
    struct frame f = { 0 };

    pt_allocate(&f, owner);
    return f;
}

/* ---- the rules ---- */

static void a_frame_of_nobody_gives_no_references(void **state)
{
    struct frame f = { 0 };

    assert_false(pt_get(&f));
    assert_int_equal(pt_get_type(&f, FRAME_WRITABLE), PT_REFUSED);
    assert_int_equal(f.state, 0);
}

static void one_type_at_a_time(void **state)
{
    for (enum frame_type t = FRAME_L1; t <= FRAME_READONLY; t++)
        for (enum frame_type other = FRAME_L1; other <= FRAME_READONLY; other++) {
            struct frame f = fresh();
            uint64_t before;

            assert_int_equal(pt_get_type(&f, t), PT_NEW);
            pt_commit(&f);
            before = f.state;
            assert_int_equal(pt_get_type(&f, other), t == other ? PT_OK : PT_REFUSED);
            if (t != other)
                assert_int_equal(f.state, before);
        }
}

static void writable_memory_changes_type_only_at_zero(void **state)
{
    struct frame f = fresh();

    assert_int_equal(pt_get_type(&f, FRAME_WRITABLE), PT_NEW);
    pt_commit(&f);
    assert_int_equal(pt_get_type(&f, FRAME_WRITABLE), PT_OK);
    assert_int_equal(pt_put_type(&f, 7), PT_OK);
    assert_int_equal(pt_get_type(&f, FRAME_L1), PT_REFUSED);
    assert_int_equal(pt_put_type(&f, 9), PT_OK);
    /* when the last writer went: older TLBs are stale */
    assert_int_equal(f.flush_stamp, 9);
    assert_int_equal(pt_get_type(&f, FRAME_WRITABLE), PT_OK);   /* as it was: nothing to flush */
    assert_int_equal(pt_put_type(&f, 11), PT_OK);
    assert_int_equal(pt_get_type(&f, FRAME_L1), PT_NEW);
    assert_int_equal(f.flush_stamp, 11);
}

static void descriptors_stay_checked_until_written(void **state)
{
    struct frame f = fresh();

    assert_int_equal(pt_get_type(&f, FRAME_SEGDESC), PT_NEW);
    pt_commit(&f);
    assert_int_equal(pt_put_type(&f, 1), PT_OK);
    assert_int_equal(pt_get_type(&f, FRAME_SEGDESC), PT_OK);
    assert_int_equal(pt_put_type(&f, 2), PT_OK);
    assert_int_equal(pt_get_type(&f, FRAME_WRITABLE), PT_NEW);
    pt_commit(&f);
    assert_int_equal(pt_put_type(&f, 3), PT_OK);
    /* somebody may have written: look again */
    assert_int_equal(pt_get_type(&f, FRAME_SEGDESC), PT_NEW);
    assert_int_equal(pt_reject(&f, 4), PT_OK);
    /* what was rejected is not remembered as checked */
    assert_int_equal(pt_get_type(&f, FRAME_SEGDESC), PT_NEW);
}

static void a_parked_table_belongs_to_the_next_who_asks(void **state)
{
    struct frame f = fresh();
    uint64_t parked;

    assert_int_equal(pt_get_type(&f, FRAME_L3), PT_NEW);
    f.cursor = 17;
    parked = f.state;
    assert_true(frame_is_parked(&f));
    assert_int_equal(pt_get_type(&f, FRAME_WRITABLE), PT_REFUSED);
    assert_int_equal(pt_get_type(&f, FRAME_L3), PT_NEW);
    assert_int_equal(f.state, parked);                          /* taken over, not added to */
    assert_int_equal(f.cursor, 17);
    pt_commit(&f);
    assert_false(frame_is_parked(&f));
    assert_int_equal(frame_typed(&f), 1);
    assert_int_equal(frame_total(&f), 2);
}

static void the_last_put_of_a_table_queues_it(void **state)
{
    struct frame f = fresh();

    assert_int_equal(pt_get_type(&f, FRAME_L2), PT_NEW);
    pt_commit(&f);
    assert_int_equal(pt_get_type(&f, FRAME_L2), PT_OK);
    assert_int_equal(pt_put_type(&f, 1), PT_OK);
    assert_int_equal(pt_put_type(&f, 2), PT_UNDO);
    assert_int_equal(f.cursor, 512);
    assert_int_equal(pt_get_type(&f, FRAME_L2), PT_BUSY);
    assert_int_equal(pt_get_type(&f, FRAME_WRITABLE), PT_BUSY);
    assert_int_equal(frame_typed(&f), 1);
    f.cursor = 0;
    assert_int_equal(pt_undone(&f, 3), PT_OK);
    assert_int_equal(frame_typed(&f), 0);
    assert_int_equal(frame_total(&f), 1);
    /* translations through the table may be cached: flush first */
    assert_int_equal(pt_get_type(&f, FRAME_WRITABLE), PT_NEW);
}

static void a_rejected_table_undoes_what_it_took(void **state)
{
    struct frame f = fresh();

    assert_int_equal(pt_get_type(&f, FRAME_L2), PT_NEW);
    assert_int_equal(pt_reject(&f, 1), PT_OK);                  /* nothing taken yet */
    assert_int_equal(frame_typed(&f), 0);
    assert_int_equal(pt_get_type(&f, FRAME_L2), PT_NEW);
    f.cursor = 3;
    assert_int_equal(pt_reject(&f, 2), PT_UNDO);
    assert_int_equal(f.cursor, 3);                              /* three entries to undo, not 512 */
    assert_int_equal(pt_undone(&f, 3), PT_OK);
}

/* Out of the allotment or not: a pin is never taken away by the way (XSA-252). */
static void a_pinned_frame_stays(void **state)
{
    struct frame f = fresh();

    assert_int_equal(pt_get_type(&f, FRAME_L1), PT_NEW);
    pt_commit(&f);
    assert_true(pt_pin(&f));
    assert_false(pt_pin(&f));
    assert_true(pt_release(&f));
    assert_false(pt_release(&f));
    /* the allotment's: the pin still keeps the frame */
    assert_int_equal(pt_put(&f, 2), PT_OK);
    assert_true(pt_unpin(&f));
    assert_false(pt_unpin(&f));
    assert_int_equal(pt_put_type(&f, 1), PT_UNDO);
    assert_int_equal(pt_undone(&f, 3), PT_LAST);
    assert_int_equal(frame_total(&f), 0);
    assert_false(pt_get(&f));
}

static void counters_stop_before_they_wrap(void **state)
{
    struct frame f = fresh();

    f.state = (f.state & ~FRAME_TOTAL_MASK) | (FRAME_TOTAL_MASK - 17);
    assert_true(pt_get(&f));
    assert_false(pt_get(&f));
    assert_int_equal(pt_get_type(&f, FRAME_WRITABLE), PT_FULL);
    assert_int_equal(frame_total(&f), FRAME_TOTAL_MASK - 16);
}

/* Whether a reference was the last one, one count says alone: the other has its bits beside it. */
static void counts_do_not_meet(void **state)
{
    const uint64_t plain = (fresh().state & ~FRAME_TOTAL_MASK) | FRAME_TOTAL_ONE;
    struct frame f = { .state = plain + 3 * FRAME_TYPED_ONE };

    assert_int_equal(pt_put(&f, 1), PT_LAST);
    f.state = plain + 2 * FRAME_TYPED_ONE;
    assert_int_equal(pt_put_type(&f, 1), PT_LAST);
    f.state = plain + 2 * FRAME_TYPED_ONE;
    assert_int_equal(pt_put_plain(&f, 1), PT_LAST);
    f.state = plain + 2 * FRAME_TYPED_ONE;
    assert_int_equal(pt_undone(&f, 1), PT_LAST);
}

/* A type that nobody has made true yet is nobody's to share; only a table half way is to be taken
 * over. */
static void a_type_that_is_not_true_yet(void **state)
{
    struct frame f = fresh();

    assert_int_equal(pt_get_type(&f, FRAME_WRITABLE), PT_NEW);
    assert_int_equal(pt_get_type(&f, FRAME_WRITABLE), PT_BUSY);
    assert_false(pt_get_same(&f, FRAME_WRITABLE));
    assert_false(frame_is_parked(&f));
    assert_int_equal(frame_typed(&f), 1);
    pt_commit(&f);
    assert_true(pt_get_same(&f, FRAME_WRITABLE));
    assert_int_equal(frame_typed(&f), 2);
    assert_int_equal(frame_total(&f), 3);
}

/* Where the last walk stopped is forgotten when a new one begins, and what was rejected has no
 * type. */
static void walks_begin_at_the_beginning(void **state)
{
    struct frame f = fresh();

    f.cursor = 77;
    assert_int_equal(pt_get_type(&f, FRAME_L2), PT_NEW);
    assert_int_equal(f.cursor, 0);
    assert_int_equal(pt_reject(&f, 5), PT_OK);
    assert_int_equal(f.flush_stamp, 5);
    assert_int_equal(frame_type(&f), FRAME_NONE);
    /* descriptor pages have no cursor: nothing is to be undone */
    f.cursor = 77;
    assert_int_equal(pt_get_type(&f, FRAME_SEGDESC), PT_NEW);
    f.cursor = 77;
    assert_int_equal(pt_reject(&f, 6), PT_OK);
    assert_int_equal(frame_type(&f), FRAME_NONE);
    assert_int_equal(frame_typed(&f), 0);
    f.cursor = 77;
    f.owner = NULL;
    pt_allocate(&f, owner);
    assert_int_equal(f.cursor, 0);
    assert_ptr_equal(f.owner, owner);
}

static void parked_is_a_table_half_way_and_nothing_else(void **state)
{
    struct frame f = fresh();

    assert_false(frame_is_parked(&f));
    assert_int_equal(pt_get_type(&f, FRAME_L4), PT_NEW);
    f.cursor = 9;
    assert_true(frame_is_parked(&f));
    assert_int_equal(pt_reject(&f, 3), PT_UNDO);
    assert_false(frame_is_parked(&f));                          /* somebody undoes it already */
    f.cursor = 0;
    assert_int_equal(pt_undone(&f, 8), PT_OK);
    /* translations through it may be cached until now */
    assert_int_equal(f.flush_stamp, 8);
    assert_int_equal(frame_type(&f), FRAME_NONE);
    assert_false(frame_is_parked(&f));
    /* a table's type at count 0 is no table */
    f.state |= (uint64_t)FRAME_L1 << FRAME_TYPE_SHIFT;
    assert_false(frame_is_parked(&f));
}

/* The last reference of all may be of either kind, by either function. */
static void the_very_last_reference(void **state)
{
    for (int plain = 0; plain < 2; plain++) {
        struct frame f = fresh();

        assert_int_equal(pt_get_type(&f, FRAME_WRITABLE), PT_NEW);
        pt_commit(&f);
        assert_true(pt_get_same(&f, FRAME_WRITABLE));
        assert_true(pt_release(&f));
        assert_int_equal(pt_put(&f, 1), PT_OK);
        assert_int_equal(plain ? pt_put_plain(&f, 2) : pt_put_type(&f, 2), PT_OK);
        assert_int_equal(f.flush_stamp, 0);
        assert_int_equal(plain ? pt_put_plain(&f, 4) : pt_put_type(&f, 4), PT_LAST);
        assert_int_equal(f.flush_stamp, 4);
        assert_int_equal(frame_total(&f), 0);
        assert_int_equal(frame_typed(&f), 0);
    }
    struct frame f = fresh();
    assert_true(pt_get(&f));
    assert_int_equal(pt_put(&f, 5), PT_OK);
    assert_int_equal(f.flush_stamp, 0);
    assert_true(pt_release(&f));
    assert_int_equal(pt_put(&f, 6), PT_LAST);
    /* nobody may have it before translations from now are gone */
    assert_int_equal(f.flush_stamp, 6);
}

/* The short forms do what the long ones do, or nothing. */
static void short_forms(void **state)
{
    for (enum frame_type t = FRAME_L1; t <= FRAME_READONLY; t++) {
        struct frame f = fresh();
        uint64_t before = f.state;

        assert_false(pt_get_same(&f, t));                       /* not its type */
        assert_int_equal(f.state, before);
        assert_int_equal(pt_get_type(&f, t), PT_NEW);
        pt_commit(&f);
        before = f.state;
        for (enum frame_type other = FRAME_L1; other <= FRAME_READONLY; other++)
            if (other != t)
                assert_false(pt_get_same(&f, other));
        assert_false(pt_put_not_last(&f));
        assert_int_equal(f.state, before);
        assert_true(pt_get_same(&f, t));
        assert_int_equal(frame_typed(&f), 2);
        assert_int_equal(frame_total(&f), 3);
        assert_true(pt_put_not_last(&f));
        assert_int_equal(f.state, before);
        f.state += FRAME_TOTAL_FULL - 2;
        assert_int_equal(frame_total(&f), FRAME_TOTAL_FULL);
        assert_false(pt_get_same(&f, t));
        assert_int_equal(pt_get_type(&f, t), PT_FULL);
    }
}

/* ---- the model: frames with four entries each instead of 512 ---- */

#define FRAMES  24
#define ENTRIES 4
#define STEPS   400000

static struct frame machine[FRAMES];
/* what the memory of a frame says; target -1: none */
static struct { int target; bool writable; } entry[FRAMES][ENTRIES];
static bool queued[FRAMES];
static uint32_t clock_now;
/* entries until a walk has to give way */
static int budget;

/* Maps the cursor of the code (512 entries) to the model's. */
static unsigned int end_cursor(const struct frame *f)
{
    return f->cursor == 512 ? ENTRIES : f->cursor;
}

static void finish(int f, enum pt_result r)
{
    if (r == PT_UNDO)
        queued[f] = true;
    /* reused at once: the hardest case */
    if (r == PT_LAST)
        pt_allocate(&machine[f], owner);
}

enum outcome { DONE, NO, RESTART };

static enum outcome get_table(int f, enum frame_type t);

static enum outcome entry_take(int table, unsigned int i, enum frame_type level)
{
    int target = entry[table][i].target;
    enum pt_result r;

    if (target < 0) return DONE;
    if (level > FRAME_L1) return get_table(target, level - 1);
    if (!entry[table][i].writable) return pt_get(&machine[target]) ? DONE : NO;
    r = pt_get_type(&machine[target], FRAME_WRITABLE);
    if (r == PT_NEW)
        pt_commit(&machine[target]);
    return r == PT_OK || r == PT_NEW ? DONE : NO;
}

static void entry_drop(int table, unsigned int i, enum frame_type level)
{
    int target = entry[table][i].target;

    if (target < 0) return;
    if (level == FRAME_L1 && !entry[table][i].writable)
        finish(target, pt_put(&machine[target], clock_now));
    else
        finish(target, pt_put_type(&machine[target], clock_now));
}

static enum outcome get_table(int f, enum frame_type t)
{
    enum pt_result r = pt_get_type(&machine[f], t);

    if (r == PT_OK) return DONE;
    if (r != PT_NEW) return NO;
    while (machine[f].cursor < ENTRIES) {
        enum outcome o = --budget < 0 ? RESTART : entry_take(f, machine[f].cursor, t);

        if (o == RESTART) return o;
        if (o == NO) {
            finish(f, pt_reject(&machine[f], clock_now));
            return o;
        }
        machine[f].cursor++;
    }
    pt_commit(&machine[f]);
    return DONE;
}

static void undo_some(void)
{
    int f = rand() % FRAMES, left = rand() % 6;

    if (!queued[f]) return;
    machine[f].cursor = (uint16_t)end_cursor(&machine[f]);
    while (machine[f].cursor > 0 && left-- > 0) {
        machine[f].cursor--;
        entry_drop(f, machine[f].cursor, frame_type(&machine[f]));
    }
    if (machine[f].cursor) return;
    queued[f] = false;
    finish(f, pt_undone(&machine[f], clock_now));
}

/* What a guest may do to an entry: plain memory it may scribble, a valid table changes by a checked
 * update, all else is not its. */
static void change_entry(int f, unsigned int i)
{
    int target = rand() % (FRAMES + 8) - 8, old_target = entry[f][i].target;
    bool writable = rand() & 1, old_writable = entry[f][i].writable;
    enum frame_type level = frame_type(&machine[f]);
    enum outcome o;

    if (target < 0)
        target = -1;
    if (frame_typed(&machine[f]) && frame_is_table(level)) {
        if (!(machine[f].state & FRAME_VALID)) return;
        entry[f][i].target = target;
        entry[f][i].writable = writable;
        o = entry_take(f, i, level);
        entry[f][i].target = old_target;
        entry[f][i].writable = old_writable;
        if (o != DONE) return;
        entry_drop(f, i, level);
    }
    entry[f][i].target = target;
    entry[f][i].writable = writable;
}

/* The obvious bookkeeping. */
static void check(void)
{
    unsigned int total[FRAMES] = { 0 }, typed[FRAMES] = { 0 };

    for (int f = 0; f < FRAMES; f++) {
        const struct frame *m = &machine[f];
        enum frame_type level = frame_type(m);

        if (m->state & FRAME_ALLOCATED)
            total[f]++;
        if (m->state & FRAME_PINNED)
            total[f]++, typed[f]++;
        if (!frame_typed(m) || !frame_is_table(level))
            continue;
        if (!(m->state & FRAME_VALID))
            total[f]++, typed[f]++;
        assert_true(!(m->state & FRAME_UNDOING) == !queued[f]);
        for (unsigned int i = 0; i < (m->state & FRAME_VALID ? ENTRIES : end_cursor(m)); i++) {
            int target = entry[f][i].target;

            if (target < 0)
                continue;
            total[target]++;
            if (level == FRAME_L1 && !entry[f][i].writable)
                continue;
            typed[target]++;
            /* I1, I2 */
            assert_int_equal(frame_type(&machine[target]),
                             level == FRAME_L1 ? FRAME_WRITABLE : level - 1);
        }
    }
    for (int f = 0; f < FRAMES; f++) {
        /* I3 */
        assert_int_equal(frame_typed(&machine[f]), typed[f]);
        assert_int_equal(frame_total(&machine[f]), total[f]);
        /* I4 */
        assert_true(frame_total(&machine[f]) >= frame_typed(&machine[f]));
    }
}

static void act(void)
{
    int f = rand() % FRAMES;
    enum frame_type t = FRAME_L1 + (enum frame_type)(rand() % 4);

    budget = rand() % 12;
    switch (rand() % 8) {
    case 0: case 1: case 2: change_entry(f, (unsigned int)rand() % ENTRIES); break;
    case 3:
        if (get_table(f, t) == DONE && !pt_pin(&machine[f]))
            finish(f, pt_put_type(&machine[f], clock_now));
        break;
    case 4: if (pt_unpin(&machine[f])) finish(f, pt_put_type(&machine[f], clock_now)); break;
    case 5: case 6: undo_some(); break;
    case 7:
        if (rand() % 4)
            break;
        if (pt_release(&machine[f]))
            finish(f, pt_put(&machine[f], clock_now));
        else if (frame_is_parked(&machine[f]))
            finish(f, pt_reject(&machine[f], clock_now));
        break;
    }
    clock_now++;
}

/* Everything let go: nothing is left but the allotments. */
static void let_all_go(void)
{
    for (int round = 0; round < 200000; round++) {
        int f = rand() % FRAMES;

        if (pt_unpin(&machine[f]))
            finish(f, pt_put_type(&machine[f], clock_now));
        else if (frame_is_parked(&machine[f]))
            finish(f, pt_reject(&machine[f], clock_now));
        undo_some();
    }
    for (int f = 0; f < FRAMES; f++) {
        assert_int_equal(frame_typed(&machine[f]), 0);
        assert_int_equal(frame_total(&machine[f]), machine[f].state & FRAME_ALLOCATED ? 1 : 0);
    }
}

static void random_walks_keep_the_books(void **state)
{
    unsigned int valid_tables = 0, parked = 0;

    for (unsigned int seed = 1; seed <= 4; seed++) {
        srand(seed);
        memset(queued, 0, sizeof(queued));
        for (int f = 0; f < FRAMES; f++) {
            machine[f] = fresh();
            for (unsigned int i = 0; i < ENTRIES; i++)
                entry[f][i].target = -1;
        }
        for (int step = 0; step < STEPS / 4; step++) {
            act();
            check();
            for (int f = 0; f < FRAMES; f++) {
                valid_tables += frame_is_table(frame_type(&machine[f])) &&
                                (machine[f].state & FRAME_VALID);
                parked += frame_is_parked(&machine[f]);
            }
        }
        let_all_go();
        check();
    }
    /* it did go where it is difficult */
    assert_true(valid_tables > STEPS / 10 && parked > STEPS / 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_of_nobody_gives_no_references),
        cmocka_unit_test(one_type_at_a_time),
        cmocka_unit_test(writable_memory_changes_type_only_at_zero),
        cmocka_unit_test(descriptors_stay_checked_until_written),
        cmocka_unit_test(a_parked_table_belongs_to_the_next_who_asks),
        cmocka_unit_test(the_last_put_of_a_table_queues_it),
        cmocka_unit_test(a_rejected_table_undoes_what_it_took),
        cmocka_unit_test(a_pinned_frame_stays),
        cmocka_unit_test(a_type_that_is_not_true_yet),
        cmocka_unit_test(walks_begin_at_the_beginning),
        cmocka_unit_test(parked_is_a_table_half_way_and_nothing_else),
        cmocka_unit_test(the_very_last_reference),
        cmocka_unit_test(short_forms),
        cmocka_unit_test(counters_stop_before_they_wrap),
        cmocka_unit_test(counts_do_not_meet),
        cmocka_unit_test(random_walks_keep_the_books),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
