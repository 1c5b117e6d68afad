/* SPDX-License-Identifier: MIT */
/* Who has 10.0.2.2? QEMU's user network answers: what guests ask that want to know whether a card
 * works, in both directions. */
#ifndef GUESTS_ARP_H
#define GUESTS_ARP_H

#include <pvguest/string.h>
#include <drivers/net.h>

static const uint8_t arp_gateway[4] = { 10, 0, 2, 2 };

/* Sends the question as 10.0.2.`ours`; not before the port is flushed. */
static inline bool arp_ask(struct netport *port, uint8_t ours)
{
    static const uint8_t head[] = { 8, 6, 0, 1, 8, 0, 6, 4, 0, 1 };
    static uint8_t frame[60];
    const uint8_t own[4] = { 10, 0, 2, ours };

    memset(frame, 0xff, 6);
    memcpy(frame + 6, port->mac, 6);
    memcpy(frame + 12, head, sizeof head);
    memcpy(frame + 22, port->mac, 6);
    memcpy(frame + 28, own, 4);
    memcpy(frame + 38, arp_gateway, 4);
    return port->send(port, frame, sizeof frame, 0);
}

/* Is it the answer, to us? */
static inline bool arp_answers(const struct netport *port, const uint8_t *frame, size_t length)
{
    return length >= 42 && frame[12] == 8 && frame[13] == 6 && frame[21] == 2 &&
           memcmp(frame + 28, arp_gateway, 4) == 0 && memcmp(frame, port->mac, 6) == 0;
}

#endif
