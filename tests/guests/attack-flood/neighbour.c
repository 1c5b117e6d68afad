/* SPDX-License-Identifier: MIT */
/*
 * The neighbour: every beat (a tenth of a second, or beat=MS) it says how long each of three things
 * took it: a question to the store and its answer, 4 KiB written to the disk or read from it (what
 * was written is read back and compared), an echo of dom0's (ICMP). The least, the median, the 99th
 * percentile and the longest of them, in microseconds of its own clock:
 *     beat 17 store 80 85 120 180 disk 110 140 800 950 ping 90 95 130 140
 * A thing that takes longer than the beat is said in a late line: whoever counts lines sees that,
 * too. Keys are echoed.
 */
#include "flood.h"

#define MOST 2000u                      /* of each thing in a beat; what is beyond is not counted */

static struct blkfront disk;
static struct netfront card;

/* ---- how long it took ---- */

struct times { unsigned int count; uint32_t us[MOST]; };
static struct times store_times, disk_times, ping_times;

/* Kept sorted. */
static void took(struct times *times, uint64_t since)
{
    uint32_t us = (uint32_t)((now_ns() - since) / NS_PER_US);
    unsigned int at = times->count;

    if (at == MOST) return;
    for (; at && times->us[at - 1] > us; at--)
        times->us[at] = times->us[at - 1];
    times->us[at] = us;
    times->count++;
}

/* Into the line; and begins anew. */
static size_t say(char *line, size_t room, const char *what, struct times *times)
{
    unsigned int last = times->count - 1;
    int size = snprintf(line, room, " %s %u %u %u %u", what, times->us[0], times->us[last / 2],
                        times->us[last * 99 / 100], times->us[last]);

    times->count = 0;
    return (size_t)size;
}

/* ---- what is done ---- */

static void store_works(unsigned int i)
{
    unsigned long back = 0;
    uint64_t start = now_ns();

    CHECK_IS(xs_printf(XS_NONE, "data", "neighbour", "%u", i), 0);
    took(&store_times, start);
    start = now_ns();
    CHECK_IS(xs_read_ulong(XS_NONE, "data", "neighbour", &back), 0);
    took(&store_times, start);
    CHECK_IS(back, i);
}

static WAIT_QUEUE(transferred);
static int disk_status;

static void transfer_done(struct block_request *request, int status)
{
    disk_status = status;
    wake_all(&transferred);
}

/* Sleeps meanwhile, and lets the echoes of keys go on. */
static int transfer(enum block_operation operation, uint64_t sector, void *data)
{
    struct block_request request = {
        .operation = operation, .sector = sector, .sectors = 8, .done = transfer_done
    };
    uint64_t start = now_ns();
    bool masked = events_save();

    block_describe(&request, data, 4096, virt_to_machine);
    disk_status = 1;
    block_submit(&disk.device, &request);
    block_kick(&disk.device);
    events_restore(masked);
    wait_event(transferred, disk_status <= 0);
    took(&disk_times, start);
    return disk_status;
}

static void disk_works(unsigned int i)
{
    static _Alignas(4096) uint8_t out[4096], in[4096];
    uint64_t sector = i % 64 * 8;

    memset(out, (int)i, sizeof(out));
    CHECK_IS(transfer(BLOCK_WRITE, sector, out), 0);
    CHECK_IS(transfer(BLOCK_READ, sector, in), 0);
    CHECK(!memcmp(in, out, sizeof(in)));
}

/* --- ping (RFC 826, 791, 792) --- */

#define OUR_IP 10, 0, 2, 77
#define DOM0_IP 10, 0, 2, 10

static uint8_t dom0_mac[NET_MAC];
static unsigned int echoes;
static uint8_t frame[64];
static WAIT_QUEUE(echoed);

static void arrived(struct netport *port, void *bytes, size_t length, uint32_t flags)
{
    static const uint8_t from[4] = { DOM0_IP };
    const uint8_t *at = bytes;

    if (length >= 42 && at[12] == 8 && at[13] == 6 && at[21] == 2 && !memcmp(at + 28, from, 4))
        memcpy(dom0_mac, at + 22, NET_MAC);
    if (length >= 42 && at[12] == 8 && at[13] == 0 && at[23] == 1 && at[34] == 0 &&
        !memcmp(at + 26, from, 4))
        echoes = (unsigned int)at[40] << 8 | at[41];
    wake_all(&echoed);
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
    static const uint8_t question[] = { 0, 1, 8, 0, 6, 4, 0, 1 },
                         all[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
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
    uint64_t start = now_ns();

    i &= 0xffff;
    do
        send_echo(i);
    while (!wait_event_timeout(echoed, echoes == i, 20 * NS_PER_MS));
    took(&ping_times, start);
}

/* --- the beat --- */

static void echo_keys(void *unused)
{
    for (;;)
        printk("%c\n", console_getchar());
}

static void be_ready(void)
{
    int vdev = blkfront_first();

    card.port.receive = arrived;
    NEED(vdev >= 0 && blkfront_open(&disk, (unsigned int)vdev) == 0 &&
         netfront_open(&card, 0) == 0);
    while (!dom0_mac[0] && !dom0_mac[1]) {
        ask_for_dom0();
        thread_sleep(10 * NS_PER_MS);
    }
    NEED(thread_create("keys", echo_keys, NULL));
}

void be_the_neighbour(void)
{
    char option[8] = "100", line[200];
    unsigned int i = 0;
    uint64_t length;

    (void)command_option("beat", option, sizeof(option));
    length = strtoul(option, NULL, 10) * NS_PER_MS;
    be_ready();
    for (unsigned int beat = 0;; beat++) {
        size_t size = (size_t)snprintf(line, sizeof(line), "beat %u", beat);

        for (uint64_t until = now_ns() + length; now_ns() < until; i++) {
            store_works(i);
            disk_works(i);
            ping_works(i + 1);
            thread_sleep(2 * NS_PER_MS);
        }
        size += say(line + size, sizeof(line) - size, "store", &store_times);
        size += say(line + size, sizeof(line) - size, "disk", &disk_times);
        size += say(line + size, sizeof(line) - size, "ping", &ping_times);
        printk("%s\n", line);
    }
}
