/* SPDX-License-Identifier: MIT */
/* See br0.h. The real card's frames have turns of domain 0's; so have cards with a rate= that have
 * sent too much: these go on in a turn that a timer asks for. */
#include "dom0/network/br0.h"
#include "dom0/turns.h"
#include <pvguest/time.h>

struct bridge br0;
static struct turn card_turn;
static struct timer pace_timer;
static struct turn pace_turn;

static bool serve_card(void *owner, unsigned budget)
{
    struct netport *card = owner;

    return card->serve(card, budget);
}

static bool pace(void *unused, unsigned budget)
{
    pace_timer.when = 0;                /* It is not set any more. */
    bridge_resume(&br0);
    return false;
}

static void call_at(uint64_t when)
{
    if (!pace_timer.when || when < pace_timer.when)
        timer_set(&pace_timer, when, turns_wake, &pace_turn);
}

int br0_start(struct netport *card)
{
    int error;

    bridge_init(&br0, now_ns);
    br0.call = call_at;
    error = turns_join(&pace_turn, TURN_PACE, 0, pace, NULL);
    if (error || !card) return error;
    card->waker = &card_turn;
    card->wake = turns_wake;
    error = turns_join(&card_turn, TURN_CARD, 0, serve_card, card);
    return error ? error : bridge_attach(&br0, card);
}

int br0_plug(struct netport *port)
{
    struct guard_rule rule = { .addresses = 0 };

    memcpy(rule.mac, port->mac, sizeof(rule.mac));
    return bridge_attach_guarded(&br0, port, &rule);
}
