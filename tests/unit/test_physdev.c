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
#include <asm/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>
#include "physdev_host.h"

#define LEVEL   20u
#define EDGE    1u
#define MESSAGE 60u
#define WINDOW  10000000u /* ns: a thousand within it are a storm */

/* --- a domain, and its PIRQs -------------------------------------------------------------------
 */

static int set_up(void **state)
{
    static struct cpu cpu = { .self = &cpu };

    syscall(SYS_arch_prctl, ARCH_SET_GS, &cpu);
    machine_begins();
    now = 5 * WINDOW;
    assert_int_equal(physdev_create(&guest), 0);
    return 0;
}

static int tear_down(void **state)
{
    physdev_destroy(&guest);
    nothing_is_held();
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
    pirq_eoi(p); /* nothing to be served: nothing is done */
    assert_true(masked[LEVEL]);
    fires(p);
    pirq_unbind(&guest, LEVEL);
    pirq_eoi(p); /* nobody listens any more */
    assert_true(masked[LEVEL]);
    assert_int_equal(events, 2);
    assert_int_equal(pirq_bind(&guest, LEVEL, 8), 0);
    fires(p);
    pirq_unbind(&guest, LEVEL);
    assert_int_equal(pirq_bind(&guest, LEVEL, 9), 0);
    masked[LEVEL] = true;
    pirq_eoi(p); /* the one of before is over */
    assert_true(masked[LEVEL]);
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
        assert_int_equal(p[i]->storm_end.node.key, now + WINDOW);
        p[i]->storm_end.fire(p[i]->storm_end.arg);
        assert_false(masked[p[i]->number]);
        fires(p[i]);
        assert_true(masked[p[i]->number]);
        assert_int_equal(said, i + 1); /* once a window */
        now += WINDOW;                 /* which is not over yet: */
        p[i]->storm_end.fire(p[i]->storm_end.arg);
        fires(p[i]);
        assert_true(masked[p[i]->number]);
        now++;
        p[i]->storm_end.fire(p[i]->storm_end.arg); /* and is counted from the beginning */
        fires(p[i]);
        assert_false(masked[p[i]->number]);
    }
    assert_int_equal(events, 2006);
    pirq_unbind(&guest, MESSAGE);
    assert_int_equal(p[1]->storm_end.node.key, 0);
    p[1]->storm_end.fire(p[1]->storm_end.arg); /* too late: nobody listens any more */
    assert_true(masked[MESSAGE]);
}

static void who_can_be_bound(void **state)
{
    static struct domain none = { .id = 1 }; /* has no interrupts at all */

    connected(MESSAGE, PIRQ_MSI, 8);
    assert_int_equal(pirq_of(&guest, MESSAGE)->port, MESSAGE + 100);
    assert_int_equal(pirq_bind(&guest, MESSAGE, 7), -EEXIST);
    assert_int_equal(pirq_bind(&guest, MESSAGE + 1, 7), -EPERM);
    assert_int_equal(pirq_bind(&guest, NR_PIRQS - 1, 7), -EPERM);
    assert_int_equal(pirq_bind(&guest, NR_PIRQS, 7), -EINVAL);
    assert_int_equal(pirq_bind(&none, MESSAGE, 7), -EPERM);
    assert_int_equal(pirq_of(&guest, MESSAGE)->port, MESSAGE + 100);
    assert_null(pirq_of(&guest, MESSAGE + 1));
    assert_null(pirq_of(&guest, NR_PIRQS));
    assert_null(pirq_of(&none, MESSAGE));
    pirq_unbind(&guest, MESSAGE + 1);
    pirq_unbind(&guest, NR_PIRQS);
    pirq_unbind(&none, MESSAGE);
    assert_int_equal(timers_stopped, 0);
    pirq_unbind(&guest, MESSAGE);
    assert_int_equal(pirq_of(&guest, MESSAGE)->port, 0);
    assert_true(masked[MESSAGE]);
    physdev_destroy(&none);
}

/* Each has its own vector; what interrupts the I/O APIC's inputs are at first, the firmware says.
 */
static void how_inputs_are_at_first(void **state)
{
    struct pirq_table *t;

    physdev_destroy(&guest);
    acpi.isa[0].gsi = GSI_PIRQS - 1;
    acpi.isa[9].level = acpi.isa[10].active_low = true;
    acpi.isa[15].gsi = GSI_PIRQS; /* there is none */
    acpi.isa[15].level = true;
    allocations_left = 0;
    assert_int_equal(physdev_create(&guest), -ENOMEM);
    allocations_left = 10;
    assert_int_equal(physdev_create(&guest), 0);
    t = guest.pirqs;
    for (unsigned int i = 0; i < GSI_PIRQS; i++) {
        assert_int_equal(t->gsi_level[i], i == 9 || (i >= ISA_IRQS && i < GSI_PIRQS - 1));
        assert_int_equal(t->gsi_low[i], i == 10 || (i >= ISA_IRQS && i < GSI_PIRQS - 1));
    }
    connected(0, PIRQ_GSI, 0);
    assert_false(routed_level || routed_low);
    connected(9, PIRQ_GSI, 0);
    assert_true(routed_level && !routed_low);
    connected(10, PIRQ_GSI, 0);
    assert_true(!routed_level && routed_low);
    physdev_destroy(&guest);
    assert_null(guest.pirqs);
    assert_true(masked[0] && masked[9] && masked[10]);
    assert_int_equal(timers_stopped, 3);
    physdev_destroy(&guest); /* once more: nothing */
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
    pirq_free(empty); /* has no vector: none is freed, no timer stopped */
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
    assert_int_equal(timers_stopped, 3);

    /* A GSI, and a number without a source, are no message of the first device of all. */
    one = connected(GSI_PIRQS, PIRQ_MSI, 0);
    assert_non_null(pirq_create(&guest, 61));
    two = connected(47, PIRQ_GSI, 0);
    assert_int_equal(disabled, 2);
    pirq_free(one);
    assert_int_equal(disabled, 3);
    one = connected(62, PIRQ_MSI, 0);
    other = connected(GSI_PIRQS, PIRQ_MSI, 0);
    pirq_free(one);
    pirq_free(two);
    assert_int_equal(disabled, 3); /* the first of all messages is still there */
    one = connected(NR_PIRQS - 1, PIRQ_MSI, 0);
    pirq_free(other);
    assert_int_equal(disabled, 3);
    pirq_free(one);
    assert_int_equal(disabled, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_level_waits_for_its_eoi, set_up, tear_down),
        cmocka_unit_test_setup_teardown(edges_do_not_wait, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_storm_is_over_after_a_window, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_can_be_bound, set_up, tear_down),
        cmocka_unit_test_setup_teardown(how_inputs_are_at_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_goes_with_a_pirq, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
