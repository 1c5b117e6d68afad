/* SPDX-License-Identifier: MIT */
/* Event channels between us and the others: ports that both ends bind, ring, move and close at
 * once. */
#include "neighbours.h"

volatile evtchn_port_t own_ports[REFS];

static long op(unsigned int command, void *argument)
{
    return HYPERVISOR_event_channel_op(command, argument);
}

/* A new port in the place of another. */
static void bind(struct racer *r, volatile evtchn_port_t *place)
{
    domid_t peer = neighbours[any(r, HANDS + 1)].other.id;
    struct evtchn_close close = { .port = *place };
    struct evtchn_alloc_unbound alloc = { .dom = DOMID_SELF, .remote_dom = peer };
    struct evtchn_bind_interdomain pair = { .remote_dom = peer, .remote_port = 1 + any(r, REFS) };
    long error;

    if (*place)
        note(r, op(EVTCHNOP_close, &close));
    if (any(r, 2)) {
        error = op(EVTCHNOP_alloc_unbound, &alloc);
        *place = error ? 0 : alloc.port;
    } else {
        error = op(EVTCHNOP_bind_interdomain, &pair);
        *place = error ? 0 : pair.local_port;
    }
    note(r, error);
}

void ports_race(struct racer *r)
{
    volatile evtchn_port_t *place = &own_ports[any(r, REFS)];
    struct evtchn_send send = { .port = *place };
    struct evtchn_bind_vcpu move = { .port = *place, .vcpu = any(r, racers) };
    struct evtchn_status status = { .dom = DOMID_SELF, .port = *place };

    if (!*place) {
        bind(r, place);
        return;
    }
    switch (any(r, 8)) {
    case 0: bind(r, place); break;
    case 1: note(r, op(EVTCHNOP_bind_vcpu, &move)); break;
    case 2: note(r, op(EVTCHNOP_status, &status)); break;
    default:
        for (unsigned int times = any(r, 30); times; times--)
            note(r, op(EVTCHNOP_send, &send));
    }
}
