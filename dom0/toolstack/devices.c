/* SPDX-License-Identifier: MIT */
/*
 * Devices of guests (devices.h). Each is two directories in XenStore, one of the front end's and
 * one of ours, and a back end of drivers/pv. We watch the front end's state node and pass its
 * changes on; the back end does the rest. Its traffic and its changes of state have turns of their
 * own (dom0/turns.h): a handler or a watch only marks them.
 */
#include "dom0/toolstack/devices.h"
#include "dom0/toolstack/device.h"
#include "dom0/account.h"
#include "dom0/network/bridge.h"
#include "dom0/storage/disks.h"
#include "dom0/worker.h"
#include <abi/sums.h>
#include <pvguest/console.h>

#define BRIDGE_NAME "br0"
/* Of a front end's state, that are followed: a second, and at once. They are dom0's work and dom0's
 * time. */
#define CHANGES_RATE 10
#define CHANGES_BURST 10

struct devices {
    domid_t domid;
    struct blkback_quota quota;
    struct device *first;
};

static struct bridge bridge;
static struct turn card_turn;

/* --- what back ends need from us --- */

static int store_read(void *context, const char *path, char *value, size_t size)
{
    size_t length;
    char *text = xs_read(XS_NONE, path, &length);

    if (IS_ERR(text)) return (int)PTR_ERR(text);
    strlcpy(value, text, size);
    free(text);
    return (int)MIN(length, size - 1);
}

static int store_write(void *context, const char *path, const char *value)
{
    return xs_write(XS_NONE, path, value, strlen(value));
}

static const struct backend_store store = { .read = store_read, .write = store_write };

/* --- turns --- */

static void mark(void *turn)
{
    turns_mark(turn);
}

/*
 * A ring that lies is found while it is served, and so is the last answer of one that ends; to
 * close its device is work that sleeps.
 */
static bool serve_traffic(void *owner, unsigned budget)
{
    struct device *device = owner;
    struct netport *port = device->netback ? netback_port(device->netback) : NULL;
    bool more = port ? port->serve(port, budget) : blkback_serve(device->blkback, budget);

    if (port ? netback_is_broken(device->netback) : blkback_is_due(device->blkback))
        turns_mark(&device->state);
    return more;
}

static bool serve_state(void *owner, unsigned budget)
{
    struct device *device = owner;

    if (device->blkback) {
        blkback_service(device->blkback);
        blkback_changed(device->blkback);
    }
    if (device->netback) {
        netback_service(device->netback);
        netback_changed(device->netback);
    }
    return false;
}

static bool serve_card(void *owner, unsigned budget)
{
    struct netport *card = owner;

    return card->serve(card, budget);
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

/* --- the bridge --- */

/* Cards with a rate= that have sent too much go on in a turn that a timer asks for. */
static struct timer pace_timer;
static struct turn pace_turn;

static bool pace(void *unused, unsigned budget)
{
    pace_timer.when = 0;                /* It is not set any more. */
    bridge_resume(&bridge);
    return false;
}

static void call_at(uint64_t when)
{
    if (!pace_timer.when || when < pace_timer.when)
        timer_set(&pace_timer, when, mark, &pace_turn);
}

int devices_start(struct netport *card)
{
    bridge_init(&bridge, now_ns);
    bridge.call = call_at;
    if (turns_join(&pace_turn, TURN_PACE, 0, pace, NULL)) return -ENOMEM;
    if (!card) return 0;
    card->waker = &card_turn;
    card->wake = mark;
    return turns_join(&card_turn, TURN_CARD, 0, serve_card, card) || bridge_attach(&bridge, card)
               ? -ENOMEM
               : 0;
}

static int plug(struct netport *port, const struct guard_rule *rule)
{
    return bridge_attach_guarded(&bridge, port, rule);
}

int devices_plug(struct netport *port)
{
    struct guard_rule rule = { .addresses = 0 };

    memcpy(rule.mac, port->mac, sizeof(rule.mac));
    return plug(port, &rule);
}

const struct bridge *devices_bridge(void)
{
    return &bridge;
}

/* --- making --- */

/* Everything is there: from here on the guest's doings reach the back end. */
static int open_turns(struct device *device, enum turn_kind kind)
{
    char path[sizeof(device->front) + 8];
    int error = turns_join(&device->traffic, kind, device->domid, serve_traffic, device);

    error = error ? error
                  : turns_join(&device->state, TURN_STATE, device->domid, serve_state, device);
    if (error) return error;

    bucket_init(&device->changes, CHANGES_RATE, CHANGES_BURST, now_ns());
    device->watch.callback = front_changed;
    device->watch.data = device;
    snprintf(path, sizeof(path), "%s/state", device->front);
    error = xs_watch(&device->watch, path);
    device->watched = !error;
    return error;
}

static int make_disk(struct device *device, struct trouble *trouble)
{
    const struct config_disk *disk = &device->disk;
    struct blockdev *blockdev;
    const char *why;
    int error = disks_claim(disk->partition, disk->writable, &blockdev, &why);

    if (error) return trouble_set(trouble, error, "disk '%s': %s", disk->partition, why);
    device->claimed = true;
    error = device_make_nodes(device);
    if (error)
        return trouble_set(trouble, error, "disk '%s': XenStore: %s", disk->partition,
                           errno_name(error));
    device->blkback = blkback_create(&store, device->domid, device->number, blockdev,
                                     (disk->writable ? BLKBACK_WRITABLE : 0) |
                                         (disk->cdrom ? BLKBACK_CDROM : 0) |
                                         (disk->no_discard ? BLKBACK_NO_DISCARD : 0));
    if (!device->blkback)
        return trouble_set(trouble, -ENOMEM, "disk '%s': no memory for its back end",
                           disk->partition);
    blkback_on_work(device->blkback, mark, &device->traffic, device->quota);
    error = open_turns(device, TURN_BLOCK);
    return error ? trouble_set(trouble, error, "disk '%s': no turns: %s", disk->partition,
                               errno_name(error))
                 : 0;
}

/* An address of Xen's own range (00:16:3e), made from the guest's name so that it is the same at
 * each start. */
static void make_mac(const char *name, unsigned index, uint8_t mac[6])
{
    uint32_t hash = 2166136261u + index;

    while (*name)
        hash = (hash ^ (uint8_t)*name++) * 16777619u;
    mac[0] = 0x00;
    mac[1] = 0x16;
    mac[2] = 0x3e;
    mac[3] = (uint8_t)(hash >> 16 & 0x7f);
    mac[4] = (uint8_t)(hash >> 8);
    mac[5] = (uint8_t)hash;
}

static int plug_vif(const struct device *device)
{
    const struct config_vif *vif = &device->vif;
    struct guard_rule rule = { .spoof = vif->spoof,
                               .addresses = vif->addresses,
                               .burst = vif->rate_bytes };

    _Static_assert(sizeof(rule.address) == sizeof(vif->address), "as many addresses here as there");
    memcpy(rule.mac, vif->mac, sizeof(rule.mac));
    memcpy(rule.address, vif->address, sizeof(rule.address));
    if (vif->rate_usecs)
        rule.rate = product_of(vif->rate_bytes, NS_PER_S / NS_PER_US) / vif->rate_usecs;
    return plug(netback_port(device->netback), &rule);
}

static int make_vif(struct device *device, struct trouble *trouble)
{
    unsigned number = device->number;
    int error = device_make_nodes(device);

    if (error)
        return trouble_set(trouble, error, "vif %u: XenStore: %s", number, errno_name(error));
    device->netback = netback_create(&store, device->domid, number, device->vif.mac);
    if (!device->netback)
        return trouble_set(trouble, -ENOMEM, "vif %u: no memory for its back end", number);
    error = plug_vif(device);
    device->plugged = error == 0;
    if (error == -EEXIST)
        return trouble_set(trouble, error, "vif %u: another card of the bridge has its address",
                           number);
    if (error) return trouble_set(trouble, error, "vif %u: the bridge has no free port", number);
    netback_port(device->netback)->waker = &device->traffic;
    netback_port(device->netback)->wake = mark;
    error = open_turns(device, TURN_NET);
    return error ? trouble_set(trouble, error, "vif %u: no turns: %s", number, errno_name(error))
                 : 0;
}

static struct device **find(struct devices *devices, enum device_kind kind, unsigned number)
{
    struct device **link = &devices->first;

    while (*link && ((*link)->kind != kind || (*link)->number != number))
        link = &(*link)->sibling;
    return link;
}

static void unmake(struct device *device);

/* All memory that a device holds; its grants and what is in flight have their places in it. */
static size_t device_bytes(enum device_kind kind)
{
    return sizeof(struct device) + (kind == DEVICE_DISK ? blkback_bytes() : netback_bytes());
}

/* A device of its kind and number, known to its guest's list; NULL with the trouble. */
static struct device *new_device(struct devices *devices, enum device_kind kind, unsigned number,
                                 struct trouble *trouble)
{
    struct device **end = find(devices, kind, number), *device;

    if (*end) {
        trouble_set(trouble, -EEXIST, "the guest has a %s %u already", device_kinds[kind], number);
        return NULL;
    }
    device = account_known(devices->domid) ? calloc(1, sizeof(*device)) : NULL;
    if (!device) {
        trouble_set(trouble, -ENOMEM, "dom0 has no memory left");
        return NULL;
    }
    account_add(devices->domid, HELD_DEVICES, device_bytes(kind));
    device->domid = devices->domid;
    device->kind = kind;
    device->number = number;
    device->quota = &devices->quota;
    *end = device;
    return device;
}

/* What was begun and did not succeed leaves nothing behind. */
static int made(struct devices *devices, struct device *device, int error)
{
    if (error) {
        *find(devices, device->kind, device->number) = device->sibling;
        unmake(device);
    }
    return error;
}

int devices_add_disk(struct devices *devices, const struct config_disk *disk,
                     struct trouble *trouble)
{
    struct device *device = new_device(devices, DEVICE_DISK, disk->number, trouble);

    if (!device) return -EEXIST;
    device->disk = *disk;
    return made(devices, device, make_disk(device, trouble));
}

int devices_add_vif(struct devices *devices, const char *name, struct config_vif *vif,
                    unsigned *number, struct trouble *trouble)
{
    static const uint8_t none[6];
    struct device *device;

    if (strcmp(vif->bridge, BRIDGE_NAME))
        return trouble_set(trouble, -ENODEV,
                           "there is no bridge '%s'; the only one is " BRIDGE_NAME, vif->bridge);
    for (*number = 0; *find(devices, DEVICE_VIF, *number); )
        ++*number;
    if (!memcmp(vif->mac, none, sizeof(vif->mac)))
        make_mac(name, *number, vif->mac);
    device = new_device(devices, DEVICE_VIF, *number, trouble);
    if (!device) return -ENOMEM;
    device->vif = *vif;
    return made(devices, device, make_vif(device, trouble));
}

int devices_check(const struct config *config, struct trouble *trouble)
{
    for (unsigned i = 0; i < config->disk_count; i++) {
        const struct config_disk *disk = &config->disk[i];
        struct blockdev *blockdev;
        const char *why;
        int error = disks_claim(disk->partition, disk->writable, &blockdev, &why);

        if (error)
            return trouble_at(trouble,
                              trouble_set(trouble, error, "disk '%s': %s", disk->partition, why),
                              disk->at);
        disks_release(disk->partition, disk->writable);
    }
    for (unsigned i = 0; i < config->vif_count; i++)
        if (strcmp(config->vif[i].bridge, BRIDGE_NAME))
            return trouble_at(
                trouble,
                trouble_set(trouble, -ENODEV,
                            "vif %u: there is no bridge '%s'; the only one is " BRIDGE_NAME, i,
                            config->vif[i].bridge),
                config->vif[i].at);
    return 0;
}

int devices_attach(domid_t domid, struct config *config, struct devices **attached,
                   struct trouble *trouble)
{
    struct devices *devices = calloc(1, sizeof(*devices));
    unsigned number;
    int error = 0;

    *attached = NULL;
    if (!devices) return trouble_set(trouble, -ENOMEM, "dom0 has no memory left");
    devices->domid = domid;
    blkback_quota_init(&devices->quota);
    for (unsigned i = 0; i < config->disk_count && !error; i++)
        error = trouble_at(trouble, devices_add_disk(devices, &config->disk[i], trouble),
                           config->disk[i].at);
    for (unsigned i = 0; i < config->vif_count && !error; i++)
        error = trouble_at(
            trouble, devices_add_vif(devices, config->name, &config->vif[i], &number, trouble),
            config->vif[i].at);
    if (error)
        devices_detach(devices);
    else
        *attached = devices;
    return error;
}

/* --- unmaking --- */

/* The back end lets go of everything it holds of the guest, whatever the front end thinks of it. */
static void unmake(struct device *device)
{
    if (device->watched)
        xs_unwatch(&device->watch);
    timer_cancel(&device->later);
    worker_leave(&device->state);
    worker_leave(&device->traffic);
    if (device->plugged)
        bridge_detach(&bridge, netback_port(device->netback));
    if (device->netback)
        netback_destroy(device->netback);
    if (device->blkback)
        blkback_destroy(device->blkback);
    if (device->claimed)
        disks_release(device->disk.partition, device->disk.writable);
    if (device->back[0])
        xs_rm(XS_NONE, device->back);
    if (device->front[0])
        xs_rm(XS_NONE, device->front);
    account_credit(device->domid, HELD_DEVICES, device_bytes(device->kind));
    free(device);
}

static bool close_device(const struct device *device)
{
    return !device->blkback || blkback_close(device->blkback);
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
    while (devices->first) {
        struct device *device = devices->first;

        devices->first = device->sibling;
        unmake(device);
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

bool devices_vif_mac(struct devices *devices, unsigned number, uint8_t mac[6])
{
    const struct device *device = *find(devices, DEVICE_VIF, number);

    if (device)
        memcpy(mac, device->vif.mac, sizeof(device->vif.mac));
    return device;
}

void devices_for_each(struct devices *devices, enum device_kind kind,
                      void (*visit)(unsigned number, const char *front, const char *back))
{
    for (struct device *device = devices->first; device; device = device->sibling)
        if (device->kind == kind)
            visit(device->number, device->front, device->back);
}
