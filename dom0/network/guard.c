/* SPDX-License-Identifier: MIT */
/* See guard.h. Frames are looked at byte by byte, and never behind their end. */
#include "guard.h"
#include <pvguest/refuse.h>
#if __STDC_HOSTED__
#include <string.h>
#else
#include <pvguest/string.h>
#endif

#define ETHERTYPE_ARP 0x0806u
#define ETHERTYPE_VLAN 0x8100u
#define ETHERTYPE_QINQ 0x88a8u

static unsigned int get16(const uint8_t *at)
{
    return (unsigned int)at[0] << 8 | at[1];
}

void guard_init(struct guard *guard, const struct guard_rule *rule, uint64_t now)
{
    *guard = (struct guard){ .rule = *rule };
    bucket_init(&guard->flood, GUARD_FLOOD_RATE, GUARD_FLOOD_BURST, now);
    bucket_init(&guard->bytes, rule->rate, rule->burst, now);
}

/* The ARP packet in a frame, behind any VLAN tags; NULL: it holds none. *length: what there is of
 * it. */
static const uint8_t *find_arp(const uint8_t *frame, size_t *length)
{
    size_t at = 2 * NET_MAC;

    while (at + 2 <= *length &&
           (get16(frame + at) == ETHERTYPE_VLAN || get16(frame + at) == ETHERTYPE_QINQ))
        at += 4;
    if (at + 2 > *length || get16(frame + at) != ETHERTYPE_ARP) return NULL;
    *length -= at + 2;
    return frame + at + 2;
}

static bool address_allowed(const struct guard_rule *rule, const uint8_t *at)
{
    uint32_t address = get16(at) << 16 | get16(at + 2);

    if (!rule->addresses || !address)   /* 0: who only asks whether an address is free */
        return true;
    for (unsigned int i = 0; i < rule->addresses; i++)
        if (rule->address[i] == address)
            return true;
    return false;
}

/* Questions as well as answers: both are believed by who hears them. */
static bool arp_is_honest(const struct guard_rule *rule, const uint8_t *arp, size_t length)
{
    static const uint8_t ethernet_ip4[] = { 0, 1, 8, 0, NET_MAC, 4 };

    return length >= 28 && memcmp(arp, ethernet_ip4, sizeof ethernet_ip4) == 0 &&
           memcmp(arp + 8, rule->mac, NET_MAC) == 0 && address_allowed(rule, arp + 14);
}

bool guard_knows_sender(struct guard *guard, const uint8_t *frame, size_t length)
{
    const struct guard_rule *rule = &guard->rule;
    const uint8_t *arp;

    if (rule->spoof) return true;
    arp = find_arp(frame, &length);
    if (memcmp(frame + NET_MAC, rule->mac, NET_MAC) == 0 &&
        (!arp || arp_is_honest(rule, arp, length)))
        return true;
    refused(guard->spoofed++);
    return false;
}

bool guard_lets_flood(struct guard *guard, size_t length, uint64_t now)
{
    if (bucket_take(&guard->flood, length > NET_FRAME_MAX ? length / NET_CUT_MIN + 1 : 1, now))
        return true;
    refused(guard->floods++);
    return false;
}

uint64_t guard_pays(struct guard *guard, size_t bytes, uint64_t now)
{
    if (!guard->rule.rate) return 0;
    bucket_spend(&guard->bytes, bytes, now);
    return bucket_wait(&guard->bytes, now);
}
