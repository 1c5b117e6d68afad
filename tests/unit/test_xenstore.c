/* SPDX-License-Identifier: MIT */
/* dom0's XenStore: the wire protocol's requests, permissions, watches, transactions, quotas, and
 * hostile payloads.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include "dom0/account.h"
#include "xenstore_host.h"

static void reads_what_was_written(void **state)
{
    assert_true(ASK_OPEN(&five, XS_WRITE, 0, "data/x\0hello"));
    assert_string_equal(five.payload, "OK");
    assert_true(ASK(&five, XS_READ, 0, "/local/domain/5/data/x"));
    assert_int_equal(five.answer.len, 5);
    assert_string_equal(five.payload, "hello");
    assert_true(ASK(&five, XS_DIRECTORY, 0, "data"));
    assert_int_equal(five.answer.len, 2);
    assert_refused(ASK(&five, XS_READ, 0, "nothing"), &five, "ENOENT");
    assert_true(ASK(&five, XS_GET_DOMAIN_PATH, 0, "9"));
    assert_string_equal(five.payload, "/local/domain/9");
    assert_true(ASK(&five, XS_RM, 0, "data"));
    assert_refused(ASK(&five, XS_READ, 0, "data/x"), &five, "ENOENT");
    /* The parent exists: no error. */
    assert_true(ASK(&five, XS_RM, 0, "data"));
    assert_refused(ASK(&five, XS_RM, 0, "data/x/y"), &five, "ENOENT");
    assert_refused(ASK(&dom0, XS_RM, 0, "/"), &dom0, "EINVAL");
}

static void hostile_payloads_are_refused(void **state)
{
    char longest[XENSTORE_PAYLOAD_MAX];

    assert_refused(ask(&five, XS_READ, 0, "", 0), &five, "EINVAL");
    assert_refused(ASK_OPEN(&five, XS_READ, 0, "no-end"), &five, "EINVAL");
    assert_refused(ASK(&five, XS_READ, 0, "/a//b"), &five, "EINVAL");
    assert_refused(ASK(&five, XS_READ, 0, "/a/"), &five, "EINVAL");
    assert_refused(ASK(&five, XS_READ, 0, "a b"), &five, "EINVAL");
    assert_refused(ASK(&five, XS_READ, 0, "a.b"), &five, "EINVAL");
    assert_refused(ASK(&five, XS_READ, 0, "."), &five, "EINVAL");
    assert_refused(ASK(&five, XS_RM, 0, "/"), &five, "EACCES");
    assert_refused(ASK(&five, XS_WATCH, 0, "a"), &five, "EINVAL");
    assert_refused(ASK(&five, XS_SET_PERMS, 0, "data\0x5"), &five, "EINVAL");
    assert_refused(ASK(&five, XS_SET_PERMS, 0, "data\0r99999"), &five, "EINVAL");
    assert_refused(ASK(&five, XS_TRANSACTION_END, 7, "T"), &five, "ENOENT");
    assert_refused(ASK(&five, XS_READ, 7, "data"), &five, "ENOENT");
    assert_refused(ASK(&five, 9999, 0, ""), &five, "ENOSYS");
    assert_refused(ASK(&five, XS_CONTROL, 0, "print"), &five, "EACCES");
    assert_refused(ASK(&five, XS_GET_DOMAIN_PATH, 0, "99999999999999999999999"), &five, "EINVAL");
    for (size_t i = 0; i < sizeof(longest); i++)
        longest[i] = i % 2 ? 'a' : '/';
    longest[sizeof(longest) - 1] = '\0';
    /* Too long. */
    assert_refused(ask(&dom0, XS_WRITE, 0, longest, sizeof(longest)), &dom0, "EINVAL");
    longest[2000] = '\0';
    /* Too deep. */
    assert_refused(ask(&dom0, XS_WRITE, 0, longest, 2001), &dom0, "EINVAL");
}

static void permissions_hold(void **state)
{
    assert_true(ASK_OPEN(&five, XS_WRITE, 0, "secret\0s"));
    assert_refused(ASK(&six, XS_READ, 0, "/local/domain/5/secret"), &six, "EACCES");
    /* Not even that it is not. */
    assert_refused(ASK(&six, XS_READ, 0, "/local/domain/5/absent"), &six, "EACCES");
    assert_refused(ASK_OPEN(&six, XS_WRITE, 0, "/local/domain/5/new\0x"), &six, "EACCES");
    assert_true(ASK(&five, XS_SET_PERMS, 0, "secret\0n5\0r6"));
    assert_true(ASK(&six, XS_READ, 0, "/local/domain/5/secret"));
    assert_true(ASK(&six, XS_GET_PERMS, 0, "/local/domain/5/secret"));
    assert_memory_equal(six.payload, "n5\0r6", 6);
    assert_refused(ASK_OPEN(&six, XS_WRITE, 0, "/local/domain/5/secret\0x"), &six, "EACCES");
    /* Owners stay owners. */
    assert_refused(ASK(&five, XS_SET_PERMS, 0, "secret\0n6"), &five, "EPERM");
    assert_refused(ASK(&six, XS_SET_PERMS, 0, "/local/domain/5/secret\0b6"), &six, "EACCES");
    assert_refused(ASK(&six, XS_INTRODUCE, 0, "6\0" "77\0" "3"), &six, "EACCES");
    assert_refused(ASK(&six, XS_RELEASE, 0, "5"), &six, "EACCES");
    /* What dom0 makes in a guest's directory is the guest's; what a guest makes below dom0's node
     * is the guest's. */
    assert_true(ASK_OPEN(&dom0, XS_WRITE, 0, "/local/domain/5/name\0guest"));
    assert_true(ASK(&five, XS_READ, 0, "name"));
}

static void watches_fire(void **state)
{
    assert_true(ASK(&five, XS_WATCH, 0, "data\0t1"));
    /* The first event comes by itself. */
    assert_int_equal(five.events, 1);
    /* Relative, as it was asked for. */
    assert_string_equal(five.event, "data t1");
    assert_refused(ASK(&five, XS_WATCH, 0, "data\0t1"), &five, "EEXIST");
    assert_true(ASK_OPEN(&dom0, XS_WRITE, 0, "/local/domain/5/data/a/b\0x"));
    assert_int_equal(five.events, 2);
    assert_string_equal(five.event, "data/a/b t1");
    assert_true(ASK(&six, XS_WATCH, 0, "/local/domain/5/data\0spy"));
    six.events = 0;
    assert_true(ASK_OPEN(&five, XS_WRITE, 0, "data/a/b\0y"));
    /* May not read it: hears nothing. */
    assert_int_equal(six.events, 0);
    five.events = 0;
    /* Nothing changes by these two. */
    assert_true(ASK(&five, XS_MKDIR, 0, "data/a"));
    assert_true(ASK(&five, XS_RM, 0, "data/a/nothing"));
    assert_int_equal(five.events, 0);
    assert_true(ASK(&five, XS_WATCH, 0, "/local/domain/5/data/a/b\0deep"));
    five.events = 0;
    assert_true(ASK(&dom0, XS_RM, 0, "/local/domain/5/data"));
    /* The subtree's watch hears too. */
    assert_int_equal(five.events, 2);
    assert_true(ASK(&five, XS_UNWATCH, 0, "data\0t1"));
    assert_refused(ASK(&five, XS_UNWATCH, 0, "data\0t1"), &five, "ENOENT");
    assert_true(ASK(&five, XS_RESET_WATCHES, 0, ""));
    five.events = 0;
    assert_true(ASK_OPEN(&five, XS_WRITE, 0, "data/a/b\0z"));
    assert_int_equal(five.events, 0);
}

/* --- a client that takes its events when it likes --- */

static unsigned room;

static bool has_room(struct xenstore_connection *to)
{
    return room > 0;
}

static void take_with_room(struct xenstore_connection *to, const struct xsd_sockmsg *header,
                           const void *payload)
{
    room -= header->type == XS_WATCH_EVENT;
    receive(to, header, payload);
}

static void be_slow(struct client *client)
{
    room = 0;
    client->connection.ready = has_room;
    client->connection.send = take_with_room;
}

/* The next event that waited; false: there was none. */
static bool takes_event(struct client *client, const char *event)
{
    client->events = 0;
    room = 1;
    xenstore_pump(&client->connection);
    if (client->events && strcmp(client->event, event))
        fail_msg("%s, not %s", client->event, event);
    return client->events;
}

/* Who looks late finds one event for each path, whatever happened how often meanwhile; every watch
 * has its turn. */
static void events_that_wait_are_merged(void **state)
{
    be_slow(&five);
    assert_true(ASK(&five, XS_WATCH, 0, "data\0t1"));
    assert_true(ASK(&five, XS_WATCH, 0, "other\0t2"));
    for (unsigned i = 0; i < 1000; i++) {
        assert_true(ASK_OPEN(&dom0, XS_WRITE, 0, "/local/domain/5/data/a\0x"));
        assert_true(ASK_OPEN(&dom0, XS_WRITE, 0, "/local/domain/5/data/b\0x"));
        assert_true(ASK_OPEN(&dom0, XS_WRITE, 0, "/local/domain/5/other\0x"));
    }
    /* Each begins with one. */
    assert_true(takes_event(&five, "data t1"));
    assert_true(takes_event(&five, "other t2"));
    assert_true(takes_event(&five, "data/a t1"));
    /* Taken: this is news again. */
    assert_true(ASK_OPEN(&dom0, XS_WRITE, 0, "/local/domain/5/data/a\0x"));
    assert_true(takes_event(&five, "other t2"));
    assert_true(takes_event(&five, "data/b t1"));
    assert_true(takes_event(&five, "data/a t1"));
    assert_false(takes_event(&five, ""));
    assert_int_equal(account_held(5, HELD_EVENTS), 0);
}

/* What waits for who does not read is bounded, by count and by bytes; nothing is lost: the whole is
 * named instead. */
static void events_that_wait_are_bounded(void **state)
{
    char path[1200];
    int size;

    be_slow(&five);
    assert_true(ASK(&five, XS_WATCH, 0, "data\0t"));
    assert_true(takes_event(&five, "data t"));
    room = 0;
    for (unsigned i = 0; i < 200; i++) {
        size = snprintf(path, sizeof(path), "/local/domain/5/data/%u", i);
        assert_true(ask(&dom0, XS_MKDIR, 0, path, (size_t)size + 1));
    }
    for (unsigned i = 0; i < XENSTORE_MAX_FIRED_PATHS; i++) {
        snprintf(path, sizeof(path), "data/%u t", i);
        assert_true(takes_event(&five, path));
    }
    assert_true(takes_event(&five, "data t"));
    assert_false(takes_event(&five, ""));
    room = 0;
    for (unsigned i = 0; i < XENSTORE_MAX_WATCHES - 1; i++) {
        size = snprintf(path, sizeof(path), "w%u%ct", i, '\0');
        assert_true(ask(&five, XS_WATCH, 0, path, (size_t)size + 1));
        size = snprintf(path, sizeof(path), "/local/domain/5/w%u/%01000u", i, i);
        assert_true(ask(&dom0, XS_MKDIR, 0, path, (size_t)size + 1));
        assert_true(account_held(5, HELD_EVENTS) <= account_rules[HELD_EVENTS].quota);
    }
    five.events = 0;
    room = UINT32_MAX;
    xenstore_pump(&five.connection);
    /* All have heard. */
    assert_true(five.events >= XENSTORE_MAX_WATCHES - 1);
    assert_true(ASK_OPEN(&dom0, XS_WRITE, 0, "/local/domain/5/data/a\0x"));
    room = 0;
    assert_true(ASK_OPEN(&dom0, XS_WRITE, 0, "/local/domain/5/data/b\0x"));
    assert_true(ASK_OPEN(&dom0, XS_WRITE, 0, "/local/domain/5/w1/b\0x"));
    /* With an event that waits. */
    assert_true(ASK(&five, XS_UNWATCH, 0, "data\0t"));
    assert_true(takes_event(&five, "w1/b t"));
    assert_false(takes_event(&five, ""));
    room = 0;
    assert_true(ASK_OPEN(&dom0, XS_WRITE, 0, "/local/domain/5/w1/c\0x"));
    assert_true(ASK(&five, XS_RESET_WATCHES, 0, ""));
    assert_int_equal(account_held(5, HELD_EVENTS), 0);
    assert_false(takes_event(&five, ""));
}

static void special_watches_are_dom0s(void **state)
{
    assert_true(ASK(&dom0, XS_WATCH, 0, "@introduceDomain\0in"));
    assert_true(ASK(&dom0, XS_WATCH, 0, "@releaseDomain\0out"));
    assert_true(ASK(&six, XS_WATCH, 0, "@releaseDomain\0out"));
    dom0.events = six.events = 0;
    assert_refused(ASK(&dom0, XS_INTRODUCE, 0, "5\0" "77\0" "3"), &dom0, "EEXIST");
    assert_true(ASK(&dom0, XS_INTRODUCE, 0, "7\0" "77\0" "3"));
    assert_int_equal(introduced, 7);
    assert_string_equal(dom0.event, "@introduceDomain in");
    assert_refused(ASK(&dom0, XS_INTRODUCE, 0, "8\0" "1\0" "3"), &dom0, "EINVAL");
    assert_true(ASK(&dom0, XS_RELEASE, 0, "5"));
    assert_string_equal(dom0.event, "@releaseDomain out");
    assert_int_equal(dom0.events, 2);
    assert_int_equal(six.events, 0);
    assert_true(ASK(&dom0, XS_IS_DOMAIN_INTRODUCED, 0, "5"));
    assert_string_equal(dom0.payload, "T");
    assert_true(ASK(&dom0, XS_IS_DOMAIN_INTRODUCED, 0, "55"));
    assert_string_equal(dom0.payload, "F");
    assert_refused(ASK(&six, XS_IS_DOMAIN_INTRODUCED, 0, "5"), &six, "EACCES");
    /* As Xen's daemon: it only never fires. */
    assert_true(ASK(&six, XS_WATCH, 0, "@notKnown\0t"));
    assert_string_equal(six.event, "@notKnown t");
    assert_refused(ASK_OPEN(&six, XS_WRITE, 0, "@releaseDomain\0x"), &six, "EINVAL");
    assert_refused(ASK(&six, XS_GET_PERMS, 0, "@releaseDomain"), &six, "EINVAL");
}

static void transactions_isolate(void **state)
{
    uint32_t tx = begin(&five);

    assert_true(ASK(&five, XS_WATCH, 0, "data\0t"));
    five.events = 0;
    assert_true(ASK_OPEN(&five, XS_WRITE, tx, "data/a\0" "1"));
    assert_refused(ASK(&five, XS_READ, 0, "data/a"), &five, "ENOENT");
    assert_true(ASK(&five, XS_READ, tx, "data/a"));
    assert_int_equal(five.events, 0);
    assert_refused(ASK(&five, XS_TRANSACTION_START, tx, ""), &five, "EBUSY");
    assert_true(ASK(&five, XS_TRANSACTION_END, tx, "T"));
    assert_int_equal(five.events, 1);
    assert_true(ASK(&five, XS_READ, 0, "data/a"));
    tx = begin(&five);
    assert_true(ASK_OPEN(&five, XS_WRITE, tx, "data/a\0" "2"));
    assert_true(ASK(&five, XS_RM, tx, "data"));
    assert_true(ASK(&five, XS_TRANSACTION_END, tx, "F"));
    assert_true(ASK(&five, XS_READ, 0, "data/a"));
    assert_string_equal(five.payload, "1");
}

/* What a transaction has made it can remove, with all that it has made below; and what is not
 * there, as outside. */
static void what_a_transaction_made_it_removes(void **state)
{
    uint32_t tx = begin(&five);

    assert_true(ASK_OPEN(&five, XS_WRITE, 0, "data/old\0" "1"));
    assert_true(ASK_OPEN(&five, XS_WRITE, tx, "data/old\0" "2"));
    assert_true(ASK_OPEN(&five, XS_WRITE, tx, "data/new/a/b\0" "1"));
    assert_true(ASK(&five, XS_RM, tx, "data/new"));
    assert_refused(ASK(&five, XS_READ, tx, "data/new/a/b"), &five, "ENOENT");
    assert_refused(ASK(&five, XS_READ, tx, "data/new"), &five, "ENOENT");
    assert_true(ASK(&five, XS_RM, tx, "data/old"));
    assert_refused(ASK(&five, XS_READ, tx, "data/old"), &five, "ENOENT");
    /* The parent exists: no error. */
    assert_true(ASK(&five, XS_RM, tx, "data/none"));
    assert_refused(ASK(&five, XS_RM, tx, "none/none"), &five, "ENOENT");
    assert_true(ASK(&five, XS_TRANSACTION_END, tx, "F"));
    assert_true(ASK(&five, XS_READ, 0, "data/old"));
    tx = begin(&five);
    assert_true(ASK_OPEN(&five, XS_WRITE, tx, "data/new/a/b\0" "1"));
    assert_true(ASK(&five, XS_RM, tx, "data/new"));
    assert_true(ASK_OPEN(&five, XS_WRITE, tx, "data/new/c\0" "1"));
    assert_true(ASK(&five, XS_TRANSACTION_END, tx, "T"));
    assert_true(ASK(&five, XS_READ, 0, "data/new/c"));
    assert_refused(ASK(&five, XS_READ, 0, "data/new/a"), &five, "ENOENT");
}

/* The root is a node like others. */
static void a_transaction_changes_the_root(void **state)
{
    uint32_t tx = begin(&dom0);

    assert_true(ASK_OPEN(&dom0, XS_WRITE, tx, "/\0value"));
    assert_true(ASK(&dom0, XS_SET_PERMS, tx, "/\0n0\0r5"));
    assert_refused(ASK(&five, XS_READ, 0, "/"), &five, "EACCES");
    assert_true(ASK(&dom0, XS_TRANSACTION_END, tx, "T"));
    assert_true(ASK(&five, XS_READ, 0, "/"));
    assert_string_equal(five.payload, "value");
    assert_true(ASK(&dom0, XS_GET_PERMS, 0, "/"));
    assert_memory_equal(dom0.payload, "n0\0r5", 6);
}

static void transactions_conflict(void **state)
{
    uint32_t first, second;

    assert_true(ASK_OPEN(&five, XS_WRITE, 0, "n\0" "1"));
    first = begin(&five);
    second = begin(&dom0);
    assert_true(ASK(&five, XS_READ, first, "n"));
    assert_true(ASK_OPEN(&five, XS_WRITE, first, "n\0" "2"));
    assert_true(ASK(&dom0, XS_READ, second, "/local/domain/5/n"));
    assert_true(ASK_OPEN(&dom0, XS_WRITE, second, "/local/domain/5/other\0x"));
    assert_true(ASK(&five, XS_TRANSACTION_END, first, "T"));
    assert_refused(ASK(&dom0, XS_TRANSACTION_END, second, "T"), &dom0, "EAGAIN");
    assert_refused(ASK(&dom0, XS_READ, 0, "/local/domain/5/other"), &dom0, "ENOENT");
    /* Changes elsewhere do not disturb. */
    first = begin(&five);
    assert_true(ASK(&five, XS_READ, first, "n"));
    assert_true(ASK_OPEN(&dom0, XS_WRITE, 0, "/tool/x\0x"));
    assert_true(ASK(&five, XS_TRANSACTION_END, first, "T"));
    /* A removed and remade node is another node. */
    first = begin(&five);
    assert_true(ASK(&five, XS_READ, first, "n"));
    assert_true(ASK(&dom0, XS_RM, 0, "/local/domain/5/n"));
    assert_true(ASK_OPEN(&dom0, XS_WRITE, 0, "/local/domain/5/n\0" "2"));
    assert_refused(ASK(&five, XS_TRANSACTION_END, first, "T"), &five, "EAGAIN");
}

static void quotas_bind_guests(void **state)
{
    char path[64];
    char big[XENSTORE_MAX_NODE_BYTES + 16] = "big";
    unsigned made = 0;
    uint32_t tx;

    assert_refused(ask(&five, XS_WRITE, 0, big, 4 + XENSTORE_MAX_NODE_BYTES + 1), &five, "ENOSPC");
    assert_true(ask(&five, XS_WRITE, 0, big, 4 + XENSTORE_MAX_NODE_BYTES));
    for (; made < 2000; made++) {
        int size = snprintf(path, sizeof(path), "many/%u", made);

        if (!ask(&five, XS_MKDIR, 0, path, (size_t)size + 1))
            break;
    }
    assert_string_equal(five.payload, "ENOSPC");
    assert_int_equal(tree_count_owned(xenstore_tree, 5), XENSTORE_MAX_NODES);
    /* A device from dom0 is nobody's to refuse, and what is full can still be used. */
    assert_true(ASK(&dom0, XS_MKDIR, 0, "/local/domain/5/many/device/state"));
    assert_true(ASK_OPEN(&five, XS_WRITE, 0, "many/device/state\0" "4"));
    assert_refused(ASK(&five, XS_MKDIR, 0, "one-more"), &five, "ENOSPC");
    tx = begin(&five);
    assert_refused(ASK(&five, XS_MKDIR, tx, "one-more"), &five, "ENOSPC");
    assert_true(ASK_OPEN(&dom0, XS_WRITE, 0, "/local/domain/5/by-dom0\0x"));
    for (unsigned i = 1; i < XENSTORE_MAX_TRANSACTIONS; i++)
        begin(&five);
    assert_refused(ASK(&five, XS_TRANSACTION_START, 0, ""), &five, "ENOSPC");
    for (unsigned i = 0; i < XENSTORE_MAX_WATCHES; i++) {
        int size = snprintf(path, sizeof(path), "w/%u%ct", i, '\0');

        assert_true(ask(&five, XS_WATCH, 0, path, (size_t)size + 1));
    }
    assert_refused(ASK(&five, XS_WATCH, 0, "w\0t"), &five, "ENOSPC");
}

/* What only a toolstack may ask: a guest hears that it may not, ours that it need not. */
static void control_is_not_for_guests(void **state)
{
    static const uint32_t types[] = { XS_CONTROL, XS_SET_TARGET, XS_RESUME };

    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        assert_refused(ASK(&five, types[i], 0, "check"), &five, "EACCES");
        assert_refused(ASK(&dom0, types[i], 0, "check"), &dom0, "ENOSYS");
    }
}

/* A guest whose kernel starts anew in place (kexec, a boot loader's child) begins without the old
 * one's watches. */
static void reset_forgets_watches_and_transactions(void **state)
{
    uint32_t tx = begin(&five);

    assert_true(ASK(&five, XS_WATCH, 0, "data\0t"));
    assert_true(ASK(&five, XS_RESET_WATCHES, 0, ""));
    assert_refused(ASK(&five, XS_UNWATCH, 0, "data\0t"), &five, "ENOENT");
    assert_refused(ASK(&five, XS_TRANSACTION_END, tx, "T"), &five, "ENOENT");
    five.events = 0;
    assert_true(ASK_OPEN(&five, XS_WRITE, 0, "data\0x"));
    assert_int_equal(five.events, 0);
}

/* What was removed inside of what is removed, too, and made anew. */
static void removed_within_what_is_removed(void **state)
{
    for (unsigned i = 0; i < 2; i++) {
        uint32_t tx;

        assert_true(ASK_OPEN(&five, XS_WRITE, 0, "data/a/b\0old"));
        tx = begin(&five);
        assert_true(ASK(&five, XS_RM, tx, "data/a/b"));
        assert_true(ASK(&five, XS_RM, tx, "data/a"));
        assert_true(i ? ASK_OPEN(&five, XS_WRITE, tx, "data/a/b\0new")
                      : ASK_OPEN(&five, XS_WRITE, tx, "data/a\0new"));
        assert_true(ASK(&five, XS_TRANSACTION_END, tx, "T"));
        if (i) {
            assert_true(ASK(&five, XS_READ, 0, "data/a/b"));
            assert_string_equal(five.payload, "new");
        } else {
            assert_refused(ASK(&five, XS_READ, 0, "data/a/b"), &five, "ENOENT");
        }
    }
}

/* Who was given more than he may have: no more, but one for another. */
static void one_for_another(void **state)
{
    char path[64];
    uint32_t tx;

    for (unsigned i = 0; i < XENSTORE_MAX_NODES + 5; i++) {
        size_t size = (size_t)sprintf(path, "/local/domain/5/data/%u", i) + 1;

        assert_true(ask(&dom0, XS_WRITE, 0, path, size));
        memcpy(path + size, "n5", 3);
        assert_true(ask(&dom0, XS_SET_PERMS, 0, path, size + 3));
    }
    assert_refused(ASK_OPEN(&five, XS_WRITE, 0, "data/another\0"), &five, "ENOSPC");
    tx = begin(&five);
    assert_refused(ASK_OPEN(&five, XS_WRITE, tx, "data/another\0"), &five, "ENOSPC");
    assert_true(ASK(&five, XS_RM, tx, "data/7"));
    assert_true(ASK_OPEN(&five, XS_WRITE, tx, "data/another\0"));
    assert_refused(ASK_OPEN(&five, XS_WRITE, tx, "data/more\0"), &five, "ENOSPC");
    assert_true(ASK(&five, XS_TRANSACTION_END, tx, "T"));
}

static void touches_in_a_transaction_are_bounded(void **state)
{
    uint32_t tx = begin(&five);
    char path[32];
    unsigned i;

    for (i = 0; i < 2 * XENSTORE_MAX_TOUCHED; i++)      /* the same again and again is one */
        assert_refused(ASK(&five, XS_READ, tx, "absent0"), &five, "ENOENT");
    for (i = 0; i < 2 * XENSTORE_MAX_TOUCHED; i++) {
        int size = snprintf(path, sizeof(path), "absent%u", i);

        if (!ask(&five, XS_READ, tx, path, (size_t)size + 1) && !strcmp(five.payload, "ENOSPC"))
            break;
    }
    assert_int_equal(i, XENSTORE_MAX_TOUCHED);
    assert_refused(ASK(&five, XS_READ, tx, "absent0"), &five, "ENOENT");
}

static void long_directories_come_in_parts(void **state)
{
    char path[64], generation[32] = "";
    unsigned long offset = 0;
    unsigned names = 0;

    for (unsigned i = 0; i < 500; i++) {
        int size = snprintf(path, sizeof(path), "/tool/a-rather-long-name-%u", i);

        assert_true(ask(&dom0, XS_MKDIR, 0, path, (size_t)size + 1));
    }
    assert_refused(ASK(&dom0, XS_DIRECTORY, 0, "/tool"), &dom0, "E2BIG");
    for (bool more = true; more;) {
        int size = snprintf(path, sizeof(path), "/tool%c%lu", '\0', offset);
        char *name;

        assert_true(ask(&dom0, XS_DIRECTORY_PART, 0, path, (size_t)size + 1));
        if (!offset)
            snprintf(generation, sizeof(generation), "%.20s", dom0.payload);
        assert_string_equal(dom0.payload, generation);
        assert_true(ASK(&five, XS_READ, 0, "/local/domain/5"));     /* others ask meanwhile */
        assert_true(ask(&dom0, XS_DIRECTORY_PART, 0, path, (size_t)size + 1));
        for (name = dom0.payload + strlen(dom0.payload) + 1;
             name < dom0.payload + dom0.answer.len;) {
            if (!*name) {
                more = false;
                break;
            }
            names++;
            offset += strlen(name) + 1;
            name += strlen(name) + 1;
        }
    }
    assert_int_equal(names, 500);
    /* whoever has the parts sees by their number that they are of one directory no more */
    assert_true(ASK(&dom0, XS_MKDIR, 0, "/tool/one-more"));
    assert_true(ASK(&dom0, XS_DIRECTORY_PART, 0, "/tool\0" "0"));
    assert_string_not_equal(dom0.payload, generation);
}

/* Random bytes as requests: whatever comes, every request is answered once and nothing is overrun
 * (ASan watches). */
static void noise_is_survived(void **state)
{
    static const char alphabet[] = "/a\0T@5nrbw1-";
    uint32_t random = 12345;

    for (unsigned round = 0; round < 20000; round++) {
        char payload[24];
        size_t size;

        random = random * 1664525 + 1013904223;
        size = (random >> 8) % sizeof(payload);
        for (size_t i = 0; i < size; i++) {
            random = random * 1664525 + 1013904223;
            payload[i] = alphabet[(random >> 16) % (sizeof(alphabet) - 1)];
        }
        ask(&five, (random >> 5) % (XS_TYPE_COUNT + 2), (random >> 20) % 3, payload, size);
    }
}

/* However much of their beginnings is the same: a name of two letters only, 1 to 24 of them. */
static void children_stand_in_order(void **state)
{
    char path[64];
    const char *last = "", *end;
    unsigned seed = 1, found = 0;

    for (unsigned i = 0; i < 150; i++) {
        size_t size = (size_t)sprintf(path, "names/");
        unsigned letters = 1 + (seed = seed * 1103515245 + 12345) / 65536 % 24;

        for (unsigned j = 0; j < letters; j++)
            path[size++] = (seed = seed * 1103515245 + 12345) / 65536 % 8 ? 'a' : 'b';
        path[size++] = '\0';
        assert_true(ask(&five, XS_MKDIR, 0, path, size));
        assert_true(ask(&five, XS_READ, 0, path, size));
    }
    assert_true(ASK(&five, XS_DIRECTORY, 0, "names"));
    end = five.payload + five.answer.len;
    for (const char *name = five.payload; name < end; name += strlen(name) + 1, found++) {
        assert_true(stands_before(last, name));
        last = name;
    }
    assert_in_range(found, 80, 150);
}

/* As a guest enumerates its disks: hda, sda1, xvda, xvdb, xvdq of a configuration, whatever the
 * order in which they were made. */
static void numbers_are_listed_in_their_order(void **state)
{
    static const char *const made[] = { "51728", "768", "268439552", "2049", "51712" };
    static const char listed[] = "768\0" "2049\0" "51712\0" "51728\0" "268439552";
    char path[64];

    for (unsigned i = 0; i < 5; i++)
        assert_true(ask(&five, XS_MKDIR, 0, path,
                        (size_t)sprintf(path, "device/vbd/%s", made[i]) + 1));
    assert_true(ASK(&five, XS_DIRECTORY, 0, "device/vbd"));
    assert_int_equal(five.answer.len, sizeof(listed));
    assert_memory_equal(five.payload, listed, sizeof(listed));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(children_stand_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(numbers_are_listed_in_their_order, setup, teardown),
        cmocka_unit_test_setup_teardown(reads_what_was_written, setup, teardown),
        cmocka_unit_test_setup_teardown(hostile_payloads_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(permissions_hold, setup, teardown),
        cmocka_unit_test_setup_teardown(watches_fire, setup, teardown),
        cmocka_unit_test_setup_teardown(events_that_wait_are_merged, setup, teardown),
        cmocka_unit_test_setup_teardown(events_that_wait_are_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(special_watches_are_dom0s, setup, teardown),
        cmocka_unit_test_setup_teardown(transactions_isolate, setup, teardown),
        cmocka_unit_test_setup_teardown(what_a_transaction_made_it_removes, setup, teardown),
        cmocka_unit_test_setup_teardown(a_transaction_changes_the_root, setup, teardown),
        cmocka_unit_test_setup_teardown(transactions_conflict, setup, teardown),
        cmocka_unit_test_setup_teardown(quotas_bind_guests, setup, teardown),
        cmocka_unit_test_setup_teardown(control_is_not_for_guests, setup, teardown),
        cmocka_unit_test_setup_teardown(reset_forgets_watches_and_transactions, setup, teardown),
        cmocka_unit_test_setup_teardown(removed_within_what_is_removed, setup, teardown),
        cmocka_unit_test_setup_teardown(one_for_another, setup, teardown),
        cmocka_unit_test_setup_teardown(touches_in_a_transaction_are_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(long_directories_come_in_parts, setup, teardown),
        cmocka_unit_test_setup_teardown(noise_is_survived, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
