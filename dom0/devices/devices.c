/* SPDX-License-Identifier: MIT */
/*
 * Devices of guests (devices.h). Each is two directories in XenStore, one of the front end's and
 * one of ours, and a back end of drivers/pv, which its class knows (device.h). We watch the front
 * end's state node and pass its changes on; the back end does the rest. Its traffic and its changes
 * of state have turns of their own (dom0/turns.h): a handler or a watch only marks them.
 */
#include "dom0/devices/devices.h"
#include "dom0/account.h"
#include "dom0/devices/device.h"
#include "dom0/worker.h"

/* Of a front end's state, that are followed: a second, and at once. They are dom0's work and dom0's
 * time. */
#define CHANGES_RATE 10
#define CHANGES_BURST 10

#define CLASS_ROW(name, prefix) [DEVICE_##name] = &prefix##_class,
const struct device_class *const device_classes[] = { DEVICE_KINDS_TABLE(CLASS_ROW) };

/* --- what back ends need from us --- */

static int store_read(void *context, const char *path, char *value, size_t size)
{
    int length = xs_read_into(XS_NONE, path, value, size);

    return length < 0 ? length : MIN(length, (int)size - 1);
}

static int store_write(void *context, const char *path, const char *value)
{
    return xs_write(XS_NONE, path, value, strlen(value));
}

const struct backend_store device_store = { .read = store_read, .write = store_write };

/* --- turns --- */

/*
 * A ring that lies is found while it is served, and so is the last answer of one that ends; to
 * close its device is work that sleeps.
 */
static bool serve_traffic(void *owner, unsigned budget)
{
    struct device *device = owner;
    bool more = device->class->serve(device, budget);

    if (device->class->is_due(device))
        turns_mark(&device->state);
    return more;
}

static bool serve_state(void *owner, unsigned budget)
{
    struct device *device = owner;

    device->class->changed(device);
    return false;
}

static void look_now(void *data)
{
    struct device *device = data;

    device->later.when = 0;
    turns_mark(&device->state);
}

/* On the watch thread. What counts is the last state, so changes that come too fast may be one. */
static void front_changed(struct xs_watch *watch, const char *path)
{
    struct device *device = watch->data;
    uint64_t now = now_ns();

    if (bucket_take(&device->changes, 1, now))
        turns_mark(&device->state);
    else if (!device->later.when)
        timer_set(&device->later, now + bucket_wait(&device->changes, now), look_now, device);
}

/* --- making --- */

/* Everything is there: from here on the guest's doings reach the back end. */
static int open_turns(struct device *device)
{
    domid_t domid = device->guest->domid;
    char path[sizeof(device->front) + 8];
    int error = turns_join(&device->traffic, device->class->turns, domid, serve_traffic, device);

    error = error ? error : turns_join(&device->state, TURN_STATE, domid, serve_state, device);
    if (error) return error;

    bucket_init(&device->changes, CHANGES_RATE, CHANGES_BURST, now_ns());
    device->watch.callback = front_changed;
    device->watch.data = device;
    snprintf(path, sizeof(path), "%s/state", device->front);
    error = xs_watch(&device->watch, path);
    device->watched = !error;
    return error;
}

static int make(struct device *device, const char *guest, struct problem *problem)
{
    int error = device->class->take(device, guest, problem);
    char label[60];

    if (error) return error;
    device->class->label(&device->config, label, sizeof(label));
    error = device_make_nodes(device);
    if (error) return problem_set(problem, error, "%s: XenStore: %s", label, errno_name(error));
    error = device->class->open(device, problem);
    if (error) return error;
    error = open_turns(device);
    if (error) return problem_set(problem, error, "%s: no turns: %s", label, errno_name(error));
    if (account_memory_is_low()) return problem_set(problem, -ENOMEM, "%s: " ACCOUNT_IS_LOW, label);
    return 0;
}

static struct device **find(struct devices *devices, enum device_kind kind, unsigned number)
{
    struct device **link = &devices->first;

    while (*link && ((*link)->kind != kind || (*link)->number != number))
        link = &(*link)->sibling;
    return link;
}

/* All memory that a device holds; its grants and what is in flight have their places in it. */
static size_t device_bytes(const struct device_class *class)
{
    return class->size + class->back_bytes();
}

/* The back end lets go of everything it holds of the guest, whatever the front end thinks of it. */
static void unmake(struct device *device)
{
    if (device->watched)
        xs_unwatch(&device->watch);
    timer_cancel(&device->later);
    worker_leave(&device->state);
    worker_leave(&device->traffic);
    device->class->destroy(device);
    if (device->back[0])
        xs_rm(XS_NONE, device->back);
    if (device->front[0])
        xs_rm(XS_NONE, device->front);
    account_credit(device->guest->domid, HELD_DEVICES, device_bytes(device->class));
    free(device);
}

int devices_add(struct devices *devices, enum device_kind kind, const char *guest,
                struct config_device *config, struct problem *problem)
{
    const struct device_class *class = device_classes[kind];
    struct device *device;
    int error;

    if (!device_syntaxes[kind]->numbered)
        for (config->number = 0; *find(devices, kind, config->number); )
            config->number++;
    if (*find(devices, kind, config->number))
        return problem_set(problem, -EEXIST, "the guest has a %s %u already", class->kind,
                           config->number);
    error = class->check(config, problem);
    if (error) return error;
    device = account_known(devices->domid) ? calloc(1, class->size) : NULL;
    if (!device) return problem_set(problem, -ENOMEM, "dom0 has no memory left");
    account_add(devices->domid, HELD_DEVICES, device_bytes(class));
    device->guest = devices;
    device->class = class;
    device->kind = kind;
    device->number = config->number;
    device->config = *config;
    *find(devices, kind, device->number) = device;
    error = make(device, guest, problem);
    if (error)
        devices_remove(devices, kind, device->number);  /* What was begun leaves nothing behind. */
    else
        *config = device->config;
    return error;
}

int devices_check(const struct config *config, struct problem *problem)
{
    int error = 0;

    for (unsigned kind = 0; kind < DEVICE_KINDS; kind++)
        for (unsigned i = 0; i < config->devices[kind].count && !error; i++) {
            const struct config_device *device = &config->devices[kind].device[i];

            error = problem_at(problem, device_classes[kind]->check(device, problem), device->at);
        }
    return error;
}

static int add_all(struct devices *devices, struct config *config, struct problem *problem)
{
    int error = 0;

    for (unsigned kind = 0; kind < DEVICE_KINDS; kind++)
        for (unsigned i = 0; i < config->devices[kind].count && !error; i++) {
            struct config_device *device = &config->devices[kind].device[i];

            error = devices_add(devices, (enum device_kind)kind, config->name, device, problem);
            problem_at(problem, error, device->at);
        }
    return error;
}

int devices_attach(domid_t domid, struct config *config, struct devices **attached,
                   struct problem *problem)
{
    struct devices *devices = calloc(1, sizeof(*devices));
    int error;

    *attached = NULL;
    if (!devices) return problem_set(problem, -ENOMEM, "dom0 has no memory left");
    devices->domid = domid;
    blkback_quota_init(&devices->quota);
    error = add_all(devices, config, problem);
    if (!error && account_memory_is_low())      /* Of a guest without devices. */
        error = problem_set(problem, -ENOMEM, ACCOUNT_IS_LOW);
    if (error)
        devices_detach(devices);
    else
        *attached = devices;
    return error;
}

/* --- unmaking --- */

static bool close_device(const struct device *device)
{
    return !device->class->close || device->class->close(device);
}

bool devices_idle(const struct devices *devices)
{
    const struct device *device = devices ? devices->first : NULL;

    while (device && (!device->class->idle || device->class->idle(device)))
        device = device->sibling;
    return !device;
}

bool devices_close(struct devices *devices)
{
    const struct device *device = devices ? devices->first : NULL;
    bool closed = true;

    for (; device; device = device->sibling)
        closed = close_device(device) && closed;
    return closed;
}

bool devices_close_one(struct devices *devices, enum device_kind kind, unsigned number)
{
    const struct device *device = *find(devices, kind, number);

    return !device || close_device(device);
}

void devices_detach(struct devices *devices)
{
    if (!devices) return;
    while (devices->first)
        devices_remove(devices, devices->first->kind, devices->first->number);
    for (unsigned kind = 0; kind < DEVICE_KINDS; kind++) {
        char path[64];

        snprintf(path, sizeof(path), "/local/domain/0/backend/%s/%u", device_classes[kind]->kind,
                 (unsigned)devices->domid);
        xs_rm(XS_NONE, path);
    }
    free(devices);
}

static unsigned long back_state(const struct device *device)
{
    unsigned long state;

    return xs_read_ulong(XS_NONE, device->back, "state", &state) ? XenbusStateUnknown : state;
}

int devices_ask_removal(struct devices *devices, enum device_kind kind, unsigned number)
{
    struct device *device = *find(devices, kind, number);
    int error;

    if (!device) return -ENODEV;
    error = xs_printf(XS_NONE, device->back, "online", "0");
    /* Only a front end that is at work has something to finish first; it does so when it sees us
     * close. */
    if (!error && back_state(device) == XenbusStateConnected)
        error = xs_printf(XS_NONE, device->back, "state", "%u", XenbusStateClosing);
    return error;
}

bool devices_removable(struct devices *devices, enum device_kind kind, unsigned number)
{
    struct device *device = *find(devices, kind, number);
    unsigned long state = device ? back_state(device) : XenbusStateUnknown;

    return state != XenbusStateConnected && state != XenbusStateClosing;
}

void devices_remove(struct devices *devices, enum device_kind kind, unsigned number)
{
    struct device **link = find(devices, kind, number), *device = *link;

    if (!device) return;
    *link = device->sibling;
    unmake(device);
}

struct device_traffic devices_traffic(const struct devices *devices, enum device_kind kind)
{
    const struct device *device = devices ? devices->first : NULL;
    struct device_traffic sum = { .out = 0 };

    for (; device; device = device->sibling)
        if (device->kind == kind) {
            struct device_traffic one = device->class->traffic(device);

            sum.out += one.out;
            sum.in += one.in;
        }
    return sum;
}

void devices_for_each(struct devices *devices, enum device_kind kind,
                      void (*visit)(const struct device *device))
{
    for (struct device *device = devices->first; device; device = device->sibling)
        if (device->kind == kind)
            visit(device);
}

long device_front_number(const struct device *device, const char *key)
{
    unsigned long number;

    return xs_read_ulong(XS_NONE, device->front, key, &number) ? -1 : (long)number;
}
