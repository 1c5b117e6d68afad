/* SPDX-License-Identifier: MIT */
/*
 * Real devices driven by a PV dom0: PCI is enumerated and reported, a virtio disk reads and writes
 * by DMA to scattered machine frames, many requests at once, with MSI-X interrupts as event
 * channels; a virtio card sends and receives. Idea: a device finished its work only if an interrupt
 * came that the hypervisor, not we, routed.
 * machine: disk net
 */
#include "../lib/arp.h"
#include "../lib/test.h"

#include <drivers/pci.h>
#include <drivers/real.h>
#include <xen/physdev.h>

/* --- disk --- */

#define REQUESTS 100u
#define PAGES 3u

static struct block_request requests[REQUESTS];
static uint8_t *buffer[REQUESTS];
static volatile unsigned int finished, errors;

static void done(struct block_request *request, int status)
{
    finished++;
    errors += status != 0;
}

/* All at once; their ends must be told by interrupts: nobody polls. */
static bool run_all(struct blockdev *disk, enum block_operation operation)
{
    uint64_t until = now_ns() + 20 * NS_PER_S;
    bool masked = events_save();

    finished = errors = 0;
    for (unsigned int i = 0; i < REQUESTS; i++) {
        requests[i] = (struct block_request){ .operation = operation,
                                              .sector = 64 + i * PAGES * 8,
                                              .done = done };
        block_describe(&requests[i], buffer[i], PAGES * PAGE_SIZE, virt_to_machine);
        block_submit(disk, &requests[i]);
    }
    block_kick(disk);
    events_restore(masked);
    while (finished < REQUESTS && now_ns() < until)
        vcpu_yield();
    return finished == REQUESTS && errors == 0;
}

static void many_at_once(struct blockdev *disk)
{
    uint64_t events = event_handled;
    unsigned int wrong = 0;

    for (unsigned int i = 0; i < REQUESTS; i++) {
        NEED(buffer[i] = alloc_pages(2));
        for (unsigned int j = 0; j < PAGES * PAGE_SIZE / 4; j++)
            ((uint32_t *)(void *)buffer[i])[j] = i << 16 | j;
    }
    CHECK(run_all(disk, BLOCK_WRITE));
    for (unsigned int i = 0; i < REQUESTS; i++)
        memset(buffer[i], 0, PAGES * PAGE_SIZE);
    CHECK(run_all(disk, BLOCK_READ));
    for (unsigned int i = 0; i < REQUESTS; i++)
        for (unsigned int j = 0; j < PAGES * PAGE_SIZE / 4; j++)
            wrong += ((uint32_t *)(void *)buffer[i])[j] != (i << 16 | j);
    CHECK_IS(wrong, 0);
    CHECK(event_handled > events);
    for (unsigned int i = 0; i < REQUESTS; i++)
        free_pages(buffer[i], 2);
}

static void one_by_one(struct blockdev *disk)
{
    uint8_t *page = alloc_zeroed_page();
    struct block_window window;

    NEED(page);
    memcpy(page + 512, "a sector in the middle of a page", 32);
    CHECK_IS(block_write(disk, 7, page + 512, 1), 0);
    CHECK_IS(block_flush(disk), 0);
    memset(page, 0xff, PAGE_SIZE);
    CHECK_IS(block_read(disk, 4, page, 8), 0);
    CHECK(memcmp(page + 3 * 512, "a sector in the middle of a page", 32) == 0);
    CHECK_IS(page[2 * 512 + 511], 0);
    CHECK_REFUSED(block_read(disk, disk->sectors, page, 1));
    CHECK_REFUSED(block_read(disk, disk->sectors - 1, page, 2));
    CHECK_REFUSED(block_write(disk, UINT64_MAX, page, 1));
    CHECK_IS(block_window_open(&window, "window", disk, 7, 1), 0);
    CHECK_IS(block_read(&window.device, 0, page, 1), 0);
    CHECK(memcmp(page, "a sector in the middle of a page", 32) == 0);
    CHECK_REFUSED(block_read(&window.device, 1, page, 1));
    free_page(page);
}

/* Discarded sectors may read as anything; the request must end well, and its neighbours keep their
 * data. */
static void discard(struct blockdev *disk)
{
    struct block_request request = {
        .operation = BLOCK_DISCARD, .sector = 8, .sectors = 8, .done = done
    };
    uint64_t until = now_ns() + 10 * NS_PER_S;
    uint8_t *page = alloc_zeroed_page();

    NEED(page);
    finished = errors = 0;
    block_submit(disk, &request);
    block_kick(disk);
    while (finished == 0 && now_ns() < until)
        vcpu_yield();
    CHECK(finished == 1 && errors == !(disk->flags & BLOCK_CAN_DISCARD));
    CHECK_IS(block_read(disk, 7, page, 1), 0);
    CHECK(memcmp(page, "a sector in the middle of a page", 32) == 0);
    free_page(page);
}

/* --- card --- */

static volatile unsigned int replies;

static void receive(struct netport *port, void *bytes, size_t length, uint32_t flags)
{
    if (arp_answers(port, bytes, length))
        replies++;
}

static void ask(struct netport *port)
{
    CHECK(arp_ask(port, 15));
}

static void card(struct netport *port)
{
    uint64_t until;

    port->receive = receive;
    /* more than the queue holds buffers for, in bursts */
    for (unsigned int round = 0; round < 50; round++) {
        bool masked = events_save();

        for (unsigned int i = 0; i < 8; i++)
            ask(port);
        port->flush(port);
        events_restore(masked);
        until = now_ns() + 5 * NS_PER_S;
        while (replies < (round + 1) * 8 && now_ns() < until)
            vcpu_yield();
    }
    CHECK_IS(replies, 400);
}

/* --- messages; without a table: the disk controller that every machine of QEMU's has --- */

#define CLASS_AHCI 0x010601u
enum { CAPABILITY_MSI = 5, CAPABILITY_MSIX = 17 };
#define MSI_ENABLE 1u
#define MSIX_ENABLE 0x8000u

static uint32_t config(const struct pci_device *device, unsigned int offset, unsigned int bytes)
{
    return pci_read(device->bus, device->devfn, offset, bytes);
}

/* Where its capability is; 0: it has none. */
static unsigned int find(const struct pci_device *device, unsigned int capability)
{
    unsigned int at = config(device, 0x34, 1);

    while (at && config(device, at, 1) != capability)
        at = config(device, at + 1, 1);
    return at;
}

/* Enabled while it is bound, and not before or behind; the message is one of the hypervisor's
 * vectors for its own CPU. */
static void messages_of(const struct pci_device *device, unsigned int at)
{
    struct physdev_map_pirq map = { .domid = DOMID_SELF,
                                    .type = MAP_PIRQ_TYPE_MSI,
                                    .index = -1,
                                    .pirq = -1,
                                    .bus = device->bus,
                                    .devfn = device->devfn,
                                    .entry_nr = 1 };
    struct physdev_unmap_pirq unmap = { .domid = DOMID_SELF };
    struct evtchn_bind_pirq bind = { 0 };
    struct evtchn_close close;
    uint32_t data = at + (config(device, at + 2, 2) & 0x80 ? 12 : 8);

    for (unsigned int round = 0; round < 3; round++) {
        map.pirq = -1;
        CHECK_IS(HYPERVISOR_physdev_op(PHYSDEVOP_map_pirq, &map), 0);
        bind.pirq = (uint32_t)map.pirq;
        unmap.pirq = map.pirq;
        CHECK_IS(config(device, at + 2, 2) & MSI_ENABLE, 0);
        CHECK_IS(HYPERVISOR_event_channel_op(EVTCHNOP_bind_pirq, &bind), 0);
        CHECK_IS(config(device, at + 2, 2) & (0x70 | MSI_ENABLE), MSI_ENABLE);
        CHECK_IS(config(device, at + 4, 4) >> 20, 0xfee);
        CHECK(config(device, data, 2) >= 32 && config(device, data, 2) < 256);
        CHECK_IS(HYPERVISOR_physdev_op(PHYSDEVOP_unmap_pirq, &unmap), -EBUSY);
        close.port = bind.port;
        CHECK_IS(HYPERVISOR_event_channel_op(EVTCHNOP_close, &close), 0);
        CHECK_IS(config(device, at + 2, 2) & MSI_ENABLE, 0);
        CHECK_IS(HYPERVISOR_physdev_op(PHYSDEVOP_unmap_pirq, &unmap), 0);
        CHECK_IS(config(device, at + 2, 2) & MSI_ENABLE, 0);
    }
}

/* With a table: switched off with the last of its messages, and no earlier; another device's do not
 * count. */
static void messages_by_table(const struct pci_device *device, unsigned int at)
{
    struct physdev_map_pirq map = { .domid = DOMID_SELF,
                                    .type = MAP_PIRQ_TYPE_MSI,
                                    .index = -1,
                                    .table_base = PAGE_SIZE,
                                    .bus = device->bus,
                                    .devfn = device->devfn };
    struct physdev_unmap_pirq unmap[2] = { { .domid = DOMID_SELF }, { .domid = DOMID_SELF } };

    CHECK_IS(config(device, at + 2, 2) & MSIX_ENABLE, 0);
    for (int i = 0; i < 2; i++) {
        map.entry_nr = device->msix_vectors - i;
        map.pirq = -1;
        /* behind the last; the last */
        CHECK_IS(HYPERVISOR_physdev_op(PHYSDEVOP_map_pirq, &map), i ? 0 : -EINVAL);
        map.entry_nr = i ? map.entry_nr : 0;
        CHECK_IS(HYPERVISOR_physdev_op(PHYSDEVOP_map_pirq, &map), i ? -EEXIST : 0);
        unmap[i].pirq = map.pirq;
        CHECK_IS(config(device, at + 2, 2) & MSIX_ENABLE, MSIX_ENABLE);
    }
    CHECK_IS(HYPERVISOR_physdev_op(PHYSDEVOP_unmap_pirq, &unmap[0]), 0);
    CHECK_IS(config(device, at + 2, 2) & MSIX_ENABLE, MSIX_ENABLE);
    CHECK_IS(HYPERVISOR_physdev_op(PHYSDEVOP_unmap_pirq, &unmap[1]), 0);
    CHECK_IS(config(device, at + 2, 2) & MSIX_ENABLE, 0);
}

static void messages(void)
{
    for (unsigned int i = 0; i < pci_count() && on_domus(); i++) {
        const struct pci_device *device = pci_get(i);
        unsigned int plain = device->class_code == CLASS_AHCI ? find(device, CAPABILITY_MSI) : 0;

        if (plain)
            messages_of(device, plain);
        if (device->msix_vectors >= 2)
            messages_by_table(device, find(device, CAPABILITY_MSIX));
    }
}

void test_main(void)
{
    struct blockdev *disk;
    struct netport *port;

    CHECK(pci_scan() > 0);
    for (unsigned int i = 0; i < pci_count(); i++)
        printk("pci %02x:%02x.%x %04x:%04x class %06x msix %u\n", pci_get(i)->bus,
               pci_get(i)->devfn >> 3, pci_get(i)->devfn & 7, pci_get(i)->vendor,
               pci_get(i)->device, pci_get(i)->class_code, pci_get(i)->msix_vectors);
    messages();
    disk = real_disk(0);
    port = real_card(0);
    if (!disk || !port)
        test_skip("no virtio disk or no virtio card in this machine");
    printk("%s: %lu sectors, flags %x\n", disk->name, disk->sectors, disk->flags);
    one_by_one(disk);
    many_at_once(disk);
    discard(disk);
    card(port);
}
