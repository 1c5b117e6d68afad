/* SPDX-License-Identifier: MIT */
/* The virtio transport: find a device on the PCI bus, agree on features, set up its rings. */
#include "virtio.h"
#include "pci.h"

enum { VENDOR = 0x1af4, MODERN = 0x1040, BUS_MASTER = 4, MEMORY = 2, VENDOR_CAPABILITY = 9 };
enum { COMMON = 1, NOTIFY = 2, STATUS = 3, CONFIG = 4 };                /* types of capability */
enum {
    FEATURE_SELECT = 0,
    FEATURES = 4,
    DRIVER_SELECT = 8,
    DRIVER_FEATURES = 12,
    DEVICE_STATUS = 20,
    QUEUE_SELECT = 22,
    QUEUE_LENGTH = 24,
    QUEUE_ENABLE = 28,
    QUEUE_NOTIFY = 30,
    QUEUE_DESCRIPTORS = 32,
    QUEUE_AVAILABLE = 40,
    /* offsets in the common part */
    QUEUE_USED = 48
};
enum { ACKNOWLEDGE = 1, DRIVER = 2, DRIVER_OK = 4, FEATURES_OK = 8 };
#define VERSION_1 (1ul << 32)

#define REGISTER(type, base, offset) (*(volatile type *)((base) + (offset)))

static u64 bar_address(u32 function, u32 bar)
{
    u32 low = pci_read(function, PCI_BAR0 + 4 * bar);
    u64 high = (low & 6) == 4 ? pci_read(function, PCI_BAR0 + 4 * bar + 4) : 0;

    return (high << 32 | low) & ~15ul;
}

/* Each part of the device's registers is named by a capability: type, BAR, offset. */
static void find_registers(struct virtio *device, u32 function)
{
    for (u32 at = pci_read(function, PCI_CAPABILITIES) & 0xff; at;
         at = pci_read(function, at + 1) & 0xff) {
        if ((pci_read(function, at) & 0xff) != VENDOR_CAPABILITY)
            continue;
        u32 type = pci_read(function, at + 3) & 0xff, bar = pci_read(function, at + 4) & 0xff;
        if (type < COMMON || type > CONFIG)
            continue;
        u64 physical = bar_address(function, bar) + pci_read(function, at + 8);
        if (physical >> 32)
            kpanic("virtio registers above 4 GiB");
        u8 *registers = to_virtual(physical);
        if (type == COMMON)
            device->common = registers;
        if (type == STATUS)
            device->status = registers;
        if (type == CONFIG)
            device->config = registers;
        if (type == NOTIFY) {
            device->notify = registers;
            device->notify_multiplier = pci_read(function, at + 16);
        }
    }
}

bool virtio_find(struct virtio *device, u16 type)
{
    for (u32 function = 0; function < 0x10000; function++) {
        u32 id = pci_read(function, PCI_ID);
        bool modern = id == ((u32)(MODERN + type) << 16 | VENDOR);
        bool transitional = id >> 16 < MODERN && id >> 16 >= 0x1000 && (id & 0xffff) == VENDOR &&
                            pci_read(function, PCI_SUBSYSTEM) >> 16 == type;
        if (!modern && !transitional)
            continue;
        pci_write(function, PCI_COMMAND, MEMORY | BUS_MASTER);
        find_registers(device, function);
        device->irq = pci_read(function, PCI_INTERRUPT) & 0xff;
        if (device->common && device->notify && device->status) return true;
    }
    return false;
}

void virtio_negotiate(struct virtio *device, u64 wanted, u64 *features)
{
    REGISTER(u8, device->common, DEVICE_STATUS) = 0;
    while (REGISTER(u8, device->common, DEVICE_STATUS))
        ;
    REGISTER(u8, device->common, DEVICE_STATUS) = ACKNOWLEDGE | DRIVER;
    *features = 0;
    for (u32 half = 0; half < 2; half++) {
        REGISTER(u32, device->common, FEATURE_SELECT) = half;
        u32 offered = REGISTER(u32, device->common, FEATURES) &
                      (u32)((wanted | VERSION_1) >> 32 * half);
        REGISTER(u32, device->common, DRIVER_SELECT) = half;
        REGISTER(u32, device->common, DRIVER_FEATURES) = offered;
        *features |= (u64)offered << 32 * half;
    }
    REGISTER(u8, device->common, DEVICE_STATUS) = ACKNOWLEDGE | DRIVER | FEATURES_OK;
    if (!(REGISTER(u8, device->common, DEVICE_STATUS) & FEATURES_OK))
        kpanic("virtio: the device refuses our features");
}

static void set_address(struct virtio *device, u32 offset, volatile void *part)
{
    u64 physical = to_physical((void *)(u64)part);

    REGISTER(u32, device->common, offset) = (u32)physical;
    REGISTER(u32, device->common, offset + 4) = (u32)(physical >> 32);
}

void virtio_queue_init(struct virtio *device, struct queue *queue, u16 number)
{
    u8 *page = page_alloc();

    if (!page)
        kpanic("no memory for a virtio queue");
    REGISTER(u16, device->common, QUEUE_SELECT) = number;
    REGISTER(u16, device->common, QUEUE_LENGTH) = QUEUE_SIZE;
    queue->number = number;
    queue->descriptors = (struct descriptor *)page;
    queue->available = (struct available *)(page + 1024);
    queue->used = (struct used *)(page + 2048);
    queue->doorbell = (volatile u16 *)(device->notify +
                      REGISTER(u16, device->common, QUEUE_NOTIFY) * device->notify_multiplier);
    set_address(device, QUEUE_DESCRIPTORS, queue->descriptors);
    set_address(device, QUEUE_AVAILABLE, queue->available);
    set_address(device, QUEUE_USED, queue->used);
    REGISTER(u16, device->common, QUEUE_ENABLE) = 1;
}

void virtio_ready(struct virtio *device, void (*handler)(void *))
{
    irq_install(device->irq, handler, device);
    REGISTER(u8, device->common, DEVICE_STATUS) = ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK;
}

/* The ring entry must be seen before the index that covers it, the index before the doorbell. On
 * x86 stores are seen in order, but a store may pass a later read of the device, so there is a full
 * fence before the doorbell. */
void queue_submit(struct queue *queue, u16 head)
{
    queue->available->ring[queue->available->index % QUEUE_SIZE] = head;
    __asm__ volatile("" ::: "memory");
    queue->available->index++;
    __asm__ volatile("mfence" ::: "memory");
    *queue->doorbell = queue->number;
}

int queue_completed(struct queue *queue, u32 *length)
{
    u32 at = queue->seen % QUEUE_SIZE;

    if (queue->seen == queue->used->index) return -1;
    __asm__ volatile("" ::: "memory");
    queue->seen++;
    *length = queue->used->ring[at].length;
    return (int)queue->used->ring[at].id;
}
