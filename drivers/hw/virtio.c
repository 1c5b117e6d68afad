/* SPDX-License-Identifier: MIT */
/*
 * virtio over PCI: the device side of virtio.h. A modern device describes its register windows by
 * vendor capabilities in configuration space, each naming a BAR, an offset and a length; we map
 * those pages of the machine, uncached.
 */
#include "virtio.h"
#include <pvguest/console.h>
#include <pvguest/errno.h>
#include <pvguest/refuse.h>
#include <pvguest/time.h>

/* Vendor capability (4.1.4): offsets within it, and its kinds. */
#define CAPABILITY_VENDOR 0x09
#define CAP_KIND   3
#define CAP_BAR    4
#define CAP_OFFSET 8
#define CAP_LENGTH 12
#define CAP_NOTIFY_MULTIPLIER 16
#define KIND_COMMON 1
#define KIND_NOTIFY 2
#define KIND_DEVICE 4

/* Common configuration (4.1.4.3). */
#define DEVICE_FEATURE_SELECT 0x00
#define DEVICE_FEATURE        0x04
#define DRIVER_FEATURE_SELECT 0x08
#define DRIVER_FEATURE        0x0c
#define CONFIG_VECTOR         0x10
#define DEVICE_STATUS         0x14
#define CONFIG_GENERATION     0x15
#define COMMON_LENGTH         0x38

#define STATUS_ACKNOWLEDGE 1u
#define STATUS_DRIVER      2u
#define STATUS_DRIVER_OK   4u
#define STATUS_FEATURES_OK 8u
#define STATUS_FAILED      128u

static uint32_t get32(struct virtio_device *device, unsigned int offset)
{
    return *(volatile uint32_t *)(device->common + offset);
}

static void set32(struct virtio_device *device, unsigned int offset, uint32_t value)
{
    *(volatile uint32_t *)(device->common + offset) = value;
}

static void add_status(struct virtio_device *device, uint8_t bit)
{
    device->common[DEVICE_STATUS] |= bit;
}

static volatile uint8_t *map_window(struct virtio_device *device, uint8_t capability,
                                    uint32_t *length)
{
    const struct pci_device *pci = device->pci;

    *length = pci_read(pci->bus, pci->devfn, capability + CAP_LENGTH, 4);
    return pci_map(device->pci, pci_read(pci->bus, pci->devfn, capability + CAP_BAR, 1),
                   pci_read(pci->bus, pci->devfn, capability + CAP_OFFSET, 4), *length);
}

/* The first capability of each kind is the one the device prefers. */
static int map_windows(struct virtio_device *device)
{
    struct pci_device *pci = device->pci;
    uint32_t common_length = 0;
    uint8_t at = 0;

    while ((at = pci_find_capability(pci, CAPABILITY_VENDOR, at))) {
        uint8_t kind = (uint8_t)pci_read(pci->bus, pci->devfn, at + CAP_KIND, 1);

        if (kind == KIND_COMMON && !device->common)
            device->common = map_window(device, at, &common_length);
        if (kind == KIND_DEVICE && !device->config)
            device->config = map_window(device, at, &device->config_length);
        if (kind == KIND_NOTIFY && !device->notify) {
            device->notify = map_window(device, at, &device->notify_length);
            device->notify_multiplier = pci_read(pci->bus, pci->devfn, at + CAP_NOTIFY_MULTIPLIER,
                                                 4);
        }
    }
    return device->common && common_length >= COMMON_LENGTH && device->notify ? 0
                                                                              : refused(-ENODEV);
}

static uint64_t offered_features(struct virtio_device *device)
{
    uint64_t low, high;

    set32(device, DEVICE_FEATURE_SELECT, 0);
    low = get32(device, DEVICE_FEATURE);
    set32(device, DEVICE_FEATURE_SELECT, 1);
    high = get32(device, DEVICE_FEATURE);
    return high << 32 | low;
}

static int negotiate(struct virtio_device *device, uint64_t wanted)
{
    device->features = offered_features(device) & (wanted | VIRTIO_F_VERSION_1);
    if (!(device->features & VIRTIO_F_VERSION_1)) return refused(-EOPNOTSUPP);
    set32(device, DRIVER_FEATURE_SELECT, 0);
    set32(device, DRIVER_FEATURE, (uint32_t)device->features);
    set32(device, DRIVER_FEATURE_SELECT, 1);
    set32(device, DRIVER_FEATURE, (uint32_t)(device->features >> 32));
    add_status(device, STATUS_FEATURES_OK);
    return device->common[DEVICE_STATUS] & STATUS_FEATURES_OK ? 0 : refused(-EOPNOTSUPP);
}

#define MODERN_IDS       0x1040u
/* of the kinds that we know; their windows are those of version 1, too */
#define TRANSITIONAL_IDS 0x0fffu

bool virtio_is(const struct pci_device *pci, unsigned int kind)
{
    return pci->vendor == VIRTIO_VENDOR &&
           (pci->device == MODERN_IDS + kind || pci->device == TRANSITIONAL_IDS + kind);
}

int virtio_start(struct virtio_device *device, struct pci_device *pci, uint64_t wanted)
{
    *device = (struct virtio_device){ .pci = pci };
    pci_enable(pci);

    int error = map_windows(device);

    if (error && pci->device < MODERN_IDS)
        printk("pci %02x:%02x.%x: a virtio device of before version 1 only\n", pci->bus,
               pci->devfn >> 3, pci->devfn & 7);
    if (error) return error;
    device->common[DEVICE_STATUS] = 0;
    /* the reset is done when it reads back as 0 */
    for (unsigned int i = 0; device->common[DEVICE_STATUS] != 0; i++)
        if (i == 1000000)
            return refused(-ETIMEDOUT);
    add_status(device, STATUS_ACKNOWLEDGE);
    add_status(device, STATUS_DRIVER);
    *(volatile uint16_t *)(device->common + CONFIG_VECTOR) = VIRTQ_NO_VECTOR;
    error = negotiate(device, wanted);
    if (error)
        virtio_fail(device);
    return error;
}

/*
 * Device and driver each write an index and then read the other's, with a barrier between. QEMU
 * before 8.1 leaves barriers out while it emulates one CPU (mended by its c914d46d0a64): each may
 * have missed the other's, and both wait for ever. Under load a card stood still within minutes.
 */
#define LOOK_NS (500 * NS_PER_MS)
static struct virtio_device *looked_at;
static struct timer looks;

static void look(void *unused)
{
    for (struct virtio_device *device = looked_at; device; device = device->next)
        device->look(device->context);
    timer_set(&looks, now_ns() + LOOK_NS, look, NULL);
}

void virtio_ready(struct virtio_device *device, void (*look_at)(void *context), void *context)
{
    add_status(device, STATUS_DRIVER_OK);
    device->look = look_at;
    device->context = context;
    device->next = looked_at;
    looked_at = device;
    timer_set(&looks, now_ns() + LOOK_NS, look, NULL);
}

void virtio_fail(struct virtio_device *device)
{
    add_status(device, STATUS_FAILED);
}

/* A field wider than a register may change between two reads; the generation says whether it did
 * (4.1.4.3.1). */
uint64_t virtio_config(struct virtio_device *device, unsigned int offset, unsigned int bytes)
{
    uint64_t value;
    uint8_t generation;

    if (!device->config || offset + bytes > device->config_length) return refused(0);
    do {
        generation = device->common[CONFIG_GENERATION];
        value = 0;
        for (unsigned int i = 0; i < bytes; i++)
            value |= (uint64_t)device->config[offset + i] << (8 * i);
    } while (device->common[CONFIG_GENERATION] != generation);
    return value;
}
