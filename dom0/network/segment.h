/* SPDX-License-Identifier: MIT */
/*
 * A TCP segment (RFC 9293, 3.1): from a packet that came, and as a packet that goes. What is done
 * with it is tcp.c's (discard) and stream.c's (a connection that carries something).
 */
#ifndef DOM0_NETWORK_SEGMENT_H
#define DOM0_NETWORK_SEGMENT_H

#include "dom0/base.h"
#include <drivers/net.h>

#define SEGMENT_FIN 0x01u
#define SEGMENT_SYN 0x02u
#define SEGMENT_RST 0x04u
#define SEGMENT_PSH 0x08u
#define SEGMENT_ACK 0x10u

#define SEGMENT_OPTION_END 0u
#define SEGMENT_OPTION_NOTHING 1u
#define SEGMENT_OPTION_MSS 2u           /* four bytes */
#define SEGMENT_OPTION_SCALE 3u         /* three */
#define SEGMENT_MSS 1460u               /* of Ethernet */

struct endpoint;
struct packet;

struct tcp_peer {
    uint8_t mac[NET_MAC];
    uint16_t port;
    uint32_t address;
};

/* One that has come, or one on its way: `peer` is its other end. */
struct segment {
    struct tcp_peer peer;
    unsigned port;                      /* ours */
    uint32_t sequence, ack;
    unsigned flags;
    uint32_t window;
    const uint8_t *options;
    size_t option_bytes;
    const uint8_t *data, *more;         /* more: behind the first `first` of them, on its way */
    uint32_t length, first;
};

/* False: it makes no sense, or its checksum is wrong. */
bool segment_read(struct endpoint *endpoint, const struct packet *packet, struct segment *segment);

/* False: there was no room. */
bool segment_send(struct endpoint *endpoint, const struct segment *segment);

/* To a segment that belongs to no connection [3.10.7.1]. Never to a reset: two could go on for
 * ever. */
void segment_refuse(struct endpoint *endpoint, const struct segment *segment);

/* Of an option of that kind and size (with its first two bytes) what is behind these; NULL: there
 * is none. */
const uint8_t *segment_option(const struct segment *segment, unsigned kind, size_t size);

/* The numbers that it takes. */
static inline uint32_t segment_span(const struct segment *segment)
{
    return segment->length + !!(segment->flags & SEGMENT_SYN) + !!(segment->flags & SEGMENT_FIN);
}

/* Where our numbers begin [3.4.1]: what others cannot easily guess of each peer. (No more than
 * that: who does guess it can speak in another's name.) */
uint32_t segment_first_number(uint64_t secret, const struct tcp_peer *peer, uint32_t theirs);

#endif
