/* SPDX-License-Identifier: MIT */
/*
 * A device's two directories in XenStore, the front end's and the back end's.
 *
 * A running guest looks at a new device in the moment its state node appears. So both directories
 * are written in one transaction: there is no time at which half a device can be seen.
 */
#include "dom0/devices/device.h"
#include <stdarg.h>

/* The transaction that writes a device's nodes; after the first error nothing more is tried. */
struct writing {
    xs_transaction transaction;
    int error;
};

void device_node(struct writing *writing, const char *directory, const char *key,
                 const char *format, ...)
{
    va_list arguments;

    if (writing->error) return;
    va_start(arguments, format);
    writing->error = xs_vprintf(writing->transaction, directory, key, format, arguments);
    va_end(arguments);
}

/* Owner first; the other may read. */
static void directory(struct writing *writing, const char *path, domid_t owner, domid_t reader)
{
    char first[8], second[8];
    const char *permissions[] = { first, second };

    snprintf(first, sizeof(first), "n%u", (unsigned)owner);
    snprintf(second, sizeof(second), "r%u", (unsigned)reader);
    if (!writing->error)
        writing->error = xs_mkdir(writing->transaction, path);
    if (!writing->error)
        writing->error = xs_set_permissions(writing->transaction, path, permissions, 2);
}

static void all_nodes(struct writing *writing, const struct device *device)
{
    directory(writing, device->back, 0, device->guest->domid);
    device_node(writing, device->back, "frontend", "%s", device->front);
    device_node(writing, device->back, "frontend-id", "%u", (unsigned)device->guest->domid);
    device_node(writing, device->back, "online", "1");
    device_node(writing, device->back, "state", "%u", XenbusStateInitialising);
    directory(writing, device->front, device->guest->domid, 0);
    device_node(writing, device->front, "backend", "%s", device->back);
    device_node(writing, device->front, "backend-id", "0");
    device->class->nodes(writing, device);
    device_node(writing, device->front, "state", "%u", XenbusStateInitialising);
}

int device_make_nodes(struct device *device)
{
    const char *kind = device->class->kind;
    unsigned domid = device->guest->domid;
    int error;

    snprintf(device->front, sizeof(device->front), "/local/domain/%u/device/%s/%u", domid, kind,
             device->number);
    snprintf(device->back, sizeof(device->back), "/local/domain/0/backend/%s/%u/%u", kind, domid,
             device->number);
    do {
        struct writing writing = { .error = 0 };

        error = xs_begin(&writing.transaction);
        if (error) return error;
        all_nodes(&writing, device);
        error = xs_end(writing.transaction, writing.error != 0);
        error = writing.error ? writing.error : error;
    } while (error == -EAGAIN);
    return error;
}
