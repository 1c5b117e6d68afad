/* SPDX-License-Identifier: MIT */
/*
 * A directory of XenStore has room for its children, which stays when these have gone, or do not
 * come. It is the directory's owner's, and bound by his quota like all else, whoever makes the
 * children, and whether or not they come to be.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include "dom0/account.h"
#include "xenstore_host.h"

#define QUOTA account_rules[HELD_NODE_BYTES].quota

static char payload[4096];

/* A path, and nothing behind it. */
static bool ask_path(struct client *client, uint32_t type, uint32_t tx, const char *format, ...)
{
    va_list arguments;
    int size;

    va_start(arguments, format);
    size = vsnprintf(payload, sizeof(payload), format, arguments);
    va_end(arguments);
    return ask(client, type, tx, payload, (size_t)size + 1);
}

/* So many bytes, under a new name. */
static bool fill(struct client *client, size_t size)
{
    static unsigned names;
    int path = sprintf(payload, "data/%u", names++);

    memset(payload + path + 1, 'x', size);
    return ask(client, XS_WRITE, 0, payload, (size_t)path + 1 + size);
}

static void recount(const struct tree_node *node, uint16_t domid, size_t *bytes)
{
    if (node->perms.entry[0].domid == domid)
        *bytes += tree_bytes(node);
    for (unsigned i = 0; i < node->child_count; i++)
        recount(node->children[i], domid, bytes);
}

static void assert_within_quota(uint16_t domid)
{
    size_t bytes = 0;

    recount(xenstore_tree, domid, &bytes);
    assert_int_equal(account_held(domid, HELD_NODE_BYTES), bytes);
    assert_in_range(bytes, 0, QUOTA);
}

/* Who lets a friend write cannot hold more by his help: directory after directory is filled by the
 * friend, and emptied. */
static void a_friend_makes_and_removes(void **state)
{
    bool refused_once = false;

    assert_true(ASK(&five, XS_MKDIR, 0, "open"));
    assert_true(ASK(&five, XS_SET_PERMS, 0, "open\0n5\0b6"));
    for (unsigned i = 0; i < 140; i++)
        assert_true(ask_path(&five, XS_MKDIR, 0, "open/%u", i));
    for (unsigned i = 0; i < 140; i++) {
        unsigned made = 0;

        while (made < 513 && ask_path(&six, XS_MKDIR, 0, "/local/domain/5/open/%u/%u", i, made))
            made++;
        if (made < 513)
            assert_string_equal(six.payload, "ENOSPC");
        refused_once |= made < 513;
        while (made--)
            assert_true(ask_path(&six, XS_RM, 0, "/local/domain/5/open/%u/%u", i, made));
    }
    assert_true(refused_once);
    assert_within_quota(5);
    assert_within_quota(6);
    assert_true(account_held(5, HELD_NODE_BYTES) > QUOTA / 2);
    assert_true(ASK(&dom0, XS_MKDIR, 0, "/local/domain/5/open/0/more"));  /* He is bound by none. */
}

/* The end of a transaction is refused, for its nodes are more than may be: the room for them is
 * not more either, however often. */
static void children_that_do_not_come(void **state)
{
    uint32_t tx;

    for (unsigned i = 0; i < 100; i++)
        assert_true(ask_path(&five, XS_MKDIR, 0, "%u", i));
    while (fill(&five, XENSTORE_MAX_NODE_BYTES))
        continue;
    assert_true(ASK(&five, XS_RM, 0, "data/1"));
    for (unsigned i = 0; i < 100; i++) {
        tx = begin(&five);
        for (unsigned n = 0; n < 300; n++)
            assert_true(ask_path(&five, XS_MKDIR, tx, "%u/%u", i, n));
        assert_refused(ASK(&five, XS_TRANSACTION_END, tx, "T"), &five, "ENOSPC");
    }
    assert_within_quota(5);
}

/* The value of a node becomes so long that `left` bytes are left. */
static void pad(size_t left)
{
    size_t has, more;

    assert_true(ASK(&five, XS_READ, 0, "pad"));
    has = five.answer.len;
    more = QUOTA - account_held(5, HELD_NODE_BYTES) - left;
    memset(payload, 'x', sizeof(payload));
    memcpy(payload, "pad", 4);
    assert_true(ask(&five, XS_WRITE, 0, payload, 4 + has + more));
    assert_int_equal(account_held(5, HELD_NODE_BYTES), QUOTA - left);
}

static bool make_nine(void)
{
    uint32_t tx = begin(&five);

    for (unsigned n = 0; n < 9; n++)
        assert_true(ask_path(&five, XS_MKDIR, tx, "new/%u", n));
    return ASK(&five, XS_TRANSACTION_END, tx, "T");
}

/* A directory that is new itself, and its children, fit, but not with the room for these. */
static void children_in_a_new_directory(void **state)
{
    size_t nodes;

    assert_true(ASK(&five, XS_MKDIR, 0, "pad"));
    assert_true(ASK(&five, XS_MKDIR, 0, "n"));
    nodes = 10 * tree_bytes(tree_find(xenstore_tree, "/local/domain/5/n")) + strlen("ew");
    while (QUOTA - account_held(5, HELD_NODE_BYTES) > nodes + 9000)
        assert_true(fill(&five, XENSTORE_MAX_NODE_BYTES));
    while (QUOTA - account_held(5, HELD_NODE_BYTES) > nodes + 1500)
        assert_true(fill(&five, 500));
    pad(nodes + 15 * sizeof(struct tree_node *));
    assert_refused(make_nine(), &five, "ENOSPC");
    assert_within_quota(5);
    pad(nodes + 16 * sizeof(struct tree_node *));
    assert_true(make_nine());
    assert_int_equal(account_held(5, HELD_NODE_BYTES), QUOTA);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_friend_makes_and_removes, setup, teardown),
        cmocka_unit_test_setup_teardown(children_that_do_not_come, setup, teardown),
        cmocka_unit_test_setup_teardown(children_in_a_new_directory, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
