/* SPDX-License-Identifier: MIT */
/*
 * Time: the shared clock never goes back and keeps step with itself; timers fire at or after their
 * time and not much later; poll and block end; the runstate area adds up; absurd deadlines do no
 * harm. Idea: XSA-20 (timer arithmetic: 0, -1, 2^63), XSA-327 (registered areas).
 */
#include "../lib/vcpus.h"

static volatile uint64_t fired_at;

static void fire(void *data)
{
    fired_at = now_ns();
}

static void the_clock_goes_forward(void)
{
    uint64_t last = now_ns(), wall = wall_clock_ns();

    for (int i = 0; i < 100000; i++) {
        uint64_t now = now_ns();
        if (now < last) {
            test_failure(__FILE__, __LINE__, "the clock went back by %lu ns", last - now);
            break;
        }
        last = now;
    }
    CHECK(wall > 1600000000ULL * NS_PER_S);
    CHECK(wall_clock_ns() >= wall);
    CHECK(shared_info.vcpu_info[0].time.tsc_to_system_mul != 0);
    CHECK_IS(shared_info.vcpu_info[0].time.version & 1, 0);
}

static void one_shot(void)
{
    struct timer timer = { 0 };

    for (uint64_t wait = 2 * NS_PER_MS; wait <= 50 * NS_PER_MS; wait *= 5) {
        uint64_t when = now_ns() + wait;

        fired_at = 0;
        timer_set(&timer, when, fire, NULL);
        /* or the event could come between the look and the sleep, and be the last */
        events_mask_all();
        while (!fired_at && now_ns() < when + 2 * NS_PER_S) {
            vcpu_block();
            events_mask_all();
        }
        events_unmask_all();
        CHECK(fired_at >= when);
        CHECK(fired_at < when + NS_PER_S);
    }
}

static void sleeping_without_events(void)
{
    uint64_t start = now_ns();

    CHECK_IS(vcpu_poll(NULL, 0, start + 20 * NS_PER_MS), 0);
    CHECK(now_ns() >= start + 20 * NS_PER_MS);
    CHECK(now_ns() < start + 5 * NS_PER_S);
    struct sched_poll poll = { .nr_ports = 100000, .timeout = 1 };
    CHECK_REFUSED(HYPERVISOR_sched_op(SCHEDOP_poll, &poll));
    poll.nr_ports = 1;
    set_xen_guest_handle(poll.ports, (evtchn_port_t *)0x1000);
    CHECK_REFUSED(HYPERVISOR_sched_op(SCHEDOP_poll, &poll));
}

/* Who sleeps for one port sleeps on when another becomes pending that is masked: nobody is called
 * for that one. */
static void sleeping_for_one_port(void)
{
    struct evtchn_alloc_unbound one = { .dom = DOMID_SELF, .remote_dom = DOMID_SELF };
    struct evtchn_close close;
    evtchn_t timer = (evtchn_t)vcpu_timer_port(0);
    uint64_t start = now_ns();

    NEED(HYPERVISOR_event_channel_op(EVTCHNOP_alloc_unbound, &one) == 0);
    event_mask(timer);
    CHECK_IS(HYPERVISOR_set_timer_op((int64_t)(start + 20 * NS_PER_MS)), 0);
    CHECK_IS(vcpu_poll(&one.port, 1, start + 200 * NS_PER_MS), 0);
    CHECK(now_ns() >= start + 200 * NS_PER_MS);
    CHECK(event_pending(timer));
    start = now_ns();                               /* and for that one it is over at once */
    CHECK_IS(vcpu_poll(&timer, 1, start + 10 * NS_PER_S), 0);
    CHECK(now_ns() < start + 5 * NS_PER_S);
    event_unmask(timer);
    close.port = one.port;
    CHECK_IS(HYPERVISOR_event_channel_op(EVTCHNOP_close, &close), 0);
}

static void absurd_deadlines(void)
{
    static const uint64_t deadlines[] = { 1, 0x7fffffffffffffffUL, 0x8000000000000000UL, ~0UL };
    struct vcpu_set_singleshot_timer late = { .timeout_abs_ns = 1, .flags = VCPU_SSHOTTMR_future };
    struct vcpu_set_singleshot_timer odd = { .timeout_abs_ns = ~0UL };
    struct vcpu_set_periodic_timer often = { .period_ns = 1 };

    for (unsigned int i = 0; i < sizeof(deadlines) / sizeof(deadlines[0]); i++)
        CHECK_IS(HYPERVISOR_set_timer_op((int64_t)deadlines[i]), 0);
    CHECK_IS(HYPERVISOR_set_timer_op(0), 0);
    long in_the_past = HYPERVISOR_vcpu_op(VCPUOP_set_singleshot_timer, 0, &late);
    /* Xen gave up the flag in 4.16 */
    CHECK(in_the_past == -ETIME || in_the_past == 0);
    (void)HYPERVISOR_vcpu_op(VCPUOP_set_singleshot_timer, 0, &odd);
    CHECK_IS(HYPERVISOR_vcpu_op(VCPUOP_stop_singleshot_timer, 0, NULL), 0);
    /* a period of one nanosecond */
    CHECK_REFUSED(HYPERVISOR_vcpu_op(VCPUOP_set_periodic_timer, 0, &often));
    CHECK_IS(HYPERVISOR_vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL), 0);
    CHECK_REFUSED(HYPERVISOR_vcpu_op(VCPUOP_stop_periodic_timer, 5000, NULL));
    CHECK_REFUSED(HYPERVISOR_vcpu_op(VCPUOP_is_up, 5000, NULL));
    CHECK_IS(HYPERVISOR_vcpu_op(VCPUOP_is_up, 0, NULL), 1);
}

static void runstate(void)
{
    static struct vcpu_runstate_info area;
    struct vcpu_register_runstate_memory_area area_call = { 0 };
    uint64_t blocked;

    area_call.addr.v = &area;
    CHECK_IS(HYPERVISOR_vcpu_op(VCPUOP_register_runstate_memory_area, 0, &area_call), 0);
    CHECK_IS(area.state, RUNSTATE_running);
    blocked = area.time[RUNSTATE_blocked];
    vcpu_poll(NULL, 0, now_ns() + 30 * NS_PER_MS);
    CHECK_IS(area.state, RUNSTATE_running);
    CHECK(area.time[RUNSTATE_blocked] >= blocked + 20 * NS_PER_MS);
    /* The four times add up to the time of entry into this state, less the domain's age at
     * birth. */
    uint64_t sum = 0;
    for (int i = 0; i < 4; i++)
        sum += area.time[i];
    CHECK(sum <= now_ns() + NS_PER_S);
    area_call.addr.v = (void *)0xffff830000000000UL;
    CHECK_REFUSED(HYPERVISOR_vcpu_op(VCPUOP_register_runstate_memory_area, 0, &area_call));
    area_call.addr.v = &area;
    CHECK_IS(HYPERVISOR_vcpu_op(VCPUOP_register_runstate_memory_area, 0, &area_call), 0);
}

static void vcpu_info_placement(void)
{
    struct vcpu_register_vcpu_info info = { .mfn = virt_to_mfn(ADDRESS(shared_info.vcpu_info)) };
    static uint8_t page[4096] __attribute__((aligned(4096)));

    info.mfn = virt_to_mfn(page);
    for (uint32_t offset = 4096 - 63; offset < 4096; offset += 7) {
        info.offset = offset;
        CHECK_REFUSED(HYPERVISOR_vcpu_op(VCPUOP_register_vcpu_info, 0, &info));
    }
    info.offset = 4096;
    CHECK_REFUSED(HYPERVISOR_vcpu_op(VCPUOP_register_vcpu_info, 0, &info));
    info.offset = 3;
    CHECK_REFUSED(HYPERVISOR_vcpu_op(VCPUOP_register_vcpu_info, 0, &info));
    info.offset = 0;
    info.mfn = foreign_mfn();
    CHECK_REFUSED(HYPERVISOR_vcpu_op(VCPUOP_register_vcpu_info, 0, &info));
}

void test_main(void)
{
    the_clock_goes_forward();
    one_shot();
    sleeping_without_events();
    sleeping_for_one_port();
    absurd_deadlines();
    runstate();
    vcpu_info_placement();
}
