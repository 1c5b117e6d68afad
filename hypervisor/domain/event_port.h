/* SPDX-License-Identifier: MIT */
/* The inside of ports, shared by domain/events.c (what they are) and calls/event_channel_op.c (the
 * hypercall). All but event_close and events_close_all: under the domain's events.lock. */
#ifndef DOMUS_DOMAIN_EVENT_PORT_H
#define DOMUS_DOMAIN_EVENT_PORT_H

#include "domain/domain.h"
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

#define PER_BUCKET  (PAGE_SIZE / sizeof(struct evtchn))
#define NR_BUCKETS  (NR_EVTCHNS / PER_BUCKET)
_Static_assert(sizeof(struct evtchn) == 16, "a power of two, so that buckets are full pages");

static inline bool event_bit_set(uint64_t *bits, uint32_t n)
{
    uint64_t bit = 1ul << n % 64;
    race_point();
    return __atomic_fetch_or(&bits[n / 64], bit, __ATOMIC_SEQ_CST) & bit;
}

static inline void event_bit_clear(uint64_t *bits, uint32_t n)
{
    race_point();
    __atomic_fetch_and(&bits[n / 64], ~(1ul << n % 64), __ATOMIC_SEQ_CST);
}

static inline bool event_bit(const uint64_t *bits, uint32_t n)
{
    return __atomic_load_n(&bits[n / 64], __ATOMIC_RELAXED) >> n % 64 & 1;
}

/* The channel of a port, or NULL when that part of the port space was never used. The bucket is
 * published by a release store after it is cleared (XSA-340), so this may be asked without the
 * lock. */
static inline struct evtchn *event_channel(const struct domain *d, uint32_t port)
{
    if (port >= d->events.limit || !d->events.buckets) return NULL;
    struct evtchn *bucket = __atomic_load_n(&d->events.buckets[port / PER_BUCKET],
                                            __ATOMIC_ACQUIRE);
    return bucket ? &bucket[port % PER_BUCKET] : NULL;
}

/* Both domains' locks; they may be the same. */
void events_lock_both(struct domain *a, struct domain *b);
void events_unlock_both(struct domain *a, struct domain *b);

/* Gives a free port its meaning. The port, or -EINVAL, -ENOSPC, -ENOMEM. */
int event_bind(struct domain *d, uint8_t state, uint32_t vcpu, uint32_t number) must_check;
void event_free(struct domain *d, uint32_t port, struct evtchn *c);
/* pending from now on; vcpu: whom to tell */
void event_raise(struct domain *d, uint32_t vcpu, uint32_t port);

/* -EINVAL */
int event_close(struct domain *d, uint32_t port) must_check;
/* -ERESTART: call again */
int events_close_all(struct domain *d) must_check;

#endif
