/* SPDX-License-Identifier: MIT */
/*
 * A learning bridge between network ports: the guests' vifs, the real card, dom0's own stack. It
 * remembers behind which port an address was last seen, forgets it after BRIDGE_AGE, sends a frame
 * for a known address there only, and floods the rest. Pure: no hardware, no hypervisor, no memory
 * allocation; the caller says what time it is.
 *
 * A guarded port (guard.h: all but the real card) has an address of its own, which is not learned
 * but known: it neither ages nor moves nor gives way to another, and nobody else sends from it, the
 * card's side included.
 */
#ifndef DOM0_BRIDGE_H
#define DOM0_BRIDGE_H

#include <drivers/net.h>
#include "dom0/network/guard.h"

#define BRIDGE_PORTS NET_SENDERS    /* a bit each in a 64-bit set */
#define BRIDGE_TABLE 256u           /* addresses remembered; a power of two */
#define BRIDGE_PIECES 32u           /* of a large frame, that are sent in one turn */
#define BRIDGE_SENDS 128u           /* fewer where that would be more than so many, to all ports */
#define BRIDGE_AGE 300000000000ull  /* nanoseconds an address is remembered without being seen */

struct bridge_entry {
    uint8_t mac[NET_MAC];
    uint8_t port;
    bool used;
    bool pinned;                    /* a guarded port's own */
    uint64_t seen;                  /* nanoseconds */
};

struct bridge {
    /* of a large frame, on their way to ports that take none; each lies within a page */
    _Alignas(4096) uint8_t piece[BRIDGE_PIECES][2048];
    struct netport *port[BRIDGE_PORTS];
    uint64_t guarded;               /* the ports that have a guard */
    struct guard guard[BRIDGE_PORTS];
    uint64_t touched;               /* ports with frames sent since the last flush */
    struct bridge_cut {             /* of an unfinished port: what is still to be cut, for whom */
        struct net_cutter cutter;
        uint64_t targets;
    } cut[BRIDGE_PORTS];
    uint64_t due[BRIDGE_PORTS];     /* of a paused port: when it may go on */
    struct bridge_entry table[BRIDGE_TABLE];
    unsigned int reach;             /* places to look at for one address */
    uint64_t (*now)(void);          /* nanoseconds since some start */
    /* wants bridge_resume() called then; NULL: no port has a rate */
    void (*call)(uint64_t when);
    uint64_t forwarded, flooded, dropped;
};

void bridge_init(struct bridge *bridge, uint64_t (*now)(void));
/* Plugs a port in; its receive, received and user members become the bridge's. 0, or -ENOSPC. */
int bridge_attach(struct bridge *bridge, struct netport *port);
/* The same with a guard. -EEXIST: another port has that address. */
int bridge_attach_guarded(struct bridge *bridge, struct netport *port,
                          const struct guard_rule *rule);
/* Unplugs it and forgets what was learned behind it. */
void bridge_detach(struct bridge *bridge, struct netport *port);

/* What stands at a port's guard now; NULL: the port has none. */
const struct guard *bridge_guard(const struct bridge *bridge, const struct netport *port);
/* Goes on with the paused ports whose time has come, and calls for the next. */
void bridge_resume(struct bridge *bridge);

/* The decision alone: learns the source, returns the set of ports a frame from `from` goes to (0:
 * nowhere). */
uint64_t bridge_decide(struct bridge *bridge, unsigned int from, const uint8_t *frame,
                       size_t length, uint64_t now);

#endif
