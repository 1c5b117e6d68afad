/* SPDX-License-Identifier: MIT */
/*
 * The network port, as every network driver offers it: a thing that sends Ethernet frames and hands
 * up those it receives.
 *
 * A real card (virtio_net), the back end's end of a guest's vif (netback) and a guest's front end
 * (netfront) fill in a struct netport; a bridge or a protocol stack uses it. Frames travel in
 * batches: any number of send() calls, then one flush(). A frame begins on a page of its own or
 * within one, and stays valid, unchanged, until flush() has returned: that lets netback collect a
 * batch of grant copies and do them in one hypercall. Likewise the receiver gets receive() for each
 * frame of a batch, then received() once.
 *
 * Context: one call at a time, as for block.h.
 */
#ifndef DRIVERS_NET_H
#define DRIVERS_NET_H

#include <abi/types.h>

#define NET_FRAME_MIN 14u
/* header, 1500 bytes, room for one VLAN tag; no frame check sequence */
#define NET_FRAME_MAX 1518u
/* a frame with NET_GSO_TCP4: TCP payload for many frames, still in one piece, in pages that follow
 * each other, beginning on a page boundary */
#define NET_LARGE_MAX 65535u
/* bytes of payload in a piece of such a frame; who wants less wants us to be busy */
#define NET_CUT_MIN 256u
#define NET_MAC 6u
#define NET_SENDERS 64u             /* behind one port, at most */

/* The TCP or UDP checksum field holds only the pseudo header's sum: it travels between guests of
 * one machine that trust memory, and is completed (net_complete_checksum) before a port gets it
 * that does not take such frames. */
#define NET_CHECKSUM_BLANK 0x1u
#define NET_CHECKSUM_GOOD  0x2u     /* somebody who is trusted has checked it already */
/* A TCP over IPv4 frame still to be cut into frames of net_gso_size(flags) bytes of payload; its
 * checksum is blank. */
#define NET_GSO_TCP4       0x4u
#define NET_GSO_SIZE(size) ((uint32_t)(size) << 16)
#define net_gso_size(flags) ((flags) >> 16)

struct netport {
    const char *name;
    uint8_t mac[NET_MAC];
    bool takes_blank;                       /* send() accepts NET_CHECKSUM_BLANK */
    bool takes_large;                       /* send() accepts NET_GSO_TCP4 */
    /* send() has copied the frame when it returns: no need to wait for flush() */
    bool copies_at_once;
    /* Send one frame; false: dropped, no room. */
    bool (*send)(struct netport *port, const void *frame, size_t length, uint32_t flags);
    void (*flush)(struct netport *port);
    /* look for received frames without waiting for the interrupt */
    void (*poll)(struct netport *port);
    /* A port whose user has set `wake` does no work in its event handler: it calls wake, and the
     * user then serve, which hands up at most `budget` frames, of which a large one counts as its
     * pages; true: there are more. For a card and a back end. */
    bool (*serve)(struct netport *port, unsigned int budget);
    void (*wake)(void *waker);
    void *waker;
    void *context;                          /* the driver's */

    /* Set by the user of the port before frames may arrive; NULL: frames are dropped. */
    /* may complete the checksum in place */
    void (*receive)(struct netport *port, void *frame, size_t length, uint32_t flags);
    void (*received)(struct netport *port); /* end of a batch; may be NULL */
    /* Set by the user in receive: he is not done with that frame (a large one, to be cut), which
     * stays where it is; the port calls go_on, once a turn, and hands up nothing else, until this
     * is false again. A port that cannot keep the frame sets it false, and the rest is lost. */
    bool unfinished;
    void (*go_on)(struct netport *port);
    void *user;
    /* and this: of whom send()'s frame is, of NET_SENDERS who share the port */
    unsigned int sender;
    /* set by the user too: hand up nothing now; the user wakes or polls it then */
    bool paused;

    uint64_t frames_sent, frames_received, frames_dropped;
    uint64_t bytes_sent, bytes_received;    /* of a back end's frames */
};

/* The one's complement sum of a run of 16-bit words (RFC 1071) and of `more`; 0xffff when a right
 * checksum is among them. */
unsigned int net_sum(const uint8_t *at, size_t length, uint64_t more);

/* Completes the checksum of an IPv4 or IPv6 TCP or UDP frame in place; a frame of another kind is
 * left alone. */
void net_complete_checksum(uint8_t *frame, size_t length);

/* Cuts a NET_GSO_TCP4 frame: begin judges it (false: it is none), next writes one frame (at most
 * NET_FRAME_MAX bytes, checksum complete) and returns its length, 0 when there are no more. */
struct net_cutter {
    const uint8_t *frame;
    /* bytes of all headers; where TCP's begins; all of it */
    size_t header, tcp, length;
    size_t at;                              /* payload bytes that are out */
    unsigned int size;
};
bool net_cut_begin(struct net_cutter *cutter, const uint8_t *frame, size_t length,
                   unsigned int size);
size_t net_cut_next(struct net_cutter *cutter, uint8_t *out);
static inline bool net_cut_ends(const struct net_cutter *cutter)
{
    return cutter->header + cutter->at >= cutter->length;
}

#endif
