/* SPDX-License-Identifier: MIT */
/*
 * The neighbour: every tenth of a second it says the longest that each of three things took it: a value written to the store and
 * read back, 4 KiB written to the disk and read back (both compared), an echo of dom0's (ICMP). In microseconds of its own clock.
 *     beat 17 store 180 disk 950 ping 140
 * A thing that takes longer than the beat is said in a late line: whoever counts lines sees that, too.
 */
#include "flood.h"

#define BEAT (100 * NS_PER_MS)

static struct blkfront disk;
static struct netfront card;

static uint64_t longest(uint64_t before, uint64_t since)
{
    uint64_t took = (now_ns() - since) / 1000;

    return took > before ? took : before;
}

static void store_works(unsigned int i)
{
    unsigned long back = 0;

    CHECK_IS(xs_printf(XS_NONE, "data", "neighbour", "%u", i), 0);
    CHECK_IS(xs_read_ulong(XS_NONE, "data", "neighbour", &back), 0);
    CHECK_IS(back, i);
}

static void disk_works(unsigned int i)
{
    static _Alignas(4096) uint8_t out[4096], in[4096];
    uint64_t sector = i % 64 * 8;

    memset(out, (int)i, sizeof(out));
    CHECK_IS(block_write(&disk.device, sector, out, 8), 0);
    CHECK_IS(block_read(&disk.device, sector, in, 8), 0);
    CHECK(!memcmp(in, out, sizeof(in)));
}

/* --- ping (RFC 826, 791, 792) ------------------------------------------------------------------------------------------------ */

#define OUR_IP 10, 0, 2, 77
#define DOM0_IP 10, 0, 2, 10

static uint8_t dom0_mac[NET_MAC];
static unsigned int echoes;
static uint8_t frame[64];

static void arrived(struct netport *port, void *bytes, size_t length, uint32_t flags)
{
    static const uint8_t from[4] = { DOM0_IP };
    const uint8_t *at = bytes;

    if (length >= 42 && at[12] == 8 && at[13] == 6 && at[21] == 2 && !memcmp(at + 28, from, 4))
        memcpy(dom0_mac, at + 22, NET_MAC);
    if (length >= 42 && at[12] == 8 && at[13] == 0 && at[23] == 1 && at[34] == 0 && !memcmp(at + 26, from, 4))
        echoes = (unsigned int)at[40] << 8 | at[41];
}

static void send(size_t length)
{
    bool masked = events_save();

    card.port.send(&card.port, frame, length, 0);
    card.port.flush(&card.port);
    events_restore(masked);
}

static void header(const uint8_t *to, uint8_t type)
{
    memset(frame, 0, sizeof(frame));
    memcpy(frame, to, NET_MAC);
    memcpy(frame + NET_MAC, card.port.mac, NET_MAC);
    frame[12] = 8;
    frame[13] = type;
}

static void ask_for_dom0(void)
{
    static const uint8_t question[] = { 0, 1, 8, 0, 6, 4, 0, 1 }, all[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
    static const uint8_t ours[] = { OUR_IP }, dom0[] = { DOM0_IP };

    header(all, 6);
    memcpy(frame + 14, question, sizeof(question));
    memcpy(frame + 22, card.port.mac, NET_MAC);
    memcpy(frame + 28, ours, 4);
    memcpy(frame + 38, dom0, 4);
    send(42);
}

static void sum_up(size_t at, size_t length, size_t field)
{
    unsigned int sum = ~net_sum(frame + at, length, 0) & 0xffff;

    frame[field] = (uint8_t)(sum >> 8);
    frame[field + 1] = (uint8_t)sum;
}

static void send_echo(unsigned int i)
{
    static const uint8_t ip[] = { 0x45, 0, 0, 28, 0, 0, 0x40, 0, 64, 1, 0, 0, OUR_IP, DOM0_IP };

    header(dom0_mac, 0);
    memcpy(frame + 14, ip, sizeof(ip));
    sum_up(14, 20, 24);
    frame[34] = 8;
    frame[40] = (uint8_t)(i >> 8);
    frame[41] = (uint8_t)i;
    sum_up(34, 8, 36);
    send(42);
}

/* A frame may be lost where somebody floods: then another, and the time goes on. */
static void ping_works(unsigned int i)
{
    i &= 0xffff;
    while (echoes != i) {
        uint64_t again = now_ns() + 20 * NS_PER_MS;

        send_echo(i);
        while (echoes != i && now_ns() < again)
            thread_sleep(NS_PER_MS / 20);
    }
}

/* --- the beat ---------------------------------------------------------------------------------------------------------------- */

void be_the_neighbour(void)
{
    int vdev = blkfront_first();
    unsigned int i = 0;

    card.port.receive = arrived;
    NEED(vdev >= 0 && blkfront_open(&disk, (unsigned int)vdev) == 0 && netfront_open(&card, 0) == 0);
    while (!dom0_mac[0] && !dom0_mac[1]) {
        ask_for_dom0();
        thread_sleep(10 * NS_PER_MS);
    }
    for (unsigned int beat = 0;; beat++) {
        uint64_t store = 0, block = 0, ping = 0, start;

        for (uint64_t until = now_ns() + BEAT; now_ns() < until; i++) {
            start = now_ns();
            store_works(i);
            store = longest(store, start);
            start = now_ns();
            disk_works(i);
            block = longest(block, start);
            start = now_ns();
            ping_works(i + 1);
            ping = longest(ping, start);
            thread_sleep(2 * NS_PER_MS);
        }
        printk("beat %u store %lu disk %lu ping %lu\n", beat, (unsigned long)store, (unsigned long)block, (unsigned long)ping);
    }
}
