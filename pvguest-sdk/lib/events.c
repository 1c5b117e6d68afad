/* SPDX-License-Identifier: MIT */
/*
 * Event channels: three bits a port in the shared page. A sender sets pending[port]; if mask[port]
 * is clear, it sets the port's word in evtchn_pending_sel and evtchn_upcall_pending; if
 * evtchn_upcall_mask is clear too, the hypervisor calls event_entry. We undo it in the opposite
 * order, so that nothing set meanwhile is lost. This SDK runs on vCPU 0 alone.
 */
#include <pvguest/bits.h>
#include <pvguest/events.h>
#include <pvguest/hypercalls.h>
#include <pvguest/start.h>
#include <pvguest/traps.h>
#include "entry.h"

static struct { event_handler handler; void *data; } handlers[EVENT_PORTS];

uint64_t event_upcalls, event_handled;
const char *sleepless;

static struct vcpu_info *vcpu(void)
{
    return &shared_info.vcpu_info[0];
}

void events_init(void)
{
    events_mask_all();
    for (unsigned int i = 0; i < 64; i++)
        shared_info.evtchn_mask[i] = ~0UL;
}

/* ---- delivery ---- */

static void handle_port(evtchn_t port)
{
    /* before the handler: an event during it counts anew */
    clear_bit(port, shared_info.evtchn_pending);
    event_handled++;
    if (handlers[port].handler)
        handlers[port].handler(port, handlers[port].data);
    else
        event_mask(port);                           /* nobody's: would ring for ever */
}

void events_poll(void)
{
    const char *interrupted = sleepless;

    sleepless = "an event handler";
    do {
        unsigned long words;

        WRITE_ONCE(vcpu()->evtchn_upcall_pending, 0);
        words = __atomic_exchange_n(&vcpu()->evtchn_pending_sel, 0, __ATOMIC_SEQ_CST);
        for (; words; words &= words - 1) {
            unsigned int word = (unsigned int)__builtin_ctzl(words);
            unsigned long ports = READ_ONCE(shared_info.evtchn_pending[word]) &
                                  ~READ_ONCE(shared_info.evtchn_mask[word]);

            for (; ports; ports &= ports - 1)
                handle_port(word * 64 + (unsigned int)__builtin_ctzl(ports));
        }
    } while (READ_ONCE(vcpu()->evtchn_upcall_pending));
    sleepless = interrupted;
}

void event_dispatch(struct trap_frame *frame)
{
    event_upcalls++;
    events_poll();
}

/* ---- the whole vCPU ---- */

void events_mask_all(void)
{
    WRITE_ONCE(vcpu()->evtchn_upcall_mask, 1);
    barrier();
}

void events_unmask_all(void)
{
    barrier();
    WRITE_ONCE(vcpu()->evtchn_upcall_mask, 0);
    barrier();
    /* What came while we were masked does not ring again: take it here, which spares a
     * hypercall. */
    while (READ_ONCE(vcpu()->evtchn_upcall_pending)) {
        events_mask_all();
        events_poll();
        WRITE_ONCE(vcpu()->evtchn_upcall_mask, 0);
        barrier();
    }
}

bool events_masked(void)
{
    return READ_ONCE(vcpu()->evtchn_upcall_mask);
}

bool events_save(void)
{
    bool masked = events_masked();

    events_mask_all();
    return masked;
}

void events_restore(bool was_masked)
{
    if (!was_masked)
        events_unmask_all();
}

/* ---- one port ---- */

void event_mask(evtchn_t port)
{
    set_bit(port, shared_info.evtchn_mask);
}

void event_unmask(evtchn_t port)
{
    bool masked = events_save();

    clear_bit(port, shared_info.evtchn_mask);
    /* A sender that saw the mask left only the pending bit: do the rest of its work. */
    if (test_bit(port, shared_info.evtchn_pending)) {
        set_bit(port / 64, &vcpu()->evtchn_pending_sel);
        WRITE_ONCE(vcpu()->evtchn_upcall_pending, 1);
    }
    events_restore(masked);
}

bool event_pending(evtchn_t port)
{
    return test_bit(port, shared_info.evtchn_pending);
}

void event_clear(evtchn_t port)
{
    clear_bit(port, shared_info.evtchn_pending);
}

int event_send(evtchn_t port)
{
    struct evtchn_send send = { .port = port };

    return (int)HYPERVISOR_event_channel_op(EVTCHNOP_send, &send);
}

/* ---- binding ---- */

void event_attach(evtchn_t port, event_handler handler, void *data)
{
    handlers[port].handler = handler;
    handlers[port].data = data;
    event_unmask(port);
}

void event_unbind(evtchn_t port)
{
    struct evtchn_close close = { .port = port };

    event_mask(port);
    HYPERVISOR_event_channel_op(EVTCHNOP_close, &close);
    handlers[port].handler = NULL;
    event_clear(port);
}

int event_alloc_unbound(domid_t remote, event_handler handler, void *data)
{
    struct evtchn_alloc_unbound op = { .dom = DOMID_SELF, .remote_dom = remote };
    long error = HYPERVISOR_event_channel_op(EVTCHNOP_alloc_unbound, &op);

    if (error) return (int)error;
    event_attach(op.port, handler, data);
    return (int)op.port;
}

int event_bind_interdomain(domid_t remote, evtchn_t remote_port, event_handler handler, void *data)
{
    struct evtchn_bind_interdomain op = { .remote_dom = remote, .remote_port = remote_port };
    long error = HYPERVISOR_event_channel_op(EVTCHNOP_bind_interdomain, &op);

    if (error) return (int)error;
    event_attach(op.local_port, handler, data);
    return (int)op.local_port;
}

int event_bind_virq(unsigned int virq, event_handler handler, void *data)
{
    struct evtchn_bind_virq op = { .virq = virq };
    long error = HYPERVISOR_event_channel_op(EVTCHNOP_bind_virq, &op);

    if (error) return (int)error;
    event_attach(op.port, handler, data);
    return (int)op.port;
}

int event_bind_pirq(unsigned int pirq, unsigned int flags, event_handler handler, void *data)
{
    struct evtchn_bind_pirq op = { .pirq = pirq, .flags = flags };
    long error = HYPERVISOR_event_channel_op(EVTCHNOP_bind_pirq, &op);

    if (error) return (int)error;
    event_attach(op.port, handler, data);
    return (int)op.port;
}

int event_bind_ipi(event_handler handler, void *data)
{
    struct evtchn_bind_ipi op = { .vcpu = 0 };
    long error = HYPERVISOR_event_channel_op(EVTCHNOP_bind_ipi, &op);

    if (error) return (int)error;
    event_attach(op.port, handler, data);
    return (int)op.port;
}
