/* SPDX-License-Identifier: MIT */
/* sysctl: the pool of CPUs, how long turns are, at which node devices are. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>
#include "sysctl_host.h"

static void pools(void **state)
{
    struct xen_sysctl_cpupool_op *pool = &op.u.cpupool_op;
    uint8_t map[8];

    *pool = (struct xen_sysctl_cpupool_op){ .op = XEN_SYSCTL_CPUPOOL_OP_INFO,
                                            .cpumap = { .nr_bits = 64, .bitmap.p = map } };
    memset(map, 0xee, sizeof(map));
    assert_int_equal(sysctl(XEN_SYSCTL_cpupool_op), 0);
    assert_int_equal(pool->cpupool_id, 0);
    assert_int_equal(pool->sched_id, 5);
    assert_int_equal(pool->n_dom, 3);
    assert_true(map[0] == 3 && map[1] == 0 && map[7] == 0);
    pool->op = XEN_SYSCTL_CPUPOOL_OP_FREEINFO;
    assert_int_equal(sysctl(XEN_SYSCTL_cpupool_op), 0);
    assert_int_equal(map[0], 0);
    pool->op = XEN_SYSCTL_CPUPOOL_OP_INFO;
    pool->cpupool_id = 1;
    assert_int_equal(sysctl(XEN_SYSCTL_cpupool_op), -ENOENT);
    pool->cpupool_id = 0;
    pool->cpumap.bitmap.p = NOT_THERE;
    assert_int_equal(sysctl(XEN_SYSCTL_cpupool_op), -EFAULT);
    for (unsigned int i = 0; i < 9; i++)
        if (i != XEN_SYSCTL_CPUPOOL_OP_INFO && i != XEN_SYSCTL_CPUPOOL_OP_FREEINFO) {
            pool->op = i;
            assert_int_equal(sysctl(XEN_SYSCTL_cpupool_op), -EOPNOTSUPP);
        }
}

static void turns(void **state)
{
    struct xen_sysctl_scheduler_op *scheduler = &op.u.scheduler_op;

    memset(&op, 0xee, sizeof(op));
    scheduler->cpupool_id = 0;
    scheduler->sched_id = 5;
    scheduler->cmd = XEN_SYSCTL_SCHEDOP_getinfo;
    assert_int_equal(sysctl(XEN_SYSCTL_scheduler_op), 0);
    assert_int_equal(scheduler->u.sched_credit.tslice_ms, 10);
    assert_int_equal(scheduler->u.sched_credit.ratelimit_us, 0);
    assert_int_equal(scheduler->u.sched_credit.vcpu_migr_delay_us, 0);
    scheduler->cmd = XEN_SYSCTL_SCHEDOP_putinfo;
    assert_int_equal(sysctl(XEN_SYSCTL_scheduler_op), -EOPNOTSUPP);
    scheduler->sched_id = 6;
    assert_int_equal(sysctl(XEN_SYSCTL_scheduler_op), -EINVAL);
    scheduler->sched_id = 5;
    scheduler->cpupool_id = 1;
    assert_int_equal(sysctl(XEN_SYSCTL_scheduler_op), -EINVAL);
}

static void places_of_devices(void **state)
{
    physdev_pci_device_t devices[3] = { { 0, 2, 3 << 3 | 1 }, { 1, 2, 3 << 3 | 1 }, { 0, 2, 0 } };
    uint32_t places[4] = { 7, 7, 7, 7 };
    struct xen_sysctl_pcitopoinfo *devs = &op.u.pcitopoinfo;

    cpu.budget = ENTRY_BUDGET;
    *devs = (struct xen_sysctl_pcitopoinfo){ .num_devs = 3, .devs.p = devices, .nodes.p = places };
    assert_int_equal(sysctl(XEN_SYSCTL_pcitopoinfo), 0);
    assert_int_equal(devs->num_devs, 3);
    assert_true(places[0] == 0 && places[1] == XEN_INVALID_DEV && places[2] == XEN_INVALID_DEV);
    assert_int_equal(places[3], 7);
    cpu.budget = 1200;                              /* each has its price */
    assert_int_equal(sysctl(XEN_SYSCTL_pcitopoinfo), 0);
    assert_int_equal(devs->num_devs, 2);
    cpu.budget = 0;                                 /* one, at least, each time */
    assert_int_equal(sysctl(XEN_SYSCTL_pcitopoinfo), 0);
    assert_int_equal(devs->num_devs, 1);
    devs->nodes.p = NOT_THERE;
    assert_int_equal(sysctl(XEN_SYSCTL_pcitopoinfo), -EFAULT);
    devs->nodes.p = places;
    devs->devs.p = NOT_THERE;
    assert_int_equal(sysctl(XEN_SYSCTL_pcitopoinfo), -EFAULT);
    devs->num_devs = 0;
    assert_int_equal(sysctl(XEN_SYSCTL_pcitopoinfo), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(pools, set_up),
        cmocka_unit_test_setup(turns, set_up),
        cmocka_unit_test_setup(places_of_devices, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
