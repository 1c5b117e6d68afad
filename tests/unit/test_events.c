/* SPDX-License-Identifier: MIT */
/*
 * Event channels: what each operation does to the shared pages of both domains, bit for bit; who
 * may bind what; ports that come and go, one by one, all, and when there is no memory; references
 * and locks given back on every way out.
 */
#include "events_host.h"

/* The whole life of a channel between two domains, and each state seen from both sides. */
static void a_channel_between_two(void **state)
{
    int a, b;

    for (unsigned int i = 1; i < 67; i++)               /* the peers' ports have other numbers */
        assert_int_equal(unbound(&guest, DOMID_SELF, 0), i);
    assert_int_equal(a = unbound(&guest, DOMID_SELF, 2), 67);
    status_is(&guest, DOMID_SELF, a, EVTCHNSTAT_unbound, 0, 2, 0);
    status_is(&control, 1, a, EVTCHNSTAT_unbound, 0, 2, 0);
    assert_int_equal(sends(&guest, a), 0);              /* nobody listens yet */
    nothing_raised();
    assert_int_equal(bound(&control, 1, 67), -EINVAL);  /* not for him */
    assert_int_equal(bound(&other, 1, 66), -EINVAL);
    assert_int_equal(bound(&other, 5, 67), -ESRCH);
    assert_int_equal(bound(&other, 1, 68), -EINVAL);
    assert_int_equal(bound(&other, 1, 4096), -EINVAL);
    assert_int_equal(bound(&other, 1, 300), -EINVAL);
    nothing_raised();
    assert_int_equal(b = bound(&other, 1, 67), 1);
    only_raised(&other, 1, 0);                          /* what was sent before is not lost */
    status_is(&guest, DOMID_SELF, a, EVTCHNSTAT_interdomain, 0, 2, 1);
    status_is(&other, DOMID_SELF, b, EVTCHNSTAT_interdomain, 0, 1, 67);
    assert_int_equal(bound(&other, 1, 67), -EINVAL);    /* taken */
    assert_int_equal(moves(&guest, a, 1), 0);
    assert_int_equal(sends(&guest, a), 0);
    only_raised(&other, 1, 0);
    assert_int_equal(sends(&other, b), 0);
    only_raised(&guest, 67, 1);
    /* One end closes: the other waits for the same domain once more. */
    shared[2].evtchn_pending[0] = 2;
    assert_int_equal(closes(&other, b), 0);
    nothing_raised();                                   /* and what was pending is not */
    status_is(&other, DOMID_SELF, b, EVTCHNSTAT_closed, 0, 67, 0);
    status_is(&guest, DOMID_SELF, a, EVTCHNSTAT_unbound, 1, 2, 0);
    assert_int_equal(sends(&other, b), -EINVAL);
    for (unsigned int i = 0; i < 3; i++) {              /* ports that there are not */
        const int none[] = { 4095, 4096, -1 };

        assert_int_equal(sends(&guest, none[i]), -EINVAL);
        assert_int_equal(closes(&guest, none[i]), -EINVAL);
        assert_int_equal(moves(&guest, none[i], 0), -EINVAL);
        assert_int_equal(unmasks(&guest, none[i]), -EINVAL);
    }
    assert_int_equal(closes(&other, b), -EINVAL);
    assert_int_equal(b = bound(&other, 1, 67), 1);
    only_raised(&other, 1, 0);
    assert_int_equal(closes(&guest, a), 0);
    status_is(&other, DOMID_SELF, b, EVTCHNSTAT_unbound, 0, 1, 0);
    assert_int_equal(unbound(&guest, DOMID_SELF, 2), 67);
    status_is(&guest, DOMID_SELF, 67, EVTCHNSTAT_unbound, 0, 2, 0);
}

static void a_channel_with_oneself(void **state)
{
    int a = unbound(&guest, DOMID_SELF, DOMID_SELF), b;

    status_is(&guest, 1, a, EVTCHNSTAT_unbound, 0, 1, 0);
    assert_int_equal(b = bound(&guest, DOMID_SELF, (evtchn_port_t)a), 2);
    only_raised(&guest, 2, 0);
    assert_int_equal(sends(&guest, b), 0);
    only_raised(&guest, 1, 0);
    assert_int_equal(sends(&guest, a), 0);
    only_raised(&guest, 2, 0);
    assert_int_equal(closes(&guest, b), 0);
    status_is(&guest, 1, a, EVTCHNSTAT_unbound, 0, 1, 0);
}

/* A port that is pending is not raised again; a masked one is no more than pending; a selector or
 * an upcall that is there already wakes nobody. */
static void raised_once(void **state)
{
    int port = ipi(&guest, 1);

    assert_int_equal(port, 1);
    assert_int_equal(sends(&guest, port), 0);
    only_raised(&guest, 1, 1);
    shared[1].evtchn_pending[0] = 2;
    assert_int_equal(sends(&guest, port), 0);
    assert_int_equal(shared[1].vcpu_info[1].evtchn_pending_sel, 0);
    quiet();
    shared[1].evtchn_mask[0] = 2;
    assert_int_equal(sends(&guest, port), 0);
    assert_int_equal(shared[1].evtchn_pending[0], 2);
    assert_int_equal(shared[1].vcpu_info[1].evtchn_pending_sel, 0);
    assert_int_equal(unmasks(&guest, port), 0);
    assert_int_equal(shared[1].evtchn_mask[0], 0);
    only_raised(&guest, 1, 1);
    shared[1].vcpu_info[1].evtchn_upcall_pending = 1;
    assert_int_equal(sends(&guest, port), 0);
    assert_int_equal(woken[1][1], 0);
    assert_int_equal(shared[1].vcpu_info[1].evtchn_pending_sel, 1);
    quiet();
    shared[1].vcpu_info[1].evtchn_pending_sel = 1;
    assert_int_equal(sends(&guest, port), 0);
    assert_int_equal(shared[1].vcpu_info[1].evtchn_upcall_pending, 0);
    quiet();
    shared[1].evtchn_mask[0] = 7;                       /* unmasked, not pending: no more */
    assert_int_equal(unmasks(&guest, port), 0);
    assert_int_equal(shared[1].evtchn_mask[0], 5);
    shared[1].evtchn_mask[0] = 0;
    nothing_raised();
    shared[1].evtchn_pending[0] = 2;                    /* pending, and selected before */
    shared[1].vcpu_info[1].evtchn_pending_sel = 1;
    assert_int_equal(unmasks(&guest, port), 0);
    assert_int_equal(shared[1].vcpu_info[1].evtchn_upcall_pending, 0);
    assert_int_equal(unmasks(&guest, 4096), -EINVAL);
    assert_int_equal(unmasks(&guest, 256), -EINVAL);
    quiet();
    events_rescan(&vcpus[1][1]);
    assert_int_equal(shared[1].vcpu_info[1].evtchn_pending_sel, ~0ul);
    assert_int_equal(shared[1].vcpu_info[1].evtchn_upcall_pending, 1);
    assert_int_equal(woken[1][1], 1);
    /* Ports of a domain that has no vCPU yet are pending when it has. */
    guest.vcpus[1] = NULL;
    quiet();
    assert_int_equal(sends(&guest, port), 0);
    assert_int_equal(shared[1].evtchn_pending[0], 2);
}

/* Who polls is woken by the port it waits for, or by any; masked or not. */
static void pollers(void **state)
{
    int one = ipi(&guest, 0), two = ipi(&guest, 0);

    shared[1].evtchn_mask[0] = ~0ul;
    guest.events.pollers = 3;
    vcpus[1][0].events.poll_port = (uint32_t)two;
    vcpus[1][1].events.poll_port = 0;
    assert_int_equal(sends(&guest, one), 0);
    assert_int_equal(guest.events.pollers, 1);
    assert_true(woken[1][0] == 0 && woken[1][1] == 1);
    assert_int_equal(sends(&guest, two), 0);
    assert_int_equal(guest.events.pollers, 0);
    assert_true(woken[1][0] == 1 && woken[1][1] == 1);
    guest.events.pollers = 4;                           /* nobody there */
    shared[1].evtchn_pending[0] = 0;
    assert_int_equal(sends(&guest, two), 0);
    assert_int_equal(guest.events.pollers, 4);
    guest.events.pollers = 2;                           /* pending already: seen before polling */
    assert_int_equal(sends(&guest, two), 0);
    assert_int_equal(guest.events.pollers, 2);
    vcpus[1][0].events.poll_port = 0;                   /* who does not poll is not woken */
    shared[1].evtchn_pending[0] = 0;
    assert_int_equal(sends(&guest, two), 0);
    assert_true(woken[1][0] == 1 && woken[1][1] == 2);
}

static int cost_of_a_send(uint32_t pollers, int port)
{
    guest.events.pollers = pollers;
    shared[1].evtchn_pending[0] = 0;
    budget_refill();
    assert_int_equal(sends(&guest, port), 0);
    return ENTRY_BUDGET - cpu.budget;
}

/* Who sends pays for each that is woken. */
static void waking_costs(void **state)
{
    int port = ipi(&guest, 0), none;

    shared[1].evtchn_mask[0] = ~0ul;
    vcpus[1][0].events.poll_port = vcpus[1][1].events.poll_port = 0;
    none = cost_of_a_send(0, port);
    assert_int_equal(cost_of_a_send(1, port), none + 400);        /* COST_WAKE */
    assert_int_equal(cost_of_a_send(3, port), none + 800);
    budget_refill();
}

/* One that no longer polls: its own bit goes, and the timer that it may have set. */
static void polling_ends(void **state)
{
    guest.events.pollers = 7;
    vcpu_stop_polling(&vcpus[1][1]);
    assert_true(guest.events.pollers == 5 && timers_stopped == 0);
    vcpus[1][1].time.poll.fire = (void (*)(void *))free;
    vcpu_stop_polling(&vcpus[1][1]);
    assert_true(guest.events.pollers == 5 && timers_stopped == 1);
    guest.events.pollers = 0;
}

static const uint32_t of_a_vcpu[] = { VIRQ_TIMER, VIRQ_DEBUG, VIRQ_XENOPROF, VIRQ_XENPMU };

static bool is_of_a_vcpu(uint32_t number)
{
    for (unsigned int i = 0; i < ARRAY_SIZE(of_a_vcpu); i++)
        if (of_a_vcpu[i] == number) return true;
    return false;
}

static void virqs(void **state)
{
    int ports[NR_VIRQS][2];

    for (uint32_t n = 0; n < NR_VIRQS; n++) {
        for (uint32_t v = 0; v < 2; v++) {
            bool may = v == 0 || is_of_a_vcpu(n);
            int port = ports[n][v] = virq(&guest, n, v);

            assert_true(may ? port > 0 : port == -EINVAL);
            if (!may)
                continue;
            status_is(&guest, DOMID_SELF, port, EVTCHNSTAT_virq, v, n, 0);
            assert_int_equal(virq(&guest, n, v), -EEXIST);
            assert_int_equal(sends(&guest, port), -EINVAL);
            send_guest_vcpu_virq(&vcpus[1][v], n);
            only_raised(&guest, port, v);
            /* Only a global one may be heard elsewhere; and is found there when it closes. */
            assert_int_equal(moves(&guest, port, 1), is_of_a_vcpu(n) ? -EINVAL : 0);
            send_guest_vcpu_virq(&vcpus[1][v], n);
            only_raised(&guest, port, is_of_a_vcpu(n) ? v : 1);
        }
        assert_int_equal(closes(&guest, ports[n][0]), 0);
        send_guest_vcpu_virq(&vcpus[1][0], n);
        nothing_raised();
        if (ports[n][1] > 0)
            assert_int_equal(vcpus[1][1].events.virq_port[n], ports[n][1]);
        assert_int_equal(virq(&guest, n, 0), ports[n][0]);
    }
    assert_int_equal(virq(&guest, NR_VIRQS, 0), -EINVAL);
    assert_int_equal(virq(&guest, VIRQ_TIMER, 2), -ENOENT);
    assert_int_equal(virq(&guest, VIRQ_TIMER, 3), -ENOENT);
    assert_int_equal(virq(&guest, VIRQ_TIMER, MAX_VCPUS), -ENOENT);
    assert_int_equal(virq(&guest, VIRQ_DOM_EXC, 2), -EINVAL);
    /* What the machine has to say goes to the control domain. */
    send_global_virq(VIRQ_DOM_EXC);
    nothing_raised();
    int port = virq(&control, VIRQ_DOM_EXC, 0);
    send_global_virq(VIRQ_DOM_EXC);
    only_raised(&control, port, 0);
    control.vcpus[0] = NULL;
    send_global_virq(VIRQ_DOM_EXC);
    dom0 = NULL;
    send_global_virq(VIRQ_DOM_EXC);
    nothing_raised();
}

static void pirqs(void **state)
{
    int port;

    assert_int_equal(pirq(&guest, 9), -EPERM);
    pirq_error = -EEXIST;
    assert_int_equal(pirq(&control, 9), -EEXIST);         /* and no port is lost */
    pirq_error = 0;
    assert_int_equal(port = pirq(&control, 9), 1);
    assert_int_equal(pirq_ports[9], 1);
    status_is(&control, 0, port, EVTCHNSTAT_pirq, 0, 9, 0);
    send_guest_port(&control, &pirq_ports[8]);
    nothing_raised();
    send_guest_port(&control, &pirq_ports[9]);
    only_raised(&control, port, 0);
    assert_int_equal(moves(&control, port, 1), 0);
    send_guest_port(&control, &pirq_ports[9]);
    only_raised(&control, port, 1);
    assert_int_equal(sends(&control, port), -EINVAL);
    assert_int_equal(pirq_unbinds, 0);
    assert_int_equal(closes(&control, port), 0);
    assert_int_equal(pirq_unbinds, 1);
    assert_int_equal(ipi(&control, 0), 1);
    assert_int_equal(closes(&control, 1), 0);
    assert_int_equal(pirq_unbinds, 1);
}

static void vcpus_are_there(void **state)
{
    int a = unbound(&guest, 1, 0), i = ipi(&guest, 1);

    status_is(&guest, 1, i, EVTCHNSTAT_ipi, 1, 0, 0);
    assert_int_equal(ipi(&guest, 2), -ENOENT);
    assert_int_equal(ipi(&guest, 3), -ENOENT);
    assert_int_equal(ipi(&guest, ~0u), -ENOENT);
    assert_int_equal(moves(&guest, a, 1), 0);
    status_is(&guest, 1, a, EVTCHNSTAT_unbound, 1, 0, 0);
    assert_int_equal(moves(&guest, a, 0), 0);
    assert_int_equal(moves(&guest, a, 2), -ENOENT);
    assert_int_equal(moves(&guest, a, 3), -ENOENT);
    assert_int_equal(moves(&guest, 4096, 1), -EINVAL);
    assert_int_equal(moves(&guest, i, 0), -EINVAL);
    assert_int_equal(moves(&guest, 0, 0), -EINVAL);
    assert_int_equal(moves(&guest, 5, 1), -EINVAL);
    status_is(&guest, 1, i, EVTCHNSTAT_ipi, 1, 0, 0);
    guest.vcpu_count = 1;
    assert_int_equal(ipi(&guest, 1), -ENOENT);
    guest.vcpu_count = 3;
}

/* Ports of others are the control domain's business alone. */
static void others_ports(void **state)
{
    struct evtchn_status status = { .dom = 2, .port = 1 };

    assert_int_equal(unbound(&guest, 2, 1), -EPERM);
    assert_int_equal(unbound(&guest, 9, 1), -ESRCH);
    assert_int_equal(unbound(&control, 2, DOMID_SELF), 1);
    status_is(&other, 2, 1, EVTCHNSTAT_unbound, 0, 0, 0);
    assert_int_equal(call(&guest, EVTCHNOP_status, &status), -EPERM);
    status.port = 4096;
    assert_int_equal(call(&control, EVTCHNOP_status, &status), -EINVAL);
    assert_int_equal(resets(&guest, 2), -EPERM);
    assert_int_equal(resets(&guest, 9), -ESRCH);
    assert_int_equal(resets(&control, 2), -EINVAL);     /* it runs */
    status_is(&other, 2, 1, EVTCHNSTAT_unbound, 0, 0, 0);
    other.toolstack_pauses = 1;
    assert_int_equal(resets(&control, 2), 0);
    status_is(&other, 2, 1, EVTCHNSTAT_closed, 0, 0, 0);
    assert_int_equal(bound(&control, 2, 1), -EINVAL);
    assert_int_equal(unbound(&guest, 1, 0), 1);
    assert_int_equal(resets(&guest, DOMID_SELF), 0);
    status_is(&guest, 1, 1, EVTCHNSTAT_closed, 0, 0, 0);
}

/* All there are, the lowest free one first; then none; and all closed again, in turns. */
static void all_of_them(void **state)
{
    static const int again[] = { 2000, 255, 4095, 64, 63, 1, 256 };
    unsigned int turns = 1;
    size_t before = held;

    for (int i = 1; i < NR_EVTCHNS; i++) {
        int left = cpu.budget;

        assert_int_equal(unbound(&guest, 1, 0), i);
        assert_int_equal(left - cpu.budget, 15 * (i / 64 + 1));     /* COST_WORD */
        budget_refill();
        if (i == 255)
            assert_int_equal(held - before, 4096 + 128);    /* a bucket, and where it is kept */
    }
    assert_int_equal(held - before, 16 * 4096 + 128);
    assert_int_equal(unbound(&guest, 1, 0), -ENOSPC);
    for (unsigned int i = 0; i < ARRAY_SIZE(again); i++) {
        assert_int_equal(closes(&guest, again[i]), 0);
        assert_int_equal(unbound(&guest, 1, 0), again[i]);
    }
    for (budget_refill(); resets(&guest, DOMID_SELF) == CONTINUED; budget_refill(), turns++) {
        assert_int_equal(said.op, __HYPERVISOR_event_channel_op);
        assert_int_equal(said.count, 2);
        assert_int_equal(said.arguments[0], EVTCHNOP_reset);
        assert_true(said.arguments[1] != 0);
    }
    assert_in_range(turns, NR_EVTCHNS * COST_FRAME / ENTRY_BUDGET,
                    NR_EVTCHNS * COST_FRAME / ENTRY_BUDGET + 2);
    assert_int_equal(unbound(&guest, 1, 0), 1);
    guest.events.limit = 2;
    assert_int_equal(unbound(&guest, 1, 0), -ENOSPC);
    assert_false(event_port_valid(&guest, 2));
    guest.events.limit = 3;
    assert_int_equal(unbound(&guest, 1, 0), 2);
    assert_true(event_port_valid(&guest, 2));
    assert_false(event_port_valid(&guest, 3));
    assert_false(event_port_valid(&guest, 0));
    assert_false(event_port_pending(&guest, 2));
    shared[1].evtchn_pending[0] = 4;
    assert_true(event_port_pending(&guest, 2));
    assert_false(event_port_pending(&guest, 3));
    assert_int_equal(closes(&guest, 0), -EINVAL);
    assert_int_equal(closes(&guest, 3), -EINVAL);
    guest.events.limit = NR_EVTCHNS;
}

static void no_memory(void **state)
{
    for (unsigned int n = 0; n < 2; n++) {
        allocations_left = n;                           /* the pointers' page; a bucket */
        assert_int_equal(unbound(&guest, 1, 0), -ENOMEM);
        assert_int_equal(ipi(&guest, 0), -ENOMEM);
        assert_int_equal(virq(&guest, VIRQ_TIMER, 0), -ENOMEM);
        assert_int_equal(vcpus[1][0].events.virq_port[VIRQ_TIMER], 0);
        assert_int_equal(pirq(&control, 3), -ENOMEM);
        assert_int_equal(pirq_ports[3], 0);
        assert_false(event_port_valid(&guest, 1));
    }
    allocations_left = ~0u;
    assert_int_equal(unbound(&other, 2, 1), 1);
    allocations_left = 0;
    assert_int_equal(bound(&guest, 2, 1), -ENOMEM);
    status_is(&other, 2, 1, EVTCHNSTAT_unbound, 0, 1, 0);
    allocations_left = ~0u;
    guest.life = DOMAIN_DYING;
    assert_int_equal(bound(&guest, 2, 1), -EINVAL);
    assert_int_equal(unbound(&control, 1, 2), -EINVAL);
    guest.life = DOMAIN_ALIVE;
    assert_int_equal(bound(&guest, 2, 1), 1);
}

/* Whoever of two ends first: the other's end waits for it. */
static void the_end_of_a_domain(void **state)
{
    assert_int_equal(unbound(&control, 0, 2), 1);
    assert_int_equal(bound(&other, 0, 1), 1);
    assert_int_equal(virq(&control, VIRQ_TIMER, 1), 2);
    assert_int_equal(pirq(&control, 4), 3);
    end(&control);
    assert_int_equal(vcpus[0][1].events.virq_port[VIRQ_TIMER], 0);
    assert_int_equal(pirq_ports[4], 0);
    assert_int_equal(pirq_unbinds, 1);
    status_is(&other, 2, 1, EVTCHNSTAT_unbound, 0, 0, 0);
    end(&control);                                      /* nothing is left to do */
}

/* What the operator sees (debug key e). */
static void the_list(void **state)
{
    assert_int_equal(unbound(&guest, 1, 2), 1);
    assert_int_equal(bound(&other, 1, 1), 1);
    assert_int_equal(virq(&guest, VIRQ_TIMER, 1), 2);
    for (int i = 3; i < 600; i++)
        assert_int_equal(ipi(&guest, 0), i);
    for (int i = 3; i < 600; i++)
        if (i != 4 && i != 599)
            assert_int_equal(closes(&guest, i), 0);
    hv_free_pages(guest.events.buckets[1], 0);      /* a part of the ports was never used */
    guest.events.buckets[1] = NULL;
    shared[1].evtchn_pending[0] = 1ul << 4;
    shared[1].evtchn_mask[0] = 1ul << 4 | 1ul << 2;
    events_dump(&guest);
    events_dump(&control);
    assert_string_equal(logged, "d1 port 1: interdomain 1, vcpu 0\n  of d2\n"
                                "d1 port 2: virq 0, vcpu 1, masked\n"
                                "d1 port 4: ipi 0, vcpu 0, pending, masked\n"
                                "d1 port 599: ipi 0, vcpu 0\n");
    /* Not more than one wants to wait for. */
    for (int i = 1; i <= 64; i++)
        assert_int_equal(ipi(&control, 0), i);
    *logged = '\0';
    events_dump(&control);
    assert_null(strstr(logged, "more"));
    assert_int_equal(ipi(&control, 0), 65);
    assert_int_equal(ipi(&control, 0), 66);
    *logged = '\0';
    events_dump(&control);
    assert_non_null(strstr(logged, "d0 port 64: ipi 0, vcpu 0\nd0: and 2 ports more\n"));
}

/* FIFO channels: refused, wrong calls first. */
static void fifo(void **state)
{
    static const struct { uint64_t frame; uint32_t offset, vcpu; long error; } calls[] = {
        { 7, 0, 0, -ENOSYS }, { 7, 8, 1, -ENOSYS }, { 7, 4096 - 72, 0, -ENOSYS },
        { 7, 4096 - 64, 0, -EINVAL }, { 7, 1, 0, -EINVAL }, { 7, 2, 0, -EINVAL },
        { 7, 4, 0, -EINVAL }, { 7, 0, 2, -ENOENT }, { 8, 0, 0, -EINVAL },
    };
    struct evtchn_expand_array array = { 0 };
    struct evtchn_set_priority priority = { .port = 1 };

    _Static_assert(sizeof(evtchn_fifo_control_block_t) == 72, "or the table above is wrong");
    for (unsigned int i = 0; i < ARRAY_SIZE(calls); i++) {
        struct evtchn_init_control op = { .control_gfn = calls[i].frame, .vcpu = calls[i].vcpu,
                                          .offset = calls[i].offset };
        assert_int_equal(call(&guest, EVTCHNOP_init_control, &op), calls[i].error);
        assert_int_equal(writables, 0);
    }
    assert_int_equal(call(&guest, EVTCHNOP_expand_array, &array), -EOPNOTSUPP);
    assert_int_equal(call(&guest, EVTCHNOP_set_priority, &priority), -EINVAL);
    assert_int_equal(unbound(&guest, 1, 0), 1);
    assert_int_equal(call(&guest, EVTCHNOP_set_priority, &priority), -ENOSYS);
    for (unsigned int i = 0; i < 15; i++)
        assert_int_equal(call(&control, i, (void *)NOT_THERE), i < 14 ? -EFAULT : -ENOSYS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_channel_between_two, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_channel_with_oneself, set_up, tear_down),
        cmocka_unit_test_setup_teardown(raised_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(pollers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(waking_costs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(polling_ends, set_up, tear_down),
        cmocka_unit_test_setup_teardown(virqs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(pirqs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(vcpus_are_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(others_ports, set_up, tear_down),
        cmocka_unit_test_setup_teardown(all_of_them, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_memory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_end_of_a_domain, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_list, set_up, tear_down),
        cmocka_unit_test_setup_teardown(fifo, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
