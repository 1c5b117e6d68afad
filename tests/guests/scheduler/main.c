/* SPDX-License-Identifier: MIT */
/*
 * The weight of a domain, as a toolstack sets it (XEN_DOMCTL_scheduler_op): what was written is
 * read back, zero leaves it as it is, and what is no question for the scheduler that runs is
 * refused. Xen's two kinds of credit answer alike, but that only the first, which we claim to be,
 * takes a cap of all ones for no change (Debian's Xen runs the second; with sched=credit it passes
 * this, too).
 */
#include "../lib/test.h"
#include <xen/domctl.h>
#include <xen/sysctl.h>

static uint32_t which;

static long scheduler_op(uint32_t id, uint32_t cmd, struct xen_domctl_sched_credit *credit)
{
    struct xen_domctl op = { .cmd = XEN_DOMCTL_scheduler_op,
                             .interface_version = XEN_DOMCTL_INTERFACE_VERSION,
                             .domain = 0 };
    long result;

    op.u.scheduler_op.sched_id = id;
    op.u.scheduler_op.cmd = cmd;
    op.u.scheduler_op.u.credit = *credit;
    result = HYPERVISOR_domctl(&op);
    *credit = op.u.scheduler_op.u.credit;
    return result;
}

static long put(uint16_t weight, uint16_t cap)
{
    struct xen_domctl_sched_credit credit = { .weight = weight, .cap = cap };

    return scheduler_op(which, XEN_DOMCTL_SCHEDOP_putinfo, &credit);
}

static struct xen_domctl_sched_credit get(void)
{
    struct xen_domctl_sched_credit credit = { .weight = 7, .cap = 7 };

    CHECK_IS(scheduler_op(which, XEN_DOMCTL_SCHEDOP_getinfo, &credit), 0);
    return credit;
}

void test_main(void)
{
    struct xen_sysctl id = { .cmd = XEN_SYSCTL_sched_id,
                             .interface_version = XEN_SYSCTL_INTERFACE_VERSION };
    struct xen_domctl_sched_credit none = { 0 };
    static const uint16_t weights[] = { 1, 255, 512, 65535, 256 };
    uint16_t first, same_cap;

    NEED(HYPERVISOR_sysctl(&id) == 0);
    which = id.u.sched_id.sched_id;
    same_cap = which == XEN_SCHEDULER_CREDIT ? 0xffff : 0;
    first = get().weight;
    /* ours gives the control domain twice a guest's */
    CHECK_IS(first, on_domus() ? 512 : 256);
    CHECK_IS(get().cap, 0);
    CHECK_IS(put(0, same_cap), 0);
    CHECK_IS(get().weight, first);
    for (unsigned int i = 0; i < sizeof(weights) / sizeof(weights[0]); i++) {
        CHECK_IS(put(weights[i], i % 2 ? same_cap : 0), 0);
        CHECK_IS(get().weight, weights[i]);
        CHECK_IS(get().cap, 0);
    }
    CHECK_IS(put(0, 0), 0);
    CHECK_IS(get().weight, 256);
    CHECK_IS(scheduler_op(which + 1, XEN_DOMCTL_SCHEDOP_getinfo, &none), -EINVAL);
    CHECK_IS(scheduler_op(XEN_SCHEDULER_NULL, XEN_DOMCTL_SCHEDOP_putinfo, &none), -EINVAL);
    CHECK_IS(scheduler_op(which, XEN_DOMCTL_SCHEDOP_putvcpuinfo, &none), -EINVAL);
    CHECK_IS(scheduler_op(which, XEN_DOMCTL_SCHEDOP_getvcpuinfo, &none), -EINVAL);
    CHECK_IS(scheduler_op(which, 99, &none), -EINVAL);
    /* no caps; and nothing is changed by half */
    if (on_domus())
        CHECK_IS(put(300, 50), -EOPNOTSUPP);
    CHECK_IS(get().weight, 256);
    CHECK_IS(put(first, same_cap), 0);
}
