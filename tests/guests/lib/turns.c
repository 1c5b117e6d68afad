/* SPDX-License-Identifier: MIT */
/* See turns.h. */
#include "turns.h"

volatile uint64_t turn;

void second_vcpu(void (*fn)(unsigned long id))
{
    if (HYPERVISOR_vcpu_op(VCPUOP_is_up, 1, NULL) < 0)
        test_skip("there is no second vCPU");
    shared_info.vcpu_info[1].evtchn_upcall_mask = 1;
    NEED(vcpu_prepare_with(1, fn, probe_context) == 0);
    NEED(HYPERVISOR_vcpu_op(VCPUOP_up, 1, NULL) == 0);
}

void wait_for_turn(uint64_t mine)
{
    while (turn != mine)
        vcpu_yield();
}

void give_turn(uint64_t me)
{
    turn = !me;
    wait_for_turn(me);
}
