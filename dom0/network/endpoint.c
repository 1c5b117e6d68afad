/* SPDX-License-Identifier: MIT */
/*
 * The endpoint (endpoint.h) up to IP: the port, ARP, ICMP echo. Every byte that comes is a guest's:
 * no length in it is used before it is compared with what there is. One frame in makes at most one
 * frame out, no longer than itself or a few dozen bytes, so nobody can make dom0 loop or talk more
 * than they do.
 */
#include "dom0/network/endpoint.h"
#include "dom0/base.h"
#include "dom0/network/packet.h"

#define TYPE_IPV4 0x0800u
#define TYPE_ARP 0x0806u

#define ARP_BYTES 28u
#define ARP_REQUEST 1u
#define ARP_REPLY 2u

#define IP_HEADER 20u                   /* ours; others' may have options */
#define IP_FRAGMENT 0x3fffu             /* more to follow, or not the first */
#define IP_WHOLE 0x4000u                /* do not fragment */

#define ICMP_HEADER 8u
#define ICMP_ECHO_REPLY 0u
#define ICMP_ECHO 8u

/* --- down --- */

static uint8_t *frame_new(struct endpoint *endpoint, const uint8_t *mac, unsigned type,
                          size_t length)
{
    uint8_t *frame;

    if (endpoint->replies == ENDPOINT_REPLIES || length > NET_FRAME_MAX - NET_FRAME_MIN) {
        refused(endpoint->port.frames_dropped++);
        return NULL;
    }
    frame = endpoint->reply[endpoint->replies];
    endpoint->reply_length[endpoint->replies++] = NET_FRAME_MIN + length;
    memcpy(frame, mac, NET_MAC);
    memcpy(frame + NET_MAC, endpoint->port.mac, NET_MAC);
    set16(frame + 12, type);
    return frame + NET_FRAME_MIN;
}

uint8_t *reply_new(struct endpoint *endpoint, const uint8_t *mac, uint32_t to, unsigned protocol,
                   size_t length)
{
    uint8_t *ip = frame_new(endpoint, mac, TYPE_IPV4, IP_HEADER + length);

    if (!ip) return NULL;
    memset(ip, 0, IP_HEADER);
    ip[0] = 0x45;                       /* version 4, five words */
    set16(ip + 2, IP_HEADER + length);
    set16(ip + 6, IP_WHOLE);
    ip[8] = 64;                         /* hops */
    ip[9] = (uint8_t)protocol;
    set32(ip + 12, endpoint->address);
    set32(ip + 16, to);
    set16(ip + 10, ~net_sum(ip, IP_HEADER, 0));
    return ip + IP_HEADER;
}

static const uint8_t ethernet_ipv4[6] = { 0, 1, TYPE_IPV4 >> 8, TYPE_IPV4 & 0xff, NET_MAC, 4 };

void endpoint_seek(struct endpoint *endpoint, uint32_t address)
{
    static const uint8_t everybody[NET_MAC] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
    uint8_t *arp = frame_new(endpoint, everybody, TYPE_ARP, ARP_BYTES);

    if (!arp) return;
    memset(arp, 0, ARP_BYTES);
    memcpy(arp, ethernet_ipv4, sizeof(ethernet_ipv4));
    set16(arp + 6, ARP_REQUEST);
    memcpy(arp + 8, endpoint->port.mac, NET_MAC);
    set32(arp + 14, endpoint->address);
    set32(arp + 24, address);
}

/* The end of a batch. The replies stay where they are until whoever gets them has been flushed,
 * too. */
static void flush(struct netport *port)
{
    struct endpoint *endpoint = port->context;

    tcp_acknowledge(endpoint);
    stream_acknowledge(endpoint);
    if (!endpoint->replies) return;
    for (unsigned i = 0; i < endpoint->replies && port->receive; i++) {
        port->frames_received++;        /* from us, by the bridge */
        port->receive(port, endpoint->reply[i], endpoint->reply_length[i], NET_CHECKSUM_GOOD);
    }
    if (port->received)
        port->received(port);
    endpoint->replies = 0;
}

/* --- up: each says whether it could make sense of what came --- */

static bool take_arp(struct endpoint *endpoint, const uint8_t *frame, size_t length)
{
    const uint8_t *asks = frame + NET_FRAME_MIN;
    uint8_t *arp;

    if (length < NET_FRAME_MIN + ARP_BYTES) return refused(false);
    if (memcmp(asks, ethernet_ipv4, sizeof(ethernet_ipv4)) ||
        get32(asks + 24) != endpoint->address)
        return true;                    /* somebody else's */
    if (get16(asks + 6) == ARP_REPLY && endpoint->port.sender == endpoint->outside)
        stream_found(endpoint, get32(asks + 14), asks + 8);
    if (get16(asks + 6) != ARP_REQUEST) return true;
    arp = frame_new(endpoint, frame + NET_MAC, TYPE_ARP, ARP_BYTES);
    if (!arp) return true;
    memcpy(arp, asks, 6);
    set16(arp + 6, ARP_REPLY);
    memcpy(arp + 8, endpoint->port.mac, NET_MAC);
    set32(arp + 14, endpoint->address);
    memcpy(arp + 18, asks + 8, NET_MAC + 4);
    return true;
}

static bool take_icmp(struct endpoint *endpoint, const struct packet *packet)
{
    uint8_t *echo;

    if (packet->length < ICMP_HEADER || net_sum(packet->bytes, packet->length, 0) != 0xffff)
        return refused(false);
    if (packet->bytes[0] != ICMP_ECHO || packet->bytes[1]) return true;
    echo = reply_new(endpoint, packet->mac, packet->from, PROTOCOL_ICMP, packet->length);
    if (!echo) return true;
    memcpy(echo, packet->bytes, packet->length);
    echo[0] = ICMP_ECHO_REPLY;
    set16(echo + 2, 0);
    set16(echo + 2, ~net_sum(echo, packet->length, 0));
    return true;
}

static bool take_tcp(struct endpoint *endpoint, const struct packet *packet)
{
    bool outside = endpoint->port.sender == endpoint->outside;
    struct segment segment;

    if (!segment_read(endpoint, packet, &segment)) return false;
    if (segment.port == TCP_DISCARD)
        tcp_take(endpoint, &segment);
    else if (stream_wants(&endpoint->stream, &segment, outside))
        stream_take(endpoint, &segment);
    else
        refused(segment_refuse(endpoint, &segment));
    return true;
}

static bool is_station(uint32_t address)
{
    return address >> 24 && address >> 28 < 0xe;        /* not 0.x.x.x, no group, no broadcast */
}

static bool take_ipv4(struct endpoint *endpoint, const uint8_t *frame, size_t length,
                      uint32_t flags)
{
    const uint8_t *ip = frame + NET_FRAME_MIN;
    size_t room = length - NET_FRAME_MIN, header, total;

    if (room < IP_HEADER || ip[0] >> 4 != 4) return refused(false);
    header = (ip[0] & 15u) * 4u;
    total = get16(ip + 2);
    if (header < IP_HEADER || total < header || total > room || net_sum(ip, header, 0) != 0xffff)
        return refused(false);

    struct packet packet = {
        .mac = frame + NET_MAC,
        .from = get32(ip + 12),
        .bytes = ip + header,
        .length = total - header,
        .checked = flags & (NET_CHECKSUM_BLANK | NET_CHECKSUM_GOOD | NET_GSO_TCP4),
    };

    if (get16(ip + 6) & IP_FRAGMENT || get32(ip + 16) != endpoint->address ||
        !is_station(packet.from) || packet.from == endpoint->address)
        return refused(false);
    return ip[9] == PROTOCOL_ICMP ? take_icmp(endpoint, &packet)
                                  : ip[9] == PROTOCOL_TCP && take_tcp(endpoint, &packet);
}

/* What the bridge sends to us. Others' frames come, too, while the bridge does not know where they
 * belong. */
static bool send(struct netport *port, const void *data, size_t length, uint32_t flags)
{
    struct endpoint *endpoint = port->context;
    const uint8_t *frame = data;
    bool good;

    if (!endpoint->address || length < NET_FRAME_MIN) return refused(false);
    if (get16(frame + 12) == TYPE_ARP)
        good = take_arp(endpoint, frame, length);
    else if (get16(frame + 12) == TYPE_IPV4 && !memcmp(frame, port->mac, NET_MAC))
        good = take_ipv4(endpoint, frame, length, flags);
    else
        return true;
    port->frames_sent += good;
    port->frames_dropped += !good;
    return good;
}

bool endpoint_serve(struct endpoint *endpoint, unsigned budget)
{
    bool more = endpoint->address && stream_serve(endpoint, budget);

    flush(&endpoint->port);
    return more;
}

/* --- life --- */

static void nobody_cares(struct stream *stream)
{
}

void endpoint_init(struct endpoint *endpoint, const uint8_t base[NET_MAC], uint64_t (*now)(void))
{
    memset(endpoint, 0, sizeof(*endpoint));
    endpoint->now = now;
    endpoint->tcp.secret = now();
    endpoint->outside = NET_SENDERS;
    stream_init(&endpoint->stream, now(), nobody_cares);
    endpoint->port = (struct netport){ .name = "dom0",
                                       .takes_blank = true,
                                       .takes_large = true,
                                       .copies_at_once = true,
                                       .send = send,
                                       .flush = flush,
                                       .poll = flush,
                                       .context = endpoint };
    memcpy(endpoint->port.mac, base, NET_MAC);
    /* One station's, locally given, and never the card's own, which may be locally given, too
     * (QEMU's are). */
    endpoint->port.mac[0] = (uint8_t)(((base[0] & ~1u) | 2u) ^ 0x40u);
}

bool endpoint_set_address(struct endpoint *endpoint, uint32_t address)
{
    if (address && !is_station(address)) return refused(false);
    endpoint->address = address;
    endpoint->replies = 0;
    tcp_forget(&endpoint->tcp);
    stream_forget(&endpoint->stream);
    return true;
}
