/* SPDX-License-Identifier: MIT */
/*
 * Hypercalls as they were before Xen 3.0.2, under their old numbers (sched_op_compat,
 * event_channel_op_compat, physdev_op_compat): each does what the new form does, answers where the
 * old form has its answer; what sched_op and event_channel_op were given later has no old form.
 * Idea: GNU Mach, whose every event channel and whose end come by these; it spun where there were
 * none.
 */
#include "../lib/test.h"
#include <xen/physdev.h>

static volatile unsigned int fired;

static void count(evtchn_t port, void *data)
{
    fired++;
}

static void scheduling(void)
{
    int port = event_bind_ipi(count, NULL);

    CHECK_IS(HYPERVISOR_sched_op_compat(SCHEDOP_yield, 0), 0);
    NEED(port > 0);
    events_mask_all();
    CHECK_IS(event_send((evtchn_t)port), 0);
    fired = 0;
    CHECK_IS(HYPERVISOR_sched_op_compat(SCHEDOP_block, 0), 0);      /* it unmasks, and finds one */
    CHECK_IS(fired, 1);
    event_unbind((evtchn_t)port);
    for (unsigned int op = SCHEDOP_poll; op < 10; op++)
        CHECK_IS(HYPERVISOR_sched_op_compat(op, 0), -ENOSYS);
    CHECK_IS(HYPERVISOR_sched_op_compat(~0u, 0), -ENOSYS);
}

static long event(uint32_t cmd, struct evtchn_op *op)
{
    op->cmd = cmd;
    return HYPERVISOR_event_channel_op_compat(op);
}

static unsigned int status_of(evtchn_t port)
{
    struct evtchn_op op = { .u.status = { .dom = DOMID_SELF, .port = port } };

    CHECK_IS(event(EVTCHNOP_status, &op), 0);
    return op.u.status.status;
}

/* A port and its other end, both ours: bound, rung, closed by the old forms alone. */
static void event_channels(void)
{
    struct evtchn_op op = { .u.alloc_unbound = { .dom = DOMID_SELF, .remote_dom = DOMID_SELF } };
    evtchn_t one, two;

    CHECK_IS(event(EVTCHNOP_alloc_unbound, &op), 0);
    one = op.u.alloc_unbound.port;
    CHECK_IS(status_of(one), EVTCHNSTAT_unbound);
    op.u.bind_interdomain = (struct evtchn_bind_interdomain){ .remote_dom = DOMID_SELF,
                                                              .remote_port = one };
    CHECK_IS(event(EVTCHNOP_bind_interdomain, &op), 0);
    two = op.u.bind_interdomain.local_port;
    CHECK(two != one && status_of(one) == EVTCHNSTAT_interdomain);
    event_clear(one);
    op.u.send.port = two;
    CHECK_IS(event(EVTCHNOP_send, &op), 0);
    CHECK(event_pending(one));
    op.u.unmask.port = two;
    CHECK_IS(event(EVTCHNOP_unmask, &op), 0);
    op.u.bind_vcpu = (struct evtchn_bind_vcpu){ .port = two };
    CHECK_IS(event(EVTCHNOP_bind_vcpu, &op), 0);
    op.u.bind_ipi = (struct evtchn_bind_ipi){ .vcpu = 0 };
    CHECK_IS(event(EVTCHNOP_bind_ipi, &op), 0);
    CHECK_IS(status_of(op.u.bind_ipi.port), EVTCHNSTAT_ipi);
    evtchn_t ports[] = { one, two, op.u.bind_ipi.port };
    for (unsigned int i = 0; i < 3; i++) {
        op.u.close.port = ports[i];
        CHECK_IS(event(EVTCHNOP_close, &op), 0);
        CHECK_IS(status_of(ports[i]), EVTCHNSTAT_closed);
    }
    op.u.bind_virq = (struct evtchn_bind_virq){ .virq = 77 };
    CHECK_REFUSED(event(EVTCHNOP_bind_virq, &op));
    for (uint32_t cmd = EVTCHNOP_reset; cmd < 20; cmd++)
        CHECK_IS(event(cmd, &op), -ENOSYS);
    CHECK_IS(event(~0u, &op), -ENOSYS);
    CHECK_IS(HYPERVISOR_event_channel_op_compat((void *)0x1000), -EFAULT);
}

static long physdev(uint32_t cmd, struct physdev_op *op)
{
    op->cmd = cmd;
    return HYPERVISOR_physdev_op_compat(op);
}

static void devices(void)
{
    struct physdev_irq_status_query new = { .irq = 1, .flags = 77 };
    struct physdev_op op = { .u.irq_status_query = { .irq = 1, .flags = 77 } };

    CHECK_IS(HYPERVISOR_physdev_op(PHYSDEVOP_irq_status_query, &new),
             physdev(PHYSDEVOP_irq_status_query, &op));
    CHECK_IS(op.u.irq_status_query.flags, new.flags);
    op.u.set_iopl.iopl = 1;
    CHECK_IS(physdev(PHYSDEVOP_set_iopl, &op), 0);
    op.u.set_iopl.iopl = 4;
    CHECK_IS(physdev(PHYSDEVOP_set_iopl, &op), -EINVAL);
    *(struct physdev_eoi *)&op.u = (struct physdev_eoi){ .irq = 1u << 31 };
    CHECK_IS(physdev(PHYSDEVOP_eoi, &op), -EINVAL);                 /* which came later */
    CHECK_IS(physdev(60, &op), -ENOSYS);
    CHECK_IS(HYPERVISOR_physdev_op_compat((void *)0x1000), -EFAULT);
}

void test_main(void)
{
    scheduling();
    event_channels();
    devices();
}
