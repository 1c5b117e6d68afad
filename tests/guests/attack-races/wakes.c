/* SPDX-License-Identifier: MIT */
/*
 * Events that come while a port is unmasked. Who unmasks one itself looks then whether it is
 * pending; an event that it does not see there must have been told to its vCPU. Each racer has a
 * port, in a word of which nobody else has any, and opens it now and then; others ring it.
 */
#include "races.h"

#define WORD 2U                 /* of racer 0's port; the next one's is in the next word */

static evtchn_port_t port[RACERS];
/* how often it was opened, and the last time of these at which somebody had rung before */
static volatile uint64_t opened[RACERS], rung[RACERS];

/* The ports before it, in use meanwhile, so that none of these is given out. */
static evtchn_port_t port_in(unsigned int word, unsigned int vcpu)
{
    static evtchn_port_t fill[64 * (WORD + RACERS)];
    struct evtchn_bind_ipi bind = { .vcpu = vcpu };
    struct evtchn_close close;
    unsigned int filled = 0;

    for (;;) {
        NEED(HYPERVISOR_event_channel_op(EVTCHNOP_bind_ipi, &bind) == 0);
        if (bind.port / 64 == word)
            break;
        NEED(bind.port / 64 < word);
        fill[filled++] = bind.port;
    }
    while (filled) {
        close.port = fill[--filled];
        NEED(HYPERVISOR_event_channel_op(EVTCHNOP_close, &close) == 0);
    }
    return bind.port;
}

void wakes_begin(void)
{
    for (unsigned int id = 0; id < racers; id++) {
        port[id] = port_in(WORD + id, id);
        event_mask(port[id]);
    }
}

static void open(struct racer *r)
{
    evtchn_port_t mine = port[r->id];
    uint64_t bit = 1UL << mine % 64,
             *told = &shared_info.vcpu_info[r->id].evtchn_pending_sel, now;
    bool seen;

    event_clear(mine);
    __atomic_fetch_and(told, ~(1UL << mine / 64), __ATOMIC_SEQ_CST);
    now = ++opened[r->id];
    linger(r, 3000);
    __atomic_fetch_and(&shared_info.evtchn_mask[mine / 64], ~bit, __ATOMIC_SEQ_CST);
    seen = port_pending((int)mine);
    for (unsigned int wait = 100000; wait && rung[r->id] != now; wait--) {}
    if (rung[r->id] == now)
        MUST(r, seen || __atomic_load_n(told, __ATOMIC_SEQ_CST) >> mine / 64 & 1);
    note(r, rung[r->id] == now ? 0 : -1);
    event_mask(mine);
    opened[r->id]++;
}

static void ring(struct racer *r, unsigned int id)
{
    struct evtchn_send send = { .port = port[id] };
    uint64_t now = opened[id];

    if (!(now % 2)) return;
    linger(r, 3000);
    MUST(r, HYPERVISOR_event_channel_op(EVTCHNOP_send, &send) == 0);
    rung[id] = now;
}

void wakes_race(struct racer *r)
{
    unsigned int other = (unsigned int)(r->id + 1 + any(r, MAX(racers - 1, 1U))) % racers;

    if (any(r, 3))
        for (unsigned int times = any(r, 10); times; times--)
            ring(r, other);
    else
        open(r);
}

void wakes_end(void)
{
    for (unsigned int id = 0; id < racers; id++) {
        struct evtchn_close close = { .port = port[id] };

        CHECK_IS(HYPERVISOR_event_channel_op(EVTCHNOP_close, &close), 0);
    }
}
