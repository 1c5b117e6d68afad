/* SPDX-License-Identifier: MIT */
/*
 * Event channels (EVTCHNOP_*, <xen/event_channel.h>): a port is a number in its domain, bound to a
 * peer's port, a virtual interrupt, a physical one, or a vCPU of the same domain. Raising it sets a
 * bit in the shared page, then a selector bit and the upcall flag in the vCPU's info; the guest is
 * entered at its event callback on its way out of ring 0.
 *
 * Channels live in pages of 256, allocated when the first of them is needed: an idle domain pays
 * for one page. FIFO channels are refused (-ENOSYS): guests fall back to these.
 */
#include "domain/events.h"
#include "domain/domain.h"
#include "domain/physdev.h"
#include "entry/hypercall.h"
#include "lib/fail.h"
#include "lib/printk.h"
#include "memory/access.h"
#include "memory/frame.h"
#include "memory/heap.h"
#include <xen/event_channel.h>

struct evtchn {
    uint8_t state;              /* EVTCHNSTAT_* */
    uint16_t vcpu;              /* the vCPU that is notified */
    uint32_t number;            /* remote port, PIRQ or VIRQ */
    union {
        /* interdomain. No reference: whichever end dies first closes both under both locks */
        struct domain *remote;
        domid_t remote_id;      /* unbound: who may connect */
    };
};

#define COST_WORD   15              /* instructions: 64 ports looked at for a free one */
#define PER_BUCKET  (PAGE_SIZE / sizeof(struct evtchn))
#define NR_BUCKETS  (NR_EVTCHNS / PER_BUCKET)
_Static_assert(sizeof(struct evtchn) == 16, "a power of two, so that buckets are full pages");

static bool test_and_set(uint64_t *bits, uint32_t n)
{
    uint64_t bit = 1ul << n % 64;
    return __atomic_fetch_or(&bits[n / 64], bit, __ATOMIC_SEQ_CST) & bit;
}

static void clear(uint64_t *bits, uint32_t n)
{
    __atomic_fetch_and(&bits[n / 64], ~(1ul << n % 64), __ATOMIC_SEQ_CST);
}

static bool test(const uint64_t *bits, uint32_t n)
{
    return __atomic_load_n(&bits[n / 64], __ATOMIC_RELAXED) >> n % 64 & 1;
}

/* The channel of a port, or NULL when that part of the port space was never used. The bucket is
 * published by a release store after it is cleared (advisory 340), so this may be asked without the
 * lock. */
static struct evtchn *channel(const struct domain *d, uint32_t port)
{
    if (port >= d->events.limit || !d->events.buckets) return NULL;
    struct evtchn *bucket = __atomic_load_n(&d->events.buckets[port / PER_BUCKET],
                                            __ATOMIC_ACQUIRE);
    return bucket ? &bucket[port % PER_BUCKET] : NULL;
}

bool event_port_valid(const struct domain *d, uint32_t port)
{
    return port && channel(d, port);
}
bool event_port_pending(const struct domain *d, uint32_t port)
{
    return test(d->shared->evtchn_pending, port);
}

/* ---- raising events ---- */

void vcpu_mark_event_pending(struct vcpu *v)
{
    if (!__atomic_exchange_n(&v->info->evtchn_upcall_pending, 1, __ATOMIC_SEQ_CST))
        vcpu_wake(v);
}

static void wake_pollers(struct domain *d, uint32_t port)
{
    struct vcpu *v;

    for_each_vcpu (v, d) {
        if (!(d->events.pollers >> v->id & 1) ||
            (v->events.poll_port && v->events.poll_port != port))
            continue;
        __atomic_fetch_and(&d->events.pollers, ~(1u << v->id), __ATOMIC_SEQ_CST);
        vcpu_wake(v);
    }
}

void vcpu_stop_polling(struct vcpu *v)
{
    __atomic_fetch_and(&v->domain->events.pollers, ~(1u << v->id), __ATOMIC_SEQ_CST);
    if (v->time.poll.fire)
        timer_stop(&v->time.poll);
}

static void raise_port(struct domain *d, uint32_t vcpu, uint32_t port)
{
    struct vcpu *v = d->vcpus[vcpu];
    /* a domain being built may have ports and no vCPU yet */
    if (test_and_set(d->shared->evtchn_pending, port) || !v) return;
    if (!test(d->shared->evtchn_mask, port) &&
        !test_and_set(&v->info->evtchn_pending_sel, port / 64))
        vcpu_mark_event_pending(v);
    if (d->events.pollers)
        wake_pollers(d, port);
}

void events_rescan(struct vcpu *v)
{
    v->info->evtchn_pending_sel = ~0ul;
    v->info->evtchn_upcall_pending = 1;
    vcpu_wake(v);
}

void send_guest_vcpu_virq(struct vcpu *v, uint32_t virq)
{
    struct domain *d = v->domain;
    spin_lock(&d->events.lock);
    uint32_t port = v->events.virq_port[virq];
    if (port)
        raise_port(d, channel(d, port)->vcpu, port);
    spin_unlock(&d->events.lock);
}

void send_global_virq(uint32_t virq)
{
    if (dom0 && dom0->vcpus[0])
        send_guest_vcpu_virq(dom0->vcpus[0], virq);
}

void send_guest_pirq(struct domain *d, uint32_t pirq)
{
    spin_lock(&d->events.lock);
    uint32_t port = pirq_port(d, pirq);
    if (port)
        raise_port(d, channel(d, port)->vcpu, port);
    spin_unlock(&d->events.lock);
}

/* The peer's end cannot vanish while we hold our lock, because closing
 * takes both. */
static int send(struct domain *d, const struct evtchn_send *op)
{
    struct evtchn *c = channel(d, op->port);
    int error = 0;
    if (unlikely(!c)) return fail(-EINVAL, "there is no such port");
    spin_lock(&d->events.lock);
    if (likely(c->state == EVTCHNSTAT_interdomain))
        raise_port(c->remote, channel(c->remote, c->number)->vcpu, c->number);
    else if (c->state == EVTCHNSTAT_ipi)
        raise_port(d, c->vcpu, op->port);
    else if (c->state != EVTCHNSTAT_unbound)        /* nobody is listening yet: not an error */
        error = fail(-EINVAL, "only interdomain ports and IPIs can be sent on");
    spin_unlock(&d->events.lock);
    return error;
}

/* ---- ports ---- */

static void lock_both(struct domain *a, struct domain *b)
{
    spin_lock(a < b ? &a->events.lock : &b->events.lock);
    if (a != b)
        spin_lock(a < b ? &b->events.lock : &a->events.lock);
}

static void unlock_both(struct domain *a, struct domain *b)
{
    spin_unlock(&a->events.lock);
    if (a != b)
        spin_unlock(&b->events.lock);
}

static int add_bucket(struct domain *d, uint32_t index)
{
    if (!d->events.buckets)
        d->events.buckets = hv_alloc(NR_BUCKETS * sizeof(*d->events.buckets));
    struct evtchn *bucket = d->events.buckets ? hv_alloc_pages(0) : NULL;
    if (!bucket) return fail(-ENOMEM, "no memory for more event channels");
    __atomic_store_n(&d->events.buckets[index], bucket, __ATOMIC_RELEASE);
    return 0;
}

/* The lowest free port, still marked closed; port 0 is never given out. Negative: no port. Under
 * the lock. */
static int find_free_port(struct domain *d)
{
    uint32_t port = 0;
    lock_needed(&d->events.lock);
    if (domain_is_dying(d)) return fail(-EINVAL, "the domain is being destroyed");
    for (uint32_t word = 0; word < ARRAY_SIZE(d->events.used) && !port; word++) {
        uint64_t free = ~d->events.used[word] & (word == 0 ? ~1ul : ~0ul);
        if (free)
            port = word * 64 + (uint32_t)__builtin_ctzl(free);
        spend(COST_WORD);
    }
    if (!port || port >= d->events.limit)
        return fail(-ENOSPC, "all event channels of the domain are in use");
    int error = channel(d, port) ? 0 : add_bucket(d, port / PER_BUCKET);
    return error ? error : (int)port;
}

/* Give a free port its meaning. The state is set last: it publishes the rest (advisories 46,
 * 47). */
static int bind_new_port(struct domain *d, uint8_t state, uint32_t vcpu, uint32_t number)
{
    int port = find_free_port(d);
    if (port < 0) return port;
    struct evtchn *c = channel(d, (uint32_t)port);
    c->vcpu = (uint16_t)vcpu;
    c->number = number;
    c->remote = NULL;
    c->state = state;
    d->events.used[port / 64] |= 1ul << port % 64;
    return port;
}

static void free_port(struct domain *d, uint32_t port, struct evtchn *c)
{
    lock_needed(&d->events.lock);
    c->state = EVTCHNSTAT_closed;
    c->vcpu = 0;
    c->remote = NULL;
    d->events.used[port / 64] &= ~(1ul << port % 64);
    clear(d->shared->evtchn_pending, port);
}

/* Undo what a port other than an interdomain one is bound to. */
static void unbind(struct domain *d, struct evtchn *c)
{
    struct vcpu *v;

    if (c->state == EVTCHNSTAT_pirq)
        pirq_unbind(d, c->number);
    if (c->state != EVTCHNSTAT_virq) return;
    /* a global VIRQ may have been moved to another vCPU */
    for_each_vcpu (v, d)
        if (v->events.virq_port[c->number] && channel(d, v->events.virq_port[c->number]) == c)
            v->events.virq_port[c->number] = 0;
}

static int close_port(struct domain *d, uint32_t port)
{
    struct evtchn *c = channel(d, port);
    struct domain *peer;
    if (!c || !port) return fail(-EINVAL, "there is no such port");
    for (;;) {              /* find the peer, lock both, and make sure that it still is the peer */
        spin_lock(&d->events.lock);
        peer = c->state == EVTCHNSTAT_interdomain ? c->remote : d;
        spin_unlock(&d->events.lock);
        lock_both(d, peer);
        if ((c->state == EVTCHNSTAT_interdomain ? c->remote : d) == peer)
            break;
        unlock_both(d, peer);
    }
    int error = 0;
    if (c->state == EVTCHNSTAT_closed) {
        error = fail(-EINVAL, "the port is closed already");
    } else {
        /* the other end waits for a new peer of the same domain */
        if (c->state == EVTCHNSTAT_interdomain) {
            struct evtchn *other = channel(peer, c->number);
            other->state = EVTCHNSTAT_unbound;
            other->remote = NULL;
            other->remote_id = d->id;
        } else {
            unbind(d, c);
        }
        free_port(d, port, c);
    }
    unlock_both(d, peer);
    return error;
}

static int close(struct domain *d, const struct evtchn_close *op)
{
    return close_port(d, op->port);
}

/* Close every port; closed ones stay closed, so starting again after -ERESTART goes on. */
static int close_all(struct domain *d)
{
    for (uint32_t word = 0; word < ARRAY_SIZE(d->events.used); word++)
        while (d->events.used[word]) {
            /* cannot be: it is in use */
            if (close_port(d, word * 64 + (uint32_t)__builtin_ctzl(d->events.used[word]))) return 0;
            spend(COST_FRAME);
            if (spent()) return -ERESTART;
        }
    return 0;
}

int events_destroy(struct domain *d)
{
    if (!d->events.buckets) return 0;
    int error = close_all(d);
    if (error) return error;
    for (uint32_t i = 0; i < NR_BUCKETS; i++)
        hv_free_pages(d->events.buckets[i], 0);
    hv_free(d->events.buckets, NR_BUCKETS * sizeof(*d->events.buckets));
    d->events.buckets = NULL;
    return 0;
}

/* ---- the operations ---- */

/* A domain by number for an operation on itself, or on another by the control domain. NULL with
 * *error set. */
static struct domain *target(domid_t id, int *error)
{
    struct domain *d = domain_get_self_or(id);
    *error = 0;
    if (!d) {
        *error = fail(-ESRCH, "there is no such domain");
    } else if (d != current->domain && !current->domain->privileged) {
        *error = fail(-EPERM, "only the control domain may do this for another domain");
        domain_put(d);
        d = NULL;
    }
    return d;
}

/* A port, or the error that there is instead of one. */
static int answer(evtchn_port_t *out, int port)
{
    *out = (evtchn_port_t)port;
    return MIN(port, 0);
}

static int alloc_unbound(struct domain *d, struct evtchn_alloc_unbound *op)
{
    int error;
    d = target(op->dom, &error);
    if (!d) return error;
    spin_lock(&d->events.lock);
    int port = bind_new_port(d, EVTCHNSTAT_unbound, 0, 0);
    if (port > 0)
        channel(d, (uint32_t)port)->remote_id = op->remote_dom == DOMID_SELF ? current->domain->id
                                                                             : op->remote_dom;
    spin_unlock(&d->events.lock);
    domain_put(d);
    return answer(&op->port, port);
}

static int bind_interdomain(struct domain *d, struct evtchn_bind_interdomain *op)
{
    struct domain *remote = domain_get_self_or(op->remote_dom);
    int port;
    if (!remote) return fail(-ESRCH, "there is no such domain");
    lock_both(d, remote);
    struct evtchn *r = channel(remote, op->remote_port);
    if (!r || r->state != EVTCHNSTAT_unbound || r->remote_id != d->id) {
        port = fail(-EINVAL, "the remote port is not waiting for this domain");
    } else if ((port = bind_new_port(d, EVTCHNSTAT_interdomain, 0, op->remote_port)) > 0) {
        channel(d, (uint32_t)port)->remote = remote;
        r->remote = d;
        r->number = (uint32_t)port;
        r->state = EVTCHNSTAT_interdomain;
        /* what was sent while the port was unbound is lost: notify once to be safe */
        raise_port(d, 0, (uint32_t)port);
    }
    unlock_both(d, remote);
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
                                      : bind_new_port(d, EVTCHNSTAT_virq, op->vcpu, op->virq);
    if (port > 0)
        v->events.virq_port[op->virq] = (uint32_t)port;
    spin_unlock(&d->events.lock);
    return answer(&op->port, port);
}

static int bind_ipi(struct domain *d, struct evtchn_bind_ipi *op)
{
    if (!vcpu_by_id(d, op->vcpu)) return fail(-ENOENT, "there is no such vCPU");
    spin_lock(&d->events.lock);
    int port = bind_new_port(d, EVTCHNSTAT_ipi, op->vcpu, 0);
    spin_unlock(&d->events.lock);
    return answer(&op->port, port);
}

static int bind_pirq(struct domain *d, struct evtchn_bind_pirq *op)
{
    spin_lock(&d->events.lock);
    int port = bind_new_port(d, EVTCHNSTAT_pirq, 0, op->pirq);
    if (port > 0) {
        int error = pirq_bind(d, op->pirq, (uint32_t)port);
        if (error) {
            free_port(d, (uint32_t)port, channel(d, (uint32_t)port));
            port = error;
        }
    }
    spin_unlock(&d->events.lock);
    return answer(&op->port, port);
}

static int status(struct domain *d, struct evtchn_status *op)
{
    int error;
    d = target(op->dom, &error);
    if (!d) return error;
    struct evtchn *c = channel(d, op->port);
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
    struct evtchn *c = channel(d, op->port);
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
    struct evtchn *c = channel(d, op->port);
    if (!c) return fail(-EINVAL, "there is no such port");
    spin_lock(&d->events.lock);
    struct vcpu *v = d->vcpus[c->vcpu];         /* our own domain: it has one */
    clear(d->shared->evtchn_mask, op->port);
    if (test(d->shared->evtchn_pending, op->port) &&
        !test_and_set(&v->info->evtchn_pending_sel, op->port / 64))
        vcpu_mark_event_pending(v);
    spin_unlock(&d->events.lock);
    return 0;
}

static int reset(struct domain *d, const struct evtchn_reset *op)
{
    int error;
    d = target(op->dom, &error);
    if (!d) return error;
    if (d != current->domain && !d->toolstack_pauses)
        error = fail(-EINVAL, "another domain's ports are reset while it is paused");
    else
        error = close_all(d);
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
    if (!channel(d, op->port)) return fail(-EINVAL, "there is no such port");
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
    int result;

    if (likely(cmd == OP(EVTCHNOP_send)))       /* the hot one */
        return read_guest(&op, arg) ? UNREADABLE : send(d, &op);
    result = operation_call(operations, ARRAY_SIZE(operations), cmd, d, arg, NULL);
    return result == -ERESTART ? hypercall_continue(event_channel_op, cmd, arg) : result;
}

/* ---- debug key 'e' ---- */

void events_dump(struct domain *d)
{
    static const char *const names[] = {
        "closed", "unbound", "interdomain", "pirq", "virq", "ipi"
    };
    for (uint32_t port = 1; port < d->events.limit; port++) {
        struct evtchn *c = channel(d, port);
        if (!c) {
            port |= PER_BUCKET - 1;
            continue;
        }
        if (c->state == EVTCHNSTAT_closed)
            continue;
        printk("d%u port %u: %s %u, vcpu %u%s%s", d->id, port, names[c->state], c->number, c->vcpu,
               event_port_pending(d, port) ? ", pending" : "",
               test(d->shared->evtchn_mask, port) ? ", masked" : "");
        if (c->state == EVTCHNSTAT_interdomain)
            printk("  of d%u", c->remote->id);
    }
}
