/* SPDX-License-Identifier: MIT */
/* What one request of XenStore can cost at most, as the server reckons it and as the CPU does; and
 * that a domain which is gone has left nothing: no nodes in a neighbour's home (advisory XSA-419),
 * no permissions for the next of its number (XSA-322).
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
static unsigned cost(struct client *client, uint32_t type, uint32_t tx, const char *payload,
                     size_t size)
{
    struct xsd_sockmsg header = { .type = type, .tx_id = tx, .len = (uint32_t)size };
    unsigned spent = xenstore_handle(&client->connection, &header, payload);

    assert_int_not_equal(client->answer.type, XS_ERROR);
    return spent;
}

#define COST(client, type, tx, text) cost(client, type, tx, text, sizeof(text))

static void make_many(const char *parent, unsigned count)
{
    char path[128];

    for (unsigned i = 0; i < count; i++)
        cost(&five, XS_MKDIR, 0, path, (size_t)sprintf(path, "%s/%u", parent, i) + 1);
}

/* --- transactions --- */

/* A directory removed and made anew a hundred times in one transaction goes once. */
static void what_goes_is_told_once(void **state)
{
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
static void what_changes_is_told_once(void **state)
{
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
static void what_came_and_went_and_came_is_told(void **state)
{
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

/* --- walks --- */

/* A long directory is walked from its beginning, whatever part of it is asked for. */
static void a_look_at_many_is_a_look_at_many(void **state)
{
    uint32_t tx;

    make_many("large", 800);
    assert_in_range(COST(&five, XS_DIRECTORY_PART, 0, "large\0" "4000"), 50, 60);
    assert_int_equal(COST(&five, XS_DIRECTORY_PART, 0, "large/7\0" "0"), 1);
    tx = begin(&five);
    assert_in_range(COST(&five, XS_DIRECTORY_PART, tx, "large\0" "4000"), 50, 60);
    assert_in_range(COST(&five, XS_RM, tx, "large"), 50, 60);           /* Whose is all that? */
    assert_true(ASK(&five, XS_TRANSACTION_END, tx, "F"));
}

static size_t deep_path(char *path)
{
    size_t size = 0;

    for (unsigned i = 0; i < TREE_MAX_DEPTH - 3; i++)           /* It is relative to a home. */
        size += (size_t)sprintf(path + size, "%sd", i ? "/" : "");
    return size + 1;
}

/* Nodes made on the way to one count as those they are, also when in the end there is no room for
 * them. */
static void a_deep_path_is_many_nodes(void **state)
{
    struct xsd_sockmsg header = { .type = XS_MKDIR };
    char path[2 * TREE_MAX_DEPTH];
    uint32_t tx = begin(&five);

    header.len = (uint32_t)deep_path(path);
    assert_in_range(cost(&five, XS_MKDIR, tx, path, header.len), 4, 10);
    assert_true(ASK(&five, XS_TRANSACTION_END, tx, "F"));
    assert_in_range(cost(&five, XS_MKDIR, 0, path, header.len), 4, 10);
    assert_in_range(COST(&five, XS_RM, 0, "d"), 4, 10);
    make_many("large", 960);
    assert_in_range(xenstore_handle(&five.connection, &header, path), 4, 10);
    assert_string_equal(five.payload, "ENOSPC");
}

#define LONG_NAME 1000

/* A long name, of which a number is the beginning or the end. */
static size_t long_path(char *path, bool differ_early, unsigned number)
{
    memset(path, 'x', LONG_NAME);
    path[LONG_NAME] = '\0';
    path += differ_early ? 0 : LONG_NAME - 4;
    for (unsigned digit = 4; digit--; number /= 10)
        path[digit] = (char)('0' + number % 10);
    return LONG_NAME + 1;
}

/* What the end of a transaction costs which makes every sixth of the children that there are
 * then. */
static unsigned cost_of_names(bool differ_early)
{
    char path[LONG_NAME + 1];
    uint32_t tx;
    unsigned spent;

    for (unsigned i = 0; i < 840; i++)
        if (i % 6)
            cost(&five, XS_MKDIR, 0, path, long_path(path, differ_early, i));
    tx = begin(&five);
    for (unsigned i = 0; i < 840; i += 6)
        cost(&five, XS_MKDIR, tx, path, long_path(path, differ_early, i));
    spent = COST(&five, XS_TRANSACTION_END, tx, "T");
    for (unsigned i = 0; i < 840; i++)
        cost(&five, XS_RM, 0, path, long_path(path, differ_early, i));
    return spent;
}

/* Long names are read to be compared, which is counted: once where they differ early, and where
 * they end differently two or three times for each search among them, not at each of its ten
 * steps. */
static void names_may_begin_the_same(void **state)
{
    assert_in_range(cost_of_names(true), 80, 120);
    assert_in_range(cost_of_names(false), 180, 400);
}

/* All of a request is read, by bytes. */
static void a_long_request_is_more_than_one(void **state)
{
    char payload[8 + XENSTORE_MAX_NODE_BYTES] = "data";

    assert_int_equal(cost(&five, XS_WRITE, 0, payload, 1000), 1);
    assert_int_equal(cost(&five, XS_WRITE, 0, payload, XENSTORE_MAX_NODE_BYTES), 2);
}

/* So do the watches that one has when there are to be more or fewer of them. */
static void many_watches_are_many_to_look_at(void **state)
{
    char watch[64];

    for (unsigned i = 0; i + 1 < XENSTORE_MAX_WATCHES; i++)
        cost(&five, XS_WATCH, 0, watch, (size_t)sprintf(watch, "data%ct%u", 0, i) + 1);
    assert_in_range(COST(&five, XS_WATCH, 0, "data\0t"), 8, 10);
    assert_in_range(COST(&five, XS_UNWATCH, 0, "data\0t0"), 8, 10);
}

/* The end of a transaction that writes a hundred nodes. */
static unsigned cost_of_a_hundred(void)
{
    char payload[64];
    uint32_t tx = begin(&five);

    for (unsigned i = 0; i < 100; i++)
        cost(&five, XS_WRITE, tx, payload, (size_t)sprintf(payload, "data/%u%cx", i, 0) + 1);
    return COST(&five, XS_TRANSACTION_END, tx, "T");
}

/*
 * Who may not read what he watches hears nothing; that he is there has to be seen all the same, at
 * each change: once, however many watches he has there, and wherever else.
 */
static void watches_of_the_blind_are_looked_at(void **state)
{
    char watch[64];
    unsigned alone;

    cost_of_a_hundred();
    alone = cost_of_a_hundred();
    for (unsigned i = 0; i < XENSTORE_MAX_WATCHES / 2; i++) {
        cost(&six, XS_WATCH, 0, watch,
             (size_t)sprintf(watch, "/local/domain/5/data%ct%u", 0, i) + 1);
        cost(&six, XS_WATCH, 0, watch,
             (size_t)sprintf(watch, "/local/domain/5/data%u%ct", i, 0) + 1);
    }
    six.events = 0;
    assert_in_range(cost_of_a_hundred() - alone, 0, 2);
    assert_int_equal(six.events, 0);
}

static bool one_event(struct xenstore_connection *to)
{
    return !five.events;
}

static bool five_is_busy;

static bool five_is_ready(struct xenstore_connection *to)
{
    return !five_is_busy;
}

/*
 * Who hears of a change pays for being told: the change itself fires once, not for each of his
 * watches.
 */
static void watches_of_one_path_fire_once(void **state)
{
    char watch[64];
    unsigned alone;

    five.connection.ready = five_is_ready;
    cost_of_a_hundred();
    alone = cost_of_a_hundred();
    for (unsigned i = 0; i < XENSTORE_MAX_WATCHES; i++)
        cost(&five, XS_WATCH, 0, watch, (size_t)sprintf(watch, "data%ct%u", 0, i) + 1);
    five_is_busy = true;
    assert_in_range(cost_of_a_hundred() - alone, 0, 16);
    five.events = 0;
    five_is_busy = false;
    xenstore_pump(&five.connection);
    assert_int_equal(five.events, XENSTORE_MAX_WATCHES * (XENSTORE_MAX_FIRED_PATHS + 1));
}

/* Three watch one node, which changes; there is room for one event a turn. */
static void one_of_three_is_told(void)
{
    assert_true(ASK(&five, XS_WRITE, 0, "data\0x"));
    assert_true(ASK(&five, XS_WATCH, 0, "data\0one"));
    assert_true(ASK(&five, XS_WATCH, 0, "data\0two"));
    assert_true(ASK(&five, XS_WATCH, 0, "data\0three"));
    five.connection.ready = one_event;
    five.events = 0;
    assert_true(ASK(&five, XS_WRITE, 0, "data\0y"));
}

/*
 * What changes while some of those who watch it have been told already is told to all of them
 * again.
 */
static void what_changes_meanwhile_is_told_again(void **state)
{
    one_of_three_is_told();
    assert_int_equal(five.events, 1);
    assert_true(ASK(&five, XS_WRITE, 0, "data\0z"));
    for (unsigned i = 0; i < 5; i++) {
        five.events = 0;
        xenstore_pump(&five.connection);
        assert_int_equal(five.events, 1);
    }
    five.events = 0;
    xenstore_pump(&five.connection);
    assert_int_equal(five.events, 0);
}

/*
 * Watches that go while they are told of something take nothing with them; with the last one it is
 * told.
 */
static void watches_may_go_while_they_are_told(void **state)
{
    one_of_three_is_told();
    assert_string_equal(five.event, "data three");
    assert_true(ASK(&five, XS_UNWATCH, 0, "data\0two"));
    five.events = 0;
    xenstore_pump(&five.connection);
    assert_string_equal(five.event, "data one");
    five.events = 0;
    assert_true(ASK(&five, XS_WRITE, 0, "data\0z"));
    assert_string_equal(five.event, "data three");
    assert_true(ASK(&five, XS_UNWATCH, 0, "data\0one"));
    assert_int_equal(account_held(5, HELD_EVENTS), 0);
    assert_null(five.connection.fired);
    assert_true(ASK(&five, XS_WRITE, 0, "data\0z"));
    assert_true(ASK(&five, XS_UNWATCH, 0, "data\0three"));
}

/* A directory is gone: what is watched in it counts, not what was there. */
static void a_removal_looks_at_what_is_watched(void **state)
{
    char path[64];
    unsigned unwatched, watched;

    make_many("large", 800);
    for (unsigned i = 0; i < XENSTORE_MAX_WATCHES; i++)
        cost(&six, XS_WATCH, 0, path,
             (size_t)sprintf(path, "/local/domain/5/small/%u%ct", i, 0) + 1);
    unwatched = COST(&five, XS_RM, 0, "large");
    make_many("small", 800);
    watched = COST(&five, XS_RM, 0, "small");
    assert_in_range(unwatched, 50, 52);
    assert_in_range(watched - unwatched, XENSTORE_MAX_WATCHES / 16, XENSTORE_MAX_WATCHES / 16 + 2);
}

/* What waits already is not put there again; long paths are read to see that, which is counted. */
static void paths_that_wait_may_begin_the_same(void **state)
{
    char path[5 + LONG_NAME + 1] = "data/";
    unsigned waiting = 12;

    five.connection.ready = five_is_ready;
    five_is_busy = true;
    COST(&five, XS_WATCH, 0, "data\0t");
    for (unsigned i = 0; i <= waiting; i++)
        cost(&five, XS_MKDIR, 0, path, 5 + long_path(path + 5, false, i));
    path[5 + LONG_NAME] = '\0';
    assert_in_range(cost(&five, XS_WRITE, 0, path, sizeof(path)), 3, 10);
    five_is_busy = false;
    five.events = 0;
    xenstore_pump(&five.connection);
    assert_int_equal(five.events, 1 + waiting + 1);     /* with that of its beginning */
}

/* --- quotas --- */

/* Who writes into another's nodes, in transactions or not, fills the other's account, as far as it
 * goes. */
static void a_writer_fills_the_owners_account(void **state)
{
    static char payload[64 + XENSTORE_MAX_NODE_BYTES];
    uint32_t tx;

    make_many("large", 900);
    for (unsigned i = 0; i < 900; i++)
        cost(&five, XS_SET_PERMS, 0, payload,
             (size_t)sprintf(payload, "large/%u%cn5%cw6", i, 0, 0) + 1);
    memset(payload, 'x', sizeof(payload));
    for (unsigned i = 0; i < 900; i += 100) {
        tx = begin(&six);
        for (unsigned j = i; j < i + 100; j++) {
            int size = sprintf(payload, "/local/domain/5/large/%u", j);

            cost(&six, XS_WRITE, tx, payload, (size_t)size + 1 + XENSTORE_MAX_NODE_BYTES);
            memset(payload, 'x', 64);
        }
        if (!ASK(&six, XS_TRANSACTION_END, tx, "T"))
            break;
    }
    assert_string_equal(six.payload, "ENOSPC");
    assert_in_range(account_held(5, HELD_NODE_BYTES), 800000, account_rules[HELD_NODE_BYTES].quota);
}

/* What is removed with the directory that it is in is one's own once, also when it was removed
 * before: at the end of a transaction nobody has more than he may. */
static void removed_twice_is_gone_once(void **state)
{
    uint32_t tx;

    make_many("other", 540);
    make_many("large/in", 400);
    tx = begin(&five);
    COST(&five, XS_RM, tx, "large/in");
    COST(&five, XS_RM, tx, "large");
    for (unsigned i = 0; i < 505; i++) {
        char path[64];

        cost(&five, XS_MKDIR, tx, path, (size_t)sprintf(path, "new%u", i) + 1);
    }
    assert_refused(ASK(&five, XS_TRANSACTION_END, tx, "T"), &five, "ENOSPC");
}

/* --- the CPU's time; compared with that of something that costs what it should --- */

static uint64_t cpu_time(void)
{
    struct timespec time;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static uint64_t time_to_remove(unsigned bytes)
{
    char path[XENSTORE_ABS_PATH_MAX + 1];
    size_t size = bytes;
    uint64_t least = UINT64_MAX;

    memset(path, 'x', bytes);
    path[0] = '/';
    for (unsigned i = 0; i < 5; i++) {
        uint64_t start, time;

        for (unsigned j = 0; j < 1000; j++)
            cost(&dom0, XS_MKDIR, 0, path, size + (size_t)sprintf(path + size, "/%u", j) + 1);
        path[size] = '\0';
        start = cpu_time();
        cost(&dom0, XS_RM, 0, path, size + 1);
        time = cpu_time() - start;
        least = time < least ? time : least;
    }
    return least;
}

static void what_is_removed_costs_its_number(void **state)
{
    uint64_t high = time_to_remove(10), low = time_to_remove(3000);

    if (low > 3 * high)
        fail_msg("%lu ns where names are short, %lu where they are long", high, low);
}

/* --- who is gone --- */

/*
 * In turns: the store is asked again until it says that it has forgotten him. Each is of bounded
 * cost.
 */
static unsigned forget(const char *number)
{
    struct xsd_sockmsg header = { .type = XS_RELEASE, .len = (uint32_t)strlen(number) + 1 };
    unsigned turns = 1;

    for (;; turns++) {
        assert_in_range(xenstore_handle(&dom0.connection, &header, number), 1, 10);
        if (dom0.answer.type != XS_ERROR) return turns;
        assert_string_equal(dom0.payload, "EAGAIN");
    }
}

/* Two guests together: one leaves nodes in the other's home and is started again, which gives it
 * another number. */
static void the_dead_own_nothing(void **state)
{
    char path[64];

    assert_true(ASK(&five, XS_MKDIR, 0, "open"));
    assert_true(ASK(&five, XS_SET_PERMS, 0, "open\0n5\0b6\0r7"));
    assert_true(ASK(&five, XS_WRITE, 0, "open/mine\0x"));
    assert_true(ASK(&dom0, XS_WATCH, 0, "/local/domain/5/open/1\0t"));
    for (unsigned i = 0; i < 300; i++)
        cost(&six, XS_MKDIR, 0, path, (size_t)sprintf(path, "/local/domain/5/open/%u", i) + 1);
    assert_int_equal(account_held(6, HELD_NODES), 300);
    dom0.events = 0;
    forget("6");
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
static void a_transaction_does_not_bring_them_back(void **state)
{
    uint32_t tx;

    assert_true(ASK(&five, XS_MKDIR, 0, "open"));
    assert_true(ASK(&five, XS_SET_PERMS, 0, "open\0n5\0b6"));
    tx = begin(&five);
    assert_true(ASK(&five, XS_WRITE, tx, "open\0x"));
    forget("6");
    assert_refused(ASK(&five, XS_TRANSACTION_END, tx, "T"), &five, "EAGAIN");
}

/* Whoever's end it is that brings it to its end. */
static void whoever_asks_brings_it_on(void **state)
{
    unsigned turns = 0;

    assert_true(ASK(&dom0, XS_WATCH, 0, "@releaseDomain\0t"));
    make_many("large", 300);
    dom0.events = 0;
    assert_refused(ASK(&dom0, XS_RELEASE, 0, "6"), &dom0, "EAGAIN");
    while (!ASK(&dom0, XS_RELEASE, 0, "5") && dom0.events == 0)
        assert_in_range(++turns, 1, 20);
    assert_in_range(turns, 2, 20);
    assert_int_equal(tree_count_owned(xenstore_tree, 5), 302);
    forget("5");
    assert_int_equal(dom0.events, 2);
    assert_int_equal(tree_count_owned(xenstore_tree, 5), 0);
}

/* However many nodes there are of others, in whatever he leaves. */
static void forgetting_goes_in_turns(void **state)
{
    assert_true(ASK(&dom0, XS_MKDIR, 0, "/local/domain/6"));
    assert_true(ASK(&dom0, XS_SET_PERMS, 0, "/local/domain/6\0n6\0b5"));
    make_many("/local/domain/6/five", 450);
    make_many("large", 450);
    assert_in_range(forget("6"), 10, 100);
    assert_int_equal(account_held(5, HELD_NODES), 452);
    assert_int_equal(tree_count_owned(xenstore_tree, 5), 452);
    assert_refused(ASK(&dom0, XS_READ, 0, "/local/domain/6"), &dom0, "ENOENT");
}

/*
 * Between the turns the place where it is may go, and be made again; nobody of that number comes;
 * another's end waits.
 */
static void the_tree_lives_meanwhile(void **state)
{
    char path[64];
    unsigned turns = 0;

    assert_true(ASK(&dom0, XS_WATCH, 0, "@releaseDomain\0t"));
    dom0.events = 0;
    for (unsigned i = 0; i < 300; i++) {
        cost(&five, XS_WRITE, 0, path, (size_t)sprintf(path, "%u/a/%u", i % 3, i) + 1);
        cost(&five, XS_SET_PERMS, 0, path,
             (size_t)sprintf(path, "%u/a/%u%cn5%cb6", i % 3, i, 0, 0) + 1);
        if (i % 2)
            cost(&six, XS_WRITE, 0, path,
                 (size_t)sprintf(path, "/local/domain/5/%u/a/%u/six", i % 3, i) + 1);
    }
    while (!ASK(&dom0, XS_RELEASE, 0, "6")) {
        assert_string_equal(dom0.payload, "EAGAIN");
        assert_refused(ASK(&dom0, XS_INTRODUCE, 0, "6\0" "77\0" "3"), &dom0, "EEXIST");
        if (++turns == 2) {
            assert_true(ASK(&five, XS_RM, 0, "0"));
            assert_true(ASK(&five, XS_WRITE, 0, "0/b\0x"));
        }
        assert_true(ASK(&five, XS_RM, 0, "1"));
        assert_true(ASK(&five, XS_WRITE, 0, "1/a\0x"));
        if (turns == 3)
            assert_refused(ASK(&dom0, XS_RELEASE, 0, "5"), &dom0, "EAGAIN");
    }
    assert_int_equal(dom0.events, 1);
    assert_in_range(turns, 4, 50);
    assert_int_equal(tree_count_owned(xenstore_tree, 6), 0);
    assert_int_equal(account_held(6, HELD_NODES) + account_held(6, HELD_NODE_BYTES), 0);
    assert_true(ASK(&five, XS_GET_PERMS, 0, "2/a/2"));
    assert_int_equal(five.answer.len, 3);
    assert_true(ASK(&five, XS_DIRECTORY, 0, "2/a/299"));
    assert_int_equal(five.answer.len, 0);
}

#define TOWERS 10u

/* Nor can anybody make it longer: who puts one tower of nodes behind the other, always where the
 * walk is yet to come, and removes the first ones, is not climbed after. */
static void nobody_keeps_the_dead_alive(void **state)
{
    static char path[200];
    unsigned turns = 1;
    size_t size;

    make_many("data", 300);
    for (; !ASK(&dom0, XS_RELEASE, 0, "6"); turns++) {
        assert_string_equal(dom0.payload, "EAGAIN");
        assert_in_range(turns, 1, 3 * TOWERS);
        size = (size_t)sprintf(path, "data/t%03u", turns);
        while (size < 125)
            size += (size_t)sprintf(path + size, "/a");
        cost(&five, XS_MKDIR, 0, path, size + 1);
        assert_int_equal(five.answer.type, XS_MKDIR);
        if (turns > TOWERS)
            cost(&five, XS_RM, 0, path, (size_t)sprintf(path, "data/t%03u", turns - TOWERS) + 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_goes_is_told_once, setup, teardown),
        cmocka_unit_test_setup_teardown(what_changes_is_told_once, setup, teardown),
        cmocka_unit_test_setup_teardown(what_came_and_went_and_came_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(a_look_at_many_is_a_look_at_many, setup, teardown),
        cmocka_unit_test_setup_teardown(a_deep_path_is_many_nodes, setup, teardown),
        cmocka_unit_test_setup_teardown(names_may_begin_the_same, setup, teardown),
        cmocka_unit_test_setup_teardown(a_long_request_is_more_than_one, setup, teardown),
        cmocka_unit_test_setup_teardown(many_watches_are_many_to_look_at, setup, teardown),
        cmocka_unit_test_setup_teardown(watches_of_the_blind_are_looked_at, setup, teardown),
        cmocka_unit_test_setup_teardown(watches_of_one_path_fire_once, setup, teardown),
        cmocka_unit_test_setup_teardown(what_changes_meanwhile_is_told_again, setup, teardown),
        cmocka_unit_test_setup_teardown(watches_may_go_while_they_are_told, setup, teardown),
        cmocka_unit_test_setup_teardown(a_removal_looks_at_what_is_watched, setup, teardown),
        cmocka_unit_test_setup_teardown(a_writer_fills_the_owners_account, setup, teardown),
        cmocka_unit_test_setup_teardown(removed_twice_is_gone_once, setup, teardown),
        cmocka_unit_test_setup_teardown(paths_that_wait_may_begin_the_same, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_removed_costs_its_number, setup, teardown),
        cmocka_unit_test_setup_teardown(the_dead_own_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_transaction_does_not_bring_them_back, setup, teardown),
        cmocka_unit_test_setup_teardown(whoever_asks_brings_it_on, setup, teardown),
        cmocka_unit_test_setup_teardown(forgetting_goes_in_turns, setup, teardown),
        cmocka_unit_test_setup_teardown(the_tree_lives_meanwhile, setup, teardown),
        cmocka_unit_test_setup_teardown(nobody_keeps_the_dead_alive, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
