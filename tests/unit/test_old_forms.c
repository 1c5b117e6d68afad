/* SPDX-License-Identifier: MIT */
/*
 * The old forms of three hypercalls: which operation reaches which handler, where its argument
 * stands, what has no old form; and a domain's end, which no micro-guest can look back at.
 */
#include "ring0_host.h"
#include "domain/domain.h"
#include <xen/event_channel.h>
#include <xen/physdev.h>
#include <xen/sched.h>
#include "steps_host.h"

static struct domain guest;
static struct vcpu vcpus[1];
static uint64_t record[4];              /* the operation, and its argument behind it */

long do_sched_op(unsigned int op, uint64_t arg)
{
    step("sched %u %lu. ", op, arg);
    return 5;
}
long do_event_channel_op(unsigned int op, uint64_t arg)
{
    step("event %u +%lu. ", op, arg - (uint64_t)record);
    return 6;
}
long do_physdev_op(unsigned int op, uint64_t arg)
{
    step("physdev %u +%lu. ", op, arg - (uint64_t)record);
    return 7;
}
void domain_shutdown(struct domain *d, uint8_t reason)
{
    step("d%u ends: %u. ", d->id, reason);
}

static int set_up(void **state)
{
    *steps = '\0';
    guest = (struct domain){ .id = 1, .refs = 1, .vcpu_count = 1, .vcpus = { &vcpus[0] } };
    vcpus[0] = (struct vcpu){ .domain = &guest };
    ring0_begin(&vcpus[0]);
    return 0;
}

static int tear_down(void **state)
{
    done("");
    ring0_end();
    return 0;
}

static long sched(unsigned int op, unsigned long arg)
{
    return AS_CALLED(do_sched_op_compat)(op, arg, 0, 0, 0, 0);
}
static long event(uint32_t op)
{
    *(uint32_t *)record = op;
    return AS_CALLED(do_event_channel_op_compat)((unsigned long)record, 0, 0, 0, 0, 0);
}
static long physdev(uint32_t op)
{
    *(uint32_t *)record = op;
    return AS_CALLED(do_physdev_op_compat)((unsigned long)record, 0, 0, 0, 0, 0);
}

/* The reason is the register's lowest byte: GNU Mach passes an address. */
static void scheduling(void **state)
{
    assert_int_equal(sched(SCHEDOP_yield, 9), 5);
    assert_int_equal(sched(SCHEDOP_block, 9), 5);
    assert_int_equal(sched(SCHEDOP_shutdown, SHUTDOWN_reboot), 0);
    assert_int_equal(sched(SCHEDOP_shutdown, 0x400a1864), 0);
    done("sched 0 0. sched 1 0. d1 ends: 1. d1 ends: 100. ");
    for (unsigned int op = SCHEDOP_poll; op < 9; op++)
        assert_int_equal(sched(op, 0), -ENOSYS);
}

static void event_channels(void **state)
{
    assert_int_equal(offsetof(struct evtchn_op, u), 4);
    for (uint32_t op = 0; op <= EVTCHNOP_unmask; op++)
        assert_int_equal(event(op), 6);
    done("event 0 +4. event 1 +4. event 2 +4. event 3 +4. event 4 +4. event 5 +4. event 6 +4. "
         "event 7 +4. event 8 +4. event 9 +4. ");
    assert_int_equal(event(EVTCHNOP_reset), -ENOSYS);
    assert_int_equal(event(UINT32_MAX), -ENOSYS);
    assert_int_equal(AS_CALLED(do_event_channel_op_compat)(NOT_THERE, 0, 0, 0, 0, 0), -EFAULT);
}

static void devices(void **state)
{
    assert_int_equal(offsetof(struct physdev_op, u), 8);
    assert_int_equal(physdev(PHYSDEVOP_set_iopl), 7);
    assert_int_equal(physdev(PHYSDEVOP_map_pirq), 7);
    done("physdev 6 +8. physdev 13 +8. ");
    assert_int_equal(AS_CALLED(do_physdev_op_compat)(NOT_THERE, 0, 0, 0, 0, 0), -EFAULT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(scheduling, set_up, tear_down),
        cmocka_unit_test_setup_teardown(event_channels, set_up, tear_down),
        cmocka_unit_test_setup_teardown(devices, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
