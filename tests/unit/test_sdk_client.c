/* SPDX-License-Identifier: MIT */
/*
 * The SDK's XenStore client and dom0's XenStore, joined by a shared ring, on threads of the SDK in
 * one process: requests of several threads at once, watches that are queued and that call back,
 * transactions, XenBus handshakes; and a daemon that lies.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "threads_host.h"
#include <pvguest/xenbus.h>
#include <pvguest/xenstore.h>
#include "dom0/worker.h"
#include "dom0/xenstore/rings.h"

unsigned allocations_until_failure;

#include "sdk_client_host.h"

/* --- requests --------------------------------------------------------------------------------- */

static void requests(void **state)
{
    static char large[2048], path[300];
    const char *const permissions[] = { "n5", "r0", "b7" }, *too_many[16];
    unsigned int count;
    unsigned long number;
    char **list, *text;

    assert_reads(XS_NONE, "a", NULL);
    assert_int_equal(xs_write(XS_NONE, "a", "value", 5), 0);
    assert_reads(XS_NONE, "a", "value");
    assert_reads(XS_NONE, "/local/domain/5/a", "value");
    assert_int_equal(xs_write(XS_NONE, "empty", "", 0), 0);
    assert_reads(XS_NONE, "empty", "");
    memset(large, 'x', sizeof large);           /* longer than the ring */
    assert_int_equal(xs_write(XS_NONE, "large", large, sizeof large), 0);
    text = xs_read(XS_NONE, "large", NULL);
    assert_int_equal(strlen(text), sizeof large);
    free(text);
    assert_int_equal(xs_write(XS_NONE, "large", path, 5000), -E2BIG);
    assert_int_equal(xs_mkdir(XS_NONE, "dir"), 0);
    assert_int_equal(xs_write(XS_NONE, "dir/x", "1", 1), 0);
    assert_int_equal(xs_write(XS_NONE, "dir/longer", "2", 1), 0);
    list = xs_directory(XS_NONE, "dir", &count);
    assert_int_equal(count, 2);
    assert_string_equal(list[0], "x");          /* the shorter first */
    assert_string_equal(list[1], "longer");
    assert_null(list[2]);
    free(list);
    assert_int_equal(PTR_ERR(xs_directory(XS_NONE, "none", &count)), -ENOENT);
    assert_int_equal(xs_rm(XS_NONE, "dir/x"), 0);
    list = xs_directory(XS_NONE, "dir", &count);
    assert_int_equal(count, 1);
    free(list);
    assert_int_equal(xs_rm(XS_NONE, "/local"), -EACCES);
    assert_int_equal(xs_set_permissions(XS_NONE, "a", permissions, 3), 0);
    list = xs_get_permissions(XS_NONE, "a", &count);
    assert_int_equal(count, 3);
    assert_string_equal(list[2], "b7");
    free(list);
    assert_int_equal(xs_set_permissions(XS_NONE, "a", too_many, 16), -E2BIG);
    for (unsigned int i = 0; i < 15; i++)
        too_many[i] = "n5";
    assert_int_equal(xs_set_permissions(XS_NONE, "a", too_many, 15), -ENOSPC);
    text = xs_domain_path(65535);
    assert_string_equal(text, "/local/domain/65535");
    free(text);
    assert_int_equal(xs_printf(XS_NONE, "dir", "n", "%d", 42), 0);
    assert_int_equal(xs_read_ulong(XS_NONE, "dir", "n", &number), 0);
    assert_int_equal(number, 42);
    assert_int_equal(xs_read_ulong(XS_NONE, "dir/n", "", &number), 0);
    assert_int_equal(xs_read_ulong(XS_NONE, "", "dir/n", &number), 0);
    assert_int_equal(xs_read_ulong(XS_NONE, "", "a", &number), -EINVAL);
    assert_int_equal(xs_read_ulong(XS_NONE, "", "empty", &number), -EINVAL);
    xs_printf(XS_NONE, "dir", "n", "12a");
    assert_int_equal(xs_read_ulong(XS_NONE, "dir", "n", &number), -EINVAL);
    assert_int_equal(xs_read_ulong(XS_NONE, "dir", "none", &number), -ENOENT);
    memset(path, 'p', 255);
    assert_int_equal(xs_printf(XS_NONE, "", path, "%s", "v"), 0);
    path[255] = 'p';
    assert_int_equal(xs_printf(XS_NONE, "", path, "%s", "v"), -E2BIG);
    path[255] = '\0';
    assert_int_equal(xs_printf(XS_NONE, "p", path, "%s", "v"), -E2BIG);
    assert_int_equal(PTR_ERR(xs_read_node(XS_NONE, "p", path)), -E2BIG);
    assert_int_equal(xs_printf(XS_NONE, "", "v", "%.511s", large), 0);
    assert_int_equal(xs_printf(XS_NONE, "", "v", "%.512s", large), -E2BIG);
    assert_int_equal(xs_write_for(7, "for", "%.511s", large), 0);
    list = xs_get_permissions(XS_NONE, "for", &count);
    assert_int_equal(count, 2);
    assert_string_equal(list[0], "n5");
    assert_string_equal(list[1], "r7");
    free(list);
    assert_int_equal(xs_write_for(7, "for", "%.512s", large), -E2BIG);
    assert_int_equal(xs_write_for(7, "/tool/for", "x"), -EACCES);
    text = xs_request(XS_READ, XS_NONE, "a", 2, NULL);
    assert_string_equal(text, "value");
    free(text);
}

/* An allocation of the caller's own that fails is his error, and nothing is left of what he
 * asked. */
static void requests_without_memory(void **state)
{
    struct xs_watch watch = { 0 };
    struct xenbus_device device = { 0 };
    unsigned int count;

    assert_int_equal(xs_write(XS_NONE, "dir/x", "1", 1), 0);
    /* behind the daemon's answer and the reader's copy */
    allocations_until_failure = 3;
    assert_int_equal(PTR_ERR(xs_directory(XS_NONE, "dir", &count)), -ENOMEM);
    assert_int_equal(allocations_until_failure, 0);
    assert_reads(XS_NONE, "dir/x", "1");
    allocations_until_failure = 1;
    assert_int_equal(xs_watch(&watch, "w"), -ENOMEM);
    assert_null(watch.path);
    assert_int_equal(xs_unwatch(&watch), -EINVAL);
    allocations_until_failure = 1;
    assert_int_equal(xenbus_attach_front(&device, "device/x/0"), -ENOMEM);
    assert_null(device.path);
    assert_null(device.watch.path);
}

/*
 * The reader has none: a long answer is lost to whoever waits for it, and he hears so; nobody else
 * notices.
 */
static void answers_without_memory(void **state)
{
    static char large[600];

    memset(large, 'x', sizeof large - 1);
    assert_int_equal(xs_write(XS_NONE, "large", large, sizeof large - 1), 0);
    assert_int_equal(xs_write(XS_NONE, "small", "1", 1), 0);
    said = 0;
    allocations_until_failure = 3;              /* the caller's, the daemon's, the reader's */
    assert_int_equal(PTR_ERR(xs_read(XS_NONE, "large", NULL)), -ENOMEM);
    assert_int_equal(allocations_until_failure, 0);
    assert_reads(XS_NONE, "large", large);
    allocations_until_failure = 3;
    assert_reads(XS_NONE, "small", "1");        /* a short one needs none of the reader's */
    assert_int_equal(allocations_until_failure, 1);
    assert_int_equal(PTR_ERR(xs_read(XS_NONE, "none", NULL)), -ENOMEM);
    allocations_until_failure = 3;
    /* nor does an error */
    assert_int_equal(PTR_ERR(xs_read(XS_NONE, "none", NULL)), -ENOENT);
    allocations_until_failure = 1;              /* what was not asked was not done */
    assert_int_equal(PTR_ERR(xs_read(XS_NONE, "small", NULL)), -ENOMEM);
    assert_int_equal(allocations_until_failure, 0);
    assert_reads(XS_NONE, "small", "1");
    assert_int_equal(said, 0);
}

static void transactions(void **state)
{
    xs_transaction t, other;

    assert_int_equal(xs_begin(&t), 0);
    assert_int_not_equal(t, XS_NONE);
    assert_int_equal(xs_write(t, "t", "1", 1), 0);
    assert_reads(XS_NONE, "t", NULL);
    assert_reads(t, "t", "1");
    assert_int_equal(xs_end(t, true), 0);
    assert_reads(XS_NONE, "t", NULL);
    assert_int_equal(xs_begin(&t), 0);
    assert_int_equal(xs_begin(&other), 0);
    assert_int_not_equal(t, other);
    assert_int_equal(xs_mkdir(t, "t"), 0);
    assert_int_equal(xs_mkdir(other, "t"), 0);
    assert_int_equal(xs_end(t, false), 0);
    assert_int_equal(xs_end(other, false), -EAGAIN);
    assert_reads(XS_NONE, "t", "");
    assert_int_equal(xs_begin(&t), 0);
    assert_int_equal(xs_rm(t, "t"), 0);
    assert_int_equal(xs_end(t, false), 0);
    assert_reads(XS_NONE, "t", NULL);
}

size_t __sanitizer_get_current_allocated_bytes(void);          /* ASan counts for us */

/* No call keeps anything of its answer, whatever it answers. */
static void calls_keep_no_memory(void **state)
{
    size_t before = __sanitizer_get_current_allocated_bytes();
    xs_transaction t;

    for (unsigned long i = 0, n; i < 10; i++) {
        assert_int_equal(xs_begin(&t), 0);
        assert_int_equal(xs_printf(t, "kept", "n", "1"), 0);
        assert_int_equal(xs_end(t, false), 0);
        assert_int_equal(xs_read_ulong(XS_NONE, "kept", "n", &n), 0);
        assert_int_equal(xs_rm(XS_NONE, "kept"), 0);
        assert_int_equal(xs_rm(XS_NONE, "kept/none"), -ENOENT);
    }
    assert_int_equal(__sanitizer_get_current_allocated_bytes(), before);
}

/* --- several threads -------------------------------------------------------------------------- */

static unsigned int finished;

static void writes_and_reads(void *name)
{
    char path[32], value[600];

    for (unsigned int i = 0; i < 30; i++) {
        snprintf(path, sizeof path, "thread-%s/%u", (const char *)name, i % 3);
        snprintf(value, sizeof value, "%s-%0*u", (const char *)name, (int)(i * 17 + 1), i);
        assert_int_equal(xs_write(XS_NONE, path, value, strlen(value)), 0);
        assert_reads(XS_NONE, path, value);
    }
    finished++;
}

static void many_threads_at_once(void **state)
{
    for (unsigned int i = 0; i < 5; i++)
        thread_create("asks", writes_and_reads, (char *[]){ "a", "b", "c", "d", "e" }[i]);
    while (finished < 5)
        thread_sleep(10);
}

/* --- watches ---------------------------------------------------------------------------------- */

static void assert_fires(struct xs_watch *watch, const char *expected)
{
    char *path = xs_watch_wait(watch, 1000000);

    if (!expected) {
        assert_null(path);
        return;
    }
    assert_non_null(path);
    assert_string_equal(path, expected);
    free(path);
}

static void writes_later(void *unused)
{
    thread_sleep(5000000);
    DOM0_WRITES("/local/domain/5/w/later\0v");
}

/* Without a limit it waits however long it takes. */
static void watches_without_a_limit(void **state)
{
    struct xs_watch watch = { 0 };
    uint64_t begin = now_ns();
    char *path;

    assert_int_equal(xs_watch(&watch, "w"), 0);
    assert_fires(&watch, "w");
    thread_create("later", writes_later, NULL);
    path = xs_watch_wait(&watch, 0);
    assert_string_equal(path, "w/later");
    free(path);
    assert_true(now_ns() - begin >= 5000000);
    assert_int_equal(xs_unwatch(&watch), 0);
}

static void queued_watches(void **state)
{
    struct xs_watch one = { 0 }, two = { 0 };
    uint64_t begin;

    assert_int_equal(xs_watch(&one, "w"), 0);
    assert_int_equal(xs_watch(&two, "/local/domain/5/w"), 0);
    assert_fires(&one, "w");
    assert_fires(&two, "/local/domain/5/w");
    assert_int_equal(xs_write(XS_NONE, "w/x", "1", 1), 0);
    assert_fires(&two, "/local/domain/5/w/x");
    assert_fires(&one, "w/x");
    begin = now_ns();
    assert_fires(&one, NULL);
    assert_in_range(now_ns(), begin + 1000000, begin + 1100000);
    DOM0_WRITES("/local/domain/5/w/y\0v");
    assert_fires(&one, "w/y");
    DOM0_WRITES("/local/domain/5/w/1\0v");
    thread_sleep(100);
    DOM0_WRITES("/local/domain/5/w/1\0v");      /* waits already */
    DOM0_WRITES("/local/domain/5/w/2\0v");
    thread_sleep(100);
    assert_fires(&one, "w/1");                  /* in their order */
    assert_int_equal(xs_unwatch(&one), 0);      /* with one in its queue */
    assert_int_equal(xs_unwatch(&one), -EINVAL);
    assert_null(one.path);
    DOM0_WRITES("/local/domain/5/w/z\0v");
    assert_fires(&two, "/local/domain/5/w/y");
    assert_fires(&two, "/local/domain/5/w/1");
    assert_fires(&two, "/local/domain/5/w/2");
    assert_fires(&two, "/local/domain/5/w/z");
    assert_int_equal(xs_unwatch(&two), 0);
    assert_int_equal(xs_watch(&one, "bad path"), -EINVAL);
    assert_null(one.path);
    assert_int_equal(xs_watch(&one, "w"), 0);
    assert_fires(&one, "w");
    assert_int_equal(xs_unwatch(&one), 0);
}

/*
 * More paths than a watch queues, or an event for which the reader finds no memory: the watch fires
 * as a whole.
 */
static void watches_that_fire_whole(void **state)
{
    struct xs_watch watch = { 0 };
    char path[64];

    assert_int_equal(xs_watch(&watch, "w"), 0);
    assert_fires(&watch, "w");
    for (unsigned int i = 0; i < 20; i++) {
        dom0_asks(XS_MKDIR, path,
                  (size_t)snprintf(path, sizeof path, "/local/domain/5/w/m%u", i) + 1);
        thread_sleep(100);
    }
    for (unsigned int i = 0; i < 16; i++) {
        snprintf(path, sizeof path, "w/m%u", i);
        assert_fires(&watch, path);
    }
    assert_fires(&watch, "w");
    assert_fires(&watch, NULL);
    for (unsigned int failing = 1; failing <= 2; failing++) {
        DOM0_WRITES("/local/domain/5/w/m1\0v");
        allocations_until_failure = failing;
        thread_sleep(100);
        assert_int_equal(allocations_until_failure, 0);
        DOM0_WRITES("/local/domain/5/w/m2\0v");         /* the same event stands for it, too */
        thread_sleep(100);
        assert_int_equal(watch.event_count, 0);
        allocations_until_failure = failing % 2;        /* who takes it may find no memory either */
        assert_fires(&watch, "w");
        assert_int_equal(allocations_until_failure, 0);
        assert_fires(&watch, NULL);
    }
    DOM0_WRITES("/local/domain/5/w/m3\0v");             /* it goes on as before */
    assert_fires(&watch, "w/m3");
    assert_true(xs_available());
    assert_int_equal(xs_unwatch(&watch), 0);
}

/* What takes away, and who has a place of his own for the answer, needs none: only the daemon's
 * answer does. */
static void no_memory_is_needed(void **state)
{
    struct xs_watch watch = { 0 };
    char value[8];
    xs_transaction t;

    assert_int_equal(xs_write(XS_NONE, "nine", "123456789", 9), 0);
    assert_int_equal(xs_watch(&watch, "nine"), 0);
    assert_fires(&watch, "nine");
#define NEEDS_NONE(call, result)                                                                   \
    do {                                                                                           \
        allocations_until_failure = 2;                                                             \
        assert_int_equal(call, result);                                                            \
        assert_int_equal(allocations_until_failure, 1);                                            \
    } while (0)
    NEEDS_NONE(xs_read_into(XS_NONE, "nine", value, sizeof value), 9);
    assert_string_equal(value, "1234567");
    NEEDS_NONE(xs_read_into(XS_NONE, "nine", NULL, 0), 9);
    NEEDS_NONE(xs_read_into(XS_NONE, "none", value, sizeof value), -ENOENT);
    NEEDS_NONE(xs_unwatch(&watch), 0);
    NEEDS_NONE(xs_rm(XS_NONE, "nine"), 0);
    NEEDS_NONE(xs_rm(XS_NONE, "nine"), 0);
    NEEDS_NONE(xs_tell(XS_IS_DOMAIN_INTRODUCED, XS_NONE, "5", 2), -EACCES);
    allocations_until_failure = 0;
    assert_int_equal(xs_begin(&t), 0);
    NEEDS_NONE(xs_end(t, true), 0);
    allocations_until_failure = 0;
}

static unsigned int called;
static char last[64];
static bool slow;

/* May ask itself, and sleep. */
static void called_back(struct xs_watch *watch, const char *path)
{
    assert_ptr_equal(watch->data, &called);
    called++;
    snprintf(last, sizeof last, "%s", path);
    assert_int_equal(xs_write(XS_NONE, "seen", path, strlen(path)), 0);
    if (slow) {
        thread_sleep(1000);
        slow = false;
    }
}

static void watches_that_call_back(void **state)
{
    struct xs_watch watch = { .callback = called_back, .data = &called };

    assert_int_equal(xs_watch(&watch, "c"), 0);
    thread_sleep(100);
    assert_int_equal(called, 1);
    assert_string_equal(last, "c");
    DOM0_WRITES("/local/domain/5/c/1\0v");
    DOM0_WRITES("/local/domain/5/c/2\0v");
    thread_sleep(100);
    assert_int_equal(called, 3);
    assert_string_equal(last, "c/2");
    assert_reads(XS_NONE, "seen", "c/2");
    DOM0_WRITES("/local/domain/5/c/2\0v");
    allocations_until_failure = 1;              /* the reader's */
    thread_sleep(100);
    assert_int_equal(called, 4);
    assert_string_equal(last, "c");
    slow = true;
    DOM0_WRITES("/local/domain/5/c/3\0v");
    thread_sleep(100);
    assert_true(slow && called == 5);
    /* waits for the one that runs: the structure is ours again */
    assert_int_equal(xs_unwatch(&watch), 0);
    assert_false(slow);
    memset(&watch, 0xee, sizeof watch);
    DOM0_WRITES("/local/domain/5/c/4\0v");
    thread_sleep(100);
    assert_int_equal(called, 5);
}

/* --- XenBus ----------------------------------------------------------------------------------- */

static unsigned int changes;
static enum xenbus_state last_change;

static void other_changed(struct xenbus_device *device, enum xenbus_state state)
{
    changes++;
    last_change = state;
}

static void handshakes(void **state)
{
    struct xenbus_device front = { .other_changed = other_changed }, none = { 0 };
    char longer[250];

    DOM0_WRITES("/back/state\0" "1");
    DOM0(XS_SET_PERMS, "/back/state\0n0\0r5");
    DOM0_WRITES("/local/domain/5/device/x/0/backend\0/back");
    assert_int_equal(xenbus_attach_front(&front, "device/x/0"), -ENOENT);
    assert_null(front.path);
    DOM0_WRITES("/local/domain/5/device/x/0/backend-id\0" "32752");
    assert_int_equal(xenbus_attach_front(&front, "device/x/0"), -EINVAL);
    assert_null(front.path);
    DOM0_WRITES("/local/domain/5/device/x/0/backend-id\0" "3");
    memset(longer, 'x', sizeof longer);
    longer[0] = '/';
    assert_int_equal(xs_write(XS_NONE, "device/x/0/backend", longer, 250), 0);
    assert_int_equal(xenbus_attach_front(&front, "device/x/0"), -E2BIG);
    assert_null(front.path);
    DOM0_WRITES("/local/domain/5/device/x/0/backend\0/back");
    DOM0_WRITES("/local/domain/5/device/x/0/state\0" "1");
    assert_int_equal(xenbus_attach_front(&front, "device/x/0"), 0);
    assert_int_equal(front.other_id, 3);
    assert_string_equal(front.other_path, "/back");
    assert_int_equal(front.state, XenbusStateInitialising);
    assert_int_equal(xenbus_wait_state(&front, 1 << XenbusStateInitialising, 1000),
                     XenbusStateInitialising);
    assert_int_equal(xenbus_wait_state(&front, 1 << XenbusStateConnected, 1000), -ETIMEDOUT);
    assert_int_equal(changes, 1);
    DOM0_WRITES("/back/state\0" "1");           /* no news */
    DOM0_WRITES("/back/state\0" "4");
    assert_int_equal(
        xenbus_wait_state(&front, 1 << XenbusStateConnected | 1 << XenbusStateClosed, 1000),
        XenbusStateConnected);
    thread_sleep(100);
    assert_int_equal(changes, 2);
    assert_int_equal(last_change, XenbusStateConnected);
    assert_int_equal(xenbus_switch_state(&front, XenbusStateConnected), 0);
    assert_reads(XS_NONE, "device/x/0/state", "4");
    assert_int_equal(xs_write(XS_NONE, "device/x/0/state", "9", 1), 0);
    assert_int_equal(xenbus_read_state("device/x/0"), XenbusStateUnknown);
    assert_int_equal(xenbus_switch_state(&front, XenbusStateConnected), 0);     /* it is already */
    assert_reads(XS_NONE, "device/x/0/state", "9");
    xs_write(XS_NONE, "device/x/0/state", "8", 1);
    assert_int_equal(xenbus_read_state("device/x/0"), XenbusStateReconfigured);
    said = 0;
    xenbus_fail(&front, -5, "no %s", "luck");
    assert_int_equal(said, 1);
    assert_reads(XS_NONE, "device/x/0/error", "-5 no luck");
    assert_reads(XS_NONE, "device/x/0/state", "5");
    assert_int_equal(front.state, XenbusStateClosing);
    xenbus_detach(&front);
    assert_null(front.path);
    assert_null(front.other_path);
    DOM0_WRITES("/back/state\0" "6");
    thread_sleep(100);
    assert_int_equal(changes, 2);
    DOM0_WRITES("/local/domain/5/b/frontend\0/back");
    DOM0_WRITES("/local/domain/5/b/frontend-id\0" "4");
    assert_int_equal(xenbus_attach_back(&front, "b"), 0);
    assert_int_equal(front.other_id, 4);
    xenbus_detach(&front);
    DOM0(XS_RM, "/local/domain/5/b/frontend");
    assert_int_equal(xenbus_attach_back(&none, "b"), -ENOENT);
    assert_null(none.path);
    assert_int_equal(xenbus_read_state("none"), XenbusStateUnknown);
    assert_string_equal(xenbus_state_name(XenbusStateConnected), "Connected");
    assert_string_equal(xenbus_state_name(XenbusStateReconfigured), "Reconfigured");
    assert_string_equal(xenbus_state_name((enum xenbus_state)9), "?");
}

/* --- a daemon that lies: the last test, for nothing comes after it ---------------------------- */

static void daemon_says(struct xsd_sockmsg header, const char *payload)
{
    struct xenstore_domain_interface *at = &store_page.ring;

    for (size_t i = 0; i < sizeof header; i++)
        at->rsp[MASK_XENSTORE_IDX(at->rsp_prod++)] = ((char *)&header)[i];
    for (size_t i = 0; i < header.len && header.len < 100; i++)
        at->rsp[MASK_XENSTORE_IDX(at->rsp_prod++)] = payload[i];
    ring(2);
    thread_sleep(100);
}

static void a_daemon_that_lies(void **state)
{
    struct xs_watch watch = { 0 };

    assert_int_equal(xs_watch(&watch, "w"), 0);
    assert_fires(&watch, "w");
    /* to nothing we asked */
    daemon_says((struct xsd_sockmsg){ .type = XS_READ, .req_id = 999999, .len = 3 }, "abc");
    /* of no watch of ours */
    daemon_says((struct xsd_sockmsg){ .type = XS_WATCH_EVENT, .len = 3 }, "w\0q");
    /* without a token */
    daemon_says((struct xsd_sockmsg){ .type = XS_WATCH_EVENT, .len = 3 }, "www");
    daemon_says((struct xsd_sockmsg){ .type = XS_WATCH_EVENT, .len = 0 }, "");
    assert_fires(&watch, NULL);
    assert_reads(XS_NONE, "w/z", "v");
    assert_int_equal(xs_unwatch(&watch), 0);
    said = 0;
    /* more than the ring holds: nothing is read */
    store_page.ring.rsp_prod += XENSTORE_RING_SIZE + 1;
    ring(2);
    thread_sleep(100);
    store_page.ring.rsp_prod -= XENSTORE_RING_SIZE + 1;
    assert_reads(XS_NONE, "w/z", "v");
    daemon_says((struct xsd_sockmsg){ .type = XS_READ, .len = XENSTORE_PAYLOAD_MAX + 1 }, "");
    assert_int_equal(said, 1);
    assert_false(xs_available());
    assert_int_equal(PTR_ERR(xs_read(XS_NONE, "a", NULL)), -ENODEV);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connect),       cmocka_unit_test(requests),
        cmocka_unit_test(requests_without_memory),
        cmocka_unit_test(answers_without_memory),
        cmocka_unit_test(no_memory_is_needed),
        cmocka_unit_test(transactions),  cmocka_unit_test(calls_keep_no_memory),
        cmocka_unit_test(many_threads_at_once),
        cmocka_unit_test(watches_without_a_limit), cmocka_unit_test(queued_watches),
        cmocka_unit_test(watches_that_fire_whole),
        cmocka_unit_test(watches_that_call_back),
        cmocka_unit_test(handshakes),    cmocka_unit_test(a_daemon_that_lies),
    };

    start_threads();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
