/* SPDX-License-Identifier: MIT */
/*
 * dom0's XenStore, rule by rule: whose permissions count, what is heard of, what conflicts, what is
 * bounded, sizes at their limits. test_xenstore.c has the protocol as a whole.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include "xenstore_host.h"

/* --- permissions, one by one --- */

/* Who may write a node may not say who else may: that is its owner's, and dom0's. */
static void only_the_owner_sets_permissions(void **state)
{
    assert_true(ASK_OPEN(&five, XS_WRITE, 0, "shared\0s"));
    assert_true(ASK(&five, XS_SET_PERMS, 0, "shared\0n5\0b6"));
    assert_true(ASK_OPEN(&six, XS_WRITE, 0, "/local/domain/5/shared\0t"));
    assert_refused(ASK(&six, XS_SET_PERMS, 0, "/local/domain/5/shared\0n6"), &six, "EACCES");
    assert_refused(ASK(&six, XS_SET_PERMS, 0, "/local/domain/5/shared\0n5\0b7"), &six, "EACCES");
    assert_true(ASK(&five, XS_GET_PERMS, 0, "shared"));
    assert_int_equal(five.answer.len, 6);
    assert_memory_equal(five.payload, "n5\0b6", 6);
    /* Only dom0 gives away. */
    assert_true(ASK(&dom0, XS_SET_PERMS, 0, "/local/domain/5/shared\0n6\0r5"));
    assert_refused(ASK_OPEN(&five, XS_WRITE, 0, "shared\0u"), &five, "EACCES");
    assert_true(ASK(&five, XS_READ, 0, "shared"));
    assert_string_equal(five.payload, "t");
}

static void each_letter_means_what_it_says(void **state)
{
    static const struct { const char *list; size_t size; bool reads, writes; } cases[] = {
#define LIST(text, reads, writes) { "node\0" text, sizeof("node\0" text), reads, writes }
        LIST("n5\0n6", false, false), LIST("n5\0r6", true, false), LIST("n5\0w6", false, true),
        LIST("n5\0b6", true, true),   LIST("r5", true, false),     LIST("w5", false, true),
        LIST("b5", true, true),       LIST("b5\0n6", false, false), LIST("b5\0n7", true, true),
        LIST("n5\0b7", false, false),
        /* Who is named twice: the first counts, as Xen has it. */
        LIST("n5\0b6\0r6", true, true), LIST("n5\0n6\0b6", false, false),
        LIST("b5\0n7\0r6\0b6", true, false),
#undef LIST
    };

    assert_true(ASK_OPEN(&five, XS_WRITE, 0, "node\0v"));
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_true(ask(&five, XS_SET_PERMS, 0, cases[i].list, cases[i].size));
        assert_int_equal(ASK(&six, XS_READ, 0, "/local/domain/5/node"), cases[i].reads);
        assert_int_equal(ASK(&six, XS_DIRECTORY, 0, "/local/domain/5/node"), cases[i].reads);
        assert_int_equal(ASK_OPEN(&six, XS_WRITE, 0, "/local/domain/5/node\0v"), cases[i].writes);
        assert_int_equal(ASK(&six, XS_MKDIR, 0, "/local/domain/5/node/below"), cases[i].writes);
        assert_true(ASK(&five, XS_GET_PERMS, 0, "node"));
        assert_int_equal(five.answer.len, cases[i].size - 5);
        assert_memory_equal(five.payload, cases[i].list + 5, cases[i].size - 5);
        assert_true(ASK(&dom0, XS_RM, 0, "/local/domain/5/node/below"));
    }
    assert_true(ASK(&five, XS_SET_PERMS, 0, "node\0n5\0r1\0r2\0r3\0r4\0r6\0r7\0r8"));
    assert_refused(ASK(&five, XS_SET_PERMS, 0, "node\0n5\0r1\0r2\0r3\0r4\0r6\0r7\0r8\0r9"), &five,
                   "ENOSPC");
    assert_true(ASK(&five, XS_SET_PERMS, 0, "node\0n5\0r32751")); /* The last that is a domain's. */
    assert_refused(ASK(&five, XS_SET_PERMS, 0, "node\0n5\0r32752"), &five, "EINVAL");
    assert_refused(ASK(&five, XS_SET_PERMS, 0, "node\0n5\0r"), &five, "EINVAL");
    assert_refused(ASK(&five, XS_SET_PERMS, 0, "node\0n5\0r:"), &five, "EINVAL");
    assert_refused(ASK(&five, XS_SET_PERMS, 0, "node\0n5\0r/"), &five, "EINVAL");
    assert_refused(ASK(&five, XS_SET_PERMS, 0, "node"), &five, "EINVAL");
    assert_refused(ASK_OPEN(&five, XS_SET_PERMS, 0, "node\0n5"), &five, "EINVAL");
    assert_refused(ASK(&five, XS_SET_PERMS, 0, "absent\0n5"), &five, "ENOENT");
    assert_refused(ASK(&five, XS_SET_PERMS, 0, "absent"), &five, "EINVAL");     /* Judged first. */
}

/* A transaction shows nobody what he may not read, nor whether it is there. */
static void transactions_show_no_secrets(void **state)
{
    static const uint32_t types[] = { XS_READ, XS_DIRECTORY, XS_GET_PERMS };
    uint32_t tx = begin(&six);

    assert_true(ASK_OPEN(&five, XS_WRITE, 0, "secret/below\0s"));
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        assert_refused(ASK(&six, types[i], tx, "/local/domain/5/secret"), &six, "EACCES");
        assert_refused(ASK(&six, types[i], tx, "/local/domain/5/secret/below"), &six, "EACCES");
        assert_refused(ASK(&six, types[i], tx, "/local/domain/5/absent"), &six, "EACCES");
    }
    assert_true(ASK(&five, XS_SET_PERMS, 0, "secret\0n5\0r6"));
    assert_true(ASK(&six, XS_READ, tx, "/local/domain/5/secret"));
    assert_refused(ASK(&six, XS_READ, tx, "/local/domain/5/secret/absent"), &six, "ENOENT");
    assert_refused(ASK(&six, XS_READ, tx, "/local/domain/5/secret/below"), &six, "EACCES");
    assert_true(ASK(&six, XS_TRANSACTION_END, tx, "F"));
}

/* What is made inherits; the maker owns it, unless that is dom0. */
static void what_is_made_inherits(void **state)
{
    assert_true(ASK(&five, XS_MKDIR, 0, "open"));
    assert_true(ASK(&five, XS_SET_PERMS, 0, "open\0r5\0b6"));
    assert_true(ASK(&six, XS_MKDIR, 0, "/local/domain/5/open/a/b"));
    assert_true(ASK(&five, XS_GET_PERMS, 0, "open/a/b"));
    assert_memory_equal(five.payload, "r6\0b6", 6);
    assert_true(ASK(&dom0, XS_MKDIR, 0, "/local/domain/5/open/c"));
    assert_true(ASK(&five, XS_GET_PERMS, 0, "open/c"));
    assert_memory_equal(five.payload, "r5\0b6", 6);
    assert_refused(ASK(&five, XS_RM, 0, "open/a/b"), &five, "EACCES");         /* Six's now. */
    assert_refused(ASK(&six, XS_RM, 0, "/local/domain/5"), &six, "EACCES");
}

/* --- watches --- */

static unsigned heard(struct client *client)
{
    unsigned events = client->events;

    client->events = 0;
    return events;
}

/* No event for what one may not read: not of a change, not of a removal, not by a transaction,
 * not of what was below. */
static void unreadable_nodes_are_not_heard_of(void **state)
{
    uint32_t tx;

    assert_true(ASK(&six, XS_WATCH, 0, "/local/domain/5\0spy"));
    assert_true(ASK(&six, XS_WATCH, 0, "/local/domain/5/secret/below\0deep"));
    heard(&six);
    assert_true(ASK_OPEN(&five, XS_WRITE, 0, "secret/below\0x"));
    assert_true(ASK(&five, XS_MKDIR, 0, "made"));
    assert_true(ASK(&five, XS_SET_PERMS, 0, "made\0n5"));
    assert_true(ASK(&five, XS_RM, 0, "made"));
    tx = begin(&five);
    assert_true(ASK_OPEN(&five, XS_WRITE, tx, "secret\0y"));
    assert_true(ASK(&five, XS_TRANSACTION_END, tx, "T"));
    assert_true(ASK(&five, XS_RM, 0, "secret"));
    assert_int_equal(heard(&six), 0);
    /* And of what one may, all of it: the change, the removal, and the removal of what was
     * below. */
    assert_true(ASK_OPEN(&five, XS_WRITE, 0, "secret/below\0x"));
    assert_true(ASK(&five, XS_SET_PERMS, 0, "secret/below\0n5\0r6"));
    assert_int_equal(heard(&six), 2);         /* Both watches: the new permissions count already. */
    assert_true(ASK_OPEN(&five, XS_WRITE, 0, "secret/below\0y"));
    assert_int_equal(heard(&six), 2);
    assert_true(ASK(&five, XS_RM, 0, "secret"));
    assert_int_equal(heard(&six), 1);
    assert_string_equal(six.event, "/local/domain/5/secret/below deep");
    assert_true(ASK_OPEN(&five, XS_WRITE, 0, "secret/below\0x"));
    assert_true(ASK(&five, XS_SET_PERMS, 0, "secret\0w5"));            /* Writing is not reading. */
    assert_int_equal(heard(&six), 0);
}

/* Who could read something hears when he may not any more, at once or by a transaction, and once;
 * then no more of it. */
static void who_loses_a_permission_hears(void **state)
{
    uint32_t tx;

    assert_true(ASK_OPEN(&five, XS_WRITE, 0, "box/mine\0x"));
    assert_true(ASK(&five, XS_SET_PERMS, 0, "box/mine\0n5\0r6"));
    assert_true(ASK(&six, XS_WATCH, 0, "/local/domain/5/box\0t"));
    heard(&six);
    assert_true(ASK(&five, XS_SET_PERMS, 0, "box/mine\0n5\0w6"));
    assert_int_equal(heard(&six), 1);
    assert_string_equal(six.event, "/local/domain/5/box/mine t");
    assert_true(ASK_OPEN(&five, XS_WRITE, 0, "box/mine\0y"));
    assert_true(ASK(&five, XS_SET_PERMS, 0, "box/mine\0n5"));
    assert_int_equal(heard(&six), 0);
    assert_true(ASK(&five, XS_SET_PERMS, 0, "box/mine\0r5"));
    assert_int_equal(heard(&six), 1);
    tx = begin(&five);
    assert_true(ASK(&five, XS_SET_PERMS, tx, "box/mine\0n5"));
    assert_true(ASK_OPEN(&five, XS_WRITE, tx, "box/other\0n"));
    assert_int_equal(heard(&six), 0);
    assert_true(ASK(&five, XS_TRANSACTION_END, tx, "T"));
    assert_int_equal(heard(&six), 1);
    tx = begin(&five);
    assert_true(ASK_OPEN(&five, XS_WRITE, tx, "box/mine\0z"));
    assert_true(ASK(&five, XS_TRANSACTION_END, tx, "T"));
    assert_int_equal(heard(&six), 0);
}

/* Who may read a directory has the names in it: he hears of what is there, whether he may read
 * that or not, but not of what is below. As with Xen's daemon. */
static void who_sees_the_names_hears(void **state)
{
    uint32_t tx;

    assert_true(ASK(&five, XS_MKDIR, 0, "box"));
    assert_true(ASK(&five, XS_SET_PERMS, 0, "box\0r5"));
    assert_true(ASK(&six, XS_WATCH, 0, "/local/domain/5/box\0t"));
    assert_true(ASK(&six, XS_WATCH, 0, "/local/domain/5/box/a/b\0deep"));
    heard(&six);
    tx = begin(&five);
    assert_true(ASK_OPEN(&five, XS_WRITE, tx, "box/a\0x"));
    assert_true(ASK(&five, XS_SET_PERMS, tx, "box/a\0n5"));
    assert_true(ASK(&five, XS_TRANSACTION_END, tx, "T"));
    assert_int_equal(heard(&six), 1);
    assert_string_equal(six.event, "/local/domain/5/box/a t");
    assert_true(ASK_OPEN(&five, XS_WRITE, 0, "box/a\0y"));
    assert_int_equal(heard(&six), 1);
    assert_true(ASK(&five, XS_MKDIR, 0, "box/a/b"));
    assert_int_equal(heard(&six), 0);
    assert_true(ASK(&five, XS_RM, 0, "box/a"));
    assert_int_equal(heard(&six), 1);
    assert_true(ASK(&five, XS_MKDIR, 0, "box/a/b"));
    assert_true(ASK(&five, XS_SET_PERMS, 0, "box/a/b\0n5"));
    heard(&six);
    assert_true(ASK(&five, XS_RM, 0, "box/a"));
    assert_int_equal(heard(&six), 2);
}

static void watches_cover_whole_names(void **state)
{
    assert_true(ASK(&five, XS_WATCH, 0, "data\0t"));
    assert_true(ASK(&dom0, XS_WATCH, 0, "/\0all"));
    heard(&five);
    heard(&dom0);
    assert_true(ASK_OPEN(&five, XS_WRITE, 0, "database\0x"));
    assert_true(ASK_OPEN(&five, XS_WRITE, 0, "dat\0x"));
    assert_int_equal(heard(&five), 0);
    assert_int_equal(heard(&dom0), 2);
    assert_true(ASK(&five, XS_RM, 0, "dat"));
    assert_int_equal(heard(&five), 0);
    assert_true(ASK(&five, XS_RM, 0, "data"));                            /* Not there: no event. */
    assert_int_equal(heard(&five), 0);
    assert_true(ASK_OPEN(&five, XS_WRITE, 0, "data\0x"));
    assert_int_equal(heard(&five), 1);
    assert_true(ASK(&five, XS_WATCH, 0, "/local/domain/5/data\0t2"));   /* Absolute: reported so. */
    assert_true(ASK(&five, XS_UNWATCH, 0, "data\0t"));
    heard(&five);
    assert_true(ASK_OPEN(&five, XS_WRITE, 0, "data\0x"));
    assert_int_equal(heard(&five), 1);
    assert_string_equal(five.event, "/local/domain/5/data t2");
    assert_refused(ASK(&five, XS_UNWATCH, 0, "data\0other"), &five, "ENOENT");
    assert_refused(ASK(&five, XS_UNWATCH, 0, "dat\0t2"), &five, "ENOENT");
    assert_true(ASK(&five, XS_WATCH, 0, "data\0t3"));                /* Same path, another token. */
    assert_true(ASK(&five, XS_UNWATCH, 0, "data\0t2"));
    heard(&five);
    assert_true(ASK(&five, XS_RM, 0, "data"));
    assert_int_equal(heard(&five), 1);
    assert_string_equal(five.event, "data t3");
}

/* --- transactions --- */

/* Each line: what a transaction looks at or changes, and what somebody else does meanwhile. */
static void every_change_of_what_was_touched_is_a_conflict(void **state)
{
    static const struct {
        uint32_t touch, change;
        const char *touched, *changed, *with;
        const char *verdict;
    } cases[] = {
        { XS_READ, XS_WRITE, "n", "/local/domain/5/n", "2", "EAGAIN" },
        { XS_READ, XS_RM, "n", "/local/domain/5/n", NULL, "EAGAIN" },
        { XS_READ, XS_SET_PERMS, "n", "/local/domain/5/n", "n5", "EAGAIN" },
        { XS_READ, XS_WRITE, "absent", "/local/domain/5/absent", "2", "EAGAIN" },
        { XS_DIRECTORY, XS_WRITE, "dir", "/local/domain/5/dir/new", "2", "EAGAIN" },
        { XS_DIRECTORY, XS_RM, "dir", "/local/domain/5/dir/old", NULL, "EAGAIN" },
        { XS_GET_PERMS, XS_SET_PERMS, "n", "/local/domain/5/n", "n5", "EAGAIN" },
        { XS_WRITE, XS_WRITE, "n", "/local/domain/5/n", "2", "EAGAIN" },
        { XS_MKDIR, XS_WRITE, "absent", "/local/domain/5/absent", "2", "EAGAIN" },
        { XS_RM, XS_WRITE, "n", "/local/domain/5/n", "2", "EAGAIN" },
        { XS_READ, XS_WRITE, "n", "/local/domain/5/other", "2", "OK" },
        { XS_READ, XS_RM, "n", "/local/domain/5/dir", NULL, "OK" },
        { XS_READ, XS_WRITE, "n", "/local/domain/5/n/below", "2",
          "EAGAIN" }, /* Its list of children is its own. */
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char payload[80];
        int size;
        uint32_t tx;

        assert_true(ASK(&five, XS_RM, 0, "absent"));
        assert_true(ASK(&five, XS_RM, 0, "n"));
        assert_true(ASK_OPEN(&five, XS_WRITE, 0, "n\0" "1"));
        assert_true(ASK_OPEN(&five, XS_WRITE, 0, "dir/old\0" "1"));
        tx = begin(&five);
        size = snprintf(payload, sizeof(payload), "%s%c", cases[i].touched, '\0');
        ask(&five, cases[i].touch, tx, payload, (size_t)size);
        size = snprintf(payload, sizeof(payload), "%s%c%s", cases[i].changed, '\0',
                        cases[i].with ? cases[i].with : "");
        assert_true(ask(&dom0, cases[i].change, 0, payload,
                        (size_t)size + (cases[i].change == XS_SET_PERMS)));
        ASK(&five, XS_TRANSACTION_END, tx, "T");
        if (strcmp(five.payload, cases[i].verdict))
            fail_msg("case %zu: %s", i, five.payload);
        assert_refused(ASK(&five, XS_TRANSACTION_END, tx, "T"), &five, "ENOENT");
    }
}

/* One change of several that is refused at the end takes the others with it, and nobody hears of
 * them. */
static void a_commit_is_all_or_nothing(void **state)
{
    char path[32];
    uint32_t tx = begin(&five);

    assert_true(ASK_OPEN(&five, XS_WRITE, tx, "first\0" "1"));
    assert_true(ASK_OPEN(&five, XS_WRITE, tx, "second\0" "1"));
    while (tree_count_owned(xenstore_tree, 5) < XENSTORE_MAX_NODES - 1) {
        int size = snprintf(path, sizeof(path), "/tool/n%u", tree_count_owned(xenstore_tree, 5));

        assert_true(ask(&dom0, XS_MKDIR, 0, path, (size_t)size + 1));
        size = snprintf(path + size + 1, sizeof(path) - (size_t)size - 1, "n5") + size + 1;
        assert_true(ask(&dom0, XS_SET_PERMS, 0, path, (size_t)size + 1));
    }
    assert_true(ASK(&dom0, XS_WATCH, 0, "/local/domain/5\0t"));
    heard(&dom0);
    assert_refused(ASK(&five, XS_TRANSACTION_END, tx, "T"), &five, "ENOSPC");
    assert_refused(ASK(&five, XS_READ, 0, "first"), &five, "ENOENT");
    assert_int_equal(heard(&dom0), 0);
    /* Nothing stays of what is half made, either: the quota would be reached in the middle of
     * the path. */
    assert_refused(ASK(&five, XS_MKDIR, 0, "a/b/c"), &five, "ENOSPC");
    assert_refused(ASK(&five, XS_DIRECTORY, 0, "a"), &five, "ENOENT");
    assert_true(ASK(&five, XS_MKDIR, 0, "a"));
    assert_refused(ASK(&five, XS_MKDIR, 0, "b"), &five, "ENOSPC");
    assert_true(ASK(&five, XS_RM, 0, "a"));                                     /* Room again. */
    assert_true(ASK(&five, XS_MKDIR, 0, "b"));
}

/* Who may write a directory no more when his transaction ends makes nothing in it, though nothing
 * that he has touched has changed. */
static void a_commit_needs_the_permissions_of_its_end(void **state)
{
    uint32_t tx, later;

    assert_true(ASK(&five, XS_MKDIR, 0, "open/dir"));
    assert_true(ASK(&five, XS_SET_PERMS, 0, "open/dir\0n5\0b6"));
    tx = begin(&six);
    later = begin(&six);
    assert_true(ASK_OPEN(&six, XS_WRITE, tx, "/local/domain/5/open/dir/x\0v"));
    assert_true(ASK_OPEN(&six, XS_WRITE, later, "/local/domain/5/open/dir/y/z\0v"));
    assert_true(ASK(&five, XS_SET_PERMS, 0, "open/dir\0n5\0r6"));
    assert_true(ASK(&five, XS_WATCH, 0, "open\0t"));
    heard(&five);
    assert_refused(ASK(&six, XS_TRANSACTION_END, tx, "T"), &six, "EACCES");
    assert_true(ASK(&five, XS_DIRECTORY, 0, "open/dir"));
    assert_int_equal(five.answer.len, 0);
    assert_int_equal(heard(&five), 0);
    /* Nor where there is no directory any more. */
    assert_true(ASK(&five, XS_RM, 0, "open/dir"));
    assert_refused(ASK(&six, XS_TRANSACTION_END, later, "T"), &six, "EAGAIN");
    assert_true(ASK(&five, XS_DIRECTORY, 0, "open"));
    assert_int_equal(five.answer.len, 0);
}

/* Everything a transaction can do is made again at its end: written values, directories,
 * removals, permissions. */
static void a_commit_makes_all_changes(void **state)
{
    uint32_t tx;

    assert_true(ASK_OPEN(&five, XS_WRITE, 0, "gone\0" "1"));
    tx = begin(&five);
    assert_true(ASK_OPEN(&five, XS_WRITE, tx, "w\0value"));
    assert_true(ASK(&five, XS_MKDIR, tx, "d"));
    assert_true(ASK(&five, XS_RM, tx, "gone"));
    assert_true(ASK(&five, XS_SET_PERMS, tx, "w\0n5\0r6"));
    assert_true(ASK(&five, XS_GET_PERMS, tx, "w"));
    assert_memory_equal(five.payload, "n5\0r6", 6);
    assert_refused(ASK(&six, XS_READ, 0, "/local/domain/5/w"), &six, "EACCES");
    assert_true(ASK(&five, XS_WATCH, 0, "w\0t"));
    heard(&five);
    assert_true(ASK(&five, XS_TRANSACTION_END, tx, "T"));
    /* Of value and permissions at once. */
    assert_int_equal(heard(&five), 1);
    assert_true(ASK(&six, XS_READ, 0, "/local/domain/5/w"));
    assert_string_equal(six.payload, "value");
    assert_true(ASK(&five, XS_DIRECTORY, 0, "d"));
    assert_refused(ASK(&five, XS_READ, 0, "gone"), &five, "ENOENT");
    /* Somebody else's number is no transaction of mine. */
    tx = begin(&five);
    assert_refused(ASK_OPEN(&six, XS_WRITE, tx, "w\0x"), &six, "ENOENT");
    assert_refused(ASK(&six, XS_TRANSACTION_END, tx, "T"), &six, "ENOENT");
    assert_refused(ASK(&five, XS_TRANSACTION_END, tx, "X"), &five, "EINVAL");
    assert_refused(ASK(&five, XS_TRANSACTION_END, tx, "TF"), &five, "EINVAL");
    assert_refused(ASK_OPEN(&five, XS_TRANSACTION_END, tx, "T"), &five, "EINVAL");
    assert_true(ASK(&five, XS_TRANSACTION_END, tx, "F"));
}

/* One node written again and again: what is remembered of it is bounded as if they were many. */
static void the_log_of_a_transaction_is_bounded(void **state)
{
    uint32_t tx = begin(&five);
    unsigned i = 0;

    while (i < 4 * XENSTORE_MAX_TOUCHED && ASK_OPEN(&five, XS_WRITE, tx, "n\0value"))
        i++;
    assert_true(i < XENSTORE_MAX_TOUCHED);
    assert_string_equal(five.payload, "ENOSPC");
    assert_refused(ASK(&five, XS_RM, tx, "n"), &five, "ENOSPC");
    assert_true(ASK(&five, XS_READ, tx, "n"));                    /* Looking again costs nothing. */
    assert_true(ASK(&five, XS_TRANSACTION_END, tx, "T"));
}

/* What was given back may be taken again: counts go down, too. */
static void quotas_count_what_is_held_now(void **state)
{
    char path[64];

    for (unsigned i = 0; i < 3 * XENSTORE_MAX_WATCHES; i++) {
        int size = snprintf(path, sizeof(path), "w/%u%ct", i, '\0');

        assert_true(ask(&five, XS_WATCH, 0, path, (size_t)size + 1));
        assert_true(ask(&five, XS_UNWATCH, 0, path, (size_t)size + 1));
    }
    for (unsigned i = 0; i < 3 * XENSTORE_MAX_TRANSACTIONS; i++) {
        uint32_t tx = begin(&five);

        assert_int_not_equal(tx, 0);
        assert_true(i % 2 ? ASK(&five, XS_TRANSACTION_END, tx, "T")
                          : ASK(&five, XS_TRANSACTION_END, tx, "F"));
    }
    for (unsigned i = 0; i < XENSTORE_MAX_WATCHES; i++) {
        int size = snprintf(path, sizeof(path), "w/%u%ct", i, '\0');

        assert_true(ask(&five, XS_WATCH, 0, path, (size_t)size + 1));
    }
    for (unsigned i = 0; i < XENSTORE_MAX_TRANSACTIONS; i++)
        begin(&five);
    assert_refused(ASK(&five, XS_WATCH, 0, "w\0t"), &five, "ENOSPC");
    assert_refused(ASK(&five, XS_TRANSACTION_START, 0, ""), &five, "ENOSPC");
    assert_true(ASK(&five, XS_RESET_WATCHES, 0, ""));
    for (unsigned i = 0; i < XENSTORE_MAX_TRANSACTIONS; i++)
        begin(&five);
    assert_true(ASK(&five, XS_WATCH, 0, "w\0t"));
    /* dom0 is not bound. */
    for (unsigned i = 0; i <= XENSTORE_MAX_WATCHES; i++) {
        int size = snprintf(path, sizeof(path), "/w/%u%ct", i, '\0');

        assert_true(ask(&dom0, XS_WATCH, 0, path, (size_t)size + 1));
    }
    for (unsigned i = 0; i <= XENSTORE_MAX_TRANSACTIONS; i++)
        begin(&dom0);
    /* Numbers that are in use are not given twice, and 0 is none. */
    five.connection.last_transaction = UINT32_MAX;
    assert_true(ASK(&five, XS_RESET_WATCHES, 0, ""));
    assert_int_equal(begin(&five), 1);
    five.connection.last_transaction = 0;
    assert_int_equal(begin(&five), 2);
}

/* --- sizes at their limits --- */

static bool ask_for_path(struct client *client, uint32_t type, const char *prefix, size_t length)
{
    char path[XENSTORE_PAYLOAD_MAX];

    memset(path, 'a', sizeof(path));
    memcpy(path, prefix, strlen(prefix));
    path[length] = '\0';
    return ask(client, type, 0, path, length + 1);
}

static void lengths_at_their_limits(void **state)
{
    char path[2 * TREE_MAX_DEPTH + 8] = "";
    char watch[XENSTORE_ABS_PATH_MAX + 8];
    static char value[XENSTORE_PAYLOAD_MAX];

    assert_refused(ask_for_path(&dom0, XS_READ, "/", XENSTORE_ABS_PATH_MAX), &dom0, "ENOENT");
    assert_refused(ask_for_path(&dom0, XS_READ, "/", XENSTORE_ABS_PATH_MAX + 1), &dom0, "EINVAL");
    assert_refused(ask_for_path(&five, XS_READ, "", XENSTORE_REL_PATH_MAX), &five, "ENOENT");
    assert_refused(ask_for_path(&five, XS_READ, "", XENSTORE_REL_PATH_MAX + 1), &five, "EINVAL");
    for (unsigned i = 0; i < TREE_MAX_DEPTH; i++)
        strcat(path, "/d");
    assert_true(ask(&dom0, XS_MKDIR, 0, path, strlen(path) + 1));
    strcat(path, "/d");
    assert_refused(ask(&dom0, XS_MKDIR, 0, path, strlen(path) + 1), &dom0, "EINVAL");
    /* A watch's token, and a special name. */
    memset(watch, 'a', sizeof(watch));
    watch[1] = '\0';
    watch[2 + XENSTORE_ABS_PATH_MAX / 4] = '\0';
    assert_true(ask(&five, XS_WATCH, 0, watch, 3 + XENSTORE_ABS_PATH_MAX / 4));
    watch[2 + XENSTORE_ABS_PATH_MAX / 4] = 'a';
    watch[3 + XENSTORE_ABS_PATH_MAX / 4] = '\0';
    assert_refused(ask(&five, XS_WATCH, 0, watch, 4 + XENSTORE_ABS_PATH_MAX / 4), &five, "EINVAL");
    assert_refused(ASK_OPEN(&five, XS_WATCH, 0, "a\0t"), &five, "EINVAL");
    memset(watch, 'a', sizeof(watch));
    watch[0] = '@';
    watch[XENSTORE_REL_PATH_MAX] = '\0';
    watch[XENSTORE_REL_PATH_MAX + 1] = '\0';
    assert_true(ask(&six, XS_WATCH, 0, watch, XENSTORE_REL_PATH_MAX + 2));
    watch[XENSTORE_REL_PATH_MAX] = 'a';
    watch[XENSTORE_REL_PATH_MAX + 2] = '\0';
    assert_refused(ask(&six, XS_WATCH, 0, watch, XENSTORE_REL_PATH_MAX + 3), &six, "EINVAL");
    /* A value as long as a message carries comes back whole; permissions and names never make
     * more than one. */
    memcpy(value, "/v", 3);
    assert_true(ask(&dom0, XS_WRITE, 0, value, sizeof(value)));
    assert_true(ASK(&dom0, XS_READ, 0, "/v"));
    assert_int_equal(dom0.answer.len, sizeof(value) - 3);
}

static void numbers_at_their_limits(void **state)
{
    assert_true(ASK(&five, XS_GET_DOMAIN_PATH, 0, "65535"));
    assert_string_equal(five.payload, "/local/domain/65535");
    assert_refused(ASK(&five, XS_GET_DOMAIN_PATH, 0, "65536"), &five, "EINVAL");
    assert_refused(ASK(&five, XS_GET_DOMAIN_PATH, 0, "65540"), &five, "EINVAL");
    assert_refused(ASK(&five, XS_GET_DOMAIN_PATH, 0, ""), &five, "EINVAL");
    assert_refused(ASK(&five, XS_GET_DOMAIN_PATH, 0, "5:"), &five, "EINVAL");
    assert_refused(ASK(&five, XS_GET_DOMAIN_PATH, 0, "/5"), &five, "EINVAL");
    assert_refused(ASK_OPEN(&five, XS_GET_DOMAIN_PATH, 0, "5"), &five, "EINVAL");
    assert_true(ASK(&dom0, XS_INTRODUCE, 0, "32751\0" "77\0" "3"));
    assert_int_equal(introduced, 32751);
    introduced = 0;
    assert_refused(ASK(&dom0, XS_INTRODUCE, 0, "32752\0" "77\0" "3"), &dom0, "EINVAL");
    assert_refused(ASK(&dom0, XS_INTRODUCE, 0, "9\0" "77\0" "4294967296"), &dom0, "EINVAL");
    assert_refused(ASK(&dom0, XS_INTRODUCE, 0, "9\0" "77"), &dom0, "EINVAL");
    assert_int_equal(introduced, 0);            /* Nobody was asked to. */
    assert_true(ASK(&five, XS_MKDIR, 0, "dir/x"));
    assert_refused(ASK(&five, XS_DIRECTORY_PART, 0, "dir"), &five, "EINVAL");
    assert_refused(ASK(&five, XS_DIRECTORY_PART, 0, "dir\0" "1x"), &five, "EINVAL");
    assert_refused(ASK(&five, XS_DIRECTORY_PART, 0, "dir\0" "4294967296"), &five, "EINVAL");
    assert_true(ASK(&five, XS_DIRECTORY_PART, 0, "dir\0" "4294967295"));
    assert_refused(ASK(&dom0, XS_RELEASE, 0, "0"), &dom0, "EINVAL");
    assert_refused(ASK(&dom0, XS_RELEASE, 0, "32752"), &dom0, "EINVAL");
    assert_refused(ASK(&dom0, XS_RELEASE, 0, "9"), &dom0, "ENOENT");
    assert_true(ASK(&dom0, XS_IS_DOMAIN_INTRODUCED, 0, "0"));
    assert_refused(ASK(&dom0, XS_IS_DOMAIN_INTRODUCED, 0, "65536"), &dom0, "EINVAL");
}

/* The characters that a path may have, and their neighbours. */
static void letters_of_paths(void **state)
{
    static const char good[] = "azAZ09-_@", bad[] = "`{@[/:.^, \x7f\x80\xff\t";

    for (size_t i = 0; i < sizeof(good) - 1; i++) {
        char path[] = { '/', 'x', good[i], '\0' };

        assert_true(tree_path_valid(path));
    }
    for (size_t i = 0; i < sizeof(bad) - 1; i++) {
        char path[] = { '/', 'x', bad[i], '\0' };

        assert_int_equal(tree_path_valid(path), bad[i] == '@');
    }
    assert_true(tree_path_valid("/"));
    assert_false(tree_path_valid("x/y") || tree_path_valid("") || tree_path_valid("//") ||
                 tree_path_valid("/x/"));
}

/* What the server never asks the tree for is refused by the tree all the same. */
static void the_tree_itself_refuses(void **state)
{
    struct tree_actor actor = { .domid = 0, .privileged = true };
    struct tree_perms none = { .count = 0 }, many = { .count = TREE_MAX_PERMS + 1 };
    uint32_t tx = begin(&dom0);

    assert_int_equal(tree_set_perms(xenstore_tree, "/local", &none, actor), -EINVAL);
    assert_int_equal(tree_set_perms(xenstore_tree, "/local", &many, actor), -EINVAL);
    assert_refused(ASK(&dom0, XS_RM, tx, "/"), &dom0, "EINVAL");
    assert_true(ASK(&dom0, XS_TRANSACTION_END, tx, "T"));
    assert_true(ASK(&dom0, XS_DIRECTORY, 0, "/local/domain"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(only_the_owner_sets_permissions, setup, teardown),
        cmocka_unit_test_setup_teardown(each_letter_means_what_it_says, setup, teardown),
        cmocka_unit_test_setup_teardown(transactions_show_no_secrets, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_made_inherits, setup, teardown),
        cmocka_unit_test_setup_teardown(who_loses_a_permission_hears, setup, teardown),
        cmocka_unit_test_setup_teardown(who_sees_the_names_hears, setup, teardown),
        cmocka_unit_test_setup_teardown(unreadable_nodes_are_not_heard_of, setup, teardown),
        cmocka_unit_test_setup_teardown(watches_cover_whole_names, setup, teardown),
        cmocka_unit_test_setup_teardown(every_change_of_what_was_touched_is_a_conflict, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_commit_is_all_or_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_commit_needs_the_permissions_of_its_end, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_commit_makes_all_changes, setup, teardown),
        cmocka_unit_test_setup_teardown(the_log_of_a_transaction_is_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(quotas_count_what_is_held_now, setup, teardown),
        cmocka_unit_test_setup_teardown(lengths_at_their_limits, setup, teardown),
        cmocka_unit_test_setup_teardown(numbers_at_their_limits, setup, teardown),
        cmocka_unit_test_setup_teardown(letters_of_paths, setup, teardown),
        cmocka_unit_test_setup_teardown(the_tree_itself_refuses, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
