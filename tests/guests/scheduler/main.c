/* SPDX-License-Identifier: MIT */
/*
 * The weight and the cap of a domain, and the CPUs of a vCPU, as a toolstack sets them
 * (XEN_DOMCTL_scheduler_op, _setvcpuaffinity): what was written is read back, a weight of zero
 * leaves it as it is, and what is no question for the scheduler that runs is refused. Xen's two
 * kinds of credit answer alike, but that only the first, which we claim to be, takes a cap of all
 * ones for no change (Debian's Xen runs the second; with sched=credit it passes this, too).
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

/* --- where it may run ------------------------------------------------------------------------- */

static long affinity_op(uint32_t cmd, uint32_t vcpu, uint32_t flags, uint64_t *hard, uint64_t *soft)
{
    struct xen_domctl op = { .cmd = cmd,
                             .interface_version = XEN_DOMCTL_INTERFACE_VERSION,
                             .domain = 0 };

    op.u.vcpuaffinity.vcpu = vcpu;
    op.u.vcpuaffinity.flags = flags;
    op.u.vcpuaffinity.cpumap_hard.nr_bits = op.u.vcpuaffinity.cpumap_soft.nr_bits = 64;
    op.u.vcpuaffinity.cpumap_hard.bitmap.p = (uint8_t *)hard;
    op.u.vcpuaffinity.cpumap_soft.bitmap.p = (uint8_t *)soft;
    return HYPERVISOR_domctl(&op);
}

static uint64_t online(void)
{
    struct xen_sysctl op = { .cmd = XEN_SYSCTL_physinfo,
                             .interface_version = XEN_SYSCTL_INTERFACE_VERSION };

    NEED(HYPERVISOR_sysctl(&op) == 0 && op.u.physinfo.nr_cpus < 64);
    return (1ul << op.u.physinfo.nr_cpus) - 1;
}

/* Hard affinity is what was set; the answer is what of it there is, and without any it is refused.
 * Soft affinity, too, and with none of Domus's CPUs nothing is preferred. */
static void affinity(void)
{
    const uint32_t set = XEN_DOMCTL_setvcpuaffinity, get_it = XEN_DOMCTL_getvcpuaffinity;
    const uint32_t hard_one = XEN_VCPUAFFINITY_HARD, soft_one = XEN_VCPUAFFINITY_SOFT;
    uint64_t there = online(), hard = 0, soft = 0;

    CHECK_IS(affinity_op(get_it, 0, hard_one | soft_one, &hard, &soft), 0);
    CHECK_IS(hard & there, there);
    CHECK_IS(soft & there, there);
    hard = 1ul << 63 | 1;
    CHECK_IS(affinity_op(set, 0, hard_one, &hard, &soft), 0);
    CHECK_IS(hard, 1);
    hard = 0;
    CHECK_IS(affinity_op(get_it, 0, hard_one, &hard, &soft), 0);
    CHECK_IS(hard & there, 1);
    hard = 1ul << 63;
    CHECK_IS(affinity_op(set, 0, hard_one, &hard, &soft), -EINVAL);
    hard = 0;
    CHECK_IS(affinity_op(set, 0, hard_one, &hard, &soft), -EINVAL);
    hard = soft = ~0ul;
    CHECK_IS(affinity_op(set, 0, hard_one | soft_one, &hard, &soft), 0);
    CHECK_IS(hard, there);
    CHECK_IS(soft, there);
    soft = 1ul << 63 | 1;
    CHECK_IS(affinity_op(set, 0, soft_one, &hard, &soft), 0);
    CHECK_IS(soft, 1);
    soft = 0;
    CHECK_IS(affinity_op(get_it, 0, soft_one, &hard, &soft), 0);
    CHECK_IS(soft & there, 1);
    soft = 1ul << 63;
    CHECK_IS(affinity_op(set, 0, soft_one, &hard, &soft), 0);
    CHECK(!on_domus() || soft == there);
    soft = ~0ul;
    CHECK_IS(affinity_op(set, 0, soft_one, &hard, &soft), 0);
    CHECK_IS(affinity_op(get_it, 0, hard_one, &hard, &soft), 0);
    CHECK_IS(hard & there, there);
    CHECK_IS(affinity_op(set, 0, 0, &hard, &soft), -EINVAL);
    CHECK_IS(affinity_op(set, 77, hard_one, &hard, &soft), -EINVAL);
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
    CHECK_IS(put(300, 50), 0);
    CHECK_IS(get().weight, 300);
    CHECK_IS(get().cap, 50);
    CHECK_IS(put(first, 0), 0);
    CHECK_IS(get().weight, first);
    CHECK_IS(get().cap, 0);
    affinity();
}
