/* SPDX-License-Identifier: MIT */
/*
 * The command `bridge`: its ports, what came from each (in) and went to each (out), and what did
 * not. Of the frames that were dropped, "room" did not fit the receiver's ring or buffers,
 * "spoofed" had another's address as their sender, "flood" were too many for all or for stations
 * nobody knows; "pauses" is how often rate= has stopped a card.
 */
#include "dom0/network/br0.h"
#include "dom0/xl/verbs.h"
#include <pvguest/console.h>

bool verb_bridge(const struct call *call)
{
    printk("%-10s %-17s %9s %9s %7s %7s %7s %7s\n", "port", "address", "in", "out", "room",
           "spoofed", "flood", "pauses");
    for (unsigned i = 0; i < BRIDGE_PORTS; i++) {
        const struct netport *port = br0.port[i];
        const struct guard *guard = port ? bridge_guard(&br0, port) : NULL;
        const uint8_t *mac = port ? port->mac : NULL;

        if (!port)
            continue;
        printk("%-10s %02x:%02x:%02x:%02x:%02x:%02x %9lu %9lu %7lu", port->name, mac[0], mac[1],
               mac[2], mac[3], mac[4], mac[5], (unsigned long)port->frames_received,
               (unsigned long)port->frames_sent, (unsigned long)port->frames_dropped);
        if (guard)
            printk(" %7lu %7lu %7lu", (unsigned long)guard->spoofed, (unsigned long)guard->floods,
                   (unsigned long)guard->pauses);
        printk("\n");
    }
    printk("forwarded %lu, flooded %lu, dropped %lu\n", (unsigned long)br0.forwarded,
           (unsigned long)br0.flooded, (unsigned long)br0.dropped);
    return true;
}
