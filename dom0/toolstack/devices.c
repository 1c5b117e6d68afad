/* SPDX-License-Identifier: MIT */
/*
 * Devices of guests (devices.h). Each is two directories in XenStore, one of the front end's and one of ours, and a
 * back end of drivers/pv. We watch the front end's state node and pass its changes on; the back end does the rest.
 */
#include "dom0/toolstack/devices.h"
#include "dom0/bridge.h"
#include "dom0/storage/disks.h"
#include <drivers/blkback.h>
#include <drivers/netback.h>
#include <pvguest/console.h>
#include <pvguest/thread.h>
#include <pvguest/time.h>
#include <pvguest/xenstore.h>

#define BRIDGE_NAME "br0"
#define HOUSEKEEPING_NS (100 * NS_PER_MS)

struct device {
    struct device *next;                /* All devices of all guests. */
    domid_t domid;
    bool watched;
    struct xs_watch watch;
    char front[64], back[64];
    const struct config_disk *disk;     /* One of the two kinds. */
    struct blkback *blkback;
    struct netback *netback;
    bool claimed, plugged;
};

struct devices {
    struct config_disk disks[CONFIG_MAX_DISKS];
    unsigned count;
    struct device device[CONFIG_MAX_DISKS + CONFIG_MAX_VIFS];
};

static struct bridge bridge;
static struct device *all;
static MUTEX(all_lock);                 /* Held while back ends are called: they sleep in XenStore. */

/* --- what back ends need from us --- */

static int store_read(void *context, const char *path, char *value, size_t size) {
    size_t length;
    char *text = xs_read(XS_NONE, path, &length);

    if (IS_ERR(text))
        return (int)PTR_ERR(text);
    strlcpy(value, text, size);
    free(text);
    return (int)MIN(length, size - 1);
}

static int store_write(void *context, const char *path, const char *value) {
    return xs_write(XS_NONE, path, value, strlen(value));
}

static const struct backend_store store = { .read = store_read, .write = store_write };

static void housekeeping_thread(void *argument) {
    for (;;) {
        thread_sleep(HOUSEKEEPING_NS);
        mutex_lock(&all_lock);
        for (struct device *device = all; device; device = device->next) {
            if (device->blkback)
                blkback_service(device->blkback);
            if (device->netback)
                netback_service(device->netback);
        }
        mutex_unlock(&all_lock);
    }
}

/* On the watch thread. A device that is being detached has no back end any more when we get the lock. */
static void front_changed(struct xs_watch *watch, const char *path) {
    struct device *device = watch->data;

    mutex_lock(&all_lock);
    if (device->blkback)
        blkback_changed(device->blkback);
    if (device->netback)
        netback_changed(device->netback);
    mutex_unlock(&all_lock);
}

static uint64_t seconds(void) {
    return now_ns() / NS_PER_S;
}

int devices_start(struct netport *card) {
    bridge_init(&bridge, seconds);
    if (card && bridge_attach(&bridge, card))
        printk("dom0: the card %s does not fit the bridge\n", card->name);
    return thread_create("devices", housekeeping_thread, NULL) ? 0 : -ENOMEM;
}

/* --- nodes --- */

static int number_node(const char *directory, const char *key, unsigned long value) {
    return xs_printf(XS_NONE, directory, key, "%lu", value);
}

static int text_node(const char *directory, const char *key, const char *value) {
    return xs_printf(XS_NONE, directory, key, "%s", value);
}

/* Owner first; the other may read. */
static int share(const char *path, domid_t owner, domid_t reader) {
    char first[8], second[8];
    const char *permissions[] = { first, second };

    snprintf(first, sizeof(first), "n%u", (unsigned)owner);
    snprintf(second, sizeof(second), "r%u", (unsigned)reader);
    return xs_set_permissions(XS_NONE, path, permissions, 2);
}

/* The nodes both kinds have. */
static int make_nodes(struct device *device, const char *kind, unsigned number) {
    unsigned domid = device->domid;
    int error;

    snprintf(device->front, sizeof(device->front), "/local/domain/%u/device/%s/%u", domid, kind, number);
    snprintf(device->back, sizeof(device->back), "/local/domain/0/backend/%s/%u/%u", kind, domid, number);
    error = xs_mkdir(XS_NONE, device->front);
    error = error ? error : share(device->front, device->domid, 0);
    error = error ? error : xs_mkdir(XS_NONE, device->back);
    error = error ? error : share(device->back, 0, device->domid);
    error = error ? error : text_node(device->front, "backend", device->back);
    error = error ? error : number_node(device->front, "backend-id", 0);
    error = error ? error : number_node(device->front, "state", XenbusStateInitialising);
    error = error ? error : text_node(device->back, "frontend", device->front);
    error = error ? error : number_node(device->back, "frontend-id", domid);
    error = error ? error : number_node(device->back, "online", 1);
    error = error ? error : number_node(device->back, "state", XenbusStateInitialising);
    return error;
}

static void watch_front(struct device *device) {
    char path[sizeof(device->front) + 8];

    device->watch.callback = front_changed;
    device->watch.data = device;
    snprintf(path, sizeof(path), "%s/state", device->front);
    device->watched = xs_watch(&device->watch, path) == 0;
    mutex_lock(&all_lock);
    device->next = all;
    all = device;
    mutex_unlock(&all_lock);
}

/* --- making --- */

static int attach_disk(struct device *device, const struct config_disk *disk, struct trouble *trouble) {
    struct blockdev *blockdev;
    const char *why;
    int error = disks_claim(disk->partition, disk->writable, &blockdev, &why);

    if (error)
        return trouble_set(trouble, error, "disk '%s': %s", disk->partition, why);
    device->disk = disk;
    device->claimed = true;
    error = make_nodes(device, "vbd", disk->number);
    error = error ? error : number_node(device->front, "virtual-device", disk->number);
    error = error ? error : text_node(device->front, "device-type", "disk");
    error = error ? error : text_node(device->back, "dev", disk->vdev);
    error = error ? error : text_node(device->back, "type", "phy");
    error = error ? error : text_node(device->back, "params", disk->partition);
    error = error ? error : text_node(device->back, "mode", disk->writable ? "w" : "r");
    error = error ? error : text_node(device->back, "device-type", "disk");
    if (error)
        return trouble_set(trouble, error, "disk '%s': XenStore: %s", disk->partition, errno_name(error));
    device->blkback = blkback_create(&store, device->domid, disk->number, blockdev, disk->writable);
    if (!device->blkback)
        return trouble_set(trouble, -ENOMEM, "disk '%s': no memory for its back end", disk->partition);
    watch_front(device);
    return 0;
}

/* An address of Xen's own range (00:16:3e), made from the guest's name so that it is the same at each start. */
static void make_mac(const char *name, unsigned index, uint8_t mac[6]) {
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

static int attach_vif(struct device *device, const struct config *config, unsigned index, struct trouble *trouble) {
    static const uint8_t none[6];
    const struct config_vif *vif = &config->vif[index];
    char text[20];
    uint8_t mac[6];
    int error;

    memcpy(mac, vif->mac, sizeof(mac));
    if (!memcmp(mac, none, sizeof(mac)))
        make_mac(config->name, index, mac);
    snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
    error = make_nodes(device, "vif", index);
    error = error ? error : number_node(device->front, "handle", index);
    error = error ? error : text_node(device->front, "mac", text);
    error = error ? error : number_node(device->front, "mtu", 1500);
    error = error ? error : number_node(device->back, "handle", index);
    error = error ? error : text_node(device->back, "mac", text);
    error = error ? error : text_node(device->back, "bridge", vif->bridge);
    error = error ? error : text_node(device->back, "type", "vif");
    if (error)
        return trouble_set(trouble, error, "vif %u: XenStore: %s", index, errno_name(error));
    device->netback = netback_create(&store, device->domid, index, mac);
    if (!device->netback)
        return trouble_set(trouble, -ENOMEM, "vif %u: no memory for its back end", index);
    device->plugged = bridge_attach(&bridge, netback_port(device->netback)) == 0;
    if (!device->plugged)
        return trouble_set(trouble, -ENOSPC, "vif %u: the bridge has no free port", index);
    watch_front(device);
    return 0;
}

int devices_check(const struct config *config, struct trouble *trouble) {
    for (unsigned i = 0; i < config->disk_count; i++) {
        const struct config_disk *disk = &config->disk[i];
        struct blockdev *blockdev;
        const char *why;
        int error = disks_claim(disk->partition, disk->writable, &blockdev, &why);

        if (error)
            return trouble_set(trouble, error, "disk '%s': %s", disk->partition, why);
        disks_release(disk->partition, disk->writable);
    }
    for (unsigned i = 0; i < config->vif_count; i++)
        if (strcmp(config->vif[i].bridge, BRIDGE_NAME))
            return trouble_set(trouble, -ENODEV, "vif %u: there is no bridge '%s'; the only one is " BRIDGE_NAME, i,
                               config->vif[i].bridge);
    return 0;
}

int devices_attach(domid_t domid, const struct config *config, struct devices **made, struct trouble *trouble) {
    struct devices *devices = calloc(1, sizeof(*devices));
    int error = 0;

    *made = NULL;
    if (!devices)
        return trouble_set(trouble, -ENOMEM, "dom0 has no memory left");
    memcpy(devices->disks, config->disk, sizeof(devices->disks));
    for (unsigned i = 0; i < config->disk_count + config->vif_count && !error; i++) {
        struct device *device = &devices->device[devices->count++];

        device->domid = domid;
        error = i < config->disk_count ? attach_disk(device, &devices->disks[i], trouble)
                                       : attach_vif(device, config, i - config->disk_count, trouble);
    }
    if (error)
        devices_detach(devices);
    else
        *made = devices;
    return error;
}

/* --- unmaking --- */

static void detach(struct device *device) {
    struct device **link = &all;
    bool masked;

    if (device->watched)
        xs_unwatch(&device->watch);
    mutex_lock(&all_lock);
    while (*link && *link != device)
        link = &(*link)->next;
    if (*link)
        *link = device->next;
    if (device->plugged) {
        masked = events_save();         /* Frames pass through the bridge in event handlers. */
        bridge_detach(&bridge, netback_port(device->netback));
        events_restore(masked);
    }
    if (device->netback)
        netback_destroy(device->netback);
    if (device->blkback)
        blkback_destroy(device->blkback);
    device->netback = NULL;
    device->blkback = NULL;
    mutex_unlock(&all_lock);
    if (device->claimed)
        disks_release(device->disk->partition, device->disk->writable);
    if (device->back[0])
        xs_rm(XS_NONE, device->back);
    if (device->front[0])
        xs_rm(XS_NONE, device->front);
}

void devices_detach(struct devices *devices) {
    if (!devices)
        return;
    while (devices->count)
        detach(&devices->device[--devices->count]);
    free(devices);
}
