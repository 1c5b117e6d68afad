/* SPDX-License-Identifier: MIT */
/*
 * The one endpoint of this machine, its place at the bridge, and what an operator sees of it
 * (address.h).
 */
#include "dom0/xl/address.h"
#include "dom0/network/br0.h"
#include "dom0/network/endpoint.h"
#include "dom0/xl/verbs.h"
#include <pvguest/console.h>
#include <pvguest/time.h>

static struct endpoint endpoint;

/* "10.0.2.10", or "10.0.2.10/24" as other systems want it: who only answers does not need to know
 * how large the net is. */
static bool parse(const char *text, uint32_t *address)
{
    char *end;

    *address = 0;
    for (int i = 0; i < 4; i++, text = end + 1) {
        unsigned long part = strtoul(text, &end, 10);

        if (end == text || part > 255 || *end != (i < 3 ? '.' : *end == '/' ? '/' : '\0'))
            return false;
        *address = *address << 8 | (uint32_t)part;
    }
    return *end == '\0' || (strtoul(text, &end, 10) <= 32 && end != text && *end == '\0');
}

static bool give(const char *text)
{
    uint32_t address;

    if (!strcmp(text, "none"))
        address = 0;
    else if (!parse(text, &address) || !address)
        return false;
    return endpoint_set_address(&endpoint, address);
}

static void show(void)
{
    uint32_t address = endpoint.address;
    const uint8_t *mac = endpoint.port.mac;

    if (!address) {
        printk("dom0 has no address; `ip 10.0.2.10` would give it one\n");
        return;
    }
    printk("address  %u.%u.%u.%u  %02x:%02x:%02x:%02x:%02x:%02x\n", address >> 24,
           address >> 16 & 255, address >> 8 & 255, address & 255, mac[0], mac[1], mac[2], mac[3],
           mac[4], mac[5]);
    printk("frames   %lu taken, %lu sent, %lu dropped\n", (unsigned long)endpoint.port.frames_sent,
           (unsigned long)endpoint.port.frames_received,
           (unsigned long)endpoint.port.frames_dropped);
    printk("discard  %u connections open, %lu so far, %lu bytes\n", tcp_count(&endpoint.tcp),
           (unsigned long)endpoint.tcp.opened, (unsigned long)endpoint.tcp.bytes);
}

bool verb_ip(const struct call *call)
{
    if (call->count && !give(call->word[0])) {
        printk("Error: '%s' is no address for dom0: one like 10.0.2.10, or none\n", call->word[0]);
        return false;
    }
    show();
    return true;
}

int address_start(const struct netport *card, const char *ip)
{
    static const uint8_t no_card[NET_MAC];
    int error;

    endpoint_init(&endpoint, card ? card->mac : no_card, now_ns);
    error = br0_plug(&endpoint.port);
    if (!error && *ip && !give(ip))
        printk("dom0: ip=%s is no address for dom0\n", ip);
    return error;
}
