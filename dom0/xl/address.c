/* SPDX-License-Identifier: MIT */
/*
 * What an operator sees of dom0's own place at the bridge (own.h), and how he gives it an
 * address.
 */
#include "dom0/xl/address.h"
#include "dom0/config/address.h"
#include "dom0/network/own.h"
#include "dom0/xl/verbs.h"
#include <pvguest/console.h>

static bool give(const char *text)
{
    uint32_t address;

    if (!strcmp(text, "none"))
        address = 0;
    else if (!address_parse(text, &address) || !address)
        return false;
    return endpoint_set_address(&own_endpoint, address);
}

static void show(void)
{
    uint32_t address = own_endpoint.address;
    const struct netport *port = &own_endpoint.port;
    const uint8_t *mac = port->mac;
    char text[ADDRESS_TEXT];

    if (!address) {
        printk("dom0 has no address; `ip 10.0.2.10` would give it one\n");
        return;
    }
    printk("address  %s  %02x:%02x:%02x:%02x:%02x:%02x\n", address_text(address, text), mac[0],
           mac[1], mac[2], mac[3], mac[4], mac[5]);
    printk("frames   %lu taken, %lu sent, %lu dropped\n", (unsigned long)port->frames_sent,
           (unsigned long)port->frames_received, (unsigned long)port->frames_dropped);
    printk("discard  %u connections open, %lu so far, %lu bytes\n", tcp_count(&own_endpoint.tcp),
           (unsigned long)own_endpoint.tcp.opened, (unsigned long)own_endpoint.tcp.bytes);
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
    int error = own_start(card);

    if (!error && *ip && !give(ip))
        printk("dom0: ip=%s is no address for dom0\n", ip);
    return error;
}
