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
#include "domain/event_port.h"
#include "domain/physdev.h"
#include "lib/fail.h"
#include "lib/printk.h"
#include "machine/budget.h"
#include "memory/heap.h"

#define COST_WORD   15              /* instructions: 64 ports looked at for a free one */
#define COST_WAKE   400             /* one who waits for a port woken */

bool event_port_valid(const struct domain *d, uint32_t port)
{
    return port && event_channel(d, port);
}
bool event_port_pending(const struct domain *d, uint32_t port)
{
    return event_bit(d->shared->evtchn_pending, port);
}

/* ---- raising events ---- */

void vcpu_mark_event_pending(struct vcpu *v)
{
    race_point();
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
        spend(COST_WAKE);
    }
}

void vcpu_stop_polling(struct vcpu *v)
{
    __atomic_fetch_and(&v->domain->events.pollers, ~(1u << v->id), __ATOMIC_SEQ_CST);
    if (v->time.poll.fire)
        timer_stop(&v->time.poll);
}

void event_raise(struct domain *d, uint32_t vcpu, uint32_t port)
{
    struct vcpu *v = d->vcpus[vcpu];
    /* a domain being built may have ports and no vCPU yet */
    if (event_bit_set(d->shared->evtchn_pending, port) || !v) return;
    if (!event_bit(d->shared->evtchn_mask, port) &&
        !event_bit_set(&v->info->evtchn_pending_sel, port / 64))
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
        event_raise(d, event_channel(d, port)->vcpu, port);
    spin_unlock(&d->events.lock);
}

void send_global_virq(uint32_t virq)
{
    if (dom0 && dom0->vcpus[0])
        send_guest_vcpu_virq(dom0->vcpus[0], virq);
}

void send_guest_port(struct domain *d, const uint32_t *port)
{
    spin_lock(&d->events.lock);
    if (*port)
        event_raise(d, event_channel(d, *port)->vcpu, *port);
    spin_unlock(&d->events.lock);
}

/* ---- ports ---- */

void events_lock_both(struct domain *a, struct domain *b)
{
    spin_lock(a < b ? &a->events.lock : &b->events.lock);
    if (a != b)
        spin_lock(a < b ? &b->events.lock : &a->events.lock);
}

void events_unlock_both(struct domain *a, struct domain *b)
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
    int error = event_channel(d, port) ? 0 : add_bucket(d, port / PER_BUCKET);
    return error ? error : (int)port;
}

/* Give a free port its meaning. The state is set last: it publishes the rest
 * (XSA-46, 47). */
int event_bind(struct domain *d, uint8_t state, uint32_t vcpu, uint32_t number)
{
    int port = find_free_port(d);
    if (port < 0) return port;
    struct evtchn *c = event_channel(d, (uint32_t)port);
    c->vcpu = (uint16_t)vcpu;
    c->number = number;
    c->remote = NULL;
    c->state = state;
    d->events.used[port / 64] |= 1ul << port % 64;
    return port;
}

void event_free(struct domain *d, uint32_t port, struct evtchn *c)
{
    lock_needed(&d->events.lock);
    c->state = EVTCHNSTAT_closed;
    c->vcpu = 0;
    c->remote = NULL;
    d->events.used[port / 64] &= ~(1ul << port % 64);
    event_bit_clear(d->shared->evtchn_pending, port);
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
        if (event_channel(d, v->events.virq_port[c->number]) == c)
            v->events.virq_port[c->number] = 0;
}

int event_close(struct domain *d, uint32_t port)
{
    struct evtchn *c = event_channel(d, port);
    struct domain *peer;
    if (!c || !port) return fail(-EINVAL, "there is no such port");
    for (;;) {              /* find the peer, lock both, and make sure that it still is the peer */
        spin_lock(&d->events.lock);
        peer = c->state == EVTCHNSTAT_interdomain ? c->remote : d;
        spin_unlock(&d->events.lock);
        events_lock_both(d, peer);
        if ((c->state == EVTCHNSTAT_interdomain ? c->remote : d) == peer)
            break;
        events_unlock_both(d, peer);
    }
    int error = 0;
    if (c->state == EVTCHNSTAT_closed) {
        error = fail(-EINVAL, "the port is closed already");
    } else {
        /* the other end waits for a new peer of the same domain */
        if (c->state == EVTCHNSTAT_interdomain) {
            struct evtchn *other = event_channel(peer, c->number);
            other->state = EVTCHNSTAT_unbound;
            other->remote = NULL;
            other->remote_id = d->id;
        } else {
            unbind(d, c);
        }
        event_free(d, port, c);
    }
    events_unlock_both(d, peer);
    return error;
}

/* Close every port; closed ones stay closed, so starting again after -ERESTART goes on. */
int events_close_all(struct domain *d)
{
    for (uint32_t word = 0; word < ARRAY_SIZE(d->events.used); word++)
        while (d->events.used[word]) {
            uint32_t port = word * 64 + (uint32_t)__builtin_ctzl(d->events.used[word]);

            if (event_close(d, port)) return 0;     /* cannot be: it is in use */
            spend(COST_FRAME);
            if (spent()) return -ERESTART;
        }
    return 0;
}

int events_destroy(struct domain *d)
{
    if (!d->events.buckets) return 0;
    int error = events_close_all(d);
    if (error) return error;
    for (uint32_t i = 0; i < NR_BUCKETS; i++)
        hv_free_pages(d->events.buckets[i], 0);
    hv_free(d->events.buckets, NR_BUCKETS * sizeof(*d->events.buckets));
    d->events.buckets = NULL;
    return 0;
}

/* ---- debug key 'e' ---- */

void events_dump(struct domain *d)
{
    static const char *const names[] = {
        "closed", "unbound", "interdomain", "pirq", "virq", "ipi"
    };
    uint32_t used = 0;
    for (uint32_t port = 1; port < d->events.limit; port++) {
        struct evtchn *c = event_channel(d, port);
        if (!c) {
            port |= PER_BUCKET - 1;
            continue;
        }
        if (c->state == EVTCHNSTAT_closed || used++ >= DUMP_LINES)
            continue;
        printk("d%u port %u: %s %u, vcpu %u%s%s", d->id, port, names[c->state], c->number, c->vcpu,
               event_port_pending(d, port) ? ", pending" : "",
               event_bit(d->shared->evtchn_mask, port) ? ", masked" : "");
        if (c->state == EVTCHNSTAT_interdomain)
            printk("  of d%u", c->remote->id);
    }
    if (used > DUMP_LINES)
        printk("d%u: and %u ports more", d->id, used - DUMP_LINES);
}
