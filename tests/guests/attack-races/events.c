/* SPDX-License-Identifier: MIT */
/* Event channels. Ports of all racers stand in one list, which is often out of date; each racer has
 * one of its own besides, among them, which nobody else closes. */
#include "races.h"

#define LISTED 12

static volatile evtchn_port_t listed[LISTED];
static evtchn_port_t own[RACERS];
static bool was_there[EVENT_PORTS];

static long op(unsigned int command, void *argument)
{
    return HYPERVISOR_event_channel_op(command, argument);
}

static unsigned int state_of(evtchn_port_t port)
{
    struct evtchn_status status = { .dom = DOMID_SELF, .port = port };

    return op(EVTCHNOP_status, &status) == 0 ? status.status : EVTCHNSTAT_closed;
}

static long close_port(evtchn_port_t port)
{
    struct evtchn_close arg = { .port = port };

    return op(EVTCHNOP_close, &arg);
}

static evtchn_port_t ipi(unsigned int vcpu)
{
    struct evtchn_bind_ipi bind = { .vcpu = vcpu };

    return op(EVTCHNOP_bind_ipi, &bind) == 0 ? bind.port : 0;
}

void events_begin(void)
{
    for (evtchn_port_t port = 1; port < EVENT_PORTS; port++)
        was_there[port] = state_of(port) != EVTCHNSTAT_closed;
    for (unsigned int id = 0; id < racers; id++) {
        own[id] = ipi(id);
        NEED(own[id] != 0);
    }
}

/* A new port in the place of one that is closed, or may have been. */
static void bind(struct racer *r)
{
    volatile evtchn_port_t *place = &listed[any(r, LISTED)];
    struct evtchn_alloc_unbound alloc = { .dom = DOMID_SELF, .remote_dom = DOMID_SELF };
    struct evtchn_bind_interdomain pair = { .remote_dom = DOMID_SELF,
                                            .remote_port = listed[any(r, LISTED)] };
    evtchn_port_t port = 0;

    note(r, close_port(*place));
    switch (any(r, 3)) {
    case 0:
        if (op(EVTCHNOP_alloc_unbound, &alloc) == 0)
            port = alloc.port;
        break;
    case 1:
        if (op(EVTCHNOP_bind_interdomain, &pair) == 0)
            port = pair.local_port;
        break;
    default:
        port = ipi(any(r, racers));
    }
    note(r, port ? 0 : -1);
    if (port)
        *place = port;
}

/* An event that is sent arrives, whatever happens to its neighbours in the same word; and one that
 * is taken is gone. */
static void to_oneself(struct racer *r)
{
    struct evtchn_send send = { .port = own[r->id] };

    MUST(r, op(EVTCHNOP_send, &send) == 0);
    MUST(r, port_pending((int)own[r->id]));
    linger(r, 20000);
    event_clear(own[r->id]);
    linger(r, 20000);
    MUST(r, !port_pending((int)own[r->id]));
    MUST(r, state_of(own[r->id]) == EVTCHNSTAT_ipi);
}

void events_race(struct racer *r)
{
    evtchn_port_t port = listed[any(r, LISTED)];
    unsigned int times = any(r, 50);
    struct evtchn_send send = { .port = port };
    struct evtchn_unmask unmask = { .port = port };
    struct evtchn_bind_vcpu move = { .port = port, .vcpu = any(r, racers) };

    switch (any(r, 7)) {
    case 0:
        while (times--)
            to_oneself(r);
        break;
    case 1:
        while (times--)
            note(r, op(EVTCHNOP_send, &send));
        break;
    case 2: note(r, op(EVTCHNOP_unmask, &unmask)); break;
    case 3: note(r, op(EVTCHNOP_bind_vcpu, &move)); break;
    case 4: note(r, close_port(port)); break;
    case 5: note(r, state_of(port) == EVTCHNSTAT_closed ? -1 : 0); break;
    default: bind(r); break;
    }
}

void events_end(void)
{
    unsigned int left = 0;

    for (unsigned int id = 0; id < racers; id++)
        CHECK_IS(state_of(own[id]), EVTCHNSTAT_ipi);
    for (evtchn_port_t port = 1; port < EVENT_PORTS; port++)
        if (!was_there[port] && state_of(port) != EVTCHNSTAT_closed)
            CHECK_IS(close_port(port), 0);
    for (evtchn_port_t port = 1; port < EVENT_PORTS; port++)
        left += (state_of(port) != EVTCHNSTAT_closed) != was_there[port];
    CHECK_IS(left, 0);
}
