/* SPDX-License-Identifier: MIT */
/*
 * The XenStore server: requests of the wire protocol of <xen/io/xs_wire.h> against the tree, for
 * any number of connections. Pure: bytes come in by xenstore_take(), bytes go out by a
 * connection's `send`. Who carries them (a guest's shared ring: rings.c; dom0 itself: local.c; a
 * unit test) the server does not know.
 *
 * Everything a guest sends is hostile until checked: sizes, strings without end, paths, numbers.
 * What it may hold is bounded: by the numbers below, and in bytes by its account (dom0/account.h).
 */
#ifndef DOM0_XENSTORE_SERVER_H
#define DOM0_XENSTORE_SERVER_H

#include "dom0/xenstore/tree.h"
#include <xen/xen.h>
#include <xen/event_channel.h>
#include <xen/io/xs_wire.h>

/* What an unprivileged domain may hold; the figures are those of Xen's daemon. */
#define XENSTORE_MAX_NODES 1000u                /* The quota of its account (dom0/account.c). */
#define XENSTORE_MAX_NODE_BYTES 2048u
#define XENSTORE_MAX_WATCHES 128u
#define XENSTORE_MAX_TRANSACTIONS 10u
#define XENSTORE_MAX_TOUCHED 1024u              /* Nodes looked at or changed in one transaction. */

/*
 * Events that wait for a client, dom0 itself included. A path has fired once for all that watch the
 * same, however often it changed meanwhile; with more paths than these, or more bytes of them than
 * its account allows, a single event of the watched path stands for all: look at everything there.
 * So no event is lost, and what waits is bounded by the watches.
 */
#define XENSTORE_MAX_FIRED_PATHS 16u

struct xenstore_fired {
    struct xenstore_fired *next;
    size_t size;                        /* Of the path. */
    char path[];
};

/*
 * A connection's watches of one path, however many: it hears of a change once, and then each of
 * them is told.
 */
struct xenstore_listener {
    struct xenstore_listener *next;             /* Of the same place (watch.c). */
    struct xenstore_place *place;
    struct xenstore_connection *connection;
    struct xenstore_watch *watches;             /* The newest first. */
    struct xenstore_fired *fired, **fired_end;  /* Paths that wait, the oldest first. */
    unsigned fired_count;
    bool fired_whole;                           /* After those, one event of the watched path. */
    bool queued;                                /* In its connection's queue. */
    struct xenstore_listener *queue_next;
    struct xenstore_watch *telling;             /* Who is told next of `told`; NULL: nobody. */
    struct xenstore_fired *told;                /* NULL: the watched path. */
};

struct xenstore_watch {
    struct xenstore_watch *next, *next_here;    /* Of its connection; of its listener. */
    struct xenstore_listener *listener;
    struct xenstore_watch *fresh_next;
    size_t bytes;                               /* As charged. */
    size_t shown_from;                          /* By a relative path: behind the home's. */
    char token[];
};

struct xenstore_transaction;

struct xenstore_connection {
    struct xenstore_connection *next;
    struct tree_actor actor;
    struct xenstore_watch *watches;
    unsigned watch_count;
    struct xenstore_transaction *transactions;
    unsigned transaction_count;
    uint32_t last_transaction;
    /* What is left to be done of requests, the one that is not answered before among them: see
     * xenstore_go_on(). */
    struct xenstore_transaction *ended;
    struct tree_node *gone;                     /* Removed, yet to be freed. */
    bool leaving;                               /* Released: nothing more is taken from it. */
    bool owes_answer;
    struct xsd_sockmsg owed;
    int owed_error;
    struct xenstore_watch *fresh, **fresh_end;  /* New ones; their first event comes first. */
    /* Those with events that wait: a turn each, one event a turn. */
    struct xenstore_listener *fired, **fired_end;
    /* Is there room for one more event now? NULL: always. Who says no calls xenstore_pump() when
     * there is. */
    bool (*ready)(struct xenstore_connection *to);
    /* Takes one whole message; must copy the payload. */
    void (*send)(struct xenstore_connection *to, const struct xsd_sockmsg *header,
                 const void *payload);
};

/* How the server makes and ends the connections that requests INTRODUCE and RELEASE ask for. 0 or
 * -errno. */
struct xenstore_carrier {
    int (*introduce)(domid_t domid, unsigned long mfn, evtchn_port_t port);
    int (*release)(domid_t domid);
};

/* 0, or -ENOMEM. Once, before anything else. */
int xenstore_start(const struct xenstore_carrier *carrier);

/* Makes a connection known; `send`, `ready` and `actor` are filled in by the caller, the rest is
 * zero. */
void xenstore_connect(struct xenstore_connection *connection);

/* Ends a connection: its watches and transactions go; the caller frees the structure. Long if much
 * is left to be done. */
void xenstore_disconnect(struct xenstore_connection *connection);

/*
 * One request with its whole payload (header->len bytes). Answers exactly once, by `send`, plus
 * watch events. What it has cost: 1 for most, more for one that has done the work of many.
 *
 * What can be long (the end of a transaction, the removal of a directory) is done for all at once,
 * but then watches are told and memory is freed in parts, each by a call of xenstore_go_on(). The
 * answer comes with the last one: who has it knows that everybody has been told. No other request
 * is taken from this connection before.
 */
unsigned xenstore_take(struct xenstore_connection *from, const struct xsd_sockmsg *header,
                       const char *payload);

/* The next part: its cost, like a request's; 0: nothing is left. */
unsigned xenstore_go_on(struct xenstore_connection *from);

/* Sends events that wait, for as long as the connection is ready for them. */
void xenstore_pump(struct xenstore_connection *to);

#endif
