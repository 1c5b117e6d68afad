/* SPDX-License-Identifier: MIT */
/*
 * One TCP connection that carries something (RFC 9293), for guests that move: it calls another
 * machine at this net, or is called at STREAM_PORT, sends, receives, and ends. Pure; whoever uses
 * it sleeps until `changed` is called, and sees to it that stream_serve() is called again when that
 * wants it.
 *
 * What a peer can make it hold is what stands in struct stream, at any time: two buffers. A
 * listener remembers nothing of those who only knock: what it must know comes back with the
 * handshake's last segment, so a flood of first ones costs an answer each and no place. Only who
 * stands behind the machine's card is heard, none of its own guests.
 */
#ifndef DOM0_NETWORK_STREAM_H
#define DOM0_NETWORK_STREAM_H

#include "dom0/network/ring.h"
#include "dom0/network/segment.h"

#define STREAM_PORT 8002u               /* as Xen's first toolstack had it */
#define STREAM_BUFFER RING_BYTES        /* each way */

enum stream_state {
    STREAM_CLOSED,
    STREAM_LISTENING,
    STREAM_SEEKING,                     /* the peer's MAC */
    STREAM_CALLING,
    STREAM_OPEN,                        /* until both have said that they have no more, and after */
    STREAM_BROKEN,                      /* `error` */
};

struct stream {
    enum stream_state state;
    int error;                          /* -EADDRNOTAVAIL, -ECONNREFUSED, -ETIMEDOUT, -ENOTCONN */
    uint32_t only;                      /* who may call; 0: anybody */
    struct tcp_peer peer;
    unsigned port;                      /* ours */
    uint64_t secret;
    unsigned calls;                     /* so far: each has a port of its own */
    void (*changed)(struct stream *stream);     /* data, room, another state. Does not sleep */

    /* Out: SND.UNA, SND.NXT, and what was ever sent; behind the ring's bytes stands our FIN. */
    struct ring out;
    uint32_t una, next, high;
    bool closing, end_acked;
    uint32_t window, window_sequence, window_ack;       /* the peer's, and what told of it */
    unsigned mss;
    uint32_t congestion, threshold, recover;            /* RFC 5681 */
    unsigned duplicates, asked;         /* acknowledgements; questions for its MAC */
    uint64_t resend_at, rto, srtt, rttvar;              /* ns; 0: not set. RFC 6298 */
    uint32_t timed;                     /* the number whose acknowledgement is timed, if timed_at */
    uint64_t timed_at;
    uint64_t heard;                     /* when the peer last made sense, or had no reason to */
    unsigned probes;                    /* questions whether it is there, since */

    /* In: RCV.NXT, and the first number that has been said to be too far. */
    struct ring in;
    uint32_t expected, edge;
    bool end_came, owes;
    uint64_t challenged;
};

void stream_init(struct stream *stream, uint64_t secret, void (*changed)(struct stream *stream));

/* What was before is over, without a word if it was open (stream_end). */
void stream_listen(struct stream *stream, uint32_t only);
/* Another machine at this net. */
void stream_call(struct stream *stream, uint32_t address, uint64_t now);

/* As many bytes as there is room for, or have come; how many. */
size_t stream_write(struct stream *stream, const void *bytes, size_t size);
size_t stream_read(struct stream *stream, void *bytes, size_t size);
/* All that was written, and then no more. */
void stream_close(struct stream *stream);
/* Has each said that it has no more, and heard that the other has? */
bool stream_is_over(const struct stream *stream);
/* Is given up: the peer, if there is one, is told by a reset. */
void stream_end(struct endpoint *endpoint);
/* The machine has another address: whoever was connected to the old one is told nothing. */
void stream_forget(struct stream *stream);

/* Is it of this connection, or for this listener? `outside`: it came from behind the card. */
bool stream_wants(const struct stream *stream, const struct segment *segment, bool outside);
void stream_take(struct endpoint *endpoint, const struct segment *segment);
/* Somebody says what the MAC of this address is. */
void stream_found(struct endpoint *endpoint, uint32_t address, const uint8_t mac[NET_MAC]);
/* The end of a batch: what is still to be acknowledged. */
void stream_acknowledge(struct endpoint *endpoint);

/* What is to be sent now, at most so many frames; true: there is more. To be called again when
 * stream_deadline() has come (0: not by itself), and behind everything that changes it. */
bool stream_serve(struct endpoint *endpoint, unsigned budget);
uint64_t stream_deadline(const struct stream *stream);

#endif
