/* SPDX-License-Identifier: MIT */
/* The XenBus state machine of a back end: see drivers/backend.h. Thread context, except where a
 * driver says otherwise. */
#include <drivers/backend.h>
#include <pvguest/console.h>
#include <pvguest/errno.h>
#include <pvguest/refuse.h>
#include <pvguest/string.h>

/* A guest that fails for ever shall not fill our console: of one device, in one life, of which it
 * may have one every two seconds. */
#define FAILURES_SAID 2u

static int write_node(struct backend *backend, const char *directory, const char *key,
                      const char *value)
{
    char path[sizeof backend->back + 40];

    if (snprintf(path, sizeof path, "%s/%s", directory, key) >= (int)sizeof path)
        return refused(-E2BIG);
    return backend->store->write(backend->store->context, path, value);
}

int backend_write(struct backend *backend, const char *key, const char *value)
{
    return write_node(backend, backend->back, key, value);
}

int backend_write_number(struct backend *backend, const char *key, uint64_t value)
{
    char text[24];

    snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    return backend_write(backend, key, text);
}

int backend_read_number(struct backend *backend, const char *directory, const char *key,
                        uint64_t *value)
{
    char path[sizeof backend->back + 40], text[24], *end;

    if (snprintf(path, sizeof path, "%s/%s", directory, key) >= (int)sizeof path)
        return refused(-E2BIG);

    int length = backend->store->read(backend->store->context, path, text, sizeof text);

    if (length < 0) return length;

    uint64_t number = strtoul(text, &end, 10);

    if (length == 0 || *end != '\0')
        return refused(-EINVAL);        /* and *value stays: half a number is none */
    *value = number;
    return 0;
}

static void enter(struct backend *backend, enum xenbus_state state)
{
    backend->state = state;
    /* fails only when the toolstack has removed the directory */
    backend_write_number(backend, "state", state);
}

static void open(struct backend *backend)
{
    int error = backend->driver->publish(backend);

    if (error)
        backend_fail(backend, errno_name(error));
    else
        enter(backend, XenbusStateInitWait);
}

static void connect(struct backend *backend)
{
    int error = backend->driver->connect(backend);

    if (!error)
        enter(backend, XenbusStateConnected);
    else if (!backend->over)
        backend_fail(backend, errno_name(error));
}

static bool disconnect(struct backend *backend)
{
    backend->leaving = !backend->driver->disconnect(backend);
    return !backend->leaving;
}

void backend_fail(struct backend *backend, const char *why)
{
    if (!disconnect(backend)) return;
    if (backend->failures++ < FAILURES_SAID)
        printk("%s: %s\n", backend->back, why);
    backend_write(backend, "error", why);
    enter(backend, XenbusStateClosing);
    enter(backend, XenbusStateClosed);
}

int backend_start(struct backend *backend, const struct backend_driver *driver,
                  const struct backend_store *store, const char *kind, domid_t domain,
                  unsigned int device)
{
    *backend = (struct backend){ .store = store, .domain = domain, .driver = driver };
    snprintf(backend->back, sizeof backend->back, "/local/domain/0/backend/%s/%u/%u", kind, domain,
             device);
    snprintf(backend->front, sizeof backend->front, "/local/domain/%u/device/%s/%u", domain, kind,
             device);
    open(backend);
    return backend->state == XenbusStateInitWait ? 0 : refused(-EIO);
}

/*
 * What the front end's state asks for when nothing is left of an earlier connection, and that is
 * not wanted any more.
 */
static void close(struct backend *backend, enum xenbus_state front)
{
    if (front == XenbusStateInitialising)
        open(backend);
    else if (front != XenbusStateClosing && backend->state != XenbusStateClosed)
        enter(backend, XenbusStateClosed);
    else if (backend->state != XenbusStateClosing && backend->state != XenbusStateClosed)
        enter(backend, XenbusStateClosing);
}

void backend_changed(struct backend *backend)
{
    uint64_t front = XenbusStateUnknown;

    if (backend->leaving) {             /* what the front end wants by now comes after that */
        if (!disconnect(backend)) return;
        enter(backend, XenbusStateClosing);
    }
    backend_read_number(backend, backend->front, "state", &front);
    switch (front) {
    case XenbusStateInitialised:
    case XenbusStateConnected:
        if (backend->state == XenbusStateInitWait && !backend->over)
            connect(backend);
        break;
    case XenbusStateInitialising:       /* it starts, or starts again (or a boot loader's kernel) */
        if (backend->state == XenbusStateInitWait)
            break;
        /* fall through */
    case XenbusStateClosing:
    case XenbusStateClosed:
    case XenbusStateUnknown:            /* no such node: the toolstack takes the device away */
        if (disconnect(backend))
            close(backend, (enum xenbus_state)front);
        break;
    default:
        refused((void)0);               /* no state that a front end has, or none at all */
        break;
    }
}

void backend_stop(struct backend *backend)
{
    disconnect(backend);
    if (backend->state != XenbusStateClosed)
        enter(backend, XenbusStateClosed);
}
