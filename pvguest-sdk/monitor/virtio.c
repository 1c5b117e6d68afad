/* SPDX-License-Identifier: MIT */
/* Registers and rings of virtio.h. The BAR: common configuration, interrupt status, the device's
 * configuration and the doorbells have a page each. */
#include <pvguest/string.h>
#include "machine.h"

enum { COMMON = 0, ISR = 0x1000, CONFIG = 0x2000, NOTIFY = 0x3000, DOORBELL = 4 };
enum {
    FEATURE_SELECT = 0, FEATURES = 4, DRIVER_SELECT = 8, DRIVER_FEATURES = 12, MSIX = 16,
    QUEUES = 18, STATUS = 20, GENERATION = 21, QUEUE_SELECT = 22, QUEUE_SIZE = 24, QUEUE_MSIX = 26,
    QUEUE_ENABLE = 28, QUEUE_NOTIFY = 30, DESCRIPTORS = 32, AVAILABLE = 40, RETURNED = 48,
    COMMON_END = 56,
};
enum { STATUS_FEATURES_OK = 8, STATUS_NEEDS_RESET = 0x40 };
enum { NEXT = 1, WRITABLE = 2, INDIRECT = 4, NO_INTERRUPT = 1 };
enum { NO_VECTOR = 0xffff, VENDOR = 0x1af4 };

struct descriptor { uint64_t address; uint32_t length; uint16_t flags, next; };

struct capability {
    uint8_t vendor, next, length, type, bar, pad[3];
    uint32_t offset, size, multiplier;
};

static void describe(struct pci_function *f, uint8_t type, uint32_t offset, uint32_t multiplier)
{
    struct capability c = {
        .vendor = 9, .length = sizeof(c), .type = type, .offset = offset, .size = 0x1000,
        .multiplier = multiplier,
    };

    pci_capability(f, &c, sizeof(c));
}

void virtio_attach(struct virtio *device, struct machine *machine, unsigned int slot,
                   unsigned int type, uint32_t class_code, unsigned int irq)
{
    uint32_t id = (0x1040 + type) << 16 | VENDOR;
    struct pci_function *f = pci_add(&machine->pci, slot, id, type << 16 | VENDOR, class_code,
                                     0xfe000000 + slot * VIRTIO_BAR_SIZE, VIRTIO_BAR_SIZE,
                                     (uint8_t)irq);

    device->machine = machine;
    device->irq = irq;
    device->offered |= VIRTIO_VERSION_1;
    describe(f, 1, COMMON, 0);
    describe(f, 2, NOTIFY, DOORBELL);
    describe(f, 3, ISR, 0);
    describe(f, 4, CONFIG, 0);
}

static void interrupt(struct virtio *device, uint8_t why)
{
    device->interrupt |= why;
    irq_line(device->machine, device->irq, true);
}

void virtio_broken(struct virtio *device)
{
    device->status |= STATUS_NEEDS_RESET;
    interrupt(device, 2);
}

static void reset(struct virtio *device)
{
    device->accepted = 0;
    device->offered_half = device->accepted_half = 0;
    device->status = device->interrupt = 0;
    device->selected = 0;
    device->resets++;
    memset(device->queue, 0, sizeof(device->queue));
    irq_line(device->machine, device->irq, false);
}

/* --- registers ------------------------------------------------------------------------------ */

/* The queue that the driver has selected; NULL: there is no such. */
static struct virtio_queue *selected(struct virtio *device)
{
    return device->selected < device->queues ? &device->queue[device->selected] : NULL;
}

static uint64_t half(uint64_t features, uint32_t which)
{
    return which > 1 ? 0 : (uint32_t)(features >> 32 * which);
}

static uint64_t *address_of(struct virtio_queue *queue, uint32_t offset)
{
    return offset < AVAILABLE ? &queue->descriptors
                              : offset < RETURNED ? &queue->available : &queue->returned;
}

static uint32_t load_queue(struct virtio *device, uint32_t offset)
{
    struct virtio_queue *queue = selected(device);

    if (!queue) return 0;
    switch (offset) {
    case QUEUE_SIZE: return queue->size ? queue->size : VIRTIO_QUEUE_MAX;
    case QUEUE_MSIX: return NO_VECTOR;
    case QUEUE_ENABLE: return queue->on;
    case QUEUE_NOTIFY: return device->selected;
    default: return (uint32_t)(*address_of(queue, offset) >> 8 * (offset & 4));
    }
}

static uint32_t load_common(struct virtio *device, uint32_t offset)
{
    switch (offset) {
    case FEATURE_SELECT: return device->offered_half;
    case FEATURES: return (uint32_t)half(device->offered, device->offered_half);
    case DRIVER_SELECT: return device->accepted_half;
    case DRIVER_FEATURES: return (uint32_t)half(device->accepted, device->accepted_half);
    case MSIX: return NO_VECTOR;
    case QUEUES: return device->queues;
    case STATUS: return device->status;
    case GENERATION: return 0;
    case QUEUE_SELECT: return device->selected;
    default: return offset >= QUEUE_SIZE && offset < COMMON_END ? load_queue(device, offset) : 0;
    }
}

uint32_t virtio_load(struct virtio *device, uint32_t offset, unsigned int size)
{
    uint32_t value = 0;

    if (offset < ISR) return load_common(device, offset);
    if (offset < CONFIG) {
        value = device->interrupt;              /* reading lets go of the line */
        device->interrupt = 0;
        irq_line(device->machine, device->irq, false);
        return value;
    }
    if (offset < NOTIFY)
        for (unsigned int i = 0; i < size && offset - CONFIG + i < sizeof(device->config); i++)
            value |= (uint32_t)device->config[offset - CONFIG + i] << 8 * i;
    return value;
}

static void store_status(struct virtio *device, uint8_t value)
{
    if (!value) {
        reset(device);
        return;
    }
    if (device->accepted & ~device->offered || !(device->accepted & VIRTIO_VERSION_1))
        value &= (uint8_t)~STATUS_FEATURES_OK;
    device->status = (uint8_t)(value | (device->status & STATUS_NEEDS_RESET));
}

static void store_queue(struct virtio *device, uint32_t offset, uint32_t value)
{
    struct virtio_queue *queue = selected(device);
    uint64_t *address;

    if (!queue || queue->on) return;
    if (offset == QUEUE_SIZE) {                 /* a power of two, or it is ignored */
        if (value && value <= VIRTIO_QUEUE_MAX && !(value & (value - 1)))
            queue->size = (uint16_t)value;
    } else if (offset == QUEUE_ENABLE) {
        if (!queue->size)
            queue->size = VIRTIO_QUEUE_MAX;
        queue->on = value == 1;
    } else if (offset >= DESCRIPTORS && offset < COMMON_END) {
        address = address_of(queue, offset);
        *address = offset & 4 ? (*address & 0xffffffff) | (uint64_t)value << 32
                              : (*address & ~0xffffffffull) | value;
    }
}

static void store_common(struct virtio *device, uint32_t offset, uint32_t value)
{
    uint32_t which = device->accepted_half;

    switch (offset) {
    case FEATURE_SELECT:
        device->offered_half = value;
        break;
    case DRIVER_SELECT:
        device->accepted_half = value;
        break;
    case DRIVER_FEATURES:
        if (which < 2 && !(device->status & STATUS_FEATURES_OK))
            device->accepted = (device->accepted & ~(0xffffffffull << 32 * which)) |
                               (uint64_t)value << 32 * which;
        break;
    case STATUS:
        store_status(device, (uint8_t)value);
        break;
    case QUEUE_SELECT:
        device->selected = (uint16_t)value;
        break;
    default:
        store_queue(device, offset, value);
    }
}

void virtio_store(struct virtio *device, uint32_t offset, unsigned int size, uint32_t value)
{
    uint32_t queue = (offset - NOTIFY) / DOORBELL;      /* no number of one, before the doorbells */

    if (offset < ISR)
        store_common(device, offset, value);
    else if (queue < device->queues)
        device->notified(device, queue);
}

/* --- rings ---------------------------------------------------------------------------------- */

static bool load16(struct virtio *device, uint64_t at, uint16_t *value)
{
    return memory_read(device->machine, at, value, sizeof(*value)) == sizeof(*value);
}

/* The chain from `head`; no longer than the queue, so no circle is walked for ever. */
static bool walk_chain(struct virtio *device, const struct virtio_queue *queue,
                       struct virtio_chain *chain)
{
    struct descriptor d;
    uint16_t at = chain->head;

    chain->count = 0;
    do {
        if (at >= queue->size || chain->count == queue->size) return false;
        if (memory_read(device->machine, queue->descriptors + 16ull * at, &d, 16) != 16 ||
            d.flags & INDIRECT)
            return false;
        if (chain->count && chain->piece[chain->count - 1].writable && !(d.flags & WRITABLE))
            return false;
        chain->piece[chain->count++] =
            (struct virtio_piece){ d.address, d.length, d.flags & WRITABLE };
        at = d.next;
    } while (d.flags & NEXT);
    return true;
}

bool virtio_take(struct virtio *device, unsigned int number, struct virtio_chain *chain)
{
    struct virtio_queue *queue = &device->queue[number];
    uint16_t index;

    if (!queue->on || !virtio_running(device)) return false;
    if (!load16(device, queue->available + 2, &index))
        goto nonsense;
    if (index == queue->seen) return false;
    if ((uint16_t)(index - queue->seen) > queue->size ||
        !load16(device, queue->available + 4 + 2ull * (queue->seen % queue->size), &chain->head) ||
        !walk_chain(device, queue, chain))
        goto nonsense;
    queue->seen++;
    return true;
nonsense:
    virtio_broken(device);
    return false;
}

void virtio_give(struct virtio *device, unsigned int number, uint16_t head, uint32_t written)
{
    struct virtio_queue *queue = &device->queue[number];
    uint32_t element[2] = { head, written };
    uint16_t flags = 0;

    memory_write(device->machine, queue->returned + 4 + 8ull * (queue->used % queue->size),
                 element, sizeof(element));
    queue->used++;
    memory_write(device->machine, queue->returned + 2, &queue->used, sizeof(queue->used));
    load16(device, queue->available, &flags);
    if (!(flags & NO_INTERRUPT))
        interrupt(device, 1);
}

uint64_t virtio_length(const struct virtio_chain *chain, bool writable)
{
    uint64_t sum = 0;

    for (unsigned int i = 0; i < chain->count; i++)
        if (chain->piece[i].writable == writable)
            sum += chain->piece[i].length;
    return sum;
}

static size_t move(struct virtio *device, const struct virtio_chain *chain, size_t offset,
                   uint8_t *to, const uint8_t *from, size_t size)
{
    size_t done = 0;

    for (unsigned int i = 0; i < chain->count; i++) {
        const struct virtio_piece *piece = &chain->piece[i];
        size_t n, moved;
        if (piece->writable != (from != NULL))
            continue;
        if (offset >= piece->length) {
            offset -= piece->length;
            continue;
        }
        n = piece->length - offset;
        if (n > size - done)
            n = size - done;
        moved = from ? memory_write(device->machine, piece->address + offset, from + done, n)
                     : memory_read(device->machine, piece->address + offset, to + done, n);
        done += moved;
        if (moved < n)
            break;
        offset = 0;
    }
    return done;
}

size_t virtio_read(struct virtio *device, const struct virtio_chain *chain, size_t offset,
                   void *to, size_t size)
{
    return move(device, chain, offset, to, NULL, size);
}

size_t virtio_write(struct virtio *device, const struct virtio_chain *chain, size_t offset,
                    const void *from, size_t size)
{
    return move(device, chain, offset, NULL, from, size);
}
