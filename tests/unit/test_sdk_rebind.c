/* SPDX-License-Identifier: MIT */
/*
 * A port changes hands while two vCPUs are at it: what is handled has a handler and that one's
 * data, and who has a port that another has just given up keeps what he has bound.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/time.h>
#include <cmocka.h>
#include <pvguest/bits.h>
#include <pvguest/console.h>
#include <pvguest/events.h>
#include <pvguest/start.h>
#include "pvguest-sdk/lib/entry.h"
#include "pvguest-sdk/lib/smp.h"

#define PORT 80u
#define TIMES 1000u

struct shared_info shared_info;
_Thread_local struct cpu *host_cpu = &first_cpu;
static struct cpu second_cpu = { .self = &second_cpu, .id = 1 };
static bool mixed, taken_at_once;
static int of_one, of_two;
static unsigned int calls, binds_done;

static void one(evtchn_t port, void *data)
{
    mixed |= data != &of_one;
    calls++;
}

static void the_other(evtchn_t port, void *data)
{
    mixed |= data != &of_two;
    calls++;
}

/* A closed port has nothing pending. Another vCPU may have it before we return, and be rung. */
long host_hypercall(unsigned long nr, unsigned long a, unsigned long b, unsigned long c,
                    unsigned long d, unsigned long e)
{
    assert_int_equal(nr, __HYPERVISOR_event_channel_op);
    if (a == EVTCHNOP_close) {
        clear_bit(PORT, shared_info.evtchn_pending);
        if (taken_at_once) {
            event_attach(PORT, one, &of_one);
            set_bit(PORT, shared_info.evtchn_pending);
        }
    }
    return 0;
}

void panic(const char *format, ...)
{
    abort();
}

/* A signal, between any two instructions of ours: what the other vCPU may do meanwhile. */
static void binds(int signal)
{
    host_cpu = &second_cpu;
    event_attach(PORT, binds_done % 2 ? one : the_other, binds_done % 2 ? &of_one : &of_two);
    binds_done++;
    host_cpu = &first_cpu;
}

static void poll(void)
{
    set_bit(PORT / 64, &first_cpu.info.evtchn_pending_sel);
    events_poll();
}

static void a_handler_has_its_own_data(void **state)
{
    const struct itimerval often = { { 0, 50 }, { 0, 50 } }, never = { { 0, 0 }, { 0, 0 } };

    event_attach(PORT, one, &of_one);
    signal(SIGALRM, binds);
    setitimer(ITIMER_REAL, &often, NULL);
    while (READ_ONCE(binds_done) < TIMES && !mixed) {
        set_bit(PORT, shared_info.evtchn_pending);
        poll();
    }
    setitimer(ITIMER_REAL, &never, NULL);
    assert_false(mixed);
}

static void who_has_it_next_keeps_what_he_has(void **state)
{
    event_attach(PORT, the_other, &of_two);
    taken_at_once = true;
    event_unbind(PORT);
    assert_true(event_pending(PORT) && !test_bit(PORT, shared_info.evtchn_mask));
    calls = 0;
    poll();
    assert_true(calls == 1 && !mixed);
}

static int two(void **state)
{
    all_cpus[1] = &second_cpu;
    several_cpus = true;
    first_cpu.info.evtchn_upcall_mask = second_cpu.info.evtchn_upcall_mask = 1;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_handler_has_its_own_data, two),
        cmocka_unit_test_setup(who_has_it_next_keeps_what_he_has, two),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
