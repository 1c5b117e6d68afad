/* SPDX-License-Identifier: MIT */
/*
 * What endpoint.c and the protocols above it share: packets as they come up, answers as they go
 * down, and numbers of the network's byte order, at any alignment.
 */
#ifndef DOM0_NETWORK_PACKET_H
#define DOM0_NETWORK_PACKET_H

#include "dom0/network/endpoint.h"

#define PROTOCOL_ICMP 1u
#define PROTOCOL_TCP 6u

/* What lay in an IPv4 packet for us; its lengths and its header's checksum have been judged. */
struct packet {
    const uint8_t *mac;                 /* the station it came from */
    uint32_t from;
    const uint8_t *bytes;
    size_t length;
    bool checked;                       /* the TCP checksum is blank or somebody has looked at it */
};

/* Room for `length` bytes in an IPv4 packet on its way to that station; it goes when the batch
 * ends. NULL: no room. */
uint8_t *reply_new(struct endpoint *endpoint, const uint8_t *mac, uint32_t to, unsigned protocol,
                   size_t length);

/* Asks everybody what the MAC of that address is. */
void endpoint_seek(struct endpoint *endpoint, uint32_t address);

static inline unsigned get16(const uint8_t *at)
{
    return (unsigned)at[0] << 8 | at[1];
}

static inline uint32_t get32(const uint8_t *at)
{
    return (uint32_t)get16(at) << 16 | get16(at + 2);
}

static inline void set16(uint8_t *at, size_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static inline void set32(uint8_t *at, uint32_t value)
{
    set16(at, value >> 16);
    set16(at + 2, value);
}

#endif
