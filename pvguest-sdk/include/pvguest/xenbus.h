/* SPDX-License-Identifier: MIT */
/*
 * XenBus: the conventions by which a front end and a back end find each other in XenStore. Each
 * side owns a directory, the nodes "backend"/"frontend" and "*-id" point to the other, and the node
 * "state" walks through enum xenbus_state: Initialising -> InitWait/Initialised -> Connected ->
 * Closing -> Closed. The front ends of drivers/ use it, on threads; its back ends, which work
 * without, keep to the same conventions by themselves (<drivers/backend.h>).
 */
#ifndef PVGUEST_XENBUS_H
#define PVGUEST_XENBUS_H

#include <pvguest/xenstore.h>
#include <xen/io/xenbus.h>

struct xenbus_device {
    /* our directory, e.g. "device/vbd/51712" or "/local/domain/0/backend/vbd/1/51712" */
    char *path;
    char *other_path;               /* theirs, absolute */
    domid_t other_id;
    enum xenbus_state state;        /* ours, as last written */
    struct xs_watch watch;          /* on the other side's state */
    struct wait_queue changed;
    enum xenbus_state other_state;  /* theirs, as last seen */
    /* optional; on the watch thread */
    void (*other_changed)(struct xenbus_device *device, enum xenbus_state state);
    void *data;                     /* the driver's */
};

/* Fills the struct from `path` ("backend"/"backend-id" for a front end, "frontend"/... for a back
 * end) and watches. 0, or -ENOENT; -EINVAL (no domain's number), -E2BIG (250 characters of a path);
 * what the store says. */
int xenbus_attach_front(struct xenbus_device *device, const char *path);
int xenbus_attach_back(struct xenbus_device *device, const char *path);
/* Stops watching and frees what attach allocated. */
void xenbus_detach(struct xenbus_device *device);

/* Writes our state (only if it changes). */
int xenbus_switch_state(struct xenbus_device *device, enum xenbus_state state);
/* The other side's state now; XenbusStateUnknown when it is gone. */
enum xenbus_state xenbus_read_state(const char *directory);
/* Sleeps until the other side is in one of the states of the mask (1 << XenbusStateX | ...);
 * -ETIMEDOUT, else that state. */
int xenbus_wait_state(struct xenbus_device *device, unsigned int mask, uint64_t timeout_ns);
const char *xenbus_state_name(enum xenbus_state state);
/* Writes "error" in the store and on the console, and switches to Closing. */
void xenbus_fail(struct xenbus_device *device, int error, const char *format, ...)
    __attribute__((format(__printf__, 3, 4)));

#endif
