/* SPDX-License-Identifier: MIT */
/* See vcpus.h. The context is the least that a vCPU needs: our page tables, a stack, where to
 * begin. */
#include "vcpus.h"
#include <pvguest/bits.h>

static uint8_t stack[MOST_VCPUS][4096] __attribute__((aligned(16)));

unsigned int vcpu_count(void)
{
    unsigned int count = 0;

    while (count < MOST_VCPUS && HYPERVISOR_vcpu_op(VCPUOP_is_up, count, NULL) >= 0)
        count++;
    return count;
}

long vcpu_prepare(unsigned int id, void (*run)(unsigned long id))
{
    return vcpu_prepare_with(id, run, NULL);
}

void vcpu_context(struct vcpu_guest_context *context, unsigned int id,
                  void (*run)(unsigned long id))
{
    memset(context, 0, sizeof(*context));
    context->flags = VGCF_in_kernel;
    context->user_regs.rip = (unsigned long)run;
    context->user_regs.rdi = id;
    /* as if called */
    context->user_regs.rsp = (unsigned long)stack[id] + sizeof(stack[id]) - 8;
    context->user_regs.rflags = 1 << 9;
    context->user_regs.cs = FLAT_KERNEL_CS;
    context->user_regs.ss = FLAT_KERNEL_SS;
    context->kernel_ss = FLAT_KERNEL_SS;
    context->kernel_sp = context->user_regs.rsp;
    context->ctrlreg[3] = xen_pfn_to_cr3(kernel_root_mfn);
}

long vcpu_prepare_with(unsigned int id, void (*run)(unsigned long id),
                       void (*more)(struct vcpu_guest_context *context))
{
    static struct vcpu_guest_context context;

    vcpu_context(&context, id, run);
    if (more)
        more(&context);
    return HYPERVISOR_vcpu_op(VCPUOP_initialise, id, &context);
}

unsigned int vcpus_start(unsigned int most, void (*run)(unsigned long id))
{
    unsigned int count = MIN(vcpu_count(), most);

    for (unsigned int id = 1; id < count; id++) {
        shared_info.vcpu_info[id].evtchn_upcall_mask = 1;
        NEED(vcpu_prepare(id, run) == 0);
        NEED(HYPERVISOR_vcpu_op(VCPUOP_up, id, NULL) == 0);
    }
    return count;
}

void vcpu_end(unsigned long id)
{
    for (;;)
        (void)HYPERVISOR_vcpu_op(VCPUOP_down, id, NULL);
}

void vcpus_wait(unsigned int count)
{
    for (unsigned int id = 1; id < count; id++)
        while (HYPERVISOR_vcpu_op(VCPUOP_is_up, id, NULL) == 1)
            vcpu_yield();
}

int vcpu_timer_port(unsigned int id)
{
    struct evtchn_bind_virq bind = { .virq = VIRQ_TIMER, .vcpu = id };
    long error = HYPERVISOR_event_channel_op(EVTCHNOP_bind_virq, &bind);

    if (error == 0) return (int)bind.port;
    for (evtchn_port_t port = 1; port < 4096; port++) {
        struct evtchn_status status = { .dom = DOMID_SELF, .port = port };
        if (HYPERVISOR_event_channel_op(EVTCHNOP_status, &status) == 0 &&
            status.status == EVTCHNSTAT_virq && status.u.virq == VIRQ_TIMER && status.vcpu == id)
            return (int)port;
    }
    return (int)error;
}

bool port_pending(int port)
{
    return __atomic_load_n(&shared_info.evtchn_pending[port / 64], __ATOMIC_SEQ_CST) >> port % 64 &
           1;
}
