/* SPDX-License-Identifier: MIT */
/* Bringing a second vCPU up by VCPUOP_initialise; vcpu.h. */
#include "vcpu.h"
#include <xen/vcpu.h>

volatile uint64_t turn;

void second_vcpu(void (*fn)(void), void (*adjust)(struct vcpu_guest_context *context))
{
    static struct vcpu_guest_context context;
    static uint8_t stack[PROBE_STACK] __attribute__((aligned(16)));

    if (HYPERVISOR_vcpu_op(VCPUOP_is_up, 1, NULL) < 0)
        test_skip("there is no second vCPU");
    memset(&context, 0, sizeof(context));
    context.flags = VGCF_in_kernel;
    context.user_regs.rip = (unsigned long)fn;
    context.user_regs.rsp = (unsigned long)stack + sizeof(stack) - 8;       /* as after a call */
    context.user_regs.cs = FLAT_KERNEL_CS;
    context.user_regs.ss = FLAT_KERNEL_SS;
    context.user_regs.rflags = 0x202;
    context.kernel_ss = FLAT_KERNEL_SS;
    context.kernel_sp = (unsigned long)stack + sizeof(stack);
    context.ctrlreg[3] = xen_pfn_to_cr3(kernel_root_mfn);
    probe_context(&context);
    if (adjust)
        adjust(&context);
    NEED(HYPERVISOR_vcpu_op(VCPUOP_initialise, 1, &context) == 0);
    shared_info.vcpu_info[1].evtchn_upcall_mask = 1;
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
