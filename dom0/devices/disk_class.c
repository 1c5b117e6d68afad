/* SPDX-License-Identifier: MIT */
/* Guests' disks (device.h): a partition, served by drivers/pv's block back end. */
#include "dom0/config/disk.h"
#include "dom0/devices/device.h"
#include "dom0/storage/disks.h"
#include <pvguest/console.h>

struct disk {
    struct device device;
    struct blockdev *blockdev;          /* Claimed; or NULL. */
    struct blkback *back;
};

static struct disk *disk_of(struct device *device)
{
    return (struct disk *)device;
}

static const struct disk *const_disk_of(const struct device *device)
{
    return (const struct disk *)device;
}

static const struct config_disk *words_of(const struct config_device *config)
{
    return config_of(struct config_disk, config);
}

/* --- its life --- */

static void label(const struct config_device *config, char *text, size_t size)
{
    snprintf(text, size, "disk '%s'", words_of(config)->partition);
}

static int claim(const struct config_disk *words, struct blockdev **blockdev,
                 struct problem *problem)
{
    const char *why;
    int error = disks_claim(words->partition, words->writable, blockdev, &why);

    return error ? problem_set(problem, error, "disk '%s': %s", words->partition, why) : 0;
}

static int check(const struct config_device *config, struct problem *problem)
{
    struct blockdev *blockdev;
    int error = claim(words_of(config), &blockdev, problem);

    if (!error)
        disks_release(words_of(config)->partition, words_of(config)->writable);
    return error;
}

static int take(struct device *device, const char *guest, struct problem *problem)
{
    return claim(words_of(&device->config), &disk_of(device)->blockdev, problem);
}

static void nodes(struct writing *writing, const struct device *device)
{
    const struct config_disk *words = words_of(&device->config);

    device_node(writing, device->front, "trusted", words->untrusted ? "0" : "1");
    device_node(writing, device->front, "virtual-device", "%u", device->number);
    device_node(writing, device->front, "device-type", words->cdrom ? "cdrom" : "disk");
    device_node(writing, device->back, "dev", "%s", words->vdev);
    device_node(writing, device->back, "type", "phy");
    device_node(writing, device->back, "params", "%s", words->partition);
    device_node(writing, device->back, "mode", "%s", words->writable ? "w" : "r");
    device_node(writing, device->back, "removable", words->cdrom ? "1" : "0");
    device_node(writing, device->back, "device-type", words->cdrom ? "cdrom" : "disk");
}

static int open(struct device *device, struct problem *problem)
{
    const struct config_disk *words = words_of(&device->config);
    struct disk *disk = disk_of(device);

    disk->back = blkback_create(&device_store, device->guest->domid, device->number, disk->blockdev,
                                (words->writable ? BLKBACK_WRITABLE : 0) |
                                    (words->cdrom ? BLKBACK_CDROM : 0) |
                                    (words->no_discard ? BLKBACK_NO_DISCARD : 0));
    if (!disk->back)
        return problem_set(problem, -ENOMEM, "disk '%s': no memory for its back end",
                           words->partition);
    blkback_on_work(disk->back, turns_wake, &device->traffic, &device->guest->quota);
    return 0;
}

static bool serve(struct device *device, unsigned budget)
{
    return blkback_serve(disk_of(device)->back, budget);
}

static bool is_due(const struct device *device)
{
    return blkback_is_due(const_disk_of(device)->back);
}

static void changed(struct device *device)
{
    blkback_service(disk_of(device)->back);
    blkback_changed(disk_of(device)->back);
}

static bool idle(const struct device *device)
{
    return blkback_idle(const_disk_of(device)->back);
}

static bool close(const struct device *device)
{
    return blkback_close(const_disk_of(device)->back);
}

static void destroy(struct device *device)
{
    const struct config_disk *words = words_of(&device->config);

    if (disk_of(device)->back)
        blkback_destroy(disk_of(device)->back);
    if (disk_of(device)->blockdev)
        disks_release(words->partition, words->writable);
}

static struct device_traffic traffic(const struct device *device)
{
    const struct blkback *back = const_disk_of(device)->back;
    const struct blkback_counters *counters = back ? blkback_counters(back) : NULL;

    if (!counters) return (struct device_traffic){ .out = 0 };
    return (struct device_traffic){ .out = counters->sectors_written * BLOCK_SECTOR,
                                    .in = counters->sectors_read * BLOCK_SECTOR };
}

/* --- for the operator --- */

static bool is_called(const struct config_device *config, const char *name)
{
    unsigned number;

    return disk_number(name, &number) && number == config->number;
}

static void say_attached(const struct config_device *config, const char *guest)
{
    printk("Disk '%s' is attached to '%s' as %s (%u)\n", words_of(config)->partition, guest,
           words_of(config)->vdev, config->number);
}

/* Under "handle" Xen's xl prints the guest's number; so do we. */
static void row(const struct device *device)
{
    printk("%-5u %-3d %-6u %-5ld %-6ld %-8ld", device->number, 0, (unsigned)device->guest->domid,
           device_front_number(device, "state"), device_front_number(device, "event-channel"),
           device_front_number(device, "ring-ref"));
}

static void detail(const struct config_device *config, struct device_detail detail[DEVICE_DETAILS])
{
    const struct config_disk *words = words_of(config);

    detail[0].key = "pdev_path";
    strlcpy(detail[0].text, words->partition, sizeof(detail[0].text));
    detail[1].key = "vdev";
    strlcpy(detail[1].text, words->vdev, sizeof(detail[1].text));
    detail[2] = (struct device_detail){ .key = "format", .text = "raw" };
    detail[3] = (struct device_detail){ .key = "readwrite", .number = words->writable };
}

const struct device_class disk_class = {
    .kind = "vbd",
    .title = "disk",
    .turns = TURN_BLOCK,
    .size = sizeof(struct disk),
    .back_bytes = blkback_bytes,
    .label = label,
    .check = check,
    .take = take,
    .nodes = nodes,
    .open = open,
    .serve = serve,
    .is_due = is_due,
    .changed = changed,
    .idle = idle,
    .close = close,
    .destroy = destroy,
    .traffic = traffic,
    .is_called = is_called,
    .say_attached = say_attached,
    .heading = "Vdev  BE  handle state evt-ch ring-ref",
    .row = row,
    .details = "disks",
    .detail = detail,
    .verbs = {
        .list = "block-list",
        .list_help = "a guest's disks",
        .attach = "block-attach",
        .attach_words = "NAME DISK",
        .attach_help = "give it a disk, named as in a configuration: phy:scratch,xvdb,w",
        .detach = "block-detach",
        .detach_help = "take it away: xvdb, or its number (-f: do not ask the guest)",
    },
};
