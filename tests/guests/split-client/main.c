/* SPDX-License-Identifier: MIT */
/*
 * A domU's disk and card, against whatever back ends its dom0 has: data written is read back,
 * sectors beyond the end are refused, the network behind the bridge answers ARP; then both devices
 * are closed and opened again. Skips when it runs bare, without a XenStore. Command line: "arp"
 * expects 10.0.2.2 to answer (QEMU's user network).
 */
#include "../lib/arp.h"
#include "../lib/test.h"

#include <drivers/blkfront.h>
#include <drivers/netfront.h>
#include <pvguest/thread.h>
#include <pvguest/xenstore.h>

static struct blkfront disk;
static struct netfront card;
static _Alignas(4096) uint8_t data[64 * 4096], back[64 * 4096];

static void disk_works(unsigned int seed)
{
    uint64_t start = now_ns();

    CHECK_IS(blkfront_open(&disk, (unsigned int)blkfront_first()), 0);
    printk("%s: %lu sectors, flags %x\n", disk.device.name, disk.device.sectors, disk.device.flags);
    for (unsigned int i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * seed + i / 4096);
    for (unsigned int round = 0; round < 8; round++) {
        CHECK_IS(block_write(&disk.device, round * 512, data, sizeof data / 512), 0);
        CHECK_IS(block_flush(&disk.device), 0);
        CHECK_IS(block_read(&disk.device, round * 512, back, sizeof back / 512), 0);
        CHECK(memcmp(data, back, sizeof data) == 0);
    }
    CHECK_REFUSED(block_read(&disk.device, disk.device.sectors, back, 1));
    printk("2 MiB written and read in %lu ms\n", (now_ns() - start) / NS_PER_MS);
    blkfront_close(&disk);
}

static volatile unsigned int replies;

static void receive(struct netport *port, void *bytes, size_t length, uint32_t flags)
{
    if (arp_answers(port, bytes, length))
        replies++;
}

static void ask(struct netport *port)
{
    CHECK(arp_ask(port, 77));
    port->flush(port);
}

static void card_works(void)
{
    char word[4];

    card.port.receive = receive;
    CHECK_IS(netfront_open(&card, 0), 0);
    replies = 0;
    for (unsigned int i = 1; i <= 100 && command_option("arp", word, sizeof word); i++) {
        uint64_t until = now_ns() + 20 * NS_PER_S;
        bool masked = events_save();

        ask(&card.port);
        events_restore(masked);
        while (replies < i && now_ns() < until)
            vcpu_yield();
        CHECK_IS(replies, i);
    }
    netfront_close(&card);
}

void test_main(void)
{
    if (!xs_available())
        test_skip("no XenStore");
    disk_works(3);
    card_works();
    disk_works(5);
    card_works();
}
