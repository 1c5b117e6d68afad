/* SPDX-License-Identifier: MIT */
/* Requests of XenStore that have much to do after all is decided: who watches is told, and memory
 * freed, in parts, between which everybody else is served; the answer comes behind the last one.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include "dom0/account.h"
#include "xenstore_host.h"

/* Costs, as xenstore_take() and xenstore_go_on() say them. */
#define COST_OF_A_PART 4u

static bool answered(void)
{
    return five.answer.req_id == 77;
}

/* Begins what has more than one part, of five's. Its first cost. */
static unsigned take(uint32_t type, uint32_t tx, const char *payload)
{
    struct xsd_sockmsg header = { .type = type, .req_id = 77, .tx_id = tx,
                                  .len = (uint32_t)strlen(payload) + 1 };
    unsigned cost = xenstore_take(&five.connection, &header, payload);

    assert_false(answered());
    return cost;
}

/* What is left; how many parts that was. */
static unsigned go_on(void)
{
    unsigned parts = 0;

    for (unsigned cost; (cost = xenstore_go_on(&five.connection)) || !answered(); parts++)
        assert_in_range(cost, answered() ? 0 : 1, COST_OF_A_PART);
    assert_int_equal(xenstore_go_on(&five.connection), 0);
    return parts;
}

static void make_many(unsigned count)
{
    char path[64];

    for (unsigned i = 0; i < count; i++)
        assert_true(ask(&five, XS_MKDIR, 0, path, (size_t)sprintf(path, "large/%u", i) + 1));
}

#define LONG_PATH 3000u

/* A path of LONG_PATH bytes and a number in so many directories. */
static size_t long_path(char *path, unsigned depth, unsigned number)
{
    size_t size = (size_t)sprintf(path, "/local/domain/5");

    for (unsigned i = 0; i < depth; i++) {
        size_t end = LONG_PATH * (i + 1) / depth;

        path[size++] = '/';
        while (size < end)
            path[size++] = 'x';
    }
    return size + (size_t)sprintf(path + size, "/%03u", number) + 1;
}

/* As many changes as there may be at long paths: each is told in a part of its own. (Nine million
 * instructions it was at once.) */
static void end_with_long_paths(unsigned depth)
{
    static char path[XENSTORE_ABS_PATH_MAX + 1];
    uint32_t tx = begin(&five);
    unsigned changes = 0;

    while (ask(&five, XS_MKDIR, tx, path, long_path(path, depth, changes)))
        changes++;
    assert_string_equal(five.payload, "ENOSPC");
    assert_in_range(changes, 100, 200);
    assert_true(ASK(&dom0, XS_WATCH, 0, "/local/domain/5\0t"));
    dom0.events = 0;
    assert_in_range(take(XS_TRANSACTION_END, tx, "T"), 1, 60);
    /* All of it is there already, for everybody; not all has been told. */
    assert_true(ask(&dom0, XS_READ, 0, path, long_path(path, depth, 0)));
    assert_true(ask(&dom0, XS_READ, 0, path, long_path(path, depth, changes - 1)));
    assert_in_range(dom0.events, 0, 2);
    assert_in_range(go_on(), changes, changes + 50);
    assert_int_equal(five.answer.type, XS_TRANSACTION_END);
    assert_int_equal(five.answer.tx_id, tx);
    assert_int_equal(dom0.events, changes);
    assert_int_equal(account_held(5, HELD_TRANSACTIONS), 0);
    *strchr(path + strlen("/local/domain/5/"), '/') = '\0';
    assert_true(ask(&five, XS_RM, 0, path, strlen(path) + 1));
    assert_true(ASK(&dom0, XS_UNWATCH, 0, "/local/domain/5\0t"));
}

static void long_paths_are_told_in_parts(void **state)
{
    end_with_long_paths(1);
    end_with_long_paths(55);
}

/* What was not to be, or met a conflict, is told to nobody; it is freed in parts all the same. */
static void what_is_given_up_goes_in_parts(void **state)
{
    char path[64];
    uint32_t tx;

    for (unsigned round = 0; round < 2; round++) {
        tx = begin(&five);
        for (unsigned i = 0; i < 500; i++)
            assert_true(ask(&five, XS_MKDIR, tx, path, (size_t)sprintf(path, "%u", i) + 1));
        assert_true(ASK(&dom0, XS_WRITE, 0, "/local/domain/5/400\0x"));
        assert_true(ASK(&dom0, XS_WATCH, 0, "/local/domain/5\0t"));
        dom0.events = 0;
        assert_in_range(take(XS_TRANSACTION_END, tx, round ? "F" : "T"), 1, 40);
        assert_in_range(go_on(), 500 / TREE_WORK_OF_A_PART, 1000 / TREE_WORK_OF_A_PART + 2);
        if (round)
            assert_int_equal(five.answer.type, XS_TRANSACTION_END);
        else
            assert_string_equal(five.payload, "EAGAIN");
        assert_int_equal(dom0.events, 0);
        assert_int_equal(account_held(5, HELD_TRANSACTIONS), 0);
        assert_true(ASK(&dom0, XS_UNWATCH, 0, "/local/domain/5\0t"));
    }
}

/* All transactions at once, likewise. */
static void a_reset_goes_in_parts(void **state)
{
    char path[64];

    for (unsigned i = 0; i < XENSTORE_MAX_TRANSACTIONS; i++) {
        uint32_t tx = begin(&five);

        for (unsigned j = 0; j < 50; j++)
            assert_true(ask(&five, XS_MKDIR, tx, path, (size_t)sprintf(path, "%u", j) + 1));
    }
    assert_in_range(take(XS_RESET_WATCHES, 0, ""), 1, COST_OF_A_PART);
    assert_in_range(go_on(), 50, 100);
    assert_int_equal(five.answer.type, XS_RESET_WATCHES);
    assert_int_equal(five.connection.transaction_count, 0);
    assert_int_equal(account_held(5, HELD_TRANSACTIONS), 0);
}

/* A directory is gone for everybody at once, and told; its owner holds it until it is freed. */
static void what_is_removed_goes_in_parts(void **state)
{
    unsigned held = (unsigned)account_held(5, HELD_NODES);

    make_many(900);
    assert_true(ASK(&dom0, XS_WATCH, 0, "/local/domain/5/large/7\0t"));
    dom0.events = 0;
    assert_in_range(take(XS_RM, 0, "large"), 1, COST_OF_A_PART);
    assert_int_equal(dom0.events, 1);
    assert_refused(ASK(&dom0, XS_READ, 0, "/local/domain/5/large"), &dom0, "ENOENT");
    assert_in_range(account_held(5, HELD_NODES), held + 850, held + 900);
    assert_in_range(go_on(), 850 / TREE_WORK_OF_A_PART, 900 / TREE_WORK_OF_A_PART + 1);
    assert_int_equal(five.answer.type, XS_RM);
    assert_int_equal(account_held(5, HELD_NODES), held);
}

/* In a transaction it is gone at its end, all the same. */
static void what_a_transaction_removes_goes_in_parts(void **state)
{
    uint32_t tx;

    make_many(900);
    tx = begin(&five);
    assert_true(ASK(&five, XS_RM, tx, "large"));
    assert_true(ASK(&five, XS_WRITE, tx, "large/again\0x"));
    assert_true(ASK(&dom0, XS_WATCH, 0, "/local/domain/5/large/7\0t"));
    dom0.events = 0;
    take(XS_TRANSACTION_END, tx, "T");
    assert_in_range(go_on(), 850 / TREE_WORK_OF_A_PART, 900 / TREE_WORK_OF_A_PART + 1);
    assert_int_equal(dom0.events, 1);
    assert_true(ASK(&five, XS_DIRECTORY, 0, "large"));
    assert_string_equal(five.payload, "again");
}

/* What somebody else has taken away meanwhile he has told of: nobody hears of what was in it any
 * more, though he could read what that stood in. */
static void what_is_gone_again_is_not_told(void **state)
{
    static char path[XENSTORE_ABS_PATH_MAX + 1];
    uint32_t tx;

    assert_true(ASK(&dom0, XS_SET_PERMS, 0, "/local/domain/5\0n5\0r6"));
    assert_true(ASK(&six, XS_WATCH, 0, "/local/domain/5\0t"));
    long_path(path, 1, 0);
    *strrchr(path, '/') = '\0';
    assert_true(ask(&five, XS_MKDIR, 0, path, strlen(path) + 1));
    assert_true(ask(&five, XS_SET_PERMS, 0, path, strlen(path) + 1 +
                    (size_t)sprintf(path + strlen(path) + 1, "n5") + 1));
    tx = begin(&five);
    for (unsigned i = 0; i < 100; i++)
        assert_true(ask(&five, XS_MKDIR, tx, path, long_path(path, 1, i)));
    six.events = 0;
    take(XS_TRANSACTION_END, tx, "T");
    *strrchr(path, '/') = '\0';
    assert_true(ask(&dom0, XS_RM, 0, path, strlen(path) + 1));
    assert_int_equal(six.events, 1);
    go_on();
    assert_int_equal(six.events, 1);
}

/* Who could read what is removed hears so, though somebody has put there meanwhile, before that was
 * told, what he cannot read. */
static void what_is_hidden_meanwhile_is_told(void **state)
{
    static char path[XENSTORE_ABS_PATH_MAX + 1];
    uint32_t tx;

    assert_true(ASK(&five, XS_MKDIR, 0, "seen/below"));
    assert_true(ASK(&five, XS_SET_PERMS, 0, "seen\0n5\0r6"));
    assert_true(ASK(&five, XS_SET_PERMS, 0, "seen/below\0n5\0r6"));
    assert_true(ASK(&six, XS_WATCH, 0, "/local/domain/5/seen\0t"));
    assert_true(ASK(&six, XS_WATCH, 0, "/local/domain/5/seen/below\0t"));
    tx = begin(&five);
    for (unsigned i = 0; i < 100; i++)
        assert_true(ask(&five, XS_MKDIR, tx, path, long_path(path, 1, i)));
    assert_true(ASK(&five, XS_RM, tx, "seen"));
    six.events = 0;
    take(XS_TRANSACTION_END, tx, "T");
    assert_true(ASK(&dom0, XS_MKDIR, 0, "/local/domain/5/seen/below"));
    assert_int_equal(six.events, 0);
    go_on();
    assert_int_equal(six.events, 2);            /* seen, and seen/below */
}

/* Who is released meanwhile leaves nobody untold, and is asked for again as long as there is
 * somebody to tell. */
static void who_is_released_has_told(void **state)
{
    static char path[XENSTORE_ABS_PATH_MAX + 1];
    uint32_t tx = begin(&five);
    unsigned times = 0;

    for (unsigned i = 0; i < 100; i++)
        assert_true(ask(&five, XS_MKDIR, tx, path, long_path(path, 1, i)));
    assert_true(ASK(&dom0, XS_WATCH, 0, "/local/domain/5\0t"));
    dom0.events = 0;
    take(XS_TRANSACTION_END, tx, "T");
    for (; dom0.events < 100; times++) {
        assert_int_equal(introduced, 5);
        assert_refused(ASK(&dom0, XS_RELEASE, 0, "5"), &dom0, "EAGAIN");
    }
    assert_in_range(times, 95, 100);
    while (!ASK(&dom0, XS_RELEASE, 0, "5"))
        assert_string_equal(dom0.payload, "EAGAIN");
    assert_int_equal(introduced, 0);
}

static int setup_five(void **state)
{
    int error = setup(state);

    introduced = 5;
    return error;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(long_paths_are_told_in_parts, setup_five, teardown),
        cmocka_unit_test_setup_teardown(what_is_given_up_goes_in_parts, setup_five, teardown),
        cmocka_unit_test_setup_teardown(a_reset_goes_in_parts, setup_five, teardown),
        cmocka_unit_test_setup_teardown(what_is_removed_goes_in_parts, setup_five, teardown),
        cmocka_unit_test_setup_teardown(what_a_transaction_removes_goes_in_parts, setup_five,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_is_gone_again_is_not_told, setup_five, teardown),
        cmocka_unit_test_setup_teardown(what_is_hidden_meanwhile_is_told, setup_five, teardown),
        cmocka_unit_test_setup_teardown(who_is_released_has_told, setup_five, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
