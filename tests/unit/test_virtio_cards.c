/* SPDX-License-Identifier: MIT */
/*
 * Real cards and disks on virtio against a device that is simulated below the queues: what each
 * request says to the device, what comes back, full queues, devices that lie about lengths, and
 * devices that do not come up.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <drivers/real.h>
#include <pvguest/bits.h>
#include <pvguest/console.h>
#include <pvguest/events.h>
#include "drivers/hw/virtio.h"
#include "masked_host.h"

unsigned allocations_until_failure;

/* --- the SDK and the bus ---------------------------------------------------------------------- */

static unsigned int said;

void printk(const char *format, ...)
{
    said++;
}
const char *errno_name(long error)
{
    return "ERROR";
}

static void *a_page(void)
{
    return allocation_fails() ? NULL : aligned_alloc(4096, 4096);
}
void *alloc_pages(unsigned int order)
{
    return a_page();
}

void *alloc_zeroed_page(void)
{
    void *page = a_page();

    return page ? memset(page, 0, 4096) : NULL;
}

#define DEVICES 5u                      /* of each kind; each is opened once */

static struct pci_device pci[2 * DEVICES + 2];
static int refuse_start, refuse_interrupt;
static uint64_t offered;
static uint8_t config[64], registers[0x38];
static uint16_t doorbells[4];
static bool ready;

/* A device of neither kind, then cards and disks by turns, and another of neither. */
struct pci_device *pci_get(unsigned int index)
{
    return index < 2 * DEVICES + 2 ? &pci[index] : NULL;
}

bool virtio_is(const struct pci_device *which, unsigned int kind)
{
    size_t index = (size_t)(which - pci);

    return index && index <= 2 * DEVICES && index % 2 == (kind == VIRTIO_NET);
}

static void (*handler)(void *context);
static void *handler_context;

int pci_interrupt_open(struct pci_device *which, unsigned int vector,
                       struct pci_interrupt *interrupt, void (*function)(void *context),
                       void *context)
{
    assert_true(vector == 0 && masked);
    if (refuse_interrupt) return -22;
    handler = function;
    handler_context = context;
    return 0;
}

static const struct pci_device *started;

int virtio_start(struct virtio_device *device, struct pci_device *which, uint64_t wanted)
{
    started = which;
    if (refuse_start) return -19;
    *device = (struct virtio_device){ .pci = which,
                                      .common = registers,
                                      .notify = (uint8_t *)doorbells,
                                      .notify_length = sizeof doorbells,
                                      .notify_multiplier = 2,
                                      .features = (offered & wanted) | VIRTIO_F_VERSION_1 };
    ready = false;
    return 0;
}

static void (*look)(void *context);     /* what is to be called now and then */
static void *look_context;

void virtio_ready(struct virtio_device *device, void (*look_at)(void *context), void *context)
{
    ready = true;
    look = look_at;
    look_context = context;
}

static void look_again(void)
{
    masked = true;
    look(look_context);
    masked = false;
}
void virtio_fail(struct virtio_device *device)
{
}

uint64_t virtio_config(struct virtio_device *device, unsigned int offset, unsigned int bytes)
{
    uint64_t value = 0;

    memcpy(&value, config + offset, bytes);
    return value;
}

static void interrupt(void)
{
    masked = true;
    handler(handler_context);
    masked = false;
}

/* --- the device's side of its queues: their pages as it was told of them ---------------------- */

static struct queue {
    struct virtq_descriptor *descriptor;
    uint16_t *available, *used;
    uint16_t size, seen;
} queues[2];
static unsigned int queues_told;

/* Registers do nothing by themselves here: what the driver wrote is taken when it has finished
 * with a queue. */
static uint64_t register64(unsigned int offset)
{
    uint64_t value;

    memcpy(&value, registers + offset, 8);
    return value;
}

static void learn(struct queue *queue, const struct virtqueue *driver)
{
    *queue = (struct queue){ .descriptor = driver->descriptor,
                             .available = (uint16_t *)(uintptr_t)driver->available,
                             .used = (uint16_t *)(uintptr_t)driver->used, .size = driver->size };
    queues_told++;
}

/* The next chain that is offered; its length in buffers, 0: none. */
static unsigned int next_chain(struct queue *queue, struct virtq_descriptor *chain, uint16_t *first)
{
    unsigned int count = 0;

    if (queue->seen == queue->available[1]) return 0;
    *first = queue->available[2 + queue->seen++ % queue->size];
    for (uint16_t at = *first;; at = queue->descriptor[at].next) {
        assert_true(at < queue->size && count < 40);
        chain[count++] = queue->descriptor[at];
        if (!(queue->descriptor[at].flags & VIRTQ_NEXT)) return count;
    }
}

static void give_back(struct queue *queue, uint16_t first, uint32_t length)
{
    uint32_t *entry = (uint32_t *)(void *)(queue->used + 2) + 2 * (queue->used[1] % queue->size);

    entry[0] = first;
    entry[1] = length;
    queue->used[1]++;
}

/* Where the driver keeps its queues is its own; the structure begins as it does in both drivers'
 * sources. */
static int set_up(void **state)
{
    memset(registers, 0, sizeof registers);
    *(uint16_t *)(registers + 0x18) = 16;       /* entries of each queue */
    memset(config, 0, sizeof config);
    said = refuse_start = refuse_interrupt = 0;
    allocations_until_failure = queues_told = 0;
    return 0;
}

/* --- a disk ----------------------------------------------------------------------------------- */

#define F_SEG_MAX (1ull << 2)
#define F_READ_ONLY (1ull << 5)
#define F_FLUSH   (1ull << 9)
#define F_DISCARD (1ull << 13)

struct virtio_blk_as_it_begins {
    struct blockdev device;
    struct virtio_device virtio;
    struct virtqueue queue;
};

static struct blockdev *disk;
static struct queue *const disk_queue = &queues[0];
static int result[100];
static struct block_request request[100];
static _Alignas(4096) uint8_t data[40][4096];

static void done(struct block_request *which, int status)
{
    assert_int_equal(result[which - request], 1);
    result[which - request] = status;
}

static void submit(unsigned int number, enum block_operation operation, unsigned int segments)
{
    request[number] = (struct block_request){ .operation = operation, .sector = 100 + number,
                                              .segments = segments, .done = done,
                                              .next = (void *)8 };
    for (unsigned int i = 0; i < segments; i++) {
        request[number].segment[i] = (struct block_segment){ .machine = virt_to_machine(data[i]),
                                                             .length = 1024 };
        request[number].sectors += 2;
    }
    if (operation == BLOCK_DISCARD)
        request[number].sectors = 300 + number;
    result[number] = 1;
    masked = true;
    block_submit(disk, &request[number]);
    masked = false;
}

static void open_disk(unsigned int nth, uint64_t features)
{
    offered = features;
    *(uint64_t *)config = 123456;
    *(uint32_t *)(config + 12) = 14;
    *(uint32_t *)(config + 36) = 310;
    disk = real_disk(nth);
    assert_non_null(disk);
    assert_ptr_equal(started, &pci[2 + 2 * nth]);
    assert_true(ready && !masked);
    learn(disk_queue, &((struct virtio_blk_as_it_begins *)(void *)disk)->queue);
    assert_ptr_equal(real_disk(nth), disk);
    assert_int_equal(register64(0x30), (uintptr_t)disk_queue->used);
    assert_int_equal((uint16_t)register64(0x16), 0);    /* the queue that it is, */
    assert_int_equal((uint16_t)register64(0x1a), 0);    /* and the vector that is ours */
}

static void a_disk_says_what_it_is(void **state)
{
    open_disk(0, F_SEG_MAX | F_READ_ONLY | F_FLUSH | F_DISCARD);
    assert_string_equal(disk->name, "disk0");
    assert_int_equal(disk->sectors, 123456);
    assert_int_equal(disk->flags,
                     BLOCK_BY_DMA | BLOCK_CAN_IDENTIFY | BLOCK_CAN_FLUSH | BLOCK_CAN_DISCARD |
                         BLOCK_READ_ONLY);
    assert_int_equal(disk->max_segments, 14);
    open_disk(1, 0);
    assert_int_equal(disk->flags, BLOCK_BY_DMA | BLOCK_CAN_IDENTIFY);
    assert_int_equal(disk->max_segments, BLOCK_SEGMENTS_MAX);
}

/* The header, the data, and one byte for the status, in this order; each readable or writable as
 * it must be. */
static void what_the_disk_is_asked(void **state)
{
    struct virtq_descriptor chain[40];
    uint16_t first;
    struct { uint32_t type, reserved; uint64_t sector; } *header;
    struct { uint64_t sector; uint32_t sectors, flags; } *range;

    open_disk(2, F_FLUSH | F_DISCARD);
    submit(0, BLOCK_READ, 3);
    submit(1, BLOCK_WRITE, 1);
    submit(2, BLOCK_FLUSH, 0);
    submit(3, BLOCK_DISCARD, 0);
    block_kick(disk);
    assert_int_equal(next_chain(disk_queue, chain, &first), 5);
    header = (void *)(uintptr_t)chain[0].address;
    assert_true(header->type == 0 && header->sector == 100 && header->reserved == 0 &&
                chain[0].length == 16);
    assert_false(chain[0].flags & VIRTQ_WRITE);
    for (unsigned int i = 0; i < 3; i++) {
        assert_int_equal(chain[1 + i].address, (uintptr_t)data[i]);
        assert_int_equal(chain[1 + i].length, 1024);
        assert_true(chain[1 + i].flags & VIRTQ_WRITE);
    }
    assert_true(chain[4].length == 1 && chain[4].flags & VIRTQ_WRITE);
    /* nothing is known until the device says so */
    assert_int_equal(*(uint8_t *)(uintptr_t)chain[4].address, 0xff);
    *(uint8_t *)(uintptr_t)chain[4].address = 0;
    give_back(disk_queue, first, 0);
    assert_int_equal(next_chain(disk_queue, chain, &first), 3);
    header = (void *)(uintptr_t)chain[0].address;
    assert_true(header->type == 1 && header->sector == 101);
    assert_false(chain[1].flags & VIRTQ_WRITE);
    *(uint8_t *)(uintptr_t)chain[2].address = 1;
    give_back(disk_queue, first, 0);
    assert_int_equal(next_chain(disk_queue, chain, &first), 2);
    header = (void *)(uintptr_t)chain[0].address;
    assert_true(header->type == 4 && header->sector == 0);
    *(uint8_t *)(uintptr_t)chain[1].address = 2;
    give_back(disk_queue, first, 0);
    assert_int_equal(next_chain(disk_queue, chain, &first), 3);
    header = (void *)(uintptr_t)chain[0].address;
    range = (void *)(uintptr_t)chain[1].address;
    assert_true(header->type == 11 && header->sector == 0 && chain[1].length == 16 &&
                !(chain[1].flags & VIRTQ_WRITE));
    assert_true(range->sector == 103 && range->sectors == 303 && range->flags == 0);
    give_back(disk_queue, first, 0);            /* without a word: an error */
    /* nobody heard of anything: it is looked for, and said again, wanted or not */
    disk_queue->used[0] = 1;
    doorbells[0] = 0xffff;
    look_again();
    assert_int_equal(doorbells[0], 0);
    disk_queue->used[0] = 0;
    assert_int_equal(result[0], 0);
    assert_int_equal(result[1], -EIO);
    assert_int_equal(result[2], -EOPNOTSUPP);
    assert_int_equal(result[3], -EIO);
    submit(20, BLOCK_DISCARD, 0);              /* more than one request of the device's may carry */
    next_chain(disk_queue, chain, &first);
    range = (void *)(uintptr_t)chain[1].address;
    assert_int_equal(range->sectors, 310);
    *(uint8_t *)(uintptr_t)chain[2].address = 0;
    give_back(disk_queue, first, 0);
    masked = true;
    disk->poll(disk);
    masked = false;
    assert_int_equal(result[20], 0);
    /* its serial number: 20 bytes, whatever the room */
    submit(21, BLOCK_IDENTIFY, 1);
    assert_int_equal(next_chain(disk_queue, chain, &first), 3);
    header = (void *)(uintptr_t)chain[0].address;
    assert_true(header->type == 8 && header->sector == 0);
    assert_int_equal(chain[1].address, (uintptr_t)data[0]);
    assert_true(chain[1].length == 20 && chain[1].flags & VIRTQ_WRITE);
}

/* More than descriptors: the rest waits, in order, and each answer starts what fits. */
static void a_full_disk_queue(void **state)
{
    struct virtq_descriptor chain[40];
    uint16_t first;
    unsigned int finished = 0, count;

    open_disk(3, 0);
    for (unsigned int i = 0; i < 60; i++)
        submit(i, BLOCK_READ, i % 11 + 1);
    while (finished < 60) {
        struct { uint32_t type, reserved; uint64_t sector; } *header;

        count = next_chain(disk_queue, chain, &first);
        assert_int_equal(count, finished % 11 + 3);
        header = (void *)(uintptr_t)chain[0].address;
        assert_int_equal(header->sector, 100 + finished);
        *(uint8_t *)(uintptr_t)chain[count - 1].address = 0;
        give_back(disk_queue, first, 0);
        interrupt();
        assert_int_equal(result[finished++], 0);
    }
    assert_int_equal(next_chain(disk_queue, chain, &first), 0);
    give_back(disk_queue, 5, 0);                /* to nothing it was asked */
    interrupt();
    assert_int_equal(said, 1);
}

/* Each failure is said, and the next attempt may succeed. What a dead card had stays with it:
 * its interrupt may be bound. */
void __lsan_disable(void);
void __lsan_enable(void);

static void disks_that_do_not_come_up(void **state)
{
    assert_null(real_disk(DEVICES));
    assert_int_equal(said, 0);
    __lsan_disable();
    for (unsigned int i = 0; i < 5; i++) {
        set_up(state);
        offered = F_SEG_MAX;
        /* fewer pieces than all promise */
        config[12] = i == 0 ? BLOCK_SEGMENTS_ANY - 1 : BLOCK_SEGMENTS_ANY;
        refuse_start = i == 1;
        refuse_interrupt = i == 2;
        if (i == 3)
            *(uint16_t *)(registers + 0x18) = 0;        /* no queue */
        if (i == 4)
            *(uint16_t *)(registers + 0x1e) = 10;       /* its doorbell is behind the window */
        assert_null(real_disk(4));
        assert_int_equal(said, 1);
        assert_false(masked || ready);
    }
    /* the disk itself, the page of slots, three pages of a queue */
    for (unsigned int i = 1; i < 6; i++) {
        set_up(state);
        offered = 0;
        allocations_until_failure = i;
        assert_null(real_disk(4));
        allocations_until_failure = 0;
        assert_false(masked || ready);
    }
    __lsan_enable();
    set_up(state);
    allocations_until_failure = 6;
    assert_non_null(real_disk(4));
    assert_true(ready);
}

/* --- a card ----------------------------------------------------------------------------------- */

struct virtio_net_as_it_begins {
    struct netport port;
    struct virtio_device virtio;
    struct virtqueue rx, tx;
};

static struct netport *card;
static struct queue *const rx = &queues[0], *const tx = &queues[1];
static uint8_t got[40][2000];
static size_t got_length[40];
static unsigned int got_count, batches;

static void receive(struct netport *port, void *frame, size_t length, uint32_t flags)
{
    assert_true(got_count < 40 && flags == 0);
    memcpy(got[got_count], frame, length);
    got_length[got_count++] = length;
}

static void received(struct netport *port)
{
    batches++;
}

static void open_card(unsigned int nth)
{
    offered = 1ull << 5;
    memcpy(config, "\x52\x54\x00\x12\x34\x56", 6);
    doorbells[0] = 0xffff;
    card = real_card(nth);
    assert_non_null(card);
    assert_int_equal(doorbells[0], 0);          /* the buffers are offered to a device at work */
    assert_ptr_equal(started, &pci[1 + 2 * nth]);
    assert_true(ready && !masked);
    assert_ptr_equal(real_card(nth), card);
    assert_memory_equal(card->mac, config, 6);
    assert_true(card->copies_at_once && !card->takes_blank && !card->takes_large);
    learn(rx, &((struct virtio_net_as_it_begins *)(void *)card)->rx);
    learn(tx, &((struct virtio_net_as_it_begins *)(void *)card)->tx);
    /* it is to interrupt for what comes, not for what has gone */
    assert_true(rx->available[0] == 0 && tx->available[0] == 1);
    card->receive = receive;
    card->received = received;
    got_count = batches = 0;
}

static bool send(size_t length)
{
    static uint8_t frame[NET_FRAME_MAX + 1];

    for (unsigned int i = 0; i < length; i++)
        frame[i] = (uint8_t)(i * 5 + length);
    return card->send(card, frame, length, 0);
}

static void frames_to_the_card(void **state)
{
    struct virtq_descriptor chain[40];
    uint16_t first[16];

    open_card(0);
    assert_false(send(NET_FRAME_MIN - 1));
    assert_false(send(NET_FRAME_MAX + 1));
    for (unsigned int i = 0; i < 16; i++) {
        card->sender = i;
        assert_true(send(i ? 100 + i : NET_FRAME_MAX));
    }
    assert_false(send(100));                    /* as many as there are buffers */
    assert_int_equal(card->frames_dropped, 3);
    doorbells[0] = 0xffff;
    card->flush(card);
    assert_int_equal(doorbells[0], 1);          /* its queue's number */
    for (unsigned int i = 0; i < 16; i++) {
        size_t length = i ? 100 + i : NET_FRAME_MAX;
        const uint8_t *bytes;

        assert_int_equal(next_chain(tx, chain, &first[i]), 1);
        assert_int_equal(chain[0].length, 12 + length);
        assert_int_equal(chain[0].flags, 0);
        bytes = (const uint8_t *)(uintptr_t)chain[0].address;
        for (unsigned int j = 0; j < 12; j++)
            assert_int_equal(bytes[j], 0);
        for (unsigned int j = 0; j < length; j++)
            assert_int_equal(bytes[12 + j], (uint8_t)(j * 5 + length));
    }
    assert_int_equal(card->frames_sent, 16);
    give_back(tx, first[3], 0);
    assert_true(send(100));
    assert_false(send(100));
    assert_int_equal(tx->available[0] & 1, 1);  /* no interrupts for frames that have left */
}

/* Who sends more than the card does leaves room for others; and has it again when his frames are
 * gone. */
static void a_sender_leaves_some(void **state)
{
    struct virtq_descriptor chain[40];
    uint16_t first;
    static const unsigned int each[] = { 11, 4, 1 };

    open_card(3);
    for (unsigned int round = 0; round < 3; round++) {
        for (card->sender = 0; card->sender < ARRAY_SIZE(each); card->sender++)
            for (unsigned int sent = 0; send(100) || sent < each[card->sender]; sent++)
                assert_true(sent < each[card->sender]);
        assert_int_equal(card->frames_sent, 16 * (round + 1));
        while (next_chain(tx, chain, &first))
            give_back(tx, first, 0);
    }
}

static void frames_from_the_card(void **state)
{
    struct virtq_descriptor chain[40];
    static const struct { uint32_t length; bool good; } cases[] = {
        { 12 + 14, true }, { 12 + 13, false }, { 12 + NET_FRAME_MAX, true },
        { 12 + NET_FRAME_MAX + 1, false }, { 0, false },
        { UINT32_MAX, false },
    };
    unsigned int good = 0;
    uint16_t first;

    open_card(1);
    assert_int_equal(rx->available[1], 16);     /* all are offered */
    for (unsigned int round = 0; round < 10; round++)
        for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
            uint8_t *bytes;

            assert_int_equal(next_chain(rx, chain, &first), 1);
            assert_true(chain[0].flags == VIRTQ_WRITE && chain[0].length == 12 + NET_FRAME_MAX);
            bytes = (uint8_t *)(uintptr_t)chain[0].address;
            memset(bytes, 0, 12);
            memset(bytes + 12, (int)(i + round), NET_FRAME_MAX);
            give_back(rx, first, cases[i].length);
            good += cases[i].good;
            got_count = 0;
            interrupt();
            assert_int_equal(got_count, cases[i].good);
            if (cases[i].good) {
                assert_int_equal(got_length[0], cases[i].length - 12);
                assert_int_equal(got[0][0], i + round);
                assert_int_equal(got[0][got_length[0] - 1], i + round);
            }
            /* and again */
            assert_int_equal(rx->available[1], (uint16_t)(17 + round * ARRAY_SIZE(cases) + i));
            assert_int_equal(rx->available[0] & 1, 0);
        }
    assert_int_equal(card->frames_received, good);
    assert_int_equal(card->frames_dropped, 60 - good);
    assert_int_equal(batches, 60);
    /* Nobody heard of what came, nor of the buffers that were offered. */
    next_chain(rx, chain, &first);
    give_back(rx, first, 72);
    ((struct virtio_net_as_it_begins *)(void *)card)->rx.notify = &doorbells[2];
    rx->used[0] = tx->used[0] = 1;
    doorbells[0] = doorbells[2] = 0xffff;
    got_count = 0;
    look_again();
    assert_true(got_count == 1 && doorbells[2] == 0 && doorbells[0] == 1);
    rx->used[0] = tx->used[0] = 0;
    for (unsigned int i = 0; i < 16; i++) {     /* all at once */
        next_chain(rx, chain, &first);
        give_back(rx, first, 72);
    }
    got_count = 0;
    masked = true;
    card->poll(card);
    masked = false;
    assert_int_equal(got_count, 16);
    assert_int_equal(batches, 62);
    masked = true;
    card->poll(card);
    masked = false;
    assert_int_equal(batches, 62);              /* nothing came */
    card->receive = NULL;
    card->received = NULL;
    next_chain(rx, chain, &first);
    give_back(rx, first, 72);
    interrupt();
    assert_int_equal(card->frames_dropped, 60 - good + 1);
}

static void devices_that_do_not_come_up(void **state)
{
    __lsan_disable();
    assert_null(real_card(DEVICES));
    assert_int_equal(said, 0);
    for (unsigned int i = 0; i < 5; i++) {
        set_up(state);
        offered = i == 0 ? 0 : 1ull << 5;       /* without an address */
        refuse_start = i == 1;
        refuse_interrupt = i == 2;
        if (i == 3)
            *(uint16_t *)(registers + 0x18) = 0;        /* no queue */
        if (i == 4)
            *(uint16_t *)(registers + 0x1e) = 10;       /* its doorbell is behind the window */
        assert_null(real_card(2));
        assert_int_equal(said, 1);
        assert_false(masked || ready);
    }
    /* six pages of queues, sixteen buffers each way, and the card itself */
    for (unsigned int i = 1; i < 39; i++) {
        set_up(state);
        offered = 1ull << 5;
        allocations_until_failure = i;
        assert_null(real_card(2));
        allocations_until_failure = 0;
        assert_false(masked);
    }
    __lsan_enable();
    set_up(state);
    allocations_until_failure = 40;
    open_card(2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_disk_says_what_it_is, set_up),
        cmocka_unit_test_setup(what_the_disk_is_asked, set_up),
        cmocka_unit_test_setup(a_full_disk_queue, set_up),
        cmocka_unit_test_setup(disks_that_do_not_come_up, set_up),
        cmocka_unit_test_setup(frames_to_the_card, set_up),
        cmocka_unit_test_setup(a_sender_leaves_some, set_up),
        cmocka_unit_test_setup(frames_from_the_card, set_up),
        cmocka_unit_test_setup(devices_that_do_not_come_up, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
