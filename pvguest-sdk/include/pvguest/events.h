/* SPDX-License-Identifier: MIT */
/*
 * Event channels: the interrupts of a PV guest. A port is a number below 4096; when it fires, its
 * handler runs with all events masked, on whatever stack was in use, and must not sleep. Wake a
 * thread (<pvguest/thread.h>) for long work.
 *
 * All functions that bind return the port (>= 0) or a negative errno. A port is masked in no case
 * after binding: the handler may run before the function returns. Unbinding closes the port.
 *
 * A port rings on one vCPU: vCPU 0, unless it was bound for another or moved there. All functions
 * are for any vCPU. Who unbinds a port that rings on another one may find its handler running
 * still: it is unbound there (smp_call), or when nobody rings it any more.
 */
#ifndef PVGUEST_EVENTS_H
#define PVGUEST_EVENTS_H

#include <pvguest/xen.h>

#define EVENT_PORTS 4096

typedef uint32_t evtchn_t;
typedef void (*event_handler)(evtchn_t port, void *data);

/* Masks all ports, forgets handlers, opens the upcall. guest_start calls it after traps_init. */
void events_init(void);

/* Attach a handler to a port that exists already (console and store ports of a domU, a port told
 * through XenStore). */
void event_attach(evtchn_t port, event_handler handler, void *data);

/* A new port that `remote` may bind to. */
int event_alloc_unbound(domid_t remote, event_handler handler, void *data);
/* The other end of a port that `remote` allocated for us. */
int event_bind_interdomain(domid_t remote, evtchn_t remote_port, event_handler handler, void *data);
/* VIRQ_TIMER, VIRQ_CONSOLE, VIRQ_DOM_EXC, ... of vCPU 0; VIRQ_TIMER and VIRQ_DEBUG of another one
 * that smp_start has started. */
int event_bind_virq(unsigned int virq, event_handler handler, void *data);
int event_bind_virq_on(unsigned int id, unsigned int virq, event_handler handler, void *data);
/* A physical interrupt (pirq from PHYSDEVOP_map_pirq), dom0 only. BIND_PIRQ__WILL_SHARE in flags
 * where shared. */
int event_bind_pirq(unsigned int pirq, unsigned int flags, event_handler handler, void *data);
/* A port to ourselves, vCPU 0; or another one that smp_start has started. */
int event_bind_ipi(event_handler handler, void *data);
int event_bind_ipi_on(unsigned int id, event_handler handler, void *data);

/* The port rings on that vCPU from now on. Not for IPIs and VIRQs of a vCPU (-EINVAL). */
int event_move(evtchn_t port, unsigned int id);

/* Close the port and forget its handler. */
void event_unbind(evtchn_t port);

/* Kick the other end. 0 or a negative errno. */
int event_send(evtchn_t port);

/* One port: a masked one stays pending until unmasked. */
void event_mask(evtchn_t port);
void event_unmask(evtchn_t port);
/* Who sends from another CPU can be faster than we can listen. A handler that only has the work
 * done elsewhere holds its port: it does not ring again before event_rearm, which the worker calls
 * before it looks what there is to do. So it is heard once each time. Where the machine has one
 * CPU nobody sends while we listen: event_storms is set to false, and both do nothing. */
extern bool event_storms;               /* true, until somebody knows better */
void event_hold(evtchn_t port);
void event_rearm(evtchn_t port);
bool event_pending(evtchn_t port);
void event_clear(evtchn_t port);

/*
 * All ports of this vCPU: the PV form of cli and sti, a byte in memory. Unmasking looks for events
 * that came meanwhile.
 * Nest with save and restore:   bool flags = events_save(); ... events_restore(flags);
 */
void events_mask_all(void);
void events_unmask_all(void);
bool events_masked(void);
bool events_save(void);
void events_restore(bool was_masked);

/* Runs handlers for everything pending, with events masked: called by the upcall, and by
 * pollers. */
void events_poll(void);

/* Events counted since boot: upcalls and handler runs. With several vCPUs some are missed. */
extern uint64_t event_upcalls, event_handled;

#endif
