/* SPDX-License-Identifier: MIT */
/*
 * Completing TCP and UDP checksums that a guest left blank. A guest that believes its card will do it stores only the
 * pseudo header's sum; before the frame reaches a wire, or a guest that checks, somebody must do the rest. Pure. The
 * frame comes from a guest, so every length in it is checked against the frame's own.
 */
#include <drivers/net.h>

#define TYPE_IPV4 0x0800u
#define TYPE_IPV6 0x86ddu
#define TYPE_VLAN 0x8100u
#define PROTOCOL_TCP 6u
#define PROTOCOL_UDP 17u

static unsigned int big16(const uint8_t *at)
{
    return (unsigned int)at[0] << 8 | at[1];
}

/* Adds a run of bytes to a one's complement sum of 16-bit words (RFC 1071); an odd last byte is the high half. */
static uint64_t add_words(uint64_t sum, const uint8_t *at, size_t length)
{
    for (; length >= 2; at += 2, length -= 2)
        sum += big16(at);
    return length ? sum + ((unsigned int)at[0] << 8) : sum;
}

static unsigned int fold(uint64_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (unsigned int)sum;
}

/* The sum is made anew from the addresses instead of trusting what the guest left in the field. */
static void complete(uint8_t *segment, size_t length, const uint8_t *addresses, size_t address_bytes, unsigned int protocol)
{
    size_t field = protocol == PROTOCOL_TCP ? 16 : 6;

    if ((protocol != PROTOCOL_TCP && protocol != PROTOCOL_UDP) || length < field + 2)
        return;
    segment[field] = segment[field + 1] = 0;

    uint64_t sum = add_words(0, addresses, address_bytes) + length + protocol;
    unsigned int value = ~fold(add_words(sum, segment, length)) & 0xffff;

    if (value == 0 && protocol == PROTOCOL_UDP)
        value = 0xffff;         /* zero would mean "no checksum" in UDP; both are the same number in one's complement */
    segment[field] = (uint8_t)(value >> 8);
    segment[field + 1] = (uint8_t)value;
}

static void complete_ipv4(uint8_t *packet, size_t room)
{
    size_t header = room >= 20 ? (packet[0] & 15u) * 4u : 0;
    size_t total = header >= 20 ? big16(packet + 2) : 0;
    bool is_fragment = header >= 20 && (big16(packet + 6) & 0x3fff);   /* more to follow, or not the first */

    if (header < 20 || total < header || total > room || is_fragment)
        return;
    complete(packet + header, total - header, packet + 12, 8, packet[9]);
}

static void complete_ipv6(uint8_t *packet, size_t room)
{
    if (room < 40 || big16(packet + 4) + 40u > room)
        return;
    complete(packet + 40, big16(packet + 4), packet + 8, 32, packet[6]);
}

void net_complete_checksum(uint8_t *frame, size_t length)
{
    size_t header = NET_FRAME_MIN;

    if (length < header)
        return;
    if (big16(frame + 12) == TYPE_VLAN)
        header += 4;
    if (length < header)
        return;
    if (big16(frame + header - 2) == TYPE_IPV4)
        complete_ipv4(frame + header, length - header);
    else if (big16(frame + header - 2) == TYPE_IPV6)
        complete_ipv6(frame + header, length - header);
}
