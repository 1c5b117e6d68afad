/* SPDX-License-Identifier: MIT */
/* What XenStore holds for each domain: random requests of four clients, in and out of transactions,
 * and now and then a recount of every node, shadow, watch and event against the accounts; who
 * reaches a quota is refused; who goes holds nothing; what a large transaction costs depends on its
 * size, not on the tree's.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include "dom0/account.h"
#include "dom0/xenstore/places.h"
#include "names_host.h"
#include "whole_request.h"

#define CLIENTS 4u

struct client {
    struct xenstore_connection connection;
    char answer[XENSTORE_PAYLOAD_MAX + 1];
    bool refused, deaf, absent;
    unsigned asked, answered;
    uint32_t transaction[XENSTORE_MAX_TRANSACTIONS];
};

static struct client clients[CLIENTS];          /* Domains 0 to 3. */
static size_t left;                             /* Of dom0's memory. */
static bool in_parts;                           /* Somebody else goes on with what is taken. */

static size_t memory_left(void)
{
    return left;
}

static bool ready(struct xenstore_connection *to)
{
    return !((struct client *)to)->deaf;
}

static void receive(struct xenstore_connection *to, const struct xsd_sockmsg *header,
                    const void *payload)
{
    struct client *client = (struct client *)to;

    if (header->type == XS_WATCH_EVENT) return;
    client->answered++;
    client->refused = header->type == XS_ERROR;
    memcpy(client->answer, payload, header->len);
    client->answer[header->len] = '\0';
}

static unsigned ask(struct client *client, uint32_t type, uint32_t tx, const char *payload,
                    size_t size)
{
    struct xsd_sockmsg header = { .type = type, .tx_id = tx, .len = (uint32_t)size };

    client->asked++;
    return in_parts ? xenstore_take(&client->connection, &header, payload)
                    : xenstore_handle(&client->connection, &header, payload);
}

static void start(unsigned i)
{
    memset(&clients[i], 0, sizeof(clients[i]));
    clients[i].connection.actor = (struct tree_actor){ .domid = (uint16_t)i, .privileged = i == 0 };
    clients[i].connection.send = receive;
    clients[i].connection.ready = ready;
    xenstore_connect(&clients[i].connection);
}

static void give_home(unsigned i)
{
    char payload[64];

    ask(&clients[0], XS_MKDIR, 0, payload,
        (size_t)snprintf(payload, sizeof(payload), "/local/domain/%u", i) + 1);
    /* Open to the next one, who makes nodes of his own there. */
    ask(&clients[0], XS_SET_PERMS, 0, payload,
        (size_t)snprintf(payload, sizeof(payload), "/local/domain/%u%cn%u%cb%u", i, 0, i, 0,
                         i % 3 + 1) + 1);
    assert_false(clients[0].refused);
}

static int release(domid_t domid)
{
    xenstore_disconnect(&clients[domid].connection);
    clients[domid].absent = true;
    return 0;
}

static int setup(void **state)
{
    static const struct xenstore_carrier carrier = { NULL, release };

    in_parts = false;
    left = ACCOUNT_RESERVE;
    account_start(memory_left);
    assert_int_equal(xenstore_start(&carrier), 0);
    for (unsigned i = 0; i < CLIENTS; i++) {
        start(i);
        if (i)
            give_home(i);
    }
    return 0;
}

/* --- the recount --- */

static size_t counted[CLIENTS][HELD_KINDS];

static void count_nodes(const struct tree_node *node)
{
    uint16_t owner = node->perms.entry[0].domid;

    counted[owner][HELD_NODES]++;
    counted[owner][HELD_NODE_BYTES] += sizeof(*node) + strlen(node->name) + 1 + node->value_size +
                                       1 + node->child_room * sizeof(*node->children);
    for (unsigned i = 0; i < node->child_count; i++) {
        if (i)
            assert_true(stands_before(node->children[i - 1]->name, node->children[i]->name));
        count_nodes(node->children[i]);
    }
}

static void count_watches(const struct xenstore_connection *connection)
{
    size_t *count = counted[connection->actor.domid];
    unsigned number = 0;

    for (const struct xenstore_watch *w = connection->watches; w; w = w->next, number++) {
        const struct xenstore_listener *l = w->listener;

        count[HELD_WATCHES] += sizeof(*w) + sizeof(*l) + strlen(w->token) + 1;
        for (const struct xenstore_place *p = l->place; p->parent; p = p->parent)
            count[HELD_WATCHES] += PLACE_BYTES + p->name_size + 1;
        /* The NUL; "/" has a slash and no name. */
        count[HELD_WATCHES] += l->place->parent ? 1 : 2;
        if (w != l->watches)
            continue;
        for (const struct xenstore_fired *f = l->fired; f; f = f->next)
            count[HELD_EVENTS] += sizeof(*f) + strlen(f->path) + 1;
        count[HELD_EVENTS] += l->told ? sizeof(*l->told) + strlen(l->told->path) + 1 : 0;
    }
    assert_int_equal(number, connection->watch_count);
}

static void recount(void)
{
    memset(counted, 0, sizeof(counted));
    count_nodes(xenstore_tree);
    for (unsigned i = 0; i < CLIENTS; i++) {
        count_watches(&clients[i].connection);
        for (unsigned kind = 0; kind < HELD_KINDS; kind++)
            if (kind != HELD_TRANSACTIONS)
                assert_int_equal(account_held((uint16_t)i, kind), counted[i][kind]);
        /* What dom0 gave comes above. */
        for (unsigned kind = HELD_NODE_BYTES; i && kind < HELD_KINDS; kind++)
            assert_true(account_held((uint16_t)i, kind) <= account_rules[kind].quota + 65536);
        if (!clients[i].connection.transactions)
            assert_int_equal(account_held((uint16_t)i, HELD_TRANSACTIONS), 0);
    }
}

static int teardown(void **state)
{
    recount();
    for (unsigned i = 0; i < CLIENTS; i++)
        xenstore_disconnect(&clients[i].connection);
    for (uint16_t i = 0; i < CLIENTS; i++)
        assert_int_equal(account_held(i, HELD_TRANSACTIONS) + account_held(i, HELD_WATCHES) +
                             account_held(i, HELD_EVENTS),
                         0);
    (void)tree_drop_some(xenstore_tree, &(unsigned){ ~0u });
    for (uint16_t i = 0; i < CLIENTS; i++)
        for (unsigned kind = 0; kind < HELD_KINDS; kind++)
            assert_int_equal(account_held(i, kind), 0);
    return 0;
}

size_t __sanitizer_get_current_allocated_bytes(void);          /* ASan counts for us. */

/* --- anything at all --- */

static uint64_t seed;

static unsigned random_below(unsigned limit)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % limit;
}

/* Somewhere in one's own directory, or in another's: few names, so that things meet. */
static size_t random_path(char *path, unsigned domid)
{
    size_t size = (size_t)sprintf(path, "/local/domain/%u",
                                  random_below(3) ? domid : random_below(3) + 1);

    for (unsigned depth = random_below(4); depth; depth--)
        size += (size_t)sprintf(path + size, "/%.*s%u", (int)random_below(9), "somename",
                                random_below(6));
    return size + 1;
}

static void random_request(struct client *client)
{
    static const uint32_t types[] = { XS_WRITE, XS_WRITE,     XS_WRITE,     XS_MKDIR,
                                      XS_RM,    XS_SET_PERMS, XS_READ,      XS_DIRECTORY,
                                      XS_WATCH, XS_UNWATCH,   XS_GET_PERMS, XS_DIRECTORY_PART };
    uint32_t type = types[random_below(ARRAY_SIZE(types))],
             *slot = &client->transaction[random_below(XENSTORE_MAX_TRANSACTIONS)];
    uint16_t domid = client->connection.actor.domid;
    char payload[4096];
    size_t size;

    client->deaf = random_below(20) ? client->deaf : !client->deaf;
    if (!client->deaf)
        xenstore_pump(&client->connection);
    if (random_below(15) == 0) {
        if (*slot) {
            ask(client, XS_TRANSACTION_END, *slot, random_below(4) ? "T" : "F", 2);
            *slot = 0;
        } else {
            ask(client, XS_TRANSACTION_START, 0, "", 1);
            *slot = client->refused ? 0 : (uint32_t)atoi(client->answer);
        }
        return;
    }
    size = random_path(payload, domid ? domid : random_below(3) + 1);
    if (type == XS_WRITE) {
        unsigned length = random_below(10) ? random_below(40) : random_below(2100);

        memset(payload + size, 'v', length);
        size += length;
    } else if (type == XS_SET_PERMS) {
        unsigned owner = domid && random_below(5) ? domid : random_below(3) + 1;

        size += (size_t)sprintf(payload + size, "%c%u%c%c%u", "nrwb"[random_below(4)], owner, 0,
                                "nrwb"[random_below(4)], random_below(4)) +
                1;
    } else if (type == XS_WATCH || type == XS_UNWATCH) {
        size += (size_t)sprintf(payload + size, "t%u", random_below(3)) + 1;
    } else if (type == XS_DIRECTORY_PART) {
        size += (size_t)sprintf(payload + size, "0") + 1;
    }
    ask(client, type, type == XS_WATCH || type == XS_UNWATCH || random_below(2) ? 0 : *slot,
        payload, size);
}

static void accounts_are_what_is_there(void **state)
{
    for (seed = 1; seed < 2000; seed++) {
        uint64_t round = seed;

        for (unsigned step = 0; step < 60; step++)
            random_request(&clients[random_below(CLIENTS)]);
        recount();
        seed = round;
    }
}

/* --- what is done in parts, with anything at all between them --- */

static unsigned leaving;                        /* Whom dom0 releases; 0: nobody. */
static unsigned parts, releases;                /* So many there were. */

static void release_some(void)
{
    char payload[8];

    ask(&clients[0], XS_RELEASE, 0, payload, (size_t)sprintf(payload, "%u", leaving) + 1);
    if (clients[0].refused) {
        assert_string_equal(clients[0].answer, "EAGAIN");
    } else {
        start(leaving);
        give_home(leaving);
        leaving = 0;
        releases++;
    }
}

/* Enough of it that it has parts: made in a transaction or not, and removed. */
static void large_request(struct client *client)
{
    uint32_t *tx = &client->transaction[0];
    char payload[64];

    switch (random_below(40)) {
    case 0:
        ask(client, XS_TRANSACTION_END, *tx, random_below(4) ? "T" : "F", 2);
        *tx = 0;
        break;
    case 1:
        ask(client, XS_RESET_WATCHES, 0, "", 1);
        memset(client->transaction, 0, sizeof(client->transaction));
        break;
    case 2: case 3:
        ask(client, XS_RM, random_below(2) ? *tx : 0, payload,
            (size_t)sprintf(payload, "/local/domain/%u/%u", random_below(3) + 1, random_below(3)) +
            1);
        break;
    case 4:
        ask(client, XS_WATCH, 0, payload,
            (size_t)sprintf(payload, "/local/domain/%u/%u%ct", random_below(3) + 1, random_below(3),
                            0) + 1);
        break;
    default:
        if (!*tx) {
            ask(client, XS_TRANSACTION_START, 0, "", 1);
            *tx = client->refused ? 0 : (uint32_t)atoi(client->answer);
        }
        ask(client, XS_MKDIR, random_below(2) ? *tx : 0, payload,
            (size_t)sprintf(payload, "/local/domain/%u/%u/%u/%u", random_below(3) + 1,
                            random_below(3), random_below(60), random_below(3)) + 1);
    }
}

static void step_of(struct client *client)
{
    struct xenstore_connection *connection = &client->connection;

    if (connection->ended || connection->gone) {
        assert_true(xenstore_go_on(connection) || !connection->owes_answer);
        parts++;
    } else if (client == &clients[0] && (leaving || !random_below(300))) {
        leaving = leaving ? leaving : random_below(3) + 1;
        release_some();
    } else if (!client->absent && !connection->leaving) {
        large_request(client);
    }
    if (!client->absent)
        assert_int_equal(client->answered + connection->owes_answer, client->asked);
}

static bool something_is_left(void)
{
    for (unsigned i = 0; i < CLIENTS; i++)
        if (clients[i].connection.ended || clients[i].connection.gone)
            return true;
    return leaving;
}

/* Everybody is answered once, whoever comes between; nothing is counted twice, or lost, when one is
 * released or removes what others are just being told of. */
static void anything_between_parts(void **state)
{
    for (unsigned round = 1; round < 30; round++) {
        seed = round;
        in_parts = true;
        for (unsigned step = 0; step < 2000; step++)
            step_of(&clients[random_below(CLIENTS)]);
        while (something_is_left())
            for (unsigned i = 0; i < CLIENTS; i++)
                if (!xenstore_go_on(&clients[i].connection) && !i && leaving)
                    release_some();
        in_parts = false;
        recount();
    }
    assert_true(parts > 1000 && releases > 20);
}

/* What a transaction has made is made again when what it stood in was removed outside: it holds it
 * once, and gives it back. */
static void made_again_is_held_once(void **state)
{
    struct client *one = &clients[1];
    size_t before = __sanitizer_get_current_allocated_bytes();

    for (unsigned i = 0; i < 200; i++) {
        uint32_t tx;

        ask(one, XS_TRANSACTION_START, 0, "", 1);
        tx = (uint32_t)atoi(one->answer);
        ask(one, XS_MKDIR, 0, "data", sizeof("data"));
        ask(one, XS_MKDIR, tx, "data/of/mine", sizeof("data/of/mine"));
        ask(one, XS_RM, 0, "data", sizeof("data"));
        ask(one, XS_MKDIR, tx, "data/of/mine", sizeof("data/of/mine"));
        assert_false(one->refused);
        ask(one, XS_TRANSACTION_END, tx, "F", 2);
    }
    ask(one, XS_RM, 0, "data", sizeof("data"));
    assert_in_range(__sanitizer_get_current_allocated_bytes(), before - 1024, before + 1024);
}

/* --- quotas, and the reserve --- */

static void each_quota_refuses(void **state)
{
    struct client *one = &clients[1];
    static char payload[4096];
    unsigned made = 0;
    uint32_t tx;

    memset(payload, 'x', sizeof(payload));
    do {                                        /* Bytes end before nodes do. */
        int size = sprintf(payload, "data/%u", made++);

        payload[size] = '\0';
        ask(one, XS_WRITE, 0, payload, (size_t)size + 1 + XENSTORE_MAX_NODE_BYTES);
        memset(payload, 'x', 64);
    } while (!one->refused && made < 2000);
    assert_string_equal(one->answer, "ENOSPC");
    assert_in_range(made, 400, 520);
    ask(one, XS_WRITE, 0, "data/1\0short", 12);
    assert_false(one->refused);                 /* What becomes less always may. */
    for (unsigned i = 1; i < 3; i++) {          /* The operator writes as much as he likes. */
        memcpy(payload, "/local/domain/1/data/", 21);
        payload[21] = (char)('0' + i);
        payload[22] = '\0';
        ask(&clients[0], XS_WRITE, 0, payload, 4000);
        assert_false(clients[0].refused);
    }
    memset(payload, 'x', 64);
    assert_true(account_held(1, HELD_NODE_BYTES) > account_rules[HELD_NODE_BYTES].quota);
    memcpy(payload, "data/3", 7);
    ask(one, XS_WRITE, 0, payload, 7 + XENSTORE_MAX_NODE_BYTES);
    assert_false(one->refused);                 /* Nor does what stays as large take any. */
    memcpy(payload, "data/4", 7);
    ask(one, XS_WRITE, 0, payload, 7 + XENSTORE_MAX_NODE_BYTES - 1);
    assert_false(one->refused);
    ask(one, XS_WRITE, 0, payload, 7 + XENSTORE_MAX_NODE_BYTES);
    assert_string_equal(one->answer, "ENOSPC");
    memset(payload, 'x', 64);
    for (unsigned i = 1; i < 3; i++)
        ask(one, XS_WRITE, 0, i == 1 ? "data/1\0s" : "data/2\0s", 8);
    assert_false(one->refused);
    ask(one, XS_TRANSACTION_START, 0, "", 1);
    tx = (uint32_t)atoi(one->answer);
    for (made = 0; made < 2000 && !one->refused; made++) {
        int size = sprintf(payload, "data/%u", made);

        payload[size] = '\0';
        ask(one, XS_WRITE, tx, payload, (size_t)size + 1 + XENSTORE_MAX_NODE_BYTES);
        memset(payload, 'x', 64);
    }
    assert_string_equal(one->answer, "ENOSPC");
    assert_in_range(made, 200, 260);
    assert_true(account_held(1, HELD_TRANSACTIONS) <= account_rules[HELD_TRANSACTIONS].quota);
    ask(one, XS_TRANSACTION_END, tx, "F", 2);
    ask(one, XS_TRANSACTION_START, 0, "", 1);
    tx = (uint32_t)atoi(one->answer);
    memcpy(payload, "data/7", 7);
    for (unsigned i = 0; i < 400; i++)          /* The same node again and again holds one value. */
        ask(one, XS_WRITE, tx, payload, 7 + XENSTORE_MAX_NODE_BYTES);
    assert_in_range(account_held(1, HELD_TRANSACTIONS), 400 * (16 + 7), 32767);     /* and a log */
    memset(payload, 'x', 64);
    ask(one, XS_TRANSACTION_END, tx, "F", 2);
    for (made = 0, one->refused = false; made < XENSTORE_MAX_WATCHES && !one->refused; made++) {
        payload[sprintf(payload, "%u", made)] = 'x';
        payload[1000] = '\0';
        payload[1001] = 't';
        payload[1002] = '\0';
        ask(one, XS_WATCH, 0, payload, 1003);
    }
    assert_string_equal(one->answer, "ENOSPC");
    assert_in_range(made, 70, 100);
}

/* When memory is short guests get no more of it, and the operator does. */
static void the_reserve_is_the_operators(void **state)
{
    struct client *one = &clients[1];

    ask(one, XS_WRITE, 0, "data\0xxx", 8);
    left = ACCOUNT_RESERVE / 2 - 1;
    ask(one, XS_WRITE, 0, "more\0x", 6);
    assert_string_equal(one->answer, "ENOMEM");
    ask(one, XS_TRANSACTION_START, 0, "", 1);
    assert_string_equal(one->answer, "ENOMEM");
    ask(one, XS_WATCH, 0, "data\0t", 7);
    assert_string_equal(one->answer, "ENOMEM");
    ask(one, XS_READ, 0, "data", 5);
    assert_string_equal(one->answer, "xxx");
    ask(one, XS_WRITE, 0, "data\0x", 6);
    assert_false(one->refused);
    ask(&clients[0], XS_WRITE, 0, "/local/domain/1/more\0x", 22);
    assert_false(clients[0].refused);
}

/* Those who hold much cannot take everything from those who hold little. */
static void who_holds_little_is_served(void **state)
{
    struct client *one = &clients[1], *two = &clients[2];
    char payload[8 + XENSTORE_MAX_NODE_BYTES];
    unsigned made;

    memset(payload, 'x', sizeof(payload));
    for (unsigned i = 0; i < 40; i++)
        ask(one, XS_WRITE, 0, payload, (size_t)sprintf(payload, "%u", i) + 1 + 2000);
    assert_false(one->refused);
    left = ACCOUNT_RESERVE - 1;
    ask(one, XS_WRITE, 0, "more\0x", 6);
    assert_string_equal(one->answer, "ENOMEM");
    ask(two, XS_WATCH, 0, "data\0t", 7);
    assert_false(two->refused);
    for (made = 0; made < 100 && !two->refused; made++)
        ask(two, XS_WRITE, 0, payload, (size_t)sprintf(payload, "%u", made) + 1 + 2000);
    assert_string_equal(two->answer, "ENOMEM");
    assert_in_range(made, 25, 35);
    left = ACCOUNT_RESERVE / 2;
    ask(two, XS_WRITE, 0, "a\0x", 3);
    assert_false(two->refused);
    left--;
    ask(two, XS_WRITE, 0, "b\0x", 3);
    assert_string_equal(two->answer, "ENOMEM");
}

/* But guests choose how many events there are for the operator's own watches: a watch can fire
 * whole. */
static void the_operators_events_are_not(void **state)
{
    ask(&clients[0], XS_WATCH, 0, "/local/domain/1\0t", 18);
    clients[0].deaf = true;
    ask(&clients[1], XS_WRITE, 0, "a\0x", 3);
    assert_in_range(account_held(0, HELD_EVENTS), 1, 100);
    recount();
    left = ACCOUNT_RESERVE - 1;
    ask(&clients[1], XS_WRITE, 0, "a\0y", 3);                    /* It waits already. */
    assert_false(clients[0].connection.watches->listener->fired_whole);
    ask(&clients[1], XS_RM, 0, "a", 2);
    assert_false(clients[0].connection.watches->listener->fired_whole);
    ask(&clients[0], XS_WRITE, 0, "/local/domain/1/b\0x", 19);
    assert_in_range(account_held(0, HELD_EVENTS), 1, 100);
    assert_true(clients[0].connection.watches->listener->fired_whole);
    recount();
    clients[0].deaf = false;
    xenstore_pump(&clients[0].connection);
    assert_int_equal(account_held(0, HELD_EVENTS), 0);
    assert_null(clients[0].connection.fired);
}

/* Nor can they fill more of its memory with those than a guest may: by watches, each of which has
 * room for 16 long paths. */
static void the_operators_events_have_a_quota(void **state)
{
    static char payload[3100];
    char watch[40];

    for (unsigned i = 0; i < 16; i++)
        ask(&clients[0], XS_WATCH, 0, watch,
            (size_t)sprintf(watch, "/local/domain/1/%u%ct", i, 0) + 1);
    clients[0].deaf = true;
    for (unsigned i = 0; i < 16; i++)
        for (unsigned n = 0; n < 16; n++) {
            int size = sprintf(payload, "/local/domain/1/%u/%02000u", i, n);

            ask(&clients[1], XS_WRITE, 0, payload, (size_t)size + 1);
        }
    assert_in_range(account_held(0, HELD_EVENTS), 30000, account_rules[HELD_EVENTS].quota);
    recount();
    clients[0].deaf = false;
    xenstore_pump(&clients[0].connection);
    assert_int_equal(account_held(0, HELD_EVENTS), 0);
}

/* --- what it costs --- */

/* The same transaction in a small tree and in a large one; alone, and beside domains full of
 * watches on everything else. */
static unsigned cost_of_many(struct client *one)
{
    char payload[64];
    unsigned cost;
    uint32_t tx;

    ask(one, XS_TRANSACTION_START, 0, "", 1);
    tx = (uint32_t)atoi(one->answer);
    for (unsigned i = 0; i < 400; i++) {
        int size = sprintf(payload, "data/%u", i);

        cost = ask(one, XS_WRITE, tx, payload, (size_t)size + 2);
        assert_false(one->refused);
        assert_int_equal(cost, 1);
    }
    cost = ask(one, XS_TRANSACTION_END, tx, "T", 2);
    assert_false(one->refused);
    return cost;
}

static void a_transaction_costs_what_it_does(void **state)
{
    char payload[128];
    unsigned small, large;

    cost_of_many(&clients[1]);
    small = cost_of_many(&clients[1]);
    for (unsigned i = 0; i < 5000; i++)
        ask(&clients[0], XS_MKDIR, 0, payload,
            (size_t)sprintf(payload, "/tool/%u/%u", i / 100, i) + 1);
    for (unsigned i = 0; i < XENSTORE_MAX_WATCHES; i++)
        ask(&clients[2], XS_WATCH, 0, payload,
            (size_t)sprintf(payload, "/local/domain/2/w%u%ct", i, 0) + 1);
    large = cost_of_many(&clients[1]);
    assert_int_equal(small, large);
    /* And it is not taken for one request: that is paid with later turns. */
    assert_in_range(small, 20, 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(accounts_are_what_is_there, setup, teardown),
        cmocka_unit_test_setup_teardown(anything_between_parts, setup, teardown),
        cmocka_unit_test_setup_teardown(made_again_is_held_once, setup, teardown),
        cmocka_unit_test_setup_teardown(each_quota_refuses, setup, teardown),
        cmocka_unit_test_setup_teardown(the_reserve_is_the_operators, setup, teardown),
        cmocka_unit_test_setup_teardown(who_holds_little_is_served, setup, teardown),
        cmocka_unit_test_setup_teardown(the_operators_events_are_not, setup, teardown),
        cmocka_unit_test_setup_teardown(the_operators_events_have_a_quota, setup, teardown),
        cmocka_unit_test_setup_teardown(a_transaction_costs_what_it_does, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
