/* SPDX-License-Identifier: MIT */
/*
 * Event channels, two levels, 4,096 of them: every kind binds, fires, masks, stays pending while
 * masked, and closes; a port that is none of ours, out of range or of the wrong kind is an error.
 * Idea: XSA-221, 317, 342, 343; the limit and errnos of public/event_channel.h.
 */
#include "../lib/test.h"

static volatile unsigned int fired;

static void count(evtchn_t port, void *data)
{
    fired += (unsigned int)(unsigned long)data;
}

static bool fires_within(unsigned int wanted, uint64_t ns)
{
    uint64_t until = now_ns() + ns;

    while (fired < wanted && now_ns() < until)
        vcpu_yield();
    return fired == wanted;
}

/* However busy this machine's host is. */
static bool fires(unsigned int wanted)
{
    return fires_within(wanted, 20 * NS_PER_S);
}

static unsigned int status_of(evtchn_t port)
{
    struct evtchn_status status = { .dom = DOMID_SELF, .port = port };

    CHECK_IS(HYPERVISOR_event_channel_op(EVTCHNOP_status, &status), 0);
    return status.status;
}

static bool selected(evtchn_t port)
{
    return shared_info.vcpu_info[0].evtchn_pending_sel >> port / 64 & 1;
}

/* Events are off meanwhile: what the hypervisor writes into the shared page stays there to be
 * seen. */
static void forget_upcalls(void)
{
    events_mask_all();
    shared_info.vcpu_info[0].evtchn_pending_sel = 0;
    shared_info.vcpu_info[0].evtchn_upcall_pending = 0;
}

/* A masked port becomes pending and nothing else; the hypercall that unmasks it raises what was
 * held back. */
static void unmask_by_hypercall(evtchn_t one, evtchn_t two)
{
    struct evtchn_unmask unmask = { .port = one };

    fired = 0;
    event_mask(one);
    forget_upcalls();
    CHECK_IS(event_send(two), 0);
    CHECK(event_pending(one) && !selected(one) && !shared_info.vcpu_info[0].evtchn_upcall_pending);
    CHECK_IS(HYPERVISOR_event_channel_op(EVTCHNOP_unmask, &unmask), 0);
    CHECK(event_pending(one) && selected(one) && shared_info.vcpu_info[0].evtchn_upcall_pending);
    forget_upcalls();                               /* pending already: once more changes nothing */
    CHECK_IS(event_send(two), 0);
    CHECK(event_pending(one) && !selected(one) && !shared_info.vcpu_info[0].evtchn_upcall_pending);
    shared_info.vcpu_info[0].evtchn_pending_sel = 1UL << one / 64;
    shared_info.vcpu_info[0].evtchn_upcall_pending = 1;
    CHECK(!(shared_info.evtchn_mask[one / 64] >> one % 64 & 1));
    events_unmask_all();
    CHECK(fires(1));
    /* Nothing pending: the port is unmasked, and nobody is called. */
    event_mask(one);
    forget_upcalls();
    CHECK_IS(HYPERVISOR_event_channel_op(EVTCHNOP_unmask, &unmask), 0);
    CHECK(!selected(one) && !(shared_info.evtchn_mask[one / 64] >> one % 64 & 1));
    events_unmask_all();
    unmask.port = EVENT_PORTS;
    CHECK_REFUSED(HYPERVISOR_event_channel_op(EVTCHNOP_unmask, &unmask));
}

static void a_pair_with_ourselves(void)
{
    int one = event_alloc_unbound(own_domid(), count, (void *)1), two;

    CHECK(one > 0);
    CHECK_IS(status_of((evtchn_t)one), EVTCHNSTAT_unbound);
    two = event_bind_interdomain(own_domid(), (evtchn_t)one, count, (void *)100);
    CHECK(two > 0);
    CHECK_IS(status_of((evtchn_t)one), EVTCHNSTAT_interdomain);
    /* binding may fire once: both sides start with a look */
    (void)fires_within(~0u, 5 * NS_PER_MS);
    fired = 0;
    CHECK_IS(event_send((evtchn_t)one), 0);
    CHECK(fires(100));                              /* sending on one end is heard on the other */
    CHECK_IS(event_send((evtchn_t)two), 0);
    CHECK(fires(101));

    /* Masked: pending, delivered at unmask. */
    fired = 0;
    event_mask((evtchn_t)one);
    CHECK_IS(event_send((evtchn_t)two), 0);
    CHECK(!fires_within(1, 5 * NS_PER_MS));
    CHECK(event_pending((evtchn_t)one));
    event_unmask((evtchn_t)one);
    CHECK(fires(1));

    /* With all events off, the upcall waits. */
    fired = 0;
    events_mask_all();
    CHECK_IS(event_send((evtchn_t)two), 0);
    CHECK_IS(fired, 0);
    events_unmask_all();
    CHECK(fires(1));

    unmask_by_hypercall((evtchn_t)one, (evtchn_t)two);
    event_unbind((evtchn_t)two);
    CHECK_IS(status_of((evtchn_t)one), EVTCHNSTAT_unbound);
    event_unbind((evtchn_t)one);
    CHECK_IS(status_of((evtchn_t)one), EVTCHNSTAT_closed);
}

static void ipis_and_virqs(void)
{
    int ipi = event_bind_ipi(count, (void *)1), port;
    struct evtchn_bind_virq virq = { .virq = VIRQ_TIMER, .vcpu = 0 };

    CHECK(ipi > 0);
    CHECK_IS(status_of((evtchn_t)ipi), EVTCHNSTAT_ipi);
    fired = 0;
    CHECK_IS(event_send((evtchn_t)ipi), 0);
    CHECK(fires(1));
    event_unbind((evtchn_t)ipi);

    /* the SDK has it */
    CHECK_IS(HYPERVISOR_event_channel_op(EVTCHNOP_bind_virq, &virq), -EEXIST);
    port = event_bind_virq(VIRQ_DEBUG, count, (void *)1);
    CHECK(port > 0);
    CHECK_IS(status_of((evtchn_t)port), EVTCHNSTAT_virq);
    CHECK_REFUSED(event_send((evtchn_t)port));      /* a VIRQ is not ours to send */
    event_unbind((evtchn_t)port);
    virq.virq = 1000;
    CHECK_REFUSED(HYPERVISOR_event_channel_op(EVTCHNOP_bind_virq, &virq));
    virq.virq = VIRQ_DOM_EXC;
    virq.vcpu = 1;
    /* a global one is the first vCPU's */
    CHECK_IS(HYPERVISOR_event_channel_op(EVTCHNOP_bind_virq, &virq), -EINVAL);
    virq.virq = VIRQ_DEBUG;
    virq.vcpu = 77;
    CHECK_REFUSED(HYPERVISOR_event_channel_op(EVTCHNOP_bind_virq, &virq));
}

/* What is closed can be bound again, and what cannot be bound leaves no port behind. */
static void ports_come_back(void)
{
    struct evtchn_bind_virq virq = { .virq = VIRQ_DEBUG, .vcpu = 0 };
    struct evtchn_bind_pirq pirq = { .pirq = 0x7fffffff };
    struct evtchn_bind_ipi ipi = { .vcpu = 0 };
    struct evtchn_status status = { .dom = DOMID_SELF };
    struct evtchn_close close;
    evtchn_port_t first;

    for (int i = 0; i < 3; i++) {
        CHECK_IS(HYPERVISOR_event_channel_op(EVTCHNOP_bind_virq, &virq), 0);
        first = virq.port;
        CHECK_IS(HYPERVISOR_event_channel_op(EVTCHNOP_bind_virq, &virq), -EEXIST);
        status.port = first;
        CHECK_IS(HYPERVISOR_event_channel_op(EVTCHNOP_status, &status), 0);
        CHECK(status.status == EVTCHNSTAT_virq && status.u.virq == VIRQ_DEBUG && status.vcpu == 0);
        close.port = first;
        CHECK_IS(HYPERVISOR_event_channel_op(EVTCHNOP_close, &close), 0);
    }
    if (is_dom0())
        CHECK_REFUSED(HYPERVISOR_event_channel_op(EVTCHNOP_bind_pirq, &pirq));
    pirq.pirq = 200;                                            /* nothing is mapped to it */
    CHECK_REFUSED(HYPERVISOR_event_channel_op(EVTCHNOP_bind_pirq, &pirq));
    ipi.vcpu = 77;
    CHECK_REFUSED(HYPERVISOR_event_channel_op(EVTCHNOP_bind_ipi, &ipi));
    ipi.vcpu = 0;
    CHECK_IS(HYPERVISOR_event_channel_op(EVTCHNOP_bind_ipi, &ipi), 0);
    CHECK_IS(ipi.port, first);
    struct evtchn_bind_vcpu bind = { .port = ipi.port, .vcpu = 0 };
    /* IPIs stay where they are */
    CHECK_REFUSED(HYPERVISOR_event_channel_op(EVTCHNOP_bind_vcpu, &bind));
    close.port = ipi.port;
    CHECK_IS(HYPERVISOR_event_channel_op(EVTCHNOP_close, &close), 0);
}

static void bad_ports(void)
{
    static const evtchn_t ports[] = { 0, 777, 4095, 4096, 0x7fffffff, 0xffffffff };

    for (unsigned int i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
        struct evtchn_send send = { .port = ports[i] };
        struct evtchn_close close = { .port = ports[i] };
        struct evtchn_bind_vcpu bind = { .port = ports[i], .vcpu = 0 };
        struct sched_poll poll = { .nr_ports = 1, .timeout = now_ns() + 1000 };
        struct evtchn_bind_interdomain pair = { .remote_dom = own_domid(),
                                                .remote_port = ports[i] };

        CHECK_REFUSED(HYPERVISOR_event_channel_op(EVTCHNOP_send, &send));
        CHECK_REFUSED(HYPERVISOR_event_channel_op(EVTCHNOP_close, &close));
        CHECK_REFUSED(HYPERVISOR_event_channel_op(EVTCHNOP_bind_vcpu, &bind));
        CHECK_REFUSED(HYPERVISOR_event_channel_op(EVTCHNOP_bind_interdomain, &pair));
        set_xen_guest_handle(poll.ports, ADDRESS(&ports[i]));
        if (ports[i] >= EVENT_PORTS)
            CHECK_IS(HYPERVISOR_sched_op(SCHEDOP_poll, &poll), -EINVAL);
    }
    struct evtchn_alloc_unbound unbound = { .dom = 4242, .remote_dom = DOMID_SELF };
    CHECK_REFUSED(HYPERVISOR_event_channel_op(EVTCHNOP_alloc_unbound, &unbound));
    struct evtchn_bind_interdomain pair = { .remote_dom = 4242, .remote_port = 1 };
    CHECK_REFUSED(HYPERVISOR_event_channel_op(EVTCHNOP_bind_interdomain, &pair));
    CHECK_IS(HYPERVISOR_event_channel_op(EVTCHNOP_send, (void *)0x1000), -EFAULT);
    CHECK_IS(HYPERVISOR_event_channel_op(99, &pair), -ENOSYS);
}

/* All of them, then one too many, then all back. */
static void as_many_as_there_are(void)
{
    static evtchn_t taken[EVENT_PORTS];
    unsigned int n = 0;
    long error = 0;

    for (; n < EVENT_PORTS; n++) {
        struct evtchn_alloc_unbound unbound = { .dom = DOMID_SELF, .remote_dom = DOMID_SELF };

        error = HYPERVISOR_event_channel_op(EVTCHNOP_alloc_unbound, &unbound);
        if (error)
            break;
        CHECK(unbound.port > 0 && unbound.port < EVENT_PORTS);
        taken[n] = unbound.port;
    }
    CHECK_IS(error, -ENOSPC);
    CHECK(n > 4000);
    for (unsigned int i = 0; i < n; i++) {
        struct evtchn_close close = { .port = taken[i] };
        if (HYPERVISOR_event_channel_op(EVTCHNOP_close, &close))
            test_failure(__FILE__, __LINE__, "port %u does not close", taken[i]);
    }
}

void test_main(void)
{
    a_pair_with_ourselves();
    ipis_and_virqs();
    ports_come_back();
    bad_ports();
    as_many_as_there_are();
}
