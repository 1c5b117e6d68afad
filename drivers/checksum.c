/* SPDX-License-Identifier: MIT */
/*
 * What cards do for guests, in software: completing TCP and UDP checksums that a guest left blank,
 * and cutting large TCP frames. A guest that believes its card will do it stores only the pseudo
 * header's sum, or hands over 64 KiB at once; before that reaches a wire, or a guest that checks,
 * somebody must do the rest. Pure. The frame comes from a guest, so every length in it is checked
 * against the frame's own.
 */
#include <drivers/net.h>
#include <pvguest/refuse.h>
#if __STDC_HOSTED__
#include <string.h>
#else
#include <pvguest/string.h>
#endif

#define TYPE_IPV4 0x0800u
#define TYPE_IPV6 0x86ddu
#define TYPE_VLAN 0x8100u
#define PROTOCOL_TCP 6u
#define PROTOCOL_UDP 17u

static unsigned int big16(const uint8_t *at)
{
    return (unsigned int)at[0] << 8 | at[1];
}

static unsigned int fold(uint64_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (unsigned int)sum;
}

/* One's complement: the carry comes back in. */
static uint64_t add_around(uint64_t a, uint64_t b)
{
    uint64_t sum = a + b;

    return sum + (sum < a);
}

/*
 * Adds a run of bytes to a one's complement sum of 16-bit words; an odd last byte is the high half.
 * The sum is the same in either byte order but for its own bytes' order, and of any width whose
 * carries come back in at the low end (RFC 1071, 2): so eight bytes at a time, as this CPU reads
 * them.
 */
static uint64_t add_words(uint64_t sum, const uint8_t *at, size_t length)
{
    uint64_t wide = 0, word;

#pragma GCC unroll 4
    for (; length >= 8; at += 8, length -= 8) {
        __builtin_memcpy(&word, at, 8);
        wide = add_around(wide, word);
    }
    word = 0;
    for (size_t i = 0; i < length; i++)
        word |= (uint64_t)at[i] << 8 * i;
    return sum + __builtin_bswap16((uint16_t)fold(add_around(wide, word)));
}

unsigned int net_sum(const uint8_t *at, size_t length, uint64_t more)
{
    return fold(add_words(more, at, length));
}

/* The sum is made anew from the addresses instead of trusting what the guest left in the field. */
static void complete(uint8_t *segment, size_t length, const uint8_t *addresses,
                     size_t address_bytes, unsigned int protocol)
{
    size_t field = protocol == PROTOCOL_TCP ? 16 : 6;

    if ((protocol != PROTOCOL_TCP && protocol != PROTOCOL_UDP) || length < field + 2) return;
    segment[field] = segment[field + 1] = 0;

    uint64_t sum = add_words(0, addresses, address_bytes) + length + protocol;
    unsigned int value = ~fold(add_words(sum, segment, length)) & 0xffff;

    if (value == 0 && protocol == PROTOCOL_UDP)
        value = 0xffff;         /* zero would mean "no checksum"; both are one number here */
    segment[field] = (uint8_t)(value >> 8);
    segment[field + 1] = (uint8_t)value;
}

static void complete_ipv4(uint8_t *packet, size_t room)
{
    size_t header = room >= 20 ? (packet[0] & 15u) * 4u : 0;
    size_t total = header >= 20 ? big16(packet + 2) : 0;
    /* more to follow, or not the first */
    bool is_fragment = header >= 20 && (big16(packet + 6) & 0x3fff);

    if (header < 20 || total < header || total > room || is_fragment) return;
    complete(packet + header, total - header, packet + 12, 8, packet[9]);
}

static void complete_ipv6(uint8_t *packet, size_t room)
{
    if (room < 40 || big16(packet + 4) + 40u > room) return;
    complete(packet + 40, big16(packet + 4), packet + 8, 32, packet[6]);
}

void net_complete_checksum(uint8_t *frame, size_t length)
{
    size_t header = NET_FRAME_MIN;

    if (length < header) return;
    if (big16(frame + 12) == TYPE_VLAN)
        header += 4;
    if (length < header) return;
    if (big16(frame + header - 2) == TYPE_IPV4)
        complete_ipv4(frame + header, length - header);
    else if (big16(frame + header - 2) == TYPE_IPV6)
        complete_ipv6(frame + header, length - header);
}

/* --- cutting --- */

#define TCP_CWR 0x80u
#define TCP_PSH 0x08u
#define TCP_FIN 0x01u

static void set_big16(uint8_t *at, size_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

bool net_cut_begin(struct net_cutter *cutter, const uint8_t *frame, size_t length,
                   unsigned int size)
{
    const uint8_t *ip = frame + NET_FRAME_MIN;

    if (length < NET_FRAME_MIN + 40 || length > NET_LARGE_MAX || big16(frame + 12) != TYPE_IPV4 ||
        ip[0] >> 4 != 4 || ip[9] != PROTOCOL_TCP)
        return refused(false);

    size_t ip_header = (ip[0] & 15u) * 4u, tcp = NET_FRAME_MIN + ip_header;

    if (ip_header < 20 || tcp + 20 > length) return refused(false);

    size_t header = tcp + (frame[tcp + 12] >> 4) * 4u;

    if (header < tcp + 20 || header >= length || size < NET_CUT_MIN ||
        header + size > NET_FRAME_MAX)
        return refused(false);
    *cutter = (struct net_cutter){
        .frame = frame, .header = header, .tcp = tcp, .length = length, .size = size
    };
    return true;
}

size_t net_cut_next(struct net_cutter *cutter, uint8_t *out)
{
    size_t payload = cutter->length - cutter->header - cutter->at;
    bool first = cutter->at == 0, last = payload <= cutter->size;
    uint8_t *ip = out + NET_FRAME_MIN, *tcp = out + cutter->tcp;

    if (payload == 0) return 0;
    if (!last)
        payload = cutter->size;
    memcpy(out, cutter->frame, cutter->header);
    memcpy(out + cutter->header, cutter->frame + cutter->header + cutter->at, payload);

    size_t ip_header = cutter->tcp - NET_FRAME_MIN;

    set_big16(ip + 2, cutter->header - NET_FRAME_MIN + payload);
    /* each has an identification of its own */
    set_big16(ip + 4, big16(ip + 4) + cutter->at / cutter->size);
    set_big16(ip + 10, 0);
    set_big16(ip + 10, ~fold(add_words(0, ip, ip_header)));

    uint32_t sequence = (uint32_t)big16(tcp + 4) << 16 | big16(tcp + 6);

    sequence += (uint32_t)cutter->at;
    set_big16(tcp + 4, sequence >> 16);
    set_big16(tcp + 6, sequence & 0xffff);
    if (!first)
        tcp[13] &= (uint8_t)~TCP_CWR;   /* said once */
    if (!last)
        tcp[13] &= (uint8_t)~(TCP_PSH | TCP_FIN);       /* only the end is the end */
    cutter->at += payload;
    net_complete_checksum(out, cutter->header + payload);
    return cutter->header + payload;
}
