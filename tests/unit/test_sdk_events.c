/* SPDX-License-Identifier: MIT */
/*
 * Events and time on the host: the three bits of each port, nothing lost between them, masks that
 * nest; the clock of the shared page while it changes, and timers in their order, one of them
 * removed by another. And with a second vCPU: each takes what rings there, and has its own timers.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <pvguest/bits.h>
#include <pvguest/console.h>
#include <pvguest/events.h>
#include <pvguest/start.h>
#include <pvguest/thread.h>
#include <pvguest/time.h>
#include <pvguest/traps.h>
#include "pvguest-sdk/lib/entry.h"
#include "pvguest-sdk/lib/smp.h"
#include "pvguest-sdk/lib/suspend.h"
#include "cpu_alarm.h"

struct shared_info shared_info;
_Thread_local struct cpu *host_cpu;
static struct vcpu_info *vcpu = &shared_info.vcpu_info[0];      /* of who runs */

/* --- the hypervisor --------------------------------------------------------------------------- */

static unsigned long last_op;
static uint32_t closed, sent_to, refuse_bind, bound_vcpu, unmasked;
static int64_t deadline;
static unsigned int deadlines;
static bool periodic = true;
static domid_t bound_remote;
static uint32_t bound_port, bound_virq, bound_pirq, bound_flags;

static long event_op(unsigned long op, void *at)
{
    last_op = op;
    if (op == EVTCHNOP_send) {
        sent_to = ((struct evtchn_send *)at)->port;
        return sent_to == 99 ? -22 : 0;
    }
    if (op == EVTCHNOP_close) {
        closed = ((struct evtchn_close *)at)->port;
        clear_bit(closed, shared_info.evtchn_pending);
        return 0;
    }
    if (refuse_bind) return -28;
    switch (op) {
    case EVTCHNOP_alloc_unbound:
        assert_int_equal(((struct evtchn_alloc_unbound *)at)->dom, DOMID_SELF);
        bound_remote = ((struct evtchn_alloc_unbound *)at)->remote_dom;
        ((struct evtchn_alloc_unbound *)at)->port = 70;
        return 0;
    case EVTCHNOP_bind_interdomain:
        bound_remote = ((struct evtchn_bind_interdomain *)at)->remote_dom;
        bound_port = ((struct evtchn_bind_interdomain *)at)->remote_port;
        ((struct evtchn_bind_interdomain *)at)->local_port = 71;
        return 0;
    case EVTCHNOP_bind_virq:
        bound_virq = ((struct evtchn_bind_virq *)at)->virq;
        bound_vcpu = ((struct evtchn_bind_virq *)at)->vcpu;
        ((struct evtchn_bind_virq *)at)->port = 72;
        return 0;
    case EVTCHNOP_bind_pirq:
        bound_pirq = ((struct evtchn_bind_pirq *)at)->pirq;
        bound_flags = ((struct evtchn_bind_pirq *)at)->flags;
        ((struct evtchn_bind_pirq *)at)->port = 73;
        return 0;
    case EVTCHNOP_bind_ipi:
        bound_vcpu = ((struct evtchn_bind_ipi *)at)->vcpu;
        ((struct evtchn_bind_ipi *)at)->port = 74;
        return 0;
    case EVTCHNOP_bind_vcpu:
        assert_true(test_bit(((struct evtchn_bind_vcpu *)at)->port, shared_info.evtchn_mask));
        bound_vcpu = ((struct evtchn_bind_vcpu *)at)->vcpu;
        return 0;
    case EVTCHNOP_unmask:
        unmasked = ((struct evtchn_unmask *)at)->port;
        clear_bit(unmasked, shared_info.evtchn_mask);
        return 0;
    default:
        return -38;
    }
}

long host_hypercall(unsigned long nr, unsigned long a, unsigned long b, unsigned long c,
                    unsigned long d, unsigned long e)
{
    if (nr == __HYPERVISOR_event_channel_op) return event_op(a, (void *)b);
    if (nr == __HYPERVISOR_set_timer_op) {
        deadline = (int64_t)a;
        deadlines++;
        return 0;
    }
    assert_true(nr == __HYPERVISOR_vcpu_op && a == VCPUOP_stop_periodic_timer);
    assert_int_equal(b, cpu_id());
    periodic = false;
    return 0;
}

static jmp_buf panicked;

void panic(const char *format, ...)
{
    longjmp(panicked, 1);
}

/* What the hypervisor does when a port is rung: three bits, and the upcall if nothing is masked. */
static void ring(evtchn_t port)
{
    if (test_and_set_bit(port, shared_info.evtchn_pending) ||
        test_bit(port, shared_info.evtchn_mask))
        return;
    if (test_and_set_bit(port / 64, &vcpu->evtchn_pending_sel)) return;
    vcpu->evtchn_upcall_pending = 1;
    if (!vcpu->evtchn_upcall_mask) {
        struct trap_frame frame;

        vcpu->evtchn_upcall_mask = 1;
        event_dispatch(&frame);
        vcpu->evtchn_upcall_mask = 0;
    }
}

/* --- events ----------------------------------------------------------------------------------- */

static unsigned int calls[EVENT_PORTS];
static evtchn_t rings_too;              /* by the handler, once */

static void handler(evtchn_t port, void *data)
{
    assert_ptr_equal(data, &calls[port]);
    assert_true(events_masked());
    assert_false(event_pending(port));          /* so that one during the handler counts anew */
    calls[port]++;
    if (rings_too) {
        evtchn_t other = rings_too;

        rings_too = 0;
        ring(other);
    }
}

static int set_up(void **state)
{
    memset(&shared_info, 0, sizeof shared_info);
    memset(calls, 0, sizeof calls);
    event_upcalls = event_handled = 0;
    refuse_bind = closed = 0;
    events_init();
    assert_true(events_masked());
    for (unsigned int i = 0; i < 64; i++)
        assert_true(shared_info.evtchn_mask[i] == ~0ul);
    for (evtchn_t port = 0; port < EVENT_PORTS; port++)
        if (port % 3 == 0)
            event_attach(port, handler, &calls[port]);
    events_unmask_all();
    return 0;
}

static void every_port_reaches_its_handler(void **state)
{
    for (evtchn_t port = 0; port < EVENT_PORTS; port += 3) {
        ring(port);
        assert_int_equal(calls[port], 1);
        assert_false(event_pending(port));
    }
    assert_int_equal(event_handled, 1366);
    assert_int_equal(event_upcalls, 1366);
    assert_int_equal(vcpu->evtchn_upcall_pending, 0);
    /* Many at once: one upcall. */
    events_mask_all();
    for (evtchn_t port = 0; port < EVENT_PORTS; port += 3)
        ring(port);
    assert_int_equal(calls[0], 1);
    events_unmask_all();
    for (evtchn_t port = 0; port < EVENT_PORTS; port += 3)
        assert_int_equal(calls[port], 2);
    assert_false(events_masked());
}

/* Rung while its own handler, or another one, runs: nothing is lost. */
static void events_during_handlers(void **state)
{
    for (evtchn_t other = 3; other < 200; other += 3) {
        rings_too = other;
        ring(99);
        assert_int_equal(calls[other], other == 99 ? 34 : 1);
    }
    assert_int_equal(calls[99], 67);
}

static void masks_nest(void **state)
{
    bool outer = events_save(), inner = events_save();

    assert_true(!outer && inner && events_masked());
    ring(6);
    events_restore(inner);
    assert_true(events_masked());
    assert_int_equal(calls[6], 0);
    events_restore(outer);
    assert_false(events_masked());
    assert_int_equal(calls[6], 1);
}

/* A masked port stays pending; the unmask does the sender's rest, whether or not all events are
 * masked. */
static void one_port_masked(void **state)
{
    for (evtchn_t port = 0; port < EVENT_PORTS; port += 3) {
        event_mask(port);
        ring(port);
        assert_int_equal(calls[port], 0);
        event_unmask(port);
        assert_int_equal(calls[port], 1);
    }
    set_up(state);
    event_mask(9);
    ring(9);
    assert_true(event_pending(9));
    assert_int_equal(calls[9], 0);
    ring(12);
    assert_int_equal(calls[12], 1);
    assert_int_equal(calls[9], 0);
    event_unmask(9);
    assert_int_equal(calls[9], 1);
    event_mask(9);
    ring(9);
    events_mask_all();
    event_unmask(9);
    assert_int_equal(calls[9], 1);
    events_unmask_all();
    assert_int_equal(calls[9], 2);
    event_mask(9);
    ring(9);
    event_clear(9);
    event_unmask(9);
    assert_int_equal(calls[9], 2);
    assert_int_equal(event_upcalls, 1);         /* what unmasking finds it takes itself */
    event_hold(9);
    ring(9);
    event_rearm(9);                             /* that is old; this is not */
    assert_int_equal(calls[9], 2);
    ring(9);
    assert_int_equal(calls[9], 3);
    event_storms = false;
    event_hold(9);
    ring(9);
    assert_int_equal(calls[9], 4);
    event_mask(9);
    event_rearm(9);
    assert_true(test_bit(9, shared_info.evtchn_mask));
    event_storms = true;
}

/* A port that is nobody's is masked when it rings: it would ring for ever. */
static void nobodys_port(void **state)
{
    clear_bit(100, shared_info.evtchn_mask);
    ring(100);
    assert_true(test_bit(100, shared_info.evtchn_mask));
    assert_int_equal(event_upcalls, 1);
    ring(100);
    assert_int_equal(event_upcalls, 1);
}

static void unbinding(void **state)
{
    set_bit(12, shared_info.evtchn_pending);
    event_unbind(12);
    assert_int_equal(closed, 12);
    assert_true(test_bit(12, shared_info.evtchn_mask));
    assert_false(event_pending(12));            /* its next owner hears of nothing old */
    clear_bit(12, shared_info.evtchn_mask);
    ring(12);
    assert_int_equal(calls[12], 0);
    assert_true(test_bit(12, shared_info.evtchn_mask));
}

static void binding(void **state)
{
    assert_int_equal(event_alloc_unbound(5, handler, &calls[70]), 70);
    assert_int_equal(bound_remote, 5);
    assert_int_equal(event_bind_interdomain(6, 33, handler, &calls[71]), 71);
    assert_true(bound_remote == 6 && bound_port == 33);
    assert_int_equal(event_bind_virq(VIRQ_DOM_EXC, handler, &calls[72]), 72);
    assert_true(bound_virq == VIRQ_DOM_EXC && bound_vcpu == 0);
    assert_int_equal(event_bind_pirq(17, 1, handler, &calls[73]), 73);
    assert_true(bound_pirq == 17 && bound_flags == 1);
    bound_vcpu = 1;
    assert_int_equal(event_bind_ipi(handler, &calls[74]), 74);
    assert_int_equal(bound_vcpu, 0);
    for (evtchn_t port = 70; port <= 74; port++) {
        ring(port);
        assert_int_equal(calls[port], 1);
    }
    assert_int_equal(event_send(5), 0);
    assert_int_equal(sent_to, 5);
    assert_int_equal(event_send(99), -22);
    refuse_bind = 1;
    for (evtchn_t port = 70; port <= 74; port++)
        set_bit(port, shared_info.evtchn_mask);
    assert_int_equal(event_alloc_unbound(5, handler, &calls[70]), -28);
    assert_int_equal(event_bind_interdomain(6, 33, handler, &calls[71]), -28);
    assert_int_equal(event_bind_virq(1, handler, &calls[72]), -28);
    assert_int_equal(event_bind_pirq(17, 1, handler, &calls[73]), -28);
    assert_int_equal(event_bind_ipi(handler, &calls[74]), -28);
    for (evtchn_t port = 0; port <= 74; port++)
        if (port >= 70 || port % 3)
            assert_true(test_bit(port, shared_info.evtchn_mask));
}

/* --- time ------------------------------------------------------------------------------------- */

/* The clock says what it is told to: a scale of 0 lets no time pass by itself. */
static void set_clock(uint64_t now)
{
    vcpu->time.system_time = now;
    vcpu->time.tsc_to_system_mul = 0;
}

static void the_clock_does_not_go_back(void **state)
{
    uint64_t first;

    set_clock(5000);
    assert_int_equal(now_ns(), 5000);
    set_clock(4000);
    assert_int_equal(now_ns(), 5000);
    set_clock(6000);
    assert_int_equal(now_ns(), 6000);
    shared_info.wc_sec = 10;
    shared_info.wc_sec_hi = 1;
    shared_info.wc_nsec = 7;
    assert_int_equal(wall_clock_ns(), (0x100000000ull + 10) * NS_PER_S + 7 + 6000);
    vcpu->time.tsc_timestamp = read_tsc();      /* one nanosecond a tick */
    vcpu->time.tsc_to_system_mul = 0x80000000u;
    vcpu->time.tsc_shift = 1;
    first = now_ns();
    assert_in_range(first, 6001, 6000 + NS_PER_S);
    vcpu->time.tsc_timestamp = read_tsc() - 1000000;
    assert_in_range(now_ns(), 1006000, 1006000 + NS_PER_S);
    first = now_ns();
    delay_ns(50000);
    assert_true(now_ns() >= first + 50000);
    set_clock(now_ns());
    cpu_alarm(10);
    delay_ns(0);                                /* though no time passes */
    cpu_alarm(0);
}

static char order[32];
static struct timer timers[4];

static void timer_fires(void *data)
{
    const struct timer *timer = data;

    strcat(order, (char[]){ (char)('a' + (timer - timers)), 0 });
    assert_true(events_masked());
    if (timer == &timers[2]) {              /* cancels another that is due, and sets itself again */
        timer_cancel(&timers[3]);
        if (strlen(order) < 5)
            timer_set(&timers[2], now_ns() + 10, timer_fires, &timers[2]);
    }
}

static void set_timer(unsigned int i, uint64_t when)
{
    timer_set(&timers[i], when, timer_fires, &timers[i]);
}

static void timers_in_their_order(void **state)
{
    uint64_t base = now_ns() + 1000000;

    order[0] = 0;
    deadlines = 0;
    set_clock(base);
    time_init();
    assert_true(!periodic && bound_virq == VIRQ_TIMER);
    assert_int_equal(timer_next(), 0);
    set_timer(0, base + 300);
    assert_int_equal(deadline, base + 300);
    set_timer(1, base + 100);
    assert_int_equal(deadline, base + 100);
    assert_int_equal(timer_next(), base + 100);
    set_timer(2, base + 200);
    set_timer(3, base + 200);                   /* as late as another: behind it */
    assert_int_equal(deadlines, 2);             /* only the first counts */
    ring(72);
    assert_string_equal(order, "");             /* too early */
    assert_int_equal(deadline, base + 100);
    set_clock(base + 99);
    ring(72);
    assert_string_equal(order, "");
    set_clock(base + 100);
    ring(72);
    assert_string_equal(order, "b");
    assert_int_equal(deadline, base + 200);
    set_clock(base + 209);
    ring(72);
    assert_string_equal(order, "bc");           /* it has cancelled the other */
    assert_int_equal(deadline, base + 219);
    set_timer(0, base + 205);                   /* moved, into the past */
    assert_int_equal(deadline, base + 205);
    ring(72);
    assert_string_equal(order, "bca");
    set_clock(base + 1000);
    ring(72);
    assert_string_equal(order, "bcac");
    set_clock(base + 2000);
    ring(72);
    assert_string_equal(order, "bcacc");
    assert_int_equal(timer_next(), 0);
    set_timer(1, base + 3000);
    timer_cancel(&timers[1]);
    timer_cancel(&timers[1]);
    set_clock(base + 4000);
    ring(72);
    assert_string_equal(order, "bcacc");
    assert_false(events_masked());
    refuse_bind = 1;
    if (!setjmp(panicked)) {
        time_init();
        fail();
    }
    refuse_bind = 0;
    set_deadline(77);
    assert_int_equal(deadline, 77);
}

/* Elsewhere the system's time is another; ours goes on, and so do its timers. */
static void a_clock_of_another_life(void **state)
{
    uint64_t base = now_ns() + 1000000;

    set_clock(base);
    assert_int_equal(now_ns(), base);
    order[0] = 0;
    set_timer(0, base + 300);
    set_clock(50);
    periodic = true;
    bound_virq = ~0u;
    time_resume();
    assert_true(!periodic && bound_virq == VIRQ_TIMER);
    assert_int_equal(now_ns(), base);
    assert_int_equal(deadline, 350);
    set_clock(349);
    ring(72);
    assert_string_equal(order, "");
    set_clock(350);
    shared_info.wc_sec = 10;
    assert_int_equal(wall_clock_ns(), 10 * NS_PER_S + 350);
    ring(72);
    assert_string_equal(order, "a");
    assert_int_equal(time_to_system(base), 50);
    assert_int_equal(time_to_system(base - 49), 1);
    assert_int_equal(time_to_system(base - 50), 1);         /* 0 would be none */
    assert_int_equal(time_to_system(base - 60), 1);
    assert_int_equal(time_to_system(0), 0);
    refuse_bind = 1;
    if (!setjmp(panicked)) {
        time_resume();
        fail();
    }
    refuse_bind = 0;
    set_clock(now_ns());                        /* both are the same again */
    time_resume();
    assert_int_equal(deadline, 0);
    assert_int_equal(time_to_system(5), 5);
}

/* --- two vCPUs -------------------------------------------------------------------------------- */

static struct cpu second_cpu = { .self = &second_cpu, .id = 1 };

static void run_on(struct cpu *cpu)
{
    host_cpu = cpu;
    vcpu = &cpu->info;
}

static int two(void **state)
{
    set_up(state);
    all_cpus[1] = &second_cpu;
    memset(&first_cpu.info, 0, sizeof(first_cpu.info));
    memset(&second_cpu.info, 0, sizeof(second_cpu.info));
    several_cpus = true;
    run_on(&first_cpu);
    return 0;
}

static int one_again(void **state)
{
    several_cpus = false;
    all_cpus[1] = NULL;
    vcpu = &shared_info.vcpu_info[0];
    return 0;
}

/* Both find all ports of a word that is selected: each takes its own. */
static void each_takes_its_own(void **state)
{
    assert_int_equal(event_bind_ipi_on(1, handler, &calls[74]), 74);
    assert_int_equal(bound_vcpu, 1);
    assert_int_equal(unmasked, 74);             /* the hypervisor knows whom to tell */
    events_mask_all();
    ring(75);
    ring(74);                                   /* the word is selected here by the other */
    events_unmask_all();
    assert_true(calls[75] == 1 && calls[74] == 0 && event_pending(74));
    assert_false(events_masked());
    run_on(&second_cpu);
    events_mask_all();
    assert_true(second_cpu.info.evtchn_upcall_mask && !first_cpu.info.evtchn_upcall_mask);
    set_bit(1, &second_cpu.info.evtchn_pending_sel);
    second_cpu.info.evtchn_upcall_pending = 1;
    set_bit(75, shared_info.evtchn_pending);
    events_unmask_all();
    assert_true(calls[75] == 1 && calls[74] == 1 && event_pending(75));
    assert_null(sleepless);
    event_unbind(74);                           /* its next owner is vCPU 0's again */
    assert_true(test_bit(74, first_cpu.ports) && !test_bit(74, second_cpu.ports));
}

static void a_port_moves(void **state)
{
    assert_int_equal(event_move(75, 1), 0);
    assert_int_equal(bound_vcpu, 1);
    assert_int_equal(unmasked, 75);
    assert_false(test_bit(75, shared_info.evtchn_mask));
    ring(75);
    assert_int_equal(calls[75], 0);             /* not here */
    event_clear(75);
    run_on(&second_cpu);
    ring(75);
    assert_int_equal(calls[75], 1);
    unmasked = 0;
    event_mask(75);
    assert_int_equal(event_move(75, 0), 0);
    assert_true(test_bit(75, shared_info.evtchn_mask));     /* as before */
    event_unmask(75);
    assert_int_equal(unmasked, 75);             /* by the hypervisor: it is not ours */
    run_on(&first_cpu);
    unmasked = 0;
    event_mask(75);
    ring(75);
    event_unmask(75);
    assert_true(!unmasked && calls[75] == 2);
    bound_vcpu = 7;
    assert_int_equal(event_move(75, 2), -EINVAL);
    assert_int_equal(event_move(75, MOST_CPUS), -EINVAL);
    refuse_bind = 1;
    assert_int_equal(event_move(75, 1), -28);
    refuse_bind = 0;
    assert_true(bound_vcpu == 7 && test_bit(75, first_cpu.ports));
    assert_false(test_bit(75, shared_info.evtchn_mask));
}

static const char *seen_sleepless;

static void look(evtchn_t port, void *data)
{
    seen_sleepless = sleepless;
}

/* Threads are vCPU 0's: another one's handlers keep them from nothing. */
static void whose_handlers_sleep_not(void **state)
{
    event_attach(78, look, NULL);
    sleepless = "what was interrupted";
    ring(78);
    assert_string_equal(seen_sleepless, "an event handler");
    assert_string_equal(sleepless, "what was interrupted");
    sleepless = NULL;
    assert_int_equal(event_move(78, 1), 0);
    run_on(&second_cpu);
    ring(78);
    assert_null(seen_sleepless);
    assert_null(sleepless);
}

static void clocks_and_timers_of_each(void **state)
{
    uint64_t base = now_ns() + 1000000;

    order[0] = 0;
    set_clock(base);
    assert_int_equal(now_ns(), base);
    set_timer(0, base + 100);
    run_on(&second_cpu);
    set_clock(base - 50);
    assert_int_equal(now_ns(), base);           /* what another vCPU has heard */
    assert_int_equal(time_start(1), 72);
    assert_true(bound_vcpu == 1 && bound_virq == VIRQ_TIMER);
    assert_int_equal(timer_next(), 0);
    set_timer(1, base + 200);
    assert_int_equal(deadline, base + 200);
    set_clock(base + 150);
    ring(72);
    assert_string_equal(order, "");
    set_clock(base + 200);
    ring(72);
    assert_string_equal(order, "b");
    run_on(&first_cpu);
    assert_int_equal(timer_next(), base + 100);
    set_clock(base);
    assert_int_equal(now_ns(), base + 200);
    timer_cancel(&timers[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_port_reaches_its_handler, set_up),
        cmocka_unit_test_setup(events_during_handlers, set_up),
        cmocka_unit_test_setup(masks_nest, set_up),
        cmocka_unit_test_setup(one_port_masked, set_up),
        cmocka_unit_test_setup(nobodys_port, set_up),
        cmocka_unit_test_setup(unbinding, set_up),
        cmocka_unit_test_setup(binding, set_up),
        cmocka_unit_test_setup(the_clock_does_not_go_back, set_up),
        cmocka_unit_test_setup(timers_in_their_order, set_up),
        cmocka_unit_test_setup(a_clock_of_another_life, set_up),
        cmocka_unit_test_setup_teardown(each_takes_its_own, two, one_again),
        cmocka_unit_test_setup_teardown(a_port_moves, two, one_again),
        cmocka_unit_test_setup_teardown(whose_handlers_sleep_not, two, one_again),
        cmocka_unit_test_setup_teardown(clocks_and_timers_of_each, two, one_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
