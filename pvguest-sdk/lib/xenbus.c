/* SPDX-License-Identifier: MIT */
/* XenBus handshakes, for front ends and back ends: <pvguest/xenbus.h>. */
#include <pvguest/console.h>
#include <pvguest/mm.h>
#include <pvguest/refuse.h>
#include <pvguest/string.h>
#include <pvguest/xenbus.h>

const char *xenbus_state_name(enum xenbus_state state)
{
    static const char *const names[] = {
        "Unknown", "Initialising", "InitWait",      "Initialised",  "Connected",
        "Closing", "Closed",       "Reconfiguring", "Reconfigured",
    };
    return state < 9 ? names[state] : "?";
}

enum xenbus_state xenbus_read_state(const char *directory)
{
    unsigned long state;

    if (xs_read_ulong(XS_NONE, directory, "state", &state) || state > XenbusStateReconfigured)
        return refused(XenbusStateUnknown);
    return (enum xenbus_state)state;
}

int xenbus_switch_state(struct xenbus_device *device, enum xenbus_state state)
{
    int error;

    if (device->state == state) return 0;
    error = xs_printf(XS_NONE, device->path, "state", "%d", (int)state);
    if (!error)
        device->state = state;
    return error;
}

/* ---- the other side ---- */

static void other_state_changed(struct xs_watch *watch, const char *path)
{
    struct xenbus_device *device = container_of(watch, struct xenbus_device, watch);
    enum xenbus_state state = xenbus_read_state(device->other_path);

    /* A watch fires for every write; only a change is news. */
    if (state == device->other_state) return;
    device->other_state = state;
    wake_all(&device->changed);
    if (device->other_changed)
        device->other_changed(device, state);
}

int xenbus_wait_state(struct xenbus_device *device, unsigned int mask, uint64_t timeout_ns)
{
    if (!wait_event_timeout(device->changed, mask & 1U << device->other_state, timeout_ns))
        return refused(-ETIMEDOUT);
    return (int)device->other_state;
}

/* ---- life ---- */

static int attach(struct xenbus_device *device, const char *path, const char *other,
                  const char *other_id)
{
    char state_path[256];
    unsigned long id;
    int error;

    wait_queue_init(&device->changed);
    device->other_state = XenbusStateUnknown;
    device->watch.path = NULL;
    device->other_path = NULL;
    device->path = strdup(path);
    if (!device->path) return refused(-ENOMEM);
    error = xs_read_ulong(XS_NONE, path, other_id, &id);
    if (!error && id >= DOMID_FIRST_RESERVED)
        error = refused(-EINVAL);
    if (!error) {
        device->other_id = (domid_t)id;
        device->other_path = xs_read_node(XS_NONE, path, other);
        if (IS_ERR(device->other_path)) {
            error = (int)PTR_ERR(device->other_path);
            device->other_path = NULL;
        }
    }
    if (!error) {
        device->state = xenbus_read_state(path);
        device->watch.callback = other_state_changed;
        if (snprintf(state_path, sizeof(state_path), "%s/state", device->other_path) >=
            (int)sizeof(state_path))
            error = refused(-E2BIG);
    }
    if (!error)
        error = xs_watch(&device->watch, state_path);
    if (error)
        xenbus_detach(device);
    return error;
}

int xenbus_attach_front(struct xenbus_device *device, const char *path)
{
    return attach(device, path, "backend", "backend-id");
}

int xenbus_attach_back(struct xenbus_device *device, const char *path)
{
    return attach(device, path, "frontend", "frontend-id");
}

void xenbus_detach(struct xenbus_device *device)
{
    if (device->watch.path)
        xs_unwatch(&device->watch);
    free(device->path);
    free(device->other_path);
    device->path = device->other_path = NULL;
}

void xenbus_fail(struct xenbus_device *device, int error, const char *format, ...)
{
    char message[160];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    printk("%s: %s (%s)\n", device->path, message, errno_name(error));
    xs_printf(XS_NONE, device->path, "error", "%d %s", error, message);
    xenbus_switch_state(device, XenbusStateClosing);
}
