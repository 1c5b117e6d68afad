/* SPDX-License-Identifier: MIT */
/* The parts of the network back end (drivers/netback.h): its connection and life (netback.c),
 * frames from the guest (netback_in.c), frames to it (netback_out.c). */
#ifndef DRIVERS_PV_NETBACK_H
#define DRIVERS_PV_NETBACK_H

#include <drivers/netback.h>
#include <pvguest/grant.h>
#include <xen/io/netif.h>

#define NETBACK_BATCH 32u               /* frames in one go */
#define TO_GUEST 64u                    /* receive slots noted between two flushes */

struct netback {
    struct backend backend;             /* first: the two are converted into each other */
    struct netport port;
    char name[16];                      /* "vif8.0" */
    bool connected, broken;
    struct grant_map tx_map, rx_map;
    netif_tx_back_ring_t tx;
    netif_rx_back_ring_t rx;
    evtchn_port_t tx_event, rx_event;   /* the same one unless the guest has split them */
    struct outgoing {
        uint16_t id, length, flags, gso_size;
        unsigned int frame_slots;
        bool is_extra;
    } to_guest[TO_GUEST];
    struct gnttab_copy copy[TO_GUEST];  /* of the same index; unused where to_guest is an extra */
    unsigned int to_guest_count;        /* noted by send */
    uint8_t *kept;                      /* a frame that the port's user is not done with, or NULL */
};

#define NETBACK_KEPT 65536u             /* bytes of such a frame's pages */

/* Of what is kept nothing is wanted any more. */
void netback_let_go(struct netback *back);

/* A ring that lies: nobody looks any more, and netback_service does the rest. */
void netback_end_service(struct netback *back);

/* As struct netport has them. */
bool netback_serve(struct netport *port, unsigned int budget);
bool netback_send(struct netport *port, const void *frame, size_t length, uint32_t flags);
void netback_flush(struct netport *port);

/* The pool of pages for what comes, which is there as long as anybody is in it. False: no
 * memory. */
bool netback_join_pool(void);
void netback_leave_pool(void);

#endif
