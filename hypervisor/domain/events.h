/* SPDX-License-Identifier: MIT */
/*
 * Event channels, 2-level: a domain's ports, what each is bound to, and how an event becomes an
 * upcall. Senders of other files (timers, interrupts, console) use the send_* functions of
 * domain/domain.h.
 *
 * Lock: domain.event_lock, of both domains in the order of their addresses where two are concerned.
 */
#ifndef DOMUS_DOMAIN_EVENTS_H
#define DOMUS_DOMAIN_EVENTS_H

#include "domain/domain.h"

/* All ports closed, peers' ends turned unbound, all memory given back. Preemptible: -ERESTART while
 * there is more. */
int events_destroy(struct domain *d) must_check;

/* A guest binds PIRQ to a port and back; control/physdev.c. Port 0: unbind. */
void event_pirq_closed(struct domain *d, uint32_t pirq);

/* Is this port of d bound to anything? (debug keys, SCHEDOP_poll) */
bool event_port_valid(const struct domain *d, uint32_t port);
bool event_port_pending(const struct domain *d, uint32_t port);

/* VCPUOP_register_vcpu_info moved v->info: anything sent meanwhile must not be lost, so mark every
 * selector pending. */
void events_rescan(struct vcpu *v);

void events_dump(struct domain *d);       /* debug key 'e' */

#endif
