/* SPDX-License-Identifier: MIT */
/*
 * TCP as far as a receiver needs it (RFC 9293): a fixed table of connections to one port, discard.
 * See tcp.c.
 */
#ifndef DOM0_NETWORK_TCP_H
#define DOM0_NETWORK_TCP_H

#include "dom0/network/segment.h"

#define TCP_DISCARD 9u                  /* RFC 863 */
#define TCP_CONNECTIONS 16u

/* CLOSE-WAIT lasts no time: discard closes as soon as its peer has. */
enum tcp_state { TCP_CLOSED, TCP_SYN_RECEIVED, TCP_ESTABLISHED, TCP_LAST_ACK };

struct tcp_connection {
    enum tcp_state state;
    struct tcp_peer peer;
    uint32_t expected;                  /* the number of the next byte to come: RCV.NXT */
    uint32_t next;                      /* of the next one we send: SND.NXT */
    bool scaled;                        /* the peer understands large windows */
    bool owes;                          /* an acknowledgement, at the end of the batch */
    uint64_t heard;                     /* when the peer last made sense, ns */
};

struct tcp {
    struct tcp_connection connection[TCP_CONNECTIONS];
    uint64_t secret;
    uint64_t opened, bytes;             /* since the start */
};

/* One segment to that port. */
void tcp_take(struct endpoint *endpoint, const struct segment *segment);

/* The end of a batch: one acknowledgement for each connection that data came for. */
void tcp_acknowledge(struct endpoint *endpoint);

/* Ends all connections, without a word. */
void tcp_forget(struct tcp *tcp);

unsigned tcp_count(const struct tcp *tcp);

#endif
