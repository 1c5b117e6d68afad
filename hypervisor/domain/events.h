/* SPDX-License-Identifier: MIT */
/*
 * Event channels, 2-level: a domain's ports, what each is bound to, and how an event becomes an
 * upcall. Senders of other files (timers, interrupts, console) use the send_* functions of
 * domain/domain.h.
 *
 * Lock: domain.events.lock, of both domains in the order of their addresses where two are
 * concerned.
 */
#ifndef DOMUS_DOMAIN_EVENTS_H
#define DOMUS_DOMAIN_EVENTS_H

#include "lib/spinlock.h"
#include "lib/types.h"
#include <xen/xen.h>

#define NR_EVTCHNS         4096     /* EVTCHN_2L_NR_CHANNELS on 64-bit */

struct domain;
struct evtchn;
struct vcpu;

struct domain_events {
    spinlock_t lock;
    struct evtchn **buckets;        /* a page of pointers to pages of channels */
    uint64_t used[NR_EVTCHNS / 64]; /* a bit for each channel that is not closed */
    uint32_t limit;                 /* ports allowed */
    uint32_t pollers;               /* a bit for each vCPU in SCHEDOP_poll */
};

struct vcpu_events {
    uint32_t virq_port[NR_VIRQS];   /* 0: unbound */
    /* SCHEDOP_poll (the domain's pollers say whether it does): the only port polled, or 0: any */
    uint32_t poll_port;
    mfn_t info_frame;               /* held while info is registered elsewhere */
};

void send_guest_vcpu_virq(struct vcpu *v, uint32_t virq);
void send_global_virq(uint32_t virq);                      /* to the domain (dom0) that bound it */
/* the port that stands there under the lock, if any (0: unbound) */
void send_guest_port(struct domain *d, const uint32_t *port);
void vcpu_mark_event_pending(struct vcpu *v);              /* upcall pending; wakes it */

/* All ports closed, peers' ends turned unbound, all memory given back. Preemptible: -ERESTART while
 * there is more. */
int events_destroy(struct domain *d) must_check;

void vcpu_stop_polling(struct vcpu *v);     /* forget SCHEDOP_poll: its timer and its ports */

/* Is this port of d bound to anything? (debug keys, SCHEDOP_poll) */
bool event_port_valid(const struct domain *d, uint32_t port);
bool event_port_pending(const struct domain *d, uint32_t port);

/* VCPUOP_register_vcpu_info moved v->info: anything sent meanwhile must not be lost, so mark every
 * selector pending. */
void events_rescan(struct vcpu *v);

void events_dump(struct domain *d);       /* debug key 'e' */

#endif
