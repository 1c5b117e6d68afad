/* SPDX-License-Identifier: MIT */
/*
 * The SDK's XenStore client against a daemon that is a few lines of this file, over a transport of
 * two small buffers: several threads ask at once and each gets its own answer; errors come by name;
 * watches are queued or call back; messages larger than the transport's buffer pass; a XenBus
 * device follows the other side's state.
 */
#include "../lib/test.h"
#include <pvguest/bits.h>
#include <pvguest/thread.h>
#include <pvguest/xenbus.h>

static struct pipe { char bytes[64]; size_t in, out; } to_daemon, from_daemon;
static WAIT_QUEUE(daemon_wait);

static size_t put(struct pipe *pipe, const char *bytes, size_t length)
{
    size_t n = 0;

    while (n < length && pipe->in - pipe->out < sizeof(pipe->bytes))
        pipe->bytes[pipe->in++ % sizeof(pipe->bytes)] = bytes[n++];
    return n;
}

static size_t get(struct pipe *pipe, char *bytes, size_t length)
{
    size_t n = 0;

    while (n < length && pipe->in != pipe->out)
        bytes[n++] = pipe->bytes[pipe->out++ % sizeof(pipe->bytes)];
    return n;
}

static size_t client_write(void *data, const void *from, size_t length)
{
    size_t n = put(&to_daemon, from, length);

    wake_all(&daemon_wait);
    return n;
}

static size_t client_read(void *data, void *to, size_t length)
{
    size_t n = get(&from_daemon, to, length);

    wake_all(&daemon_wait);
    return n;
}

static void daemon_get(void *to, size_t length)
{
    for (size_t at = 0, n; at < length; at += n)
        wait_event(daemon_wait, (n = get(&to_daemon, (char *)to + at, length - at)) > 0), xs_wake();
}

static void daemon_put(const void *from, size_t length)
{
    for (size_t at = 0, n; at < length; at += n)
        wait_event(daemon_wait, (n = put(&from_daemon, (const char *)from + at, length - at)) > 0),
            xs_wake();
}

static void answer(struct xsd_sockmsg *header, uint32_t type, const char *body, size_t length)
{
    header->type = type;
    header->len = (uint32_t)length;
    daemon_put(header, sizeof(*header));
    daemon_put(body, length);
}

static char watched[200];           /* path NUL token NUL of the last XS_WATCH */
static size_t watched_length;
static char state[4] = "1";

static void fire(void)
{
    struct xsd_sockmsg event = { .type = XS_WATCH_EVENT };

    answer(&event, XS_WATCH_EVENT, watched, watched_length);
}

/* Knows: reading "echo/X" gives X, "/front/state" a variable, "backend" and "backend-id"; anything
 * else is ENOENT. */
static void read_request(struct xsd_sockmsg *header, char *body)
{
    if (!strncmp(body, "echo/", 5))
        answer(header, XS_READ, body + 5, strlen(body) - 5);
    else if (strstr(body, "/state"))
        answer(header, XS_READ, state, strlen(state));
    else if (strstr(body, "backend-id"))
        answer(header, XS_READ, "0", 1);
    else if (strstr(body, "backend"))
        answer(header, XS_READ, "/back", 5);
    else
        answer(header, XS_ERROR, "ENOENT", 7);
}

static void fake_daemon(void *unused)
{
    static char body[XENSTORE_PAYLOAD_MAX + 1];
    struct xsd_sockmsg header;

    for (;;) {
        daemon_get(&header, sizeof(header));
        daemon_get(body, header.len);
        body[header.len] = 0;
        switch (header.type) {
        case XS_READ: read_request(&header, body); break;
        case XS_DIRECTORY: answer(&header, XS_DIRECTORY, "one\0two\0three", 14); break;
        case XS_TRANSACTION_START: answer(&header, XS_TRANSACTION_START, "17", 3); break;
        case XS_TRANSACTION_END:
            answer(&header, header.tx_id == 17 ? XS_TRANSACTION_END : XS_ERROR, "EAGAIN", 7);
            break;
        case XS_WATCH:
            memcpy(watched, body, header.len);
            watched_length = header.len;
            answer(&header, XS_WATCH, "OK", 3);
            fire();
            break;
        case XS_WRITE:
            if (strstr(body, "state"))
                strlcpy(state, body + strlen(body) + 1, sizeof(state));
            answer(&header, XS_WRITE, "OK", 3);
            break;
        default: answer(&header, header.type, "OK", 3);
        }
    }
}

static unsigned int right_answers;

static void ask(void *number)
{
    char path[40];

    for (int i = 0; i < 20; i++) {
        char *value;

        snprintf(path, sizeof(path), "echo/%lu-%d", (unsigned long)number, i);
        value = xs_read(XS_NONE, path, NULL);
        if (!IS_ERR(value) && !strcmp(value, path + 5))
            right_answers++;
        free(value);
        thread_yield();
    }
}

static void requests(void)
{
    unsigned int count = 0;
    unsigned long number;
    char **names, *value;
    static char large[3000];
    xs_transaction t;

    for (unsigned long i = 0; i < 4; i++)
        NEED(thread_create("asker", ask, (void *)i));
    for (uint64_t until = now_ns() + 20 * NS_PER_S; right_answers < 80 && now_ns() < until; )
        thread_sleep(NS_PER_MS);
    CHECK_IS(right_answers, 80);
    CHECK_IS(PTR_ERR(xs_read(XS_NONE, "nothing", NULL)), -ENOENT);
    names = xs_directory(XS_NONE, "/", &count);
    CHECK(!IS_ERR(names) && count == 3 && !strcmp(names[0], "one") && !strcmp(names[2], "three"));
    free(names);
    CHECK_IS(xs_begin(&t), 0);
    CHECK_IS(t, 17);
    CHECK_IS(xs_end(t, false), 0);
    CHECK_IS(xs_end(4, false), -EAGAIN);
    CHECK_IS(xs_read_ulong(XS_NONE, "echo", "123", &number), 0);
    CHECK_IS(number, 123);
    CHECK_IS(xs_read_ulong(XS_NONE, "echo", "12x", &number), -EINVAL);
    memset(large, 'x', sizeof(large));
    memcpy(large, "echo/", 5);
    large[sizeof(large) - 1] = 0;
    value = xs_read(XS_NONE, large, NULL);
    CHECK(!IS_ERR(value) && strlen(value) == sizeof(large) - 6);
    free(value);
    CHECK_IS(xs_write(XS_NONE, "x", large, 5000), -E2BIG);
}

static unsigned int called;

static void on_watch(struct xs_watch *watch, const char *path)
{
    char *value = xs_read(XS_NONE, "echo/inside", NULL);    /* a callback may ask */

    if (!strcmp(path, "/some/where") && !strcmp(value, "inside"))
        called++;
    free(value);
}

static void watches(void)
{
    struct xs_watch queued = { .callback = NULL }, calling = { .callback = on_watch };
    char *path;

    CHECK_IS(xs_watch(&queued, "/a/node"), 0);
    path = xs_watch_wait(&queued, 20 * NS_PER_S);
    CHECK(path && !strcmp(path, "/a/node"));
    free(path);
    CHECK(!xs_watch_wait(&queued, 5 * NS_PER_MS));
    fire();
    path = xs_watch_wait(&queued, 0);
    CHECK(path != NULL);
    free(path);
    CHECK_IS(xs_unwatch(&queued), 0);
    fire();                                                 /* nobody's now */

    CHECK_IS(xs_watch(&calling, "/some/where"), 0);
    fire();
    for (uint64_t until = now_ns() + 20 * NS_PER_S; called < 2 && now_ns() < until; )
        thread_sleep(NS_PER_MS);
    CHECK_IS(called, 2);
    CHECK_IS(xs_unwatch(&calling), 0);
}

static void xenbus(void)
{
    struct xenbus_device device = { .data = NULL };

    CHECK_IS(xenbus_attach_front(&device, "device/x/0"), 0);
    CHECK_IS(device.other_id, 0);
    CHECK(!strcmp(device.other_path, "/back"));
    CHECK_IS(xenbus_wait_state(&device, 1 << XenbusStateInitialising, 20 * NS_PER_S),
             XenbusStateInitialising);
    CHECK_IS(xenbus_wait_state(&device, 1 << XenbusStateConnected, 10 * NS_PER_MS), -ETIMEDOUT);
    CHECK_IS(xenbus_switch_state(&device, XenbusStateConnected), 0);
    CHECK(!strcmp(state, "4"));
    fire();
    CHECK_IS(xenbus_wait_state(&device, 1 << XenbusStateConnected, 20 * NS_PER_S),
             XenbusStateConnected);
    xenbus_detach(&device);
}

void test_main(void)
{
    struct xs_transport transport = { client_write, client_read, NULL };

    NEED(thread_create("daemon", fake_daemon, NULL));
    CHECK_IS(PTR_ERR(xs_read(XS_NONE, "x", NULL)), -ENODEV);
    CHECK_IS(xs_set_transport(&transport), 0);
    requests();
    watches();
    xenbus();
}
