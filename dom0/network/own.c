/* SPDX-License-Identifier: MIT */
/* See own.h. Its frames are the machine's, as the card's are: they have turns of domain 0's. */
#include "dom0/network/own.h"
#include "dom0/network/br0.h"
#include "dom0/turns.h"

struct endpoint own_endpoint;
WAIT_QUEUE(own_changed);
static struct turn turn;
static struct timer timer;

static bool serve(void *unused, unsigned budget)
{
    bool more = endpoint_serve(&own_endpoint, budget);
    uint64_t when = stream_deadline(&own_endpoint.stream);

    timer_cancel(&timer);
    if (when)
        timer_set(&timer, when, turns_wake, &turn);
    return more;
}

void own_wake(void)
{
    turns_mark(&turn);
}

static void changed(struct stream *stream)
{
    wake_all(&own_changed);
    own_wake();
}

/* The card is the first port (br0.h): the only one behind which others than guests are. */
int own_start(const struct netport *card)
{
    static const uint8_t no_card[NET_MAC];
    int error;

    endpoint_init(&own_endpoint, card ? card->mac : no_card, now_ns);
    own_endpoint.outside = card ? 0 : NET_SENDERS;
    stream_init(&own_endpoint.stream, read_tsc(), changed);
    error = turns_join(&turn, TURN_CARD, 0, serve, NULL);
    return error ? error : br0_plug(&own_endpoint.port);
}
