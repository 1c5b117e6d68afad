/* SPDX-License-Identifier: MIT */
/*
 * A learning bridge between network ports: the guests' vifs, the real card, dom0's own stack. It remembers behind which
 * port an address was last seen, forgets it after BRIDGE_AGE seconds, sends a frame for a known address there only, and
 * floods the rest. Pure: no hardware, no hypervisor, no memory allocation; the caller says what time it is.
 */
#ifndef DOM0_BRIDGE_H
#define DOM0_BRIDGE_H

#include <drivers/net.h>

#define BRIDGE_PORTS 64u            /* a bit each in a 64-bit set */
#define BRIDGE_TABLE 256u           /* addresses remembered; a power of two */
#define BRIDGE_AGE 300u             /* seconds an address is remembered without being seen */

struct bridge_entry {
    uint8_t mac[NET_MAC];
    uint8_t port;
    bool used;
    uint64_t seen;                  /* seconds */
};

struct bridge {
    _Alignas(4096) uint8_t piece[4096]; /* of a large frame, on its way to a port that takes none */
    struct netport *port[BRIDGE_PORTS];
    uint64_t touched;               /* ports with frames sent since the last flush */
    struct bridge_entry table[BRIDGE_TABLE];
    uint64_t (*now)(void);          /* seconds since some start */
    uint64_t forwarded, flooded, dropped;
};

void bridge_init(struct bridge *bridge, uint64_t (*now)(void));
/* Plugs a port in; its receive, received and user members become the bridge's. 0, or -ENOSPC. */
int bridge_attach(struct bridge *bridge, struct netport *port);
/* Unplugs it and forgets what was learned behind it. */
void bridge_detach(struct bridge *bridge, struct netport *port);

/* The decision alone: learns the source, returns the set of ports a frame from `from` goes to (0: nowhere). */
uint64_t bridge_decide(struct bridge *bridge, unsigned int from, const uint8_t *frame, size_t length, uint64_t now);

#endif
