/* SPDX-License-Identifier: MIT */
/* vcpu_op, sched_op, nmi_op, callback_op and multicall with arguments that are wrong. */
#include "refusals.h"

#include <xen/callback.h>
#include <xen/nmi.h>
#include <xen/sched.h>
#include <xen/vcpu.h>

#define NOT_CANONICAL (1UL << 50)

static void bad_vcpu_ops(void)
{
    static vcpu_guest_context_t context;
    static struct vcpu_runstate_info runstate;
    struct vcpu_register_vcpu_info info = { .mfn = foreign_mfn() };
    struct vcpu_register_runstate_memory_area area = { .addr.p = 0x800000000000UL };
    struct vcpu_register_time_memory_area time = { .addr.p = 0x800000000000UL };
    struct vcpu_set_periodic_timer periodic = { .period_ns = 999999 };

    CHECK_IS(HYPERVISOR_vcpu_op(VCPUOP_is_up, 31, NULL), -ENOENT);
    CHECK_IS(HYPERVISOR_vcpu_op(VCPUOP_is_up, 100, NULL), -ENOENT);
    CHECK_IS(HYPERVISOR_vcpu_op(VCPUOP_initialise, 0, &context), -EEXIST);
    CHECK_IS(HYPERVISOR_vcpu_op(VCPUOP_register_vcpu_info, 0, NOWHERE), -EFAULT);
    CHECK_IS(HYPERVISOR_vcpu_op(VCPUOP_register_vcpu_info, 0, &info), -EINVAL);
    info.offset = PAGE_SIZE - sizeof(struct vcpu_info) + 8;
    CHECK_IS(HYPERVISOR_vcpu_op(VCPUOP_register_vcpu_info, 0, &info), -ENXIO);
    info.offset = 4;
    CHECK_IS(HYPERVISOR_vcpu_op(VCPUOP_register_vcpu_info, 0, &info), -ENXIO);
    CHECK_IS(HYPERVISOR_vcpu_op(VCPUOP_register_runstate_memory_area, 0, NOWHERE), -EFAULT);
    CHECK_IS(HYPERVISOR_vcpu_op(VCPUOP_register_runstate_memory_area, 0, &area), -EFAULT);
    area.addr.p = (uint64_t)NOWHERE;
    CHECK_IS(HYPERVISOR_vcpu_op(VCPUOP_register_runstate_memory_area, 0, &area), -EFAULT);
    area.addr.v = &runstate;
    CHECK_IS(HYPERVISOR_vcpu_op(VCPUOP_register_runstate_memory_area, 0, &area), 0);
    CHECK_IS(HYPERVISOR_vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0, NOWHERE), -EFAULT);
    CHECK_IS(HYPERVISOR_vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0, &time), -EFAULT);
    CHECK_IS(HYPERVISOR_vcpu_op(VCPUOP_set_periodic_timer, 0, NOWHERE), -EFAULT);
    CHECK_IS(HYPERVISOR_vcpu_op(VCPUOP_set_periodic_timer, 0, &periodic), -EINVAL);
    periodic.period_ns = 1UL << 63;
    CHECK_IS(HYPERVISOR_vcpu_op(VCPUOP_set_periodic_timer, 0, &periodic), -EINVAL);
    CHECK_IS(HYPERVISOR_vcpu_op(VCPUOP_set_singleshot_timer, 0, NOWHERE), -EFAULT);
    CHECK_IS(HYPERVISOR_vcpu_op(VCPUOP_get_runstate_info, 0, NOWHERE), -EFAULT);
    CHECK_IS(HYPERVISOR_vcpu_op(VCPUOP_send_nmi, 0, &info), -EINVAL);
    CHECK_IS(HYPERVISOR_vcpu_op(VCPUOP_get_physid, 0, &info), -EINVAL);
    CHECK_IS(HYPERVISOR_vcpu_op(1000, 0, &info), -ENOSYS);
}

static void bad_sched_ops(void)
{
    static evtchn_port_t port = 5000;
    struct sched_poll poll = { .nr_ports = 1, .ports.p = NOWHERE };
    struct sched_remote_shutdown remote = { .domain_id = 900 };
    struct sched_watchdog dog = { .id = 3, .timeout = 1 };

    CHECK_IS(HYPERVISOR_sched_op(SCHEDOP_poll, NOWHERE), -EFAULT);
    CHECK_IS(HYPERVISOR_sched_op(SCHEDOP_poll, &poll), -EFAULT);
    poll.ports.p = &port;
    CHECK_IS(HYPERVISOR_sched_op(SCHEDOP_poll, &poll), -EINVAL);
    poll.nr_ports = 129;
    CHECK_IS(HYPERVISOR_sched_op(SCHEDOP_poll, &poll), -EINVAL);
    CHECK_IS(HYPERVISOR_sched_op(SCHEDOP_shutdown, NOWHERE), -EFAULT);
    CHECK_IS(HYPERVISOR_sched_op(SCHEDOP_shutdown_code, NOWHERE), -EFAULT);
    CHECK_IS(HYPERVISOR_sched_op(SCHEDOP_remote_shutdown, NOWHERE), -EFAULT);
    CHECK_IS(HYPERVISOR_sched_op(SCHEDOP_remote_shutdown, &remote), -ESRCH);
    CHECK_IS(HYPERVISOR_sched_op(SCHEDOP_watchdog, NOWHERE), -EFAULT);
    CHECK_IS(HYPERVISOR_sched_op(SCHEDOP_watchdog, &dog), -EINVAL);
    dog.id = 1;
    CHECK_IS(HYPERVISOR_sched_op(SCHEDOP_watchdog, &dog), -EINVAL);
    dog = (struct sched_watchdog){ 0 };
    CHECK_IS(HYPERVISOR_sched_op(SCHEDOP_watchdog, &dog), -EINVAL);
    dog.timeout = 1000;
    CHECK_IS(HYPERVISOR_sched_op(SCHEDOP_watchdog, &dog), 1);
    CHECK_IS(HYPERVISOR_sched_op(SCHEDOP_watchdog, &dog), 2);
    CHECK_IS(HYPERVISOR_sched_op(SCHEDOP_watchdog, &dog), -ENOSPC);
    for (dog.id = 1, dog.timeout = 0; dog.id <= 2; dog.id++)
        CHECK_IS(HYPERVISOR_sched_op(SCHEDOP_watchdog, &dog), 0);
    CHECK_IS(HYPERVISOR_sched_op(1000, NULL), -ENOSYS);
}

static void bad_callbacks(void)
{
    struct xennmi_callback nmi = { .handler_address = NOT_CANONICAL };
    struct callback_register callback = { .type = CALLBACKTYPE_event, .address = NOT_CANONICAL };
    struct callback_unregister gone = { .type = CALLBACKTYPE_event };

    CHECK_IS(HYPERVISOR_nmi_op(XENNMI_register_callback, NOWHERE), -EFAULT);
    CHECK_IS(HYPERVISOR_nmi_op(XENNMI_register_callback, &nmi), -EINVAL);
    CHECK_IS(HYPERVISOR_nmi_op(1000, NULL), -ENOSYS);
    CHECK_IS(HYPERVISOR_callback_op(CALLBACKOP_register, NOWHERE), -EFAULT);
    CHECK_IS(HYPERVISOR_callback_op(CALLBACKOP_register, &callback), -EINVAL);
    callback.type = 1000;
    CHECK_IS(HYPERVISOR_callback_op(CALLBACKOP_register, &callback), -ENOSYS);
    CHECK_IS(HYPERVISOR_callback_op(CALLBACKOP_unregister, NOWHERE), -EFAULT);
    CHECK_IS(HYPERVISOR_callback_op(CALLBACKOP_unregister, &gone), -EINVAL);
    gone.type = 1000;
    CHECK_IS(HYPERVISOR_callback_op(CALLBACKOP_unregister, &gone), -ENOSYS);
    CHECK_IS(HYPERVISOR_callback_op(1000, NOWHERE), -ENOSYS);
}

/* A call that takes long, in a list that cannot be written: what remains of it has no place. */
static void long_call_in_a_list(void)
{
    static struct mmu_update updates[4000];
    static uint64_t target[512] __attribute__((aligned(PAGE_SIZE)));
    struct multicall_entry call = { .op = __HYPERVISOR_mmu_update,
                                    .args = { (unsigned long)updates, 4000, 0, DOMID_SELF } };
    struct multicall_entry *list = unwritable(&call, sizeof(call));

    for (unsigned int i = 0; i < 4000; i++)
        updates[i] = (struct mmu_update){ entry_address(target, 1),
                                          (uint64_t)virt_to_mfn(target) << PAGE_SHIFT |
                                          (i % 2 ? PROT_RW : PROT_RO) };
    CHECK_IS(HYPERVISOR_multicall(list, 1), -EFAULT);
    CHECK_IS(HYPERVISOR_mmu_update(&updates[1], 1, NULL, DOMID_SELF), 0);
    unwritable_end(list);
}

/* A list in a page that cannot be written: the call is made, its result has no place. And lists in
 * lists. */
static void bad_multicalls(void)
{
    struct multicall_entry inner = { .op = __HYPERVISOR_sched_op, .args = { SCHEDOP_yield } };
    struct multicall_entry outer = { .op = __HYPERVISOR_multicall,
                                     .args = { (unsigned long)&inner, 1 } };
    struct multicall_entry *list = unwritable(&inner, sizeof(inner));

    CHECK_IS(HYPERVISOR_multicall(list, 1), -EFAULT);
    CHECK_IS(HYPERVISOR_multicall(NOWHERE, 1), -EFAULT);
    CHECK_IS(HYPERVISOR_multicall(&outer, 1), 0);
    CHECK_IS(outer.result, -EINVAL);
    unwritable_end(list);
    long_call_in_a_list();
}

void refused_vcpus(void)
{
    bad_vcpu_ops();
    bad_sched_ops();
    bad_callbacks();
    bad_multicalls();
}
