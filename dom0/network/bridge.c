/* SPDX-License-Identifier: MIT */
/*
 * The learning bridge: see bridge.h. The table is a hash with four places for an address, so
 * neither looking up nor learning ever loops over more than four entries, however many addresses a
 * guest invents: it can only push out entries that share its four places, never make the table
 * grow. Pinned entries are pushed out by nothing. They are as many as there are ports, and always
 * find a place: behind the four, if others have pinned these, for whoever chooses the addresses of
 * his cards shall not choose who else can have one. Then that far is looked.
 */
#include "bridge.h"
#include <pvguest/refuse.h>
#if __STDC_HOSTED__
#include <string.h>
#include <errno.h>
#else
#include <pvguest/string.h>
#include <pvguest/errno.h>
#endif

#define PLACES 4u

static bool is_group(const uint8_t *mac)
{
    return mac[0] & 1;          /* broadcast and multicast */
}

static unsigned int hash(const uint8_t *mac)
{
    uint32_t value = 2166136261u;       /* FNV-1a */

    for (unsigned int i = 0; i < NET_MAC; i++)
        value = (value ^ mac[i]) * 16777619u;
    return (value >> 16 ^ value) & (BRIDGE_TABLE - 1);
}

static bool is_stale(const struct bridge_entry *entry, uint64_t now)
{
    return !entry->pinned && now - entry->seen > BRIDGE_AGE;
}

static struct bridge_entry *look_up(struct bridge *bridge, const uint8_t *mac)
{
    unsigned int at = hash(mac);

    for (unsigned int i = 0; i < bridge->reach; i++) {
        struct bridge_entry *entry = &bridge->table[(at + i) & (BRIDGE_TABLE - 1)];

        if (entry->used && memcmp(entry->mac, mac, NET_MAC) == 0) return entry;
    }
    return NULL;
}

/* Where a new address goes: the first free or stale place, else the one that was silent for
 * longest. NULL: all are pinned. */
static struct bridge_entry *find_place(struct bridge *bridge, const uint8_t *mac, uint64_t now)
{
    unsigned int at = hash(mac);
    struct bridge_entry *oldest = NULL;

    for (unsigned int i = 0; i < PLACES; i++) {
        struct bridge_entry *place = &bridge->table[(at + i) & (BRIDGE_TABLE - 1)];

        if (!place->used || is_stale(place, now)) return place;
        if (!place->pinned && (!oldest || place->seen < oldest->seen))
            oldest = place;
    }
    return oldest;
}

/* Behind an address's own places. There is one: there are fewer ports than places. */
static struct bridge_entry *find_place_behind(struct bridge *bridge, const uint8_t *mac)
{
    unsigned int at = hash(mac), i = PLACES;

    while (bridge->table[(at + i) & (BRIDGE_TABLE - 1)].pinned)
        i++;
    if (bridge->reach <= i)
        bridge->reach = i + 1;
    return &bridge->table[(at + i) & (BRIDGE_TABLE - 1)];
}

static void put(struct bridge *bridge, const uint8_t *mac, unsigned int port, bool pinned,
                uint64_t now)
{
    struct bridge_entry *entry = look_up(bridge, mac);

    if (!entry)
        entry = find_place(bridge, mac, now);
    if (!entry && pinned)
        entry = find_place_behind(bridge, mac);
    if (!entry) return;
    memcpy(entry->mac, mac, NET_MAC);
    /* an address that moved is believed at its new place at once */
    entry->port = (uint8_t)port;
    entry->seen = now;
    entry->pinned = pinned;
    entry->used = true;
}

/* Is the sender who it says, as far as we know? What it tells us of new addresses is remembered. */
static bool sender_is_right(struct bridge *bridge, unsigned int from, const uint8_t *frame,
                            size_t length, uint64_t now)
{
    const uint8_t *source = frame + NET_MAC;
    struct bridge_entry *known = look_up(bridge, source);
    bool guarded = bridge->guarded >> from & 1;

    if (guarded && !guard_knows_sender(&bridge->guard[from], frame, length)) return false;
    if (known && known->pinned) {
        if (known->port != from && guarded)
            bridge->guard[from].spoofed++;
        return known->port == from || refused(false);
    }
    put(bridge, source, from, false, now);
    return true;
}

static uint64_t everyone_but(const struct bridge *bridge, unsigned int from)
{
    uint64_t set = 0;

    for (unsigned int i = 0; i < BRIDGE_PORTS; i++)
        if (bridge->port[i] && i != from)
            set |= 1ull << i;
    return set;
}

uint64_t bridge_decide(struct bridge *bridge, unsigned int from, const uint8_t *frame,
                       size_t length, uint64_t now)
{
    const uint8_t *destination = frame, *source = frame + NET_MAC;

    /* Nobody sends from a group address: a broken or lying guest. */
    if (length < NET_FRAME_MIN || length > NET_LARGE_MAX || is_group(source) ||
        !sender_is_right(bridge, from, frame, length, now)) {
        refused(bridge->dropped++);
        return 0;
    }
    if (!is_group(destination)) {
        struct bridge_entry *entry = look_up(bridge, destination);

        if (entry && !is_stale(entry, now)) {
            bridge->forwarded++;
            return entry->port == from ? 0 : 1ull << entry->port;
        }
    }
    if (bridge->guarded >> from & 1 && !guard_lets_flood(&bridge->guard[from], length, now)) {
        refused(bridge->dropped++);
        return 0;
    }
    bridge->flooded++;
    return everyone_but(bridge, from);
}

/* --- ports --- */

static unsigned int port_number(const struct bridge *bridge, const struct netport *port)
{
    unsigned int i = 0;

    while (i < BRIDGE_PORTS && bridge->port[i] != port)
        i++;
    return i;
}

static unsigned int count_of(uint64_t targets)
{
    unsigned int count = 0;

    for (; targets; targets &= targets - 1)
        count++;
    return count;
}

static bool all_take_blank(const struct bridge *bridge, uint64_t targets)
{
    for (; targets; targets &= targets - 1)
        if (!bridge->port[__builtin_ctzll(targets)]->takes_blank)
            return false;
    return true;
}

static uint64_t those_that_take_large(const struct bridge *bridge, uint64_t targets)
{
    uint64_t set = 0;

    for (; targets; targets &= targets - 1)
        if (bridge->port[__builtin_ctzll(targets)]->takes_large)
            set |= targets & -targets;
    return set;
}

static void send_to(struct bridge *bridge, unsigned int from, uint64_t targets, const void *frame,
                    size_t length, uint32_t flags)
{
    bridge->touched |= targets;
    for (; targets; targets &= targets - 1) {
        struct netport *target = bridge->port[__builtin_ctzll(targets)];

        target->sender = from;
        /* a full port drops and counts; the others still get theirs */
        target->send(target, frame, length, flags);
    }
}

static void flush_those_that_look(struct bridge *bridge, uint64_t targets)
{
    for (; targets; targets &= targets - 1) {
        struct netport *target = bridge->port[__builtin_ctzll(targets)];

        if (!target->copies_at_once)
            target->flush(target);
    }
}

_Static_assert(BRIDGE_SENDS >= BRIDGE_PORTS, "a piece to all ports at least");

/*
 * So much of a large frame, for ports that want small ones, as one turn does: cut small, it is
 * 256 frames. The pieces are ours to use again only when nobody looks at them any more; for a vif
 * that is a hypercall or two, so it is done for many at once.
 */
static void send_pieces(struct bridge *bridge, unsigned int from)
{
    struct bridge_cut *cut = &bridge->cut[from];
    unsigned int count = 0, sends = 0, ports = count_of(cut->targets);

    while (cut->targets && count < BRIDGE_PIECES && sends + ports <= BRIDGE_SENDS &&
           !net_cut_ends(&cut->cutter)) {
        uint8_t *piece = bridge->piece[count++];

        sends += ports;
        send_to(bridge, from, cut->targets, piece, net_cut_next(&cut->cutter, piece), 0);
    }
    flush_those_that_look(bridge, cut->targets);
    bridge->port[from]->unfinished = cut->targets && !net_cut_ends(&cut->cutter);
}

static void send_cut(struct bridge *bridge, unsigned int from, uint64_t targets,
                     const uint8_t *frame, size_t length, unsigned int size)
{
    struct bridge_cut *cut = &bridge->cut[from];

    if (!targets) return;
    if (!net_cut_begin(&cut->cutter, frame, length, size)) {
        refused(bridge->dropped++);
        return;
    }
    cut->targets = targets;
    send_pieces(bridge, from);
}

/* A port with a rate pays for what it sends; one in debt is not looked at until it is due again. */
static void pay(struct bridge *bridge, unsigned int from, size_t length)
{
    uint64_t now, wait;

    if (!(bridge->guarded >> from & 1)) return;
    now = bridge->now();
    wait = guard_pays(&bridge->guard[from], length, now);
    if (!wait) return;
    bridge->due[from] = now + wait;
    if (bridge->port[from]->paused)
        return;                         /* the rest of a batch that was on its way: only longer */
    bridge->port[from]->paused = true;
    bridge->guard[from].pauses++;
    if (bridge->call)
        bridge->call(bridge->due[from]);
}

void bridge_resume(struct bridge *bridge)
{
    uint64_t now = bridge->now(), next = UINT64_MAX;

    for (unsigned int i = 0; i < BRIDGE_PORTS; i++) {
        struct netport *port = bridge->port[i];

        if (port && port->paused && bridge->due[i] <= now) {
            port->paused = false;
            if (port->wake)
                port->wake(port->waker);
            else
                port->poll(port);
        }
        if (port && port->paused && bridge->due[i] < next)
            next = bridge->due[i];
    }
    if (next != UINT64_MAX && bridge->call)
        bridge->call(next);
}

static void receive(struct netport *port, void *frame, size_t length, uint32_t flags)
{
    struct bridge *bridge = port->user;
    unsigned int from = port_number(bridge, port);

    pay(bridge, from, length);

    if (length > NET_FRAME_MAX && !(flags & NET_GSO_TCP4)) {
        bridge->dropped++;
        return;
    }

    uint64_t targets = bridge_decide(bridge, from, frame, length, bridge->now());

    if (flags & NET_GSO_TCP4) {
        uint64_t large = those_that_take_large(bridge, targets);

        send_to(bridge, from, large, frame, length, flags);
        send_cut(bridge, from, targets & ~large, frame, length, net_gso_size(flags));
        return;
    }
    if (flags & NET_CHECKSUM_BLANK && !all_take_blank(bridge, targets)) {
        net_complete_checksum(frame, length);
        flags &= ~NET_CHECKSUM_BLANK;
    }
    send_to(bridge, from, targets, frame, length, flags);
}

static void received(struct netport *port)
{
    struct bridge *bridge = port->user;

    while (bridge->touched) {
        struct netport *target = bridge->port[__builtin_ctzll(bridge->touched)];

        bridge->touched &= bridge->touched - 1;
        target->flush(target);
    }
}

static void go_on(struct netport *port)
{
    struct bridge *bridge = port->user;

    send_pieces(bridge, port_number(bridge, port));
    received(port);
}

void bridge_init(struct bridge *bridge, uint64_t (*now)(void))
{
    memset(bridge, 0, sizeof *bridge);
    bridge->now = now;
    bridge->reach = PLACES;
}

int bridge_attach(struct bridge *bridge, struct netport *port)
{
    unsigned int number = port_number(bridge, NULL);

    if (number == BRIDGE_PORTS) return refused(-ENOSPC);
    bridge->port[number] = port;
    port->user = bridge;
    port->receive = receive;
    port->received = received;
    port->go_on = go_on;
    return 0;
}

int bridge_attach_guarded(struct bridge *bridge, struct netport *port,
                          const struct guard_rule *rule)
{
    const struct bridge_entry *known = look_up(bridge, rule->mac);
    unsigned int number = port_number(bridge, NULL);
    uint64_t now = bridge->now();

    if (known && known->pinned) return refused(-EEXIST);
    if (number == BRIDGE_PORTS) return refused(-ENOSPC);
    put(bridge, rule->mac, number, true, now);
    guard_init(&bridge->guard[number], rule, now);
    bridge->guarded |= 1ull << number;
    return bridge_attach(bridge, port);
}

const struct guard *bridge_guard(const struct bridge *bridge, const struct netport *port)
{
    unsigned int number = port_number(bridge, port);

    return number < BRIDGE_PORTS && bridge->guarded >> number & 1 ? &bridge->guard[number] : NULL;
}

void bridge_detach(struct bridge *bridge, struct netport *port)
{
    unsigned int number = port_number(bridge, port);

    if (number == BRIDGE_PORTS) return;
    bridge->port[number] = NULL;
    bridge->touched &= ~(1ull << number);
    bridge->guarded &= ~(1ull << number);
    for (unsigned int i = 0; i < BRIDGE_PORTS; i++)
        bridge->cut[i].targets &= ~(1ull << number);
    port->paused = port->unfinished = false;
    port->receive = NULL;
    port->received = port->go_on = NULL;
    for (unsigned int i = 0; i < BRIDGE_TABLE; i++)
        if (bridge->table[i].port == number)
            bridge->table[i].used = bridge->table[i].pinned = false;
}
