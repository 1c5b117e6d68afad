/* SPDX-License-Identifier: MIT */
/*
 * The network front end: a guest's card. It speaks <xen/io/netif.h> (receive by copy, one queue,
 * one page per ring) and shows itself as a struct netport. It opens, closes and notices as
 * blkfront does. Its buffers are granted to the back end once, when it opens, and used again and
 * again; frames are copied out of and into them.
 */
#ifndef DRIVERS_NETFRONT_H
#define DRIVERS_NETFRONT_H

#include <drivers/net.h>
#include <pvguest/suspend.h>
#include <pvguest/xenbus.h>
#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/io/netif.h>

#define NETFRONT_TX 32u             /* buffers; a power of two, at most the ring's 256 */
#define NETFRONT_RX 64u

struct netfront {
    _Alignas(4096) uint8_t tx_page[4096];
    _Alignas(4096) uint8_t rx_page[4096];
    _Alignas(4096) uint8_t tx_buffer[NETFRONT_TX][4096];
    _Alignas(4096) uint8_t rx_buffer[NETFRONT_RX][4096];
    struct netport port;
    netif_tx_front_ring_t tx;
    netif_rx_front_ring_t rx;
    char node[48];
    struct xenbus_device bus;       /* while it is open */
    evtchn_port_t event;
    grant_ref_t tx_ring_grant, rx_ring_grant;
    grant_ref_t tx_grant[NETFRONT_TX], rx_grant[NETFRONT_RX];
    uint8_t tx_free[NETFRONT_TX];
    bool tx_busy[NETFRONT_TX];
    unsigned int tx_free_count;
    bool connected;
    bool saved;                     /* or about to be: <pvguest/suspend.h> */
    struct suspend_hook suspend;
};

/* Opens device/vif/<index>. Set front->port.receive first (or later, with events masked). 0 or a
 * negative errno, as blkfront_open. */
int netfront_open(struct netfront *front, unsigned int index);
void netfront_close(struct netfront *front);

#endif
