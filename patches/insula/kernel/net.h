/* SPDX-License-Identifier: MIT */
/* Packets as they are on the wire, for net.c and udp.c: big-endian, so every field goes through
 * swap16 or swap32. */
#pragma once
#include "kernel.h"

enum { MTU = 1500, UDP = 17 };

struct ethernet { u8 to[6], from[6]; u16 type; } __attribute__((packed));
struct arp {
    u16 hardware, protocol, sizes, operation;
    u8 from_mac[6];
    u32 from_ip;
    u8 to_mac[6];
    u32 to_ip;
} __attribute__((packed));
struct ip {
    u8 version, service;
    u16 length, identification, fragment;
    u8 ttl, protocol;
    u16 checksum;
    u32 from, to;
} __attribute__((packed));
struct icmp { u8 type, code; u16 checksum, identifier, sequence; } __attribute__((packed));
struct udp { u16 from, to, length, checksum; } __attribute__((packed));

static inline u16 swap16(u16 v)
{
    return __builtin_bswap16(v);
}
static inline u32 swap32(u32 v)
{
    return __builtin_bswap32(v);
}

/* 0 over data that includes a right checksum */
u16 internet_checksum(const void *data, u32 n);
