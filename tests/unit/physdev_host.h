/* SPDX-License-Identifier: MIT */
/* The machine under the control domain's interrupts, for the tests of domain/physdev.c and
 * control/physdev_op.c. */
#ifndef TESTS_UNIT_PHYSDEV_HOST_H
#define TESTS_UNIT_PHYSDEV_HOST_H

#undef fail /* cmocka has one, and the hypervisor, too */
#include "domain/pirq.h"
#include "domain/schedule.h"
#include "lib/fail.h"
#include "lib/printk.h"
#include "machine/acpi.h"
#include "machine/apic.h"
#include "machine/vectors.h"
#include "memory/heap.h"
#include "fail_host.h"

struct acpi_facts acpi;
static struct domain guest;
static uint64_t now;
static bool masked[2048];             /* by GSI, or by the message's entry */
static bool routed_level, routed_low; /* the I/O APIC's input that was set up last */
static int route_error;               /* what the I/O APIC answers */
static struct domain *payer;
static unsigned int said, events, vectors_used, vectors_freed, vectors_left, disabled,
    timers_stopped;
static size_t held, allocations_left;
static void (*handlers[512])(void *arg);
static void *arguments[512];

void printk_at(int level, const char *format, ...)
{
    said++;
}
uint64_t now_ns(void)
{
    return now;
}

void time_goes_to(struct domain *d, uint64_t at)
{
    assert_int_equal(at, now);
    payer = d;
}

void send_guest_port(struct domain *d, const uint32_t *port)
{
    assert_ptr_equal(payer, &guest); /* the interrupted one has no part in it */
    events++;
}

void ioapic_mask(uint32_t gsi, bool m)
{
    masked[gsi] = m;
}
void msi_mask(const struct msi *m, bool mask)
{
    masked[m->entry] = mask;
}
void msi_program(const struct msi *m, int vector)
{
    masked[m->entry] = true;
}
void msi_disable(const struct msi *m)
{
    disabled++;
}

void *hv_alloc(size_t size)
{
    if (allocations_left == 0) return NULL;
    allocations_left--;
    held += size;
    return calloc(1, size);
}

void hv_free(void *p, size_t size)
{
    held -= size;
    free(p);
}

int ioapic_route(uint32_t gsi, int vector, bool level, bool low)
{
    routed_level = level;
    routed_low = low;
    masked[gsi] = true;
    return route_error;
}

int vector_alloc(void (*handler)(void *arg), void *arg)
{
    if (vectors_left == 0) return -1;
    vectors_left--;
    handlers[vectors_used] = handler;
    arguments[vectors_used] = arg;
    return (int)vectors_used++; /* 0 is no error */
}

void vector_free(int vector)
{
    assert_in_range(vector, 0, vectors_used - 1);
    vectors_freed++;
}

void timer_init(struct timer *t, struct domain *owner, void (*fire)(void *arg), void *arg)
{
    *t = (struct timer){ .owner = owner, .fire = fire, .arg = arg };
}

void timer_set(struct timer *t, uint64_t deadline)
{
    t->node.key = deadline;
}
void timer_stop(struct timer *t)
{
    t->node.key = 0, timers_stopped++;
}

static void machine_begins(void)
{
    memset(masked, 0, sizeof(masked));
    memset(&acpi, 0, sizeof(acpi));
    for (unsigned int i = 0; i < ISA_IRQS; i++)
        acpi.isa[i].gsi = i;
    payer = NULL;
    said = events = vectors_used = vectors_freed = disabled = timers_stopped = 0;
    vectors_left = allocations_left = 400;
    route_error = 0;
    guest = (struct domain){ .id = 0 };
}

static void nothing_is_held(void)
{
    assert_null(payer);
    assert_int_equal(vectors_freed, vectors_used);
    assert_int_equal(held, 0);
}

#endif
