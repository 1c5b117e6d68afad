/* SPDX-License-Identifier: MIT */
/*
 * What a guest may send through its card. Pure.
 *
 * A frame's source is the address that the toolstack gave the card, and an ARP packet speaks of
 * that address only, and of the IP addresses the configuration names, if it names any. `spoof=1`
 * lets a guest that bridges or routes for others send from other sources; never from one that
 * belongs to a card of this bridge (bridge.c sees to that). Frames for all and for stations nobody
 * knows, which the bridge copies to every port, come at a rate. So does everything, if the
 * configuration says `rate=`: then the card's ring is left alone until the debt is paid, and
 * nothing is dropped.
 */
#ifndef DOM0_GUARD_H
#define DOM0_GUARD_H

#include <drivers/net.h>
#include "dom0/bucket.h"

#define GUARD_ADDRESSES 4u
#define GUARD_FLOOD_RATE 256u       /* flooded frames a second, of one port */
#define GUARD_FLOOD_BURST 512u      /* so many at once after two quiet seconds */

struct guard_rule {
    uint8_t mac[NET_MAC];
    bool spoof;
    uint32_t address[GUARD_ADDRESSES];      /* 10.0.2.10 is 0x0a00020a */
    unsigned int addresses;         /* 0: any */
    uint64_t rate, burst;           /* bytes a second, and at once; rate 0: no limit */
};

struct guard {
    struct guard_rule rule;
    struct bucket flood, bytes;
    uint64_t spoofed, floods;       /* frames dropped for each of the two reasons */
    uint64_t pauses;                /* times the rate has stopped the card */
};

void guard_init(struct guard *guard, const struct guard_rule *rule, uint64_t now);
/* Is the frame's sender who it says? `length` is at least NET_FRAME_MIN. */
bool guard_knows_sender(struct guard *guard, const uint8_t *frame, size_t length);
/* May one more frame of so many bytes be flooded? A large one counts as all the pieces that it may
 * be cut into. */
bool guard_lets_flood(struct guard *guard, size_t length, uint64_t now);
/* So many bytes were sent. Nanoseconds to stop the card for, 0: none. */
uint64_t guard_pays(struct guard *guard, size_t bytes, uint64_t now);

#endif
