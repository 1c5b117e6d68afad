/* SPDX-License-Identifier: MIT */
/* What one request of XenStore can cost at most, as the server reckons it and as the CPU does; and that a domain which is gone
 * has left nothing: no nodes in a neighbour's home (advisory XSA-419), no permissions for the next of its number (XSA-322).
 * sources: dom0/xenstore/tree.c dom0/xenstore/server.c dom0/xenstore/shadow.c dom0/xenstore/transaction.c dom0/xenstore/watch.c dom0/account.c
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <time.h>
#include "dom0/account.h"
#include "xenstore_host.h"



/* A request that succeeds, and its cost. */
static unsigned cost(struct client *client, uint32_t type, uint32_t tx, const char *payload, size_t size) {
    struct xsd_sockmsg header = { .type = type, .tx_id = tx, .len = (uint32_t)size };
    unsigned spent = xenstore_handle(&client->connection, &header, payload);

    assert_int_not_equal(client->answer.type, XS_ERROR);
    return spent;
}

#define COST(client, type, tx, text) cost(client, type, tx, text, sizeof(text))

static void make_many(const char *parent, unsigned count) {
    char path[128];

    for (unsigned i = 0; i < count; i++)
        cost(&five, XS_MKDIR, 0, path, (size_t)sprintf(path, "%s/%u", parent, i) + 1);
}

/* --- transactions --- */

/* A directory removed and made anew a hundred times in one transaction goes once. */
static void what_goes_is_told_once(void **state) {
    uint32_t tx;

    make_many("large", 500);
    assert_true(ASK(&dom0, XS_WATCH, 0, "/local/domain/5/large/7\0seven"));
    dom0.events = 0;
    tx = begin(&five);
    for (unsigned i = 0; i < 100; i++) {
        COST(&five, XS_RM, tx, "large");
        COST(&five, XS_MKDIR, tx, "large");
    }
    assert_true(COST(&five, XS_TRANSACTION_END, tx, "T") < 200);
    assert_int_equal(dom0.events, 1);
}

/* A node written five hundred times in one transaction changes once, however many watch it. */
static void what_changes_is_told_once(void **state) {
    char watch[64];
    uint32_t tx;

    for (unsigned i = 0; i < XENSTORE_MAX_WATCHES; i++)
        cost(&five, XS_WATCH, 0, watch, (size_t)sprintf(watch, "data%ct%u", 0, i) + 1);
    five.events = 0;
    tx = begin(&five);
    for (unsigned i = 0; i < 500; i++)
        COST(&five, XS_WRITE, tx, "data/x\0value");
    assert_true(COST(&five, XS_TRANSACTION_END, tx, "T") < 50);
    assert_int_equal(five.events, XENSTORE_MAX_WATCHES);
    assert_true(ASK(&five, XS_READ, 0, "data/x"));
}

/* What was made and removed in it is no change; what was made again after that is. */
static void what_came_and_went_and_came_is_told(void **state) {
    uint32_t tx = begin(&five);

    assert_true(ASK(&dom0, XS_WATCH, 0, "/local/domain/5/a\0t"));
    dom0.events = 0;
    COST(&five, XS_MKDIR, tx, "b");
    COST(&five, XS_MKDIR, tx, "b/a");
    COST(&five, XS_RM, tx, "b");
    COST(&five, XS_WRITE, tx, "a\0x");
    COST(&five, XS_RM, tx, "a");
    COST(&five, XS_WRITE, tx, "a\0y");
    COST(&five, XS_TRANSACTION_END, tx, "T");
    assert_int_equal(dom0.events, 1);
    assert_string_equal(dom0.event, "/local/domain/5/a t");
}

/* --- who is gone --- */

/* Two guests together: one leaves nodes in the other's home and is started again, which gives it another number. */
static void the_dead_own_nothing(void **state) {
    char path[64];

    assert_true(ASK(&five, XS_MKDIR, 0, "open"));
    assert_true(ASK(&five, XS_SET_PERMS, 0, "open\0n5\0b6\0r7"));
    assert_true(ASK(&five, XS_WRITE, 0, "open/mine\0x"));
    assert_true(ASK(&dom0, XS_WATCH, 0, "/local/domain/5/open/1\0t"));
    for (unsigned i = 0; i < 300; i++)
        cost(&six, XS_MKDIR, 0, path, (size_t)sprintf(path, "/local/domain/5/open/%u", i) + 1);
    assert_int_equal(account_held(6, HELD_NODES), 300);
    dom0.events = 0;
    assert_true(ASK(&dom0, XS_RELEASE, 0, "6"));
    xenstore_disconnect(&six.connection);
    assert_int_equal(dom0.events, 1);
    assert_int_equal(account_held(6, HELD_NODES) + account_held(6, HELD_NODE_BYTES), 0);
    assert_int_equal(tree_count_owned(xenstore_tree, 6), 0);
    assert_true(ASK(&five, XS_DIRECTORY, 0, "open"));
    assert_string_equal(five.payload, "mine");
    /* The next of that number finds the door closed; others find it as it was. */
    assert_true(ASK(&five, XS_GET_PERMS, 0, "open"));
    assert_int_equal(five.answer.len, 6);
    assert_memory_equal(five.payload, "n5\0r7", 6);
    client_start(&six, 6);
    assert_refused(ASK(&six, XS_MKDIR, 0, "/local/domain/5/open/again"), &six, "EACCES");
}

/* A transaction that has seen a door open does not open it again. */
static void a_transaction_does_not_bring_them_back(void **state) {
    uint32_t tx;

    assert_true(ASK(&five, XS_MKDIR, 0, "open"));
    assert_true(ASK(&five, XS_SET_PERMS, 0, "open\0n5\0b6"));
    tx = begin(&five);
    assert_true(ASK(&five, XS_WRITE, tx, "open\0x"));
    assert_true(ASK(&dom0, XS_RELEASE, 0, "6"));
    assert_refused(ASK(&five, XS_TRANSACTION_END, tx, "T"), &five, "EAGAIN");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_goes_is_told_once, setup, teardown),
        cmocka_unit_test_setup_teardown(what_changes_is_told_once, setup, teardown),
        cmocka_unit_test_setup_teardown(what_came_and_went_and_came_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(the_dead_own_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_transaction_does_not_bring_them_back, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
