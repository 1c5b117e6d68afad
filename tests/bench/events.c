/* SPDX-License-Identifier: MIT */
/* Events: sending one to ourselves, taking the upcall, coming back. The upcall's handler is a few instructions. */
#include "bench.h"

#include <xen/callback.h>

extern void event_entry(void);      /* the SDK's own upcall, put back afterwards */
uint64_t *bench_event_word;
static int port;

static long set_upcall(void (*entry)(void))
{
    struct callback_register callback = { .type = CALLBACKTYPE_event, .address = (unsigned long)entry };

    return HYPERVISOR_callback_op(CALLBACKOP_register, &callback);
}

static long bind_port(void)
{
    port = event_bind_ipi(NULL, NULL);
    if (port < 0)
        return port;
    events_mask_all();
    bench_event_word = (uint64_t *)&shared_info.evtchn_pending[port / 64];
    return set_upcall(bench_event);
}

static void send_and_take(void)
{
    struct evtchn_send send = { .port = (evtchn_t)port };

    shared_info.vcpu_info[0].evtchn_upcall_mask = 0;
    must(HYPERVISOR_event_channel_op(EVTCHNOP_send, &send));
}

static void send_only(void)
{
    struct evtchn_send send = { .port = (evtchn_t)port };

    must(HYPERVISOR_event_channel_op(EVTCHNOP_send, &send));
}

static long bind_masked_port(void)
{
    port = event_bind_ipi(NULL, NULL);
    if (port >= 0)
        event_mask((evtchn_t)port);
    return port;
}

static void close_port(void)
{
    must(set_upcall(event_entry));
    event_unbind((evtchn_t)port);
    events_unmask_all();
}

const struct operation event_operations[] = {
    { .group = "events", .name = "send to self, upcall, return", .form = "hypercall", .units = 1,
      .prepare = bind_port, .run = send_and_take, .cleanup = close_port },
    { .group = "events", .name = "send to a masked port", .form = "hypercall", .units = 1,
      .prepare = bind_masked_port, .run = send_only, .cleanup = close_port },
    { .name = NULL },
};
