/* SPDX-License-Identifier: MIT */
/*
 * Timers of vCPUs: what may be asked for; that a periodic one ticks while its vCPU runs, and does
 * not while it is down, however many such vCPUs there are; that what is long past fires at once and
 * once.
 *
 * Two attacks on the hypervisor's timer queue, and on its neighbours' time
 * (tests/system/test_share.py), with a timer of a millisecond for each vCPU but the first: `stay`
 * leaves them down; `wake` has them sleep, to be woken by every tick.
 */
#include "../lib/test.h"
#include "../lib/vcpus.h"

static volatile uint64_t spins[MOST_VCPUS];
static int timer_port[MOST_VCPUS];

static long set_periodic(unsigned int vcpu, uint64_t ns)
{
    struct vcpu_set_periodic_timer op = { .period_ns = ns };

    return HYPERVISOR_vcpu_op(VCPUOP_set_periodic_timer, vcpu, &op);
}

static void stop_periodic(unsigned int vcpu)
{
    CHECK_IS(HYPERVISOR_vcpu_op(VCPUOP_stop_periodic_timer, vcpu, NULL), 0);
}

static void sleep_and_wake(unsigned long id)
{
    evtchn_port_t port = (evtchn_port_t)timer_port[id];

    for (;; spins[id]++) {
        vcpu_poll(&port, 1, 0);
        event_clear(port);
    }
}

/* Until somebody else's port is raised: never. */
static void sleep_for_ever(unsigned long id)
{
    evtchn_port_t port = (evtchn_port_t)timer_port[0];

    for (;; spins[id]++)
        vcpu_poll(&port, 1, 0);
}

static void spin(unsigned long id)
{
    for (;;)
        spins[id]++;
}

/* How often the port is raised within ns of spinning. Events are masked, so nobody else takes
 * it. */
static unsigned int ticks(int port, uint64_t ns)
{
    unsigned int seen = 0;

    for (uint64_t until = now_ns() + ns; now_ns() < until;) {
        if (!port_pending(port))
            continue;
        seen++;
        event_clear((evtchn_t)port);
        (void)HYPERVISOR_xen_version(XENVER_version, NULL);
    }
    return seen;
}

/* Soon, and not again. */
static bool ticks_once(int port)
{
    if (!COMES(port_pending(port))) return false;
    event_clear((evtchn_t)port);
    return ticks(port, 50 * NS_PER_MS) == 0;
}

static void what_may_be_asked(void)
{
    CHECK_IS(set_periodic(0, 0), -EINVAL);
    CHECK_IS(set_periodic(0, NS_PER_MS - 1), -EINVAL);
    CHECK_IS(set_periodic(0, NS_PER_MS), 0);
    CHECK_IS(set_periodic(0, (1UL << 62) - 1), 0);
    CHECK_IS(set_periodic(0, 1UL << 62), -EINVAL);
    CHECK_IS(set_periodic(0, 1UL << 63), -EINVAL);
    CHECK_IS(set_periodic(0, ~0UL), -EINVAL);
    CHECK_IS(set_periodic(4000, NS_PER_MS), -ENOENT);
    stop_periodic(0);
    stop_periodic(0);
}

static void it_ticks_while_the_vcpu_runs(int port)
{
    unsigned int seen = 0;
    uint64_t start = now_ns();

    CHECK_IS(set_periodic(0, 5 * NS_PER_MS), 0);
    event_clear((evtchn_t)port);
    /* fewer than there is time for, if the machine is busy elsewhere; never more */
    while (seen < 30 && now_ns() < start + 20 * NS_PER_S)
        seen += ticks(port, 100 * NS_PER_MS);
    CHECK(seen >= 30 && seen <= (now_ns() - start) / (5 * NS_PER_MS) + 2);
    stop_periodic(0);
    event_clear((evtchn_t)port);
    CHECK_IS(ticks(port, 30 * NS_PER_MS), 0);
}

/* A past deadline is a deadline that is over: one event, and the guest goes on. */
static void the_past_fires_once(int port)
{
    struct vcpu_set_singleshot_timer op = { .timeout_abs_ns = 1 };

    for (int i = 0; i < 100; i++) {
        uint64_t until = now_ns() + NS_PER_S;

        event_clear((evtchn_t)port);
        CHECK_IS(HYPERVISOR_vcpu_op(VCPUOP_set_singleshot_timer, 0, &op), 0);
        while (!port_pending(port) && now_ns() < until)
            (void)HYPERVISOR_xen_version(XENVER_version, NULL);
        CHECK(port_pending(port));
    }
    event_clear((evtchn_t)port);
    CHECK_IS(ticks(port, 20 * NS_PER_MS), 0);
}

/* An armed timer that moves, and moves, and is stopped. */
static void what_moves_does_not_fire(int port)
{
    uint64_t when;

    for (uint64_t until = now_ns() + 30 * NS_PER_MS; now_ns() < until;)
        CHECK_IS(HYPERVISOR_set_timer_op((int64_t)(now_ns() + 10 * NS_PER_S)), 0);
    CHECK(!port_pending(port));
    /* once more, if this machine's host had no time for it in between */
    do {
        event_clear((evtchn_t)port);
        when = now_ns() + 20 * NS_PER_MS;
        CHECK_IS(HYPERVISOR_set_timer_op((int64_t)when), 0);
        CHECK_IS(HYPERVISOR_set_timer_op(0), 0);
    } while (now_ns() >= when);
    CHECK_IS(ticks(port, 60 * NS_PER_MS), 0);
    CHECK_IS(HYPERVISOR_set_timer_op((int64_t)(now_ns() + 20 * NS_PER_MS)), 0);
    CHECK(ticks_once(port));
}

/* On Domus by the next tick; on Xen a periodic timer rests while its vCPU is blocked, and the event
 * comes when it runs again. */
static void a_blocked_vcpu_is_woken(int port)
{
    uint64_t start = now_ns();

    CHECK_IS(set_periodic(0, 30 * NS_PER_MS), 0);
    event_clear((evtchn_t)port);
    CHECK_IS(vcpu_poll((evtchn_t[]){ (evtchn_t)port }, 1,
                       start + (on_domus() ? 30 : 1) * NS_PER_S), 0);
    CHECK(now_ns() >= start + 30 * NS_PER_MS && port_pending(port));
    CHECK(!on_domus() || now_ns() < start + 10 * NS_PER_S);
    stop_periodic(0);
    event_clear((evtchn_t)port);
}

static void a_vcpu_that_is_down_does_not_tick(void)
{
    int port = vcpu_timer_port(1);

    NEED(port > 0);
    /* it has never run */
    CHECK_IS(set_periodic(1, NS_PER_MS), 0);
    CHECK_IS(ticks(port, 50 * NS_PER_MS), 0);
    NEED(vcpu_prepare(1, spin) == 0);
    CHECK_IS(ticks(port, 50 * NS_PER_MS), 0);
    CHECK_IS(HYPERVISOR_vcpu_op(VCPUOP_up, 1, NULL), 0);
    /* now it runs, and so does its timer */
    CHECK(COMES(port_pending(port)) && spins[1] > 0);
    CHECK_IS(HYPERVISOR_vcpu_op(VCPUOP_down, 1, NULL), 0);
    event_clear((evtchn_t)port);
    CHECK_IS(ticks(port, 50 * NS_PER_MS), 0);
    /* asking again is no running */
    CHECK_IS(set_periodic(1, NS_PER_MS), 0);
    CHECK_IS(ticks(port, 50 * NS_PER_MS), 0);
    uint64_t before = spins[1];
    CHECK_IS(HYPERVISOR_vcpu_op(VCPUOP_up, 1, NULL), 0);
    CHECK(COMES(port_pending(port)) && spins[1] > before);
    CHECK_IS(HYPERVISOR_vcpu_op(VCPUOP_down, 1, NULL), 0);
    stop_periodic(1);
}

static bool sleeps(unsigned int vcpu)
{
    struct vcpu_runstate_info info = { 0 };

    CHECK_IS(HYPERVISOR_vcpu_op(VCPUOP_get_runstate_info, vcpu, &info), 0);
    return info.state == RUNSTATE_blocked;
}

/* It does not wait for the event: the tick that would wake it comes once, and the next when it has
 * run again. */
static void a_vcpu_that_sleeps_ticks_once(void)
{
    int port = vcpu_timer_port(2);

    NEED(port > 0 && vcpu_prepare(2, sleep_for_ever) == 0);
    event_clear((evtchn_t)timer_port[0]);
    CHECK_IS(HYPERVISOR_vcpu_op(VCPUOP_up, 2, NULL), 0);
    CHECK(COMES(sleeps(2)));
    CHECK_IS(set_periodic(2, NS_PER_MS), 0);
    CHECK(ticks_once(port));
    CHECK_IS(spins[2], 0);
    CHECK_IS(HYPERVISOR_vcpu_op(VCPUOP_down, 2, NULL), 0);
}

static void attack(unsigned int vcpus, bool wake)
{
    for (unsigned int i = 1; i < vcpus; i++) {
        timer_port[i] = vcpu_timer_port(i);
        CHECK_IS(set_periodic(i, NS_PER_MS), 0);
        if (wake) {
            NEED(vcpu_prepare(i, sleep_and_wake) == 0);
            NEED(HYPERVISOR_vcpu_op(VCPUOP_up, i, NULL) == 0);
        }
    }
    printk("attack-timers: %u vCPUs %s\n", vcpus - 1, wake ? "sleep and wake" : "are down");
    for (;;)
        vcpu_poll(NULL, 0, now_ns() + 100 * NS_PER_S);
}

void test_main(void)
{
    unsigned int vcpus = vcpu_count();
    int port;
    char unused[4];

    events_mask_all();
    if (command_option("stay", unused, sizeof(unused)))
        attack(vcpus, false);
    if (command_option("wake", unused, sizeof(unused)))
        attack(vcpus, true);
    port = vcpu_timer_port(0);
    NEED(port > 0);
    (void)HYPERVISOR_set_timer_op(0);
    event_clear((evtchn_t)port);
    what_may_be_asked();
    it_ticks_while_the_vcpu_runs(port);
    the_past_fires_once(port);
    what_moves_does_not_fire(port);
    a_blocked_vcpu_is_woken(port);
    if (vcpus > 2) {
        timer_port[0] = port;
        a_vcpu_that_is_down_does_not_tick();
        a_vcpu_that_sleeps_ticks_once();
    }
    events_unmask_all();
}
