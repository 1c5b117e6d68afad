/* SPDX-License-Identifier: MIT */
/* event_channel_op (<xen/event_channel.h>): what a guest asks of its ports; what they are is in
 * domain/events.c. FIFO channels are refused: guests fall back to these. */
#include "calls/named.h"
#include "domain/event_port.h"
#include "domain/physdev.h"
#include "entry/hypercall.h"
#include "lib/fail.h"
#include "memory/access.h"
#include "memory/frame.h"

/* The peer's end cannot vanish while we hold our lock, because closing
 * takes both. */
static int send(struct domain *d, const struct evtchn_send *op)
{
    struct evtchn *c = event_channel(d, op->port);
    int error = 0;
    if (unlikely(!c)) return fail(-EINVAL, "there is no such port");
    spin_lock(&d->events.lock);
    if (likely(c->state == EVTCHNSTAT_interdomain))
        event_raise(c->remote, event_channel(c->remote, c->number)->vcpu, c->number);
    else if (c->state == EVTCHNSTAT_ipi)
        event_raise(d, c->vcpu, op->port);
    else if (c->state != EVTCHNSTAT_unbound)        /* nobody is listening yet: not an error */
        error = fail(-EINVAL, "only interdomain ports and IPIs can be sent on");
    spin_unlock(&d->events.lock);
    return error;
}

static int close(struct domain *d, const struct evtchn_close *op)
{
    return event_close(d, op->port);
}

/* Whose ports an operation may be about. */
#define PORTS_OF (NAMED_CONTROL | NAMED_IF_THERE)

/* A port, or the error that there is instead of one. */
static int answer(evtchn_port_t *out, int port)
{
    *out = (evtchn_port_t)port;
    return MIN(port, 0);
}

static int alloc_unbound(struct domain *d, struct evtchn_alloc_unbound *op)
{
    int error;
    d = domain_named(op->dom, PORTS_OF, &error);
    if (!d) return error;
    spin_lock(&d->events.lock);
    int port = event_bind(d, EVTCHNSTAT_unbound, 0, 0);
    if (port > 0)
        event_channel(d, (uint32_t)port)->remote_id =
            op->remote_dom == DOMID_SELF ? current->domain->id : op->remote_dom;
    spin_unlock(&d->events.lock);
    domain_put(d);
    return answer(&op->port, port);
}

static int bind_interdomain(struct domain *d, struct evtchn_bind_interdomain *op)
{
    int port;
    struct domain *remote = domain_named(op->remote_dom, NAMED_ANY, &port);
    if (!remote) return port;
    events_lock_both(d, remote);
    struct evtchn *r = event_channel(remote, op->remote_port);
    if (!r || r->state != EVTCHNSTAT_unbound || r->remote_id != d->id) {
        port = fail(-EINVAL, "the remote port is not waiting for this domain");
    } else if ((port = event_bind(d, EVTCHNSTAT_interdomain, 0, op->remote_port)) > 0) {
        event_channel(d, (uint32_t)port)->remote = remote;
        r->remote = d;
        r->number = (uint32_t)port;
        r->state = EVTCHNSTAT_interdomain;
        /* what was sent while the port was unbound is lost: notify once to be safe */
        event_raise(d, 0, (uint32_t)port);
    }
    events_unlock_both(d, remote);
    domain_put(remote);
    return answer(&op->local_port, port);
}

static bool virq_is_global(uint32_t virq)
{
    return virq != VIRQ_TIMER && virq != VIRQ_DEBUG && virq != VIRQ_XENOPROF && virq != VIRQ_XENPMU;
}

static int bind_virq(struct domain *d, struct evtchn_bind_virq *op)
{
    struct vcpu *v = vcpu_by_id(d, op->vcpu);
    if (op->virq >= NR_VIRQS || (virq_is_global(op->virq) && op->vcpu != 0))
        return fail(-EINVAL, "no such VIRQ, or a global one not bound to vCPU 0");
    if (!v) return fail(-ENOENT, "there is no such vCPU");
    spin_lock(&d->events.lock);
    int port = v->events.virq_port[op->virq] ? fail(-EEXIST, "the VIRQ is bound already")
                                      : event_bind(d, EVTCHNSTAT_virq, op->vcpu, op->virq);
    if (port > 0)
        v->events.virq_port[op->virq] = (uint32_t)port;
    spin_unlock(&d->events.lock);
    return answer(&op->port, port);
}

static int bind_ipi(struct domain *d, struct evtchn_bind_ipi *op)
{
    if (!vcpu_by_id(d, op->vcpu)) return fail(-ENOENT, "there is no such vCPU");
    spin_lock(&d->events.lock);
    int port = event_bind(d, EVTCHNSTAT_ipi, op->vcpu, 0);
    spin_unlock(&d->events.lock);
    return answer(&op->port, port);
}

static int bind_pirq(struct domain *d, struct evtchn_bind_pirq *op)
{
    spin_lock(&d->events.lock);
    int port = event_bind(d, EVTCHNSTAT_pirq, 0, op->pirq);
    if (port > 0) {
        int error = pirq_bind(d, op->pirq, (uint32_t)port);
        if (error) {
            event_free(d, (uint32_t)port, event_channel(d, (uint32_t)port));
            port = error;
        }
    }
    spin_unlock(&d->events.lock);
    return answer(&op->port, port);
}

static int status(struct domain *d, struct evtchn_status *op)
{
    int error;
    d = domain_named(op->dom, PORTS_OF, &error);
    if (!d) return error;
    struct evtchn *c = event_channel(d, op->port);
    if (!c) {
        domain_put(d);
        return fail(-EINVAL, "there is no such port");
    }
    spin_lock(&d->events.lock);
    op->status = c->state;
    op->vcpu = c->vcpu;
    if (c->state == EVTCHNSTAT_unbound) {
        op->u.unbound.dom = c->remote_id;
    } else if (c->state == EVTCHNSTAT_interdomain) {
        op->u.interdomain.dom = c->remote->id;
        op->u.interdomain.port = c->number;
    } else {
        op->u.pirq = c->number;
    }
    spin_unlock(&d->events.lock);
    domain_put(d);
    return 0;
}

static int bind_vcpu(struct domain *d, const struct evtchn_bind_vcpu *op)
{
    struct evtchn *c = event_channel(d, op->port);
    int error = 0;
    if (!vcpu_by_id(d, op->vcpu)) return fail(-ENOENT, "there is no such vCPU");
    if (!c) return fail(-EINVAL, "there is no such port");
    spin_lock(&d->events.lock);
    if (c->state == EVTCHNSTAT_interdomain || c->state == EVTCHNSTAT_unbound ||
        c->state == EVTCHNSTAT_pirq || (c->state == EVTCHNSTAT_virq && virq_is_global(c->number)))
        c->vcpu = (uint16_t)op->vcpu;
    else
        error = fail(-EINVAL, "IPIs and per-vCPU VIRQs stay on their vCPU");
    spin_unlock(&d->events.lock);
    return error;
}

static int unmask(struct domain *d, const struct evtchn_unmask *op)
{
    struct evtchn *c = event_channel(d, op->port);
    if (!c) return fail(-EINVAL, "there is no such port");
    spin_lock(&d->events.lock);
    struct vcpu *v = d->vcpus[c->vcpu];         /* our own domain: it has one */
    event_bit_clear(d->shared->evtchn_mask, op->port);
    if (event_bit(d->shared->evtchn_pending, op->port) &&
        !event_bit_set(&v->info->evtchn_pending_sel, op->port / 64))
        vcpu_mark_event_pending(v);
    spin_unlock(&d->events.lock);
    return 0;
}

static int reset(struct domain *d, const struct evtchn_reset *op)
{
    int error;
    d = domain_named(op->dom, PORTS_OF, &error);
    if (!d) return error;
    spend(COST_CALL);                       /* all are looked for, if there are none, too */
    if (d != current->domain && !d->toolstack_pauses)
        error = fail(-EINVAL, "another domain's ports are reset while it is paused");
    else
        error = events_close_all(d);
    domain_put(d);
    return error;
}

/* --- FIFO event channels: refused, but wrong calls are wrong in Xen's order --- */

static int init_control(struct domain *d, const struct evtchn_init_control *op)
{
    if (!vcpu_by_id(d, op->vcpu)) return fail(-ENOENT, "there is no such vCPU");
    if (op->offset > PAGE_SIZE - sizeof(evtchn_fifo_control_block_t) || op->offset & 7)
        return fail(-EINVAL, "the control block is not within a page, or not aligned");
    if (frame_get_writable(MFN(op->control_gfn), &d->memory))
        return fail_frame(-EINVAL,
                          "the control block's frame is none that this domain may write",
                          MFN(op->control_gfn), 0);
    frame_put_writable(MFN(op->control_gfn));
    return fail(-ENOSYS, "FIFO event channels are not offered");
}

static int expand_array(struct domain *d, const struct evtchn_expand_array *op)
{
    return fail(-EOPNOTSUPP, "there is no event array: the channels are 2-level");
}

static int set_priority(struct domain *d, const struct evtchn_set_priority *op)
{
    if (!event_channel(d, op->port)) return fail(-EINVAL, "there is no such port");
    return fail(-ENOSYS, "2-level event channels have no priorities");
}

static const struct operation operations[] = {
    ROW(EVTCHNOP_unmask, domain, evtchn_unmask, unmask),
    ROW(EVTCHNOP_close, domain, evtchn_close, close),
    ROW(EVTCHNOP_bind_vcpu, domain, evtchn_bind_vcpu, bind_vcpu),
    ROW(EVTCHNOP_alloc_unbound, domain, evtchn_alloc_unbound, alloc_unbound),
    ROW(EVTCHNOP_bind_interdomain, domain, evtchn_bind_interdomain, bind_interdomain),
    ROW(EVTCHNOP_bind_virq, domain, evtchn_bind_virq, bind_virq),
    ROW(EVTCHNOP_bind_ipi, domain, evtchn_bind_ipi, bind_ipi),
    ROW(EVTCHNOP_bind_pirq, domain, evtchn_bind_pirq, bind_pirq),
    ROW(EVTCHNOP_status, domain, evtchn_status, status),
    ROW(EVTCHNOP_reset, domain, evtchn_reset, reset),
    ROW(EVTCHNOP_init_control, domain, evtchn_init_control, init_control),
    ROW(EVTCHNOP_expand_array, domain, evtchn_expand_array, expand_array),
    ROW(EVTCHNOP_set_priority, domain, evtchn_set_priority, set_priority),
};

long do_event_channel_op(unsigned int cmd, uint64_t arg)
{
    struct domain *d = current->domain;
    struct evtchn_send op;
    long result;

    if (likely(cmd == OP(EVTCHNOP_send)))       /* the hot one */
        return read_guest(&op, arg) ? UNREADABLE : send(d, &op);
    result = operation_call(operations, ARRAY_SIZE(operations), cmd, d, arg, NULL);
    return result == -ERESTART ? hypercall_continue(event_channel_op, cmd, arg) : result;
}
