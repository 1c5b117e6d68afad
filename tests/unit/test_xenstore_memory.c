/* SPDX-License-Identifier: MIT */
/*
 * dom0's XenStore without memory: every allocation fails once, in requests, at the end of a
 * transaction, for whom nothing was held yet. There is an answer, and nothing has happened.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#undef malloc                           /* the clients' memory does not run out */
#include "dom0/account.h"
#include "xenstore_host.h"

unsigned allocations_until_failure;

/* Some requests, with each allocation failing in its turn: an answer, and the tree is as before
 * or as after, never between. */
static void each_allocation_may_fail(void **state)
{
    static const struct {
        uint32_t type;
        const char *payload;
        size_t size;
        bool in_transaction;
    } requests[] = {
#define REQUEST(type, text, tx) { type, text, sizeof(text) - 1, tx }
        REQUEST(XS_WRITE, "a/b\0value", false),      REQUEST(XS_MKDIR, "a/c\0", false),
        REQUEST(XS_SET_PERMS, "a\0n5\0r6\0", false), REQUEST(XS_RM, "a/b\0", false),
        REQUEST(XS_WATCH, "a\0t\0", false),          REQUEST(XS_WRITE, "a/b\0value", true),
        REQUEST(XS_SET_PERMS, "a\0n5\0r6\0", true),  REQUEST(XS_RM, "a\0", true),
        REQUEST(XS_TRANSACTION_START, "\0", false),  REQUEST(XS_READ, "a\0", true),
        REQUEST(XS_WRITE, "a/z\0longer", false),     REQUEST(XS_RM, "a/none\0", true),
#undef REQUEST
    };

    for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
        bool done = false;

        assert_true(ASK(&five, XS_RESET_WATCHES, 0, ""));
        ASK(&five, XS_RM, 0, "a");
        assert_true(ASK_OPEN(&five, XS_WRITE, 0, "a/z\0" "1"));
        for (unsigned fail = 1; !done; fail++) {
            uint32_t tx = requests[i].in_transaction ? begin(&five) : 0;
            unsigned nodes = tree_count_owned(xenstore_tree, 5);
            unsigned watches = five.connection.watch_count,
                     transactions = five.connection.transaction_count;

            allocations_until_failure = fail;
            done = ask(&five, requests[i].type, tx, requests[i].payload, requests[i].size);
            done |= allocations_until_failure != 0;                        /* More than it makes. */
            allocations_until_failure = 0;
            if (!done) {
                assert_string_equal(five.payload, "ENOMEM");
                assert_int_equal(tree_count_owned(xenstore_tree, 5), nodes);
                assert_int_equal(five.connection.watch_count, watches);
                assert_int_equal(five.connection.transaction_count, transactions);
            }
            if (tx)
                assert_int_equal(ASK(&five, XS_TRANSACTION_END, tx, "T"), true);
            assert_true(ASK(&five, XS_READ, 0, "a/z") || (done && requests[i].type == XS_RM));
            assert_true(fail < 50);
        }
    }
    allocations_until_failure = 1;
    assert_null(tree_new());
    allocations_until_failure = 3;
    assert_null(tree_new());
    allocations_until_failure = 0;
}

static size_t held_by(const struct shadow *shadow)
{
    size_t bytes = sizeof(*shadow) + shadow->name_size + 1 +
                   shadow->child_room * sizeof(*shadow->children) +
                   (shadow->made ? tree_bytes(shadow->made) : 0);

    for (unsigned i = 0; i < shadow->child_count; i++)
        bytes += held_by(shadow->children[i]);
    return bytes;
}

/* A transaction pays for what it holds, also in the middle of its life, and also when it was
 * refused: what found no memory is not held. */
static void what_was_not_made_is_not_paid_for(void **state)
{
    static const char *const paths[] = { "/a/b", "/a/c", "/a/d/e" };
    const struct tree_actor actor = { .domid = 0, .privileged = true };
    bool done = false, changed;
    struct shadows shadows;
    struct shadow *shadow;

    for (unsigned fail = 1; !done; fail++) {
        int error = shadows_open(&shadows, &actor);

        allocations_until_failure = fail;
        for (size_t i = 0; i < ARRAY_SIZE(paths) && !error; i++) {
            error = shadows_touch(&shadows, xenstore_tree, paths[i], &shadow);
            if (!error)
                error = shadows_write(&shadows, xenstore_tree, paths[i], "v", 1, &changed);
        }
        done = allocations_until_failure != 0;
        allocations_until_failure = 0;
        assert_int_equal(error, done ? 0 : -ENOMEM);
        assert_int_equal(shadows.charged, held_by(shadows.root));
        assert_int_equal(account_held(0, HELD_TRANSACTIONS), shadows.charged);
        assert_true(shadows_close_some(&shadows, &(unsigned){ 6 }));    /* A root, /a and below. */
        assert_int_equal(account_held(0, HELD_TRANSACTIONS), 0);
        assert_in_range(fail, 1, 50);
    }
}

/* Nor is a watch. */
static void a_watch_that_was_not_made(void **state)
{
    size_t held;
    unsigned fail = 0;

    assert_true(ASK(&five, XS_WATCH, 0, "a\0first"));           /* It has an account now. */
    held = account_held(5, HELD_WATCHES);
    do {
        allocations_until_failure = ++fail;
        if (ASK(&five, XS_WATCH, 0, "b/c\0second"))
            break;
        assert_string_equal(five.payload, "ENOMEM");
        assert_int_equal(account_held(5, HELD_WATCHES), held);
        assert_int_equal(five.connection.watch_count, 1);
    } while (fail < 20);
    allocations_until_failure = 0;
    assert_in_range(fail, 3, 19);
    assert_true(account_held(5, HELD_WATCHES) > held);
    assert_true(ASK(&five, XS_UNWATCH, 0, "b/c\0second"));
    assert_int_equal(account_held(5, HELD_WATCHES), held);
}

/* Without a tree there is no store. */
static void the_root_needs_an_account(void **state)
{
    struct tree_node *root;
    unsigned fail = 0;

    do {
        allocations_until_failure = ++fail;
        root = tree_new();
        assert_int_equal(account_held(0, HELD_NODES), root != NULL);
    } while (!root);
    allocations_until_failure = 0;
    assert_int_equal(fail, 5);                  /* node, name, value, account */
    account_credit(0, HELD_NODES, 1);
    account_credit(0, HELD_NODE_BYTES, account_held(0, HELD_NODE_BYTES));
    tree_free(root);
}

static void a_store_that_does_not_start(void **state)
{
    static const struct xenstore_carrier carrier = { introduce, release };
    struct tree_node *tree = xenstore_tree;

    allocations_until_failure = 1;
    assert_int_equal(xenstore_start(&carrier), -ENOMEM);
    assert_null(xenstore_tree);
    xenstore_tree = tree;
}

/* Of whom nothing is held yet has no account, either: that, too, may find no memory. */
static void who_is_new_needs_an_account(void **state)
{
    bool done = false;

    assert_true(ASK(&five, XS_MKDIR, 0, "open"));
    assert_true(ASK(&five, XS_SET_PERMS, 0, "open\0n5\0b6"));
    for (unsigned fail = 1; !done; fail++) {
        assert_int_equal(account_held(6, HELD_NODES), 0);
        allocations_until_failure = fail;
        done = ASK_OPEN(&six, XS_WRITE, 0, "/local/domain/5/open/x\0v");
        allocations_until_failure = 0;
        if (!done) {
            assert_string_equal(six.payload, "ENOMEM");
            assert_refused(ASK(&five, XS_READ, 0, "open/x"), &five, "ENOENT");
        }
    }
    assert_int_equal(account_held(6, HELD_NODES), 1);
    allocations_until_failure = 1;
    assert_refused(ASK(&dom0, XS_SET_PERMS, 0, "/local/domain/5/open\0n9"), &dom0, "ENOMEM");
    allocations_until_failure = 1;
    assert_int_equal(account_add(9, HELD_RING, 100), -ENOMEM);
    assert_int_equal(account_held(9, HELD_RING) + account_held(9, HELD_NODES), 0);
    assert_true(ASK(&five, XS_GET_PERMS, 0, "open"));
    assert_memory_equal(five.payload, "n5\0b6", 6);
}

/* The end of a transaction without memory: nothing of it has happened. */
static void a_commit_without_memory(void **state)
{
    bool done = false;
    uint32_t tx;

    assert_true(ASK(&five, XS_MKDIR, 0, "a"));
    for (unsigned fail = 1; !done; fail++) {
        tx = begin(&dom0);
        assert_true(ASK(&dom0, XS_SET_PERMS, tx, "/local/domain/5/a\0n9"));
        for (char name = 'a'; name < 'h'; name++) {
            char path[] = "/local/domain/5/a/x";

            path[sizeof(path) - 2] = name;
            assert_true(ask(&dom0, XS_MKDIR, tx, path, sizeof(path)));
        }
        allocations_until_failure = fail;
        done = ASK(&dom0, XS_TRANSACTION_END, tx, "T");
        allocations_until_failure = 0;
        if (!done) {
            assert_string_equal(dom0.payload, "ENOMEM");
            assert_true(ASK(&five, XS_DIRECTORY, 0, "a"));
            assert_int_equal(five.answer.len, 0);
            assert_true(ASK(&five, XS_GET_PERMS, 0, "a"));
            assert_memory_equal(five.payload, "n5", 3);
            assert_int_equal(account_held(9, HELD_NODES), 0);
        } else {
            assert_in_range(fail, 3, 10);       /* There was something that could fail. */
        }
    }
    assert_int_equal(account_held(9, HELD_NODES), 8);
    tx = begin(&dom0);
    assert_true(ASK(&dom0, XS_SET_PERMS, tx, "/\0n8"));
    allocations_until_failure = 1;
    assert_refused(ASK(&dom0, XS_TRANSACTION_END, tx, "T"), &dom0, "ENOMEM");
    assert_true(ASK(&dom0, XS_GET_PERMS, 0, "/"));
    assert_memory_equal(dom0.payload, "n0", 3);
}

/* What was taken out of the tree goes a node at a time: no more than was said, each one counted, as
 * work and to its owner's good. */
static void a_tree_goes_in_parts(void **state)
{
    const struct tree_actor actor = { .domid = 0, .privileged = true };
    struct tree_node *gone;
    unsigned held, work, nodes = 2;
    uint64_t bytes;

    assert_true(ASK(&five, XS_MKDIR, 0, "a"));
    held = account_held(5, HELD_NODES);
    for (char name = 'a'; name < 'e'; name++) {
        char path[] = "a/x/y";

        path[2] = name;
        assert_true(ask(&five, XS_MKDIR, 0, path, sizeof(path)));
    }
    assert_int_equal(account_held(5, HELD_NODES), held + 8);
    for (char name = 'a'; name < 'e'; name++) {
        char path[] = "/local/domain/5/a/x";

        path[sizeof(path) - 2] = name;
        assert_int_equal(tree_remove(xenstore_tree, path, actor, &gone), 0);
        bytes = account_held(5, HELD_NODE_BYTES) - tree_bytes(gone) -
                tree_bytes(gone->children[0]);
        work = tree_work;
        nodes = 0;
        assert_false(tree_drop_some(gone, &nodes));
        nodes = 1;
        assert_false(tree_drop_some(gone, &nodes));
        assert_int_equal(nodes, 0);
        assert_int_equal(account_held(5, HELD_NODES), --held + 8);
        assert_false(tree_drop_some(gone, &nodes));
        nodes = 5;
        assert_true(tree_drop_some(gone, &nodes));
        assert_int_equal(nodes, 4);
        assert_int_equal(account_held(5, HELD_NODES), --held + 8);
        assert_int_equal(tree_work - work, 2);
        assert_int_equal(account_held(5, HELD_NODE_BYTES), bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_root_needs_an_account),    /* first: nobody has one yet */
        cmocka_unit_test_setup_teardown(each_allocation_may_fail, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_not_made_is_not_paid_for, setup, teardown),
        cmocka_unit_test_setup_teardown(a_watch_that_was_not_made, setup, teardown),
        cmocka_unit_test_setup_teardown(a_store_that_does_not_start, setup, teardown),
        cmocka_unit_test_setup_teardown(who_is_new_needs_an_account, setup, teardown),
        cmocka_unit_test_setup_teardown(a_commit_without_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(a_tree_goes_in_parts, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
