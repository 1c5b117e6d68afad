/* SPDX-License-Identifier: MIT */
/*
 * PIRQs: how a device's interrupt becomes an event of the control domain.
 *
 *   vector --> pirq_interrupt() --> send_guest_port() --> the port bound to the PIRQ
 *
 * A level-triggered source is masked when it fires and unmasked by the guest's PHYSDEVOP_eoi: it
 * would fire again at once. Edges and messages need nothing, but a device gone mad could send them
 * without end. So they are counted: more than STORM_LIMIT in STORM_WINDOW, and the source is masked
 * for one window. The guest loses no event by that: the port is pending anyway.
 *
 * Lock: the domain's events.lock (binding a PIRQ is part of binding its port), except in the
 * handler, which only reads.
 */
#include "domain/physdev.h"
#include "domain/domain.h"
#include "domain/msi.h"
#include "domain/pirq.h"
#include "lib/fail.h"
#include "lib/printk.h"
#include "machine/acpi.h"
#include "machine/apic.h"
#include "machine/budget.h"
#include "machine/vectors.h"
#include "memory/heap.h"

#define STORM_WINDOW 10000000ull    /* ns */
#define STORM_LIMIT  1000

static void mask(const struct pirq *p, bool masked)
{
    if (p->kind == PIRQ_GSI)
        ioapic_mask(p->number, masked);
    else if (p->kind == PIRQ_MSI)
        msi_mask(&p->msi, masked);
}

static bool is_level(const struct pirq *p)
{
    return p->kind == PIRQ_GSI && p->domain->pirqs->gsi_level[p->number];
}

static void storm_over(void *arg)
{
    struct pirq *p = arg;
    if (p->port)
        mask(p, false);
}

/* True once too many came within the window: masked until the window is over. */
static bool is_storm(struct pirq *p)
{
    uint64_t now = now_ns();
    if (now - p->window_start > STORM_WINDOW) {
        p->window_start = now;
        p->window_count = 0;
    }
    if (++p->window_count < STORM_LIMIT) return false;
    if (p->window_count == STORM_LIMIT)
        log_debug("PIRQ %u: an interrupt storm", p->number);
    mask(p, true);
    timer_set(&p->storm_end, now + STORM_WINDOW);
    return true;
}

static void pirq_interrupt(void *arg)
{
    struct pirq *p = arg;
    time_goes_to(p->domain, now_ns());          /* whoever is interrupted has no part in it */
    if (is_level(p)) {
        mask(p, true);
        p->needs_eoi = true;
    } else {
        (void)is_storm(p);
    }
    send_guest_port(p->domain, &p->port);
    time_goes_to(NULL, now_ns());
}

struct pirq *pirq_of(const struct domain *d, uint32_t number)
{
    return d->pirqs && number < NR_PIRQS ? d->pirqs->pirq[number] : NULL;
}

/* A number without a source yet. NULL: taken, or no memory. */
struct pirq *pirq_create(struct domain *d, uint32_t number)
{
    lock_needed(&d->events.lock);
    if (d->pirqs->pirq[number]) return NULL;
    struct pirq *p = hv_alloc(sizeof(*p));
    if (!p) return NULL;
    p->domain = d;
    p->number = number;
    timer_init(&p->storm_end, d, storm_over, p);
    d->pirqs->pirq[number] = p;
    return p;
}

/* Give the PIRQ its source, masked until a port is bound. The source's own description is filled in
 * by the caller. */
int pirq_connect(struct pirq *p, enum pirq_kind kind)
{
    int vector = vector_alloc(pirq_interrupt, p);
    if (vector < 0) return fail(-ENOSPC, "the CPU's vectors are all in use");
    if (kind == PIRQ_GSI) {
        const struct pirq_table *t = p->domain->pirqs;
        int error = ioapic_route(p->number, vector, t->gsi_level[p->number], t->gsi_low[p->number]);
        if (error) {
            vector_free(vector);
            return error;
        }
    } else {
        msi_program(&p->msi, vector);
    }
    p->vector = vector;
    p->kind = kind;
    return 0;
}

/* The last interrupt of a device gone, its capability is switched off.
 * RING0_LOCK: the handler, on another CPU, has ended before the PIRQ is freed. */
static void disconnect(struct pirq *p)
{
    if (p->kind == PIRQ_NONE) return;
    mask(p, true);
    timer_stop(&p->storm_end);
    vector_free(p->vector);
    if (p->kind == PIRQ_MSI) {
        bool others = false;
        spend(COST_PIRQS);
        for (uint32_t i = GSI_PIRQS; i < NR_PIRQS; i++) {
            const struct pirq *q = p->domain->pirqs->pirq[i];
            others |= q && q != p && q->kind == PIRQ_MSI && q->msi.bdf == p->msi.bdf;
        }
        if (!others)
            msi_disable(&p->msi);
    }
}

void pirq_free(struct pirq *p)
{
    struct domain *d = p->domain;
    disconnect(p);
    d->pirqs->pirq[p->number] = NULL;
    hv_free(p, sizeof(*p));
}

int pirq_bind(struct domain *d, uint32_t pirq, uint32_t port)
{
    lock_needed(&d->events.lock);
    struct pirq *p = pirq_of(d, pirq);
    if (pirq >= NR_PIRQS) return fail(-EINVAL, "there is no such PIRQ");
    if (!p || p->kind == PIRQ_NONE) return fail(-EPERM, "no interrupt is mapped to this PIRQ");
    if (p->port) return fail(-EEXIST, "the PIRQ is bound to a port already");
    p->port = port;
    mask(p, false);
    return 0;
}

void pirq_unbind(struct domain *d, uint32_t pirq)
{
    lock_needed(&d->events.lock);
    struct pirq *p = pirq_of(d, pirq);
    if (!p) return;
    mask(p, true);
    timer_stop(&p->storm_end);
    p->needs_eoi = false;
    p->port = 0;
}

/* The guest has served a level-triggered interrupt. */
void pirq_eoi(struct pirq *p)
{
    if (!p->needs_eoi) return;
    p->needs_eoi = false;
    if (p->port)
        mask(p, false);
}

/* ISA interrupts are edges unless the firmware says otherwise; the PCI ones above them are levels,
 * active low. */
int physdev_create(struct domain *d)
{
    struct pirq_table *t = hv_alloc(sizeof(*t));
    if (!t) return fail(-ENOMEM, "no memory for the domain's interrupts");
    for (uint32_t gsi = ISA_IRQS; gsi < GSI_PIRQS; gsi++)
        t->gsi_level[gsi] = t->gsi_low[gsi] = true;
    for (uint32_t irq = 0; irq < ISA_IRQS; irq++) {
        if (acpi.isa[irq].gsi < GSI_PIRQS) {
            t->gsi_level[acpi.isa[irq].gsi] = acpi.isa[irq].level;
            t->gsi_low[acpi.isa[irq].gsi] = acpi.isa[irq].active_low;
        }
    }
    d->pirqs = t;
    return 0;
}

void physdev_destroy(struct domain *d)
{
    struct pirq_table *t = d->pirqs;
    if (!t) return;
    for (uint32_t i = 0; i < NR_PIRQS; i++)
        if (t->pirq[i])
            pirq_free(t->pirq[i]);
    d->pirqs = NULL;
    hv_free(t, sizeof(*t));
}
