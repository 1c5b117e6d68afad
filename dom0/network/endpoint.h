/* SPDX-License-Identifier: MIT */
/*
 * dom0's own address: one more port of the bridge, behind which sits dom0 itself. It answers ARP
 * for its address, ICMP echo, and TCP: port 9, discard (RFC 863), takes whatever comes and throws
 * it away, which is how fast a guest can send without a second guest or a card in the way; every
 * other port is refused.
 *
 * All that only answers, to the station that the question came from. So it needs no routes, no ARP
 * table, no timers and no thread: it runs while the bridge hands over a batch of frames. What asks,
 * too, is the one connection of stream.h: it has turns (own.h).
 *
 * Pure, as the bridge is. Not here: fragments, IP options (skipped), IPv6, UDP.
 */
#ifndef DOM0_NETWORK_ENDPOINT_H
#define DOM0_NETWORK_ENDPOINT_H

#include "dom0/network/stream.h"
#include "dom0/network/tcp.h"
#include <drivers/net.h>

#define ENDPOINT_REPLIES 64u            /* in one batch; what is beyond is not answered */

struct endpoint {
    _Alignas(4096) uint8_t reply[ENDPOINT_REPLIES][2048];       /* none crosses a page */
    size_t reply_length[ENDPOINT_REPLIES];
    unsigned replies;                   /* waiting for the end of the batch */
    uint32_t address;                   /* 10.0.2.10 is 0x0a00020a; 0: none, nothing is answered */
    uint64_t (*now)(void);              /* nanoseconds since some start */
    struct tcp tcp;
    struct stream stream;
    unsigned outside;                   /* port->sender of what comes by the card; or NET_SENDERS */
    struct netport port;                /* to be plugged into a bridge */
};

/* Without an address. `base` is another station's MAC that ours is made from: the machine's
 * card. */
void endpoint_init(struct endpoint *endpoint, const uint8_t base[NET_MAC], uint64_t (*now)(void));

/* What was connected to the old address is forgotten. False: no address a station can have. */
bool endpoint_set_address(struct endpoint *endpoint, uint32_t address);

/* A turn of the stream's (stream_serve). */
bool endpoint_serve(struct endpoint *endpoint, unsigned budget);

#endif
