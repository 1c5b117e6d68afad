/* SPDX-License-Identifier: MIT */
/*
 * A device's two directories in XenStore, the front end's and the back end's.
 *
 * A running guest looks at a new device in the moment its state node appears. So both directories
 * are written in one transaction: there is no time at which half a device can be seen.
 */
#include "dom0/toolstack/device.h"
#include <stdarg.h>

const char *const device_kinds[] = { [DEVICE_DISK] = "vbd", [DEVICE_VIF] = "vif" };

/* The transaction that writes a device's nodes; after the first error nothing more is tried. */
struct writing {
    xs_transaction transaction;
    int error;
};

__attribute__((format(printf, 4, 5))) static void node(struct writing *writing,
                                                       const char *directory, const char *key,
                                                       const char *format, ...)
{
    char value[128], path[96];
    va_list arguments;
    int size;

    va_start(arguments, format);
    size = vsnprintf(value, sizeof(value), format, arguments);
    va_end(arguments);
    snprintf(path, sizeof(path), "%s/%s", directory, key);
    if (!writing->error)
        writing->error = xs_write(writing->transaction, path, value, (size_t)size);
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

static void disk_nodes(struct writing *writing, const struct device *device)
{
    const struct config_disk *disk = &device->disk;

    node(writing, device->front, "virtual-device", "%u", disk->number);
    node(writing, device->front, "device-type", disk->cdrom ? "cdrom" : "disk");
    node(writing, device->back, "dev", "%s", disk->vdev);
    node(writing, device->back, "type", "phy");
    node(writing, device->back, "params", "%s", disk->partition);
    node(writing, device->back, "mode", "%s", disk->writable ? "w" : "r");
    node(writing, device->back, "removable", disk->cdrom ? "1" : "0");
    node(writing, device->back, "device-type", disk->cdrom ? "cdrom" : "disk");
}

static void vif_nodes(struct writing *writing, const struct device *device)
{
    const uint8_t *mac = device->vif.mac;
    char text[20];

    snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
             mac[4], mac[5]);
    node(writing, device->front, "handle", "%u", device->number);
    node(writing, device->front, "mac", "%s", text);
    node(writing, device->front, "mtu", "%u", device->vif.mtu);
    node(writing, device->back, "handle", "%u", device->number);
    node(writing, device->back, "mac", "%s", text);
    node(writing, device->back, "bridge", "%s", device->vif.bridge);
    node(writing, device->back, "type", "vif");
    /* As Xen keeps it; what it does is done, but not by it. */
    node(writing, device->back, "script", "/etc/xen/scripts/vif-bridge");
    if (device->vif.name[0])
        node(writing, device->back, "vifname", "%s", device->vif.name);
    if (device->vif.ip[0])
        node(writing, device->back, "ip", "%s", device->vif.ip);
    if (device->vif.rate_bytes)
        node(writing, device->back, "rate", "%lu,%u", device->vif.rate_bytes,
             device->vif.rate_usecs);
}

/* If it is, Linux need not copy what it shares with us. */
static bool is_trusted(const struct device *device)
{
    return device->kind == DEVICE_DISK ? !device->disk.untrusted : !device->vif.untrusted;
}

static void all_nodes(struct writing *writing, const struct device *device)
{
    directory(writing, device->back, 0, device->domid);
    node(writing, device->back, "frontend", "%s", device->front);
    node(writing, device->back, "frontend-id", "%u", (unsigned)device->domid);
    node(writing, device->back, "online", "1");
    node(writing, device->back, "state", "%u", XenbusStateInitialising);
    directory(writing, device->front, device->domid, 0);
    node(writing, device->front, "backend", "%s", device->back);
    node(writing, device->front, "backend-id", "0");
    node(writing, device->front, "trusted", is_trusted(device) ? "1" : "0");
    if (device->kind == DEVICE_DISK)
        disk_nodes(writing, device);
    else
        vif_nodes(writing, device);
    node(writing, device->front, "state", "%u", XenbusStateInitialising);
}

int device_make_nodes(struct device *device)
{
    const char *kind = device_kinds[device->kind];
    unsigned domid = device->domid;
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
