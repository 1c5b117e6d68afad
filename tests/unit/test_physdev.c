/* SPDX-License-Identifier: MIT */
/*
 * How a device's interrupt becomes an event: a level is masked until the guest has served it, a
 * message or an edge is not, unless they come without end; and what is given back when a PIRQ goes.
 * I/O APIC, vectors and messages are the test's.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>
#undef fail                                     /* the hypervisor has one, too */
#include "control/pirq.h"
#include "domain/schedule.h"
#include "lib/fail.h"
#include "lib/printk.h"
#include "machine/acpi.h"
#include "machine/apic.h"
#include "machine/vectors.h"
#include "memory/heap.h"

#define LEVEL   20u
#define EDGE    1u
#define MESSAGE 60u
#define WINDOW  10000000u                       /* ns: a thousand within it are a storm */

/* --- the machine --- */

struct acpi_facts acpi;
static struct domain guest;
static uint64_t now;
static bool masked[NR_PIRQS];                   /* by GSI, or by the message's entry */
static unsigned int events, vectors_used, vectors_freed, disabled, timers_stopped;
static size_t held;
static void (*handlers[256])(void *arg);
static void *arguments[256];

int fail_at(int error, struct refusal *place)
{
    place->count++;
    return error;
}
void printk_at(int level, const char *format, ...)
{
}
uint64_t now_ns(void)
{
    return now;
}
void time_goes_to(struct domain *d, uint64_t at)
{
}
void send_guest_pirq(struct domain *d, uint32_t pirq)
{
    events++;
}
void *hv_alloc(size_t size)
{
    held += size;
    return calloc(1, size);
}
void hv_free(void *p, size_t size)
{
    held -= size;
    free(p);
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
int ioapic_route(uint32_t gsi, int vector, bool level, bool low)
{
    masked[gsi] = true;
    return 0;
}

int vector_alloc(void (*handler)(void *arg), void *arg)
{
    handlers[0x30 + vectors_used] = handler;
    arguments[0x30 + vectors_used] = arg;
    return (int)(0x30 + vectors_used++);
}

void vector_free(int vector)
{
    assert_in_range(vector, 0x30, 0x30 + vectors_used - 1);
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

/* --- a domain, and its PIRQs --- */

static int set_up(void **state)
{
    memset(masked, 0, sizeof(masked));
    for (unsigned int i = 0; i < ISA_IRQS; i++)
        acpi.isa[i].gsi = i;
    now = 5 * WINDOW;
    events = vectors_used = vectors_freed = disabled = timers_stopped = 0;
    guest = (struct domain){ .id = 0 };
    assert_int_equal(physdev_create(&guest), 0);
    return 0;
}

static int tear_down(void **state)
{
    physdev_destroy(&guest);
    assert_int_equal(vectors_freed, vectors_used);
    assert_int_equal(held, 0);
    return 0;
}

static struct pirq *connected(uint32_t number, enum pirq_kind kind, uint16_t bdf)
{
    struct pirq *p = pirq_create(&guest, number);

    assert_non_null(p);
    p->msi = (struct msi){ .bdf = bdf, .entry = (uint16_t)number };
    assert_int_equal(pirq_connect(p, kind), 0);
    assert_true(masked[number]);
    assert_int_equal(pirq_bind(&guest, number, number + 100), 0);
    assert_false(masked[number]);
    return p;
}

static void fires(const struct pirq *p)
{
    handlers[p->vector](arguments[p->vector]);
}

static void a_level_waits_for_its_eoi(void **state)
{
    struct pirq *p = connected(LEVEL, PIRQ_GSI, 0);

    fires(p);
    assert_true(masked[LEVEL]);
    pirq_eoi(p);
    assert_false(masked[LEVEL]);
    masked[LEVEL] = true;
    pirq_eoi(p);                                /* nothing to be served: nothing is done */
    assert_true(masked[LEVEL]);
    fires(p);
    pirq_unbind(&guest, LEVEL);
    pirq_eoi(p);                                /* nobody listens any more */
    assert_true(masked[LEVEL]);
    assert_int_equal(events, 2);
}

/* An edge, and a message, whatever the number of its PIRQ: not masked, nor is an EOI waited for. */
static void edges_do_not_wait(void **state)
{
    struct pirq *p[] = { connected(EDGE, PIRQ_GSI, 0), connected(MESSAGE, PIRQ_MSI, 8) };

    for (unsigned int i = 0; i < 2; i++) {
        fires(p[i]);
        assert_false(masked[p[i]->number]);
        assert_false(p[i]->needs_eoi);
    }
    assert_int_equal(events, 2);
}

static void a_storm_is_over_after_a_window(void **state)
{
    struct pirq *p[] = { connected(EDGE, PIRQ_GSI, 0), connected(MESSAGE, PIRQ_MSI, 8) };

    for (unsigned int i = 0; i < 2; i++) {
        now += 3 * WINDOW;
        for (unsigned int n = 0; n < 999; n++)
            fires(p[i]);
        assert_false(masked[p[i]->number]);
        fires(p[i]);
        assert_true(masked[p[i]->number]);
        assert_int_equal(p[i]->calm.node.key, now + WINDOW);
        p[i]->calm.fire(p[i]->calm.arg);
        assert_false(masked[p[i]->number]);
        now += WINDOW + 1;                      /* and is counted from the beginning */
        fires(p[i]);
        assert_false(masked[p[i]->number]);
    }
    assert_int_equal(events, 2002);
    pirq_unbind(&guest, MESSAGE);
    assert_int_equal(p[1]->calm.node.key, 0);
    p[1]->calm.fire(p[1]->calm.arg);            /* too late: nobody listens any more */
    assert_true(masked[MESSAGE]);
}

/* The capability goes off with the last of a device's messages; a number that never had a source
 * has nothing to give back. */
static void what_goes_with_a_pirq(void **state)
{
    struct pirq *one = connected(60, PIRQ_MSI, 8), *two = connected(61, PIRQ_MSI, 8);
    struct pirq *other = connected(62, PIRQ_MSI, 9), *empty = pirq_create(&guest, 63);

    assert_non_null(empty);
    assert_null(pirq_create(&guest, 63));
    assert_int_equal(pirq_bind(&guest, 63, 1), -EPERM);
    pirq_free(empty);                           /* has no vector: none is freed, no timer stopped */
    assert_int_equal(vectors_freed, 0);
    assert_int_equal(timers_stopped, 0);
    assert_null(pirq_of(&guest, 63));
    pirq_free(one);
    assert_int_equal(disabled, 0);
    assert_true(masked[60]);
    pirq_free(two);
    assert_int_equal(disabled, 1);
    pirq_free(other);
    assert_int_equal(disabled, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_level_waits_for_its_eoi, set_up, tear_down),
        cmocka_unit_test_setup_teardown(edges_do_not_wait, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_storm_is_over_after_a_window, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_goes_with_a_pirq, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
